//! Questions about the graph: what they tell, and where they stop.

use std::collections::BTreeMap;

use event::record::Record;
use event::schema::Part;
use event::{Event, EventTime, KindIx, Schema};
use ringfence_node::request::{Answer, Request};
use ringfence_node::tenant::around::{Neighbourhood, Page};
use ringfence_node::{History, Place};

use crate::desk::{Desk, SCHEMA, ask, decide, payment_of};

fn kind(name: &str) -> KindIx {
    Schema::parse(SCHEMA).unwrap().kind(name).unwrap()
}

fn neighbours(desk: &Desk, kind_name: &str, id: &str, depth: u8) -> Neighbourhood {
    let request = Request::Neighbours {
        kind: kind(kind_name),
        id: id.to_owned(),
        depth,
    };
    match ask(&desk.tenant("acme"), request).unwrap() {
        Answer::Neighbours(found) => *found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_steps_lead_from_an_account_over_its_device_to_another_account() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    // e10 and e25: both with merchant m1 and device d0; e11 with m2 and d1.
    decide(&tenant, payment_of(10, "ann", 5)).unwrap();
    decide(&tenant, payment_of(25, "bob", 6)).unwrap();
    decide(&tenant, payment_of(11, "eve", 7)).unwrap();
    let names = |found: &Neighbourhood| {
        let mut names: Vec<_> = found
            .nodes
            .iter()
            .map(|it| (it.depth, it.id.clone()))
            .collect();
        names[1..].sort();
        names
    };
    let owned = |list: &[(u8, &str)]| -> Vec<(u8, String)> {
        list.iter().map(|(d, id)| (*d, (*id).to_owned())).collect()
    };
    let one = neighbours(&desk, "account", "ann", 1);
    assert_eq!(names(&one), owned(&[(0, "ann"), (1, "d0"), (1, "m1")]));
    let two = neighbours(&desk, "account", "ann", 2);
    assert_eq!(
        names(&two),
        owned(&[(0, "ann"), (1, "d0"), (1, "m1"), (2, "bob")])
    );
    // ann-d0, ann-m1, d0-m1 (in two events), d0-bob, m1-bob.
    let mut events: Vec<u32> = two.links.iter().map(|link| link.events).collect();
    events.sort_unstable();
    assert_eq!(events, [1, 1, 1, 1, 2]);
    assert!(!two.cut);
}

#[test]
fn a_hub_is_cut_and_says_so() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    for number in 0..40 {
        decide(&tenant, payment_of(15 * number, &format!("a{number}"), 5)).unwrap();
    }
    let found = neighbours(&desk, "device", "d0", 2);
    assert!(found.cut);
    assert!(found.nodes.len() <= 10, "{} nodes", found.nodes.len());
}

#[test]
fn an_accounts_decisions_come_newest_first_in_pages() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    for number in 0..10 {
        let account = if number % 2 == 0 { "ann" } else { "bob" };
        decide(&tenant, payment_of(number, account, 5)).unwrap();
    }
    let page = |from: &str, before, limit| -> Page {
        let request = Request::Decisions {
            account: "ann".to_owned(),
            from: EventTime::parse_iso(from).unwrap(),
            before,
            limit,
        };
        match ask(&tenant, request).unwrap() {
            Answer::Decisions(page) => page,
            other => panic!("{other:?}"),
        }
    };
    let ids = |page: &Page| -> Vec<String> {
        let ids = page
            .decisions
            .iter()
            .map(|it| it.event.event_id.as_str().to_owned());
        ids.collect()
    };
    let start = "2026-01-01T00:00:00Z";
    let first = page(start, None, 3);
    assert_eq!(ids(&first), ["e8", "e6", "e4"]);
    let second = page(start, first.next, 3);
    assert_eq!(ids(&second), ["e2", "e0"]);
    assert_eq!(second.next, None);
    assert_eq!(ids(&page("2026-01-01T00:06:00Z", None, 9)), ["e8", "e6"]);
}

/// Page by page to the end; how many pages came.
fn all_of(desk: &Desk, account: &str, from: EventTime, limit: usize) -> (Vec<String>, usize) {
    let (mut ids, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let request = Request::Decisions {
            account: account.to_owned(),
            from,
            before,
            limit,
        };
        let page = match ask(&desk.tenant("acme"), request).unwrap() {
            Answer::Decisions(page) => page,
            other => panic!("{other:?}"),
        };
        assert!(page.decisions.len() <= limit);
        for listed in &page.decisions {
            assert_eq!(listed.decision.event_position, listed.position);
            ids.push(listed.event.event_id.as_str().to_owned());
        }
        pages += 1;
        match page.next {
            None => return (ids, pages),
            next => before = next,
        }
    }
}

/// The whole log, newest first.
fn scanned(desk: &Desk, account: &str, from: EventTime) -> Vec<String> {
    let place = Place::new(desk.dir.path(), "acme").unwrap();
    let history = History::open(&place).unwrap();
    let mut records = history.iter_from(event::Position(0)).unwrap();
    let mut events = BTreeMap::new();
    let mut ids = Vec::new();
    let subject = history.schema().part(Part::Subject).unwrap();
    while let Some((position, record)) = records.next_record().unwrap() {
        match record {
            Record::Event(event) => drop(events.insert(position, event)),
            Record::Decision(decision) => {
                let event = &events[&decision.event_position];
                let its = event
                    .entity(subject)
                    .is_some_and(|it| it.as_str() == account);
                if its && event.event_timestamp >= from {
                    ids.push(event.event_id.as_str().to_owned());
                }
            }
            _ => {}
        }
    }
    ids.reverse();
    ids
}

/// Far beyond what the graph remembers of an account, over many segments, before and after a restart, with and
/// without the index files.
#[test]
fn an_accounts_decisions_are_those_of_a_scan_of_the_whole_log() {
    let mut settings = crate::desk::settings();
    settings.owner.log.segment_bytes = 6 << 10;
    let mut desk = Desk::with(settings);
    let tenant = desk.tenant("acme");
    let mut state: u64 = 11;
    for number in 0..3_000_u32 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // One account has two thirds, the first of the rare ones only its start.
        let account = match (state >> 33) % 9 {
            0..6 => "hot".to_owned(),
            _ if number < 40 => "early".to_owned(),
            other => format!("rare-{other}"),
        };
        // Late ones too: by half a day.
        let minute = if number % 17 == 0 {
            number.saturating_sub(700)
        } else {
            number
        };
        let event = Event {
            event_id: event::EventId::parse("event_id", &format!("e{number}")).unwrap(),
            ..payment_of(minute, &account, 5)
        };
        if number % 10 == 3 {
            ask(&tenant, Request::Ingest(Box::new(event))).unwrap();
        } else {
            decide(&tenant, event).unwrap();
        }
    }
    let accounts = ["hot", "early", "rare-6", "rare-8", "nobody"];
    let days = [
        "2026-01-01T00:00:00Z",
        "2026-01-02T07:30:00Z",
        "2026-02-01T00:00:00Z",
    ];
    let check = |desk: &Desk, limit: usize| {
        for account in accounts {
            for day in days {
                let from = EventTime::parse_iso(day).unwrap();
                let (found, _) = all_of(desk, account, from, limit);
                assert_eq!(found, scanned(desk, account, from), "{account} from {day}");
            }
        }
    };
    check(&desk, 50);
    let (hot, pages) = all_of(&desk, "hot", EventTime::MIN, 7);
    assert!(hot.len() > 1500 && pages >= hot.len() / 7);
    // One that is nowhere costs no more than its share of segments for each page.
    let (_, pages) = all_of(&desk, "nobody", EventTime::MIN, 50);
    let log = desk.dir.path().join("acme/log");
    let with = |ending: &str| -> Vec<_> {
        let files = std::fs::read_dir(&log)
            .unwrap()
            .map(|it| it.unwrap().path());
        files
            .filter(|it| it.extension().is_some_and(|it| it == ending))
            .collect()
    };
    let segments = with("seg").len();
    assert!(
        segments > 50 && pages > segments / 17,
        "{pages} pages, {segments} segments"
    );
    desk.restart();
    check(&desk, 20);
    for path in with("idx") {
        std::fs::remove_file(path).unwrap();
    }
    check(&desk, 50);
}
