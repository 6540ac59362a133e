//! The producer of suspicion of a model to be trained: a new one, one that is there already, or none.

use anyhow::{Context, Result};
use event::EventTime;
use learning::boost::BoostConfig;
use learning::dataset::{self, Labels, Range};
use learning::fit::{self, FOREVER, check_classes};
use model::artifact::TrainingWindow;
use model::producer::Producer;

use super::{Ground, method, replay};
use crate::cli::{Cli, TrainArgs};
use crate::commands::models::the_one;

/// The producer, and where its model's own training may begin.
pub fn first(
    cli: &Cli,
    ground: &Ground<'_>,
    (from, until): (EventTime, EventTime),
    args: &TrainArgs,
    config: &BoostConfig,
) -> Result<Option<(Producer, EventTime)>> {
    if let Some(model) = &args.producer_of {
        let (hash, artifact) = the_one(ground.place, model)?;
        let producer = artifact
            .producer
            .with_context(|| format!("model {} has no producer of suspicion", &hash[..12]))?;
        let boundary = EventTime::from_millis(producer.training_window.until);
        return Ok(Some((producer, boundary)));
    }
    if !args.producer {
        return Ok(None);
    }
    let history = ground.history()?;
    let labels = Labels::read(&history, FOREVER)?;
    let range = Range {
        from,
        until,
        known_until: labels.last,
        rows_max: args.rows_max,
    };
    let known = dataset::known(&history, range, &labels)?;
    let frauds = known.iter().filter(|(_, fraud)| *fraud).count();
    check_classes(frauds, known.len() - frauds, method(args.calibration))?;
    let boundary = fit::boundary(&known, args.producer_share)?;
    let rows = replay(cli, ground, (from, boundary), args.rows_max, None, |_| {
        Ok(())
    })?;
    let window = TrainingWindow {
        from: rows.times[0].millis(),
        until: boundary.millis(),
    };
    Ok(Some((fit::producer(&rows, window, config)?, boundary)))
}
