use event::Currency;
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
