//! `ringfence simulate --to URL`: the world against a running server, as fast as wanted, labels included.
//!
//! The world is moved so that its last event happens now. Labels that would come later are left out: nobody
//! knows them yet. Events of one account are sent by one connection, in their order.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use event::{EventTime, Span};
use serde_json::{Map, Value, json};
use simulator::{LineBuffer, Names, Params, SimulateError};
use ureq::Agent;

use crate::cli::{Cli, SimulateArgs};
use crate::commands::starter::translate;
use crate::remote::refused;
use crate::show;

/// Connections, and lines that wait for each: together what a slow server is behind by at most.
const CONNECTIONS: usize = 8;
const WAITING: usize = 64;
/// A report can overtake its event, which another connection sends.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

struct Line {
    path: &'static str,
    body: String,
}

/// What came back.
#[derive(Default)]
struct Played {
    decided: u64,
    stopped: u64,
    reports: u64,
    again: u64,
    refused: u64,
    first_refusal: Option<String>,
    times_us: Vec<u64>,
}

pub fn play(cli: &Cli, args: &SimulateArgs, params: &Params, to: &str) -> Result<()> {
    let token = args
        .token
        .as_deref()
        .context("--to needs --token or RINGFENCE_TOKEN: see `ringfence token`")?;
    let lines = shifted(params)?;
    let total = lines.len() as u64;
    let bar = show::bar(total, "play", "lines", cli.quiet);
    let started = Instant::now();
    let (senders, workers): (Vec<SyncSender<Line>>, Vec<_>) = (0..CONNECTIONS)
        .map(|_| {
            let (sender, receiver) = sync_channel(WAITING);
            let target = Target {
                to: to.trim_end_matches('/').to_owned(),
                tenant: cli.tenant.clone(),
                token: token.to_owned(),
            };
            (sender, thread::spawn(move || target.send_all(&receiver)))
        })
        .unzip();
    let hasher = RandomState::new();
    for (number, (key, line)) in lines.into_iter().enumerate() {
        if args.rate > 0 {
            // Open loop: the clock says when a line is due, not the answer before it.
            let due = started + Duration::from_secs(1) * number as u32 / args.rate;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let at = hasher.hash_one(key) as usize % CONNECTIONS;
        if senders[at].send(line).is_err() {
            break;
        }
        if number.is_multiple_of(64) {
            bar.set_position(number as u64);
        }
    }
    drop(senders);
    let mut played = Played::default();
    for worker in workers {
        match worker.join() {
            Ok(part) => played.add(part?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    bar.finish_and_clear();
    tell(cli, played, started.elapsed())
}

/// The world's lines as the default schema has them, each with what keeps its order, moved to end now.
fn shifted(params: &Params) -> Result<Vec<(String, Line)>> {
    let names = Names::new(params.seed);
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    let mut lines = LineBuffer::default();
    let done = simulator::simulate(
        params,
        2,
        |row| -> Result<()> {
            if let Some(line) = lines.write(&names, row, 0) {
                rows.push(translate(line)?);
            }
            Ok(())
        },
        |_| Ok(()),
    );
    match done {
        Ok(_) => {}
        Err(SimulateError::Params(error)) => return Err(error.into()),
        Err(SimulateError::Sink(error)) => return Err(error),
    }
    let time = |fields: &Map<String, Value>, name: &str| -> Result<Option<EventTime>> {
        let text = fields.get(name).and_then(Value::as_str);
        Ok(text.map(EventTime::parse_iso).transpose()?)
    };
    let mut last = EventTime::MIN;
    for fields in &rows {
        last = last.max(time(fields, "event_timestamp")?.unwrap_or(EventTime::MIN));
    }
    let now = node::clock::now()?;
    let by: Span = now.since(last);
    let mut shifted = Vec::with_capacity(rows.len());
    for mut fields in rows {
        let (field, path) = if fields.contains_key("label") {
            ("label_timestamp", "/v1/labels")
        } else if fields.contains_key("outcome") {
            ("outcome_timestamp", "/v1/outcomes")
        } else {
            ("event_timestamp", "/v1/decisions")
        };
        let at = time(&fields, field)?.with_context(|| format!("a line without {field}"))?;
        let at = at.plus(by);
        if at > now {
            continue;
        }
        fields.insert(field.to_owned(), json!(at.to_string()));
        fields.remove("received_at");
        let key = fields.get("account").or(fields.get("event_id"));
        let key = key.and_then(Value::as_str).unwrap_or_default().to_owned();
        let body = Value::Object(fields).to_string();
        shifted.push((key, Line { path, body }));
    }
    Ok(shifted)
}

struct Target {
    to: String,
    tenant: String,
    token: String,
}

impl Target {
    fn send_all(self, lines: &Receiver<Line>) -> Result<Played> {
        let config = Agent::config_builder().http_status_as_error(false);
        let agent: Agent = config
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let mut played = Played::default();
        while let Ok(line) = lines.recv() {
            self.send(&agent, &line, &mut played)?;
        }
        Ok(played)
    }

    fn send(&self, agent: &Agent, line: &Line, played: &mut Played) -> Result<()> {
        for _ in 0..TRIES {
            let started = Instant::now();
            let mut answer = agent
                .post(format!("{}{}", self.to, line.path))
                .header("Authorization", format!("Bearer {}", self.token))
                .header("X-Tenant-Id", &self.tenant)
                .header("Content-Type", "application/json")
                .send(&line.body)
                .with_context(|| format!("cannot reach {}", self.to))?;
            let body: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
            let status = answer.status().as_u16();
            let early = status == 404 && line.path != "/v1/decisions";
            if status == 401 || status == 403 {
                return Err(refused(&body));
            }
            if status == 200 && line.path == "/v1/decisions" {
                played.decided += 1;
                played.stopped += u64::from(body["decision"] != "approve");
                played.times_us.push(started.elapsed().as_micros() as u64);
                return Ok(());
            }
            if status == 200 {
                played.reports += 1;
                return Ok(());
            }
            if !early && body["retryable"] != true {
                played.refuse(&body);
                return Ok(());
            }
            played.again += 1;
            let asked = answer.headers().get("retry-after");
            let asked = asked.and_then(|it| it.to_str().ok()?.parse().ok());
            thread::sleep(asked.map_or(PAUSE, Duration::from_secs));
        }
        played.refuse(&json!({ "code": "gave_up", "message": "still not taken" }));
        Ok(())
    }
}

impl Played {
    fn refuse(&mut self, body: &Value) {
        self.refused += 1;
        let told = format!("{}: {}", body["code"], body["message"]);
        self.first_refusal.get_or_insert(told);
    }

    fn add(&mut self, other: Played) {
        self.decided += other.decided;
        self.stopped += other.stopped;
        self.reports += other.reports;
        self.again += other.again;
        self.refused += other.refused;
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
        self.times_us.extend(other.times_us);
    }
}

fn tell(cli: &Cli, mut played: Played, elapsed: Duration) -> Result<()> {
    played.times_us.sort_unstable();
    let times = &played.times_us;
    let quantile = |q: f64| {
        let at = (times.len() as f64 * q) as usize;
        times
            .get(at.min(times.len().saturating_sub(1)))
            .map_or(0.0, |us| *us as f64 / 1000.0)
    };
    let (p50, p99) = (quantile(0.5), quantile(0.99));
    let seconds = elapsed.as_secs_f64();
    if cli.json {
        show::json(&json!({
            "decided": played.decided, "stopped": played.stopped, "reports": played.reports,
            "sent_again": played.again, "refused": played.refused, "seconds": seconds,
            "p50_ms": p50, "p99_ms": p99,
        }))?;
    } else {
        let grouped = show::grouped;
        writeln!(
            show::out(),
            "{} decided ({} of them stopped), {} labels and outcomes in {seconds:.1} s; p50 {p50:.1} ms, p99 {p99:.1} ms; {} sent again",
            grouped(played.decided),
            grouped(played.stopped),
            grouped(played.reports),
            grouped(played.again),
        )?;
    }
    match played.first_refusal {
        Some(why) => bail!(
            "{} lines were refused, the first with {why}",
            played.refused
        ),
        None => Ok(()),
    }
}
