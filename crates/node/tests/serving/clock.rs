//! A wall clock that jumps ends no window, and no stamp goes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event::{EventId, EventTime, Span};
use log::LogOptions;
use ringfence_node::clock::{Clock, Hands};
use ringfence_node::request::{Answer, Request};
use ringfence_node::{Place, Tenant};

use crate::desk::{Desk, SOON, ask, decide, payment, settings, until};

fn time(text: &str) -> EventTime {
    EventTime::parse_iso(text).unwrap()
}

#[test]
fn ticks_end_no_more_than_has_passed_since_the_last_record() {
    let hands = Arc::new(Hands::at(Instant::now()));
    hands.set_wall(time("2026-01-20T00:00:00Z"));
    let mut settings = settings();
    settings.owner.clock = Clock::moved_by(hands.clone());
    settings.owner.tick = Duration::from_millis(20);
    let mut desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    let started = Instant::now();
    let newest = payment(40).event_timestamp;
    for number in 0..=40 {
        decide(&tenant, payment(number)).unwrap();
    }
    // The machine was wrong when it started, by 19 days; then it is set to another year, and back.
    for wall in [
        "2026-01-20T00:00:00Z",
        "2099-01-01T00:00:00Z",
        "2026-01-03T00:00:00Z",
    ] {
        hands.set_wall(time(wall));
        let before = tenant.counters().group_records.count();
        until(|| tenant.counters().group_records.count() >= before + 3);
    }
    drop(tenant);
    assert!(desk.node.take().unwrap().drain(SOON));
    let place = Place::new(desk.dir.path(), "acme").unwrap();
    let (tenant, _) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    let reached = tenant.engine().graph().now();
    let passed = started.elapsed().as_millis() as i64;
    let gone = reached.since(newest).millis();
    assert!(gone > 0, "no tick was written");
    assert!(gone <= passed, "{gone} ms ended in {passed} ms");
}

#[test]
fn stamps_of_a_tenant_never_go_back_also_over_a_restart() {
    let mut desk = Desk::new();
    let stamp = |desk: &Desk, number: u32, received_at: EventTime| {
        let tenant = desk.tenant("acme");
        let mut event = payment(number);
        event.received_at = received_at;
        decide(&tenant, event).unwrap();
        let id = EventId::parse("event_id", &format!("e{number}")).unwrap();
        match ask(&tenant, Request::Decision(id)).unwrap() {
            Answer::Decision(found, _) => {
                let decided_at = found.decision.unwrap().decided_at;
                assert_eq!(found.event.received_at, decided_at);
                decided_at
            }
            other => panic!("{other:?}"),
        }
    };
    let noon = time("2026-01-10T12:00:00Z");
    assert_eq!(stamp(&desk, 1, noon), noon);
    assert_eq!(stamp(&desk, 2, noon.minus(Span::days(1))), noon);
    desk.restart();
    assert_eq!(stamp(&desk, 3, noon.minus(Span::days(2))), noon);
    let later = noon.plus(Span::days(1));
    assert_eq!(stamp(&desk, 4, later), later);
}
