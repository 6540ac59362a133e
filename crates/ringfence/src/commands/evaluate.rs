//! `ringfence evaluate`

mod oracle;

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use learning::evaluate::ladder::Rung;
use learning::evaluate::protocol::Protocol;
use learning::evaluate::{Extent, Step, evaluate};

use self::oracle::Against;
use crate::cli::{Cli, EvaluateArgs};
use crate::show;

pub fn run(cli: &Cli, args: &EvaluateArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let path = args.protocol.display();
    let text = fs::read_to_string(&args.protocol).with_context(|| format!("cannot read {path}"))?;
    let protocol = Protocol::parse(&text).with_context(|| path.to_string())?;
    let mut rungs = if args.ladder {
        Rung::ladder(&protocol)
    } else {
        Rung::full(&protocol)
    };
    if let Some(wanted) = &args.rung {
        let names: Vec<String> = rungs.iter().map(|rung| rung.name.clone()).collect();
        rungs.retain(|rung| rung.name.contains(wanted.as_str()));
        if rungs.is_empty() {
            bail!(
                "no rung is named {wanted:?}; there are: {}",
                names.join("; ")
            );
        }
    }
    let extent = if args.validation_only {
        Extent::Validation
    } else {
        Extent::Test
    };
    let mut against = Against::read(args.oracle.as_deref())?;
    let bar = show::bar(0, "evaluate", "records", cli.quiet);
    let report = evaluate(&place, &protocol, &rungs, extent, |step| {
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
    if cli.json {
        let mut value = serde_json::to_value(&report)?;
        against.extend(&place, &mut value)?;
        show::json(&value)?;
    } else {
        write!(show::out(), "{}{}", report.table(), against.table(&place)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
