//! What another schema says differently, for whoever is told that it cannot replace this one.

use serde_json::{Map, Value, json};

use super::Schema;

/// Differences that are told; a wholly different schema would fill pages.
const TOLD_MAX: usize = 8;

impl Schema {
    /// `kinds.card is missing`, `attributes.lat.max is 90, given 80`: how `given` differs from this schema, the first
    /// few of it. Empty when both have one hash.
    pub fn differences(&self, given: &Schema) -> Vec<String> {
        let mut found = Vec::new();
        compare("", &told(self), &told(given), &mut found);
        if found.len() > TOLD_MAX {
            let more = found.len() - TOLD_MAX;
            found.truncate(TOLD_MAX);
            found.push(format!("{more} more"));
        }
        found
    }
}

/// The canonical form with names in place of indices, which shift when something is added.
fn told(schema: &Schema) -> Value {
    let mut value = serde_json::to_value(schema).unwrap_or_default();
    for (role, held) in value["roles"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .zip(&schema.roles)
    {
        role["kind"] = json!(schema.kinds[held.kind.index()].name);
    }
    let types = value["event_types"].as_array_mut().into_iter().flatten();
    for (event_type, held) in types.zip(&schema.event_types) {
        let roles = held.requires.iter();
        let names = roles.map(|role| schema.roles[role.index()].name.as_str());
        event_type["requires"] = names.collect();
    }
    value
}

fn compare(path: &str, held: &Value, given: &Value, found: &mut Vec<String>) {
    if held == given {
        return;
    }
    match (held, given) {
        (Value::Object(held), Value::Object(given)) => {
            for key in keys(held, given) {
                let (held, given) = (held.get(key), given.get(key));
                let null = Value::Null;
                compare(
                    &below(path, key),
                    held.unwrap_or(&null),
                    given.unwrap_or(&null),
                    found,
                );
            }
        }
        (Value::Array(held), Value::Array(given))
            if let (Some(have), Some(get)) = (names(held), names(given))
                && !(have.is_empty() && get.is_empty()) =>
        {
            by_name(path, (&have, held), (&get, given), found);
        }
        _ => found.push(format!("{path} is {held}, given {given}")),
    }
}

fn keys<'a>(held: &'a Map<String, Value>, given: &'a Map<String, Value>) -> Vec<&'a String> {
    let added = given.keys().filter(|key| !held.contains_key(*key));
    held.keys().chain(added).collect()
}

/// Of tables in a list, each with a name.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    list.iter().map(|it| it["name"].as_str()).collect()
}

type Named<'a> = (&'a [&'a str], &'a [Value]);

fn by_name(path: &str, (have, held): Named<'_>, (get, given): Named<'_>, found: &mut Vec<String>) {
    let before = found.len();
    for name in have.iter().filter(|name| !get.contains(name)) {
        found.push(format!("{path}.{name} is missing"));
    }
    for name in get.iter().filter(|name| !have.contains(name)) {
        found.push(format!("{path}.{name} is new"));
    }
    for (name, one) in have.iter().zip(held) {
        if let Some(at) = get.iter().position(|it| it == name) {
            compare(&below(path, name), one, &given[at], found);
        }
    }
    // Records refer to them by their place.
    if found.len() == before {
        found.push(format!("{path} stand in another order"));
    }
}

fn below(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}
