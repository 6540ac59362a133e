//! The judged events, replayed once and scored by both models: the samples of serving, the code of serving.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use drift::reference::SegmentKey;
use engine::Engine;
use event::record::ConfigSection;
use event::record::Record;
use event::schema::Part;
use event::{Event, EventTime, EventTypeIx, Position, RoleIx, Schema};
use graph::Sample;
use graph::sample::SampleParts;
use model::artifact::{Artifact, Thresholds};
use model::producer::Speaker;
use model::scorer::Scorer;
use node::champion::input;
use node::channel::Rehearsal;
use node::clock::cpu_time;
use node::{History, NodeError};
use thiserror::Error;

use super::too_good::ranked_alone;
use super::{Judged, Paper, Shuffled};
use crate::boost::average_precision;
use crate::dataset::{self, DatasetError, Labels, keeps};
use crate::reference;
use compare::draws::Draws;

/// What is judged, by whom.
#[derive(Clone, Copy)]
pub struct Exam<'a> {
    pub from: EventTime,
    /// Exclusive.
    pub until: EventTime,
    /// Rows at most: frauds all, the others by a hash of their id.
    pub rows_max: usize,
    /// Those of declined events are left out: random approvals stand for them.
    pub labels: &'a Labels,
    pub champion: &'a Artifact,
    pub candidate: &'a Artifact,
}

#[derive(Debug, Error)]
pub enum ExamError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(
        "the candidate's producer of suspicion is not the champion's: they do not see the same samples, and only models of one channel are compared"
    )]
    OtherProducer,
}

impl From<NodeError> for ExamError {
    fn from(error: NodeError) -> ExamError {
        ExamError::Dataset(error.into())
    }
}

/// Frauds and other rows that are scored again with a feature shuffled, and features that are: those that rank best
/// by themselves.
const AGAIN_FRAUDS: usize = 1_000;
const AGAIN_OTHERS: usize = 3_000;
const AGAIN_FEATURES: usize = 8;
const SEED: u64 = 0x5f17;

pub fn sit(
    history: &History,
    exam: Exam<'_>,
    mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Judged, ExamError> {
    if exam.champion.producer_identity() != exam.candidate.producer_identity() {
        return Err(ExamError::OtherProducer);
    }
    let labels = exam.labels.of_passed();
    let exam = Exam {
        labels: &labels,
        ..exam
    };
    let range = dataset::Range {
        from: exam.from,
        until: exam.until,
        known_until: exam.labels.last,
        rows_max: exam.rows_max,
    };
    let found = dataset::survey(history, range, exam.labels)?;
    let rate = found.negative_rate(exam.rows_max)?;
    let again = (AGAIN_OTHERS as f64 / found.legitimate.max(1) as f64).min(rate);
    let mut room = Room::new(history.schema(), exam, rate);
    let parts = match room.reads_arrays() {
        true => SampleParts::Full,
        false => SampleParts::Tabular,
    };
    let speaker = exam.champion.producer.as_ref().map(Speaker::new);
    let mut rehearsal = Rehearsal::new(history.schema(), speaker, parts);
    let features = rehearsal.engine().features().clone();
    room.judged.features = features.names();
    let (_, _, by) = reference::columns(history.schema(), &features);
    // Past the last row too: the champion's thresholds, which are those in force, may have come behind it.
    let end = history.end();
    let mut records = history.iter_from(Position(0))?;
    while let Some((position, record)) = records.next_record()? {
        let seat = match &record {
            Record::Event(event) if range.holds(event.event_timestamp) => {
                room.admit(event, position, range.known_until, history.schema(), again)
            }
            _ => None,
        };
        let heard = rehearsal.apply(position, record, seat.is_some());
        if let Some((seat, sample)) = seat.zip(heard.sample) {
            room.score(seat, sample, by.key(&sample.tabular));
        }
        if position.0.is_multiple_of(10_000) && progress(position.0, end.0).is_break() {
            return Err(DatasetError::Cancelled(position.0).into());
        }
    }
    let engine = rehearsal.engine();
    room.judged.segment_names = room
        .segments
        .iter()
        .map(|key| reference::segment_name(engine, *key))
        .collect();
    Ok(room.finish(policy_of(engine)))
}

/// The thresholds in force where the replay ended; `None` where no policy was ever set.
fn policy_of(engine: &Engine) -> Option<BTreeMap<String, Thresholds>> {
    if engine.body_of(ConfigSection::Policy).is_empty() {
        return None;
    }
    let types = engine.graph().schema().event_types.iter().enumerate();
    let of_type = types.map(|(at, it)| {
        let found = engine.policy().thresholds(EventTypeIx(at as u8));
        let thresholds = Thresholds {
            challenge: found.challenge,
            review: found.review,
            decline: found.decline,
        };
        (it.name.clone(), thresholds)
    });
    Some(of_type.collect())
}

/// The row that an event becomes.
struct Seat {
    fraud: bool,
    weight: f64,
    block: u32,
    event_type: u8,
    /// Scored again at the end.
    again: bool,
}

struct Room<'a> {
    exam: Exam<'a>,
    rate: f64,
    judged: Judged,
    /// Row-major features of the judged rows.
    values: Vec<f32>,
    champion: Desk,
    candidate: Desk,
    /// As `Judged::segments` numbers them.
    segments: Vec<SegmentKey>,
    subject: RoleIx,
    accounts: HashMap<String, u32>,
    blocks: u32,
    again: Vec<(Sample, bool)>,
    again_frauds: usize,
}

/// A model at its work.
struct Desk {
    scorer: Scorer,
    log_odds: Vec<f64>,
    times: Vec<Duration>,
    network_failed: u64,
}

impl Room<'_> {
    fn new<'a>(schema: &Schema, exam: Exam<'a>, rate: f64) -> Room<'a> {
        let names = schema.event_types.iter().map(|it| it.name.clone());
        Room {
            exam,
            rate,
            judged: Judged {
                event_type_names: names.collect(),
                ..Judged::default()
            },
            values: Vec::new(),
            champion: Desk::new(exam.champion),
            candidate: Desk::new(exam.candidate),
            segments: Vec::new(),
            subject: schema.part(Part::Subject).unwrap_or(RoleIx(0)),
            accounts: HashMap::new(),
            blocks: 0,
            again: Vec::new(),
            again_frauds: 0,
        }
    }

    fn reads_arrays(&self) -> bool {
        self.champion.scorer.reads_arrays() || self.candidate.scorer.reads_arrays()
    }

    /// `None`: nothing is known of the event, or it is not among those drawn.
    fn admit(
        &mut self,
        event: &Event,
        position: Position,
        known_until: EventTime,
        schema: &Schema,
        again: f64,
    ) -> Option<Seat> {
        let labels = self.exam.labels;
        let fraud = labels.truth(position, event.event_timestamp, known_until, schema)?;
        let key = event.event_id.key();
        if !fraud && !keeps(key, self.rate) {
            return None;
        }
        let weight = f64::from(labels.weight(position));
        let again = match fraud {
            true => self.again_frauds < AGAIN_FRAUDS,
            false => keeps(key, again),
        };
        self.again_frauds += usize::from(fraud && again);
        Some(Seat {
            fraud,
            weight: if fraud { weight } else { weight / self.rate },
            block: self.block(event),
            event_type: event.event_type.0,
            again,
        })
    }

    /// Events of one account stand or fall together; one without an account stands alone.
    fn block(&mut self, event: &Event) -> u32 {
        let fresh = self.blocks;
        let block = match event.entity(self.subject) {
            Some(id) => *self.accounts.entry(id.as_str().to_owned()).or_insert(fresh),
            None => fresh,
        };
        self.blocks += u32::from(block == fresh);
        block
    }

    fn segment(&mut self, key: SegmentKey) -> u16 {
        let held = self.segments.iter().position(|it| *it == key);
        let at = held.unwrap_or_else(|| {
            self.segments.push(key);
            self.segments.len() - 1
        });
        at as u16
    }

    fn score(&mut self, seat: Seat, sample: &Sample, key: SegmentKey) {
        let segment = self.segment(key);
        let judged = &mut self.judged;
        judged.fraud.push(seat.fraud);
        judged.weights.push(seat.weight);
        judged.blocks.push(seat.block);
        judged.event_types.push(seat.event_type);
        judged.segments.push(segment);
        self.values.extend_from_slice(&sample.tabular);
        // The second finds the sample in the cache: they take turns at being it.
        match judged.fraud.len().is_multiple_of(2) {
            true => {
                self.champion.take(sample);
                self.candidate.take(sample);
            }
            false => {
                self.candidate.take(sample);
                self.champion.take(sample);
            }
        }
        if seat.again {
            self.again.push((sample.clone(), seat.fraud));
        }
    }

    fn finish(mut self, policy: Option<BTreeMap<String, Thresholds>>) -> Judged {
        let width = self.judged.features.len();
        let judged = &mut self.judged;
        judged.alone = ranked_alone(&self.values, width, &judged.fraud, &judged.weights);
        self.values = Vec::new();
        let best = self.judged.alone.iter().take(AGAIN_FEATURES);
        for feature in best.map(|it| it.0).collect::<Vec<_>>() {
            self.shuffle(feature);
        }
        self.judged.champion = self.champion.into_paper(self.exam.champion);
        if let Some(policy) = policy {
            self.judged.champion.thresholds = policy;
        }
        self.judged.candidate = self.candidate.into_paper(self.exam.candidate);
        self.judged
    }

    /// What both lose when the values of one feature go to other rows.
    fn shuffle(&mut self, feature: usize) {
        let fraud: Vec<bool> = self.again.iter().map(|(_, fraud)| *fraud).collect();
        let mut ap = |rows: &[(Sample, bool)]| {
            let of = |desk: &mut Desk| {
                let scores: Vec<f64> = rows
                    .iter()
                    .map(|(sample, _)| desk.scorer.score(&input(sample)).log_odds)
                    .collect();
                average_precision(&scores, &fraud, None)
            };
            (of(&mut self.champion), of(&mut self.candidate))
        };
        let before = ap(&self.again);
        let own: Vec<f32> = self
            .again
            .iter()
            .map(|(sample, _)| sample.tabular[feature])
            .collect();
        let mut dealt = own.clone();
        Draws::new(SEED).shuffle(&mut dealt);
        let put = |rows: &mut [(Sample, bool)], values: &[f32]| {
            for ((sample, _), value) in rows.iter_mut().zip(values) {
                sample.tabular[feature] = *value;
            }
        };
        put(&mut self.again, &dealt);
        let after = ap(&self.again);
        put(&mut self.again, &own);
        let lost = |before: f64, after: f64| match before > 0.0 {
            true => (1.0 - after / before).max(0.0),
            false => 0.0,
        };
        self.judged.shuffled.push(Shuffled {
            feature,
            champion: lost(before.0, after.0),
            candidate: lost(before.1, after.1),
        });
    }
}

impl Desk {
    fn new(artifact: &Artifact) -> Desk {
        Desk {
            scorer: Scorer::new(artifact),
            log_odds: Vec::new(),
            times: Vec::new(),
            network_failed: 0,
        }
    }

    fn take(&mut self, sample: &Sample) {
        let started = cpu_time();
        let scored = self.scorer.score(&input(sample));
        self.times.push(cpu_time().saturating_sub(started));
        self.log_odds.push(scored.log_odds);
        self.network_failed += u64::from(scored.network_failed);
    }

    fn into_paper(mut self, artifact: &Artifact) -> Paper {
        self.times.sort_unstable();
        // What so many of a hundred stay below.
        let below = |hundredths: usize| {
            let found = self.times.get(self.times.len() * hundredths / 100);
            found.map_or(0.0, |it| it.as_secs_f64() * 1e6)
        };
        let (score_us, score_us_p99) = (below(50), below(99));
        Paper {
            kind: artifact.kind().to_owned(),
            log_odds: self.log_odds,
            thresholds: artifact.header.thresholds.clone(),
            score_us,
            score_us_p99,
            network_failed: self.network_failed,
        }
    }
}
