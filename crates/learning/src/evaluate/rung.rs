//! One rung of the ladder: choose on the validation folds, read the test once, measure.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::bootstrap::{self, Run};
use super::choice::{Choice, Choices, Runs, frauds, teller};
use super::contender::Ground;
use super::curves::Curves;
use super::duel::Side;
use super::folds::{Division, divide_all};
use super::ladder::{Model, Rung};
use super::measure::{self, AP, Figures};
use super::protocol::Protocol;
use super::report::{RungReport, Sizes, TestReport};
use super::samples::Samples;
use super::{EvaluateError, Extent, Step};
use crate::calibrate::{self, ISOTONIC_POSITIVES_MIN, Method, Scored};

/// What a rung read of the test, for comparison with other rungs.
pub struct Read {
    /// Its AP in every bootstrap resample.
    pub resampled: Vec<f64>,
    /// Chosen on the validation folds.
    pub threshold: f64,
    pub runs: Rc<Runs>,
}

impl Read {
    pub fn side<'a>(&'a self, name: &'a str) -> Side<'a> {
        Side {
            name,
            runs: &self.runs.runs,
            threshold: self.threshold,
        }
    }
}

/// Everything rungs share.
pub struct Bench<'a, P> {
    samples: &'a Samples,
    protocol: &'a Protocol,
    choices: Choices<'a>,
    progress: P,
}

/// Divided folds; the test's are empty when it is not to be read.
pub struct Divisions {
    pub validation: Vec<Division>,
    pub test: Vec<Division>,
}

impl Divisions {
    pub fn new(
        samples: &Samples,
        protocol: &Protocol,
        extent: Extent,
    ) -> Result<Divisions, EvaluateError> {
        Ok(Divisions {
            validation: divide_all(samples, protocol, "validation", &protocol.validation)?,
            test: match extent {
                Extent::Validation => Vec::new(),
                Extent::Test => divide_all(samples, protocol, "test", &protocol.test)?,
            },
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
    pub fn new(ground: Ground<'a>, divisions: &'a Divisions, progress: P) -> Self {
        Bench {
            samples: ground.samples,
            protocol: ground.protocol,
            choices: Choices::new(ground, &divisions.validation, &divisions.test),
            progress,
        }
    }

    pub fn run(
        &mut self,
        rung: &Rung,
        before: Option<&[f64]>,
    ) -> Result<(RungReport, Option<Read>), EvaluateError> {
        let choice = {
            let mut tell = teller(&mut self.progress, &rung.name);
            self.choices.choose(&rung.model, &mut tell)?
        };
        let pooled = measure::pool(&choice.run);
        let threshold = measure::best_threshold(&pooled.scores, &pooled.fraud);
        let calibration = calibrate::fit(
            self.protocol.calibration,
            &Scored {
                raw: &pooled.scores,
                labels: &pooled.fraud,
                weights: None,
                negative_rate: 1.0,
                positive_weight: 1.0,
            },
        )?;
        let judged_by = measure::Choices {
            threshold,
            calibration: &calibration,
            cards: self.protocol.card_precision.map(|it| (it.cards, it.period)),
        };
        let mut report = RungReport {
            name: rung.name.clone(),
            features: self.choices.ground.table(&rung.model)?.columns().len(),
            chosen: (rung.model != Model::HandbookLogistic).then(|| choice.chosen.clone()),
            tried: choice.tried.clone(),
            validation_ap: choice.ap,
            validation: self.fold_means(&choice.run, &judged_by),
            curves: Curves::of("validation", &pooled, &calibration),
            test: None,
        };
        if self.choices.test.is_empty() {
            return Ok((report, None));
        }
        let (test, read) = self.read_test(rung, &choice, &judged_by, before)?;
        report.curves = Curves::of("test", &measure::pool(&read.runs.runs[0]), &calibration);
        report.test = Some(test);
        Ok((report, Some(read)))
    }

    fn read_test(
        &mut self,
        rung: &Rung,
        choice: &Choice,
        choices: &measure::Choices<'_>,
        before: Option<&[f64]>,
    ) -> Result<(TestReport, Read), EvaluateError> {
        debug_assert!(choice.ap.is_finite());
        let read = {
            let mut tell = teller(&mut self.progress, &rung.name);
            self.choices.read_test(&rung.model, &mut tell)?
        };
        let Runs { runs, gain } = &*read;
        for (fold, rows) in runs[0].iter().enumerate() {
            self.hand_out(rung, fold, &rows.scores)?;
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
        let resampled = bootstrap::resampled_ap(runs, least, resamples, self.protocol.seeds[0]);
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
            importance: self.importance(rung, gain)?,
        };
        let read = Read {
            resampled,
            threshold: choices.threshold,
            runs: Rc::clone(&read),
        };
        Ok((report, read))
    }

    fn hand_out(&mut self, rung: &Rung, fold: usize, scores: &[f64]) -> Result<(), EvaluateError> {
        let position = |row: &usize| self.samples.seen(*row).position;
        let rows = self.choices.test[fold].test.rows.iter().map(position);
        let step = Step::TestScored {
            rung: rung.name.clone(),
            scores: rows.zip(scores.iter().copied()).collect(),
        };
        match (self.progress)(step) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(EvaluateError::Cancelled),
        }
    }

    fn fold_means(&self, run: &Run, choices: &measure::Choices<'_>) -> Figures {
        let figures: Vec<Figures> = run.iter().map(|it| measure::measure(it, choices)).collect();
        let frauds: Vec<usize> = run.iter().map(frauds).collect();
        debug_assert!(figures.iter().all(|it| it.contains_key(AP)));
        measure::mean_over_folds(&figures, &frauds, self.protocol.fold_frauds_min)
    }

    /// Shares of the trees' total gain, largest first.
    fn importance(&self, rung: &Rung, gain: &[f64]) -> Result<Vec<(String, f64)>, EvaluateError> {
        if rung.model.groups().is_none() || gain.is_empty() {
            return Ok(Vec::new());
        }
        let total = gain.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let features = self.samples.features.features();
        let table = self.choices.ground.table(&rung.model)?;
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
