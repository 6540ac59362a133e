//! Who may do what: the table of routes is walked with every role, with no token, and with another tenant's.

use gateway::routes::{ALL, Access};
use gateway::token::Role;
use serde_json::json;

use crate::client::{Answer, Client};
use crate::server::{Server, minute, payment};

fn target(path: &str) -> String {
    path.replace("{event_id}", "e1")
        .replace("{model}", &"0".repeat(64))
        .replace("{kind}", "account")
        .replace("{id}", "a1")
        .replace("{name}", "nobody")
        .replace("{endpoint}", "ep_0")
        .replace("{secret}", "sec_0")
        .replace("{delivery}", "1")
}

fn ask(client: &mut Client, method: &str, path: &str) -> Answer {
    client.send(method, &target(path), &[], Some(b"")).unwrap()
}

#[test]
fn every_route_asks_for_its_role_and_no_other_opens_it() {
    let server = Server::start();
    for role in Role::ALL {
        let token = server.token(&["--role", role.name()]);
        let mut client = server.client_of("default", &token);
        for route in ALL {
            let answer = ask(&mut client, route.method.as_str(), route.path);
            let what = format!("{} {} as {}", route.method, route.path, role.name());
            match route.access {
                Access::Anyone => assert_eq!(answer.status, 200, "{what}"),
                Access::Tenant(wanted) | Access::Node(wanted) if wanted == role => {
                    assert_ne!(answer.status, 403, "{what}: {}", answer.text());
                    assert_ne!(answer.status, 401, "{what}");
                }
                Access::Tenant(_) | Access::Node(_) => {
                    assert_eq!(
                        (answer.status, answer.code().as_str()),
                        (403, "role_missing"),
                        "{what}"
                    );
                }
            }
        }
    }
}

#[test]
fn without_a_token_or_with_a_forged_one_nothing_opens() {
    let server = Server::start();
    let token = server.token(&[]);
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let mut other: Vec<u8> = signature.bytes().collect();
    other[0] = if other[0] == b'A' { b'B' } else { b'A' };
    let forged = format!("{rest}.{}", String::from_utf8(other).unwrap());
    // {"alg":"none","typ":"JWT"}
    let (_, claims) = rest.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
    let cases = [
        (String::new(), "token_missing"),
        ("Basic YTpi".to_owned(), "token_missing"),
        (format!("Bearer {forged}"), "token_signature"),
        (format!("Bearer {unsigned}"), "token_malformed"),
        ("Bearer nonsense".to_owned(), "token_malformed"),
        (format!("Bearer {}", "x".repeat(9000)), "token_malformed"),
    ];
    for (authorization, code) in cases {
        let mut client = server
            .plain()
            .with("X-Tenant-Id", "default")
            .with("Authorization", &authorization);
        for route in ALL.iter().filter(|route| route.access != Access::Anyone) {
            let answer = ask(&mut client, route.method.as_str(), route.path);
            let what = format!("{} {} {code}", route.method, route.path);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, code),
                "{what}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
}

#[test]
fn nothing_of_one_tenant_reaches_another() {
    let server = Server::start();
    let (acme_token, other_token) = (server.new_tenant("acme"), server.new_tenant("other"));
    let mut acme = server.client_of("acme", &acme_token);
    let secret = "an-id-of-acme-alone";
    let mut event = payment(1);
    event["event_id"] = json!(secret);
    event["account"] = json!(secret);
    acme.post("/v1/decisions", &event.to_string()).ok();

    // Another tenant's token with this tenant's name, and the other way round; a name that is nobody's is
    // answered as one that exists, so that nobody learns who is a customer.
    for (name, token) in [
        ("acme", &other_token),
        ("other", &acme_token),
        ("nobody", &acme_token),
    ] {
        let mut client = server.client_of(name, token);
        for route in ALL
            .iter()
            .filter(|it| matches!(it.access, Access::Tenant(_)))
        {
            let path = route
                .path
                .replace("{event_id}", secret)
                .replace("{id}", secret);
            let answer = ask(&mut client, route.method.as_str(), &path);
            let what = format!("{} {path} in {name}", route.method);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "tenant_mismatch"),
                "{what}"
            );
        }
    }
    // Its own token, the other's ids.
    let mut other = server.client_of("other", &other_token);
    for path in [
        format!("/v1/decisions/{secret}"),
        format!("/v1/entities/account/{secret}"),
        format!("/v1/entities/account/{secret}/neighbours"),
        format!("/v1/entities/account/..%2F..%2Facme%2F{secret}"),
    ] {
        let answer = other.get(&path);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
        assert!(!answer.text().contains(secret), "{}", answer.text());
    }
    let listed = other.get(&format!("/v1/decisions?account={secret}")).ok();
    assert_eq!(listed["decisions"], json!([]));
    let label = json!({
        "event_id": secret, "label": "fraud", "source": "analyst",
        "label_timestamp": minute(1440),
    });
    // It waits for an event of this tenant's own.
    let kept = other.post("/v1/labels", &label.to_string()).ok();
    assert_eq!(kept["status"], "pending");
    // The same id is the other tenant's own.
    let own = other.post("/v1/decisions", &event.to_string()).ok();
    assert_eq!(own["duplicate"], false);
    assert_eq!(
        acme.get(&format!("/v1/decisions/{secret}")).ok()["labels"],
        json!([])
    );
}

#[test]
fn the_tenant_is_named_by_a_header_and_an_erased_one_is_gone() {
    let server = Server::start();
    let token = server.token(&[]);
    let mut unnamed = server
        .plain()
        .with("Authorization", &format!("Bearer {token}"));
    let refused = unnamed.post("/v1/decisions", &payment(1).to_string());
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "tenant_missing")
    );
    let admin_token = server.token(&["--role", "admin"]);
    let mut admin = server.client_of("nobody", &admin_token);
    let refused = admin.get("/v1/decisions/e1");
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "tenant_unknown")
    );

    let mut client = server.client_of("default", &token);
    client.post("/v1/decisions", &payment(1).to_string()).ok();
    assert_eq!(
        admin
            .send("POST", "/v1/tenants/default/suspend", &[], None)
            .unwrap()
            .ok()["status"],
        "suspended"
    );
    let refused = client.post("/v1/decisions", &payment(2).to_string());
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "tenant_suspended")
    );
    assert_eq!(
        admin
            .send("POST", "/v1/tenants/default/resume", &[], None)
            .unwrap()
            .ok()["status"],
        "serving"
    );
    client.post("/v1/decisions", &payment(2).to_string()).ok();
    let proof = admin
        .send("DELETE", "/v1/tenants/default", &[], None)
        .unwrap()
        .ok();
    assert_eq!(proof["left"], 0);
    assert!(proof["files"].as_u64().unwrap() > 0);
    assert!(!server.data().join("default").exists());
    let refused = client.post("/v1/decisions", &payment(3).to_string());
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "tenant_unknown")
    );
}
