//! A body of JSON as a route wants it, or which of its fields is wrong.

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::problem::Problem;

pub fn read<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // The whole, or a text that is no JSON at all.
        let field = (path != ".").then_some(path);
        let message = format!("the body is no {what}: {}", error.inner());
        Problem::bad("not_json", message).with_detail(json!({ "field": field }))
    })?;
    json.end().map_err(|error| {
        let message = format!("the body is more than a {what}: {error}");
        Problem::bad("not_json", message)
    })?;
    Ok(read)
}
