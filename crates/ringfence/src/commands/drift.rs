//! `ringfence drift`: history under the watch.

mod report;
mod study;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use drift::{Alert, Reference, Settings};
use event::EventTime;
use serde_json::{Value, json};

use crate::cli::{Cli, Drift, DriftArgs};

pub fn run(cli: &Cli, args: &DriftArgs) -> Result<ExitCode> {
    match &args.what {
        Drift::Report(args) => report::run(cli, args),
        Drift::Study(args) => study::run(cli, args),
    }
}

fn settings(file: Option<&Path>, reference: &Reference) -> Result<Settings> {
    let Some(file) = file else {
        return Ok(Settings::default());
    };
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let names = reference.columns.iter().map(|it| it.name.as_str());
    Settings::parse(&text, names).with_context(|| shown.to_string())
}

fn time(ms: i64) -> String {
    EventTime::from_millis(ms).to_string()
}

fn alert_value(alert: &Alert, reference: &Reference) -> Value {
    let segment = |at: &u16| reference.segments[usize::from(*at)].name.clone();
    json!({
        "number": alert.number,
        "kind": alert.reading.kind,
        "data_quality": alert.reading.kind.is_data_quality(),
        "feature": reference.columns[usize::from(alert.column)].name,
        "segment": segment(&alert.segment),
        "also_in": alert.also_in.iter().map(segment).collect::<Vec<_>>(),
        "from": time(alert.reading.from),
        "until": time(alert.reading.until),
        "events": alert.reading.rows,
        "baseline": alert.reading.baseline,
        "value": alert.reading.value,
        "interval": [alert.reading.low, alert.reading.high],
        "p": alert.p,
        "examples": alert.examples,
        "over_at": alert.over_at.map(time),
    })
}
