//! What a tenant may hold, and what goes on when it holds that.

use event::record::ConfigSection;
use ringfence_node::NodeError;
use ringfence_node::request::{Answer, Failed, Request};

use crate::desk::{Desk, ask, charge_back, decide, payment, payment_of, settings, until};

#[test]
fn past_its_entities_a_tenant_goes_on_with_those_it_knows() {
    let mut settings = settings();
    // 7 accounts, 3 merchants, 5 devices are what the payments of this test use.
    settings.quotas.default.entities_max = 15;
    let mut desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    for number in 0..35 {
        decide(&tenant, payment(number)).unwrap();
    }
    assert_eq!(tenant.counters().entities.get(), 15);
    for number in 100..110 {
        let refused = decide(&tenant, payment_of(number, "stranger", 10));
        let Err(Failed::Refused(NodeError::Quota { quota, held, limit })) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((quota, held, limit), ("entities_max", 15, 15));
        let ingested = ask(
            &tenant,
            Request::Ingest(Box::new(payment_of(number, "stranger", 10))),
        );
        assert!(
            matches!(ingested, Err(Failed::Refused(NodeError::Quota { .. }))),
            "{ingested:?}"
        );
    }
    assert_eq!(tenant.counters().quota_refused[0].get(), 20);
    // Known entities, what was decided before, labels.
    assert!(!decide(&tenant, payment(35)).unwrap().duplicate);
    assert!(decide(&tenant, payment(0)).unwrap().duplicate);
    charge_back(&tenant, "e1");
    // What was refused left no trace.
    drop(tenant);
    desk.restart();
    let tenant = desk.tenant("acme");
    assert_eq!(tenant.counters().entities.get(), 15);
    assert!(!decide(&tenant, payment(36)).unwrap().duplicate);
}

#[test]
fn past_its_bytes_a_tenant_takes_no_event_and_still_its_labels() {
    let mut settings = settings();
    settings.quotas.default.bytes_max = 16 << 10;
    let desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    let mut number = 0;
    let refused = loop {
        match decide(&tenant, payment(number)) {
            Ok(_) => number += 1,
            Err(failed) => break failed,
        }
    };
    let Failed::Refused(NodeError::Quota { quota, held, limit }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((quota, limit), ("bytes_max", 16 << 10));
    assert!(held >= limit, "{held}");
    assert_eq!(tenant.counters().disk_bytes.get(), held);
    assert!(decide(&tenant, payment(0)).unwrap().duplicate);
}

#[test]
fn bytes_have_a_reserve_for_what_is_no_event_and_it_ends() {
    let mut settings = settings();
    settings.quotas.default.bytes_max = 64 << 10;
    let desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    let mut number = 0;
    while decide(&tenant, payment(number)).is_ok() {
        number += 1;
    }
    // The second that passes between two counts may have used the reserve up already.
    let counted = tenant.counters().disk_bytes.get();
    let within = counted < (64 << 10) + (64 << 10) / 20;
    let policy = |review: u32| {
        let body = format!(
            "[thresholds]\nchallenge = 1\nreview = {review}\ndecline = 1000\n# {}\n",
            "x".repeat(2000)
        );
        let author = "a test".to_owned();
        let request = Request::SetDocument {
            section: ConfigSection::Policy,
            body,
            author: author.as_str().into(),
            expected: None,
        };
        ask(&tenant, request)
    };
    if within {
        policy(10).unwrap();
    }
    let mut review = 11;
    until(|| {
        review += 1;
        let set = policy(review % 900 + 1);
        matches!(set, Err(Failed::Refused(NodeError::Quota { .. })))
    });
    assert!(matches!(
        ask(&tenant, Request::Document(ConfigSection::Policy)),
        Ok(Answer::Document(_))
    ));
}
