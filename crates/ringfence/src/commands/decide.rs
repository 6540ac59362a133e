//! `ringfence decide`: events from standard input, decisions to standard output, durable before shown.

use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use event::json::{Line, parse_line};
use event::{Event, EventId, EventTime, Invalid, draft};
use graph::FeatureList;
use node::{Decided, NodeError, Tenant};
use serde_json::{Value, json};

use crate::cli::{Cli, DecideArgs, EXIT_REJECTS};
use crate::show;

/// Batches waiting for the owner; a full queue stops the reader, not the other way round.
const QUEUE: usize = 8;
/// A batch ends with the line that reaches this.
const BATCH_BYTES: usize = 64 << 10;
const BATCH_LINES: usize = 512;
/// A longer line is refused without being held. With the above, 8.5 MiB of input wait at most.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Decisions in one group commit at most.
const GROUP: usize = 1024;
const _: () = assert!(BATCH_LINES <= GROUP);

pub fn run(cli: &Cli, args: &DecideArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let mut tenant = super::open_tenant(cli, &place)?;
    let (sender, lines) = sync_channel(QUEUE);
    let reader = thread::spawn(move || {
        let mut input = BufReader::with_capacity(BATCH_BYTES, io::stdin().lock());
        loop {
            let batch = read_batch(&mut input);
            let ended = batch.as_ref().map_or(true, Vec::is_empty);
            if sender.send(batch).is_err() || ended {
                return;
            }
        }
    });
    let mut decider = Decider::new(&mut tenant, args);
    let done = decider.run(&lines);
    let (refused, line) = (decider.refused, decider.line);
    if let Err(error) = done {
        // Unlike `inspect | head`, whoever stopped listening has events left that nobody decided.
        if show::is_broken_pipe(&error) {
            bail!(
                "standard output was closed: what was read up to line {line} is on disk, the rest is undecided"
            );
        }
        return Err(error);
    }
    if reader.join().is_err() {
        bail!("the reader of standard input panicked");
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

/// A line of input, or why it is none.
type TextLine = Result<String, String>;

/// The lines that are already there, at least one; empty at the end of the input.
fn read_batch(input: &mut BufReader<impl io::Read>) -> io::Result<Vec<TextLine>> {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while let Some(line) = bounded_line(input)? {
        bytes += line.as_ref().map_or(0, String::len);
        lines.push(line);
        // The next line may be long in coming: nobody waits for it.
        let more = input.buffer().contains(&b'\n');
        if !more || bytes >= BATCH_BYTES || lines.len() == BATCH_LINES {
            break;
        }
    }
    Ok(lines)
}

/// The next line without its end; what is no line of text is told and skipped by the caller.
fn bounded_line(input: &mut impl BufRead) -> io::Result<Option<TextLine>> {
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

type Batches = Receiver<io::Result<Vec<TextLine>>>;

pub struct Decider<'a> {
    tenant: &'a mut Tenant,
    live: bool,
    tick: Duration,
    line: u64,
    pub refused: u64,
    /// What the pending group will answer; shown only after its commit.
    answers: Vec<Value>,
}

impl<'a> Decider<'a> {
    pub fn new(tenant: &'a mut Tenant, args: &DecideArgs) -> Decider<'a> {
        Decider {
            tenant,
            live: args.live,
            tick: Duration::from_secs(args.tick_seconds),
            line: 0,
            refused: 0,
            answers: Vec::new(),
        }
    }

    fn run(&mut self, batches: &Batches) -> Result<()> {
        let mut out = io::stdout().lock();
        while let Some(batch) = self.next(batches)? {
            let mut next = Some(batch);
            // Whatever is already there joins the group; nobody waits for company.
            while let Some(batch) = next.take() {
                let batch = batch.context("cannot read standard input")?;
                if batch.is_empty() {
                    return self.flush(&mut out);
                }
                for line in batch {
                    self.take(line)?;
                }
                if self.answers.len() + BATCH_LINES <= GROUP {
                    next = batches.try_recv().ok();
                }
            }
            self.flush(&mut out)?;
        }
        self.flush(&mut out)
    }

    /// Waits for input. While none comes to a live tenant, ticks tell the log that time goes on.
    fn next(&mut self, batches: &Batches) -> Result<Option<io::Result<Vec<TextLine>>>> {
        if !self.live {
            return Ok(batches.recv().ok());
        }
        loop {
            match batches.recv_timeout(self.tick) {
                Ok(batch) => return Ok(Some(batch)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    self.tenant.tick(clock()?)?;
                    self.tenant.commit()?;
                }
            }
        }
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
            Err(detail) => self.refusal(&Invalid::NotJson { detail }.into(), None),
        };
        self.answers.push(answer);
        Ok(())
    }

    fn answer(&mut self, text: &str) -> Result<Value> {
        let now = if self.live { Some(clock()?) } else { None };
        let line = match parse_line(text, self.tenant.schema(), now) {
            Ok(line) => line,
            Err(invalid) => return Ok(self.refusal(&invalid.into(), event_id_in(text).as_deref())),
        };
        let (event_id, outcome) = match line {
            Line::Event(event) => {
                let event_id = event.event_id.clone();
                (event_id, self.decide(*event))
            }
            Line::Label(label) => {
                let received_at = now.unwrap_or(label.label_timestamp);
                let taken = self.tenant.label(&label, received_at);
                let answer = json!({ "event_id": label.event_id.as_str(), "label": "taken" });
                (label.event_id, taken.map(|_| answer))
            }
            Line::Outcome(outcome) => {
                let received_at = now.unwrap_or(outcome.outcome_timestamp);
                let taken = self.tenant.outcome(&outcome, received_at);
                let answer = json!({ "event_id": outcome.event_id.as_str(), "outcome": "taken" });
                (outcome.event_id, taken.map(|_| answer))
            }
        };
        match outcome {
            Ok(value) => Ok(value),
            // What concerns one line is its answer; the rest ends the run.
            Err(error) if error.refused_field().is_some() => {
                Ok(self.refusal(&error, Some(event_id.as_str())))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn decide(&mut self, event: Event) -> Result<Value, NodeError> {
        let event_id = event.event_id.clone();
        // Replayed history is not in the future either: one such event would age out the rest.
        draft::check_time("event_timestamp", event.event_timestamp, clock()?)?;
        let decided = self.tenant.decide(event)?;
        let features = self.tenant.engine().features();
        Ok(decision_value(event_id.as_str(), &decided, features))
    }

    fn refusal(&mut self, error: &NodeError, event_id: Option<&str>) -> Value {
        self.refused += 1;
        json!({
            "event_id": event_id,
            "error": {
                "code": error.code(),
                "message": error.to_string(),
                "detail": { "field": error.refused_field().flatten(), "line": self.line },
                "retryable": false,
            },
        })
    }
}

/// The id a refused line names, so that its sender can tell which one it was.
fn event_id_in(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let event_id = value.get("event_id")?.as_str()?;
    // No longer than an id may be: an answer must not grow with what was refused.
    (event_id.len() <= EventId::MAX_BYTES).then(|| event_id.to_owned())
}

/// This machine's clock.
pub fn clock() -> Result<EventTime, NodeError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(|_| NodeError::Clock)?;
    Ok(EventTime::from_millis(since.as_millis() as i64))
}

/// The answer to one event.
pub fn decision_value(event_id: &str, decided: &Decided, features: &FeatureList) -> Value {
    let event = ("event_id", json!(event_id));
    let mut value = show::decision(event, &decided.decision, features);
    value["position"] = json!(decided.position.0);
    value["duplicate"] = json!(decided.duplicate);
    value
}
