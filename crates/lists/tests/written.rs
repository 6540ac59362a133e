//! A definition in words, there and back; what says nothing is refused.

use ringfence_lists::{Definition, Effect, Form, Written};
use serde_json::json;

#[test]
fn every_definition_reads_back_from_its_words() {
    let forms = [
        Form::Text { fold: true },
        Form::Prefix { fold: false },
        Form::Cidr,
        Form::Amount,
    ];
    let effects = [
        Effect::Allow,
        Effect::Watch,
        Effect::Block { overridable: true },
        Effect::Block { overridable: false },
    ];
    for form in forms {
        for effect in effects {
            let (name, on) = ("l".to_owned(), "device".to_owned());
            let definition = Definition {
                name,
                on,
                form,
                effect,
            };
            let words = json!(Written::of(&definition));
            let read: Written = serde_json::from_value(words).unwrap();
            assert_eq!(read.named("l").unwrap(), definition);
        }
    }
}

#[test]
fn words_that_are_unknown_or_say_nothing_where_they_stand_are_refused_by_field() {
    let refused = |more: serde_json::Value, field: &str| {
        let mut words = json!({ "on": "ip", "form": "cidr", "effect": "allow" });
        for (key, value) in more.as_object().unwrap() {
            words[key] = value.clone();
        }
        let written: Written = serde_json::from_value(words).unwrap();
        assert_eq!(written.named("l").unwrap_err().field, field);
    };
    refused(json!({ "form": "exact" }), "form");
    refused(json!({ "effect": "deny" }), "effect");
    refused(json!({ "fold": false }), "fold");
    refused(json!({ "overridable": false }), "overridable");
    let misspelt = json!({ "on": "ip", "form": "cidr", "effect": "block", "overidable": false });
    assert!(serde_json::from_value::<Written>(misspelt).is_err());
}
