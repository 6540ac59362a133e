//! The history as it is: its folds, its scores, and how an altered history is held against them.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use event::{EventTime, Position, Span};

use super::compare::Compared;
use super::finding::{AuditReport, Finding, Verdict};
use super::learner::Learner;
use super::{Channeling, Subject, folds};
use crate::boost::average_precision;
use crate::evaluate::bootstrap::Run;
use crate::evaluate::channel::{Channel, Making};
use crate::evaluate::folds::{Division, FRAUDS_MIN, Part, Stages, divide, divide_all};
use crate::evaluate::ladder::LabelAccess;
use crate::evaluate::measure::ScoredRows;
use crate::evaluate::protocol::{Fold, Protocol};
use crate::evaluate::samples::Samples;
use crate::evaluate::source::{Source, Stream};
use crate::evaluate::{EvaluateError, Extent, handbook};

pub struct Scorer<'a> {
    protocol: &'a Protocol,
    channeling: &'a Channeling,
    /// What the rung's producer sees; `None`: the rung reads no suspicion.
    hears: Option<LabelAccess>,
    folds: &'a [Fold],
    extent: Extent,
    learner: Learner,
    samples: Samples,
    /// Of the Handbook's own features, where the protocol measures them too.
    handbook: Vec<f32>,
    divisions: Vec<Division>,
    /// Of each fold, where the rung reads one.
    channels: Vec<Option<Channel>>,
    run: Run,
}

impl<'a> Scorer<'a> {
    pub fn new(
        subject: &Subject<'a>,
        samples: Samples,
        mut fitted: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Scorer<'a>, EvaluateError> {
        let protocol = subject.protocol;
        let learner = Learner::new(&subject.rung.model, protocol, &samples);
        let mut scorer = Scorer {
            protocol,
            channeling: subject.channeling,
            hears: subject
                .rung
                .model
                .channel()
                .filter(|_| protocol.producer.is_some()),
            folds: folds(subject),
            extent: subject.extent,
            learner,
            handbook: handbook_of(protocol, &samples),
            divisions: Vec::new(),
            channels: Vec::new(),
            run: Run::new(),
            samples,
        };
        scorer.divisions = divide_all(&scorer.samples, protocol, scorer.set(), scorer.folds)?;
        for (fold, division) in scorer.divisions.iter().enumerate() {
            let (rows, channel) = scorer.fit(
                &scorer.samples,
                subject.stream,
                &scorer.folds[fold],
                division,
            )?;
            scorer.run.push(rows);
            scorer.channels.push(channel);
            if fitted(fold).is_break() {
                return Err(EvaluateError::Cancelled);
            }
        }
        Ok(scorer)
    }

    pub fn set(&self) -> &'static str {
        match self.extent {
            Extent::Validation => "validation",
            Extent::Test => "test",
        }
    }

    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Trains on a division of these samples and scores its test; also what its producer said.
    pub fn fit(
        &self,
        samples: &Samples,
        stream: &Stream,
        fold: &Fold,
        division: &Division,
    ) -> Result<(ScoredRows, Option<Channel>), EvaluateError> {
        let stages = self.stages(division);
        let channel = self.channel(samples, stream, fold, stages.map(|it| &it.producer))?;
        let train = stages.map_or(&division.train, |it| &it.consumer);
        let scores = self.scores(samples, channel.as_ref(), train, &division.test)?;
        let rows = &division.test.rows;
        let scored = ScoredRows {
            scores,
            fraud: division.test.fraud.clone(),
            times: rows.iter().map(|row| samples.seen(*row).time).collect(),
            subjects: rows.iter().map(|row| samples.seen(*row).subject).collect(),
            blocks: rows.iter().map(|row| samples.block(*row)).collect(),
            ..ScoredRows::default()
        };
        Ok((scored, channel))
    }

    /// The two training parts, where the rung reads suspicion.
    fn stages<'d>(&self, division: &'d Division) -> Option<&'d Stages> {
        division.staged.as_ref().filter(|_| self.hears.is_some())
    }

    fn channel(
        &self,
        samples: &Samples,
        stream: &Stream,
        fold: &Fold,
        producer: Option<&Part>,
    ) -> Result<Option<Channel>, EvaluateError> {
        let Some((labels, part)) = self.hears.zip(producer) else {
            return Ok(None);
        };
        let making = Making {
            samples,
            source: &Source::Memory(stream),
            protocol: self.protocol,
            fold,
            labels,
            seed: self.protocol.seeds[0],
        };
        (self.channeling)(&making, part).map(Some)
    }

    fn scores(
        &self,
        samples: &Samples,
        channel: Option<&Channel>,
        train: &Part,
        test: &Part,
    ) -> Result<Vec<f64>, EvaluateError> {
        self.learner.scores(samples, channel, train, test)
    }

    pub fn mean_ap(&self, run: &Run) -> f64 {
        let counted = run.iter().filter(|fold| {
            let frauds = fold.fraud.iter().filter(|fraud| **fraud).count();
            frauds >= self.protocol.fold_frauds_min
        });
        let aps: Vec<f64> = counted
            .map(|fold| average_precision(&fold.scores, &fold.fraud, None))
            .collect();
        aps.iter().sum::<f64>() / aps.len().max(1) as f64
    }

    /// A fold's rows with other scores.
    pub fn with_scores(&self, fold: usize, scores: &[f64]) -> ScoredRows {
        ScoredRows {
            scores: scores.to_vec(),
            ..self.run[fold].clone()
        }
    }

    /// The record in the middle of a fold's test rows; `None` when they all are of one instant.
    pub fn middle(&self, fold: usize) -> Option<Position> {
        let rows = &self.divisions[fold].test.rows;
        let middle = self.samples.seen(*rows.get(rows.len() / 2)?);
        let first = self.samples.seen(*rows.first()?);
        (first.position < middle.position).then_some(middle.position)
    }

    /// Just after the event at `position`.
    pub fn time_after(&self, position: Position) -> EventTime {
        let at = self
            .samples
            .tape
            .partition_point(|seen| seen.position < position);
        let time = self.samples.tape[at].time;
        time.plus(Span::from_millis(1))
    }

    /// Rows of an altered history by the position of their event in the tenant's log.
    fn rows_of(samples: &Samples, stream: &Stream) -> HashMap<Position, usize> {
        (0..samples.rows.len())
            .map(|row| (stream.origin(samples.seen(row).position), row))
            .collect()
    }

    /// A part of the history as it is, as rows of an altered one; `None` where a row is not there.
    fn follow(&self, part: &Part, rows: &HashMap<Position, usize>) -> Option<Part> {
        let row = |row: &usize| rows.get(&self.samples.seen(*row).position).copied();
        Some(Part {
            rows: part.rows.iter().map(row).collect::<Option<Vec<usize>>>()?,
            fraud: part.fraud.clone(),
        })
    }

    /// Features, training labels and scores of one fold, for the events before `end`.
    pub fn compare(
        &self,
        samples: &Samples,
        stream: &Stream,
        fold: usize,
        end: Position,
    ) -> Result<Compared, EvaluateError> {
        let rows = Self::rows_of(samples, stream);
        let base = &self.divisions[fold];
        let mut compared = Compared {
            labels_changed: self.labels_changed(samples, stream, fold),
            ..Compared::default()
        };
        let mut test = Part::default();
        let mut before = Vec::new();
        for (at, row) in base.test.rows.iter().enumerate() {
            if self.samples.seen(*row).position < end {
                test.rows.push(*row);
                test.fraud.push(base.test.fraud[at]);
                before.push(self.run[fold].scores[at]);
            }
        }
        let stages = self.stages(base);
        let train = stages.map_or(&base.train, |it| &it.consumer);
        // Without a producer its part is empty, and every row of it is there.
        let none = Part::default();
        let producer = stages.map_or(&none, |it| &it.producer);
        let follow = |part| self.follow(part, &rows);
        let (Some(train_now), Some(test_now), Some(producer_now)) =
            (follow(train), follow(&test), follow(producer))
        else {
            // An event that was there has no sample any more: everything about it differs.
            compared.rows = train.rows.len() + test.rows.len();
            compared.rows_changed = compared.rows;
            compared.scores_changed = before.len();
            compared.scores = before;
            return Ok(compared);
        };
        let given = stages.map(|_| &producer_now);
        let now = Now {
            samples,
            handbook: handbook_of(self.protocol, samples),
            channel: self.channel(samples, stream, &self.folds[fold], given)?,
        };
        for (old, new) in [
            (producer, &producer_now),
            (train, &train_now),
            (&test, &test_now),
        ] {
            self.compare_rows(&now, fold, old, new, &mut compared);
        }
        compared.scores = self.scores(samples, now.channel.as_ref(), &train_now, &test_now)?;
        let changed = before.iter().zip(&compared.scores);
        compared.scores_changed = changed.filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        Ok(compared)
    }

    fn compare_rows(
        &self,
        now: &Now<'_>,
        fold: usize,
        old: &Part,
        new: &Part,
        compared: &mut Compared,
    ) {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let width = self.samples.width();
        let bits = |held: &[f32], width: usize, row: usize| -> Vec<u32> {
            let row = held.get(row * width..(row + 1) * width).unwrap_or_default();
            row.iter().map(|value| value.to_bits()).collect()
        };
        let all = |samples: &Samples, handbook: &[f32], channel: Option<&Channel>, row| {
            let mut all = bits(&samples.values, width, row);
            for (at, value) in all.iter_mut().enumerate() {
                let said = channel.and_then(|it| it.value(row, at));
                *value = said.map_or(*value, f32::to_bits);
            }
            all.extend(bits(handbook, handbook::WIDTH, row));
            if let Some(arrays) = &samples.arrays {
                all.extend(arrays.bits(row));
            }
            all
        };
        let channel = self.channels[fold].as_ref();
        for (old, new) in old.rows.iter().zip(&new.rows) {
            let before = all(&self.samples, &self.handbook, channel, *old);
            let after = all(now.samples, &now.handbook, now.channel.as_ref(), *new);
            compared.rows += 1;
            compared.rows_changed += usize::from(before != after);
            for (column, _) in before
                .iter()
                .zip(&after)
                .enumerate()
                .filter(|(_, (a, b))| a != b)
            {
                *counts.entry(column).or_default() += 1;
            }
        }
        let features = self.samples.features.features();
        let handbook = match self.handbook.is_empty() {
            true => 0,
            false => handbook::WIDTH,
        };
        for (column, rows) in counts {
            let name = match features.get(column) {
                Some(feature) => feature.name.clone(),
                None if column - width < handbook => {
                    format!("handbook feature {}", column - width)
                }
                None => "sequence or neighbourhood".to_owned(),
            };
            *compared.features_changed.entry(name).or_default() += rows;
        }
    }

    /// Rows whose training label differs, or that one of the two does not train on.
    fn labels_changed(&self, samples: &Samples, stream: &Stream, fold: usize) -> usize {
        let now = divide(samples, self.protocol, &self.folds[fold]).train;
        let before = &self.divisions[fold].train;
        let held: HashMap<Position, bool> = before
            .rows
            .iter()
            .map(|row| self.samples.seen(*row).position)
            .zip(before.fraud.iter().copied())
            .collect();
        let same = now
            .rows
            .iter()
            .zip(&now.fraud)
            .filter(|(row, fraud)| {
                let origin = stream.origin(samples.seen(**row).position);
                held.get(&origin) == Some(*fraud)
            })
            .count();
        held.len() + now.rows.len() - 2 * same
    }

    /// The test rows scored by models of the altered history's own training rows, those of the given
    /// folds; `None` when too few labels are left.
    pub fn rescored(
        &self,
        samples: &Samples,
        stream: &Stream,
        folds: &[Fold],
    ) -> Result<Option<Run>, EvaluateError> {
        let rows = Self::rows_of(samples, stream);
        let mut run = Run::new();
        for (fold, it) in folds.iter().enumerate() {
            let division = divide(samples, self.protocol, it);
            let stages = self.stages(&division);
            let train = stages.map_or(&division.train, |it| &it.consumer);
            let parts = [Some(train), stages.map(|it| &it.producer)];
            let too_few = |it: &Part| it.frauds() < FRAUDS_MIN || it.frauds() == it.rows.len();
            if parts.into_iter().flatten().any(too_few) {
                return Ok(None);
            }
            let Some(test) = self.follow(&self.divisions[fold].test, &rows) else {
                return Ok(None);
            };
            let channel = self.channel(samples, stream, it, stages.map(|it| &it.producer))?;
            let scores = self.scores(samples, channel.as_ref(), train, &test)?;
            run.push(self.with_scores(fold, &scores));
        }
        Ok(Some(run))
    }

    pub fn report(&self, subject: &Subject<'_>, findings: Vec<Finding>) -> AuditReport {
        let least = self.protocol.fold_frauds_min;
        let (mut rows, mut frauds) = (0, 0);
        for fold in &self.run {
            let here = fold.fraud.iter().filter(|fraud| **fraud).count();
            if here >= least {
                rows += fold.fraud.len();
                frauds += here;
            }
        }
        AuditReport {
            protocol: self.protocol.name.clone(),
            schema_hash: subject.stream.schema().hash().hex(),
            folds: self.set(),
            rung: match self.hears {
                Some(_) => format!("{}, producer in the loop", subject.rung.name),
                None => subject.rung.name.clone(),
            },
            features: self.learner.features(),
            rounds: self.learner.rounds(),
            seed: self.protocol.seeds[0],
            prevalence: frauds as f64 / rows.max(1) as f64,
            ap: self.mean_ap(&self.run),
            clean: findings.iter().all(|it| it.verdict != Verdict::Leak),
            findings,
        }
    }
}

/// An altered history as it is held against the one that is.
struct Now<'a> {
    samples: &'a Samples,
    handbook: Vec<f32>,
    channel: Option<Channel>,
}

fn handbook_of(protocol: &Protocol, samples: &Samples) -> Vec<f32> {
    if protocol.handbook_features {
        handbook::features(samples)
    } else {
        Vec::new()
    }
}
