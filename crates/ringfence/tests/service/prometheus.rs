//! A real Prometheus scrapes a running server; what is in `deploy/` is checked by its own tools and against it.

mod expressions;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::collector::Collector;
use crate::notices;
use crate::server::{SOON, Server, payment};
use crate::traces::{settings, spans};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy().join(path)).unwrap()
}

fn is_there(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        println!("SKIPPED: {tool} is not installed (scripts/setup test)");
    }
    found
}

/// A Prometheus with the rules and settings of `deploy/`, turned to a test's server.
struct Prometheus {
    child: Child,
    address: String,
    _dir: TempDir,
}

impl Prometheus {
    fn start(server: &Server) -> Prometheus {
        let dir = TempDir::new().unwrap();
        for file in ["slo.yml", "alerts.yml"] {
            fs::write(dir.path().join(file), read(&format!("prometheus/{file}"))).unwrap();
        }
        let config = read("prometheus/prometheus.yml");
        let turned = config.replace("127.0.0.1:7878", &server.address);
        assert_ne!(turned, config);
        let faster = turned.replace("_interval: 15s", "_interval: 1s");
        fs::write(dir.path().join("prometheus.yml"), faster).unwrap();
        let token = server.token(&["--role", "admin"]);
        fs::write(dir.path().join("ringfence.token"), token).unwrap();
        // Free a moment ago; another process may take it, and then the test fails.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                dir.path().join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--enable-feature=exemplar-storage")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Prometheus {
            child,
            address,
            _dir: dir,
        }
    }

    /// `None`: not up yet.
    fn ask(&self, path: &str, query: &str) -> Option<Value> {
        let encoded: String = query
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect();
        let mut client = Client::connect(&self.address).ok()?;
        let answer = client.get(&format!("/api/v1/{path}{encoded}"));
        // While it starts it is no JSON.
        (answer.status != 503).then(|| answer.json())
    }

    fn query(&self, expression: &str) -> Option<Value> {
        self.ask("query?query=", expression)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "no {what} within {SOON:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn prometheus_has_gauges_drift_among_them_and_an_exemplar_whose_trace_the_collector_has() {
    if !is_there("prometheus") {
        return;
    }
    let collector = Collector::start(&[200]);
    let server = Server::with(&settings(&collector, 1.0));
    let mut client = server.client();
    for number in 0..20 {
        client
            .post("/v1/decisions", &payment(number).to_string())
            .ok();
    }
    notices::drift(&mut client, 20);
    let prometheus = Prometheus::start(&server);
    let alerts = "ringfence_drift_alerts_open{tenant=\"default\",kind=\"unit\"}";
    wait("gauge of drift", || {
        let answer = prometheus.query(alerts)?;
        (answer["data"]["result"][0]["value"][1].as_str()? == "1").then_some(())
    });
    let gauge = "ringfence_entities{tenant=\"default\"}";
    let value = wait("gauge", || {
        let answer = prometheus.query(gauge)?;
        Some(answer["data"]["result"][0]["value"][1].as_str()?.to_owned())
    });
    // Seven accounts, three merchants, five devices.
    assert_eq!(value, "15");
    let exemplars = "query_exemplars?start=0&end=99999999999&query=";
    let of = "ringfence_http_request_seconds_bucket{route=\"/v1/decisions\",tenant=\"default\"}";
    let trace = wait("exemplar", || {
        let answer = prometheus.ask(exemplars, of)?;
        let found = &answer["data"][0]["exemplars"][0]["labels"]["trace_id"];
        Some(found.as_str()?.to_owned())
    });
    let digits = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect::<String>()
    };
    wait("trace", || {
        spans(&collector)
            .iter()
            .any(|it| digits(&it.trace_id) == trace)
            .then_some(())
    });
    expressions::are_answered(&server, &prometheus);
}

#[test]
fn rules_and_settings_are_good_and_each_alert_is_tested_both_ways() {
    if !is_there("promtool") {
        return;
    }
    let run = |args: &[&str]| {
        let output = Command::new("promtool")
            .args(args)
            .current_dir(deploy().join("prometheus"))
            .output();
        let output = output.unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{said}");
    };
    run(&["check", "config", "--syntax-only", "prometheus.yml"]);
    run(&["check", "rules", "slo.yml", "alerts.yml"]);
    run(&["test", "rules", "tests/alerts.yml"]);
    let (alerts, tests) = (
        read("prometheus/alerts.yml"),
        read("prometheus/tests/alerts.yml"),
    );
    let names: Vec<&str> = alerts
        .lines()
        .filter_map(|it| it.trim().strip_prefix("- alert: "))
        .collect();
    assert!(names.len() >= 17, "{names:?}");
    for name in names {
        let cases: Vec<&str> = tests
            .split("        alertname: ")
            .filter(|it| it.starts_with(&format!("{name}\n")))
            .collect();
        let silent = cases
            .iter()
            .filter(|it| it.contains("exp_alerts: []\n"))
            .count();
        assert!(
            silent > 0 && silent < cases.len(),
            "{name}: {silent} of {} cases are silent",
            cases.len()
        );
    }
}
