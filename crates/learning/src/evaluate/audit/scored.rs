//! The history as it is: its folds, its scores, and how an altered history is held against them.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use event::{EventTime, Position, Span};

use super::compare::Compared;
use super::finding::{AuditReport, Finding, Verdict};
use super::{Subject, folds};
use crate::boost::average_precision;
use crate::evaluate::bootstrap::Run;
use crate::evaluate::folds::{Division, FRAUDS_MIN, Part, divide, divide_all};
use crate::evaluate::learner::{self, Table};
use crate::evaluate::measure::ScoredRows;
use crate::evaluate::protocol::{Candidate, Fold, Protocol};
use crate::evaluate::samples::Samples;
use crate::evaluate::source::Stream;
use crate::evaluate::{EvaluateError, Extent, handbook};

pub struct Scorer<'a> {
    protocol: &'a Protocol,
    folds: &'a [Fold],
    extent: Extent,
    columns: Vec<usize>,
    candidate: Candidate,
    samples: Samples,
    /// Of the Handbook's own features, where the protocol measures them too.
    handbook: Vec<f32>,
    divisions: Vec<Division>,
    run: Run,
}

impl<'a> Scorer<'a> {
    pub fn new(
        subject: &Subject<'a>,
        samples: Samples,
        mut fitted: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Scorer<'a>, EvaluateError> {
        let protocol = subject.protocol;
        let mut candidate = protocol.candidates[0].clone();
        candidate.rounds = candidate.rounds.split_off(candidate.rounds.len() - 1);
        let groups = match subject.rung.model.groups() {
            Some(groups) => groups.to_vec(),
            None => graph::FeatureGroup::ALL.to_vec(),
        };
        let features = samples.features.features();
        let columns = (0..features.len())
            .filter(|at| groups.contains(&features[*at].group))
            .collect();
        let mut scorer = Scorer {
            protocol,
            folds: folds(subject),
            extent: subject.extent,
            columns,
            candidate,
            handbook: handbook_of(protocol, &samples),
            divisions: Vec::new(),
            run: Run::new(),
            samples,
        };
        scorer.divisions = divide_all(&scorer.samples, protocol, scorer.set(), scorer.folds)?;
        for (fold, division) in scorer.divisions.iter().enumerate() {
            let rows = scorer.fit(&scorer.samples, division)?;
            scorer.run.push(rows);
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

    /// Trains on a division of these samples and scores its test.
    pub fn fit(&self, samples: &Samples, division: &Division) -> Result<ScoredRows, EvaluateError> {
        let scores = self.scores(samples, &division.train, &division.test)?;
        let rows = &division.test.rows;
        Ok(ScoredRows {
            scores,
            fraud: division.test.fraud.clone(),
            times: rows.iter().map(|row| samples.seen(*row).time).collect(),
            subjects: rows.iter().map(|row| samples.seen(*row).subject).collect(),
            blocks: rows.iter().map(|row| samples.block(*row)).collect(),
            ..ScoredRows::default()
        })
    }

    fn scores(
        &self,
        samples: &Samples,
        train: &Part,
        test: &Part,
    ) -> Result<Vec<f64>, EvaluateError> {
        let table = Table::new(&samples.values, samples.width(), self.columns.clone());
        let seed = self.protocol.seeds[0];
        let done = learner::boosted(samples, &table, &self.candidate, seed, train, test)?;
        Ok(done.scores.into_iter().next().unwrap_or_default())
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
        let followed = self
            .follow(&base.train, &rows)
            .zip(self.follow(&test, &rows));
        let Some((train_now, test_now)) = followed else {
            // An event that was there has no sample any more: everything about it differs.
            compared.rows = base.train.rows.len() + test.rows.len();
            compared.rows_changed = compared.rows;
            compared.scores_changed = before.len();
            compared.scores = before;
            return Ok(compared);
        };
        let handbook = handbook_of(self.protocol, samples);
        for (old, new) in [(&base.train, &train_now), (&test, &test_now)] {
            self.compare_rows(samples, &handbook, old, new, &mut compared);
        }
        compared.scores = self.scores(samples, &train_now, &test_now)?;
        let changed = before.iter().zip(&compared.scores);
        compared.scores_changed = changed.filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        Ok(compared)
    }

    fn compare_rows(
        &self,
        samples: &Samples,
        handbook: &[f32],
        old: &Part,
        new: &Part,
        compared: &mut Compared,
    ) {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let width = samples.width();
        let values = |held: &[f32], width: usize, row: usize| -> Vec<u32> {
            let row = held.get(row * width..(row + 1) * width).unwrap_or_default();
            row.iter().map(|value| value.to_bits()).collect()
        };
        for (old, new) in old.rows.iter().zip(&new.rows) {
            let mut before = values(&self.samples.values, width, *old);
            before.extend(values(&self.handbook, handbook::WIDTH, *old));
            let mut after = values(&samples.values, width, *new);
            after.extend(values(handbook, handbook::WIDTH, *new));
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
        let features = samples.features.features();
        for (column, rows) in counts {
            let name = match features.get(column) {
                Some(feature) => feature.name.clone(),
                None => format!("handbook feature {}", column - width),
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
            let train = divide(samples, self.protocol, it).train;
            if train.frauds() < FRAUDS_MIN || train.frauds() == train.rows.len() {
                return Ok(None);
            }
            let Some(test) = self.follow(&self.divisions[fold].test, &rows) else {
                return Ok(None);
            };
            let scores = self.scores(samples, &train, &test)?;
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
            rung: subject.rung.name.clone(),
            features: self.columns.len(),
            rounds: self.candidate.rounds[0],
            seed: self.protocol.seeds[0],
            prevalence: frauds as f64 / rows.max(1) as f64,
            ap: self.mean_ap(&self.run),
            clean: findings.iter().all(|it| it.verdict != Verdict::Leak),
            findings,
        }
    }
}

fn handbook_of(protocol: &Protocol, samples: &Samples) -> Vec<f32> {
    if protocol.handbook_features {
        handbook::features(samples)
    } else {
        Vec::new()
    }
}
