//! What holds in every world, whatever its parameters: seeds are printed and replayable.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use ringfence_simulator as simulator;
use simulator::typology::Typology;
use simulator::{
    Channel, Counts, EventKind, EventNo, EventRow, OutcomeKind, Params, Role, Row, Secret, simulate,
};

struct Run {
    rows: Vec<Row>,
    secrets: Vec<Secret>,
    counts: Counts,
}

fn run(text: &str) -> Run {
    let params = Params::from_toml(text).unwrap();
    let (mut rows, mut secrets) = (Vec::new(), Vec::new());
    let observe = |row: &Row| {
        rows.push(*row);
        Ok::<(), Infallible>(())
    };
    let confide = |secret: &Secret| {
        secrets.push(*secret);
        Ok(())
    };
    let counts = simulate(&params, 1, observe, confide).unwrap();
    Run {
        rows,
        secrets,
        counts,
    }
}

impl Run {
    fn events(&self) -> impl Iterator<Item = &EventRow> {
        self.rows.iter().filter_map(|row| match row {
            Row::Event(event) => Some(event),
            _ => None,
        })
    }

    fn frauds(&self) -> BTreeSet<EventNo> {
        self.secrets
            .iter()
            .filter(|s| s.role == Role::Fraud)
            .map(|s| s.event)
            .collect()
    }
}

/// Worlds that differ in everything that could break an invariant.
const WORLDS: [&str; 5] = [
    "seed = 1\ndays = 15\naccounts = 800\nprevalence = 0.02",
    "seed = 2\ndays = 30\naccounts = 600\nprevalence = 0.05\ncamouflage = 0.0",
    "seed = 3\ndays = 9\naccounts = 1500\nbanks = 3\n[activity]\npace = 2.0",
    "seed = 4\ndays = 40\naccounts = 500\nprevalence = 0.03\n[outcomes]\nreversed = 0.2\nrefunded = 0.2\ndeclined = 0.2\nchallenged = 0.3",
    "seed = 5\ndays = 12\naccounts = 700\n[activity]\nnewcomers_per_day = 0.05\nmove_per_day = 0.05\nnew_device_per_day = 0.1",
];

#[test]
fn money_is_neither_made_nor_lost() {
    for world in WORLDS {
        let run = run(world);
        assert_eq!(run.counts.ledger_excess, 0, "{world}");
        assert!(run.counts.events > 5_000, "{world}: {:?}", run.counts);
    }
}

/// The stream alone gives back every balance it states: nothing moves that is not told, and nothing is
/// told that does not move.
#[test]
fn balances_follow_from_the_stream() {
    for world in WORLDS {
        let run = run(world);
        let stopped: BTreeSet<EventNo> = run
            .rows
            .iter()
            .filter_map(|row| match row {
                Row::Outcome(outcome) => matches!(
                    outcome.kind,
                    OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::ChallengeFailed
                )
                .then_some(outcome.event),
                _ => None,
            })
            .collect();
        let mut balances = BTreeMap::new();
        let mut moved = BTreeMap::new();
        let mut compared = 0;
        for row in &run.rows {
            match row {
                Row::Event(event) => {
                    let known = balances.insert(event.account, event.balance_before.0);
                    if let Some(known) = known {
                        compared += 1;
                        assert_eq!(known, event.balance_before.0, "{world}: {event:?}");
                    }
                    let Some(amount) = event.amount.filter(|_| !stopped.contains(&event.no)) else {
                        continue;
                    };
                    assert!(amount.0 > 0, "{world}: {event:?}");
                    let incoming = matches!(event.kind, EventKind::Deposit | EventKind::Refund);
                    let signed = if incoming { amount.0 } else { -amount.0 };
                    *balances.entry(event.account).or_default() += signed;
                    if let Some(balance) = event.payee.and_then(|payee| balances.get_mut(&payee)) {
                        *balance -= signed;
                    }
                    moved.insert(event.no, (event.account, amount.0));
                }
                Row::Outcome(outcome)
                    if matches!(outcome.kind, OutcomeKind::Reversed | OutcomeKind::Refunded) =>
                {
                    // each at most once
                    let (account, amount) = moved.remove(&outcome.event).unwrap();
                    if let Some(balance) = balances.get_mut(&account) {
                        *balance += amount;
                    }
                }
                _ => {}
            }
        }
        assert!(compared > 4_000, "{world}: {compared}");
    }
}

#[test]
fn labels_and_outcomes_come_after_their_events_and_in_time_order() {
    for world in WORLDS {
        let run = run(world);
        let mut times = BTreeMap::new();
        let mut first_label = BTreeMap::new();
        let mut last = i64::MIN;
        for row in &run.rows {
            assert!(last <= row.time().0, "{world}: {row:?}");
            last = row.time().0;
            match row {
                Row::Event(event) => assert!(times.insert(event.no, event.time).is_none()),
                Row::Outcome(outcome) => assert!(times[&outcome.event] < outcome.time, "{row:?}"),
                Row::Label(label) if label.fraud => {
                    let wait = label.time - times[&label.event];
                    assert!(
                        wait > 0 && wait <= 45 * 86_400_000,
                        "{world}: {label:?} after {wait} ms"
                    );
                    first_label.insert(label.event, label.time);
                }
                // a correction needs something to correct
                Row::Label(label) => assert!(first_label[&label.event] < label.time, "{label:?}"),
            }
        }
    }
}

#[test]
fn label_delays_misses_and_errors_are_those_asked_for() {
    let run = run(
        "seed = 11\ndays = 90\naccounts = 6000\nprevalence = 0.03\n[labels]\nfalse_share = 0.05",
    );
    let frauds = run.frauds();
    let times: BTreeMap<EventNo, i64> = run.events().map(|e| (e.no, e.time.0)).collect();
    let mut delays = Vec::new();
    let (mut wrong, mut corrected) = (BTreeSet::new(), 0);
    for row in &run.rows {
        match row {
            Row::Label(label) if label.fraud && frauds.contains(&label.event) => {
                delays.push((label.time.0 - times[&label.event]) as f64 / 86_400_000.0);
            }
            Row::Label(label) if label.fraud => {
                wrong.insert(label.event);
            }
            Row::Label(label) => corrected += usize::from(wrong.contains(&label.event)),
            _ => {}
        }
    }
    delays.sort_by(f64::total_cmp);
    let found = delays.len() as f64;
    let within = |value: f64, low: f64, high: f64, what: &str| {
        assert!((low..high).contains(&value), "{what}: {value}");
    };
    within(delays[delays.len() / 2], 6.0, 8.0, "median delay in days");
    within(
        found / frauds.len() as f64,
        0.91,
        0.95,
        "share of frauds found",
    );
    within(
        wrong.len() as f64 / (found + wrong.len() as f64),
        0.038,
        0.062,
        "share of false labels",
    );
    within(
        corrected as f64 / wrong.len() as f64,
        0.5,
        0.7,
        "share of false labels corrected",
    );
}

#[test]
fn every_typology_and_every_week_has_frauds_and_each_ring_its_hard_negatives() {
    let run = run("seed = 12\ndays = 56\naccounts = 9000\nprevalence = 0.01");
    let times: BTreeMap<EventNo, i64> = run.events().map(|e| (e.no, e.time.0)).collect();
    let start = run.rows[0].time().0 / 86_400_000;
    let mut weeks = BTreeMap::new();
    let (mut rings, mut twins) = (BTreeMap::new(), BTreeMap::new());
    for secret in &run.secrets {
        match secret.role {
            Role::Fraud => {
                *weeks
                    .entry((times[&secret.event] / 86_400_000 - start) / 7)
                    .or_insert(0) += 1;
                rings
                    .entry(secret.typology)
                    .or_insert_with(BTreeSet::new)
                    .insert(secret.ring);
            }
            Role::HardNegative => {
                twins
                    .entry(secret.typology)
                    .or_insert_with(BTreeSet::new)
                    .insert(secret.ring);
            }
            Role::Cover => {}
        }
    }
    let share = run.frauds().len() as f64 / run.counts.events as f64;
    assert!((0.008..0.012).contains(&share), "prevalence {share}");
    let mean = run.frauds().len() / 8;
    assert_eq!(weeks.len(), 8, "{weeks:?}");
    assert!(
        weeks.values().all(|&n| n * 2 > mean && n < mean * 2),
        "{weeks:?}"
    );
    let params = Params::from_toml("").unwrap();
    let played: usize = rings.values().map(BTreeSet::len).sum();
    let weights = Typology::ALL.map(|typology| f64::from(params.typologies.of(typology)));
    for (typology, weight) in Typology::ALL.into_iter().zip(weights) {
        let (frauds, friends) = (rings[&typology].len(), twins[&typology].len());
        let name = typology.name();
        assert!(friends >= 5 * frauds, "{name}: {friends} for {frauds}");
        // some rings of a few steps have none that happened
        let due = weight / weights.iter().sum::<f64>() * played as f64;
        assert!(
            (frauds as f64 - due).abs() < 2.0 + 0.12 * due,
            "{name}: {frauds} rings of {played}, {due:.1} by its weight"
        );
    }
}

/// The hub of a hard negative pays from a screen of the hub's own, as the hub of a ring has one to itself.
#[test]
fn friends_share_a_screen_no_more_than_the_ring_does() {
    let run = run("seed = 16\ndays = 42\naccounts = 9000\nprevalence = 0.01");
    let used: BTreeMap<EventNo, _> = run
        .events()
        .filter_map(|e| Some((e.no, (e.screen?.0, e.account))))
        .collect();
    let mut users: BTreeMap<(bool, _, _), BTreeSet<_>> = BTreeMap::new();
    for secret in &run.secrets {
        if let (Typology::GatherScatter, Some(&(device, account))) =
            (secret.typology, used.get(&secret.event))
        {
            let key = (secret.role == Role::HardNegative, secret.ring, device);
            users.entry(key).or_default().insert(account);
        }
    }
    for friends in [false, true] {
        let counts = users.iter().filter(|it| it.0.0 == friends);
        let counts: Vec<usize> = counts.map(|it| it.1.len()).collect();
        let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        assert!(counts.len() > 50, "friends {friends}: {counts:?}");
        assert!(
            mean < 1.1,
            "friends {friends}: {mean:.2} accounts on a screen"
        );
    }
}

#[test]
fn a_late_campaign_is_unknown_before_its_day() {
    let run = run(
        "seed = 13\ndays = 40\naccounts = 3000\nprevalence = 0.02\n[drift]\nlate_typology = \"app_scam\"\nlate_from_day = 21",
    );
    let times: BTreeMap<EventNo, i64> = run.events().map(|e| (e.no, e.time.0)).collect();
    let start = run.rows[0].time().0 / 86_400_000;
    let scams = run
        .secrets
        .iter()
        .filter(|s| s.typology == Typology::AppScam);
    let days: Vec<i64> = scams
        .map(|s| times[&s.event] / 86_400_000 - start)
        .collect();
    assert!(
        days.len() > 50 && days.iter().all(|&day| day >= 21),
        "{:?}",
        days.iter().min()
    );
}

/// Which fields are filled is a function of event type and channel: fraud leaves no trace in what is
/// missing, in milliseconds, or in the order of ids.
#[test]
fn fraud_leaves_no_trace_in_form() {
    let run = run("seed = 14\ndays = 40\naccounts = 5000\nprevalence = 0.03");
    let frauds = run.frauds();
    let mut masks: BTreeMap<(String, String), BTreeSet<Vec<bool>>> = BTreeMap::new();
    let (mut digits, mut count) = (0.0, 0.0);
    for event in run.events() {
        let mask = vec![
            event.payee.is_some(),
            event.card.is_some(),
            event.merchant.is_some(),
            event.terminal.is_some(),
            event.screen.is_some(),
            event.change.is_some(),
            event.amount.is_some(),
        ];
        let key = (format!("{:?}", event.kind), format!("{:?}", event.channel));
        masks.entry(key).or_default().insert(mask);
        if frauds.contains(&event.no) {
            digits += (event.time.0 % 1000) as f64;
            count += 1.0;
            assert_ne!(event.channel, Channel::Bank, "{event:?}");
        }
    }
    for (key, masks) in masks {
        assert_eq!(
            masks.len(),
            1,
            "{key:?} has several sets of filled fields: {masks:?}"
        );
    }
    // mean of uniform milliseconds, four standard errors
    let error: f64 = digits / count - 499.5;
    assert!(
        error.abs() < 4.0 * 288.7 / f64::sqrt(count),
        "mean of fraud's milliseconds off by {error}"
    );
}

#[test]
fn rings_do_not_share_accounts_but_for_recurrent_mules() {
    let run = run("seed = 15\ndays = 42\naccounts = 9000\n[fraud]\nrecurrent_mules = 0.0");
    let accounts: BTreeMap<EventNo, _> = run.events().map(|e| (e.no, e.account)).collect();
    let mut ring_of = BTreeMap::new();
    for secret in run.secrets.iter().filter(|s| s.role == Role::Fraud) {
        let ring = ring_of
            .entry(accounts[&secret.event])
            .or_insert(secret.ring);
        assert_eq!(*ring, secret.ring, "an account of two rings: {secret:?}");
    }
    assert!(ring_of.len() > 200, "{}", ring_of.len());
}

/// Crews that change their ways change nothing before they do, and much after.
#[test]
fn a_world_is_as_it_was_until_the_first_crew_changes_its_ways() {
    let world = |days: u32| {
        run(&format!(
            "seed = 13\ndays = 40\naccounts = 700\nprevalence = 0.02\ncamouflage = 0.5\n[drift]\nmodus_days = {days}\nmodus_adoption_days = 0"
        ))
        .rows
    };
    let (still, changing) = (world(0), world(200));
    let same = still.iter().zip(&changing).take_while(|(a, b)| a == b);
    let same = same.count();
    let day = |row: &Row| (row.time().0 - still[0].time().0) / 86_400_000;
    // thirteen phases in 200 days: the first crew changes within some weeks of the start
    assert!(
        same > 1_000 && (7..30).contains(&day(&still[same])),
        "{same} rows the same, to day {}",
        day(&still[same])
    );
    let known: BTreeSet<String> = still.iter().map(|row| format!("{row:?}")).collect();
    let other = changing
        .iter()
        .filter(|row| !known.contains(&format!("{row:?}")));
    assert!(other.count() * 20 > still.len());
}
