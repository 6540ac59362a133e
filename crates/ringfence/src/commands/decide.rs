//! `ringfence decide`: events from standard input, decisions to standard output, durable before shown.

use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use event::json::{Line, parse_line};
use event::{EventTime, draft};
use graph::FeatureList;
use node::{Decided, NodeError, Tenant};
use serde_json::{Value, json};

use crate::cli::{Cli, DecideArgs, EXIT_REJECTS};
use crate::show;

/// Lines waiting for the owner; a full queue stops the reader, not the other way round.
const QUEUE: usize = 1024;
/// Decisions in one group commit at most.
const GROUP: usize = 512;
/// A longer line is refused without being held.
const LINE_BYTES_MAX: usize = 1 << 20;

pub fn run(cli: &Cli, args: &DecideArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let mut tenant = super::open_tenant(cli, &place)?;
    let (sender, lines) = sync_channel(QUEUE);
    let reader = thread::spawn(move || {
        let mut input = BufReader::with_capacity(1 << 16, io::stdin().lock());
        loop {
            let line = bounded_line(&mut input);
            let ended = matches!(line, Ok(None) | Err(_));
            if sender.send(line).is_err() || ended {
                return;
            }
        }
    });
    let mut decider = Decider::new(&mut tenant, args.live);
    let done = decider.run(&lines);
    let refused = decider.refused;
    done?;
    if reader.join().is_err() {
        anyhow::bail!("the reader of standard input panicked");
    }
    if !args.no_snapshot {
        tenant.snapshot()?;
    }
    Ok(if refused > 0 {
        ExitCode::from(EXIT_REJECTS)
    } else {
        ExitCode::SUCCESS
    })
}

/// The next line without its end; `Err(InvalidData)` lines are reported and skipped by the caller.
fn bounded_line(input: &mut impl BufRead) -> io::Result<Option<Result<String, String>>> {
    let mut bytes = Vec::new();
    let mut limited = io::Read::take(&mut *input, LINE_BYTES_MAX as u64 + 1);
    if limited.read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.len() > LINE_BYTES_MAX && bytes.last() != Some(&b'\n') {
        input.skip_until(b'\n')?;
        return Ok(Some(Err(format!(
            "line is longer than {LINE_BYTES_MAX} bytes"
        ))));
    }
    let text = String::from_utf8(bytes).map_err(|error| error.utf8_error().to_string());
    Ok(Some(
        text.map(|text| text.trim().to_owned())
            .map_err(|why| format!("line is no UTF-8: {why}")),
    ))
}

type Lines = Receiver<io::Result<Option<Result<String, String>>>>;

pub struct Decider<'a> {
    tenant: &'a mut Tenant,
    live: bool,
    line: u64,
    pub refused: u64,
    /// What the pending group will answer; shown only after its commit.
    answers: Vec<Value>,
}

impl<'a> Decider<'a> {
    pub fn new(tenant: &'a mut Tenant, live: bool) -> Decider<'a> {
        Decider {
            tenant,
            live,
            line: 0,
            refused: 0,
            answers: Vec::new(),
        }
    }

    fn run(&mut self, lines: &Lines) -> Result<()> {
        let mut out = io::stdout().lock();
        while let Ok(first) = lines.recv() {
            let mut next = Some(first);
            // Whatever is already there joins the group; nobody waits for company.
            while let Some(line) = next.take() {
                match line.context("cannot read standard input")? {
                    None => return self.flush(&mut out),
                    Some(line) => self.take(line)?,
                }
                if self.answers.len() < GROUP {
                    next = lines.try_recv().ok();
                }
            }
            self.flush(&mut out)?;
        }
        self.flush(&mut out)
    }

    fn flush(&mut self, out: &mut impl Write) -> Result<()> {
        self.tenant.commit()?;
        for answer in self.answers.drain(..) {
            serde_json::to_writer(&mut *out, &answer)?;
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    fn take(&mut self, line: Result<String, String>) -> Result<()> {
        self.line += 1;
        let answer = match line {
            Ok(text) if text.is_empty() => return Ok(()),
            Ok(text) => self.answer(&text)?,
            Err(reason) => self.refusal("not_text", None, &reason),
        };
        self.answers.push(answer);
        Ok(())
    }

    fn answer(&mut self, text: &str) -> Result<Value> {
        let now = if self.live { Some(clock()?) } else { None };
        let line = match parse_line(text, self.tenant.schema(), now) {
            Ok(line) => line,
            Err(invalid) => {
                let field = invalid.field().map(str::to_owned);
                return Ok(self.refusal(invalid.code(), field.as_deref(), &invalid.to_string()));
            }
        };
        let outcome = match line {
            Line::Event(event) => {
                let event_id = event.event_id.as_str().to_owned();
                let clock = clock()?;
                // Replayed history is not in the future either: one such event would age out the rest.
                let dated = draft::check_time("event_timestamp", event.event_timestamp, clock);
                let decided = match dated {
                    Ok(()) => self.tenant.decide(*event),
                    Err(invalid) => Err(invalid.into()),
                };
                decided.map(|decided| {
                    decision_value(&event_id, &decided, self.tenant.engine().features())
                })
            }
            Line::Label(label) => {
                let received_at = now.unwrap_or(label.label_timestamp);
                let taken = self.tenant.label(&label, received_at);
                taken.map(|_| json!({ "event_id": label.event_id.as_str(), "label": "taken" }))
            }
            Line::Outcome(outcome) => {
                let received_at = now.unwrap_or(outcome.outcome_timestamp);
                let taken = self.tenant.outcome(&outcome, received_at);
                taken.map(|_| json!({ "event_id": outcome.event_id.as_str(), "outcome": "taken" }))
            }
        };
        match outcome {
            Ok(value) => Ok(value),
            Err(error) => match refusal_code(&error) {
                Some((code, field)) => Ok(self.refusal(code, field.as_deref(), &error.to_string())),
                None => Err(error.into()),
            },
        }
    }

    fn refusal(&mut self, code: &str, field: Option<&str>, message: &str) -> Value {
        self.refused += 1;
        json!({
            "error": { "code": code, "message": message, "field": field, "line": self.line, "retryable": false }
        })
    }
}

/// Errors that concern one line; the others end the run.
fn refusal_code(error: &NodeError) -> Option<(&'static str, Option<String>)> {
    let event_id = Some("event_id".to_owned());
    match error {
        NodeError::Conflict { .. } => Some(("event_id_conflict", event_id)),
        NodeError::Undecided { .. } => Some(("event_is_history", event_id)),
        NodeError::UnknownEvent { .. } => Some(("unknown_event", event_id)),
        NodeError::Invalid(invalid) => Some((invalid.code(), invalid.field().map(str::to_owned))),
        _ => None,
    }
}

/// This machine's clock.
pub fn clock() -> Result<EventTime> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    Ok(EventTime::from_millis(since.as_millis() as i64))
}

/// The answer to one event.
pub fn decision_value(event_id: &str, decided: &Decided, features: &FeatureList) -> Value {
    let decision = &decided.decision;
    let reasons = decision.reasons.iter().map(|reason| {
        let feature = features.features().get(usize::from(reason.feature));
        json!({
            "code": feature.map_or("unknown", |feature| feature.name.as_str()),
            "text": feature.map_or("", |feature| feature.meaning.as_str()),
            "contribution": f64::from(reason.contribution_milli) / 1000.0,
        })
    });
    json!({
        "event_id": event_id,
        "decision": decision.verdict.name(),
        "score": decision.score,
        "probability": f64::from(decision.probability_ppm) / 1e6,
        "source": decision.source.name(),
        "model_version": show::hex(&decision.model.0[..6]),
        "policy_version": decision.policy_version,
        "reasons": reasons.collect::<Vec<_>>(),
        "degraded": decision.degraded,
        "position": decided.position.0,
        "duplicate": decided.duplicate,
    })
}
