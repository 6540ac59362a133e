//! Rules are read by whoever hands them in: the owner goes on deciding.

use std::fmt::Write;

use engine::ReadRules;
use event::codec::BODY_BYTES_MAX;
use event::record::{Config, ConfigSection};
use event::{Event, EventTime, Span};
use ringfence_node::node::TenantHandle;
use ringfence_node::request::{Answer, Failed, Request};
use ringfence_node::tenant::documents::Author;

use crate::desk::{Desk, ask, decide, payment};

/// As many as a set may have, each with a pattern or a list of words.
fn large() -> String {
    let mut text = String::new();
    for at in 0..200 {
        let when = match at % 4 {
            0 => format!("account.id.matches(\"x{at}[0-9]{{8}}$\")"),
            _ => format!("amount > {at} && merchant.id in [\"m{at}\", \"n{at}\"]"),
        };
        write!(
            text,
            "[[rules]]\nid = \"r{at}\"\nstatus = \"active\"\nscore_add = 1\nwhen = '{when}'\n"
        )
        .unwrap();
    }
    text
}

fn read(tenant: &TenantHandle, text: &str) -> Box<ReadRules> {
    let shape = tenant.shape().unwrap();
    Box::new(ReadRules::read(text.to_owned(), &shape.schema, &shape.features).unwrap())
}

#[test]
fn an_owner_reads_no_rules_that_come_read() {
    let mut desk = Desk::new();
    let tenant = desk.tenant("acme");
    decide(&tenant, payment(1)).unwrap();
    let owner_read = || tenant.counters().rules_read.get();
    assert_eq!(owner_read(), 0);
    let (text, author) = (large(), Author::from("ann"));
    let rules = read(&tenant, &text);
    let at = EventTime::MIN;
    assert!(matches!(
        ask(&tenant, Request::CheckRules { rules, at }),
        Ok(Answer::Good)
    ));
    for version in 1..=3 {
        let rules = read(&tenant, &format!("{text}# {version}\n"));
        let (author, expected) = (author.clone(), Some(version - 1));
        let set = Request::SetRules {
            rules,
            author,
            expected,
        };
        let Ok(Answer::Document(document)) = ask(&tenant, set) else {
            panic!("refused")
        };
        assert_eq!(document.version, version);
        assert!(document.body.ends_with(&format!("# {version}\n")));
    }
    assert_eq!(
        decide(&tenant, payment(2)).unwrap().decision.rules_version,
        3
    );
    assert_eq!(owner_read(), 0);
    // What is handed in as a text it has to read, once.
    let set = Request::SetDocument {
        section: ConfigSection::Rules,
        body: text.clone(),
        author: author.clone(),
        expected: None,
    };
    ask(&tenant, set).unwrap();
    assert_eq!(owner_read(), 1);
    // Rules that were read and refused are not taken for the next ones.
    let (rules, expected) = (read(&tenant, "rules = []\n"), Some(9));
    let refused = Request::SetRules {
        rules,
        author,
        expected,
    };
    assert!(ask(&tenant, refused).is_err());
    let Ok(Answer::Document(held)) = ask(&tenant, Request::Document(ConfigSection::Rules)) else {
        panic!("no document")
    };
    assert_eq!((held.version, &held.body), (4, &text));
    let last = decide(&tenant, payment(3)).unwrap().decision.rules_version;
    assert_eq!(last, 4);
    drop(tenant);
    desk.restart();
    let tenant = desk.tenant("acme");
    assert_eq!(
        decide(&tenant, payment(4)).unwrap().decision.rules_version,
        4
    );
}

/// What a record cannot hold would make the log unreadable, and a hidden secret is longer than what stands for it.
#[test]
fn a_document_is_as_long_as_a_record_holds_and_no_longer() {
    let mut desk = Desk::new();
    let tenant = desk.tenant("acme");
    let draw = |secret: &str, bytes: usize| {
        let mut text = format!(
            "random_approve = {{ secret = {secret:?}, share = 0.01, amount_max = 9.0 }}\n\
             [thresholds]\nchallenge = 1\nreview = 2\ndecline = 3\n"
        );
        text += &"#".repeat(bytes - text.len());
        text
    };
    let author = Author {
        name: "n".repeat(Config::AUTHOR_BYTES_MAX),
        why: "w".repeat(Config::WHY_BYTES_MAX),
        ..Author::from("")
    };
    let set = |body| {
        let (section, author, expected) = (ConfigSection::Policy, author.clone(), None);
        let set = Request::SetDocument {
            section,
            body,
            author,
            expected,
        };
        ask(&tenant, set)
    };
    let (secret, longest) = ("0123456789abcdef", BODY_BYTES_MAX);
    set(draw(secret, longest)).unwrap();
    for refused in [draw(secret, longest + 1), draw("(hidden)", longest - 7)] {
        let Err(Failed::Refused(error)) = set(refused) else {
            panic!("taken")
        };
        assert_eq!(error.code(), "field_too_long", "{error}");
    }
    set(draw("(hidden)", longest - 8)).unwrap();
    let held = |desk: &Desk| match ask(
        &desk.tenant("acme"),
        Request::Document(ConfigSection::Policy),
    ) {
        Ok(Answer::Document(document)) => document,
        other => panic!("{other:?}"),
    };
    let before = held(&desk);
    assert_eq!((before.version, before.body.len()), (2, longest));
    drop(tenant);
    desk.restart();
    assert_eq!(held(&desk), before);
}

/// What is not in the log is counted since the rules were set, or the process began, and says since when.
#[test]
fn counts_of_rules_say_since_when() {
    let mut desk = Desk::new();
    let view = |desk: &Desk| match ask(&desk.tenant("acme"), Request::Rules) {
        Ok(Answer::Rules(view)) => (view.since, view.tallies[0].1.missing),
        other => panic!("{other:?}"),
    };
    let set_at = EventTime::parse_iso("2026-03-01T00:00:00Z").unwrap();
    let body =
        "[[rules]]\nid = \"r\"\nstatus = \"active\"\nscore_add = 1\nwhen = 'channel == \"web\"'\n";
    let set = Request::SetDocument {
        section: ConfigSection::Rules,
        body: body.to_owned(),
        author: Author {
            at: set_at,
            ..Author::from("ann")
        },
        expected: None,
    };
    ask(&desk.tenant("acme"), set).unwrap();
    for number in 1..3 {
        decide(&desk.tenant("acme"), payment(number)).unwrap();
    }
    assert_eq!(view(&desk), (set_at, 2));
    let later = Event {
        event_timestamp: set_at.plus(Span::days(1)),
        received_at: set_at.plus(Span::days(1)),
        ..payment(3)
    };
    decide(&desk.tenant("acme"), later).unwrap();
    assert_eq!(view(&desk), (set_at, 3));
    desk.restart();
    assert_eq!(view(&desk), (set_at.plus(Span::days(1)), 0));
}
