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

/// Whether a model has features made of known labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelAccess {
    None,
    Features,
}

impl Rung {
    /// Groups joined one after the other. Without producers in the protocol the suspicion group is left
    /// out; with them a last rung takes it away again, to tell what it is worth beside labels.
    pub fn ladder(protocol: &Protocol) -> Vec<Rung> {
        use FeatureGroup::{Graph, History, Labels, Suspicion, Transaction};
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
        let order: &[FeatureGroup] = match protocol.producer {
            None => &[Transaction, History, Graph, Labels],
            Some(_) => &[Transaction, History, Graph, Suspicion, Labels],
        };
        for last in 0..order.len() {
            let sign = if last == 0 { "" } else { "+ " };
            rungs.push(Rung {
                name: format!("{sign}{}", order[last].name()),
                model: Model::Trees(order[..=last].to_vec()),
            });
        }
        if protocol.producer.is_some() {
            rungs.push(Rung {
                name: "labels, no suspicion".to_owned(),
                model: Model::Trees(vec![Transaction, History, Graph, Labels]),
            });
        }
        rungs
    }

    /// The ladder's rung with all features.
    pub fn full(protocol: &Protocol) -> Vec<Rung> {
        let mut rungs = Rung::ladder(protocol);
        rungs.retain(|rung| rung.name == "+ labels");
        let top = rungs.pop();
        top.map(|rung| Rung {
            name: "all features".to_owned(),
            ..rung
        })
        .into_iter()
        .collect()
    }
}

impl Model {
    /// Whether its samples carry a channel, and whether the producer of that channel sees labels too.
    pub fn channel(&self) -> Option<LabelAccess> {
        let Model::Trees(groups) = self else {
            return None;
        };
        groups.contains(&FeatureGroup::Suspicion).then(|| {
            match groups.contains(&FeatureGroup::Labels) {
                true => LabelAccess::Features,
                false => LabelAccess::None,
            }
        })
    }

    pub fn is_handbook(&self) -> bool {
        !matches!(self, Model::Trees(_))
    }

    pub fn is_boosted(&self) -> bool {
        *self != Model::HandbookLogistic
    }
}
