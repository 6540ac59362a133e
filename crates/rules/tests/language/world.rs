//! The vocabulary of the tests, values for it, and one expression run by the crate and by the reference.

#![allow(clippy::disallowed_types, reason = "the reference takes its maps so")]

use std::collections::{BTreeMap, HashMap};

use cel::objects::{Key as CelKey, Value as CelValue};
use cel::{Context, ExecutionError, Program};
use ringfence_rules::{Evaluation, Key, RuleSet, RuleSetError, Slot, Type, Vocabulary};

const TEXT: Type = Type::Text { bytes_max: 128 };

pub fn vocabulary() -> Vocabulary {
    let mut vocabulary = Vocabulary::new();
    for (name, of, optional) in [
        ("event_type", TEXT, false),
        ("channel", TEXT, false),
        ("score", Type::Number, false),
        ("event_timestamp", Type::Time, false),
        ("recurring", Type::Bool, false),
        ("amount", Type::Number, true),
        ("device.id", TEXT, true),
        ("device.accounts_72h", Type::Number, true),
        ("device.trusted", Type::Bool, true),
        ("account.first_seen", Type::Time, true),
        ("note", Type::Text { bytes_max: 4096 }, true),
    ] {
        vocabulary.add(name, of, optional).unwrap();
    }
    vocabulary
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Number(f64),
    Text(String),
    Time(i64),
}

/// What is not in it is missing.
pub type Values = BTreeMap<String, Value>;
pub type Lists = BTreeMap<String, Vec<Value>>;

/// What an expression came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Is(bool),
    Missing(String),
    Error(&'static str),
}

/// A document of one active rule.
pub fn document(when: &str) -> String {
    let when = toml::Value::String(when.to_owned());
    format!("[[rules]]\nid = \"one\"\nstatus = \"active\"\nwhen = {when}\n")
}

pub fn run(when: &str, values: &Values, lists: &Lists) -> Result<Outcome, RuleSetError> {
    let vocabulary = vocabulary();
    let set = RuleSet::parse(&document(when), &vocabulary)?;
    let slots: Vec<Slot<'_>> = set
        .used()
        .iter()
        .map(|ix| match values.get(&vocabulary.variable(*ix).name) {
            None => Slot::Missing,
            Some(Value::Bool(it)) => Slot::Bool(*it),
            Some(Value::Number(it)) => Slot::Number(*it),
            Some(Value::Text(it)) => Slot::Text(it),
            Some(Value::Time(it)) => Slot::Time(*it),
        })
        .collect();
    let mut on_list = |list: ringfence_rules::ListIx, key: Key<'_>| {
        let list = lists.get(&set.lists()[usize::from(list.0)]);
        list.is_some_and(|entries| entries.iter().any(|it| is_key(it, key)))
    };
    let mut out = Evaluation::default();
    set.evaluate(0, &slots, &mut on_list, &mut out);
    Ok(match (out.missing.first(), out.errors.first()) {
        (Some((_, variable)), _) => Outcome::Missing(vocabulary.variable(*variable).name.clone()),
        (None, Some((_, kind))) => Outcome::Error(kind.code()),
        (None, None) => Outcome::Is(!out.matched.is_empty()),
    })
}

fn is_key(value: &Value, key: Key<'_>) -> bool {
    match (value, key) {
        (Value::Text(text), Key::Text(key)) => text == key,
        (Value::Number(number), Key::Number(key)) => *number == key,
        _ => false,
    }
}

/// The same by the reference. `finite(x)` is x, and an error where a double is none of the reals.
pub fn reference(when: &str, values: &Values, lists: &Lists) -> Result<bool, String> {
    let program = Program::compile(when).map_err(|error| format!("{error}"))?;
    let mut context = Context::default();
    context
        .add_function("finite", |number: f64| match number.is_finite() {
            true => Ok(number),
            false => Err(ExecutionError::function_error("finite", "it is not")),
        })
        .unwrap();
    let lists = lists.clone();
    let on_list = move |name: std::sync::Arc<String>, value: CelValue| {
        let key = match &value {
            CelValue::String(text) => Key::Text(text),
            CelValue::Float(number) => Key::Number(*number),
            _ => return false,
        };
        let entries = lists.get(name.as_str());
        entries.is_some_and(|entries| entries.iter().any(|it| is_key(it, key)))
    };
    context.add_function("on_list", on_list).unwrap();
    let mut maps: BTreeMap<&str, HashMap<CelKey, CelValue>> = BTreeMap::new();
    for root in ["device", "account"] {
        maps.insert(root, HashMap::new());
    }
    for (name, value) in values {
        let value = match value {
            Value::Bool(it) => CelValue::Bool(*it),
            Value::Number(it) => CelValue::Float(*it),
            Value::Text(it) => CelValue::from(it.as_str()),
            Value::Time(it) => {
                let time = chrono::DateTime::from_timestamp_millis(*it).unwrap();
                CelValue::Timestamp(time.fixed_offset())
            }
        };
        match name.split_once('.') {
            None => context.add_variable_from_value(name.as_str(), value),
            Some((root, field)) => {
                let field = CelKey::from(field.to_owned());
                maps.get_mut(root).unwrap().insert(field, value);
            }
        }
    }
    for (root, map) in maps {
        context.add_variable_from_value(root, map);
    }
    match program.execute(&context) {
        Ok(CelValue::Bool(value)) => Ok(value),
        Ok(other) => Err(format!("no bool but {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// As CEL reads it: every number a double, and no `_` in one.
pub fn for_cel(when: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = when.chars().peekable();
    let mut in_word = false;
    while let Some(next) = chars.next() {
        out.push(next);
        if let Some(closing) = quote {
            if next == '\\' {
                out.extend(chars.next());
            } else if next == closing {
                quote = None;
            }
            continue;
        }
        if next == '"' || next == '\'' {
            quote = Some(next);
        } else if next.is_ascii_digit() && !in_word {
            let mut whole = true;
            while let Some(more) = chars.next_if(|it| it.is_ascii_digit() || "_.".contains(*it)) {
                whole &= more != '.';
                if more != '_' {
                    out.push(more);
                }
            }
            if whole && !matches!(chars.peek(), Some('e' | 'E' | 'x')) {
                out.push_str(".0");
            }
        }
        in_word = next == '_' || next.is_ascii_alphanumeric();
    }
    out
}
