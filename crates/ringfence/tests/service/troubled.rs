//! Models whose files are damaged or gone: told of, and back when they are mended.

use serde_json::Value;

use crate::client::Client;
use crate::models::{STARTER, activate, identity, upload, variant};
use crate::server::{Server, payment};
use crate::shadows::{compared, held, shadow, until};

/// Who runs the server is told, and who asks; the file mended, the same request as before brings it back.
#[test]
fn a_shadow_whose_file_is_damaged_is_told_of_and_comes_back_when_it_is_asked_for_again() {
    let mut server = Server::start();
    let mut client = server.client();
    let model = variant(|it| it.header.created_by = "a shadow".to_owned());
    assert_eq!(upload(&mut client, &model).status, 201);
    let hash = identity(&model);
    assert_eq!(
        shadow(&mut client, &hash)["shadows"][0]["trouble"],
        Value::Null
    );
    let path = server.data().join(format!("default/models/{hash}.model"));
    server.stop();
    let mut damaged = model.clone();
    damaged[model.len() / 2] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    server.launch();
    let version = &hash[..12];
    let says = format!("tenant default: shadow {version} does not score: ");
    until("a line", || server.told().contains(&says));
    let mut client = server.client();
    let troubled = |client: &mut Client| {
        let models = client.get("/v1/models").ok();
        let metrics = server.admin().get("/metrics").text().to_owned();
        let series =
            format!("ringfence_shadow_troubled{{tenant=\"default\",model_version=\"{version}\"}} ");
        let at = metrics.find(&series).expect("a series") + series.len();
        let trouble = models["lineup"]["shadows"][0]["trouble"].clone();
        (trouble, metrics[at..].starts_with('1'))
    };
    let (trouble, counted) = troubled(&mut client);
    assert!(trouble.is_string() && counted, "{trouble}");
    client.post("/v1/decisions", &payment(1).to_string()).ok();
    let table = compared(&mut client, "maturity=1d");
    assert_eq!(table["report"]["models"][1]["trouble"], trouble, "{table}");
    std::fs::write(&path, &model).unwrap();
    assert_eq!(
        shadow(&mut client, &hash)["shadows"][0]["trouble"],
        Value::Null
    );
    assert_eq!(troubled(&mut client), (Value::Null, false));
    client.post("/v1/decisions", &payment(2).to_string()).ok();
    // The first decision's sample may have waited until there was somebody to score it.
    until("a score", || !held(&server, &hash).is_empty());
    until("a line", || server.told().contains("scores again"));
}

#[test]
fn a_way_back_whose_file_is_gone_names_the_file() {
    let server = Server::start();
    let mut client = server.client();
    let model = variant(|it| it.header.created_by = "another".to_owned());
    assert_eq!(upload(&mut client, &model).status, 201);
    activate(&mut client, &identity(&model)).ok();
    let before = identity(STARTER);
    let path = server.data().join(format!("default/models/{before}.model"));
    std::fs::remove_file(path).unwrap();
    let refused = client.post("/v1/models:rollback", "");
    let told = refused.json();
    assert_eq!((refused.status, &told["code"]), (404, &"not_found".into()));
    let says = told["message"].as_str().unwrap();
    assert!(says.contains(&format!("{before}.model")), "{says}");
}
