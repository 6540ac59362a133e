use event::json::LabelLine;
use event::record::{LabelSource, Verdict};
use event::{Currency, EventId};
use ringfence_casework::{Action, Casework, CaseworkError, copy as copy_of};

use crate::bench::{Desk, Log, ann, at, dump, open, transfer};

#[test]
fn a_copy_beside_a_writer_is_whole_and_can_be_gone_on_with() {
    let mut log = Log::new();
    let case = log.decided(&transfer("a", "b"));
    let mut desk = Desk::of(&log);
    desk.act(&ann(), case, Action::Claim, at(1)).unwrap();
    let copied = desk.dump();
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("copy.db");
    copy_of(&desk.path, &copy).unwrap();
    desk.act(&ann(), case, Action::Release, at(2)).unwrap();
    let files = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(files, 1, "one file, no log beside it");
    assert_eq!(dump(&copy), copied);
    let mut casework = open(&copy);
    casework.verify().unwrap();
    let version = casework.case(case).unwrap().unwrap().version;
    casework
        .act(&ann(), case, version, &Action::Release, at(2))
        .unwrap();
}

#[test]
fn a_file_of_another_tenant_or_a_later_version_is_not_opened() {
    let desk = Desk::new();
    let usd = Currency::parse("USD").unwrap();
    let other = Casework::open(&desk.path, usd);
    assert!(
        matches!(other, Err(CaseworkError::OtherTenant { .. })),
        "{other:?}"
    );
    let db = rusqlite::Connection::open(&desk.path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let later = Casework::open(&desk.path, Currency::EUR);
    assert!(
        matches!(later, Err(CaseworkError::Version { held: 99, .. })),
        "{later:?}"
    );
}

#[test]
fn a_damaged_file_is_an_error_and_not_an_empty_queue() {
    let mut log = Log::new();
    for number in 0..200 {
        log.decided(&transfer(&format!("a{number}"), "b"));
    }
    let desk = Desk::of(&log);
    let path = desk.path.clone();
    let copy = path.with_extension("copy");
    copy_of(&path, &copy).unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    for byte in bytes.iter_mut().skip(4096) {
        *byte ^= 0x5a;
    }
    std::fs::write(&copy, bytes).unwrap();
    let found = Casework::open(&copy, Currency::EUR).and_then(|casework| {
        casework.queue(&Default::default(), at(0), 10)?;
        casework.verify()
    });
    assert!(matches!(found, Err(CaseworkError::Store(_))), "{found:?}");
}

#[test]
fn a_new_file_is_made_by_one_of_many_who_open_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("casework.db");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(open(&path).cursor().unwrap().0, 0));
        }
    });
}

#[test]
fn a_file_of_the_second_version_takes_a_label_that_is_repeated() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("casework.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    for step in [
        include_str!("../../src/store/schema_1.sql"),
        include_str!("../../src/store/schema_2.sql"),
    ] {
        db.execute_batch(step).unwrap();
    }
    let kept = "INSERT INTO meta (key, value) VALUES ('base_currency', 'EUR'), ('labels_waiting', 2);
        INSERT INTO waiting_labels (id, event_id, verdict, source, reason, confidence, label_timestamp,
            received_at, status, next_at, attempts)
        VALUES (7, 'e', 'fraud', 'chargeback', '', 100, 5, 6, 'waiting', 6, 0),
            (9, 'e', 'legitimate', 'chargeback', '', 100, 5, 8, 'waiting', 8, 0),
            (11, 'e', 'legitimate', 'analyst', '', 100, 5, 8, 'refused', 8, 0);
        DELETE FROM waiting_labels WHERE id = 11;";
    db.execute_batch(kept).unwrap();
    db.pragma_update(None, "user_version", 2).unwrap();
    drop(db);

    let mut casework = open(&path);
    let again = LabelLine {
        event_id: EventId::parse("event_id", "e").unwrap(),
        verdict: Verdict::Fraud,
        source: LabelSource::Chargeback,
        reason: String::new(),
        confidence_percent: 100,
        label_timestamp: event::EventTime::from_millis(5),
    };
    assert!(casework.keep_label(&again, at(0)).unwrap());
    let waiting = casework.waiting_labels(Some("waiting"), None, 10).unwrap();
    let held: Vec<_> = waiting.iter().map(|it| (it.id, &*it.label)).collect();
    assert_eq!(held, [(12, "fraud"), (9, "legitimate"), (7, "fraud")]);
    casework.event_is_here(&again.event_id).unwrap();
    let due = casework.arrived(at(1), 10).unwrap();
    assert_eq!(due[0].id, 7, "the oldest first");
}
