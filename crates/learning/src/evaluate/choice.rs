//! Choices made on the validation folds, and the runs on the test that follow from them; each is made once
//! and kept, because a mixture needs those of its parts.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::bootstrap::Run;
use super::contender::{Contender, Draw, Ground, parts};
use super::folds::Division;
use super::ladder::Model;
use super::measure::ScoredRows;
use super::protocol::Protocol;
use super::report::{Chosen, ChosenNetwork, ChosenTrees, HowFar, Tried};
use super::samples::Samples;
use super::{EvaluateError, Step};

/// What did best on the validation folds.
pub struct Choice {
    pub chosen: Chosen,
    pub ap: f64,
    /// Its scores, fold by fold.
    pub run: Run,
    pub tried: Vec<Tried>,
    contender: Option<Contender>,
}

/// The test, by seed and fold.
pub struct Runs {
    pub runs: Vec<Run>,
    /// Per column of trees, summed over all fits.
    pub gain: Vec<f64>,
}

/// Shares of the network that are tried in a mixture, in tenths.
const SHARES: std::ops::RangeInclusive<u32> = 0..=10;

pub struct Choices<'a> {
    pub ground: Ground<'a>,
    pub validation: &'a [Division],
    pub test: &'a [Division],
    made: Vec<(Model, Rc<Choice>)>,
    ran: Vec<(Model, Rc<Runs>)>,
}

impl<'a> Choices<'a> {
    pub fn new(ground: Ground<'a>, validation: &'a [Division], test: &'a [Division]) -> Self {
        Choices {
            ground,
            validation,
            test,
            made: Vec::new(),
            ran: Vec::new(),
        }
    }

    pub fn choose(
        &mut self,
        model: &Model,
        tell: &mut impl FnMut(String) -> Result<(), EvaluateError>,
    ) -> Result<Rc<Choice>, EvaluateError> {
        if let Some((_, made)) = self.made.iter().find(|(held, _)| held == model) {
            return Ok(Rc::clone(made));
        }
        let choice = match model {
            Model::Both(view) => {
                let [network, trees] = parts(view);
                let network = self.choose(&network, tell)?;
                let trees = self.choose(&trees, tell)?;
                self.mix(&network, &trees)
            }
            _ => self.choose_one(model, tell)?,
        };
        let choice = Rc::new(choice);
        self.made.push((model.clone(), Rc::clone(&choice)));
        Ok(choice)
    }

    fn choose_one(
        &self,
        model: &Model,
        tell: &mut impl FnMut(String) -> Result<(), EvaluateError>,
    ) -> Result<Choice, EvaluateError> {
        let protocol = self.ground.protocol;
        let seed = protocol.seeds[0];
        let mut best: Option<Choice> = None;
        let mut tried = Vec::new();
        for (number, contender) in Contender::all(model, protocol).into_iter().enumerate() {
            let stops = contender.stops();
            let mut runs: Vec<Run> = vec![Run::new(); stops.len()];
            for (fold, division) in self.validation.iter().enumerate() {
                let draw = Draw {
                    set: "validation",
                    fold,
                    seed,
                };
                let fitted = self.ground.fit(model, &contender, division, draw)?;
                for (run, scores) in runs.iter_mut().zip(fitted.scores) {
                    run.push(scored(self.ground.samples, division, scores));
                }
                tell(format!("candidate {number}, validation fold {fold}"))?;
            }
            for (stop, run) in runs.into_iter().enumerate() {
                let ap = mean_ap(&run, protocol);
                tried.push(Tried {
                    candidate: number,
                    how_far: stops[stop],
                    ap,
                });
                if best.as_ref().is_none_or(|best| ap > best.ap) {
                    let contender = contender.stopping_at(stop);
                    best = Some(Choice {
                        chosen: chosen(&contender),
                        ap,
                        run,
                        tried: Vec::new(),
                        contender: Some(contender),
                    });
                }
            }
        }
        if matches!(model, Model::HandbookLogistic) {
            tried.clear();
        }
        best.map(|best| Choice { tried, ..best })
            .ok_or(EvaluateError::Empty)
    }

    /// The share of the network that does best beside trees.
    fn mix(&self, network: &Choice, trees: &Choice) -> Choice {
        let mut best: Option<Choice> = None;
        let mut tried = Vec::new();
        for tenths in SHARES {
            let share = f64::from(tenths) / 10.0;
            let run = mixed(&network.run, &trees.run, share);
            let ap = mean_ap(&run, self.ground.protocol);
            tried.push(Tried {
                candidate: 0,
                how_far: HowFar::NetworkShare(share),
                ap,
            });
            if best.as_ref().is_none_or(|best| ap > best.ap) {
                best = Some(Choice {
                    chosen: Chosen {
                        network: network.chosen.network.clone(),
                        trees: trees.chosen.trees.clone(),
                        network_share: Some(share),
                    },
                    ap,
                    run,
                    tried: Vec::new(),
                    contender: None,
                });
            }
        }
        let best = best.unwrap_or_else(|| unreachable!("a share was tried"));
        Choice { tried, ..best }
    }

    /// Reads the test with what was chosen: once per seed.
    pub fn read_test(
        &mut self,
        model: &Model,
        tell: &mut impl FnMut(String) -> Result<(), EvaluateError>,
    ) -> Result<Rc<Runs>, EvaluateError> {
        if let Some((_, ran)) = self.ran.iter().find(|(held, _)| held == model) {
            return Ok(Rc::clone(ran));
        }
        let choice = self.choose(model, tell)?;
        let runs = match (model, &choice.contender) {
            (Model::Both(view), _) => {
                let [network, trees] = parts(view);
                let network = self.read_test(&network, tell)?;
                let trees = self.read_test(&trees, tell)?;
                let share = choice.chosen.network_share.unwrap_or(0.0);
                let pairs = network.runs.iter().zip(&trees.runs);
                Runs {
                    runs: pairs.map(|(a, b)| mixed(a, b, share)).collect(),
                    gain: trees.gain.clone(),
                }
            }
            (_, Some(contender)) => self.run_test(model, contender, tell)?,
            (_, None) => return Err(EvaluateError::Empty),
        };
        let runs = Rc::new(runs);
        self.ran.push((model.clone(), Rc::clone(&runs)));
        Ok(runs)
    }

    fn run_test(
        &self,
        model: &Model,
        contender: &Contender,
        tell: &mut impl FnMut(String) -> Result<(), EvaluateError>,
    ) -> Result<Runs, EvaluateError> {
        let seeds = match model {
            Model::HandbookLogistic => &self.ground.protocol.seeds[..1],
            _ => &self.ground.protocol.seeds[..],
        };
        let mut done = Runs {
            runs: Vec::with_capacity(seeds.len()),
            gain: Vec::new(),
        };
        for seed in seeds {
            let mut run = Run::new();
            for (fold, division) in self.test.iter().enumerate() {
                let draw = Draw {
                    set: "test",
                    fold,
                    seed: *seed,
                };
                let fitted = self.ground.fit(model, contender, division, draw)?;
                for scores in fitted.scores {
                    run.push(scored(self.ground.samples, division, scores));
                }
                done.gain.resize(fitted.gain.len(), 0.0);
                let gains = done.gain.iter_mut().zip(fitted.gain);
                gains.for_each(|(sum, gain)| *sum += gain);
                tell(format!("seed {seed}, test fold {fold}"))?;
            }
            done.runs.push(run);
        }
        Ok(done)
    }
}

fn chosen(contender: &Contender) -> Chosen {
    let mut chosen = Chosen {
        trees: None,
        network: None,
        network_share: None,
    };
    match contender {
        Contender::Logistic => {}
        Contender::Trees(candidate) => {
            chosen.trees = Some(ChosenTrees {
                rounds: candidate.rounds[0],
                candidate: candidate.clone(),
            });
        }
        Contender::Network(candidate) => {
            chosen.network = Some(ChosenNetwork {
                epochs: candidate.epochs[0],
                candidate: candidate.clone(),
            });
        }
    }
    chosen
}

/// Log-odds of network and trees, mixed fold by fold and row by row.
fn mixed(network: &Run, trees: &Run, share: f64) -> Run {
    let pairs = network.iter().zip(trees);
    pairs
        .map(|(network, trees)| ScoredRows {
            scores: network
                .scores
                .iter()
                .zip(&trees.scores)
                .map(|(network, trees)| share * network + (1.0 - share) * trees)
                .collect(),
            ..network.clone()
        })
        .collect()
}

pub fn frauds(rows: &ScoredRows) -> usize {
    rows.fraud.iter().filter(|fraud| **fraud).count()
}

/// Over folds with enough frauds to be measured.
fn mean_ap(run: &Run, protocol: &Protocol) -> f64 {
    let folds = run
        .iter()
        .filter(|fold| frauds(fold) >= protocol.fold_frauds_min);
    let aps: Vec<f64> = folds
        .map(|fold| crate::boost::average_precision(&fold.scores, &fold.fraud, None))
        .collect();
    aps.iter().sum::<f64>() / aps.len().max(1) as f64
}

fn scored(samples: &Samples, fold: &Division, scores: Vec<f64>) -> ScoredRows {
    let per_major = samples.schema.base_currency.minor_per_major() as f64;
    let seen = |row: &usize| samples.seen(*row);
    let rows = &fold.test.rows;
    let trained: std::collections::HashSet<u32> = fold
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
        blocks: rows.iter().map(|row| samples.block(*row)).collect(),
        trained_on: rows
            .iter()
            .map(|row| trained.contains(&seen(row).subject))
            .collect(),
        amounts: rows
            .iter()
            .map(|row| seen(row).amount_minor as f64 / per_major)
            .collect(),
        weights: Vec::new(),
    }
}

/// Tells about a rung's fits.
pub fn teller<'p, P: FnMut(Step) -> ControlFlow<()>>(
    progress: &'p mut P,
    rung: &'p str,
) -> impl FnMut(String) -> Result<(), EvaluateError> + 'p {
    move |what| {
        let step = Step::Fitted {
            rung: rung.to_owned(),
            what,
        };
        match progress(step) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(EvaluateError::Cancelled),
        }
    }
}
