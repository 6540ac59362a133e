//! `ringfence evaluate`

mod oracle;

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use learning::evaluate::groups::Groups;
use learning::evaluate::ladder::Rung;
use learning::evaluate::protocol::Protocol;
use learning::evaluate::{Extent, Step, evaluate_grouped, html};

use self::oracle::Against;
use super::output::Output;
use crate::cli::{Cli, EvaluateArgs};
use crate::show;

pub fn run(cli: &Cli, args: &EvaluateArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let protocol = read_protocol(&args.protocol)?;
    let mut rungs = if args.ladder {
        Rung::ladder(&protocol)
    } else {
        Rung::full(&protocol)
    };
    if let Some(wanted) = &args.rung {
        rungs = named(rungs, wanted)?;
    }
    let extent = if args.validation_only {
        Extent::Validation
    } else {
        Extent::Test
    };
    let mut against = Against::read(args.oracle.as_deref())?;
    let bar = show::bar(0, "evaluate", "records", cli.quiet);
    let groups = groups(args)?;
    let page = args.html.as_deref().map(Output::begin).transpose()?;
    let report = evaluate_grouped(&place, &protocol, &rungs, extent, &groups, |step| {
        match step {
            Step::Replay { done, of } => {
                bar.set_length(of);
                bar.set_position(done);
            }
            Step::Fitted { rung, what } => bar.set_message(format!("{rung}: {what}")),
            Step::TestScored { rung, scores } => against.add(rung, scores),
        }
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    let standings = against.standings(&place)?;
    if let Some(page) = page {
        page.write_whole(html::write(&report, &standings))?;
    }
    if cli.json {
        let mut value = serde_json::to_value(&report)?;
        oracle::extend(&standings, &mut value)?;
        show::json(&value)?;
    } else {
        write!(
            show::out(),
            "{}{}",
            report.table(),
            oracle::table(&standings)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn groups(args: &EvaluateArgs) -> Result<Groups> {
    let Some(path) = &args.groups else {
        return Ok(Groups::default());
    };
    let (id, group) = &args.group_columns;
    let pairs = ingest::pairs(path, [id, group])?;
    let none = args.group_none.as_deref();
    Ok(Groups::new(
        pairs
            .into_iter()
            .filter(|(_, group)| Some(group.as_str()) != none),
    ))
}

pub fn read_protocol(path: &Path) -> Result<Protocol> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    Protocol::parse(&text).with_context(|| shown.to_string())
}

/// Rungs whose name contains `wanted`.
pub fn named(mut rungs: Vec<Rung>, wanted: &str) -> Result<Vec<Rung>> {
    let names: Vec<String> = rungs.iter().map(|rung| rung.name.clone()).collect();
    rungs.retain(|rung| rung.name.contains(wanted));
    if rungs.is_empty() {
        let names = names.join("; ");
        bail!("no rung is named {wanted:?}; there are: {names}");
    }
    Ok(rungs)
}
