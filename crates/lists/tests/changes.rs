//! The text of a change: one for each change, and no other is read.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use proptest::prelude::*;
use ringfence_lists::{Change, ChangeError, Definition, Effect, Form, Lists, NewItem, Value};

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9._-]{1,12}"
}

fn definition() -> impl Strategy<Value = Definition> {
    let form = prop_oneof![
        any::<bool>().prop_map(|fold| Form::Text { fold }),
        any::<bool>().prop_map(|fold| Form::Prefix { fold }),
        Just(Form::Cidr),
        Just(Form::Amount),
    ];
    let effect = prop_oneof![
        Just(Effect::Allow),
        Just(Effect::Watch),
        any::<bool>().prop_map(|overridable| Effect::Block { overridable }),
    ];
    let parts = (name(), name(), form, effect);
    parts.prop_map(|(name, on, form, effect)| Definition {
        name,
        on,
        form,
        effect,
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "\\PC{0,12}".prop_map(Value::Text),
        (any::<i64>(), any::<i64>(), "[A-Z]{3}").prop_map(|(from, to, currency)| Value::Band {
            from,
            to,
            currency
        }),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let item = (value(), prop::option::of(any::<i64>()), "\\PC{0,12}");
    let item = item.prop_map(|(value, expires, reason)| NewItem {
        value,
        expires,
        reason,
    });
    prop_oneof![
        definition().prop_map(Change::Create),
        definition().prop_map(Change::Alter),
        name().prop_map(|list| Change::Drop { list }),
        (name(), prop::collection::vec(item, 1..20))
            .prop_map(|(list, items)| Change::Put { list, items }),
        (name(), prop::collection::vec(value(), 1..20))
            .prop_map(|(list, values)| Change::Remove { list, values }),
    ]
}

proptest! {
    #[test]
    fn a_change_is_read_as_it_was_written(change in change()) {
        let text = change.encode().unwrap();
        prop_assert_eq!(Change::parse(&text).unwrap(), change);
    }

    /// Whatever is done to a text, it is refused or it is the text of another change.
    #[test]
    fn no_other_text_is_read(change in change(), at in any::<prop::sample::Index>(), put in "[ \\n\"{}a0:,]{0,3}", cut in 0_usize..3) {
        let text = change.encode().unwrap();
        let mut characters: Vec<char> = text.chars().collect();
        let from = at.index(characters.len());
        let to = (from + cut).min(characters.len());
        characters.splice(from..to, put.chars());
        let odd: String = characters.into_iter().collect();
        if let Ok(read) = Change::parse(&odd) {
            prop_assert_eq!(read.encode().unwrap(), odd);
        }
    }

    #[test]
    fn bytes_that_are_no_snapshot_are_refused(change in definition(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut lists = Lists::new(|_| Some(2));
        let (list, form) = (change.name.clone(), change.form);
        lists.apply(&Change::Create(change), 1, "ann").unwrap();
        let value = match form {
            Form::Text { .. } | Form::Prefix { .. } => Value::Text("value".to_owned()),
            Form::Cidr => Value::Text("10.0.0.0/8".to_owned()),
            Form::Amount => Value::Band { from: 5, to: 9, currency: "EUR".to_owned() },
        };
        let item = NewItem { value, expires: Some(99), reason: "why".to_owned() };
        lists.apply(&Change::Put { list, items: vec![item] }, 2, "ann").unwrap();
        let mut bytes = Vec::new();
        lists.write_snapshot(&mut bytes).unwrap();
        let at = at.index(bytes.len());
        for cut in [0, at] {
            prop_assert!(Lists::read_snapshot(|_| Some(2), &mut &bytes[..cut]).is_err());
        }
        bytes[at] = byte;
        if let Ok(read) = Lists::read_snapshot(|_| Some(2), &mut bytes.as_slice()) {
            let mut again = Vec::new();
            read.write_snapshot(&mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn the_text_is_the_documented_one() {
    let create = Change::Create(Definition {
        name: "stolen".to_owned(),
        on: "device".to_owned(),
        form: Form::Text { fold: true },
        effect: Effect::Block { overridable: true },
    });
    let put = Change::Put {
        list: "stolen".to_owned(),
        items: vec![
            NewItem {
                value: Value::Text("d-4711".to_owned()),
                expires: Some(1_790_000_000_000),
                reason: "reported".to_owned(),
            },
            NewItem {
                value: Value::Band {
                    from: 1,
                    to: 2,
                    currency: "EUR".to_owned(),
                },
                expires: None,
                reason: String::new(),
            },
        ],
    };
    let remove = Change::Remove {
        list: "stolen".to_owned(),
        values: vec![Value::Text("a\"b".to_owned())],
    };
    for (change, text) in [
        (
            create,
            "{\"lists\":1,\"change\":\"create\",\"list\":\"stolen\",\"on\":\"device\",\"form\":\"text\",\
            \"fold\":true,\"effect\":\"block\",\"overridable\":true}\n",
        ),
        (
            put,
            "{\"lists\":1,\"change\":\"put\",\"list\":\"stolen\"}\n\
            {\"value\":\"d-4711\",\"expires\":1790000000000,\"reason\":\"reported\"}\n\
            {\"from\":1,\"to\":2,\"currency\":\"EUR\",\"reason\":\"\"}\n",
        ),
        (
            remove,
            "{\"lists\":1,\"change\":\"remove\",\"list\":\"stolen\"}\n{\"value\":\"a\\\"b\"}\n",
        ),
    ] {
        assert_eq!(change.encode().unwrap(), text);
        assert_eq!(Change::parse(text).unwrap(), change);
    }
}

#[test]
fn a_text_that_is_refused_tells_the_line() {
    let head = "{\"lists\":1,\"change\":\"put\",\"list\":\"a\"}\n";
    let item = "{\"value\":\"x\",\"reason\":\"\"}\n";
    let create = "{\"lists\":1,\"change\":\"create\",\"list\":\"a\",\"on\":\"b\"";
    let cases = [
        (String::new(), "line 1: EOF"),
        (head.to_owned(), "1 to 1000 items, got 0"),
        (
            head.to_owned() + &item.repeat(1_001),
            "1 to 1000 items, got 1001",
        ),
        (
            head.replace(":1,", ":2,") + item,
            "version 1 in this build, got 2",
        ),
        (
            head.to_owned() + item + "{\"value\":1,\"reason\":\"\"}\n",
            "line 3: invalid type",
        ),
        (
            head.to_owned() + "{\"value\":\"x\"}\n",
            "line 2: field \"reason\" is missing",
        ),
        (
            head.to_owned() + "{\"from\":1,\"reason\":\"\"}\n",
            "line 2: field \"to\" is missing",
        ),
        (
            head.to_owned() + item.trim_end(),
            "line 2 is not written as this build writes it",
        ),
        (head.to_owned() + "\n" + item, "line 2: EOF"),
        (
            head.to_owned() + &item.replace("\":", "\": "),
            "line 2 is not written as",
        ),
        (
            head.to_owned() + "{\"value\":\"x\",\"from\":1,\"reason\":\"\"}\n",
            "line 2 is not written as",
        ),
        (
            head.to_owned() + "{\"value\":\"\\u0078\",\"reason\":\"\"}\n",
            "line 2 is not written as",
        ),
        (
            head.replace('}', ",\"more\":1}") + item,
            "line 1: unknown field `more`",
        ),
        (
            head.replace("put", "drop") + item,
            "line 2 is not written as",
        ),
        (
            format!("{create},\"form\":\"text\",\"effect\":\"allow\"}}\n"),
            "field \"fold\" is missing",
        ),
        (
            format!("{create},\"form\":\"cidr\",\"effect\":\"block\"}}\n"),
            "field \"overridable\" is missing",
        ),
        (
            format!("{create},\"form\":\"cidr\",\"fold\":true,\"effect\":\"allow\"}}\n"),
            "line 1 is not",
        ),
        (
            head.to_owned() + &" ".repeat(1 << 20),
            "at most 1048576 bytes, got 1048614",
        ),
    ];
    for (text, said) in cases {
        let error = Change::parse(&text).unwrap_err();
        assert!(error.to_string().contains(said), "{said:?} in {error}");
        assert!(error.to_string().len() < 300, "{error}");
    }
    let item = NewItem {
        value: Value::Text("\\".repeat(300)),
        expires: None,
        reason: "\"".repeat(300),
    };
    let change = Change::Put {
        list: "a".to_owned(),
        items: vec![item; 1_000],
    };
    assert!(matches!(change.encode(), Err(ChangeError::TooLong { .. })));
}
