//! `ringfence drift`: the watch of a tenant, and history under the watch.

mod in_force;
mod report;
mod statistics;
mod status;
mod study;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use drift::{Reference, Settings};
use event::EventTime;

use crate::cli::{Cli, Drift, DriftArgs};

pub fn run(cli: &Cli, args: &DriftArgs) -> Result<ExitCode> {
    match &args.what {
        Drift::Status(args) => status::run(cli, args),
        Drift::Statistics(args) => statistics::run(cli, args),
        Drift::Settings(args) => in_force::run(cli, args),
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
