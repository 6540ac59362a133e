use event::Span;
use event::record::{LabelSource, Verdict};
use ringfence_casework::labels::Outgoing;
use ringfence_casework::{Action, FraudType};

use crate::bench::{Desk, Log, ann, at, transfer};

fn disposed(log: &mut Log, fraud_type: FraudType) -> (Desk, i64, i64) {
    let first = log.decided(&transfer("a", "b"));
    let second = log.decided(&transfer("a", "c"));
    let mut desk = Desk::of(log);
    desk.act(&ann(), first, Action::Claim, at(1)).unwrap();
    let dispose = Action::Dispose {
        fraud_type,
        note: String::new(),
    };
    desk.act(&ann(), first, dispose, at(2)).unwrap();
    (desk, first, second)
}

fn due(desk: &Desk, minute: i64) -> Vec<Outgoing> {
    desk.casework.labels_due(at(minute), 100).unwrap()
}

#[test]
fn a_disposition_labels_every_alert_of_its_case_until_the_tenant_has_taken_the_label() {
    let mut log = Log::new();
    let (mut desk, first, second) = disposed(&mut log, FraudType::AppScam);
    let labels = due(&desk, 2);
    let events: Vec<_> = labels.iter().map(|it| it.event_id.clone()).collect();
    assert_eq!(events, [format!("e{first}"), format!("e{second}")]);
    for label in &labels {
        assert_eq!(
            (label.verdict, label.reason.as_str(), label.at),
            (Verdict::Fraud, "app_scam", at(2))
        );
    }
    // Not heard of: due again a second later, then two.
    desk.casework
        .labels_deferred(&[labels[0].id], at(2))
        .unwrap();
    assert_eq!(due(&desk, 2), labels[1..]);
    let again = at(2).plus(Span::seconds(1));
    assert_eq!(desk.casework.labels_due(again, 9).unwrap().len(), 2);
    desk.casework
        .labels_deferred(&[labels[0].id], again)
        .unwrap();
    assert_eq!(
        desk.casework
            .labels_due(again.plus(Span::seconds(1)), 9)
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        desk.casework
            .labels_due(again.plus(Span::seconds(2)), 9)
            .unwrap()
            .len(),
        2
    );
    desk.casework.labels_accepted(&[labels[0].id]).unwrap();
    desk.casework
        .label_refused(labels[1].id, "too_late", "too late by a year", at(3))
        .unwrap();
    assert_eq!(due(&desk, 1000), []);
    assert_eq!(desk.casework.labels_pending().unwrap(), 0);
    let view = desk.casework.case_view(first).unwrap().unwrap();
    let status: Vec<_> = view
        .labels
        .iter()
        .map(|it| (it.alert_id, it.status.as_str()))
        .collect();
    assert_eq!(status, [(second, "refused"), (first, "accepted")]);
    assert_eq!(view.labels[0].refusal.as_deref(), Some("too_late"));
    assert_eq!(view.history[0].action, "label.refused");
}

#[test]
fn a_label_that_reached_the_log_before_a_crash_is_not_sent_again() {
    let mut log = Log::new();
    let (mut desk, first, second) = disposed(&mut log, FraudType::Mule);
    // Another analyst's, by the API: it is not the one that was sent.
    log.labelled(first, Verdict::Fraud, LabelSource::Analyst, at(3));
    desk.follow(&log);
    assert_eq!(due(&desk, 5).len(), 2);
    log.labelled(first, Verdict::Fraud, LabelSource::Analyst, at(2));
    desk.follow(&log);
    let left = due(&desk, 5);
    assert_eq!(
        (left.len(), left[0].event_id.clone()),
        (1, format!("e{second}"))
    );
}

#[test]
fn a_word_that_says_nothing_of_the_events_writes_no_label() {
    for (fraud_type, labels) in [(FraudType::Inconclusive, 0), (FraudType::Legitimate, 2)] {
        let (desk, ..) = disposed(&mut Log::new(), fraud_type);
        assert_eq!(due(&desk, 2).len(), labels, "{fraud_type:?}");
    }
    let (desk, ..) = disposed(&mut Log::new(), FraudType::Legitimate);
    assert_eq!(due(&desk, 2)[0].verdict, Verdict::Legitimate);
}

#[test]
fn a_second_disposition_corrects_the_first_in_order() {
    let mut log = Log::new();
    let (mut desk, first, _) = disposed(&mut log, FraudType::Mule);
    let pending = due(&desk, 2);
    desk.casework
        .labels_deferred(&[pending[0].id], at(10))
        .unwrap();
    let reason = "more is known".to_owned();
    desk.act(&ann(), first, Action::Reopen { reason }, at(10))
        .unwrap();
    desk.act(&ann(), first, Action::Claim, at(10)).unwrap();
    let dispose = Action::Dispose {
        fraud_type: FraudType::Legitimate,
        note: String::new(),
    };
    desk.act(&ann(), first, dispose, at(10)).unwrap();
    // The correction waits for what it corrects.
    assert_eq!(due(&desk, 10), pending[1..]);
    let ids: Vec<i64> = pending.iter().map(|it| it.id).collect();
    desk.casework.labels_accepted(&ids).unwrap();
    let verdicts: Vec<_> = due(&desk, 10).iter().map(|it| it.verdict).collect();
    assert_eq!(verdicts, [Verdict::Legitimate; 2]);
}

#[test]
fn every_word_of_the_vocabulary_reads_back() {
    for fraud_type in FraudType::ALL {
        assert_eq!(FraudType::parse(fraud_type.name()), Some(*fraud_type));
    }
    assert_eq!(FraudType::parse("fraud"), None);
}
