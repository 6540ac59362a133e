//! A server of its own for a test: started, talked to, stopped, killed, started again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use event::{EventTime, Span};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;

pub const SOON: Duration = Duration::from_secs(60);

/// So that a test's own requests are not what it measures.
const ROOMY: &str = "[rate]\nper_second = 1000000\nburst = 1000000\n";
/// Tests run beside tests: one that asks for a backtest would wait until nobody else has anything to do.
const PRESENT: &str = "[backtests]\npriority = \"low\"\n";

pub struct Server {
    dir: TempDir,
    child: Option<Child>,
    pub address: String,
    /// Of the admin listener, where the settings ask for one.
    pub admin_address: Option<String>,
    config: PathBuf,
}

impl Server {
    pub fn start() -> Server {
        Server::with("")
    }

    /// With settings beside a roomy rate.
    pub fn with(settings: &str) -> Server {
        let mut server = Server::set_up(settings);
        server.launch();
        server
    }

    /// Not started yet.
    pub fn set_up(settings: &str) -> Server {
        let mut text = settings.to_owned();
        for (section, default) in [("[rate]", ROOMY), ("[backtests]", PRESENT)] {
            if !settings.contains(section) {
                text.insert_str(0, default);
            }
        }
        let dir = TempDir::new().unwrap();
        let config = dir.path().join("config.toml");
        fs::write(&config, text).unwrap();
        Server {
            dir,
            child: None,
            address: String::new(),
            admin_address: None,
            config,
        }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        // What a command leaves where it runs is no part of the repository.
        command.current_dir(self.dir.path());
        command.arg("--data").arg(self.data()).args(args);
        command
    }

    pub fn launch(&mut self) {
        let mut command = self.command(&["--json", "serve", "--listen", "127.0.0.1:0"]);
        command.arg("--config").arg(&self.config);
        let mut told = fs::File::options();
        let told = told.append(true).create(true);
        let told = told.open(self.dir.path().join("stderr")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(told).spawn().unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            said.push_str(&line.unwrap());
            if said.ends_with('}') {
                break;
            }
        }
        let said: Value = serde_json::from_str(&said).unwrap();
        let host = |key: &str| {
            let url = said[key].as_str()?;
            Some(url.strip_prefix("http://").unwrap().to_owned())
        };
        self.address = host("url").unwrap();
        self.admin_address = host("admin");
        self.child = Some(child);
        self.ready();
    }

    fn ready(&self) {
        let end = Instant::now() + SOON;
        loop {
            let status = self.plain().get("/readyz").status;
            if status == 200 {
                return;
            }
            assert_eq!(status, 503);
            assert!(Instant::now() < end, "not ready within {SOON:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that it wrote to standard error.
    pub fn told(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Without a token.
    pub fn plain(&self) -> Client {
        Client::connect(&self.address).unwrap()
    }

    pub fn token(&self, args: &[&str]) -> String {
        let mut all = vec!["token", "--config", self.config.to_str().unwrap()];
        all.extend(args);
        let output = self.command(&all).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// With a token for all but administration of the default tenant.
    pub fn client(&self) -> Client {
        self.client_of("default", &self.token(&[]))
    }

    pub fn client_of(&self, tenant: &str, token: &str) -> Client {
        self.plain()
            .with("X-Tenant-Id", tenant)
            .with("Authorization", &format!("Bearer {token}"))
    }

    /// Makes a tenant; a token for it.
    pub fn new_tenant(&self, name: &str) -> String {
        let body = serde_json::json!({ "name": name }).to_string();
        let made = self.admin().post("/v1/tenants", &body);
        assert_eq!(made.status, 201, "{}", made.text());
        let output = self.command(&["--tenant", name, "token"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn admin(&self) -> Client {
        let token = self.token(&["--role", "admin"]);
        self.plain()
            .with("Authorization", &format!("Bearer {token}"))
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + SOON;
        let child = self.child.as_mut().unwrap();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                self.child = None;
                return status;
            }
            assert!(Instant::now() < end, "still running after {SOON:?}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn stop(&mut self) {
        self.signal("TERM");
        assert!(self.wait().success());
    }

    pub fn kill(&mut self) {
        self.signal("KILL");
        assert!(!self.wait().success());
    }

    /// Digest of the state that the log gives, of a server that has ended.
    pub fn digest(&self) -> String {
        let output = self.command(&["--json", "replay"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        value["digest"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            child.wait().unwrap();
        }
    }
}

/// A time so many minutes after the beginning of a week some 30 days ago: at every hour at which the tests run, events
/// have the same hour of the week, which models look at.
pub fn minute(number: i64) -> String {
    static START: OnceLock<EventTime> = OnceLock::new();
    let start = START.get_or_init(|| {
        let month_ago = node::clock::now().unwrap().minus(Span::days(30));
        month_ago.minus(Span::from_millis(
            month_ago.millis() % Span::days(7).millis(),
        ))
    });
    EventTime::from_millis(start.millis() + number * 60_000).to_string()
}

/// A payment on the `number`-th minute.
pub fn payment(number: u32) -> Value {
    json!({
        "event_id": format!("e{number}"),
        "event_type": "payment",
        "event_timestamp": minute(i64::from(number % (28 * 1440))),
        "account": format!("a{}", number % 7),
        "merchant": format!("m{}", number % 3),
        "device": format!("d{}", number % 5),
        "amount": format!("{}.50", 10 + number % 90),
    })
}
