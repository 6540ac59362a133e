//! Two tenants of one server: what one has made, the other neither reads, nor changes, nor learns of by its id.

use gateway::routes::{ALL, Access};
use serde_json::{Value, json};

use crate::cases;
use crate::client::{Answer, Client};
use crate::models;
use crate::retrain;
use crate::server::{Server, minute, payment};
use crate::webhooks;

/// Stands in the name, the text or the id of everything that the first tenant makes.
const MARK: &str = "of-the-first-alone";

/// What the first tenant has, by the names that paths have for it.
struct Made {
    ids: Vec<(&'static str, String)>,
    backtest: String,
    retrain: String,
    model: String,
    case: i64,
}

impl Made {
    fn nobody() -> Made {
        let id = || "987654321".to_owned();
        let named = |name| (name, "nobody".to_owned());
        Made {
            ids: vec![
                named("name"),
                named("event_id"),
                ("kind", "account".to_owned()),
                ("endpoint", "ep_0".to_owned()),
                ("secret", "sec_0".to_owned()),
                ("delivery", id()),
            ],
            backtest: id(),
            retrain: id(),
            model: "0".repeat(64),
            case: 987_654_321,
        }
    }

    fn path(&self, path: &str) -> String {
        let id = match path {
            _ if path.starts_with("/v1/cases") || path.starts_with("/v1/alerts") => {
                self.case.to_string()
            }
            _ if path.starts_with("/v1/backtests") => self.backtest.clone(),
            _ if path.starts_with("/v1/retrain") => self.retrain.clone(),
            _ => MARK.to_owned(),
        };
        let mut path = path.replace("{id}", &id).replace("{model}", &self.model);
        for (name, id) in &self.ids {
            path = path.replace(&format!("{{{name}}}"), id);
        }
        path
    }
}

fn put(client: &mut Client, path: &str, body: &Value) -> Value {
    let headers = [("Content-Type", "application/json")];
    let body = body.to_string();
    let answer = client.send("PUT", path, &headers, Some(body.as_bytes()));
    answer.unwrap().ok()
}

/// One of everything that has an id.
fn furnish(server: &Server, first: &mut Client) -> Made {
    cases::open(first, &mut cases::admin(server), 1);
    let case = cases::listed(first, "shelf=open")[0]["id"]
        .as_i64()
        .unwrap();
    let mut event = payment(900);
    event["event_id"] = json!(MARK);
    event["account"] = json!(MARK);
    first.post("/v1/decisions", &event.to_string()).ok();
    // Cases follow the log: its own is there before anybody compares.
    webhooks::until(|| (cases::listed(first, "shelf=open").len() == 2).then_some(()));
    let label = json!({
        "event_id": format!("{MARK}-later"), "label": "fraud", "source": "analyst",
        "label_timestamp": minute(1440),
    });
    assert_eq!(
        first.post("/v1/labels", &label.to_string()).ok()["status"],
        "pending"
    );
    let list = json!({ "on": "device", "form": "text", "effect": "watch" });
    put(first, &format!("/v1/lists/{MARK}"), &list);
    let items = json!({ "items": [{ "value": MARK }] });
    first
        .post(&format!("/v1/lists/{MARK}/items"), &items.to_string())
        .ok();
    let rule =
        json!({ "id": MARK, "status": "shadow", "when": "amount > 1", "decision": "review" });
    put(first, "/v1/rules", &json!({ "rules": [rule] }));
    let backtest = first.post("/v1/backtests", "{}").ok()["id"].to_string();
    let url = format!("https://{MARK}.example.com/");
    let (endpoint, _) = webhooks::add(first, &url, &["*"]);
    let held = first.get(&format!("/v1/webhooks/{endpoint}")).ok();
    let secret = held["secrets"][0]["id"].as_str().unwrap().to_owned();
    let sent = first
        .post(&format!("/v1/webhooks/{endpoint}/test"), "")
        .ok();
    let model = models::sharper();
    assert!(models::upload(first, &model).status < 300);
    Made {
        ids: vec![
            ("name", MARK.to_owned()),
            ("kind", "account".to_owned()),
            ("event_id", MARK.to_owned()),
            ("endpoint", endpoint),
            ("secret", secret),
            ("delivery", sent["delivery"].to_string()),
        ],
        backtest,
        retrain: retrain::waiting(server).to_string(),
        model: models::identity(&model),
        case,
    }
}

/// Every way to ask for something of a tenant by its id.
fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
    let named = ALL
        .iter()
        .filter(|it| matches!(it.access, Access::Tenant(_)));
    let named = named.filter(|it| it.path.contains('{'));
    named.map(|it| (it.method.as_str(), it.path))
}

/// What the interface's own document gives as an example to send there.
fn example(document: &Value, method: &str, path: &str) -> Option<(String, String)> {
    let operation = &document["paths"][path][method.to_lowercase()];
    let (media, body) = operation["requestBody"]["content"]
        .as_object()?
        .iter()
        .next()?;
    let example = &body["example"];
    let text = example
        .as_str()
        .map_or_else(|| example.to_string(), str::to_owned);
    Some((media.clone(), text))
}

fn ask(client: &mut Client, document: &Value, method: &str, path: &str, made: &Made) -> Answer {
    let example = example(document, method, path);
    let mut headers = vec![("If-Match", "\"1\"")];
    if let Some((media, _)) = &example {
        headers.push(("Content-Type", media));
    }
    let body = example.as_ref().map(|(_, text)| text.as_bytes());
    client
        .send(method, &made.path(path), &headers, body)
        .unwrap()
}

/// All that the first tenant can read, without what moves by itself: nobody is behind its endpoint, and each try counts.
fn read(first: &mut Client, made: &Made) -> Vec<(String, String)> {
    let moves = |path: &str| path.starts_with("/v1/webhooks/");
    let paths = named().filter(|(method, path)| *method == "GET" && !moves(path));
    let mut all: Vec<String> = paths.map(|(_, path)| made.path(path)).collect();
    all.extend(
        [
            "/v1/rules/variables",
            "/v1/policy",
            "/v1/lists",
            "/v1/cases",
            "/v1/alerts",
        ]
        .map(str::to_owned),
    );
    all.into_iter()
        .map(|path| {
            let answer = first.get(&path);
            let told = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(answer.status, 200, "the first tenant has {path}: {told}");
            (path, told)
        })
        .collect()
}

#[test]
fn nothing_that_one_tenant_has_made_is_found_or_changed_by_another() {
    let server = Server::with("[retrain]\nenabled = true\n");
    let document: Value = serde_json::from_str(gateway::openapi::DOCUMENT).unwrap();
    let mut first = server.client();
    let made = furnish(&server, &mut first);
    let token = server.new_tenant("other");
    let mut other = server.client_of("other", &token);
    // Nothing moves any more but what the other does: its backtest is over.
    webhooks::until(|| {
        let job = first.get(&format!("/v1/backtests/{}", made.backtest)).ok();
        (job["status"] == "done").then_some(())
    });
    let before = read(&mut first, &made);
    let endpoint = |first: &mut Client| {
        let told = first.get(&made.path("/v1/webhooks/{endpoint}")).ok();
        ["url", "kinds", "secrets", "enabled"].map(|key| told[key].clone())
    };
    let endpoint_before = endpoint(&mut first);

    // A list of the same name becomes the other's own, and is tried last.
    let own = |method: &str, path: &str| method == "PUT" && path == "/v1/lists/{name}";
    let nobody = Made::nobody();
    let (mut asked, mut missing) = (0, 0);
    for (method, path) in named().filter(|(method, path)| !own(method, path)) {
        let answer = ask(&mut other, &document, method, path, &made);
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        let what = format!("{method} {}: {} {told}", made.path(path), answer.status);
        // As of an id that nobody has: a model that is not there is no challenger either.
        let of_nobody = ask(&mut other, &document, method, path, &nobody);
        let said = |answer: &Answer| (answer.status, answer.code());
        assert_eq!(said(&answer), said(&of_nobody), "{what}");
        assert!([404, 409].contains(&answer.status), "{what}");
        missing += u32::from(answer.status == 404);
        assert!(
            !told.contains(MARK) || path.starts_with("/v1/lists"),
            "{what}"
        );
        asked += 1;
    }
    assert!(
        asked > 40 && missing > 38,
        "{asked} ways were tried, {missing} not found"
    );
    let definition = json!({ "on": "device", "form": "text", "effect": "block" });
    put(&mut other, &format!("/v1/lists/{MARK}"), &definition);
    let items = other.get(&format!("/v1/lists/{MARK}/items")).ok();
    assert_eq!(items["items"], json!([]));
    other
        .send("DELETE", &format!("/v1/lists/{MARK}"), &[], None)
        .unwrap()
        .ok();

    let after = read(&mut first, &made);
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before, after, "{path}");
    }
    assert_eq!(endpoint_before, endpoint(&mut first));
}

#[test]
fn what_one_tenant_lists_names_nothing_of_another() {
    let server = Server::with("[retrain]\nenabled = true\n");
    let mut first = server.client();
    let made = furnish(&server, &mut first);
    let token = server.new_tenant("other");
    let mut other = server.client_of("other", &token);
    // An entry of the audit trail follows what it tells of.
    webhooks::until(|| {
        first
            .get("/v1/audit?limit=500")
            .text()
            .contains(MARK)
            .then_some(())
    });
    for (path, mark) in [
        ("/v1/cases", "\"cases\":[{"),
        ("/v1/alerts", "\"alerts\":[{"),
        ("/v1/lists", MARK),
        ("/v1/labels/waiting", MARK),
        ("/v1/labels/delays", "sources"),
        ("/v1/audit?limit=500", MARK),
        ("/v1/webhooks", MARK),
        ("/v1/rules", MARK),
        ("/v1/models", &made.model),
        ("/v1/backtests", "\"kind\":\"backtest\""),
        ("/v1/retrain", "\"id\":"),
        (&format!("/v1/decisions?account={MARK}"), "\"decision\""),
    ] {
        let [mine, theirs] = [&mut first, &mut other].map(|client| client.get(path));
        assert_eq!([mine.status, theirs.status], [200, 200], "{path}");
        let (mine, theirs) = (mine.text(), theirs.text());
        assert!(
            mine.contains(mark),
            "{path} does not tell the first tenant of {mark}: {mine}"
        );
        let is_shared = path == "/v1/labels/delays";
        assert!(
            is_shared || !theirs.contains(mark),
            "{path} tells the other of {mark}: {theirs}"
        );
        assert!(!theirs.contains(MARK), "{path}: {theirs}");
    }
    // A label of the same event is the other's own, and waits there.
    let label = json!({
        "event_id": MARK, "label": "fraud", "source": "analyst", "label_timestamp": minute(1440),
    });
    assert_eq!(
        other.post("/v1/labels", &label.to_string()).ok()["status"],
        "pending"
    );
    assert_eq!(
        first.get(&format!("/v1/decisions/{MARK}")).ok()["labels"],
        json!([])
    );
}
