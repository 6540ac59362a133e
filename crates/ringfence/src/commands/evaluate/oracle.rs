//! `evaluate --oracle`: the scores of each rung's test, held against what a simulated world knows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result};
use event::Position;
use learning::oracle::Oracle;
use learning::oracle::standing::{Standing, standing};
use node::Place;
use serde_json::Value;

/// Scores by rung, in the order in which the rungs were read.
#[derive(Default)]
pub struct Against {
    oracle: Option<Oracle>,
    rungs: Vec<(String, Vec<(Position, f64)>)>,
}

impl Against {
    /// Before the work: an oracle that cannot be read is told now.
    pub fn read(path: Option<&Path>) -> Result<Against> {
        let Some(path) = path else {
            return Ok(Against::default());
        };
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let oracle =
            Oracle::read(BufReader::new(file)).with_context(|| path.display().to_string())?;
        Ok(Against {
            oracle: Some(oracle),
            rungs: Vec::new(),
        })
    }

    pub fn add(&mut self, rung: String, scores: Vec<(Position, f64)>) {
        match self.rungs.iter_mut().find(|held| held.0 == rung) {
            Some(held) => held.1.extend(scores),
            None => self.rungs.push((rung, scores)),
        }
    }

    fn standings(&self, place: &Place) -> Result<Vec<(&str, Standing)>> {
        let Some(oracle) = &self.oracle else {
            return Ok(Vec::new());
        };
        self.rungs
            .iter()
            .map(|(rung, scores)| Ok((rung.as_str(), standing(place, oracle, scores)?)))
            .collect()
    }

    /// Adds `oracle`, by rung, to a report that has one.
    pub fn extend(&self, place: &Place, report: &mut Value) -> Result<()> {
        if self.oracle.is_some() {
            let named: BTreeMap<_, _> = self.standings(place)?.into_iter().collect();
            report["oracle"] = serde_json::to_value(named)?;
        }
        Ok(())
    }

    pub fn table(&self, place: &Place) -> Result<String> {
        let standings = self.standings(place)?;
        let text = standings
            .iter()
            .map(|(rung, standing)| format!("\n{rung}, {}", standing.table()));
        Ok(text.collect())
    }
}
