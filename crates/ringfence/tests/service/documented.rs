//! The OpenAPI document against the server: every example is sent, every answer has the documented form, and
//! the document names the routes that there are and no other.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::cases;
use crate::client::Client;
use crate::models;
use crate::retrain;
use crate::server::{Server, minute};

struct Operation<'a> {
    path: &'a str,
    method: &'a str,
    body: &'a Value,
}

/// One for each example that needs a case of its own, and a few.
const CASES: u32 = 20;

fn document() -> Value {
    serde_json::from_str(gateway::openapi::DOCUMENT).unwrap()
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let mut all: Vec<Operation<'_>> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(|(method, body)| Operation { path, method, body })
        })
        .collect();
    // What is looked at must be there first, and what is erased last.
    let order = ["put", "post", "get", "delete"];
    all.sort_by_key(|it| (order.iter().position(|held| held == &it.method), it.path));
    all
}

#[test]
fn the_document_and_the_table_of_routes_name_the_same() {
    let document = document();
    let documented: BTreeSet<(String, String, String)> = operations(&document)
        .iter()
        .map(|it| {
            let role = it.body["x-role"].as_str().unwrap();
            (
                it.method.to_uppercase(),
                it.path.to_owned(),
                role.to_owned(),
            )
        })
        .collect();
    let served = gateway::routes::ALL.iter().map(|route| {
        use gateway::routes::Access;
        let role = match route.access {
            Access::Anyone => "anyone",
            Access::Tenant(role) | Access::Node(role) => role.name(),
        };
        (
            route.method.to_string(),
            route.path.to_owned(),
            role.to_owned(),
        )
    });
    assert_eq!(documented, served.collect());
}

#[test]
fn every_example_works_and_every_answer_has_its_documented_form() {
    let server = Server::with("[retrain]\nenabled = true\n");
    let document = document();
    let mut tenant = server.client();
    let webhook = webhook(&mut tenant);
    // A schema is taken by a tenant without events.
    let mut fresh = server.client_of("fresh", &server.new_tenant("fresh"));
    let mut admin = cases::admin(&server);
    cases::open(&mut tenant, &mut admin, CASES);
    let mut sent = 0;
    for operation in operations(&document) {
        let mut target = target(&operation, &webhook);
        if operation.path.starts_with("/v1/cases/{id}") || operation.path == "/v1/alerts/{id}" {
            let id = cases::ready_for(&mut tenant, operation.path);
            target = operation.path.replace("{id}", &id.to_string());
        }
        if operation.path.starts_with("/v1/models") && operation.path != "/v1/models" {
            let hash = models::ready_for(&mut tenant, operation.method, operation.path);
            // The activation of the document is that of the model which serves.
            if operation.method != "get" && !operation.path.ends_with("/activate") {
                target = operation.path.replace("{model}", &hash);
            }
        }
        if operation.path.starts_with("/v1/retrain/{id}") {
            let id = retrain::waiting(&server).to_string();
            target = operation.path.replace("{id}", &id);
        }
        let version =
            changed_by(&operation, &target).map(|path| cases::version(&mut tenant, &path));
        let client = match (operation.method, operation.path) {
            ("put", "/v1/schema") => &mut fresh,
            _ if operation.body["x-role"] == "admin" => &mut admin,
            _ => &mut tenant,
        };
        let bodies = operation.body["requestBody"]["content"].as_object();
        let none = Map::new();
        let bodies = bodies.unwrap_or(&none);
        // A model file cannot stand in the document.
        let bytes_of = |media: &str, body: &Value| match media {
            "application/octet-stream" => models::STARTER.to_vec(),
            _ if operation.path.ends_with("/snooze") => {
                serde_json::json!({ "until": cases::tomorrow() })
                    .to_string()
                    .into_bytes()
            }
            _ => written(&body["example"]).into_bytes(),
        };
        let mut requests: Vec<(Option<&str>, Option<Vec<u8>>)> = bodies
            .iter()
            .map(|(media, body)| (Some(media.as_str()), Some(bytes_of(media, body))))
            .collect();
        if requests.is_empty() {
            requests.push((None, None));
        }
        for (media, body) in requests {
            let media = media.map(|it| ("Content-Type", it));
            let version = version.as_deref().map(|it| ("If-Match", it));
            let headers: Vec<(&str, &str)> = media.into_iter().chain(version).collect();
            let method = operation.method.to_uppercase();
            let answer = client
                .send(&method, &target, &headers, body.as_deref())
                .unwrap();
            sent += 1;
            // A model file is no text.
            let told = String::from_utf8_lossy(&answer.body[..answer.body.len().min(2000)]);
            let what = format!("{method} {target}: {} {told}", answer.status);
            let responses = operation.body["responses"].as_object().unwrap();
            let (status, response) = responses.iter().next().unwrap();
            assert_eq!(answer.status.to_string(), *status, "{what}");
            let media = answer
                .header("content-type")
                .unwrap()
                .split(';')
                .next()
                .unwrap();
            let documented = &response["content"][media]["schema"];
            assert!(documented.is_object(), "{what}: {media} is not documented");
            if media == "application/json" {
                fits(&document, documented, &answer.json(), &what);
            }
        }
    }
    assert!(
        sent >= gateway::routes::ALL.len(),
        "{sent} examples were sent"
    );
}

/// What an operation changes that must name a version: the case of an action, or the target itself.
fn changed_by(operation: &Operation<'_>, target: &str) -> Option<String> {
    let mut parameters = operation.body["parameters"].as_array()?.iter();
    parameters.find(|it| it["$ref"] == "#/components/parameters/MustMatch")?;
    Some(match operation.path.strip_prefix("/v1/cases/{id}/") {
        Some(_) => target.rsplit_once('/')?.0.to_owned(),
        None => target.to_owned(),
    })
}

/// Ids that the server gives, of an endpoint with two secrets and a delivery.
fn webhook(client: &mut Client) -> [(&'static str, String); 3] {
    let body = r#"{ "url": "https://hooks.example.com/", "kinds": ["*"] }"#;
    let made = client.post("/v1/webhooks", body).ok();
    let id = made["webhook"]["id"].as_str().unwrap().to_owned();
    let secret = &made["webhook"]["secrets"][0]["id"];
    client
        .post(&format!("/v1/webhooks/{id}/secrets"), "{}")
        .ok();
    let sent = client.post(&format!("/v1/webhooks/{id}/test"), "").ok();
    [
        ("secret", secret.as_str().unwrap().to_owned()),
        ("delivery", sent["delivery"].to_string()),
        ("endpoint", id),
    ]
}

/// An example as text, its days moved into the last month: a graph forgets what is old.
fn written(example: &Value) -> String {
    let text = example
        .as_str()
        .map_or_else(|| example.to_string(), str::to_owned);
    let mut parts = text.split("2026-01-");
    let mut written = parts.next().unwrap().to_owned();
    for part in parts {
        let day: i64 = part[..2].parse().unwrap();
        written.push_str(&minute(day * 1440)[..10]);
        written.push_str(&part[2..]);
    }
    written
}

/// The path with the examples of its parameters, and of those of its query that have one.
fn target(operation: &Operation<'_>, made: &[(&str, String)]) -> String {
    let mut target = operation.path.to_owned();
    let mut query = Vec::new();
    for parameter in operation.body["parameters"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let Some(name) = parameter["name"].as_str() else {
            continue;
        };
        let made = made.iter().find(|(of, _)| *of == name);
        let example = match (name, made) {
            ("model", _) => models::identity(models::STARTER),
            (_, Some((_, id))) => id.clone(),
            _ => written(&parameter["example"]),
        };
        match parameter["in"].as_str().unwrap() {
            "path" => target = target.replace(&format!("{{{name}}}"), &example),
            "query" if !parameter["example"].is_null() => query.push(format!("{name}={example}")),
            _ => {}
        }
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    target
}

/// The parts of JSON Schema that the document uses.
fn fits(document: &Value, schema: &Value, value: &Value, what: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.strip_prefix('#').unwrap()).unwrap();
        return fits(document, target, value, what);
    }
    if let Some(either) = schema["anyOf"].as_array() {
        let of = either
            .iter()
            .find(|it| (it["type"] == "null") == value.is_null());
        return fits(document, of.unwrap(), value, what);
    }
    if let Some(values) = schema["enum"].as_array() {
        assert!(
            values.contains(value),
            "{what}: {value} is none of {values:?}"
        );
    }
    let right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => true,
    };
    assert!(right, "{what}: {value} is no {}", schema["type"]);
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item, what);
    }
    let (Some(object), Some(known)) = (value.as_object(), schema["properties"].as_object()) else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(
            object.contains_key(name.as_str().unwrap()),
            "{what}: {name} is missing"
        );
    }
    for (name, value) in object {
        let documented = known.get(name).unwrap_or(&schema["additionalProperties"]);
        assert!(documented.is_object(), "{what}: {name} is not documented");
        fits(document, documented, value, what);
    }
}
