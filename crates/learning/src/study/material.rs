//! One replay of a world: samples that every arm shares, what was known when, and what was true.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use drift::Column;
use drift::reference::SegmentBy;
use event::record::{OutcomeKind, Record, Verdict};
use event::{EventTime, Position, Span};
use graph::sample::SampleParts;
use node::channel::Rehearsal;
use node::{History, Place};

use super::{Design, StudyError};
use crate::oracle::Oracle;
use crate::reference;
use compare::draws::Draws;

pub const DAY: Span = Span::days(1);

pub struct Material {
    pub width: usize,
    /// Row-major.
    pub values: Vec<f32>,
    /// In the order of the log, which is that of time.
    pub rows: Vec<Seen>,
    /// Events of each day of the world, kept or not.
    pub events: Vec<u32>,
    /// Midnight before the first event.
    pub begin: EventTime,
    pub(super) ground: Ground,
    told: BTreeMap<Position, Vec<Told>>,
}

/// What the watch for drift must know of the features.
#[derive(Debug)]
pub(super) struct Ground {
    pub columns: Vec<Column>,
    pub sources: Vec<String>,
    pub by: SegmentBy,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    pub position: Position,
    pub time: EventTime,
    /// Of the world.
    pub day: u32,
    pub fraud: bool,
    /// Minor units that moved; 0 where nothing did.
    pub moved: f64,
    /// In the share that stands for all events; frauds and labelled events are kept beside it.
    pub drawn: bool,
}

/// A label, as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    at: EventTime,
    fraud: bool,
}

impl Material {
    pub fn collect(
        place: &Place,
        oracle: &Oracle,
        design: &Design,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Material, StudyError> {
        let history = History::open(place)?;
        let brief = Brief::read(&history)?;
        let mut rehearsal = Rehearsal::new(history.schema(), None, SampleParts::Tabular);
        let features = rehearsal.engine().features();
        let (columns, sources, by) = reference::columns(history.schema(), features);
        let mut material = Material {
            width: features.len(),
            ground: Ground {
                columns,
                sources,
                by,
            },
            values: Vec::new(),
            rows: Vec::new(),
            events: brief.events,
            begin: brief.begin,
            told: brief.told,
        };
        let got = material.events.len() as u32;
        if got < design.world_days() {
            let wanted = design.world_days();
            return Err(StudyError::TooShort { wanted, got });
        }
        let end = history.end().0;
        let mut records = history.iter_from(Position(0))?;
        while let Some((position, record)) = records.next_record()? {
            let mut seen = None;
            if let Record::Event(event) = &record {
                let time = event.event_timestamp;
                let day = material.day_of(time);
                let fraud = oracle.is_fraud(event.event_id.as_str());
                let drawn = is_drawn(position, design.kept);
                let kept = drawn || fraud || material.told.contains_key(&position);
                let amount = event.amount.map_or(0.0, |it| it.minor as f64);
                let stopped = brief.stopped.contains(&position);
                seen = (kept && day >= design.sampled_from()).then_some(Seen {
                    position,
                    time,
                    day,
                    fraud,
                    moved: if stopped { 0.0 } else { amount },
                    drawn,
                });
            }
            let heard = rehearsal.apply(position, record, seen.is_some());
            if let Some((seen, sample)) = seen.zip(heard.sample) {
                material.rows.push(seen);
                material.values.extend_from_slice(&sample.tabular);
            }
            if position.0.is_multiple_of(10_000) && progress(position.0, end).is_break() {
                return Err(StudyError::Cancelled);
            }
        }
        Ok(material)
    }

    fn day_of(&self, time: EventTime) -> u32 {
        time.since(self.begin).millis().div_euclid(DAY.millis()) as u32
    }

    /// Midnight before a day of the world.
    pub fn midnight(&self, day: u32) -> EventTime {
        self.begin.plus(Span::days(i64::from(day)))
    }

    pub fn sample(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// Rows of the days `from..until` of the world.
    pub fn of_days(&self, from: u32, until: u32) -> std::ops::Range<usize> {
        let at = |day: u32| self.rows.partition_point(|row| row.day < day);
        at(from)..at(until)
    }

    /// Whether the label recorded last by `at` says fraud; no label says it is not.
    pub fn told_fraud(&self, row: usize, at: EventTime) -> bool {
        let told = self.told.get(&self.rows[row].position);
        let last = told.and_then(|told| told.iter().rev().find(|it| it.at <= at));
        last.is_some_and(|it| it.fraud)
    }
}

/// By the place in the log: what an event is has no part in it.
fn is_drawn(position: Position, share: f64) -> bool {
    const FINE: usize = 1 << 32;
    (Draws::new(position.0).below(FINE) as f64) < share * FINE as f64
}

/// What is read before the replay: which events are labelled later.
struct Brief {
    begin: EventTime,
    events: Vec<u32>,
    told: BTreeMap<Position, Vec<Told>>,
    stopped: BTreeSet<Position>,
}

impl Brief {
    fn read(history: &History) -> Result<Brief, StudyError> {
        let mut brief = Brief {
            begin: EventTime::MIN,
            events: Vec::new(),
            told: BTreeMap::new(),
            stopped: BTreeSet::new(),
        };
        let mut records = history.iter_from(Position(0))?;
        while let Some((_, record)) = records.next_record()? {
            match record {
                Record::Event(event) => brief.count(event.event_timestamp),
                Record::Label(label) => {
                    let told = brief.told.entry(label.subject.position).or_default();
                    told.push(Told {
                        at: label.received_at,
                        fraud: label.verdict == Verdict::Fraud,
                    });
                }
                Record::Outcome(outcome) => {
                    use OutcomeKind::{ChallengeFailed, Declined, Failed};
                    if matches!(outcome.kind, ChallengeFailed | Declined | Failed) {
                        brief.stopped.insert(outcome.subject.position);
                    }
                }
                _ => {}
            }
        }
        Ok(brief)
    }

    fn count(&mut self, time: EventTime) {
        if self.events.is_empty() {
            let day = time.millis().div_euclid(DAY.millis());
            self.begin = EventTime::from_millis(day * DAY.millis());
        }
        let day = time.since(self.begin).millis().div_euclid(DAY.millis()) as usize;
        if self.events.len() <= day {
            self.events.resize(day + 1, 0);
        }
        self.events[day] += 1;
    }
}

#[cfg(test)]
impl Material {
    /// A world of one feature, for tests: rows as they are, labels by position.
    pub(crate) fn made(
        rows: Vec<Seen>,
        values: Vec<f32>,
        events: Vec<u32>,
        told: &[(u64, i64, bool)],
    ) -> Material {
        let mut labels: BTreeMap<Position, Vec<Told>> = BTreeMap::new();
        for (position, day, fraud) in told {
            labels.entry(Position(*position)).or_default().push(Told {
                at: EventTime::MIN.plus(Span::days(*day)),
                fraud: *fraud,
            });
        }
        Material {
            width: values.len() / rows.len(),
            values,
            rows,
            events,
            begin: EventTime::MIN,
            ground: Ground {
                columns: Vec::new(),
                sources: Vec::new(),
                by: SegmentBy {
                    event_type: 0,
                    channel: None,
                },
            },
            told: labels,
        }
    }
}
