//! `ringfence leaks`

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Result, bail};
use learning::evaluate::Extent;
use learning::evaluate::audit::{Check, Doing, Subject, audit, honest, honest_full};
use learning::evaluate::channel;
use learning::evaluate::ladder::Rung;
use learning::evaluate::source::Stream;
use node::History;

use super::evaluate::{named, read_protocol};
use crate::cli::{AuditPart, Cli, EXIT_LEAK, LeaksArgs};
use crate::show;

pub fn run(cli: &Cli, args: &LeaksArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let protocol = read_protocol(&args.protocol)?;
    let rungs = match &args.rung {
        None => Rung::full(&protocol),
        Some(wanted) => named(Rung::ladder(&protocol), wanted)?,
    };
    let own = |rung: &&Rung| rung.model.groups().is_some();
    let Some(rung) = rungs.iter().find(own) else {
        bail!(
            "only rungs of the tenant's own features are scored; the handbook's are compared beside them"
        );
    };
    let history = History::open(&place)?;
    protocol.resolve(history.schema()).map_err(|error| {
        // Before the log is copied: a protocol of another tenant is refused at once.
        anyhow::Error::new(error).context(args.protocol.display().to_string())
    })?;
    let stream = Stream::copy(&history)?;
    let subject = Subject {
        stream: &stream,
        protocol: &protocol,
        extent: if args.test {
            Extent::Test
        } else {
            Extent::Validation
        },
        rung,
        sampling: match rung.model.has_arrays() {
            true => &honest_full,
            false => &honest,
        },
        channeling: &channel::make,
    };
    let bar = show::bar(0, "audit", "records", cli.quiet);
    let report = audit(&subject, &checks(&args.part), |step| {
        let check = step.check.map_or("as it is", Check::name);
        match step.doing {
            Doing::Replay { done, of } => {
                bar.set_length(of);
                bar.set_position(done);
                bar.set_message(format!("{check}: replay"));
            }
            Doing::Fit { fold } => bar.set_message(format!("{check}: fold {fold}")),
        }
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    if cli.json {
        show::json(&serde_json::to_value(&report)?)?;
    } else {
        write!(show::out(), "{}", report.table())?;
    }
    Ok(if report.clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_LEAK)
    })
}

/// All without a choice; each once and in the order of the report.
fn checks(parts: &[AuditPart]) -> Vec<Check> {
    let chosen = |check: &Check| {
        let part = match check {
            Check::Labels => AuditPart::Labels,
            Check::Future => AuditPart::Future,
            Check::Ids => AuditPart::Ids,
            Check::Order => AuditPart::Order,
            Check::Delay => AuditPart::Delay,
        };
        parts.is_empty() || parts.contains(&part)
    };
    Check::ALL.into_iter().filter(chosen).collect()
}
