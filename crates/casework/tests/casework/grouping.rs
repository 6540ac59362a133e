use std::collections::{BTreeMap, BTreeSet};

use event::Span;
use event::record::{LabelSource, Verdict};
use proptest::prelude::*;
use ringfence_casework::Action;
use ringfence_casework::alert::AlertFilter;
use ringfence_casework::case::CaseStatus;
use ringfence_casework::changes::SYSTEM;

use crate::bench::{Desk, Log, Transfer, ann, at, transfer};

/// Account, payee, device and ip by number (0: none), and minutes since the alert before.
type Drawn = (u8, u8, u8, u8, i64);

const WINDOW_MINUTES: i64 = 60;
const LINKS: [(&str, u32); 3] = [("account", 4), ("device", 3), ("ip", 2)];

/// A log of what was drawn: the ids, entities and times of its alerts.
struct Laid {
    log: Log,
    ids: Vec<i64>,
    entities: Vec<BTreeSet<(&'static str, u8)>>,
    times: Vec<i64>,
}

fn laid(drawn: &[Drawn]) -> Laid {
    let mut log = Log::new();
    let (mut minute, mut ids, mut entities, mut times) =
        (10_000, Vec::new(), Vec::new(), Vec::new());
    for (account, payee, device, ip, pause) in drawn {
        minute += pause;
        let name = |kind: &str, number: &u8| format!("{kind}{number}");
        let (from, to) = (name("a", account), name("a", payee));
        let (device_id, ip_id) = (name("d", device), name("i", ip));
        ids.push(log.decided(&Transfer {
            device: (*device > 0).then_some(&device_id),
            ip: (*ip > 0).then_some(&ip_id),
            at: minute,
            ..transfer(&from, &to)
        }));
        let all = [
            ("account", *account),
            ("account", *payee),
            ("device", *device),
            ("ip", *ip),
        ];
        entities.push(all.into_iter().filter(|(_, number)| *number > 0).collect());
        times.push(minute);
    }
    Laid {
        log,
        ids,
        entities,
        times,
    }
}

/// The rule written down once more, over all pairs: the smallest alert of each alert's group.
fn naive(drawn: &[Drawn], entities: &[BTreeSet<(&str, u8)>], times: &[i64]) -> Vec<usize> {
    let mut group: Vec<usize> = (0..drawn.len()).collect();
    for late in 0..drawn.len() {
        for entity in &entities[late] {
            let links = LINKS.iter().find(|(kind, _)| *kind == entity.0).unwrap().1;
            let near: Vec<usize> = (0..late)
                .filter(|early| entities[*early].contains(entity))
                .filter(|early| (times[late] - times[*early]).abs() <= WINDOW_MINUTES)
                .collect();
            let mut accounts: BTreeSet<u8> = near.iter().map(|early| drawn[*early].0).collect();
            accounts.insert(drawn[late].0);
            if accounts.len() > links as usize {
                continue;
            }
            for early in near {
                let (one, other) = (group[early], group[late]);
                let to = one.min(other);
                for held in &mut group {
                    if *held == one || *held == other {
                        *held = to;
                    }
                }
            }
        }
    }
    group
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The store groups as the rule says, late events too, and a case has the id of its oldest alert and the
    /// loss of all.
    #[test]
    fn alerts_are_grouped_as_a_naive_reference_groups_them(
        drawn in prop::collection::vec((1_u8..12, 1_u8..12, 0_u8..5, 0_u8..4, -20_i64..60), 1..60),
    ) {
        let Laid { log, ids, entities, times } = laid(&drawn);
        let mut desk = Desk::new();
        desk.set(|settings| {
            settings.grouping.window = Span::minutes(WINDOW_MINUTES);
            settings.grouping.links = LINKS.map(|(kind, links)| (kind.to_owned(), links)).into();
        });
        desk.follow(&log);
        let group = naive(&drawn, &entities, &times);
        let mut sums: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for (alert, first) in ids.iter().zip(&group) {
            let alert = desk.casework.alert(*alert).unwrap().unwrap();
            prop_assert_eq!(alert.case_id, ids[*first], "alert {} of {:?}", alert.id, group);
            let sum = sums.entry(alert.case_id).or_default();
            *sum = (sum.0 + 1, sum.1 + alert.loss_minor);
        }
        for (case, (alerts, loss)) in sums {
            let case = desk.case(case);
            prop_assert_eq!((case.status, case.alerts_total, case.priority), (CaseStatus::Open, alerts, loss));
        }
        for id in ids.iter().zip(&group).filter(|(id, first)| **id != ids[**first]).map(|(id, _)| id) {
            // What was a case of its own for a while says where it went.
            if let Some(case) = desk.casework.case(*id).unwrap() {
                prop_assert_eq!(case.status, CaseStatus::Merged);
                let into = desk.casework.alert(*id).unwrap().unwrap().case_id;
                prop_assert_eq!(case.merged_into, Some(into));
            }
        }
    }
}

#[test]
fn a_ring_of_forty_is_one_case_and_a_shared_address_is_not() {
    let mut log = Log::new();
    for member in 0..40 {
        let name = format!("ring{member}");
        log.decided(&Transfer {
            device: Some("phone"),
            at: member,
            ..transfer(&name, &format!("own{member}"))
        });
    }
    let first_apart = log.records.len() as i64;
    for customer in 0..40 {
        let name = format!("customer{customer}");
        log.decided(&Transfer {
            ip: Some("office"),
            at: customer,
            ..transfer(&name, &format!("friend{customer}"))
        });
    }
    let desk = Desk::of(&log);
    assert_eq!(desk.case_of(1).alerts_total, 40);
    let alerts = desk.casework.alerts(&AlertFilter::default(), 1000).unwrap();
    let apart = alerts.iter().filter(|alert| alert.id >= first_apart);
    let cases: BTreeSet<i64> = apart.map(|alert| alert.case_id).collect();
    // The first ten accounts look like a ring; then the address is known to be a shared one.
    assert_eq!(cases.len(), 31);
    assert_eq!(desk.case_of(first_apart).alerts_total, 10);
}

#[test]
fn a_closed_case_stays_closed_and_the_next_one_knows_it() {
    let mut log = Log::new();
    let first = log.decided(&transfer("a", "b"));
    let mut desk = Desk::of(&log);
    desk.act(&ann(), first, Action::Claim, at(1)).unwrap();
    let reason = "seen".to_owned();
    desk.act(&ann(), first, Action::Close { reason }, at(2))
        .unwrap();
    let closed = desk.case(first);
    let second = log.decided(&transfer("a", "c"));
    desk.follow(&log);
    assert_eq!(desk.case(first), closed);
    assert_eq!(desk.case_of(second).id, second);
    let related = |case| desk.casework.case_view(case).unwrap().unwrap().related;
    assert_eq!(
        (related(second), related(first)),
        (vec![first], vec![second])
    );
}

#[test]
fn a_case_that_somebody_works_on_takes_others_in_and_is_taken_in_by_none() {
    let mut log = Log::new();
    let old = log.decided(&transfer("a", "b"));
    let worked_on = log.decided(&transfer("c", "d"));
    let other = log.decided(&transfer("e", "f"));
    let mut desk = Desk::of(&log);
    desk.act(&ann(), worked_on, Action::Claim, at(1)).unwrap();
    let link = log.decided(&transfer("a", "c"));
    desk.follow(&log);
    assert_eq!(desk.case(old).merged_into, Some(worked_on));
    assert_eq!(desk.case_of(link).id, worked_on);
    let case = desk.case(worked_on);
    assert_eq!(
        (case.alerts_total, case.holder.as_deref()),
        (3, Some("ann"))
    );
    assert_eq!(case.opened_at, at(0));
    // Two that are worked on stay two.
    desk.act(&ann(), other, Action::Claim, at(2)).unwrap();
    log.decided(&transfer("a", "e"));
    desk.follow(&log);
    assert_eq!(
        (
            desk.case(worked_on).alerts_total,
            desk.case(other).alerts_total
        ),
        (4, 1)
    );
    let view = desk.casework.case_view(worked_on).unwrap().unwrap();
    assert_eq!(view.related, [other]);
    let merged = view.history.iter().filter(|it| it.actor == SYSTEM);
    assert_eq!(
        merged.map(|it| it.action.as_str()).collect::<Vec<_>>(),
        ["case.updated", "case.updated", "case.opened"]
    );
}

#[test]
fn a_full_case_is_followed_by_another_that_is_related() {
    let mut log = Log::new();
    let ids: Vec<i64> = (0..5).map(|_| log.decided(&transfer("a", "b"))).collect();
    let mut desk = Desk::new();
    desk.set(|settings| settings.grouping.alerts_max = 2);
    desk.follow(&log);
    let cases: Vec<i64> = ids.iter().map(|id| desk.case_of(*id).id).collect();
    assert_eq!(cases, [ids[0], ids[0], ids[2], ids[2], ids[4]]);
    let view = desk.casework.case_view(ids[4]).unwrap().unwrap();
    assert_eq!(view.related, [ids[0], ids[2]]);
}

#[test]
fn what_lies_further_apart_than_the_window_is_not_grouped() {
    let mut log = Log::new();
    let minutes = 7 * 24 * 60;
    let of = |log: &mut Log, minute| {
        log.decided(&Transfer {
            at: minute,
            ..transfer("a", "b")
        })
    };
    let first = of(&mut log, 0);
    let within = of(&mut log, minutes);
    let past = of(&mut log, 2 * minutes + 1);
    let desk = Desk::of(&log);
    assert_eq!(desk.case_of(within).id, first);
    assert_eq!(desk.case_of(past).id, past);
}

#[test]
fn a_label_of_an_event_without_an_alert_says_nothing_here() {
    let mut log = Log::new();
    let event = log.history(&transfer("a", "b"));
    log.labelled(event, Verdict::Fraud, LabelSource::Chargeback, at(5));
    let mut desk = Desk::new();
    let followed = desk.casework.follow(&log.schema, &log.records).unwrap();
    assert_eq!(followed.labels, 0);
    assert!(desk.casework.changes_after(0, 10).unwrap().is_empty());
}
