//! Labels that come before their events: kept, handed over, given up, refused, and never more than may wait.

use event::json::LabelLine;
use event::record::{LabelSource, Verdict};
use event::{EventId, Span};
use ringfence_casework::Refused;
use ringfence_casework::waiting::WAITING_MAX;

use crate::bench::{Desk, Log, at, open, refusal, transfer};

const HORIZON: Span = Span::days(180);

fn line(event_id: &str, verdict: Verdict) -> LabelLine {
    LabelLine {
        event_id: EventId::parse("event_id", event_id).unwrap(),
        verdict,
        source: LabelSource::Chargeback,
        reason: "10.4".to_owned(),
        confidence_percent: 90,
        label_timestamp: at(5),
    }
}

fn keep(desk: &mut Desk, event_id: &str, minute: i64) {
    let line = line(event_id, Verdict::Fraud);
    desk.casework.keep_label(&line, at(minute)).unwrap();
}

/// Id, status and refusal of each, newest first.
fn told(desk: &Desk, status: Option<&str>) -> Vec<(i64, String, Option<String>)> {
    let labels = desk.casework.waiting_labels(status, None, 100).unwrap();
    let told = labels.into_iter().map(|it| (it.id, it.status, it.refusal));
    told.collect()
}

fn due(desk: &Desk, minute: i64) -> Vec<i64> {
    let due = desk.casework.arrived(at(minute), 100).unwrap();
    due.iter().map(|it| it.id).collect()
}

/// Writes past the store, what it would not let anybody write.
fn behind_its_back(desk: &mut Desk, sql: &str) {
    let db = rusqlite::Connection::open(&desk.path).unwrap();
    db.execute_batch(sql).unwrap();
    drop(db);
    desk.casework = open(&desk.path);
}

#[test]
fn a_label_waits_for_its_event_and_is_then_accepted_or_refused() {
    let mut log = Log::new();
    let mut desk = Desk::of(&log);
    for verdict in [Verdict::Fraud, Verdict::Legitimate] {
        assert!(
            desk.casework
                .keep_label(&line("e1", verdict), at(6))
                .unwrap()
        );
    }
    let again = line("e1", Verdict::Legitimate);
    assert!(!desk.casework.keep_label(&again, at(7)).unwrap());
    keep(&mut desk, "other", 7);
    assert!(due(&desk, 1000).is_empty());
    assert!(!desk.casework.has_arrived().unwrap());
    // The id that the log gives this event.
    assert_eq!(log.decided(&transfer("a", "b")), 1);
    desk.follow(&log);
    assert!(desk.casework.has_arrived().unwrap());
    // One at a time: the second corrects the first.
    assert_eq!(due(&desk, 8), [1]);
    let arrived = desk.casework.arrived(at(8), 1).unwrap().remove(0);
    assert_eq!(arrived.line, Ok(line("e1", Verdict::Fraud)));
    desk.casework.label_ended(1, None).unwrap();
    assert_eq!(due(&desk, 8), [2]);
    desk.casework.label_ended(2, Some("too_late")).unwrap();
    assert!(due(&desk, 8).is_empty());
    let of = |id, status: &str, refusal: Option<&str>| {
        (id, status.to_owned(), refusal.map(str::to_owned))
    };
    assert_eq!(
        told(&desk, None),
        [
            of(3, "waiting", None),
            of(2, "refused", Some("too_late")),
            of(1, "accepted", None),
        ]
    );
    assert_eq!(
        told(&desk, Some("refused")),
        [of(2, "refused", Some("too_late"))]
    );
    // What has ended stays as it ended.
    desk.casework.label_ended(2, None).unwrap();
    assert_eq!(told(&desk, Some("accepted")), [of(1, "accepted", None)]);
}

#[test]
fn a_label_whose_tenant_cannot_be_asked_is_due_again_after_a_pause_that_doubles() {
    let mut desk = Desk::new();
    keep(&mut desk, "e1", 0);
    desk.casework
        .event_is_here(&line("e1", Verdict::Fraud).event_id)
        .unwrap();
    let mut now = at(1);
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(desk.casework.arrived(now, 9).unwrap().len(), 1);
        desk.casework.label_later(1, now).unwrap();
        let pause = Span::seconds(seconds);
        let before = now.plus(pause).minus(Span::from_millis(1));
        assert_eq!(desk.casework.arrived(before, 9).unwrap(), [], "{seconds} s");
        now = now.plus(pause);
    }
    assert_eq!(desk.casework.arrived(now, 9).unwrap()[0].attempts, 11);
}

#[test]
fn what_has_waited_longer_than_a_label_may_take_is_given_up() {
    let mut desk = Desk::new();
    keep(&mut desk, "old", 0);
    keep(&mut desk, "young", 1);
    keep(&mut desk, "here", 0);
    desk.casework
        .event_is_here(&EventId::parse("event_id", "here").unwrap())
        .unwrap();
    let end = at(0).plus(HORIZON);
    assert_eq!(desk.casework.expire_waiting(HORIZON, end).unwrap(), 0);
    let later = end.plus(Span::from_millis(1));
    assert_eq!(desk.casework.expire_waiting(HORIZON, later).unwrap(), 1);
    let of = |id, status: &str| (id, status.to_owned(), None);
    assert_eq!(
        told(&desk, None),
        [of(3, "due"), of(2, "waiting"), of(1, "expired")]
    );
    // Its event comes too late for it, and the other's does not.
    for id in ["old", "young"] {
        desk.casework
            .event_is_here(&EventId::parse("event_id", id).unwrap())
            .unwrap();
    }
    assert_eq!(
        told(&desk, None),
        [of(3, "due"), of(2, "due"), of(1, "expired")]
    );
}

/// As many as may wait: the next is refused, and has its place when one of them has left, by its event or its age.
#[test]
fn no_more_labels_wait_than_may() {
    let mut desk = Desk::new();
    let rest = WAITING_MAX - 2;
    let fill = format!(
        "WITH RECURSIVE n (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < {rest})
        INSERT INTO waiting_labels (event_id, verdict, source, reason, confidence, label_timestamp,
            received_at, status, next_at, attempts)
        SELECT 'filled' || at, 'fraud', 'chargeback', '', 100, 5, {}, 'waiting', 0, 0 FROM n;
        INSERT INTO meta (key, value) VALUES ('labels_waiting', {rest});",
        at(60).millis()
    );
    behind_its_back(&mut desk, &fill);
    let mut keep = |id: &str, minute| {
        let kept = desk
            .casework
            .keep_label(&line(id, Verdict::Fraud), at(minute));
        refusal(kept).map_err(|refused| refused.code())
    };
    let full = Err("labels_waiting_max");
    assert_eq!(
        [keep("a", 0), keep("b", 60), keep("c", 60)],
        [Ok(true), Ok(true), full]
    );
    // One that waits already is not one more.
    assert_eq!(keep("b", 61), Ok(false));
    desk.casework
        .event_is_here(&EventId::parse("event_id", "b").unwrap())
        .unwrap();
    let mut keep = |id: &str| refusal(desk.casework.keep_label(&line(id, Verdict::Fraud), at(60)));
    assert_eq!(keep("c"), Ok(true));
    assert_eq!(keep("d"), Err(Refused::LabelsWaiting { max: WAITING_MAX }));
    let later = at(1).plus(HORIZON);
    assert_eq!(desk.casework.expire_waiting(HORIZON, later).unwrap(), 1);
    let mut keep = |id: &str| refusal(desk.casework.keep_label(&line(id, Verdict::Fraud), at(60)));
    assert_eq!(keep("d"), Ok(true));
    assert_eq!(keep("e"), Err(Refused::LabelsWaiting { max: WAITING_MAX }));
}

/// Ten thousand that have ended are told of; those that wait or are due are never forgotten.
#[test]
fn the_oldest_that_have_ended_are_forgotten() {
    let mut desk = Desk::new();
    keep(&mut desk, "first", 0);
    let ended =
        "WITH RECURSIVE n (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < 10003)
        INSERT INTO waiting_labels (event_id, verdict, source, reason, confidence, label_timestamp,
            received_at, status, next_at, attempts)
        SELECT 'ended' || at, 'fraud', 'chargeback', '', 100, 5, 6, 'accepted', 0, 1 FROM n;";
    behind_its_back(&mut desk, ended);
    desk.casework.expire_waiting(HORIZON, at(1)).unwrap();
    let left = desk.casework.waiting_labels(Some("accepted"), None, 20_000);
    let ids: Vec<i64> = left.unwrap().iter().map(|it| it.id).collect();
    assert_eq!((ids.len(), ids[0], ids[9_999]), (10_000, 10_004, 5));
    assert_eq!(
        told(&desk, Some("waiting")),
        [(1, "waiting".to_owned(), None)]
    );
}

/// An id that this build does not take is told as such, and holds up nothing behind it.
#[test]
fn a_label_that_cannot_be_read_any_more_can_be_ended() {
    let mut desk = Desk::new();
    let kept = "INSERT INTO waiting_labels (event_id, verdict, source, reason, confidence, label_timestamp,
            received_at, status, next_at, attempts)
        VALUES ('', 'fraud', 'chargeback', '', 100, 5, 6, 'due', 0, 0)";
    behind_its_back(&mut desk, kept);
    keep(&mut desk, "e1", 0);
    desk.casework
        .event_is_here(&line("e1", Verdict::Fraud).event_id)
        .unwrap();
    let arrived = desk.casework.arrived(at(1), 10).unwrap();
    assert_eq!(arrived.len(), 2);
    let code = arrived[0].line.as_ref().unwrap_err().code();
    desk.casework
        .label_ended(arrived[0].id, Some(code))
        .unwrap();
    assert_eq!(arrived[1].line, Ok(line("e1", Verdict::Fraud)));
    assert_eq!(due(&desk, 1), [arrived[1].id]);
    assert_eq!(
        told(&desk, Some("refused")),
        [(1, "refused".to_owned(), Some(code.to_owned()))]
    );
}
