//! A protocol: what is trained on, what is scored, what may be known when. A committed TOML file.
//!
//! Everything that could make a figure better than what a running system would reach is refused here,
//! before any work: a test that overlaps its training, a gap in which labels are not yet known, choices
//! made on the test.

mod network;
mod text;

use event::schema::Schema;
use event::{EventTime, EventTypeIx, Span};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::boost::BoostConfig;
use crate::calibrate::Method;
use crate::neural::config::NeuralConfigError;
pub use network::NetworkCandidate;

#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    pub name: String,
    /// Name of the schema that the tenant must have.
    pub schema: String,
    /// Labels are taken as known this long after their event.
    pub label_delay: Span,
    /// Names of the event types that are trained on and scored; empty: all.
    pub event_types: Vec<String>,
    pub known_defrauded: KnownDefrauded,
    /// Subjects looked at per period of the test, for card precision.
    pub card_precision: Option<CardPrecision>,
    /// Folds with fewer test frauds are left out of the means over folds.
    pub fold_frauds_min: usize,
    pub bootstrap: usize,
    /// How scores become probabilities.
    pub calibration: Method,
    /// Share of the legitimate training rows that enter the loss; the graph and the scored rows keep all.
    pub negative_rate: f64,
    pub seeds: Vec<u64>,
    /// Whether the Fraud Detection Handbook's fifteen features are a rung of the ladder.
    pub handbook_features: bool,
    pub candidates: Vec<Candidate>,
    /// Settings of the network to choose from; empty: no rung has a network.
    pub networks: Vec<NetworkCandidate>,
    /// How suspicion producers are grown, with one number of rounds; `None`: no rung reads suspicion.
    pub producer: Option<Candidate>,
    /// Choices are made on these.
    pub validation: Vec<Fold>,
    /// Read once per report and rung.
    pub test: Vec<Fold>,
}

/// What happens to subjects with a fraud that is already known when they are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownDefrauded {
    #[default]
    Keep,
    /// Leaves the test once a fraud since the start of training is known by the start of the test day.
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardPrecision {
    pub cards: usize,
    pub period: Span,
}

/// A half-open range of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: EventTime,
    pub until: EventTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    pub train: Window,
    pub test: Window,
    pub staged: Option<Staged>,
}

/// Training in two stages, for rungs that read suspicion: the consumer trains on events that a producer
/// scored which had ended its own training before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    pub producer: Window,
    pub consumer: Window,
}

/// One set of hyperparameters; every entry of `rounds` is tried from one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    pub rounds: Vec<usize>,
    #[serde(default = "learning_rate")]
    pub learning_rate: f64,
    pub leaves: usize,
    #[serde(default = "min_data_in_leaf")]
    pub min_data_in_leaf: u32,
    #[serde(default = "min_sum_hessian")]
    pub min_sum_hessian: f64,
    #[serde(default)]
    pub lambda_l2: f64,
    #[serde(default = "whole")]
    pub feature_fraction: f64,
    #[serde(default = "whole")]
    pub bagging_fraction: f64,
    #[serde(default = "max_bin")]
    pub max_bin: usize,
    #[serde(default = "whole")]
    pub scale_pos_weight: f64,
    /// Training weights halve with this age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_life: Option<Span>,
    /// Models of different seeds whose log-odds are averaged.
    #[serde(default = "one")]
    pub bags: usize,
}

fn learning_rate() -> f64 {
    0.05
}
fn min_data_in_leaf() -> u32 {
    20
}
fn min_sum_hessian() -> f64 {
    1e-3
}
fn whole() -> f64 {
    1.0
}
fn max_bin() -> usize {
    4095
}
fn one() -> usize {
    1
}

#[derive(Debug, Error)]
pub enum ProtocolError {
    #[error("not a protocol: {0}")]
    Parse(#[from] toml::de::Error),
    #[error("{field} must be a date such as \"2018-07-25\" or a count of {unit}s, got {got}")]
    Time {
        field: String,
        unit: &'static str,
        got: String,
    },
    #[error("{set} fold {fold}: {part} must end after it begins, got {from} until {until}")]
    EmptyRange {
        set: &'static str,
        fold: usize,
        part: &'static str,
        from: EventTime,
        until: EventTime,
    },
    #[error(
        "{set} fold {fold}: the test begins at {test} but training ends at {train}: a test must come after its training"
    )]
    Overlap {
        set: &'static str,
        fold: usize,
        train: EventTime,
        test: EventTime,
    },
    #[error(
        "{set} fold {fold}: the gap between training and test is {gap}, shorter than the label delay {delay}: the last training labels would come from the future"
    )]
    GapShort {
        set: &'static str,
        fold: usize,
        gap: String,
        delay: String,
    },
    #[error(
        "validation fold {fold} reaches until {until}, into the test that begins at {test}: choices would be made on it"
    )]
    ChoiceOnTest {
        fold: usize,
        until: EventTime,
        test: EventTime,
    },
    #[error(
        "{set} fold {fold}: the producer trains until {producer} but its consumer's training begins at {consumer}: scores of events that the producer had seen would teach the consumer to trust it"
    )]
    StagesOverlap {
        set: &'static str,
        fold: usize,
        producer: EventTime,
        consumer: EventTime,
    },
    #[error(
        "{set} fold {fold}: `producer` and `consumer` belong together, and to a [producer] table with one entry in `rounds`"
    )]
    Stages { set: &'static str, fold: usize },
    #[error(transparent)]
    Network(#[from] NeuralConfigError),
    #[error("{field} must hold at least one entry")]
    Nothing { field: &'static str },
    #[error("{field} must be {expected}, got {got}")]
    Value {
        field: &'static str,
        expected: &'static str,
        got: String,
    },
    #[error("the protocol is for schema {wanted:?}, the tenant has {held:?}")]
    OtherSchema { wanted: String, held: String },
    #[error("label_delay {delay} is shorter than the schema's label maturity {maturity}")]
    DelayShort { delay: String, maturity: String },
    #[error("event type {0:?} is not in the schema")]
    EventType(String),
}

impl Protocol {
    fn check(&self) -> Result<(), ProtocolError> {
        let nothing = |field| Err(ProtocolError::Nothing { field });
        if self.seeds.is_empty() {
            return nothing("seeds");
        }
        if self.candidates.is_empty() {
            return nothing("candidates");
        }
        for candidate in self.candidates.iter().chain(&self.producer) {
            candidate.check()?;
        }
        for network in &self.networks {
            network.check()?;
        }
        if !(self.negative_rate > 0.0 && self.negative_rate <= 1.0) {
            return Err(ProtocolError::Value {
                field: "negative_rate",
                expected: "above 0 and at most 1",
                got: self.negative_rate.to_string(),
            });
        }
        for (set, folds) in [("validation", &self.validation), ("test", &self.test)] {
            if folds.is_empty() {
                return nothing(set);
            }
            for (fold, it) in folds.iter().enumerate() {
                self.check_gap(set, fold, it.train, it.test)?;
                self.check_stages(set, fold, it)?;
            }
        }
        let first_test = self.test.iter().map(|fold| fold.test.from).min();
        for (fold, it) in self.validation.iter().enumerate() {
            if let Some(test) = first_test.filter(|test| it.test.until > *test) {
                let until = it.test.until;
                return Err(ProtocolError::ChoiceOnTest { fold, until, test });
            }
        }
        Ok(())
    }

    /// Nobody trains on events whose labels are not known when the test begins.
    fn check_gap(
        &self,
        set: &'static str,
        fold: usize,
        train: Window,
        test: Window,
    ) -> Result<(), ProtocolError> {
        if train.until > test.from {
            let (train, test) = (train.until, test.from);
            return Err(ProtocolError::Overlap {
                set,
                fold,
                train,
                test,
            });
        }
        let gap = test.from.since(train.until);
        if gap < self.label_delay {
            return Err(ProtocolError::GapShort {
                set,
                fold,
                gap: days(gap),
                delay: days(self.label_delay),
            });
        }
        Ok(())
    }

    fn check_stages(&self, set: &'static str, fold: usize, it: &Fold) -> Result<(), ProtocolError> {
        let single = self.producer.as_ref().map(|it| it.rounds.len() == 1);
        let Some(staged) = it.staged else {
            return match single {
                None => Ok(()),
                Some(_) => Err(ProtocolError::Stages { set, fold }),
            };
        };
        if single != Some(true) {
            return Err(ProtocolError::Stages { set, fold });
        }
        let (producer, consumer) = (staged.producer.until, staged.consumer.from);
        if producer > consumer {
            return Err(ProtocolError::StagesOverlap {
                set,
                fold,
                producer,
                consumer,
            });
        }
        self.check_gap(set, fold, staged.consumer, it.test)
    }

    /// The event types that count, after checking that the protocol fits the tenant.
    pub fn resolve(&self, schema: &Schema) -> Result<Vec<EventTypeIx>, ProtocolError> {
        if self.schema != schema.name {
            return Err(ProtocolError::OtherSchema {
                wanted: self.schema.clone(),
                held: schema.name.clone(),
            });
        }
        if self.label_delay < schema.labels.maturity {
            return Err(ProtocolError::DelayShort {
                delay: days(self.label_delay),
                maturity: days(schema.labels.maturity),
            });
        }
        if self.event_types.is_empty() {
            return Ok((0..schema.event_types.len() as u8)
                .map(EventTypeIx)
                .collect());
        }
        let find = |name: &String| {
            schema
                .event_type(name)
                .ok_or_else(|| ProtocolError::EventType(name.clone()))
        };
        self.event_types.iter().map(find).collect()
    }

    /// For the report: what was asked for, in words.
    pub fn setting(&self) -> Vec<(String, String)> {
        let mut lines = vec![
            ("schema".to_owned(), self.schema.clone()),
            ("label delay".to_owned(), days(self.label_delay)),
            (
                "event types".to_owned(),
                if self.event_types.is_empty() {
                    "all".to_owned()
                } else {
                    self.event_types.join(", ")
                },
            ),
            (
                "subjects known as defrauded".to_owned(),
                match self.known_defrauded {
                    KnownDefrauded::Keep => "stay in the test".to_owned(),
                    KnownDefrauded::Remove => "leave the test".to_owned(),
                },
            ),
            (
                "calibration".to_owned(),
                format!(
                    "{}, fitted on the validation folds",
                    self.calibration.name()
                ),
            ),
            (
                "legitimate rows in training".to_owned(),
                format!("{:.1} %", self.negative_rate * 100.0),
            ),
            (
                "means over folds".to_owned(),
                format!("folds with at least {} frauds", self.fold_frauds_min),
            ),
            (
                "choices".to_owned(),
                format!(
                    "{} candidates of trees and {} of networks, by AP on the validation folds",
                    self.candidates.len(),
                    self.networks.len()
                ),
            ),
            (
                "bootstrap".to_owned(),
                format!("{} resamples", self.bootstrap),
            ),
        ];
        for (set, folds) in [("validation", &self.validation), ("test", &self.test)] {
            for (number, fold) in folds.iter().enumerate() {
                let window = |it: &Window| format!("{} until {}", it.from, it.until);
                lines.push((
                    format!("{set} fold {number}"),
                    format!(
                        "training {}; scored {}",
                        window(&fold.train),
                        window(&fold.test)
                    ),
                ));
            }
        }
        lines
    }

    pub fn folds(&self) -> impl Iterator<Item = &Fold> {
        self.validation.iter().chain(&self.test)
    }
}

fn days(span: Span) -> String {
    span.label(event::time::TimeUnit::Day)
}

impl Candidate {
    fn check(&self) -> Result<(), ProtocolError> {
        if self.rounds.is_empty() {
            return Err(ProtocolError::Nothing {
                field: "candidates.rounds",
            });
        }
        if !self.rounds.is_sorted_by(|a, b| a < b) {
            return Err(ProtocolError::Value {
                field: "candidates.rounds",
                expected: "ascending",
                got: format!("{:?}", self.rounds),
            });
        }
        if self.bags == 0 || self.bags > 16 {
            return Err(ProtocolError::Value {
                field: "candidates.bags",
                expected: "in 1..=16",
                got: self.bags.to_string(),
            });
        }
        Ok(())
    }

    /// For the trainer, grown to `rounds`.
    pub fn boost(&self, rounds: usize, seed: u64) -> BoostConfig {
        BoostConfig {
            rounds,
            learning_rate: self.learning_rate,
            num_leaves: self.leaves,
            min_data_in_leaf: self.min_data_in_leaf,
            min_sum_hessian: self.min_sum_hessian,
            lambda_l2: self.lambda_l2,
            max_bin: self.max_bin,
            scale_pos_weight: self.scale_pos_weight,
            bagging_fraction: self.bagging_fraction,
            feature_fraction: self.feature_fraction,
            seed,
            ..BoostConfig::default()
        }
    }
}
