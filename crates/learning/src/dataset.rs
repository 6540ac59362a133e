//! History replayed into rows: one per event of the wanted range, as it was seen at its time.

mod digest;
mod kept;
pub mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

use event::record::{Decision, DecisionKind, Record, Verdict};
use event::schema::Legitimate;
use event::{EventTime, Position, Schema};
use graph::sample::SampleParts;
use model::producer::{Producer, Speaker};
use node::channel::Rehearsal;
use node::{History, NodeError, Place};
use thiserror::Error;

use crate::neural::arrays::Arrays;
pub(crate) use digest::Digest;
use kept::{Kept, Who};

/// Which events become rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub from: EventTime,
    /// Exclusive.
    pub until: EventTime,
    /// Only labels recorded by then count.
    pub known_until: EventTime,
    /// Most rows to keep: frauds all, the others by a hash of their id. They still feed the graph.
    pub rows_max: usize,
}

impl Range {
    pub fn holds(self, time: EventTime) -> bool {
        time >= self.from && time < self.until
    }
}

/// Row-major features with what is known of each event, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    pub width: usize,
    pub values: Vec<f32>,
    /// Sequence and neighbourhood of each row, where they were asked for.
    pub arrays: Option<Arrays>,
    pub times: Vec<EventTime>,
    pub positions: Vec<Position>,
    pub fraud: Vec<bool>,
    /// What each row counts for, where decisions were drawn by chance; `None`: all alike.
    pub weights: Option<Vec<f32>>,
    /// Share of the events not known as fraud that were kept.
    pub negative_rate: f64,
    /// Events in range that are neither fraud nor yet legitimate, and so no rows.
    pub unknown: u64,
}

#[derive(Debug, Error)]
pub enum DatasetError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("samples file {path}: {source}")]
    Stored {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("no event lies in the wanted time range")]
    Empty,
    #[error("{0} frauds alone are more than the {1} rows allowed")]
    TooManyFrauds(usize, usize),
    #[error("cancelled at record {0}")]
    Cancelled(u64),
}

/// The propensity of a decision that nothing was drawn for.
const CERTAIN: u32 = 1_000_000;

/// The most that an event let through by chance counts for.
const WEIGHT_MAX: f64 = 20.0;

/// Labels as known at one moment, and how far the log reaches.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    verdicts: BTreeMap<Position, Verdict>,
    /// Declined here: no label says nothing of them.
    declined: BTreeSet<Position>,
    /// Chance of the decision, in parts per million, where it was drawn.
    propensities: BTreeMap<Position, u32>,
    /// Latest time of an event.
    pub last: EventTime,
    /// What stands behind it in the log is not looked at, whatever it has become since.
    pub end: Position,
}

impl Labels {
    /// Reads the labels recorded by `known_until`, without running the engine.
    pub fn read(history: &History, known_until: EventTime) -> Result<Labels, NodeError> {
        let mut labels = Labels {
            verdicts: BTreeMap::new(),
            declined: BTreeSet::new(),
            propensities: BTreeMap::new(),
            last: EventTime::MIN,
            end: history.end(),
        };
        let mut records = history.iter_from(Position(0))?;
        while let Some((_, record)) = records.next_record()? {
            match record {
                Record::Event(event) => {
                    labels.last = labels.last.max(event.event_timestamp);
                }
                Record::Label(label) if label.received_at <= known_until => {
                    labels
                        .verdicts
                        .insert(label.subject.position, label.verdict);
                }
                Record::Decision(decision) => labels.decided(&decision),
                _ => {}
            }
        }
        Ok(labels)
    }

    fn decided(&mut self, decision: &Decision) {
        if decision.verdict == DecisionKind::Decline {
            self.declined.insert(decision.event_position);
        }
        if decision.propensity_ppm < CERTAIN {
            let propensity = decision.propensity_ppm;
            self.propensities
                .insert(decision.event_position, propensity);
        }
    }

    /// Without what is known of declined events: whom somebody spoke of was not drawn by chance, and the random
    /// approvals stand for all of them.
    pub fn of_passed(&self) -> Labels {
        let mut passed = self.clone();
        passed.verdicts.retain(|at, _| !self.declined.contains(at));
        passed
    }

    /// 1 over the chance of the decision: what was let through by chance stands for those that were not
    /// (Horvitz and Thompson 1952), clipped, since a rare one must not outweigh the rest (Ionides 2008).
    pub fn weight(&self, position: Position) -> f32 {
        let propensity = self.propensities.get(&position).copied();
        let propensity = f64::from(propensity.unwrap_or(CERTAIN).max(1)) / f64::from(CERTAIN);
        (1.0 / propensity).min(WEIGHT_MAX) as f32
    }

    /// Fraud, legitimate, or not known (yet).
    ///
    /// Who was declined can bring no chargeback: without a label nothing is known of such an event. Where silence means legitimate, an event counts only once its label had time to come: taking the
    /// frauds that are already known and no legitimate ones beside them would teach that recent events
    /// are fraud.
    pub fn truth(
        &self,
        position: Position,
        time: EventTime,
        known_until: EventTime,
        schema: &Schema,
    ) -> Option<bool> {
        let fraud = self
            .verdicts
            .get(&position)
            .map(|verdict| *verdict == Verdict::Fraud);
        match schema.labels.legitimate {
            Legitimate::Explicit => fraud,
            Legitimate::Presumed => {
                let matured = known_until.since(time) >= schema.labels.maturity;
                let silent = (!self.declined.contains(&position)).then_some(false);
                fraud.or(silent).filter(|_| matured)
            }
        }
    }
}

/// What is asked of a history.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub range: Range,
    pub labels: &'a Labels,
    /// Samples carry the suspicion that this producer says, whatever the log holds; without one there is
    /// none.
    pub producer: Option<&'a Producer>,
    pub parts: SampleParts,
}

/// Replays the history up to the last event of the range and keeps the wanted samples.
pub fn collect(
    place: &Place,
    wanted: Wanted<'_>,
    progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Rows, DatasetError> {
    let history = History::open(place)?.until(wanted.labels.end);
    let found = survey(&history, wanted.range, wanted.labels)?;
    let rate = found.negative_rate(wanted.range.rows_max)?;
    let kept = gather(
        &history,
        &wanted,
        (rate, found.last),
        Unknown::Leave,
        progress,
    )?;
    kept.settle(&wanted, history.schema(), rate, found.unknown)
}

/// Whether events of which nothing is known yet are kept too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Leave,
    Keep,
}

/// The one replay: samples of the range's frauds and of a share of its other events.
fn gather(
    history: &History,
    wanted: &Wanted<'_>,
    (rate, last): (f64, Position),
    unknown: Unknown,
    mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Kept, DatasetError> {
    let schema = history.schema();
    let speaker = wanted.producer.map(Speaker::new);
    let mut rehearsal = Rehearsal::new(schema, speaker, wanted.parts);
    let width = rehearsal.engine().features().len();
    let roles = schema.roles.len();
    let mut kept = Kept::new(
        width,
        (wanted.parts == SampleParts::Full).then_some(roles),
        rate,
    );
    let mut records = history.iter_from(Position(0))?;
    while let Some((position, record)) = records.next_record()?
        && position <= last
    {
        let mut found = None;
        if let Record::Event(event) = &record
            && wanted.range.holds(event.event_timestamp)
        {
            let (time, key) = (event.event_timestamp, event.event_id.key());
            let known = wanted.range.known_until;
            let stays = match wanted.labels.truth(position, time, known, schema) {
                Some(true) => true,
                Some(false) => keeps(key, rate),
                None => unknown == Unknown::Keep && keeps(key, rate),
            };
            found = stays.then_some(Who {
                position,
                time,
                key,
            });
        }
        let heard = rehearsal.apply(position, record, found.is_some());
        if let Some((who, sample)) = found.zip(heard.sample) {
            kept.push(who, sample);
        }
        if position.0.is_multiple_of(10_000) && progress(position.0, last.0).is_break() {
            return Err(DatasetError::Cancelled(position.0));
        }
    }
    Ok(kept)
}

/// What a range holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    pub frauds: usize,
    pub legitimate: usize,
    /// Neither fraud nor yet legitimate.
    pub unknown: u64,
    /// Where its last event lies: an older file imported after a newer one puts events of the range
    /// behind others.
    pub(crate) last: Position,
}

/// Counts what is known of a range's events; reads the log, runs no engine.
pub fn survey(history: &History, range: Range, labels: &Labels) -> Result<Survey, NodeError> {
    let mut survey = Survey::default();
    look(history, range, labels, |who, truth| {
        survey.last = who.position;
        survey.frauds += usize::from(truth == Some(true));
        survey.legitimate += usize::from(truth == Some(false));
        survey.unknown += u64::from(truth.is_none());
    })?;
    Ok(survey)
}

/// Times of a range's events of which something is known, and whether they are fraud, in order of time.
pub fn known(
    history: &History,
    range: Range,
    labels: &Labels,
) -> Result<Vec<(EventTime, bool)>, NodeError> {
    let mut known = Vec::new();
    look(history, range, labels, |who, truth| {
        known.extend(truth.map(|fraud| (who.time, fraud)));
    })?;
    known.sort_unstable();
    Ok(known)
}

pub(crate) fn look(
    history: &History,
    range: Range,
    labels: &Labels,
    mut each: impl FnMut(Who, Option<bool>),
) -> Result<(), NodeError> {
    let mut records = history.iter_from(Position(0))?;
    while let Some((position, record)) = records.next_record()? {
        let Record::Event(event) = record else {
            continue;
        };
        let time = event.event_timestamp;
        if range.holds(time) {
            let truth = labels.truth(position, time, range.known_until, history.schema());
            let key = event.event_id.key();
            let who = Who {
                position,
                time,
                key,
            };
            each(who, truth);
        }
    }
    Ok(())
}

impl Survey {
    /// Share of the legitimate events that may be kept beside all frauds.
    pub(crate) fn negative_rate(self, rows_max: usize) -> Result<f64, DatasetError> {
        if self.frauds > rows_max {
            return Err(DatasetError::TooManyFrauds(self.frauds, rows_max));
        }
        let room = (rows_max - self.frauds) as f64;
        Ok(if self.legitimate == 0 {
            1.0
        } else {
            (room / self.legitimate as f64).min(1.0)
        })
    }
}

/// Deterministic: the same event is kept or not in every run.
pub(crate) fn keeps(key: u64, rate: f64) -> bool {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
    (mixed as f64) < rate * (1_u64 << 53) as f64
}

impl Rows {
    pub fn len(&self) -> usize {
        self.fraud.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fraud.is_empty()
    }

    pub fn frauds(&self) -> usize {
        self.fraud.iter().filter(|fraud| **fraud).count()
    }

    /// Of these rows; `None`: all alike.
    pub fn weights_of(&self, rows: std::ops::Range<usize>) -> Option<&[f32]> {
        self.weights.as_ref().map(|weights| &weights[rows])
    }

    /// How many events a row stands for: those not kept, and those not let through.
    pub fn stands_for(&self, row: usize) -> f64 {
        let weight = self.weights.as_ref().map_or(1.0, |it| f64::from(it[row]));
        if self.fraud[row] {
            weight
        } else {
            weight / self.negative_rate
        }
    }

    /// How many rows of weight 1 tell as much (Kish 1965): the squared sum of the weights over the sum of
    /// their squares.
    pub fn effective(&self) -> f64 {
        let Some(weights) = &self.weights else {
            return self.len() as f64;
        };
        let sum: f64 = weights.iter().map(|it| f64::from(*it)).sum();
        let squares: f64 = weights.iter().map(|it| f64::from(*it).powi(2)).sum();
        sum * sum / squares
    }

    /// Rows `from..until` as values and labels.
    pub fn slice(&self, from: usize, until: usize) -> (&[f32], &[bool]) {
        (
            &self.values[from * self.width..until * self.width],
            &self.fraud[from..until],
        )
    }
}
