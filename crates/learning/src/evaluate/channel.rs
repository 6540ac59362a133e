//! The suspicion channel of every fold: a producer trained before its consumer scores each event right
//! after its sample, and later samples read what it said, as when serving.
//!
//! A producer sees what its consumer sees except suspicion. What the log itself holds of suspicion is left
//! out: another producer said it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::folds::{Part, divide_all};
use super::ladder::{LabelAccess, Rung};
use super::protocol::{Candidate, Fold, Protocol, Window};
use super::samples::Samples;
use super::source::Source;
use super::{EvaluateError, Extent, Step};
use crate::producer::{self, ProducerRows};
use event::EventTime;
use graph::FeatureGroup;
use graph::sample::SampleParts;
use model::artifact::TrainingWindow;
use model::producer::{Producer, Speaker};
use node::channel::Rehearsal;

/// Whose scores a channel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelKey {
    pub set: &'static str,
    pub fold: usize,
    pub seed: u64,
    pub labels: LabelAccess,
}

pub type Channels = BTreeMap<ChannelKey, Channel>;

/// The suspicion columns of all rows as one producer makes them; missing before it scores.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Place of each feature among the columns held, where it is one of them.
    places: Vec<Option<usize>>,
    pub width: usize,
    /// Row-major, one row per row of the samples.
    pub values: Vec<f32>,
}

impl Channel {
    fn empty(samples: &Samples) -> Channel {
        let mut width = 0;
        let place = |feature: &graph::Feature| {
            (feature.group == FeatureGroup::Suspicion).then(|| {
                width += 1;
                width - 1
            })
        };
        let places = samples.features.features().iter().map(place).collect();
        Channel {
            places,
            width,
            values: vec![f32::NAN; samples.rows.len() * width],
        }
    }

    /// `None` for a feature that is no suspicion.
    pub fn value(&self, row: usize, feature: usize) -> Option<f32> {
        self.places[feature].map(|at| self.values[row * self.width + at])
    }

    fn keep(&mut self, row: usize, tabular: &[f32]) {
        let row = &mut self.values[row * self.width..(row + 1) * self.width];
        for (value, place) in tabular.iter().zip(&self.places) {
            if let Some(at) = place {
                row[*at] = *value;
            }
        }
    }
}

/// Makes every channel that the rungs will read.
pub fn fill(
    samples: &mut Samples,
    source: &Source<'_>,
    protocol: &Protocol,
    rungs: &[Rung],
    extent: Extent,
    mut progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<(), EvaluateError> {
    if protocol.producer.is_none() {
        return Ok(());
    }
    for rung in rungs {
        let Some(labels) = rung.model.channel() else {
            continue;
        };
        // Choices are made with the first seed.
        let mut wanted = vec![("validation", &protocol.validation, &protocol.seeds[..1])];
        if extent == Extent::Test {
            wanted.push(("test", &protocol.test, &protocol.seeds[..]));
        }
        for (set, folds, seeds) in wanted {
            let divisions = divide_all(samples, protocol, set, folds)?;
            for (number, division) in divisions.iter().enumerate() {
                for seed in seeds {
                    let key = ChannelKey {
                        set,
                        fold: number,
                        seed: *seed,
                        labels,
                    };
                    let what = format!("producer of {set} fold {number}, seed {seed}");
                    let step = Step::Fitted {
                        rung: rung.name.clone(),
                        what,
                    };
                    if progress(step).is_break() {
                        return Err(EvaluateError::Cancelled);
                    }
                    if let Some(stages) = &division.staged {
                        let making = Making {
                            samples,
                            source,
                            protocol,
                            fold: &folds[number],
                            labels,
                            seed: *seed,
                        };
                        let channel = make(&making, &stages.producer)?;
                        samples.channels.insert(key, channel);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Whose channel, on which history.
pub struct Making<'a> {
    pub samples: &'a Samples,
    pub source: &'a Source<'a>,
    pub protocol: &'a Protocol,
    pub fold: &'a Fold,
    pub labels: LabelAccess,
    pub seed: u64,
}

/// Trains a producer on the given rows and lets it speak.
pub fn make(making: &Making<'_>, part: &Part) -> Result<Channel, EvaluateError> {
    let (Some(config), Some(staged)) = (&making.protocol.producer, making.fold.staged) else {
        return Ok(Channel::empty(making.samples));
    };
    let producer = train(making, config, staged.producer, part)?;
    replay(making, &producer)
}

fn train(
    making: &Making<'_>,
    config: &Candidate,
    window: Window,
    part: &Part,
) -> Result<Producer, EvaluateError> {
    let samples = making.samples;
    let features = samples.features.features();
    let hidden = |group: FeatureGroup| {
        group == FeatureGroup::Suspicion
            || group == FeatureGroup::Labels && making.labels == LabelAccess::None
    };
    let width = samples.width();
    let mut values = Vec::with_capacity(part.rows.len() * width);
    for row in &part.rows {
        let held = &samples.values[row * width..(row + 1) * width];
        values.extend(held.iter().zip(features).map(|(value, feature)| {
            if hidden(feature.group) {
                f32::NAN
            } else {
                *value
            }
        }));
    }
    let times: Vec<EventTime> = part
        .rows
        .iter()
        .map(|row| samples.seen(*row).time)
        .collect();
    let rows = ProducerRows {
        values: &values,
        width,
        fraud: &part.fraud,
        times: &times,
        weights: None,
        negative_rate: making.protocol.negative_rate,
    };
    let rounds = config.rounds.last().copied().unwrap_or(1);
    // A producer and its consumer must not draw the same rows and columns.
    let config = config.boost(rounds, making.seed * 1_000 + 500);
    let window = TrainingWindow {
        from: window.from.millis(),
        until: window.until.millis(),
    };
    Ok(producer::train(&rows, window, &config)?)
}

/// Runs the history once more with the producer in the loop.
fn replay(making: &Making<'_>, producer: &Producer) -> Result<Channel, EvaluateError> {
    let samples = making.samples;
    // The samples' own may have another maturity by now.
    let schema = making.source.schema();
    let until = making.fold.test.until;
    let event_types = making.protocol.resolve(schema)?;
    let speaker = Some(Speaker::new(producer));
    let mut rehearsal = Rehearsal::new(schema, speaker, SampleParts::Tabular).only(event_types);
    let mut channel = Channel::empty(samples);
    let mut row = 0;
    let mut records = making.source.records()?;
    while row < samples.rows.len()
        && let Some((position, record)) = records.next_record()?
    {
        let is_row = position == samples.seen(row).position;
        let in_reach = is_row && samples.seen(row).time < until;
        let heard = rehearsal.apply(position, record, in_reach);
        if let Some(sample) = heard.sample.filter(|_| heard.said.is_some()) {
            channel.keep(row, &sample.tabular);
        }
        row += usize::from(is_row);
    }
    Ok(channel)
}
