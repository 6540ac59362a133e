//! A tenant without events gets another schema; one with events keeps its own; a crash leaves one of them whole.

use event::record::ConfigSection;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use event::Schema;
use lists::{Change, Definition, Effect, Form, NewItem, Value};
use log::LogOptions;
use ringfence_node::node::kept::{Fate, Fates};
use ringfence_node::node::schema::Reschemed;
use ringfence_node::node::{ManageError, Node};
use ringfence_node::request::{Answer, Failed, NotServing, Request};
use ringfence_node::{NodeError, Place, Tenant};

use crate::desk::{Desk, SCHEMA, SOON, ask, decide, payment, serving, settings};

const OTHER: &str = include_str!("../../../../schemas/handbook.toml");

fn set(node: &Node, text: &str) -> Result<Reschemed, ManageError> {
    node.set_schema("acme", text, |_| Ok(()), Instant::now() + SOON)
}

fn name(node: &Node) -> String {
    let tenant = node.tenant("acme").unwrap();
    serving(&tenant);
    tenant.shape().unwrap().schema.name.clone()
}

fn set_policy(desk: &Desk, body: &str) {
    let (body, author) = (body.to_owned(), "somebody".to_owned());
    let request = Request::SetDocument {
        section: ConfigSection::Policy,
        body,
        author: author.as_str().into(),
        expected: None,
    };
    ask(&desk.tenant("acme"), request).unwrap();
}

fn policy(desk: &Desk) -> String {
    match ask(
        &desk.tenant("acme"),
        Request::Document(ConfigSection::Policy),
    )
    .unwrap()
    {
        Answer::Document(document) => document.body,
        other => panic!("{other:?}"),
    }
}

const THRESHOLDS: &str = "[thresholds]\nchallenge = 1\nreview = 2\ndecline = 3\n";

#[test]
fn a_tenant_without_events_gets_another_schema_and_keeps_its_policy() {
    let mut desk = Desk::new();
    set_policy(&desk, THRESHOLDS);
    let before = desk.tenant("acme");
    let done = set(desk.node(), OTHER).unwrap();
    let hash = Schema::parse(OTHER).unwrap().hash();
    let expected = |changed| Reschemed {
        hash,
        changed,
        fates: Fates::KEPT,
    };
    assert_eq!(done, expected(true));
    assert_eq!(policy(&desk), THRESHOLDS);
    // What was read under the old schema reaches nothing any more.
    let late = decide(&before, payment(1));
    let starting = matches!(late, Err(Failed::NotServing(NotServing::Starting)));
    assert!(starting, "{late:?}");
    assert_eq!(set(desk.node(), OTHER).unwrap(), expected(false));
    desk.restart();
    assert_eq!(
        (name(desk.node()).as_str(), policy(&desk).as_str()),
        ("handbook", THRESHOLDS)
    );
    // Back again, and it decides.
    assert!(set(desk.node(), SCHEMA).unwrap().changed);
    assert!(!decide(&desk.tenant("acme"), payment(1)).unwrap().duplicate);
}

#[test]
fn a_policy_that_does_not_fit_is_reset_with_the_reason() {
    let desk = Desk::new();
    set_policy(
        &desk,
        &format!("{THRESHOLDS}[event_types.transfer]\nchallenge = 4\nreview = 5\ndecline = 6\n"),
    );
    let done = set(desk.node(), OTHER).unwrap();
    let Fate::Reset { reason } = done.fates.policy else {
        panic!("{done:?}")
    };
    assert!(reason.contains("transfer"), "{reason}");
    assert_eq!(policy(&desk), "");
}

fn set_section(desk: &Desk, section: ConfigSection, body: &str) {
    let request = Request::SetDocument {
        section,
        body: body.to_owned(),
        author: "ann".into(),
        expected: None,
    };
    ask(&desk.tenant("acme"), request).unwrap();
}

fn list(on: &str, name: &str, items: &[(&str, Option<i64>)]) -> Vec<Change> {
    let (name, on) = (name.to_owned(), on.to_owned());
    let list = name.clone();
    let definition = Definition {
        name,
        on,
        form: Form::Text { fold: false },
        effect: Effect::Watch,
    };
    let items = items.iter().map(|(value, expires)| NewItem {
        value: Value::Text((*value).to_owned()),
        expires: *expires,
        reason: "seen".to_owned(),
    });
    let items = items.collect();
    vec![Change::Create(definition), Change::Put { list, items }]
}

#[test]
fn rules_rates_and_lists_are_kept_as_far_as_they_fit() {
    let mut desk = Desk::new();
    let soon = ringfence_node::clock::now().unwrap().millis() + 3_600_000;
    let kept = list("account", "known", &[("ann", None), ("bob", Some(soon))]);
    for change in kept
        .into_iter()
        .chain(list("device", "stolen", &[("d1", None)]))
    {
        let body = change.encode().unwrap();
        set_section(&desk, ConfigSection::Lists, &body);
    }
    set_section(&desk, ConfigSection::Rates, "USD = 0.5\n");
    let rules = "[[rules]]\nid = \"a\"\nstatus = \"active\"\ndecision = \"review\"\nwhen = 'on_list(\"known\", account.id)'\n";
    set_section(&desk, ConfigSection::Rules, rules);
    let done = set(desk.node(), OTHER).unwrap();
    assert_eq!(
        (&done.fates.rates, &done.fates.rules),
        (&Fate::Kept, &Fate::Kept)
    );
    let [(dropped, reason)] = &done.fates.lists_dropped[..] else {
        panic!("{done:?}")
    };
    assert!(dropped == "stolen" && reason.contains("device"), "{reason}");
    desk.restart();
    let told = |section| match ask(&desk.tenant("acme"), Request::Document(section)).unwrap() {
        Answer::Document(document) => document.body,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(ConfigSection::Rules), rules);
    assert_eq!(told(ConfigSection::Rates), "USD = 0.5\n");
    let Answer::Lists(view) = ask(&desk.tenant("acme"), Request::Lists).unwrap() else {
        panic!("no lists")
    };
    let names: Vec<&str> = view
        .lists
        .definitions()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["known"]);
    let items = view.lists.iter("known", soon - 1);
    let mut items: Vec<_> = items
        .map(|it| {
            (
                it.value.to_string(),
                it.expires,
                it.reason().to_owned(),
                it.author().to_owned(),
            )
        })
        .collect();
    items.sort();
    let item = |value: &str, expires| {
        (
            value.to_owned(),
            expires,
            "seen".to_owned(),
            "ann".to_owned(),
        )
    };
    assert_eq!(items, [item("ann", None), item("bob", Some(soon))]);

    // Rules that name what is gone are gone too, and say why.
    set_section(
        &desk,
        ConfigSection::Rules,
        &rules.replace("account.id", "terminal.id"),
    );
    let back = set(desk.node(), SCHEMA).unwrap();
    let Fate::Reset { reason } = &back.fates.rules else {
        panic!("{back:?}")
    };
    assert!(reason.contains("terminal.id"), "{reason}");
    assert_eq!(back.fates.lists_dropped, []);
}

fn drift_settings(desk: &Desk) -> String {
    let request = Request::Document(ConfigSection::Drift);
    match ask(&desk.tenant("acme"), request).unwrap() {
        Answer::Document(document) => document.body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_drift_is_watched_by_is_kept_where_the_schema_has_its_features() {
    let mut desk = Desk::new();
    let settings = "windows = 5\n[rules.amount]\nwatch = false\n";
    set_section(&desk, ConfigSection::Drift, settings);
    let done = set(desk.node(), OTHER).unwrap();
    assert_eq!(done.fates, Fates::KEPT);
    desk.restart();
    assert_eq!(drift_settings(&desk), settings);

    assert!(set(desk.node(), SCHEMA).unwrap().changed);
    let of_devices = "windows = 5\n[rules.device_count_24h]\nwatch = false\n";
    set_section(&desk, ConfigSection::Drift, of_devices);
    let done = set(desk.node(), OTHER).unwrap();
    let Fate::Reset { reason } = &done.fates.drift else {
        panic!("{done:?}")
    };
    assert!(reason.contains("device_count_24h"), "{reason}");
    assert_eq!(done.fates.rules, Fate::Kept);
    assert_eq!(drift_settings(&desk), "");
}

/// As where the new tenant comes with a model and its thresholds.
#[test]
fn a_policy_that_nobody_had_set_is_not_said_to_be_kept() {
    let desk = Desk::new();
    let furnish = |place: &Place| {
        let (mut tenant, _) = Tenant::open(place, LogOptions::default(), |_, _| {})?;
        tenant.set_policy(THRESHOLDS, "model")?;
        tenant.commit().map(drop)
    };
    let node = desk.node();
    let done = node.set_schema("acme", OTHER, furnish, Instant::now() + SOON);
    let fate = done.unwrap().fates.policy;
    assert!(matches!(fate, Fate::Reset { .. }), "{fate:?}");
    assert_eq!(policy(&desk), THRESHOLDS);
}

#[test]
fn a_tenant_with_events_keeps_its_schema_and_is_not_disturbed() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    decide(&tenant, payment(1)).unwrap();
    let refused = set(desk.node(), OTHER).unwrap_err();
    let ManageError::Node(NodeError::SchemaFixed { differences, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(differences[0], r#"name is "default", given "handbook""#);
    assert!(!set(desk.node(), SCHEMA).unwrap().changed);
    assert!(Arc::ptr_eq(&tenant, &desk.tenant("acme")));
    assert!(decide(&tenant, payment(1)).unwrap().duplicate);
}

#[test]
fn what_a_repair_cut_off_was_history_too() {
    let desk = Desk::new();
    let lost = desk.dir.path().join("acme/log.cut-1");
    fs::create_dir(&lost).unwrap();
    let refused = set(desk.node(), OTHER).unwrap_err();
    assert!(
        matches!(refused, ManageError::Node(NodeError::SchemaFixed { .. })),
        "{refused:?}"
    );
    assert!(lost.exists() && name(desk.node()) == "default");
    assert!(!decide(&desk.tenant("acme"), payment(1)).unwrap().duplicate);
}

#[test]
fn what_cannot_be_built_leaves_the_tenant_as_it_was() {
    let desk = Desk::new();
    set_policy(&desk, THRESHOLDS);
    let fails = |place: &Place| {
        assert!(place.exists());
        Err(NodeError::Clock)
    };
    let node = desk.node();
    let refused = node.set_schema("acme", OTHER, fails, Instant::now() + SOON);
    assert!(
        matches!(refused, Err(ManageError::Node(NodeError::Clock))),
        "{refused:?}"
    );
    assert_eq!(policy(&desk), THRESHOLDS);
    assert_eq!(name(node), "default");
    assert!(!desk.dir.path().join(".schema-acme").exists());
}

/// The two states that a crash can leave: built and not yet exchanged, exchanged and not yet cleared.
#[test]
fn a_crash_leaves_the_old_tenant_or_the_new_one() {
    for (exchanged, expected) in [(false, "default"), (true, "handbook")] {
        let mut desk = Desk::new();
        assert!(desk.node.take().unwrap().drain(SOON));
        let mut other = Desk::with_schema(settings(), OTHER);
        let built = other.dir.path().join("acme");
        assert!(other.node.take().unwrap().drain(SOON));
        let (old, staging) = (
            desk.dir.path().join("acme"),
            desk.dir.path().join(".schema-acme"),
        );
        fs::create_dir(&staging).unwrap();
        if exchanged {
            fs::rename(&old, staging.join("acme")).unwrap();
            fs::rename(&built, &old).unwrap();
        } else {
            fs::rename(&built, staging.join("acme")).unwrap();
        }
        let node = Node::open(desk.dir.path(), desk.settings.clone()).unwrap();
        assert_eq!((node.tenants().len(), name(&node).as_str()), (1, expected));
        assert!(!staging.exists());
        assert!(node.drain(SOON));
    }
}
