//! Backtests on a server, asked for by the command.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{SOON, Server, minute, payment};

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
    fs::write(&rules, text).unwrap();
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

/// An hour apart each, for 25 days: the last seven are not all, and labels are known of some.
const HOURS: i64 = 600;
const CANDIDATE: &str = "[[rules]]\nid = \"large\"\nstatus = \"active\"\ndecision = \"decline\"\nwhen = 'amount > 80_00'\n";

fn decided(server: &Server) {
    let mut client = server.client();
    let policy = json!({ "fallback": "review", "thresholds": { "challenge": 1, "review": 500, "decline": 900 } });
    let body = policy.to_string();
    let set = client.send("PUT", "/v1/policy", &[], Some(body.as_bytes()));
    set.unwrap().ok();
    for number in 0..HOURS {
        let mut event = payment(number as u32);
        event["event_timestamp"] = json!(minute(number * 60));
        client.post("/v1/decisions", &event.to_string()).ok();
    }
    for number in (0..HOURS).step_by(3) {
        let verdict = if number % 4 == 0 {
            "fraud"
        } else {
            "legitimate"
        };
        let label = json!({
            "event_id": format!("e{number}"), "label": verdict, "source": "analyst",
            "label_timestamp": minute(HOURS * 60),
        });
        client.post("/v1/labels", &label.to_string()).ok();
    }
}

/// What took how long is another matter each time.
fn timeless(mut report: Value) -> Value {
    for key in ["seconds", "records"] {
        report.as_object_mut().unwrap().remove(key);
    }
    report
}

/// Through the server and past it, the commands give one answer, over any window and by any costs.
#[test]
fn a_backtest_and_advice_are_the_same_of_a_server_and_of_its_directory() {
    let mut server = Server::start();
    decided(&server);
    let home = tempfile::TempDir::new().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (rules, page) = (path("rules.toml"), path("curves.html"));
    fs::write(&rules, CANDIDATE).unwrap();
    let windows: [Vec<String>; 3] = [
        vec![],
        vec!["--last".to_owned(), "15d".to_owned()],
        ["--from", &minute(60), "--until", &minute(60 * 200)]
            .map(str::to_owned)
            .to_vec(),
    ];
    let costs = [
        "--fraud-loss",
        "0.5",
        "--review-cost",
        "9",
        "--challenge-stops",
        "0.25",
    ];
    let costs = [
        &costs[..],
        &[
            "--challenge-friction",
            "0.125",
            "--decline-friction",
            "0.75",
        ],
    ]
    .concat();
    let ask = |server: &Server, to: &[&str]| -> Vec<[Value; 2]> {
        let of = |window: &Vec<String>, args: &[&str]| {
            let mut command = server.command(&["--json"]);
            command.args(args).args(to).args(window).args(&costs);
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{args:?} {window:?}: {said}");
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        let both = windows.iter().map(|window| {
            let tried = of(window, &["backtest", "--rules", &rules, "--samples", "3"]);
            let advice = of(
                window,
                &["advise", "--alerts-per-day", "2", "--html", &page],
            );
            [timeless(tried), advice]
        });
        both.collect()
    };
    let token = server.token(&[]);
    let to = format!("http://{}", server.address);
    let live = ask(&server, &["--to", &to, "--token", &token]);
    assert!(fs::read_to_string(&page).unwrap().contains("<polyline"));
    server.stop();
    assert_eq!(live, ask(&server, &[]));

    let events = |at: usize| live[at][0]["events"].as_i64().unwrap();
    // The newest event is within, the one a whole span before it is not.
    assert_eq!([events(0), events(1), events(2)], [7 * 24, 15 * 24, 199]);
    for [tried, advice] in &live {
        assert_eq!(
            (
                tried["frauds"].as_u64() > Some(5),
                advice["curve"][1001]["threshold"].as_u64()
            ),
            (true, Some(1001))
        );
        assert_eq!(tried["samples"].as_array().unwrap().len(), 3);
        for told in [tried, advice] {
            let wanted = json!({
                "fraud_loss": 0.5, "review": 9.0, "challenge_stops": 0.25,
                "challenge_friction": 0.125, "decline_friction": 0.75,
            });
            assert_eq!(told["costs"], wanted);
        }
    }
    // For people: both sides in full, money that is saved and money that is held up too.
    let output = server
        .command(&["backtest", "--rules", &rules])
        .args(&costs)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let tried = &live[0][0];
    for (row, key) in [
        ("fraud stopped", "fraud_stopped"),
        ("fraud passed", "fraud_passed"),
        ("good money declined", "good_declined"),
        ("good money held up", "good_held_up"),
        ("cost", "cost"),
    ] {
        let line = said.lines().find(|it| it.starts_with(&format!("{row}  ")));
        let line = line.unwrap_or_else(|| panic!("no {row} in {said}"));
        let told: Vec<&str> = line[row.len()..].split_whitespace().collect();
        let wanted =
            ["current", "candidate"].map(|it| format!("{:.1}", tried[it][key].as_f64().unwrap()));
        assert_eq!(told, wanted, "{row}");
    }
}

#[test]
fn a_window_that_says_two_things_or_nothing_is_refused_with_its_field() {
    let server = Server::start();
    let mut client = server.client();
    for body in [
        json!({ "last": "7d", "from": "2026-01-01T00:00:00Z" }),
        json!({ "last": "soon" }),
        json!({ "last": "0d" }),
    ] {
        for (path, more) in [("/v1/backtests", None), ("/v1/advice", Some(5))] {
            let mut body = body.clone();
            if let Some(alerts) = more {
                body["alerts_per_day"] = json!(alerts);
            }
            let refused = client.post(path, &body.to_string());
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (400, "window"),
                "{body}"
            );
            assert_eq!(refused.json()["detail"]["field"], "last", "{body}");
        }
    }
}
