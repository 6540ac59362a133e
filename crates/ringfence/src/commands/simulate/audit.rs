//! `ringfence simulate audit`: imports a world as a user would, then holds it against its oracle.

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use learning::fairness::{Facts, Report, Step, audit};
use serde_json::json;
use simulator::Params;

use super::imported;
use crate::cli::{Cli, EXIT_FAILED, WorldAuditArgs};
use crate::show;

const DAY_MS: i64 = 86_400_000;

pub fn run(cli: &Cli, args: &WorldAuditArgs) -> Result<ExitCode> {
    let mut reports = Vec::new();
    for world in &args.worlds {
        let scratch = Scratch::create()?;
        let report = audit_world(cli, world, &scratch.0, !args.no_ladder)
            .with_context(|| format!("audit of {}", world.display()))?;
        if !cli.json {
            writeln!(show::out(), "{}", report.table())?;
        }
        reports.push(report);
    }
    let fair = reports
        .iter()
        .all(|report| report.checks().iter().all(|check| check.holds));
    if cli.json {
        let worlds: Vec<_> = args
            .worlds
            .iter()
            .zip(&reports)
            .map(|(world, report)| {
                json!({
                    "world": world,
                    "seed": report.facts.seed,
                    "checks": report.checks(),
                    "report": report,
                })
            })
            .collect();
        show::json(&json!({ "fair": fair, "worlds": worlds }))?;
    }
    Ok(if fair {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}

/// A directory for the audited tenant, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> Result<Scratch> {
        let path = std::env::temp_dir().join(format!("ringfence-audit-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // a leftover in the temporary directory is no reason to lose the report
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn audit_world(cli: &Cli, world: &Path, scratch: &Path, with_ladder: bool) -> Result<Report> {
    let stated = world.join("world.toml");
    let text = fs::read_to_string(&stated)
        .with_context(|| format!("cannot read {}: not a simulated world", stated.display()))?;
    let params = Params::from_toml(&text)?;
    if params.banks != 1 {
        bail!(
            "banks must be 1 for an audit, got {}: no bank alone sees a ring",
            params.banks
        );
    }
    let oracle = imported::oracle(world)?;
    let place = imported::import(cli, world, scratch)?;
    let bar = show::bar(0, "audit", "records", cli.quiet);
    let report = audit(&place, &oracle, &facts(&params)?, with_ladder, |step| {
        if let Step::Replay { done, of } = step {
            bar.set_length(of);
            bar.set_position(done);
        }
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    Ok(report)
}

fn facts(params: &Params) -> Result<Facts> {
    let late = &params.drift.late_typology;
    let from = (params.start_day()? + i64::from(params.drift.late_from_day)) * DAY_MS;
    Ok(Facts {
        seed: params.seed,
        prevalence: params.prevalence,
        recurrent_mules: params.fraud.recurrent_mules,
        held_out: (!late.is_empty()).then(|| (late.clone(), from)),
    })
}
