//! What is to be tried, over which window.

use engine::decide::Judge;
use engine::{ConfigError, Policy};
use event::{EventTime, Schema};
use graph::FeatureList;

use crate::costs::Costs;
use crate::error::BacktestError;

/// Rules and policy, as their documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rulebook {
    /// Empty: no rules.
    pub rules: String,
    /// Empty: the built-in policy.
    pub policy: String,
}

#[derive(Clone, Debug)]
pub struct Plan {
    /// By event time, the end not included.
    pub from: EventTime,
    pub until: EventTime,
    pub current: Rulebook,
    pub candidate: Rulebook,
    pub costs: Costs,
    /// Model file that scores events which were recorded without a decision, such as imported ones; without it they
    /// are decided without a score.
    pub scorer: Option<[u8; 32]>,
    /// Changed decisions that the report names.
    pub samples: usize,
}

impl Plan {
    pub fn check(&self) -> Result<(), BacktestError> {
        self.costs.check()?;
        if self.until <= self.from {
            return Err(BacktestError::Window {
                from: self.from.to_string(),
                until: self.until.to_string(),
            });
        }
        Ok(())
    }
}

impl Rulebook {
    /// A judge by these documents. Lists that rules name are looked up as they stand when an event is decided: one
    /// that is not there holds nothing.
    pub(crate) fn judge(
        &self,
        schema: &Schema,
        features: &FeatureList,
    ) -> Result<Judge, ConfigError> {
        let mut judge = Judge::new(schema, features);
        if !self.policy.is_empty() {
            judge.set_policy(Policy::parse(&self.policy, schema)?);
        }
        judge.set_rules(judge.read_rules(&self.rules)?);
        Ok(judge)
    }
}
