//! The simulated world against the server: every line is taken, labels among them.

use serde_json::Value;

use crate::server::Server;

#[test]
fn a_world_is_played_against_the_server_and_nothing_of_it_is_refused() {
    let server = Server::start();
    let (url, token) = (format!("http://{}", server.address), server.token(&[]));
    let world = ["--days", "12", "--accounts", "410", "--seed", "3"];
    let mut command = server.command(&["--json", "simulate", "--to", &url, "--token", &token]);
    let output = command.args(world).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let played: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(played["decided"].as_u64().unwrap() > 500, "{played}");
    assert!(played["reports"].as_u64().unwrap() > 0, "{played}");
    assert_eq!(played["refused"], 0, "{played}");
}
