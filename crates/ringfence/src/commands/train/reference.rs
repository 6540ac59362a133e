//! What the training's rows looked like, into the model's file.

use std::ops::ControlFlow;

use anyhow::Result;
use drift::reference::ReferenceError;
use event::EventTime;
use learning::dataset::Rows;
use learning::fit::Fitted;
use learning::reference::{ReferenceFault, ReferencePlan, build};

use super::Ground;
use crate::cli::Cli;
use crate::show;

/// Enough for every statistic; more would only take longer.
const ROWS_MAX: usize = 200_000;

/// Nothing where history is too short: the model serves, and is not watched.
pub fn add(
    cli: &Cli,
    ground: &Ground<'_>,
    (from, until): (EventTime, EventTime),
    rows: &Rows,
    fitted: &mut Fitted,
) -> Result<()> {
    let grown = fitted.parts[0].0.min(rows.len().saturating_sub(1));
    let plan = ReferencePlan {
        from,
        until,
        scores_from: rows.times[grown],
        rows_max: ROWS_MAX,
    };
    let history = ground.history()?;
    let bar = show::bar(history.end().0, "reference", "records", cli.quiet);
    let built = build(&history, &fitted.artifact, plan, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    match built {
        Ok(reference) => fitted.artifact.reference = Some(reference.encode()?),
        Err(ReferenceFault::Reference(
            error @ (ReferenceError::TooShort { .. } | ReferenceError::TooFew { .. }),
        )) => {
            show::warning(&format!("the model will not be watched for drift: {error}"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
