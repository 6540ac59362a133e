//! `ringfence apply -f folder`: what a folder says against what is in force, as a plan, and then done.

mod plan;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use self::plan::{Differences, Step};
use crate::cli::{ApplyArgs, Cli};
use crate::show;
use crate::target::Target;

pub fn run(cli: &Cli, args: &ApplyArgs) -> Result<ExitCode> {
    let mut target = Target::open(cli, &args.change)?;
    let found = Differences::of(&args.folder, &target)?;
    let told: Vec<Value> = found.steps.iter().map(Step::value).collect::<Result<_>>()?;
    make(&mut target, &found, args.yes)?;
    if cli.json {
        show::json(&json!({
            "changes": told, "untouched_lists": found.left, "applied": args.yes,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = show::out();
    for step in &found.steps {
        step.show(&mut out)?;
    }
    for list in &found.left {
        writeln!(out, "list {list} is not in lists.toml: it stays")?;
    }
    match (found.steps.len(), args.yes) {
        (0, _) => writeln!(out, "nothing to change")?,
        (count, true) => writeln!(out, "{count} changes applied")?,
        (count, false) => writeln!(out, "{count} changes; --yes applies them")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses what would not be taken before anything is changed. What goes into the log is then set by one request;
/// casework keeps its settings in a file of its own, which come last.
fn make(target: &mut Target, found: &Differences, really: bool) -> Result<()> {
    let mut plan = found.plan();
    let logged = !plan.sections().is_empty();
    let settings = found.settings();
    if let Some(settings) = settings {
        target.check_casework(settings).context("casework.toml")?;
    }
    if logged {
        for warning in target.check_plan(&mut plan)? {
            show::warning(&warning);
        }
    }
    if !really {
        return Ok(());
    }
    if logged {
        target.take_plan(&mut plan)?;
    }
    if let Some(settings) = settings {
        let set = target.set_casework(settings.clone());
        set.context(match logged {
            true => "casework.toml is refused; the other changes are in force",
            false => "casework.toml",
        })?;
    }
    Ok(())
}
