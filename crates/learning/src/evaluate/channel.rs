//! The suspicion channel of every fold: a producer trained before its consumer scores each event right
//! after its sample, and later samples read what it said, as when serving.
//!
//! A producer sees what its consumer sees except suspicion. What the log itself holds of suspicion is left
//! out: another producer said it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::folds::{Part, divide_all};
use super::ladder::{LabelAccess, Rung};
use super::protocol::{Candidate, Fold, Protocol};
use super::samples::Samples;
use super::source::Source;
use super::{EvaluateError, Extent, Step};
use crate::producer::{Producer, ProducerRows};
use engine::Engine;
use event::EventTime;
use event::record::Record;
use graph::sample::SampleParts;
use graph::{FeatureGroup, Sample};

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
    width: usize,
    values: Vec<f32>,
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
    let Some(config) = &protocol.producer else {
        return Ok(());
    };
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
                        let mut producer = train(samples, config, &stages.producer, key)?;
                        let channel =
                            replay(samples, source, protocol, &mut producer, &folds[number])?;
                        samples.channels.insert(key, channel);
                    }
                }
            }
        }
    }
    Ok(())
}

fn train(
    samples: &Samples,
    config: &Candidate,
    part: &Part,
    key: ChannelKey,
) -> Result<Producer, EvaluateError> {
    let features = samples.features.features();
    let hidden = |group: FeatureGroup| {
        group == FeatureGroup::Suspicion
            || group == FeatureGroup::Labels && key.labels == LabelAccess::None
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
    };
    let rounds = config.rounds.last().copied().unwrap_or(1);
    // A producer and its consumer must not draw the same rows and columns.
    let config = config.boost(rounds, key.seed * 1_000 + 500);
    Ok(Producer::train(&rows, &config)?)
}

/// Runs the history once more with the producer in the loop.
fn replay(
    samples: &Samples,
    source: &Source<'_>,
    protocol: &Protocol,
    producer: &mut Producer,
    fold: &Fold,
) -> Result<Channel, EvaluateError> {
    let from = fold.staged.map_or(EventTime::END, |it| it.producer.until);
    let until = fold.test.until;
    let event_types = protocol.resolve(&samples.schema)?;
    let mut engine = Engine::new(&samples.schema);
    let mut sample = Sample::default();
    let mut channel = Channel::empty(samples);
    let mut row = 0;
    let mut records = source.records()?;
    while row < samples.rows.len()
        && let Some((position, mut record)) = records.next_record()?
    {
        let mut suspicion = None;
        if let Record::Event(event) = &record {
            let is_row = position == samples.seen(row).position;
            let time = event.event_timestamp;
            let scored = event_types.contains(&event.event_type) && time >= from && time < until;
            if scored {
                engine.sample(event, SampleParts::Tabular, &mut sample);
                suspicion = Some(producer.score(&sample.tabular));
                if is_row {
                    channel.keep(row, &sample.tabular);
                }
            }
            row += usize::from(is_row);
        } else if let Record::Decision(decision) = &mut record {
            decision.suspicion.clear();
        }
        engine.apply(position, &record);
        if let Some(suspicion) = suspicion {
            engine.fold_suspicion(position, suspicion);
        }
    }
    Ok(channel)
}
