//! Tenants are made, suspended and erased while others are served.

use std::fs;

use ringfence_node::NodeError;
use ringfence_node::node::{ManageError, Node, erase_closed};
use ringfence_node::request::{Failed, NotServing};

use crate::desk::{Desk, SCHEMA, SOON, decide, payment, serving};

#[test]
fn a_suspended_tenant_stays_suspended_over_a_restart() {
    let mut desk = Desk::new();
    desk.node().create("other", SCHEMA, |_| Ok(())).unwrap();
    serving(&desk.tenant("other"));
    desk.node().suspend("other", true).unwrap();
    let suspended = |desk: &Desk| {
        matches!(
            decide(&desk.tenant("other"), payment(1)),
            Err(Failed::NotServing(NotServing::Suspended))
        )
    };
    assert!(suspended(&desk));
    desk.restart();
    assert!(suspended(&desk));
    desk.node().suspend("other", false).unwrap();
    serving(&desk.tenant("other"));
    assert!(!decide(&desk.tenant("other"), payment(1)).unwrap().duplicate);
}

#[test]
fn an_erased_tenant_leaves_a_proof_and_no_byte() {
    let mut desk = Desk::new();
    let marker = "a-name-found-nowhere-else";
    let tenant = desk.tenant("acme");
    decide(&tenant, crate::desk::payment_of(1, marker, 5)).unwrap();
    let erased = desk.node().erase("acme").unwrap();
    assert_eq!(erased.left, 0);
    assert!(erased.files >= 2 && erased.bytes > 500, "{erased:?}");
    assert!(desk.node().tenant("acme").is_none());
    // A handle that somebody still holds reaches nothing.
    let refused = decide(&tenant, payment(2));
    assert!(matches!(refused, Err(Failed::NotServing(_))), "{refused:?}");
    let names: Vec<_> = fs::read_dir(desk.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, [".erased.jsonl"]);
    let proof = fs::read_to_string(desk.dir.path().join(".erased.jsonl")).unwrap();
    assert!(proof.contains("\"tenant\":\"acme\"") && !proof.contains(marker));
    // The name is free again, and the new tenant knows nothing.
    desk.node().create("acme", SCHEMA, |_| Ok(())).unwrap();
    serving(&desk.tenant("acme"));
    let again = crate::desk::payment_of(1, marker, 5);
    assert!(!decide(&desk.tenant("acme"), again).unwrap().duplicate);
    assert!(desk.node.take().unwrap().drain(SOON));
}

#[test]
fn an_erasure_that_a_crash_cut_short_is_finished_at_the_next_start() {
    let mut desk = Desk::new();
    decide(&desk.tenant("acme"), payment(1)).unwrap();
    assert!(desk.node.take().unwrap().drain(SOON));
    let doomed = desk.dir.path().join(".erasing-acme");
    fs::rename(desk.dir.path().join("acme"), &doomed).unwrap();
    let node = Node::open(desk.dir.path(), desk.settings.clone()).unwrap();
    assert!(node.tenants().is_empty() && !doomed.exists());
}

#[test]
fn a_tenant_that_is_served_is_not_erased_from_outside_and_a_damaged_one_is() {
    let mut desk = Desk::new();
    decide(&desk.tenant("acme"), payment(1)).unwrap();
    let refused = erase_closed(desk.dir.path(), "acme");
    assert!(
        matches!(
            refused,
            Err(ManageError::Node(NodeError::Log(
                log::LogError::Locked { .. }
            )))
        ),
        "{refused:?}"
    );
    assert!(desk.node.take().unwrap().drain(SOON));
    for entry in fs::read_dir(desk.dir.path().join("acme/log")).unwrap() {
        fs::write(entry.unwrap().path(), "damage").unwrap();
    }
    assert_eq!(erase_closed(desk.dir.path(), "acme").unwrap().left, 0);
    let again = erase_closed(desk.dir.path(), "acme");
    assert!(
        matches!(again, Err(ManageError::Node(NodeError::NoTenant { .. }))),
        "{again:?}"
    );
}

#[test]
fn a_tenant_that_is_served_cannot_be_made_again() {
    let desk = Desk::new();
    let again = desk.node().create("acme", SCHEMA, |_| Ok(()));
    assert!(
        matches!(
            again,
            Err(ManageError::Node(NodeError::TenantExists { .. }))
        ),
        "{again:?}"
    );
    assert!(!decide(&desk.tenant("acme"), payment(1)).unwrap().duplicate);
}

#[test]
fn there_are_at_most_as_many_tenants_as_configured() {
    let desk = Desk::new();
    for number in 1..8 {
        desk.node()
            .create(&format!("t{number}"), SCHEMA, |_| Ok(()))
            .unwrap();
    }
    let refused = desk.node().create("t8", SCHEMA, |_| Ok(()));
    assert!(
        matches!(refused, Err(ManageError::TooMany(8))),
        "{refused:?}"
    );
    assert!(!desk.dir.path().join("t8").exists());
}
