//! The rows a model is trained on, from a replay or from the samples of an earlier one.

use std::ops::ControlFlow;

use anyhow::Result;
use event::EventTime;
use graph::sample::SampleParts;
use learning::dataset::stored::{self, Origin};
use learning::dataset::{self, Labels, Range, Rows, Survey, Wanted};
use learning::fit::{FOREVER, FitError};
use model::producer::Producer;

use super::Ground;
use crate::cli::Cli;
use crate::show;

/// The labelled rows of a range, with the suspicion of the given producer. What they hold is checked
/// before the replay, which takes long. With sequences and neighbourhoods they are kept in a file, and a
/// later training takes them from there.
pub fn rows(
    cli: &Cli,
    ground: &Ground<'_>,
    (from, until): (EventTime, EventTime),
    rows_max: usize,
    (producer, parts): (Option<&Producer>, SampleParts),
    check: impl FnOnce(Survey) -> Result<(), FitError>,
) -> Result<(Rows, Origin)> {
    let history = ground.history()?;
    let labels = Labels::read(&history, FOREVER)?;
    let range = Range {
        from,
        until,
        known_until: labels.last,
        rows_max,
    };
    check(dataset::survey(&history, range, &labels)?)?;
    let bar = show::bar(history.end().0, "replay", "records", cli.quiet);
    let wanted = Wanted {
        range,
        labels: &labels,
        producer,
        parts,
    };
    let progress = |done, _| {
        bar.set_position(done);
        ControlFlow::Continue(())
    };
    let found = match parts {
        SampleParts::Tabular => (
            dataset::collect(ground.place, wanted, progress)?,
            Origin::Replay,
        ),
        SampleParts::Full => stored::collect(ground.place, wanted, progress)?,
    };
    bar.finish_and_clear();
    Ok(found)
}

/// Features only, from a replay.
pub fn replay(
    cli: &Cli,
    ground: &Ground<'_>,
    range: (EventTime, EventTime),
    rows_max: usize,
    producer: Option<&Producer>,
    check: impl FnOnce(Survey) -> Result<(), FitError>,
) -> Result<Rows> {
    let what = (producer, SampleParts::Tabular);
    Ok(rows(cli, ground, range, rows_max, what, check)?.0)
}
