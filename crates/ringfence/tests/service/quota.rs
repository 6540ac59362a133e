//! A tenant's quotas over the wire: refused by their own code, and what goes on beyond them.

use serde_json::json;

use crate::guarded::metric;
use crate::server::{Server, minute, payment};

#[test]
fn past_its_entities_a_tenant_is_told_so_and_another_has_its_own() {
    let server = Server::with(
        "[quota]\nentities_max = 15\n[quota.tenants.roomy]\nentities_max = 1000\nbytes_max = \"1GiB\"\n",
    );
    let mut client = server.client();
    for number in 0..35 {
        let answer = client.post("/v1/decisions", &payment(number).to_string());
        answer.ok();
    }
    let mut stranger = payment(35);
    stranger["account"] = json!("stranger");
    for target in ["/v1/decisions", "/v1/events"] {
        let refused = client.post(target, &stranger.to_string());
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (507, "quota_exceeded"),
            "{target}"
        );
        let refused = refused.json();
        assert_eq!(refused["retryable"], false);
        let detail = json!({ "quota": "entities_max", "held": 15, "limit": 15 });
        assert_eq!(refused["detail"], detail);
    }
    let lines = format!("{stranger}\n{}\n", payment(36));
    let lines = client.post_lines("/v1/decisions:batch", &lines).lines();
    assert_eq!(lines[0]["error"]["code"], "quota_exceeded");
    assert_eq!(lines[1]["event_id"], "e36");
    assert!(lines[1]["error"].is_null());
    let label = json!({
        "event_id": "e1", "label": "fraud", "source": "analyst", "label_timestamp": minute(1440),
    });
    client.post("/v1/labels", &label.to_string()).ok();
    client.get("/v1/entities/account/a1").ok();
    let mut admin = server.admin();
    let tenant = "tenant=\"default\"";
    for (name, value) in [
        ("ringfence_entities{", 15),
        ("ringfence_entities_max{", 15),
        ("ringfence_quota_entities_refused_total{", 3),
    ] {
        assert_eq!(metric(&mut admin, name, tenant), value, "{name}");
    }
    let mut roomy = server.client_of("roomy", &server.new_tenant("roomy"));
    roomy.post("/v1/decisions", &stranger.to_string()).ok();
}

#[test]
fn past_its_bytes_a_tenant_takes_no_event_and_answers_about_those_it_has() {
    let server = Server::with("[quota]\nbytes_max = \"64KiB\"\n");
    let mut client = server.client();
    let mut number = 0;
    let refused = loop {
        let answer = client.post("/v1/decisions", &payment(number).to_string());
        if answer.status != 200 {
            break answer;
        }
        number += 1;
        assert!(number < 100_000, "the quota is never used up");
    };
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (507, "quota_exceeded")
    );
    assert_eq!(refused.json()["detail"]["quota"], "bytes_max");
    let again = client.post("/v1/decisions", &payment(0).to_string()).ok();
    assert_eq!(again["duplicate"], true);
    client.get("/v1/decisions/e0").ok();
    let held = metric(&mut server.admin(), "ringfence_disk_bytes{", "default");
    assert!(held >= 64 << 10, "{held}");
}
