use event::Position;
use event::record::{
    ConfigSection, DecisionKind, DecisionSource, Findings, LabelSource, ListEffect, ListHit,
    RuleHit, RuleOutcome, Severity, Verdict,
};
use ringfence_casework::CaseworkError;
use ringfence_casework::alert::{AlertFilter, AlertStatus};
use ringfence_casework::case::CaseStatus;
use ringfence_casework::counts::RuleCounts;
use ringfence_casework::follow::Followed;

use crate::bench::{Desk, Log, at, transfer};

fn findings(outcome: RuleOutcome, alert: Option<Severity>) -> Findings {
    Findings {
        rules: vec![RuleHit {
            rule: "young_payee".into(),
            outcome,
            reason: "a payee of three days".into(),
            alert,
        }],
        lists: vec![ListHit {
            list: "watched".into(),
            effect: ListEffect::Watch,
        }],
        tags: vec!["payee".into()],
        ..Findings::default()
    }
}

#[test]
fn an_alert_is_made_of_what_the_settings_ask_for_and_of_nothing_else() {
    let mut log = Log::new();
    let mut of = |verdict, findings| {
        let transfer = transfer("a", "b");
        log.decided(&crate::bench::Transfer {
            verdict,
            findings,
            ..transfer
        })
    };
    let none = Findings::default;
    let reviewed = of(DecisionKind::Review, none());
    let declined = of(DecisionKind::Decline, none());
    of(DecisionKind::Challenge, none());
    of(DecisionKind::Approve, none());
    let by_rule = of(
        DecisionKind::Approve,
        findings(RuleOutcome::Matched, Some(Severity::High)),
    );
    of(
        DecisionKind::Approve,
        findings(RuleOutcome::Shadow, Some(Severity::High)),
    );
    of(DecisionKind::Approve, findings(RuleOutcome::Matched, None));
    log.history(&transfer("a", "b"));
    let desk = Desk::of(&log);
    let alerts = desk.casework.alerts(&AlertFilter::default(), 100).unwrap();
    let ids: Vec<i64> = alerts.iter().map(|alert| alert.id).collect();
    assert_eq!(ids, [by_rule, declined, reviewed]);
    let alert = &alerts[0];
    assert_eq!(alert.decision, "approve");
    assert_eq!(
        alert.severity.name(),
        "high",
        "the rule's, over that of 50.00 at risk"
    );
    assert_eq!(
        alert.rules.to_string(),
        r#"[{"rule":"young_payee","outcome":"matched","reason":"a payee of three days","alert":"high"}]"#
    );
    assert_eq!(
        alert.lists.to_string(),
        r#"[{"list":"watched","effect":"watch"}]"#
    );
    assert_eq!(desk.case(alert.case_id).tags, ["payee"]);
    assert_eq!(desk.case(alert.case_id).severity.name(), "high");
}

#[test]
fn the_expected_loss_is_probability_times_amount_in_the_base_currency() {
    let mut log = Log::new();
    log.config(ConfigSection::Rates, "USD = 0.5\n");
    let mut of = |amount, currency, source| {
        let transfer = transfer("a", "b");
        log.decided(&crate::bench::Transfer {
            amount,
            currency,
            source,
            ppm: 250_000,
            ..transfer
        })
    };
    use DecisionSource::{Fallback, Model};
    let rows = [
        (of("12.35", "EUR", Model), 308, ""),
        (of("12.35", "USD", Model), 154, ""),
        // A quarter of the 100.00 that stand for an amount that is not known.
        (of("12.35", "CHF", Model), 2_500, "amount"),
        // 5 % stand for a probability that no model gave.
        (of("12.35", "EUR", Fallback), 61, "probability"),
        (of("12.35", "CHF", Fallback), 500, "probability,amount"),
    ];
    let desk = Desk::of(&log);
    for (id, loss, assumed) in rows {
        let alert = desk.casework.alert(id).unwrap().unwrap();
        assert_eq!(
            (alert.loss_minor, alert.assumed.join(",").as_str()),
            (loss, assumed),
            "{id}"
        );
    }
    assert_eq!(
        desk.case_of(rows[0].0).priority,
        308 + 154 + 2_500 + 61 + 500
    );
}

#[test]
fn a_label_closes_its_alert_and_the_last_one_a_case_that_nobody_has_touched() {
    let mut log = Log::new();
    let first = log.decided(&transfer("a", "b"));
    let second = log.decided(&transfer("a", "c"));
    let mut desk = Desk::of(&log);
    assert_eq!(desk.case_of(second).priority, 10_000);
    let label = log.labelled(first, Verdict::Fraud, LabelSource::Chargeback, at(5));
    desk.follow(&log);
    let alert = desk.casework.alert(first).unwrap().unwrap();
    assert_eq!(alert.status, AlertStatus::Labelled);
    assert_eq!(alert.label.as_deref(), Some("fraud"));
    assert_eq!(alert.label_source.as_deref(), Some("chargeback"));
    assert_eq!(alert.label_position, Some(label));
    let case = desk.case_of(second);
    assert_eq!(
        (case.status, case.priority, case.alerts_open),
        (CaseStatus::Open, 5_000, 1)
    );
    log.labelled(
        second,
        Verdict::Legitimate,
        LabelSource::CustomerReport,
        at(6),
    );
    desk.follow(&log);
    let case = desk.case_of(second);
    assert_eq!((case.status, case.priority), (CaseStatus::Closed, 0));
    assert_eq!(case.closed_by.as_deref(), Some("system"));
    assert_eq!(case.closed_at, Some(at(6)));
}

#[test]
fn a_log_followed_again_in_other_batches_gives_the_same_file() {
    let log = crate::kill::long_log();
    let whole = Desk::of(&log);
    for size in [1, 2, 7, 64] {
        let mut desk = Desk::new();
        let mut alerts = 0;
        for batch in log.records.chunks(size) {
            alerts += desk.casework.follow(&log.schema, batch).unwrap().alerts;
            // What is known already is passed over.
            let again = desk.casework.follow(&log.schema, batch).unwrap();
            assert_eq!(again, Followed::default());
        }
        assert!(alerts > 50, "{alerts}");
        assert!(desk.dump() == whole.dump(), "batches of {size}");
    }
}

#[test]
fn a_batch_that_fails_leaves_nothing_of_itself() {
    let mut log = Log::new();
    log.decided(&transfer("a", "b"));
    let mut desk = Desk::of(&log);
    let before = desk.dump();
    log.decided(&transfer("c", "d"));
    log.decided(&transfer("e", "f"));
    let mut rest = log.records.split_off(3);
    rest[2].0 = Position(99);
    let failed = desk.casework.follow(&log.schema, &rest);
    assert!(
        matches!(
            failed,
            Err(CaseworkError::Gap {
                expected: 5,
                got: 99
            })
        ),
        "{failed:?}"
    );
    assert_eq!(desk.dump(), before);
}

#[test]
fn a_decision_whose_event_was_let_go_is_counted_and_no_alert() {
    let mut log = Log::new();
    log.decided(&transfer("a", "b"));
    let alert = log.decided(&transfer("a", "b"));
    let mut desk = Desk::new();
    desk.casework.skip_to(Position(2)).unwrap();
    let followed = desk.casework.follow(&log.schema, &log.records).unwrap();
    assert_eq!((followed.without_event, followed.alerts), (1, 1));
    assert_eq!(desk.case_of(alert).alerts_total, 1);
}

#[test]
fn what_a_rule_did_is_counted_by_outcome_and_an_error_is_no_hit() {
    let mut log = Log::new();
    let mut of = |outcome| {
        let transfer = transfer("a", "b");
        log.decided(&crate::bench::Transfer {
            findings: findings(outcome, None),
            ..transfer
        })
    };
    use RuleOutcome::{Error, Matched, Shadow};
    let events = [Matched, Error, Shadow, Error, Shadow, Error].map(&mut of);
    for event in events {
        log.labelled(event, Verdict::Fraud, LabelSource::Analyst, at(60));
    }
    let counted = Desk::of(&log).casework.rule_counts(0).unwrap();
    let wanted = RuleCounts {
        rule: "young_payee".to_owned(),
        matched: 1,
        shadow: 2,
        errors: 3,
        frauds: 3,
        legitimate: 0,
    };
    assert_eq!(counted, [wanted]);
}
