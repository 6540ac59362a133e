use event::Span;
use event::record::{LabelSource, Verdict};
use ringfence_casework::alert::AlertStatus;
use ringfence_casework::case::CaseStatus;
use ringfence_casework::{Action, FraudType};
use serde_json::Value;

use crate::bench::{Desk, Log, Transfer, ann, at, bob, transfer};

fn dispose(fraud_type: FraudType) -> Action {
    let note = "called her".to_owned();
    Action::Dispose { fraud_type, note }
}

#[test]
fn a_case_is_claimed_worked_on_and_closed_and_every_step_is_told() {
    let mut log = Log::new();
    let case = log.decided(&transfer("a", "b"));
    let mut desk = Desk::new();
    desk.set(|settings| settings.checklist = vec!["call".to_owned(), "freeze".to_owned()]);
    desk.follow(&log);
    let opened = desk
        .casework
        .changes_after(0, 100)
        .unwrap()
        .last()
        .unwrap()
        .seq;
    desk.act(&ann(), case, Action::Claim, at(1)).unwrap();
    let text = "first line\nsecond".to_owned();
    desk.act(&ann(), case, Action::Note { text }, at(2))
        .unwrap();
    desk.act(
        &ann(),
        case,
        Action::Tick {
            item: 2,
            done: true,
        },
        at(3),
    )
    .unwrap();
    let attach = Action::Attach {
        name: "statement".to_owned(),
        uri: "s3://evidence/1.pdf".to_owned(),
        sha256: "AB".repeat(32),
    };
    desk.act(&ann(), case, attach, at(4)).unwrap();
    desk.act(&ann(), case, dispose(FraudType::Mule), at(5))
        .unwrap();
    let view = desk.casework.case_view(case).unwrap().unwrap();
    assert_eq!(view.case.status, CaseStatus::Closed);
    assert_eq!(view.case.disposition.as_deref(), Some("mule"));
    assert_eq!(view.case.closed_by.as_deref(), Some("ann"));
    assert_eq!((view.case.holder, view.case.priority), (None, 0));
    assert_eq!(view.notes[0].text, "first line\nsecond");
    assert_eq!(view.checklist[0].done_by, None);
    assert_eq!(view.checklist[1].done_by.as_deref(), Some("ann"));
    assert_eq!(view.checklist[1].done_at, Some(at(3)));
    assert_eq!(view.attachments[0].sha256, "ab".repeat(32));
    assert_eq!(view.alerts[0].status, AlertStatus::Disposed);
    let changes = desk.casework.changes_after(opened, 100).unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|it| (it.action.as_str(), it.actor.as_str()))
        .collect();
    let actions = [
        "case.claimed",
        "case.noted",
        "case.ticked",
        "case.attached",
        "case.disposed",
    ];
    assert_eq!(told, actions.map(|action| (action, "ann")));
    assert_eq!(changes[4].why.as_deref(), Some("called her"));
    let json =
        |text: &Option<String>| -> Value { serde_json::from_str(text.as_ref().unwrap()).unwrap() };
    for pair in changes.windows(2) {
        // Each change begins where the one before it ended.
        let (after, before) = (json(&pair[0].after), json(&pair[1].before));
        assert_eq!(after["version"], before["version"]);
    }
    assert_eq!(json(&changes[1].after)["note"], "first line\nsecond");
    assert_eq!(
        json(&changes[3].after)["attachment"]["uri"],
        "s3://evidence/1.pdf"
    );
}

#[test]
fn a_claim_holds_for_its_time_after_the_last_change_and_not_longer() {
    let mut log = Log::new();
    let case = log.decided(&transfer("a", "b"));
    let mut desk = Desk::of(&log);
    desk.act(&ann(), case, Action::Claim, at(0)).unwrap();
    let note = || Action::Note {
        text: "x".to_owned(),
    };
    desk.act(&ann(), case, note(), at(10)).unwrap();
    // 15 minutes from the note, not from the claim.
    let end = at(25);
    let moment = Span::from_millis(1);
    let held = desk.act(&bob(), case, Action::Claim, end.minus(moment));
    assert_eq!(held.unwrap_err().code(), "case_held");
    let late = desk.act(&ann(), case, note(), end);
    assert_eq!(late.unwrap_err().code(), "case_not_claimed");
    assert_eq!(
        desk.act(&bob(), case, Action::Claim, end)
            .unwrap()
            .holder
            .as_deref(),
        Some("bob")
    );
}

#[test]
fn a_snoozed_case_comes_back_to_whoever_snoozed_it() {
    let mut log = Log::new();
    let case = log.decided(&transfer("a", "b"));
    let mut desk = Desk::of(&log);
    desk.act(&ann(), case, Action::Claim, at(0)).unwrap();
    let until = at(60);
    let snoozed = desk
        .act(&ann(), case, Action::Snooze { until }, at(1))
        .unwrap();
    assert_eq!(
        (snoozed.holder, snoozed.assignee.as_deref()),
        (None, Some("ann"))
    );
    let which = Default::default();
    let mut next = |who, now| {
        desk.casework
            .claim_next(&who, &which, now)
            .unwrap()
            .map(|it| it.id)
    };
    assert_eq!(next(ann(), at(59)), None);
    assert_eq!(next(bob(), at(60)), None);
    assert_eq!(next(ann(), at(60)), Some(case));
    assert_eq!(desk.case(case).snoozed_until, None);
}

#[test]
fn a_new_alert_wakes_a_snoozed_case() {
    let mut log = Log::new();
    let case = log.decided(&transfer("a", "b"));
    let mut desk = Desk::of(&log);
    desk.act(&ann(), case, Action::Claim, at(0)).unwrap();
    let until = at(10_000);
    desk.act(&ann(), case, Action::Snooze { until }, at(1))
        .unwrap();
    log.decided(&transfer("a", "c"));
    desk.follow(&log);
    let woken = desk.case(case);
    assert_eq!((woken.snoozed_until, woken.alerts_open), (None, 2));
    assert_eq!(woken.assignee.as_deref(), Some("ann"));
}

#[test]
fn a_case_goes_from_hand_to_hand_with_a_reason() {
    let mut log = Log::new();
    let case = log.decided(&transfer("a", "b"));
    let mut desk = Desk::of(&log);
    let assign = |to: &str, reason: &str| Action::Assign {
        to: Some(to.to_owned()),
        reason: reason.to_owned(),
    };
    desk.act(&ann(), case, assign("bob", ""), at(0)).unwrap();
    assert_eq!(
        desk.act(&ann(), case, Action::Claim, at(1))
            .unwrap_err()
            .code(),
        "case_assigned"
    );
    let without = desk
        .act(&ann(), case, assign("ann", ""), at(1))
        .unwrap_err();
    assert_eq!(
        (without.code(), without.field()),
        ("field_missing", Some("reason"))
    );
    desk.act(&ann(), case, assign("ann", "bob is ill"), at(1))
        .unwrap();
    desk.act(&ann(), case, Action::Claim, at(2)).unwrap();
    // Out of another's hands only by an administrator, who says why.
    let held = desk
        .act(&bob(), case, assign("bob", "mine"), at(3))
        .unwrap_err();
    assert_eq!(held.code(), "case_held");
    let mut chief = bob();
    chief.is_admin = true;
    let case = desk
        .act(&chief, case, assign("bob", "mine"), at(3))
        .unwrap();
    assert_eq!((case.assignee.as_deref(), case.holder), (Some("bob"), None));
    let last = desk.casework.history(case.id, 1).unwrap();
    assert_eq!(last[0].why.as_deref(), Some("mine"));
}

#[test]
fn a_reopened_case_has_its_alerts_again_but_for_those_that_a_label_closed() {
    let mut log = Log::new();
    let case = log.decided(&transfer("a", "b"));
    let known = log.decided(&transfer("a", "c"));
    log.labelled(known, Verdict::Fraud, LabelSource::Chargeback, at(1));
    let mut desk = Desk::of(&log);
    desk.act(&ann(), case, Action::Claim, at(2)).unwrap();
    desk.act(&ann(), case, dispose(FraudType::Legitimate), at(3))
        .unwrap();
    let reason = "the customer called again".to_owned();
    let reopened = desk
        .act(&bob(), case, Action::Reopen { reason }, at(4))
        .unwrap();
    assert_eq!(
        (reopened.status, reopened.alerts_open),
        (CaseStatus::Open, 1)
    );
    assert_eq!((reopened.priority, reopened.disposition), (5_000, None));
    assert_eq!(reopened.due_at, at(4).plus(Span::hours(72)));
    let status = |id| desk.casework.alert(id).unwrap().unwrap().status;
    assert_eq!(
        (status(case), status(known)),
        (AlertStatus::Open, AlertStatus::Labelled)
    );
}

#[test]
fn many_cases_take_one_action_each_by_itself() {
    let mut log = Log::new();
    let ids: Vec<i64> = (0..4)
        .map(|number| log.decided(&transfer(&format!("a{number}"), &format!("b{number}"))))
        .collect();
    let mut desk = Desk::of(&log);
    desk.act(&bob(), ids[1], Action::Claim, at(0)).unwrap();
    let cases = [(ids[0], 1), (ids[1], 2), (ids[2], 7), (999, 1), (ids[3], 1)];
    let results = desk
        .casework
        .bulk(&ann(), &cases, &Action::Claim, at(1))
        .unwrap();
    let codes: Vec<_> = results
        .iter()
        .map(|it| it.as_ref().err().map(|it| it.code()))
        .collect();
    let expected = [
        None,
        Some("case_held"),
        Some("version_moved"),
        Some("unknown_case"),
        None,
    ];
    assert_eq!(codes, expected);
    let holders: Vec<_> = ids.iter().map(|id| desk.case(*id).holder).collect();
    let holders: Vec<_> = holders.iter().map(Option::as_deref).collect();
    assert_eq!(holders, [Some("ann"), Some("bob"), None, Some("ann")]);
}

#[test]
fn a_severity_that_rises_brings_the_due_time_forward() {
    let mut log = Log::new();
    let case = log.decided(&transfer("a", "b"));
    let mut desk = Desk::of(&log);
    assert_eq!(desk.case(case).due_at, at(0).plus(Span::hours(72)));
    log.decided(&Transfer {
        amount: "4000.00",
        at: 60,
        ..transfer("a", "b")
    });
    desk.follow(&log);
    let risen = desk.case(case);
    assert_eq!((risen.severity.name(), risen.priority), ("high", 205_000));
    assert_eq!(risen.due_at, at(60).plus(Span::hours(4)));
    assert!(risen.is_breached(at(301)) && !risen.is_breached(at(300)));
}
