//! What a change takes the place of stands behind its text, as much as a record holds, and is no part of the change.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use ringfence_lists::was::split;
use ringfence_lists::{CHANGE_BYTES_MAX, Change, Definition, Effect, Form, Lists, NewItem, Value};

fn list(form: Form, effect: Effect) -> Definition {
    let (name, on) = ("l".to_owned(), "device".to_owned());
    Definition {
        name,
        on,
        form,
        effect,
    }
}

fn put(values: impl IntoIterator<Item = Value>, reason: &str) -> Change {
    let items = values.into_iter().map(|value| NewItem {
        value,
        expires: None,
        reason: reason.to_owned(),
    });
    Change::Put {
        list: "l".to_owned(),
        items: items.collect(),
    }
}

fn texts<'t>(values: &'t [&'t str]) -> impl Iterator<Item = Value> + 't {
    values.iter().map(|it| Value::Text((*it).to_owned()))
}

/// The change's own text is as it was, and what stands behind it.
fn was(lists: &Lists, change: &Change) -> String {
    let text = change.encode().unwrap();
    let noted = lists.with_was(change, &text);
    let (own, was) = split(&noted);
    assert_eq!(
        (own, Change::parse(own).as_ref()),
        (text.as_str(), Ok(change))
    );
    was.to_owned()
}

#[test]
fn what_was_there_is_told_of_every_change_and_nothing_where_there_was_nothing() {
    let mut lists = Lists::new(|_| Some(2));
    let text = |effect| list(Form::Text { fold: true }, effect);
    let block = Effect::Block { overridable: false };
    let create = Change::Create(text(block));
    assert_eq!(was(&lists, &create), "");
    lists.apply(&create, 10, "ann").unwrap();
    let first = put(texts(&["D-1", "d-2"]), "reported");
    assert_eq!(was(&lists, &first), "");
    lists.apply(&first, 20, "ben").unwrap();
    // By the key that the list compares by.
    let second = put(texts(&["d-1", "d-3"]), "{\"was\":\"a trick\"}");
    let held =
        "{\"was\":{\"value\":\"d-1\",\"reason\":\"reported\",\"author\":\"ben\",\"added\":20}}\n";
    assert_eq!(was(&lists, &second), held);
    lists.apply(&second, 30, "cid").unwrap();
    let gone = Change::Remove {
        list: "l".to_owned(),
        values: texts(&["d-2", "d-9"]).collect(),
    };
    assert_eq!(was(&lists, &gone), held.replace("d-1", "d-2"));
    let definition = "{\"was\":{\"on\":\"device\",\"form\":\"text\",\"fold\":true,\"effect\":\"block\",\"overridable\":false,\"items\":3}}\n";
    assert_eq!(was(&lists, &Change::Alter(text(Effect::Watch))), definition);
    let list = "l".to_owned();
    assert_eq!(was(&lists, &Change::Drop { list }), definition);
}

#[test]
fn bands_and_networks_are_told_as_they_are_written() {
    let cases = [
        (
            Form::Cidr,
            Value::Text("10.0.0.0/8".to_owned()),
            "\"value\":\"10.0.0.0/8\"",
        ),
        (
            Form::Amount,
            Value::Band {
                from: 500,
                to: 700,
                currency: "EUR".to_owned(),
            },
            "\"from\":500,\"to\":700,\"currency\":\"EUR\"",
        ),
    ];
    for (form, value, told) in cases {
        let mut lists = Lists::new(|_| Some(2));
        let create = Change::Create(list(form, Effect::Watch));
        lists.apply(&create, 1, "ann").unwrap();
        let change = put([value], "");
        lists.apply(&change, 2, "ann").unwrap();
        let was = was(&lists, &change);
        assert!(was.contains(told), "{was}");
    }
}

#[test]
fn items_that_do_not_fit_are_counted_and_a_full_record_stays_as_it_is() {
    let mut lists = Lists::new(|_| Some(2));
    let create = Change::Create(list(Form::Text { fold: false }, Effect::Watch));
    lists.apply(&create, 1, "ann").unwrap();
    let values = || (0..1_000).map(|at| Value::Text(format!("{at:0>256}")));
    let long = put(values(), &"\"".repeat(256));
    lists.apply(&long, 2, &"a".repeat(200)).unwrap();
    assert_eq!(was(&lists, &long), "{\"was\":{\"left_out\":1000}}\n");
    let text = long.encode().unwrap();
    let full = format!("{text}{}", " ".repeat(CHANGE_BYTES_MAX - text.len()));
    assert_eq!(lists.with_was(&long, &full), full);
}
