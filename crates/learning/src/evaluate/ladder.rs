//! What can be measured side by side: models that see more and more.

use graph::FeatureGroup;

use super::protocol::Protocol;

#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    pub name: String,
    pub model: Model,
    /// Name of the rung whose AP its own is compared with; `None`: the one before.
    pub beside: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// Boosted trees on these groups of the tenant's own features.
    Trees(Vec<FeatureGroup>),
    /// Boosted trees on the Handbook's features.
    HandbookTrees,
    /// Logistic regression on the Handbook's features.
    HandbookLogistic,
    /// The network on what it may see.
    Network(View),
    /// The network's log-odds and those of trees on the same features, mixed.
    Both(View),
}

/// What a network may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Groups of its tabular features.
    pub features: Vec<FeatureGroup>,
    /// Whether known labels show in sequence and neighbourhood.
    pub labels: bool,
    pub graph: bool,
    pub sequence: bool,
}

/// Whether a model has features made of known labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelAccess {
    None,
    Features,
}

/// Rung of trees that see the transaction and the own history, as many systems in service do.
pub const OWN_HISTORY: &str = "+ history";

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
                beside: None,
            });
            rungs.push(Rung {
                name: "handbook 15, trees".to_owned(),
                model: Model::HandbookTrees,
                beside: None,
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
                beside: None,
            });
        }
        if protocol.producer.is_some() {
            rungs.push(Rung {
                name: "labels, no suspicion".to_owned(),
                model: Model::Trees(vec![Transaction, History, Graph, Labels]),
                beside: None,
            });
        }
        if !protocol.networks.is_empty() {
            rungs.extend(networks(order));
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

/// The network's rungs: each half alone on the bare transaction, the whole, and the whole with trees; the
/// last two also without labels, beside the trees that see as much.
fn networks(order: &[FeatureGroup]) -> Vec<Rung> {
    let alone = |graph: bool| View {
        features: vec![FeatureGroup::Transaction],
        labels: true,
        graph,
        sequence: !graph,
    };
    let whole = |labels: bool| View {
        features: match labels {
            true => order.to_vec(),
            false => order[..order.len() - 1].to_vec(),
        },
        labels,
        graph: true,
        sequence: true,
    };
    let rung = |name: &str, model, beside: &str| Rung {
        name: name.to_owned(),
        model,
        beside: Some(beside.to_owned()),
    };
    let labels = "+ labels";
    let bare = format!("+ {}", order[order.len() - 2].name());
    vec![
        rung("GNN alone", Model::Network(alone(true)), "transaction"),
        rung(
            "temporal alone",
            Model::Network(alone(false)),
            "transaction",
        ),
        rung("hybrid", Model::Network(whole(true)), labels),
        rung("hybrid + trees", Model::Both(whole(true)), labels),
        rung("hybrid, no labels", Model::Network(whole(false)), &bare),
        rung(
            "hybrid + trees, no labels",
            Model::Both(whole(false)),
            &bare,
        ),
    ]
}

impl Model {
    /// Whether its samples carry a channel, and whether the producer of that channel sees labels too.
    pub fn channel(&self) -> Option<LabelAccess> {
        let groups = self.groups()?;
        groups.contains(&FeatureGroup::Suspicion).then(|| {
            match groups.contains(&FeatureGroup::Labels) {
                true => LabelAccess::Features,
                false => LabelAccess::None,
            }
        })
    }

    /// Groups of the tenant's own features that are read.
    pub fn groups(&self) -> Option<&[FeatureGroup]> {
        match self {
            Model::Trees(groups) => Some(groups),
            Model::Network(view) | Model::Both(view) => Some(&view.features),
            Model::HandbookTrees | Model::HandbookLogistic => None,
        }
    }

    /// Whether sequence and neighbourhood are read.
    pub fn has_arrays(&self) -> bool {
        matches!(self, Model::Network(_) | Model::Both(_))
    }
}
