use event::Span;
use event::record::Findings;
use ringfence_casework::Action;
use ringfence_casework::case::CaseStatus;
use ringfence_casework::queue::{Claimable, QueueFilter, Shelf};
use ringfence_casework::settings::SkillRule;

use crate::bench::{Desk, Log, Transfer, ann, at, bob, transfer};

/// Cases at risk of 50, 10, 50, 200 and 0.50, the fourth tagged.
fn five() -> (Desk, Vec<i64>) {
    let mut log = Log::new();
    let amounts = ["100.00", "20.00", "100.00", "400.00", "1.00"];
    let ids = amounts.iter().enumerate().map(|(number, amount)| {
        let (from, to) = (format!("a{number}"), format!("b{number}"));
        let mut findings = Findings::default();
        if number == 3 {
            findings.tags.push("mule".into());
        }
        let at = number as i64;
        log.decided(&Transfer {
            amount,
            findings,
            at,
            ..transfer(&from, &to)
        })
    });
    let ids = ids.collect();
    let mut desk = Desk::new();
    desk.set(|settings| {
        settings.skills = vec![SkillRule {
            skill: "mules".to_owned(),
            event_types: vec!["transfer".to_owned()],
            tags: vec!["mule".to_owned()],
        }];
    });
    desk.follow(&log);
    (desk, ids)
}

fn listed(desk: &Desk, filter: QueueFilter, minute: i64) -> Vec<i64> {
    let cases = desk.casework.queue(&filter, at(minute), 100).unwrap();
    cases.iter().map(|case| case.id).collect()
}

#[test]
fn the_queue_is_in_the_order_of_what_cases_may_cost() {
    let (desk, ids) = five();
    let order = [ids[3], ids[0], ids[2], ids[1], ids[4]];
    assert_eq!(listed(&desk, QueueFilter::default(), 10), order);
    // Page by page it is the same.
    let mut filter = QueueFilter::default();
    let mut seen = Vec::new();
    loop {
        let page = desk.casework.queue(&filter, at(10), 2).unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some((last.priority, last.id));
        seen.extend(page.iter().map(|case| case.id));
    }
    assert_eq!(seen, order);
}

#[test]
fn the_queue_is_filtered() {
    let (mut desk, ids) = five();
    desk.act(&ann(), ids[0], Action::Claim, at(10)).unwrap();
    desk.act(&ann(), ids[1], Action::Claim, at(10)).unwrap();
    let until = at(100);
    desk.act(&ann(), ids[1], Action::Snooze { until }, at(10))
        .unwrap();
    desk.act(&ann(), ids[2], Action::Claim, at(10)).unwrap();
    let reason = "seen".to_owned();
    desk.act(&ann(), ids[2], Action::Close { reason }, at(10))
        .unwrap();
    let of = QueueFilter::default;
    let hours = |span: i64| Span::hours(span).millis() / 60_000;
    let some = |text: &str| Some(text.to_owned());
    let rows = [
        (of(), 11, vec![3, 0, 4]),
        (
            QueueFilter {
                shelf: Shelf::Snoozed,
                ..of()
            },
            11,
            vec![1],
        ),
        (
            QueueFilter {
                shelf: Shelf::Snoozed,
                ..of()
            },
            100,
            vec![],
        ),
        (of(), 100, vec![3, 0, 1, 4]),
        (
            QueueFilter {
                shelf: Shelf::Closed,
                ..of()
            },
            11,
            vec![2],
        ),
        (
            QueueFilter {
                shelf: Shelf::Open,
                ..of()
            },
            11,
            vec![3, 0, 1, 4],
        ),
        (
            QueueFilter {
                tag: some("mule"),
                ..of()
            },
            11,
            vec![3],
        ),
        (
            QueueFilter {
                skill: some("mules"),
                ..of()
            },
            11,
            vec![3],
        ),
        (
            QueueFilter {
                skill: some("general"),
                ..of()
            },
            11,
            vec![0, 4],
        ),
        (
            QueueFilter {
                person: some("ann"),
                ..of()
            },
            11,
            vec![0],
        ),
        // A claim that is over makes nobody's case of it; the snoozed one is assigned.
        (
            QueueFilter {
                person: some("ann"),
                ..of()
            },
            100,
            vec![1],
        ),
        (
            QueueFilter {
                priority_min: Some(5_000),
                ..of()
            },
            11,
            vec![3, 0],
        ),
        (
            QueueFilter {
                breached: Some(true),
                ..of()
            },
            hours(24) + 4,
            vec![3],
        ),
        (
            QueueFilter {
                breached: Some(false),
                ..of()
            },
            hours(24) + 4,
            vec![0, 1, 4],
        ),
    ];
    for (filter, minute, expected) in rows {
        let expected: Vec<i64> = expected.into_iter().map(|at: usize| ids[at]).collect();
        assert_eq!(
            listed(&desk, filter.clone(), minute),
            expected,
            "{filter:?} at {minute}"
        );
    }
    let stand = desk.casework.queue_stand(at(hours(24) + 4)).unwrap();
    assert_eq!((stand.open, stand.breached), (4, 1));
}

#[test]
fn the_next_case_is_the_most_expensive_that_one_may_take() {
    let (mut desk, ids) = five();
    let next = |desk: &mut Desk, who, which: Claimable| {
        let case = desk.casework.claim_next(&who, &which, at(10)).unwrap();
        case.map(|case| (case.id, case.holder.unwrap()))
    };
    let all = Claimable::default;
    let general = Claimable {
        skill: Some("general".to_owned()),
        ..all()
    };
    assert_eq!(
        next(&mut desk, ann(), general),
        Some((ids[0], "ann".to_owned()))
    );
    let to = Some("bob".to_owned());
    let assign = Action::Assign {
        to,
        reason: String::new(),
    };
    desk.act(&ann(), ids[3], assign, at(10)).unwrap();
    assert_eq!(
        next(&mut desk, ann(), all()),
        Some((ids[2], "ann".to_owned()))
    );
    assert_eq!(
        next(&mut desk, bob(), all()),
        Some((ids[3], "bob".to_owned()))
    );
    let dear = Claimable {
        priority_min: Some(5_000),
        ..all()
    };
    assert_eq!(next(&mut desk, bob(), dear), None);
}

#[test]
fn what_nobody_comes_to_ends_and_what_is_old_goes() {
    let mut log = Log::new();
    let worked_on = log.decided(&transfer("a", "b"));
    let left = log.decided(&transfer("c", "d"));
    log.decided(&transfer("e", "f"));
    // Takes the case of e and f in, so that it goes with that of c and d.
    log.decided(&transfer("c", "e"));
    let mut desk = Desk::of(&log);
    desk.act(&ann(), worked_on, Action::Claim, at(1)).unwrap();
    let day = |days: i64| at(days * 24 * 60);
    assert_eq!(desk.casework.expire(day(180)).unwrap(), Default::default());
    let expired = desk.casework.expire(day(181)).unwrap();
    assert_eq!((expired.closed, expired.removed), (1, 0));
    assert_eq!(desk.case(worked_on).status, CaseStatus::Open);
    let case = desk.case(left);
    assert_eq!(
        (case.status, case.alerts_open, case.alerts_total),
        (CaseStatus::Closed, 0, 3)
    );
    assert_eq!(
        desk.casework.alert(left).unwrap().unwrap().status.name(),
        "expired"
    );
    let gone = desk.casework.expire(day(181 + 1826)).unwrap();
    assert_eq!((gone.closed, gone.removed), (0, 1));
    assert!(gone.changes_removed > 5, "{gone:?}");
    assert_eq!(
        desk.casework.alerts(&Default::default(), 10).unwrap().len(),
        1
    );
    assert!(!desk.dump().contains("\"merged\""), "{}", desk.dump());
    desk.casework.verify().unwrap();
}
