//! Backtests on a server, asked for by the command.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{SOON, Server, payment};

const EVENTS: u32 = 20_000;

#[test]
fn an_interrupt_of_the_command_cancels_its_backtest_on_the_server() {
    let server = Server::start();
    let mut client = server.client();
    for from in (0..EVENTS).step_by(1000) {
        let lines: Vec<String> = (from..from + 1000)
            .map(|it| payment(it).to_string())
            .collect();
        let answer = client.post_lines("/v1/events", &lines.join("\n"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let home = tempfile::TempDir::new().unwrap();
    let rules = home.path().join("rules.toml");
    let text = "[[rules]]\nid = \"a\"\nstatus = \"active\"\ndecision = \"review\"\nwhen = 'device.accounts_24h > 1'\n";
    std::fs::write(&rules, text).unwrap();
    let window = [
        "--from",
        "2020-01-01T00:00:00Z",
        "--until",
        "2100-01-01T00:00:00Z",
    ];
    // What comes before it on the one thread.
    let body = json!({ "rules": text, "from": window[1], "until": window[3] }).to_string();
    for _ in 0..3 {
        client.post("/v1/backtests", &body).ok();
    }
    let token = server.token(&[]);
    let to = format!("http://{}", server.address);
    let child = server
        .command(&["backtest", "--to", &to, "--token", &token])
        .arg("--rules")
        .arg(&rules)
        .args(window)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + SOON;
    while client.get("/v1/backtests/4").status != 200 {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(2));
    }
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", "INT", &pid])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("cancelled"),
        "{said}"
    );
    let status = loop {
        let job = client.get("/v1/backtests/4").ok();
        if job["status"] != "waiting" && job["status"] != "running" {
            break job["status"].clone();
        }
        assert!(Instant::now() < end, "{job}");
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status, "cancelled");
    assert_eq!(
        client.get("/v1/backtests/1").ok()["status"],
        "done",
        "others go on"
    );
}
