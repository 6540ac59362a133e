//! Each typology's plan, over many draws.

use super::*;
use crate::random::Purpose;
use crate::time::{DAY_MS, HOUR_MS};

const START: Time = Time(1_767_225_600_000);
const SCRIPTS: u64 = 200;

fn script(typology: Typology, seed: u64, cap: u32, camouflage: f64) -> Script {
    let manner = Manner {
        camouflage,
        modus: Modus::FIRST,
        dice: Dice::new(seed, Purpose::Step, 0, 0),
    };
    typology.script(START, cap, Dice::new(seed, Purpose::Shape, 0, 0), manner)
}

fn sends(script: &Script) -> Vec<(u16, u16)> {
    let edge = |step: &Step| match step.action {
        Action::Send(to, _) => Some((step.actor, to)),
        _ => None,
    };
    script.steps.iter().filter_map(edge).collect()
}

fn count(script: &Script, part: Part) -> usize {
    script.parts.iter().filter(|&&p| p == part).count()
}

/// Holds for each of many scripts, and no script starts before its start or runs backwards.
fn check(typology: Typology, holds: impl Fn(&Script) -> bool) {
    for seed in 0..SCRIPTS {
        let script = script(typology, seed, 1000, 0.8);
        assert!(
            holds(&script),
            "{} seed {seed}: {script:?}",
            typology.name()
        );
        assert!(
            script.steps.iter().all(|step| step.at >= START),
            "{} {seed}",
            typology.name()
        );
        assert!(script.steps.is_sorted_by_key(|step| step.at));
        let last = script.parts.len() as u16;
        assert!(
            sends(&script)
                .iter()
                .all(|&(from, to)| from < last && to < last && from != to)
        );
        assert!(script.fraud_count() > 0);
    }
}

#[test]
fn card_testing_probes_each_card_before_it_spends() {
    check(Typology::CardTesting, |script| {
        (0..script.parts.len() as u16).all(|card| {
            let own = script.steps.iter().filter(|step| step.actor == card);
            let stages: Vec<Stage> = own.map(|step| step.stage).collect();
            let probes = stages
                .iter()
                .take_while(|&&stage| stage == Stage::Probe)
                .count();
            (1..=3).contains(&probes) && (1..=2).contains(&(stages.len() - probes))
        }) && (3..=7).contains(&count(script, Part::Victim))
    });
}

#[test]
fn takeover_enters_from_a_foreign_screen_and_then_drains() {
    check(Typology::AccountTakeover, |script| {
        let own: Vec<&Step> = script.steps.iter().filter(|step| step.actor == 0).collect();
        let drains = own
            .iter()
            .filter(|s| matches!(s.action, Action::Send(1, Sum::Drain(_))));
        own[0].action == Action::Login
            && own
                .iter()
                .all(|step| step.via == Via::Ring(0) && step.fraud)
            && (1..=3).contains(&drains.count())
    });
}

#[test]
fn app_scam_is_paid_by_the_victim_on_the_own_screen() {
    check(Typology::AppScam, |script| {
        let victim = script.steps.iter().filter(|step| step.actor == 0);
        let paid = sends(script).iter().filter(|&&edge| edge == (0, 1)).count();
        victim.clone().all(|step| step.via == Via::Owner) && (1..=4).contains(&paid)
    });
}

#[test]
fn device_farm_opens_five_to_forty_accounts_on_few_screens() {
    check(Typology::DeviceFarm, |script| {
        let opens = script
            .steps
            .iter()
            .filter(|step| step.action == Action::Open)
            .count();
        (5..=40).contains(&opens)
            && opens == count(script, Part::Fresh)
            && usize::from(script.devices) <= opens / 5 + 1
            && sends(script).iter().filter(|(_, to)| *to == 0).count() == opens
    });
}

#[test]
fn bust_out_raises_the_limit_days_before_the_burst() {
    check(Typology::BustOut, |script| {
        (0..script.parts.len() as u16).all(|borrower| {
            let own: Vec<&Step> = script
                .steps
                .iter()
                .filter(|step| step.actor == borrower)
                .collect();
            let spent: Vec<&&Step> = own.iter().filter(|step| step.fraud).collect();
            own[0].action == Action::RaiseLimit
                && spent.len() >= 3
                && spent[0].at - own[0].at >= DAY_MS / 2
                && own.iter().any(|step| step.action == Action::Default)
        })
    });
}

#[test]
fn flows_have_their_shapes() {
    check(Typology::MuleRing, |script| {
        let victims = count(script, Part::Victim) as u16;
        let edges = sends(script);
        let fan_in = edges
            .iter()
            .filter(|&&(from, to)| from < victims && to == victims);
        let fan_out = edges.iter().filter(|&&(from, _)| from == victims).count();
        fan_in.count() == usize::from(victims) && fan_out == count(script, Part::Mule) - 1
    });
    check(Typology::ScatterGather, |script| {
        let sink = count(script, Part::Mule) as u16 - 1;
        let edges = sends(script);
        (1..sink).all(|hand| edges.contains(&(0, hand)) && edges.contains(&(hand, sink)))
    });
    check(Typology::GatherScatter, |script| {
        let edges = sends(script);
        let Some(&(_, hub)) = edges.first() else {
            return false;
        };
        let members = script.parts.len() as u16;
        (0..hub).all(|source| edges.contains(&(source, hub)))
            && (hub + 1..members).all(|sink| edges.contains(&(hub, sink)))
    });
    check(Typology::Cycle, |script| {
        let members = script.parts.len() as u16;
        let ring: Vec<(u16, u16)> = (0..members).map(|m| (m, (m + 1) % members)).collect();
        (3..=10).contains(&members) && sends(script) == ring
    });
    check(Typology::Layering, |script| {
        // every layer but the last pays two of the next
        let edges = sends(script);
        let payers: std::collections::BTreeSet<u16> = edges.iter().map(|edge| edge.0).collect();
        payers.len() >= 5
            && payers
                .iter()
                .filter(|&&p| edges.iter().filter(|e| e.0 == p).count() == 2)
                .count()
                >= payers.len() - 1
    });
}

#[test]
fn a_terminal_is_watched_days_before_the_copies_are_used() {
    check(Typology::CompromisedTerminal, |script| {
        let first_use = script
            .steps
            .iter()
            .find(|step| step.fraud)
            .map(|step| step.at);
        script.steps[0].action == Action::Watch
            && first_use.is_some_and(|at| at - START > DAY_MS)
            && count(script, Part::Visitor) == script.parts.len()
    });
}

#[test]
fn collusion_and_synthetic_identities_keep_to_their_stages() {
    check(Typology::MerchantCollusion, |script| {
        let pays = script
            .steps
            .iter()
            .filter(|s| matches!(s.action, Action::Pay(Shop::Ring, _)));
        pays.count() >= count(script, Part::Borrower)
    });
    check(Typology::SyntheticIdentity, |script| {
        (0..script.parts.len() as u16).all(|person| {
            let own = script.steps.iter().filter(|step| step.actor == person);
            let place = |action: Action| own.clone().position(|step| step.action == action);
            let spends = own.clone().position(|step| step.stage == Stage::Spend);
            place(Action::Open) == Some(0) && place(Action::RaiseLimit) < spends
        })
    });
}

#[test]
fn hard_negatives_have_the_same_shape() {
    for typology in Typology::ALL {
        for seed in 0..50 {
            let (fraud, twin) = (
                script(typology, seed, 30, 0.0),
                script(typology, seed, 30, 1.0),
            );
            assert_eq!(fraud.parts, twin.parts, "{} seed {seed}", typology.name());
            let shape = |script: &Script| {
                let mut steps: Vec<String> = script
                    .steps
                    .iter()
                    .map(|s| format!("{:?} {:?}", s.actor, s.action))
                    .collect();
                steps.sort();
                steps
            };
            assert_eq!(
                shape(&fraud),
                shape(&twin),
                "{} seed {seed}",
                typology.name()
            );
        }
    }
}

/// The hours of a shape are those of all its plays; only who does not hide keeps others.
#[test]
fn plays_of_one_shape_keep_its_hours() {
    for typology in Typology::ALL {
        let (mut near, mut all) = (0, 0);
        for seed in 0..SCRIPTS {
            let hours = |play: u64| {
                let manner = Manner {
                    camouflage: 1.0,
                    modus: Modus::FIRST,
                    dice: Dice::new(seed, Purpose::Step, play, 0),
                };
                let shape = Dice::new(seed, Purpose::Shape, 0, 0);
                let steps = typology.script(START, 1000, shape, manner).steps;
                steps.iter().map(|step| step.at).collect::<Vec<Time>>()
            };
            for (one, other) in hours(1).into_iter().zip(hours(2)) {
                all += 1;
                near += u32::from((one - other).abs() < 2 * HOUR_MS);
            }
        }
        let name = typology.name();
        assert!(
            near * 10 > all * 8,
            "{name}: {near} of {all} within two hours"
        );
    }
}

#[test]
fn the_cap_bounds_a_ring_and_camouflage_moves_the_hours() {
    for typology in Typology::ALL {
        let least: u32 = (0..50)
            .map(|s| script(typology, s, 4, 0.8).fraud_count())
            .max()
            .unwrap_or(0);
        let free: u32 = (0..50)
            .map(|s| script(typology, s, 500, 0.8).fraud_count())
            .max()
            .unwrap_or(0);
        assert!(least <= free, "{}: {least} {free}", typology.name());
        assert!(
            least <= 40,
            "{} plans {least} frauds under a cap of 4",
            typology.name()
        );
    }
    let nights = |camouflage| {
        let scripts = (0..SCRIPTS).map(|seed| script(Typology::AppScam, seed, 100, camouflage));
        scripts
            .flat_map(|script| script.steps)
            .filter(|step| step.action != Action::Login && step.actor == 0)
            .filter(|step| !(6..22).contains(&(step.at.ms_of_day() / HOUR_MS)))
            .count()
    };
    assert!(
        nights(0.0) > 3 * nights(0.95),
        "{} {}",
        nights(0.0),
        nights(0.95)
    );
}
