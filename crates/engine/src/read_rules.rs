//! Rules that were read before they are needed, where nobody waits for it.
//!
//! Reading a set, with its patterns' tables, takes up to a second; a tenant's owner decides meanwhile nothing. So
//! whoever hands rules in reads them ([`ReadRules::read`]) and gives them to the engine along with their text.

use std::sync::Arc;

use event::Schema;
use event::schema::SchemaHash;
use graph::FeatureList;
use rules::{Problem, RuleSet};

use crate::config::ConfigError;
use crate::decide::Judge;

/// A set that holds against a schema; whether the lists that it names are there, only the engine knows.
#[derive(Clone, Debug)]
pub struct ReadRules {
    body: String,
    schema: SchemaHash,
    pub(crate) rules: Arc<RuleSet>,
}

impl ReadRules {
    pub fn read(
        body: String,
        schema: &Schema,
        features: &FeatureList,
    ) -> Result<ReadRules, ConfigError> {
        let rules = Judge::new(schema, features).read_rules(&body)?;
        rules.refuse_unknown_values()?;
        Ok(ReadRules {
            body,
            schema: schema.hash(),
            rules: Arc::new(rules),
        })
    }

    pub(crate) fn of(body: &str, schema: &Schema, rules: Arc<RuleSet>) -> ReadRules {
        ReadRules {
            body: body.to_owned(),
            schema: schema.hash(),
            rules,
        }
    }

    /// As they were handed in.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// What cannot be checked of them.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.rules.warnings()
    }

    /// Whether it is this text, read for this schema.
    pub(crate) fn is_of(&self, body: &str, schema: &Schema) -> bool {
        self.body == body && self.schema == schema.hash()
    }
}
