//! `ringfence audit`: the trail, from its files alone.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use desk::audit::lives;
use event::EventTime;
use serde_json::json;
use trail::{Head, PAGE_ENTRIES_MAX, Query, Recorded, View};

use crate::cli::{Audit, AuditArgs, Cli, EXIT_FAILED};
use crate::show;

pub fn run(cli: &Cli, args: &AuditArgs) -> Result<ExitCode> {
    let trail = match args.node {
        true => of_node(cli)?,
        false => directory(cli)?,
    };
    match &args.what {
        Audit::Verify { head } => return verify(cli, &trail, head.as_deref()),
        Audit::Show { .. } => entries(cli, &trail, &args.what)?,
        Audit::Export => {
            View::open(&trail).export(std::io::stdout().lock())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn of_node(cli: &Cli) -> Result<PathBuf> {
    let trail = lives::directory(&cli.data);
    if !trail.is_dir() {
        bail!("no tenant of this node was made, suspended or erased by a server or command yet");
    }
    Ok(trail)
}

fn directory(cli: &Cli) -> Result<PathBuf> {
    let place = super::place(cli)?;
    if !place.exists() {
        let path = place.root().to_path_buf();
        return Err(node::NodeError::NoTenant { path }.into());
    }
    let trail = place.trail();
    if !trail.is_dir() {
        bail!(
            "tenant {} has no audit trail yet: `ringfence serve` writes it",
            cli.tenant
        );
    }
    Ok(trail)
}

fn verify(cli: &Cli, trail: &Path, head: Option<&str>) -> Result<ExitCode> {
    let published: Option<Head> = head.map(str::parse).transpose()?;
    let report = ::trail::verify(trail, published)?;
    let head = report.head.map(|head| head.to_string());
    if cli.json {
        let broken = report.broken.as_ref().map(|fault| {
            json!({
                "file": fault.file,
                "line": fault.line,
                "seq": fault.seq,
                "problem": fault.problem.to_string(),
            })
        });
        show::json(&json!({
            "sound": report.is_sound(),
            "tenant": report.tenant,
            "segments": report.segments,
            "entries": report.entries,
            "head": head,
            "torn_bytes": report.torn,
            "broken": broken,
        }))?;
    } else if let Some(fault) = &report.broken {
        bail!(
            "the audit trail is broken after {} sound entries: {fault}",
            report.entries
        );
    } else {
        writeln!(
            show::out(),
            "sound: {} entries in {} segments, {} bytes of an unfinished batch\nhead {}",
            show::grouped(report.entries),
            report.segments,
            report.torn,
            head.as_deref().unwrap_or("-"),
        )?;
    }
    Ok(if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}

fn entries(cli: &Cli, trail: &Path, what: &Audit) -> Result<()> {
    let Audit::Show {
        seq,
        actor,
        action,
        target,
        from,
        until,
        limit,
    } = what
    else {
        return Ok(());
    };
    let time = |text: &Option<String>| text.as_deref().map(EventTime::parse_iso).transpose();
    let query = Query {
        actor: actor.clone(),
        action: action.clone(),
        target: target.clone(),
        since: time(from)?.map(EventTime::millis),
        until: time(until)?.map(EventTime::millis),
    };
    let (view, mut next) = (View::open(trail), Some(*seq));
    let mut left = limit.unwrap_or(usize::MAX);
    while let Some(from) = next.filter(|_| left > 0) {
        let page = view.read(from, &query, left.min(PAGE_ENTRIES_MAX))?;
        for entry in &page.entries {
            line(cli, entry)?;
        }
        left -= page.entries.len();
        next = page.next;
    }
    Ok(())
}

fn line(cli: &Cli, entry: &Recorded) -> Result<()> {
    let mut out = show::out();
    if cli.json {
        serde_json::to_writer(&mut out, entry)?;
        writeln!(out)?;
        return Ok(());
    }
    let why = match entry.why.as_str() {
        "" => String::new(),
        why => format!("  ({why})"),
    };
    writeln!(
        out,
        "{:>8}  {}  {:<20} {:<20} {}{why}",
        entry.seq,
        EventTime::from_millis(entry.at),
        entry.actor,
        entry.action,
        entry.target,
    )?;
    Ok(())
}
