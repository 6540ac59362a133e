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

    /// By rung; nothing without an oracle.
    pub fn standings(&self, place: &Place) -> Result<Vec<(String, Standing)>> {
        let Some(oracle) = &self.oracle else {
            return Ok(Vec::new());
        };
        self.rungs
            .iter()
            .map(|(rung, scores)| Ok((rung.clone(), standing(place, oracle, scores)?)))
            .collect()
    }
}

/// Adds `oracle`, by rung, to a report that has one.
pub fn extend(standings: &[(String, Standing)], report: &mut Value) -> Result<()> {
    if !standings.is_empty() {
        let named: BTreeMap<_, _> = standings.iter().map(|(rung, it)| (rung, it)).collect();
        report["oracle"] = serde_json::to_value(named)?;
    }
    Ok(())
}

pub fn table(standings: &[(String, Standing)]) -> String {
    let text = standings
        .iter()
        .map(|(rung, standing)| format!("\n{rung}, {}", standing.table()));
    text.collect()
}
