//! One rung of the ladder: choose on the validation folds, read the test once, measure.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::bootstrap::{self, Run};
use super::channel::ChannelKey;
use super::curves::Curves;
use super::folds::{Division, divide_all};
use super::ladder::{Model, Rung};
use super::learner::{self, Table};
use super::measure::{self, AP, Choices, Figures, ScoredRows};
use super::protocol::{Candidate, Protocol};
use super::report::{Chosen, RungReport, Sizes, TestReport, Tried};
use super::samples::Samples;
use super::{EvaluateError, Extent, Step, handbook};
use crate::calibrate::{self, ISOTONIC_POSITIVES_MIN, Method, Scored};

/// Everything rungs share.
pub struct Bench<'a, P> {
    samples: &'a Samples,
    protocol: &'a Protocol,
    validation: Vec<Division>,
    /// Empty when the test is not to be read.
    test: Vec<Division>,
    handbook: Option<Vec<f32>>,
    progress: P,
}

/// The candidate that did best on the validation folds.
struct Choice {
    candidate: usize,
    checkpoint: usize,
    ap: f64,
    /// Its scores, fold by fold.
    run: Run,
    tried: Vec<Tried>,
}

/// Refuses what cannot be measured; needs no features.
pub fn check(samples: &Samples, protocol: &Protocol, extent: Extent) -> Result<(), EvaluateError> {
    let validation = divide_all(samples, protocol, "validation", &protocol.validation)?;
    if extent == Extent::Test {
        divide_all(samples, protocol, "test", &protocol.test)?;
    }
    let frauds: usize = validation.iter().map(|it| it.test.frauds()).sum();
    let min = ISOTONIC_POSITIVES_MIN;
    if protocol.calibration == Method::Isotonic && frauds < min {
        return Err(EvaluateError::FewToCalibrate { frauds, min });
    }
    Ok(())
}

impl<'a, P: FnMut(Step) -> ControlFlow<()>> Bench<'a, P> {
    pub fn new(
        samples: &'a Samples,
        protocol: &'a Protocol,
        extent: Extent,
        progress: P,
    ) -> Result<Self, EvaluateError> {
        let validation = divide_all(samples, protocol, "validation", &protocol.validation)?;
        let test = match extent {
            Extent::Validation => Vec::new(),
            Extent::Test => divide_all(samples, protocol, "test", &protocol.test)?,
        };
        Ok(Bench {
            samples,
            protocol,
            validation,
            test,
            handbook: None,
            progress,
        })
    }

    pub fn sizes(&self) -> Sizes {
        let count = |divisions: &[Division]| {
            divisions
                .iter()
                .map(|it| {
                    [
                        (it.train.rows.len(), it.train.frauds()),
                        (it.test.rows.len(), it.test.frauds()),
                    ]
                })
                .collect()
        };
        Sizes {
            validation: count(&self.validation),
            test: count(&self.test),
        }
    }

    /// The rung's report, and its AP in every bootstrap resample for comparison with the next rung.
    pub fn run(
        &mut self,
        rung: &Rung,
        before: Option<&[f64]>,
    ) -> Result<(RungReport, Option<Vec<f64>>), EvaluateError> {
        if rung.model.is_handbook() && self.handbook.is_none() {
            self.handbook = Some(handbook::features(self.samples));
        }
        let choice = self.choose(rung)?;
        let candidate = &self.protocol.candidates[choice.candidate];
        let pooled = measure::pool(&choice.run);
        let threshold = measure::best_threshold(&pooled.scores, &pooled.fraud);
        let calibration = calibrate::fit(
            self.protocol.calibration,
            &Scored {
                raw: &pooled.scores,
                labels: &pooled.fraud,
                negative_rate: 1.0,
                positive_weight: 1.0,
            },
        )?;
        let choices = Choices {
            threshold,
            calibration: &calibration,
            cards: self.protocol.card_precision.map(|it| (it.cards, it.period)),
        };
        let mut report = RungReport {
            name: rung.name.clone(),
            features: self.table(rung)?.columns().len(),
            chosen: rung.model.is_boosted().then(|| Chosen {
                rounds: candidate.rounds[choice.checkpoint],
                candidate: candidate.clone(),
            }),
            tried: if rung.model.is_boosted() {
                choice.tried.clone()
            } else {
                Vec::new()
            },
            validation_ap: choice.ap,
            validation: self.fold_means(&choice.run, &choices),
            curves: Curves::of("validation", &pooled, &calibration),
            test: None,
        };
        if self.test.is_empty() {
            return Ok((report, None));
        }
        let (test, first, resampled) = self.read_test(rung, &choice, &choices, before)?;
        report.curves = Curves::of("test", &first, &calibration);
        report.test = Some(test);
        Ok((report, Some(resampled)))
    }

    fn choose(&mut self, rung: &Rung) -> Result<Choice, EvaluateError> {
        let candidates = if rung.model.is_boosted() {
            self.protocol.candidates.len()
        } else {
            1
        };
        let seed = self.protocol.seeds[0];
        let mut best: Option<Choice> = None;
        let mut tried = Vec::new();
        for number in 0..candidates {
            let mut candidate = self.protocol.candidates[number].clone();
            if !rung.model.is_boosted() {
                candidate.rounds.truncate(1);
            }
            let mut runs: Vec<Run> = vec![Run::new(); candidate.rounds.len()];
            for fold in 0..self.validation.len() {
                let scores = self.score(rung, &candidate, seed, ("validation", fold))?.0;
                for (run, scores) in runs.iter_mut().zip(scores) {
                    run.push(self.scored(&self.validation[fold], scores));
                }
                self.tell(rung, format!("candidate {number}, validation fold {fold}"))?;
            }
            for (checkpoint, run) in runs.into_iter().enumerate() {
                let ap = self.mean_ap(&run);
                tried.push(Tried {
                    candidate: number,
                    rounds: candidate.rounds[checkpoint],
                    ap,
                });
                if best.as_ref().is_none_or(|best| ap > best.ap) {
                    best = Some(Choice {
                        candidate: number,
                        checkpoint,
                        ap,
                        run,
                        tried: Vec::new(),
                    });
                }
            }
        }
        best.map(|best| Choice { tried, ..best })
            .ok_or(EvaluateError::Empty)
    }

    fn read_test(
        &mut self,
        rung: &Rung,
        choice: &Choice,
        choices: &Choices<'_>,
        before: Option<&[f64]>,
    ) -> Result<(TestReport, ScoredRows, Vec<f64>), EvaluateError> {
        let mut candidate = self.protocol.candidates[choice.candidate].clone();
        candidate.rounds = vec![candidate.rounds[choice.checkpoint]];
        let seeds = if rung.model.is_boosted() {
            self.protocol.seeds.clone()
        } else {
            vec![self.protocol.seeds[0]]
        };
        let mut runs: Vec<Run> = Vec::with_capacity(seeds.len());
        let mut gain: Vec<f64> = Vec::new();
        for seed in seeds {
            let mut run = Run::new();
            for fold in 0..self.test.len() {
                let (scores, gains) = self.score(rung, &candidate, seed, ("test", fold))?;
                for scores in scores {
                    if runs.is_empty() {
                        self.hand_out(rung, fold, &scores)?;
                    }
                    run.push(self.scored(&self.test[fold], scores));
                }
                gain.resize(gains.len(), 0.0);
                gain.iter_mut()
                    .zip(gains)
                    .for_each(|(sum, gain)| *sum += gain);
                self.tell(rung, format!("seed {seed}, test fold {fold}"))?;
            }
            runs.push(run);
        }
        let folds: Vec<Figures> = runs
            .iter()
            .map(|run| self.fold_means(run, choices))
            .collect();
        let pooled: Vec<Figures> = runs
            .iter()
            .map(|run| measure::measure(&measure::pool(run), choices))
            .collect();
        let least = self.protocol.fold_frauds_min;
        let resamples = self.protocol.bootstrap;
        let resampled = bootstrap::resampled_ap(&runs, least, resamples, self.protocol.seeds[0]);
        let report = TestReport {
            runs: runs.len(),
            per_fold_ap: runs[0]
                .iter()
                .map(|fold| crate::boost::average_precision(&fold.scores, &fold.fraud, None))
                .collect(),
            folds: measure::mean_and_sd(&folds),
            pooled: measure::mean_and_sd(&pooled),
            ap_interval: bootstrap::interval(&resampled),
            ap_gain: before.map(|before| bootstrap::paired(&resampled, before)),
            importance: self.importance(rung, &gain)?,
        };
        Ok((report, measure::pool(&runs[0]), resampled))
    }

    fn hand_out(&mut self, rung: &Rung, fold: usize, scores: &[f64]) -> Result<(), EvaluateError> {
        let position = |row: &usize| self.samples.seen(*row).position;
        let rows = self.test[fold].test.rows.iter().map(position);
        self.pass(Step::TestScored {
            rung: rung.name.clone(),
            scores: rows.zip(scores.iter().copied()).collect(),
        })
    }

    fn tell(&mut self, rung: &Rung, what: String) -> Result<(), EvaluateError> {
        self.pass(Step::Fitted {
            rung: rung.name.clone(),
            what,
        })
    }

    fn pass(&mut self, step: Step) -> Result<(), EvaluateError> {
        match (self.progress)(step) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(EvaluateError::Cancelled),
        }
    }

    fn table(&self, rung: &Rung) -> Result<Table<'_>, EvaluateError> {
        let Model::Trees(groups) = &rung.model else {
            let values = self.handbook.as_deref().unwrap_or_default();
            let columns = (0..handbook::WIDTH).collect();
            return Ok(Table::new(values, handbook::WIDTH, columns));
        };
        let features = self.samples.features.features();
        let columns: Vec<usize> = (0..features.len())
            .filter(|at| groups.contains(&features[*at].group))
            .collect();
        if columns.is_empty() {
            let named: Vec<&str> = groups.iter().map(|group| group.name()).collect();
            return Err(EvaluateError::NoFeatures(named.join(", ")));
        }
        Ok(Table::new(
            &self.samples.values,
            self.samples.width(),
            columns,
        ))
    }

    /// Scores of the fold's test rows per number of rounds, and the gain of each column.
    fn score(
        &self,
        rung: &Rung,
        candidate: &Candidate,
        seed: u64,
        (set, number): (&'static str, usize),
    ) -> Result<(Vec<Vec<f64>>, Vec<f64>), EvaluateError> {
        let fold = match set {
            "validation" => &self.validation[number],
            _ => &self.test[number],
        };
        let channel = rung.model.channel().and_then(|labels| {
            self.samples.channels.get(&ChannelKey {
                set,
                fold: number,
                seed,
                labels,
            })
        });
        let train = match (&fold.staged, channel) {
            (Some(staged), Some(_)) => &staged.consumer,
            _ => &fold.train,
        };
        let table = self.table(rung)?.with_channel(channel);
        if rung.model == Model::HandbookLogistic {
            let scores = learner::logistic(&table, &fold.train, &fold.test);
            return Ok((vec![scores], Vec::new()));
        }
        let done = learner::boosted(self.samples, &table, candidate, seed, train, &fold.test)?;
        Ok((done.scores, done.gain))
    }

    fn scored(&self, fold: &Division, scores: Vec<f64>) -> ScoredRows {
        let per_major = self.samples.schema.base_currency.minor_per_major() as f64;
        let seen = |row: &usize| self.samples.seen(*row);
        let rows = &fold.test.rows;
        let trained: HashSet<u32> = fold
            .train
            .rows
            .iter()
            .map(|row| seen(row).subject)
            .collect();
        ScoredRows {
            scores,
            fraud: fold.test.fraud.clone(),
            times: rows.iter().map(|row| seen(row).time).collect(),
            subjects: rows.iter().map(|row| seen(row).subject).collect(),
            blocks: rows.iter().map(|row| self.samples.block(*row)).collect(),
            trained_on: rows
                .iter()
                .map(|row| trained.contains(&seen(row).subject))
                .collect(),
            amounts: rows
                .iter()
                .map(|row| seen(row).amount_minor as f64 / per_major)
                .collect(),
        }
    }

    fn mean_ap(&self, run: &Run) -> f64 {
        let folds = run
            .iter()
            .filter(|fold| frauds(fold) >= self.protocol.fold_frauds_min);
        let aps: Vec<f64> = folds
            .map(|fold| crate::boost::average_precision(&fold.scores, &fold.fraud, None))
            .collect();
        aps.iter().sum::<f64>() / aps.len().max(1) as f64
    }

    fn fold_means(&self, run: &Run, choices: &Choices<'_>) -> Figures {
        let figures: Vec<Figures> = run.iter().map(|it| measure::measure(it, choices)).collect();
        let frauds: Vec<usize> = run.iter().map(frauds).collect();
        debug_assert!(figures.iter().all(|it| it.contains_key(AP)));
        measure::mean_over_folds(&figures, &frauds, self.protocol.fold_frauds_min)
    }

    /// Shares of the total gain, largest first.
    fn importance(&self, rung: &Rung, gain: &[f64]) -> Result<Vec<(String, f64)>, EvaluateError> {
        if !matches!(rung.model, Model::Trees(_)) {
            return Ok(Vec::new());
        }
        let total = gain.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let features = self.samples.features.features();
        let table = self.table(rung)?;
        let mut named: Vec<(String, f64)> = table
            .columns()
            .iter()
            .zip(gain)
            .map(|(column, gain)| (features[*column].name.clone(), gain / total))
            .collect();
        named.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(named)
    }
}

fn frauds(rows: &ScoredRows) -> usize {
    rows.fraud.iter().filter(|fraud| **fraud).count()
}
