//! What a network may look at: ablations and label access hide columns, they never change a sample.

use graph::sample::{NEIGHBOUR_COLUMNS, NEIGHBOUR_WIDTH, STEP_COLUMNS, STEP_WIDTH};
use graph::{FeatureGroup, FeatureList};

#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// Per tabular feature.
    pub features: Vec<bool>,
    /// Per column of a step and of a neighbour.
    pub step: [bool; STEP_WIDTH],
    pub neighbour: [bool; NEIGHBOUR_WIDTH],
    pub graph: bool,
    pub sequence: bool,
}

/// Columns made of known labels, and of suspicion.
const LABELS: [&str; 2] = ["label", "peer_frauds"];
const SUSPICION: &str = "suspicion";

impl Sight {
    /// Features of the given groups; labels and suspicion in the arrays as in the features.
    pub fn new(list: &FeatureList, groups: &[FeatureGroup], graph: bool, sequence: bool) -> Sight {
        let has = |group| groups.contains(&group);
        let seen = |name: &&str| {
            let hidden = LABELS.contains(name) && !has(FeatureGroup::Labels)
                || *name == SUSPICION && !has(FeatureGroup::Suspicion);
            !hidden
        };
        Sight {
            features: list.features().iter().map(|it| has(it.group)).collect(),
            step: STEP_COLUMNS.each_ref().map(seen),
            neighbour: NEIGHBOUR_COLUMNS.each_ref().map(seen),
            graph,
            sequence,
        }
    }

    /// Known labels in sequence and neighbourhood, whatever the features show.
    pub fn show_labels(&mut self, shown: bool) {
        self.set(&LABELS, shown);
    }

    pub fn hide_suspicion(&mut self) {
        self.set(&[SUSPICION], false);
    }

    fn set(&mut self, names: &[&str], shown: bool) {
        let steps = STEP_COLUMNS.iter().zip(&mut self.step);
        let neighbours = NEIGHBOUR_COLUMNS.iter().zip(&mut self.neighbour);
        for (name, seen) in steps.chain(neighbours) {
            if names.contains(name) {
                *seen = shown;
            }
        }
    }
}
