//! What can be measured side by side: models that see more and more.

use graph::FeatureGroup;

use super::protocol::Protocol;

#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    pub name: String,
    pub model: Model,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// Boosted trees on these groups of the tenant's own features.
    Trees(Vec<FeatureGroup>),
    /// Boosted trees on the Handbook's features.
    HandbookTrees,
    /// Logistic regression on the Handbook's features.
    HandbookLogistic,
}

impl Rung {
    /// Groups joined one after the other. The suspicion group is left out: nothing produces it yet.
    pub fn ladder(protocol: &Protocol) -> Vec<Rung> {
        use FeatureGroup::{Graph, History, Labels, Transaction};
        let mut rungs = Vec::new();
        if protocol.handbook_features {
            rungs.push(Rung {
                name: "handbook 15, logistic".to_owned(),
                model: Model::HandbookLogistic,
            });
            rungs.push(Rung {
                name: "handbook 15, trees".to_owned(),
                model: Model::HandbookTrees,
            });
        }
        let order = [Transaction, History, Graph, Labels];
        for last in 0..order.len() {
            let sign = if last == 0 { "" } else { "+ " };
            rungs.push(Rung {
                name: format!("{sign}{}", order[last].name()),
                model: Model::Trees(order[..=last].to_vec()),
            });
        }
        rungs
    }

    /// The top of the ladder.
    pub fn full(protocol: &Protocol) -> Vec<Rung> {
        let top = Rung::ladder(protocol).pop();
        top.map(|rung| Rung {
            name: "all features".to_owned(),
            ..rung
        })
        .into_iter()
        .collect()
    }
}

impl Model {
    pub fn is_handbook(&self) -> bool {
        !matches!(self, Model::Trees(_))
    }

    pub fn is_boosted(&self) -> bool {
        *self != Model::HandbookLogistic
    }
}
