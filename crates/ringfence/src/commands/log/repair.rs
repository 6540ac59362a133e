//! `ringfence log repair`: tells what a cut would lose; with `--cut` cuts, and keeps what was removed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::log::{Lost, Repair};
use anyhow::{Context, Result};
use event::record::Record;
use event::{EventId, EventTime};
use node::Place;
use serde_json::{Value, json};

use super::kind_of;
use crate::cli::{Cli, EXIT_FAILED};
use crate::show;

/// Event ids shown; all are in the list beside the removed bytes.
const IDS_SHOWN: usize = 20;
const LIST: &str = "lost.jsonl";

/// What can be read of what will be gone.
#[derive(Default)]
struct Told {
    kinds: BTreeMap<&'static str, u64>,
    /// Whole records of another kind than this build knows.
    unknown: u64,
    ids: Vec<String>,
}

pub fn run(cli: &Cli, place: &Place, cut: bool) -> Result<ExitCode> {
    let plan = Repair::plan(&place.log()).context("the log cannot be repaired here")?;
    let Some(plan) = plan else {
        if cli.json {
            show::json(&json!({ "sound": true }))?;
        } else {
            writeln!(show::out(), "the log is sound: nothing to repair")?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let damage: Vec<String> = plan.damage.iter().map(ToString::to_string).collect();
    let end = plan.end;
    let aside = cut.then(|| free_name(place));
    // The list is written before anything is changed, and moved to the removed bytes after.
    let list = place.root().join("lost.tmp");
    let mut told = Told::default();
    let lost = match &aside {
        None => plan.lost(|position, time_ms, payload| {
            told.add(position.0, time_ms, payload);
        })?,
        Some(_) => told.write(&plan, &list)?,
    };
    if let Some(aside) = &aside {
        // It may know of what is cut, and is made again from what stays.
        let known = place.decay();
        match std::fs::remove_file(&known) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", known.display()));
            }
            _ => {}
        }
        plan.cut(aside)?;
        let kept = aside.join(LIST);
        std::fs::rename(&list, &kept)
            .with_context(|| format!("cannot write {}", kept.display()))?;
    }
    tell(cli, &damage, end.0, &lost, &told, aside.as_deref())?;
    Ok(match aside {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::from(EXIT_FAILED),
    })
}

fn free_name(place: &Place) -> PathBuf {
    let name = |number: u32| place.root().join(format!("log.cut-{number}"));
    let mut number = 1;
    while name(number).exists() {
        number += 1;
    }
    name(number)
}

impl Told {
    /// What a line of the list says of a record.
    fn add(&mut self, position: u64, time_ms: i64, payload: &[u8]) -> Value {
        let time = EventTime::from_millis(time_ms).to_string();
        let Ok(record) = event::codec::decode(payload) else {
            self.unknown += 1;
            return json!({ "position": position, "time": time, "kind": null });
        };
        let kind = kind_of(&record).name();
        *self.kinds.entry(kind).or_default() += 1;
        let (id, about) = match &record {
            Record::Event(event) => (Some(&event.event_id), None),
            Record::Label(label) => (Some(&label.subject.event_id), None),
            Record::Outcome(outcome) => (Some(&outcome.subject.event_id), None),
            Record::Decision(decision) => (None, Some(decision.event_position.0)),
            _ => (None, None),
        };
        let id = id.map(EventId::as_str);
        if let Some(id) = id
            && self.ids.len() < IDS_SHOWN
            && !self.ids.iter().any(|held| held == id)
        {
            self.ids.push(id.to_owned());
        }
        json!({ "position": position, "time": time, "kind": kind, "event_id": id, "event_position": about })
    }

    fn write(&mut self, plan: &Repair, list: &Path) -> Result<Lost> {
        let file =
            File::create(list).with_context(|| format!("cannot write {}", list.display()))?;
        let mut out = BufWriter::new(file);
        let mut written = Ok(());
        let lost = plan.lost(|position, time_ms, payload| {
            let line = self.add(position.0, time_ms, payload);
            if written.is_ok() {
                written = writeln!(out, "{line}");
            }
        })?;
        written?;
        out.into_inner()?.sync_all()?;
        Ok(lost)
    }
}

fn tell(
    cli: &Cli,
    damage: &[String],
    end: u64,
    lost: &Lost,
    told: &Told,
    aside: Option<&Path>,
) -> Result<()> {
    let records = lost.end.0 - end;
    if cli.json {
        return Ok(show::json(&json!({
            "sound": false,
            "damage": damage,
            "end": end,
            "lost": {
                "from": end,
                "until": lost.end.0,
                "records": records,
                "readable": lost.readable,
                "by_kind": told.kinds,
                "unknown": told.unknown,
                "event_ids": told.ids,
                "bytes": lost.bytes,
            },
            "cut": aside.is_some(),
            "kept_in": aside,
        }))?);
    }
    let mut out = show::out();
    for line in damage {
        writeln!(out, "{line}")?;
    }
    let (is, are) = match aside.is_some() {
        true => ("is", "are"),
        false => ("would be", "would be"),
    };
    writeln!(
        out,
        "the log {is} cut at position {end}: {} records up to {} {are} lost, {} of them readable ({} bytes)",
        show::grouped(records),
        lost.end.0,
        show::grouped(lost.readable),
        show::grouped(lost.bytes),
    )?;
    for (kind, count) in &told.kinds {
        writeln!(out, "  {:>9} {kind}", show::grouped(*count))?;
    }
    if !told.ids.is_empty() {
        writeln!(
            out,
            "  about {}{}",
            told.ids.join(", "),
            if told.ids.len() == IDS_SHOWN {
                ", ..."
            } else {
                ""
            }
        )?;
    }
    match aside {
        Some(aside) => writeln!(
            out,
            "removed bytes and the list of records are in {}",
            aside.display()
        )?,
        None => writeln!(out, "nothing was changed; --cut does it")?,
    }
    Ok(())
}
