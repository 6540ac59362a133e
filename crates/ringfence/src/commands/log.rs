//! `ringfence log`: whether the log is sound, what it holds, and cutting it where it is not.

mod dump;
mod repair;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use event::Record;
use node::{NodeError, Place};
use serde_json::json;

use crate::cli::{Cli, Log, LogArgs, RecordKind};
use crate::show;

pub fn run(cli: &Cli, args: &LogArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    if !place.exists() {
        let path = place.root().to_path_buf();
        return Err(NodeError::NoTenant { path }.into());
    }
    match &args.what {
        Log::Verify => verify(cli, &place)?,
        Log::Dump { from, until, kind } => dump::run(&place, *from, *until, kind)?,
        Log::Repair { cut } => return repair::run(cli, &place, *cut),
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(cli: &Cli, place: &Place) -> Result<()> {
    let report = ::log::verify(&place.log())?;
    if !report.is_sound() {
        let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        bail!(
            "the log is damaged in {} places; sound from position {} to {}:\n{}",
            problems.len(),
            report.first.0,
            report.end.0,
            problems.join("\n")
        );
    }
    if cli.json {
        return Ok(show::json(&json!({
            "first": report.first.0,
            "end": report.end.0,
            "segments": report.segments,
            "records": report.records,
            "indexes": report.indexes,
            "indexes_to_rebuild": report.indexes_to_rebuild.len(),
            "snapshots": report.snapshots,
            "torn_tail_bytes": report.torn_tail_bytes,
        }))?);
    }
    writeln!(
        show::out(),
        "sound: {} records in {} segments, {} snapshots; {} indexes to be rebuilt, {} bytes of an unfinished commit",
        show::grouped(report.records),
        report.segments,
        report.snapshots,
        report.indexes_to_rebuild.len(),
        report.torn_tail_bytes,
    )?;
    Ok(())
}

pub fn kind_of(record: &Record) -> RecordKind {
    match record {
        Record::Event(_) => RecordKind::Event,
        Record::Label(_) => RecordKind::Label,
        Record::Outcome(_) => RecordKind::Outcome,
        Record::Decision(_) => RecordKind::Decision,
        Record::Tick(_) => RecordKind::Tick,
        Record::Config(_) => RecordKind::Config,
        Record::Activation(_) => RecordKind::Activation,
    }
}

impl RecordKind {
    pub fn name(self) -> &'static str {
        match self {
            RecordKind::Event => "event",
            RecordKind::Label => "label",
            RecordKind::Outcome => "outcome",
            RecordKind::Decision => "decision",
            RecordKind::Tick => "tick",
            RecordKind::Config => "config",
            RecordKind::Activation => "activation",
        }
    }
}
