//! Questions about the graph: what they tell, and where they stop.

use event::{EventTime, KindIx, Schema};
use ringfence_node::request::{Answer, Request};
use ringfence_node::tenant::around::{Neighbourhood, Page};

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
