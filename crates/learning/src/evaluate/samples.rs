//! One replay of a tenant's log that keeps what every fold of a protocol needs.
//!
//! The samples are those of serving (invariant I3). Beside them: the whole tape of events in brief, for
//! population rules, and every label with the time at which it was recorded.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use compare::draws::Draws;
use event::record::{DecisionKind, Record, Verdict};
use event::schema::{Legitimate, Part};
use event::{Event, EventTime, EventTypeIx, Position, RoleIx, Schema};
use graph::FeatureList;
use graph::sample::SampleParts;
use node::NodeError;
use node::channel::Rehearsal;

use super::EvaluateError;
use super::channel::Channels;
use super::protocol::{Protocol, Window};
use super::source::Source;
use crate::neural::arrays::Arrays;

pub struct Samples {
    pub schema: Schema,
    pub features: FeatureList,
    /// Row-major, one row per entry of `rows`; empty before the replay.
    pub values: Vec<f32>,
    /// Sequence and neighbourhood of each row, where a rung reads them.
    pub arrays: Option<Arrays>,
    /// Index into `tape` of each row, ascending.
    pub rows: Vec<u32>,
    pub tape: Vec<Seen>,
    labels: Vec<Told>,
    /// What a bootstrap draws together, by index into `tape`; empty: subjects.
    blocks: Vec<u32>,
    /// Suspicion columns of the rows, by who produced them; see [`super::channel`].
    pub channels: Channels,
}

/// An event in brief.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    pub position: Position,
    pub time: EventTime,
    pub event_type: EventTypeIx,
    pub subject: u32,
    pub counterparty: u32,
    /// Minor units of the event's own currency; 0 without an amount.
    pub amount_minor: i64,
    /// Declined here: no label says nothing of it.
    pub declined: bool,
}

/// Steps of a share.
const FINE: usize = 1 << 32;

impl Seen {
    /// Whether a legitimate row is among the share that training reads: by what an alteration of ids,
    /// order or labels (`evaluate::audit`) leaves alone.
    pub fn is_drawn(&self, rate: f64) -> bool {
        let seed = self.time.millis() as u64 ^ (self.amount_minor as u64).rotate_left(32);
        let drawn = Draws::new(seed ^ u64::from(self.event_type.0)).below(FINE);
        (drawn as f64) < rate * FINE as f64
    }
}

/// A label as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    position: Position,
    at: EventTime,
    fraud: bool,
}

/// No entity in this role.
pub const NOBODY: u32 = u32::MAX;

impl Samples {
    /// Reads the log's events and labels, and which events lie in the windows; no feature yet.
    pub fn read(
        source: &Source<'_>,
        protocol: &Protocol,
        windows: &[Window],
    ) -> Result<Samples, EvaluateError> {
        let schema = source.schema().clone();
        let event_types = protocol.resolve(&schema)?;
        let (tape, labels) = read_tape(source)?;
        let frauds: HashSet<Position> = labels
            .iter()
            .filter(|told| told.fraud)
            .map(|told| told.position)
            .collect();
        // Training may read a label that was corrected later, so everything once called fraud stays.
        let read = |seen: &Seen| {
            seen.is_drawn(protocol.negative_rate)
                || frauds.contains(&seen.position)
                || protocol.folds().any(|it| it.test.holds(seen.time))
        };
        let wanted = |seen: &Seen| {
            event_types.contains(&seen.event_type)
                && windows.iter().any(|it| it.holds(seen.time))
                && read(seen)
        };
        let rows: Vec<u32> = (0..tape.len())
            .filter(|at| wanted(&tape[*at]))
            .map(|at| at as u32)
            .collect();
        if rows.is_empty() {
            return Err(EvaluateError::Empty);
        }
        Ok(Samples {
            features: FeatureList::new(&schema),
            values: Vec::new(),
            arrays: None,
            rows,
            tape,
            labels,
            blocks: Vec::new(),
            channels: Channels::new(),
            schema,
        })
    }

    /// Replays the log from its start up to the last row and keeps the rows' samples: whatever came
    /// before the first training window has warmed the state up. Nobody speaks: what the log holds of
    /// suspicion is left out.
    pub fn replay(
        &mut self,
        source: &Source<'_>,
        parts: SampleParts,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), EvaluateError> {
        let mut rehearsal = Rehearsal::new(&self.schema, None, parts);
        let roles = self.schema.roles.len();
        let mut arrays = (parts == SampleParts::Full).then(|| Arrays::new(roles));
        let mut wanted = self
            .rows
            .iter()
            .map(|row| self.tape[*row as usize].position);
        let mut next = wanted.next();
        let end = source.end().0;
        self.values
            .reserve_exact(self.rows.len() * self.features.len());
        let mut records = source.records()?;
        while let (Some(row), Some((position, record))) = (next, records.next_record()?) {
            let heard = rehearsal.apply(position, record, position == row);
            if let Some(sample) = heard.sample {
                self.values.extend_from_slice(&sample.tabular);
                if let Some(arrays) = &mut arrays {
                    arrays.push(sample);
                }
                next = wanted.next();
            }
            if position.0.is_multiple_of(10_000) && progress(position.0, end).is_break() {
                return Err(EvaluateError::Cancelled);
            }
        }
        self.arrays = arrays;
        Ok(())
    }

    pub fn width(&self) -> usize {
        self.features.len()
    }

    pub fn seen(&self, row: usize) -> &Seen {
        &self.tape[self.rows[row] as usize]
    }

    /// Ties rows of one group together for intervals. Groups never reach a feature or a label.
    pub fn set_blocks(&mut self, blocks: Vec<u32>) {
        debug_assert_eq!(blocks.len(), self.tape.len());
        self.blocks = blocks;
    }

    /// The ring of a row where it is known, else its subject.
    pub fn block(&self, row: usize) -> u32 {
        let at = self.rows[row] as usize;
        self.blocks
            .get(at)
            .copied()
            .unwrap_or(self.tape[at].subject)
    }

    /// Fraud, legitimate or not known, by the labels recorded until `known`.
    pub fn label(&self, seen: &Seen, known: EventTime) -> Option<bool> {
        let from = self
            .labels
            .partition_point(|it| it.position < seen.position);
        let told = self.labels[from..]
            .iter()
            .take_while(|it| it.position == seen.position && it.at <= known)
            .last();
        let policy = &self.schema.labels;
        match told {
            Some(told) => Some(told.fraud),
            None => (policy.legitimate == Legitimate::Presumed
                && !seen.declined
                && known.since(seen.time) >= policy.maturity)
                .then_some(false),
        }
    }

    /// What the whole log says of an event, for scoring only: the final label, and legitimate without
    /// one where silence means that.
    pub fn truth(&self, seen: &Seen) -> Option<bool> {
        self.label(seen, EventTime::END)
    }

    /// Rows inside a window, in the order of the log (late events may lie out of time order).
    pub fn rows_in(&self, window: Window) -> Vec<usize> {
        (0..self.rows.len())
            .filter(|row| window.holds(self.seen(*row).time))
            .collect()
    }
}

impl Window {
    pub fn holds(self, time: EventTime) -> bool {
        time >= self.from && time < self.until
    }
}

/// Events in brief and all labels, without running the engine.
fn read_tape(source: &Source<'_>) -> Result<(Vec<Seen>, Vec<Told>), NodeError> {
    let schema = source.schema();
    let subject = schema.part(Part::Subject).unwrap_or(RoleIx(0));
    let counterparty = schema.part(Part::Counterparty);
    let mut numbers: HashMap<(u8, String), u32> = HashMap::new();
    let mut number = |event: &Event, role: Option<RoleIx>| {
        let Some((role, id)) = role.and_then(|role| Some((role, event.entity(role)?))) else {
            return NOBODY;
        };
        let next = numbers.len() as u32;
        let kind = schema.roles[role.index()].kind.0;
        *numbers
            .entry((kind, id.as_str().to_owned()))
            .or_insert(next)
    };
    let (mut tape, mut labels): (Vec<Seen>, Vec<Told>) = (Vec::new(), Vec::new());
    let mut records = source.records()?;
    while let Some((position, record)) = records.next_record()? {
        match record {
            Record::Event(event) => tape.push(Seen {
                position,
                time: event.event_timestamp,
                event_type: event.event_type,
                subject: number(&event, Some(subject)),
                counterparty: number(&event, counterparty),
                amount_minor: event.amount.map_or(0, |money| money.minor),
                declined: false,
            }),
            Record::Label(label) => labels.push(Told {
                position: label.subject.position,
                at: label.received_at,
                fraud: label.verdict == Verdict::Fraud,
            }),
            Record::Decision(decision) if decision.verdict == DecisionKind::Decline => {
                let of_event = |seen: &Seen| seen.position.cmp(&decision.event_position);
                if let Ok(at) = tape.binary_search_by(of_event) {
                    tape[at].declined = true;
                }
            }
            _ => {}
        }
    }
    // Stable: labels of one event stay in the order of the log.
    labels.sort_by_key(|it| it.position);
    Ok((tape, labels))
}
