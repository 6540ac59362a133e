//! A failing disk: nothing acknowledged is lost, nothing else is shown, and service comes back by itself.

use event::record::ConfigSection;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use log::Faults;
use ringfence_node::request::{Answer, Failed, NotServing, Request};

use crate::desk::{Desk, SOON, ask, decide, payment, serving, settings, until};

#[test]
fn a_failed_fsync_fails_its_answers_and_the_tenant_comes_back_with_all_it_acknowledged() {
    let faults = Arc::new(Faults::default());
    let mut settings = settings();
    settings.owner.log.faults = Some(faults.clone());
    let desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    let mut acknowledged = Vec::new();
    let mut number = 0;
    for round in 1..=4 {
        for _ in 0..10 {
            acknowledged.push((number, decide(&tenant, payment(number)).unwrap()));
            number += 1;
        }
        faults.fail_sync(1);
        let failed = decide(&tenant, payment(number));
        assert!(matches!(failed, Err(Failed::Storage(_))), "{failed:?}");
        number += 1;
        serving(&tenant);
        assert_eq!(tenant.counters().disk_failures.get(), round);
        for (number, first) in &acknowledged {
            let again = decide(&tenant, payment(*number)).unwrap();
            assert!(again.duplicate);
            assert_eq!(again.decision, first.decision);
        }
    }
}

#[test]
fn a_failing_write_is_survived_like_a_failing_fsync() {
    let faults = Arc::new(Faults::default());
    let mut settings = settings();
    settings.owner.log.faults = Some(faults.clone());
    let desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    let first = decide(&tenant, payment(1)).unwrap();
    faults.fail_write(1, 40);
    let failed = decide(&tenant, payment(2));
    assert!(matches!(failed, Err(Failed::Storage(_))), "{failed:?}");
    serving(&tenant);
    assert_eq!(
        decide(&tenant, payment(1)).unwrap().decision,
        first.decision
    );
    // The torn group was never acknowledged: its event is new.
    assert!(!decide(&tenant, payment(2)).unwrap().duplicate);
}

#[test]
fn while_the_disk_refuses_questions_are_answered_and_writes_are_not() {
    let faults = Arc::new(Faults::default());
    let mut settings = settings();
    settings.owner.log.faults = Some(faults.clone());
    let desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    decide(&tenant, payment(1)).unwrap();
    // The probe of the disk needs this name for a file.
    let probe = desk.dir.path().join("acme/probe.tmp");
    fs::create_dir(&probe).unwrap();
    faults.fail_sync(1);
    decide(&tenant, payment(2)).unwrap_err();
    let read_only = || matches!(tenant.status(), Some(NotServing::ReadOnly(_)));
    until(|| read_only() && tenant.shape().is_some());
    until(|| {
        matches!(
            ask(&tenant, Request::Document(ConfigSection::Policy)),
            Ok(Answer::Document(_))
        )
    });
    let refused = decide(&tenant, payment(3));
    assert!(
        matches!(refused, Err(Failed::NotServing(NotServing::ReadOnly(_)))),
        "{refused:?}"
    );
    fs::remove_dir(&probe).unwrap();
    serving(&tenant);
    assert!(!decide(&tenant, payment(3)).unwrap().duplicate);
}

#[test]
fn a_corrupt_log_stops_its_tenant_and_no_other() {
    let mut desk = Desk::new();
    desk.node()
        .create("other", crate::desk::SCHEMA, |_| Ok(()))
        .unwrap();
    serving(&desk.tenant("other"));
    for number in 0..50 {
        decide(&desk.tenant("acme"), payment(number)).unwrap();
        decide(&desk.tenant("other"), payment(number)).unwrap();
    }
    assert!(desk.node.take().unwrap().drain(SOON));
    let log = desk.dir.path().join("acme/log");
    let segment = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|it| it == "seg"))
        .unwrap();
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    file.write_all_at(&[0xff; 64], fs::metadata(&segment).unwrap().len() / 2)
        .unwrap();
    desk.node =
        Some(ringfence_node::node::Node::open(desk.dir.path(), desk.settings.clone()).unwrap());
    let acme = desk.tenant("acme");
    until(|| matches!(acme.status(), Some(NotServing::Unavailable(_))));
    let refused = decide(&acme, payment(1));
    let Err(Failed::NotServing(NotServing::Unavailable(why))) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("corrupt at byte"), "{why}");
    serving(&desk.tenant("other"));
    assert!(decide(&desk.tenant("other"), payment(1)).unwrap().duplicate);
}
