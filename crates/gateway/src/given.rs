//! A body of JSON as a route wants it, or which of its fields is wrong.

use serde::de::DeserializeOwned;
use serde_json::json;
use serde_path_to_error::Segment;

use crate::problem::Problem;

pub fn read<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let message = format!("the body is no {what}: {}", error.inner());
        Problem::bad("not_json", message).with_detail(json!({ "field": field(&error) }))
    })?;
    json.end().map_err(|error| {
        let message = format!("the body is more than a {what}: {error}");
        Problem::bad("not_json", message)
    })?;
    Ok(read)
}

/// `None`: the whole, a name that is no text, or a text that is no JSON at all.
fn field(error: &serde_path_to_error::Error<serde_json::Error>) -> Option<String> {
    let path = error.path();
    if path.iter().any(|part| matches!(part, Segment::Unknown)) {
        return None;
    }
    let within = path.iter().next().map(|_| path.to_string());
    // The path of a field that is missing ends at what it is missing from.
    let message = error.inner().to_string();
    let missing = message.strip_prefix("missing field `");
    match (within, missing.and_then(|rest| rest.split_once('`'))) {
        (Some(within), Some((name, _))) => Some(format!("{within}.{name}")),
        (None, Some((name, _))) => Some(name.to_owned()),
        (within, None) => within,
    }
}
