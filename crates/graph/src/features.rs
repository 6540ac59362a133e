//! The feature list of a schema: what each number of a sample means.
//!
//! Every group describes its features and fills them in the same file, in the same order; a test holds
//! the two together. The list's version changes when a meaning changes; models carry its hash.

pub(crate) mod entity;
pub(crate) mod flow;
pub(crate) mod habit;
pub(crate) mod neighbours;
mod page;
pub(crate) mod pair;
pub(crate) mod place;
pub(crate) mod recent;
pub(crate) mod squash;
pub(crate) mod subject;
pub(crate) mod suspicion;
pub(crate) mod transaction;

use std::collections::BTreeSet;

use event::Schema;
use event::schema::Part;
use sha2::{Digest, Sha256};

use crate::state::RoleNodes;

/// Changes when a feature's meaning changes without its name.
pub const FEATURES_VERSION: u32 = 1;

fn arrays(schema: &Schema) -> Vec<(String, String)> {
    let role = |name: &str| {
        let meaning = format!("the {name}, its latest events and who is on their other end");
        (format!("neighbourhood.{name}"), meaning)
    };
    let sequence = "the latest events of the account, in their order";
    let first = ("sequence".to_owned(), sequence.to_owned());
    let roles = schema.roles.iter().map(|it| role(&it.name));
    std::iter::once(first).chain(roles).collect()
}

/// What a feature is made from: the rungs of the evaluation ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureGroup {
    Transaction,
    History,
    Graph,
    Suspicion,
    Labels,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    pub name: String,
    pub group: FeatureGroup,
    pub meaning: String,
    pub unit: &'static str,
    pub window: Option<String>,
    /// When the value is missing (NaN).
    pub missing: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FeatureList {
    features: Vec<Feature>,
    /// Name and meaning of the sample's other arrays, as reasons tell them: sequence, neighbourhood by role.
    arrays: Vec<(String, String)>,
}

impl FeatureGroup {
    pub const ALL: [FeatureGroup; 5] = [
        FeatureGroup::Transaction,
        FeatureGroup::History,
        FeatureGroup::Graph,
        FeatureGroup::Suspicion,
        FeatureGroup::Labels,
    ];

    pub fn name(self) -> &'static str {
        match self {
            FeatureGroup::Transaction => "transaction",
            FeatureGroup::History => "history",
            FeatureGroup::Graph => "graph",
            FeatureGroup::Suspicion => "suspicion",
            FeatureGroup::Labels => "labels",
        }
    }
}

impl FeatureList {
    pub fn new(schema: &Schema) -> FeatureList {
        let mut list = Describe {
            schema,
            features: Vec::new(),
        };
        transaction::describe(&mut list);
        for role in order(schema) {
            entity::describe(&mut list, role);
        }
        subject::describe(&mut list);
        place::describe(&mut list);
        for role in order(schema).into_iter().skip(1) {
            pair::describe(&mut list, role);
        }
        flow::describe(&mut list);
        neighbours::describe(&mut list);
        habit::describe(&mut list);
        suspicion::describe(&mut list);
        let mut features = list.features;
        make_unique(&mut features);
        FeatureList {
            features,
            arrays: arrays(schema),
        }
    }

    /// Name and meaning of what a reason points at: a feature, or behind the features the sequence, then each
    /// role's neighbourhood.
    pub fn reason(&self, code: u16) -> Option<(&str, &str)> {
        let code = usize::from(code);
        match self.features.get(code) {
            Some(feature) => Some((&feature.name, &feature.meaning)),
            None => {
                let array = self.arrays.get(code - self.features.len())?;
                Some((&array.0, &array.1))
            }
        }
    }

    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    pub fn len(&self) -> usize {
        self.features.len()
    }

    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    pub fn names(&self) -> Vec<String> {
        self.features
            .iter()
            .map(|feature| feature.name.clone())
            .collect()
    }

    /// SHA-256 over version, names and windows in order: two lists with one hash mean the same numbers.
    pub fn hash(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(FEATURES_VERSION.to_le_bytes());
        for feature in &self.features {
            digest.update(feature.name.as_bytes());
            digest.update(b"\n");
        }
        digest.finalize().into()
    }
}

/// An attribute or role may be called like a feature (`speed`); the later of two names gets a number.
fn make_unique(features: &mut [Feature]) {
    let mut taken = BTreeSet::new();
    for feature in features {
        let plain = feature.name.clone();
        let mut number = 2;
        while !taken.insert(feature.name.clone()) {
            feature.name = format!("{plain}_{number}");
            number += 1;
        }
    }
}

/// Roles in the order features are written: the subject, then the others as declared.
pub(crate) fn order(schema: &Schema) -> Vec<usize> {
    let subject = schema
        .roles
        .iter()
        .position(|role| role.part == Part::Subject)
        .unwrap_or(0);
    let others = (0..schema.roles.len()).filter(|role| *role != subject);
    std::iter::once(subject).chain(others).collect()
}

/// Collects descriptions.
pub(crate) struct Describe<'a> {
    pub schema: &'a Schema,
    features: Vec<Feature>,
}

pub(crate) const NEVER: &str = "never";

impl Describe<'_> {
    pub fn add(
        &mut self,
        group: FeatureGroup,
        name: String,
        meaning: impl Into<String>,
        unit: &'static str,
        missing: &'static str,
    ) {
        let meaning = meaning.into();
        self.features.push(Feature {
            name,
            group,
            meaning,
            unit,
            window: None,
            missing,
        });
    }

    /// One feature for each of the given windows (by index), the window's label appended to the name.
    pub fn add_windows(
        &mut self,
        group: FeatureGroup,
        windows: &[usize],
        name: &str,
        meaning: &str,
        unit: &'static str,
        missing: &'static str,
    ) {
        for window in windows {
            let label = self.window(*window);
            self.features.push(Feature {
                name: format!("{name}_{label}"),
                group,
                meaning: meaning.to_owned(),
                unit,
                window: Some(label),
                missing,
            });
        }
    }

    pub fn window(&self, window: usize) -> String {
        self.schema.time.windows[window].label(self.schema.time.unit)
    }

    pub fn role(&self, role: usize) -> &str {
        &self.schema.roles[role].name
    }
}

/// What the groups fill from.
pub(crate) struct Moment<'a> {
    pub graph: &'a crate::state::Graph,
    pub event: &'a event::Event,
    pub now: event::EventTime,
    pub amount: Option<f32>,
    pub nodes: RoleNodes,
    pub edges: &'a recent::Edges,
    pub recent: &'a [recent::Recent],
}

impl Moment<'_> {
    /// Whether the event names an entity in this role.
    pub fn has(&self, role: usize) -> bool {
        let mut roles = self.event.entities.iter();
        roles.any(|(at, _)| at.index() == role)
    }
}

pub(crate) const MISSING: f32 = f32::NAN;

/// Hours between two times; never negative.
pub(crate) fn hours(now: event::EventTime, then: event::EventTime) -> f32 {
    now.since(then).millis().max(0) as f32 / 3_600_000.0
}

pub(crate) fn hours_since(now: event::EventTime, then: Option<event::EventTime>) -> f32 {
    then.map_or(MISSING, |then| hours(now, then))
}

/// `a / b`, missing where `b` is not positive.
pub(crate) fn ratio(a: f32, b: f32) -> f32 {
    if b > 0.0 { a / b } else { MISSING }
}
