//! What a person sees: progress bars on a terminal, colours only there, JSON when asked for.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use event::Invalid;
use event::record::{Decision, DecisionKind, degraded};
use gateway::notes::{Field, Note, NoteLevel};
use graph::FeatureList;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use node::NodeError;
use serde_json::{Value, json};

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();

pub fn decision_style(kind: DecisionKind) -> Style {
    let colour = match kind {
        DecisionKind::Approve => AnsiColor::Green,
        DecisionKind::Challenge => AnsiColor::Cyan,
        DecisionKind::Review => AnsiColor::Yellow,
        DecisionKind::Decline => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into()))
}

/// A decision as it was logged, after the field that says of which event it is.
pub fn decision(
    (event, which): (&str, Value),
    decision: &Decision,
    features: &FeatureList,
) -> Value {
    let reasons = decision.reasons.iter().map(|reason| {
        let (code, text) = features.reason(reason.feature).unwrap_or(("unknown", ""));
        json!({
            "code": code,
            "text": text,
            "contribution": f64::from(reason.contribution_milli) / 1000.0,
        })
    });
    json!({
        (event): which,
        "decision": decision.verdict.name(),
        "score": decision.score,
        "probability": f64::from(decision.probability_ppm) / 1e6,
        "source": decision.source.name(),
        // The first 12 digits of the model file's SHA-256.
        "model_version": hex(&decision.model.0[..6]),
        "policy_version": decision.policy_version,
        "rules_version": decision.rules_version,
        "findings": decision.findings,
        "suspicion": decision.suspicion.first().map(|(_, score)| score),
        "reasons": reasons.collect::<Vec<_>>(),
        "degraded": degraded::names(decision.degraded).collect::<Vec<_>>(),
    })
}

/// Standard output that drops colours when it is no terminal.
pub fn out() -> impl Write {
    anstream::AutoStream::auto(io::stdout().lock())
}

pub fn json(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

pub fn error(error: &anyhow::Error, as_json: bool) {
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    // A transparent error repeats its source.
    let mut told: Vec<String> = Vec::new();
    for text in chain {
        if told.last().is_none_or(|last| !last.contains(&text)) {
            told.push(text);
        }
    }
    let text = told.join(": ");
    let mut err = anstream::AutoStream::auto(io::stderr().lock());
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    // Nothing is left to tell it to when standard error is closed.
    let _ = if as_json {
        let error = json!({ "code": code(error), "message": text, "retryable": false });
        writeln!(err, "{}", json!({ "error": error }))
    } else {
        writeln!(err, "{red}error{red:#}: {text}")
    };
}

/// The stable code of the first cause that has one.
pub fn code(error: &anyhow::Error) -> &'static str {
    let own = error.chain().find_map(|cause| {
        let node = cause.downcast_ref::<NodeError>().map(NodeError::code);
        let invalid = || cause.downcast_ref::<Invalid>().map(Invalid::code);
        let io = || cause.downcast_ref::<io::Error>().map(|_| "io");
        node.or_else(invalid).or_else(io)
    });
    own.unwrap_or("failed")
}

pub fn warning(text: &str) {
    let mut err = anstream::AutoStream::auto(io::stderr().lock());
    let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    // As above.
    let _ = writeln!(err, "{yellow}warning{yellow:#}: {text}");
}

/// What a server tells its operator.
pub fn note(note: &Note) {
    let Note { level, text, .. } = note;
    let colour = match level {
        NoteLevel::Error => AnsiColor::Red,
        NoteLevel::Warning => AnsiColor::Yellow,
        NoteLevel::Info | NoteLevel::Debug => AnsiColor::Cyan,
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let mut err = anstream::AutoStream::auto(io::stderr().lock());
    // As above.
    let _ = match note.trace {
        Some(trace) => writeln!(err, "{style}{}{style:#}: {trace:032x} {text}", level.name()),
        None => writeln!(err, "{style}{}{style:#}: {text}", level.name()),
    };
}

/// The same as a JSON document a line, for programs; with the time, which a terminal's reader knows.
pub fn note_as_json(note: &Note) {
    let mut line = json!({
        "time": node::clock::now().ok().map(|now| now.to_string()),
        "level": note.level.name(),
        "message": note.text,
    });
    if let Some(trace) = note.trace {
        line["trace_id"] = json!(format!("{trace:032x}"));
    }
    for (name, field) in &note.fields {
        line[*name] = match field {
            Field::Text(text) => json!(text),
            Field::Number(number) => json!(number),
        };
    }
    // As above.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// A bar on standard error; hidden when it is no terminal or quiet is wanted.
pub fn bar(total: u64, what: &str, unit: &str, quiet: bool) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    let template = format!(
        "{{prefix:>10}} {{bar:30}} {{percent:>3}} % {{human_pos}}/{{human_len}} {unit} {{per_sec}} eta {{eta}} {{msg}}"
    );
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Thousands apart: 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (ix, digit) in digits.chars().enumerate() {
        if ix > 0 && (digits.len() - ix).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub use event::hex;
