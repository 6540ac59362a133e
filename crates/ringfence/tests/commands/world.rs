//! A small simulated stream and the binary to run on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use simulator::{Lines, Params};
use tempfile::TempDir;

/// Stream, schema and oracle of one small world, made once for all tests of a process.
pub fn stream() -> &'static Path {
    static WORLD: OnceLock<TempDir> = OnceLock::new();
    let dir = WORLD.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        let mut params = Params::preset("demo").unwrap();
        // Long enough for labels to come, with enough of them to train on.
        (params.days, params.accounts, params.prevalence, params.seed) = (50, 450, 0.04, 11);
        simulator::write_world(&params, 1, dir.path(), Lines::Written, |_| Ok(())).unwrap();
        dir
    });
    dir.path()
}

/// A data directory of its own.
pub struct Bench {
    pub dir: TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        Bench {
            dir: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command
            .current_dir(self.dir.path())
            .args(["--data", "data", "--json", "--quiet"])
            .args(args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
            .env_remove("RINGFENCE_DATA")
            .env_remove("RINGFENCE_TENANT");
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs, expects success, returns what was printed as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn import_args<'a>(&self, schema: &'a str, file: &'a str) -> Vec<&'a str> {
        vec!["import", "--schema", schema, file]
    }

    /// Imports the small world.
    pub fn import(&self) -> Value {
        let (schema, file) = world_files();
        self.json(&self.import_args(&schema, &file))
    }

    pub fn digest(&self) -> String {
        self.json(&["replay", "--samples"])["digest"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Feeds lines to `decide` and returns its answers, in order.
    pub fn decide(&self, lines: &[String]) -> Vec<Value> {
        fs::write(self.path("events.jsonl"), lines.join("\n") + "\n").unwrap();
        let mut command = self.command(&["decide"]);
        let input = fs::File::open(self.path("events.jsonl")).unwrap();
        let output = command.stdin(input).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answers: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            answers.len(),
            lines.len(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        answers
    }
}

pub fn world_files() -> (String, String) {
    let path = |name: &str| stream().join(name).to_str().unwrap().to_owned();
    (path("schema.toml"), path("stream.jsonl"))
}

/// The event lines of the stream.
pub fn event_lines() -> Vec<String> {
    let text = fs::read_to_string(stream().join("stream.jsonl")).unwrap();
    text.lines()
        .filter(|line| line.contains("\"event_type\""))
        .map(str::to_owned)
        .collect()
}

/// The stream cut in two at a share of its lines: history file, and the event lines after it.
pub fn split(bench: &Bench, share: f64) -> (String, Vec<String>) {
    let text = fs::read_to_string(stream().join("stream.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cut = (lines.len() as f64 * share) as usize;
    let history = bench.path("history.jsonl");
    fs::write(&history, lines[..cut].join("\n") + "\n").unwrap();
    let later = lines[cut..]
        .iter()
        .filter(|line| line.contains("\"event_type\""));
    (
        history.to_str().unwrap().to_owned(),
        later.map(|line| (*line).to_owned()).collect(),
    )
}
