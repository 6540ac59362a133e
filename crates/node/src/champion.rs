//! The model that scores: its file, loaded and checked against the schema's features.

use drift::Reference;
use event::record::{Channel, ModelVersion, ReasonCode};
use event::schema::ROLES_MAX;
use event::{EventTime, hex};
use graph::sample::{self, Sample};
use graph::{FeatureGroup, FeatureList};
use model::artifact::{Artifact, Header, Identity};
use model::hybrid::{Input, shape};
use model::score::{score_of_log_odds, sigmoid};
use model::scorer::Scorer;
use smallvec::SmallVec;

use event::Schema;
use std::path::Path;
use std::sync::Arc;

use crate::NodeError;
use crate::channel::Voice;
use crate::tenant::lineup::LineupError;

// What the sampler writes is what a network reads; neither crate knows the other.
const _: () = {
    assert!(shape::STEPS == sample::STEPS);
    assert!(shape::STEP_WIDTH == sample::STEP_WIDTH);
    assert!(shape::NEIGHBOURS == sample::NEIGHBOURS);
    assert!(shape::EDGE_WIDTH == sample::EDGE_WIDTH);
    assert!(shape::NODE_WIDTH == sample::NODE_WIDTH);
    assert!(shape::ROLES_MAX == event::schema::ROLES_MAX);
    let column = sample::STEP_COLUMNS[shape::STEP_EVENT_TYPE].as_bytes();
    assert!(matches!(column, b"event_type"));
};

/// Scores before a model serves: the machine learns its branches within a few.
const WARM_SCORES: usize = 8;
/// Reasons given with a decision.
const REASONS_MAX: usize = 5;

#[derive(Debug)]
pub struct Champion {
    artifact: [u8; 32],
    scorer: Scorer,
    /// Values of a sample that the model reads.
    features: usize,
    roles: usize,
    /// Writes the suspicion that the model reads.
    voice: Option<Voice>,
    /// Whether its scores can depend on suspicion.
    hears: bool,
    /// What the events it was trained on looked like.
    reference: Option<Arc<Reference>>,
    scores: u64,
}

/// What the model says of one sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    pub score: u16,
    pub probability_ppm: u32,
}

impl Champion {
    /// Loads a model file and refuses it unless it fits schema and features.
    pub fn load(
        path: &Path,
        schema: &Schema,
        features: &FeatureList,
    ) -> Result<Champion, NodeError> {
        let (artifact, identity) = Artifact::load(path)?;
        Champion::of(&artifact, &identity, schema, features)
    }

    /// A model that has been read; refused as by [`Champion::load`].
    pub fn of(
        artifact: &Artifact,
        identity: &Identity,
        schema: &Schema,
        features: &FeatureList,
    ) -> Result<Champion, NodeError> {
        let (names, roles) = (features.names(), schema.roles.len());
        artifact.fits(&schema.hash().hex(), &names, roles)?;
        if let Some(producer) = &artifact.producer
            && producer.reads(|at| features.features()[at].group == FeatureGroup::Suspicion)
        {
            return Err(NodeError::EchoingProducer {
                model: identity.short().to_owned(),
            });
        }
        let is_suspicion = |at: usize| features.features()[at].group == FeatureGroup::Suspicion;
        let reference = artifact.reference.as_deref().map(Reference::decode);
        let reference = reference.transpose()?;
        if let Some(reference) = &reference {
            reference.fits(&names)?;
        }
        Ok(Champion {
            hears: artifact.reads(is_suspicion),
            reference: reference.map(Arc::new),
            artifact: identity.bytes(),
            scorer: Scorer::new(artifact),
            voice: Voice::of(artifact),
            features: names.len(),
            roles,
            scores: 0,
        })
    }

    /// Samples that it was called with so far, those to warm up among them.
    pub fn scores(&self) -> u64 {
        self.scores
    }

    pub fn artifact(&self) -> [u8; 32] {
        self.artifact
    }

    pub fn reference(&self) -> Option<&Arc<Reference>> {
        self.reference.as_ref()
    }

    /// What a watch over it is begun with.
    pub fn watched(&self) -> Option<([u8; 32], Arc<Reference>)> {
        Some((self.artifact, self.reference.clone()?))
    }

    pub fn voice(&self) -> Option<&Voice> {
        self.voice.as_ref()
    }

    pub fn voice_mut(&mut self) -> Option<&mut Voice> {
        self.voice.as_mut()
    }

    /// The channel that this model reads where another one is the champion: that of the champion's producer, or
    /// none. Refused when it would read what it was not trained on.
    pub fn beside(&self, champion: &Champion) -> Result<Channel, LineupError> {
        let producer = |it: &Champion| it.voice().map(|voice| voice.producer);
        match (producer(self), producer(champion)) {
            (Some(own), Some(spoken)) if own == spoken => Ok(Channel::Kept { producer: own }),
            (None, Some(_)) if self.hears => Err(LineupError::Unheard {
                model: self.short(),
            }),
            (None, _) => Ok(Channel::Empty),
            (Some(_), _) => Err(LineupError::OtherChannel {
                model: self.short(),
                champion: champion.short(),
            }),
        }
    }

    fn short(&self) -> String {
        hex(&self.artifact)[..12].to_owned()
    }

    /// Scores and explains a sample of nothing, so that what a first call needs is in memory before the model
    /// enters service.
    pub fn warm(&mut self) {
        let mut sample = Sample::default();
        sample.tabular = vec![0.0; self.features];
        sample.sequence = vec![0.0; sample::STEPS * sample::STEP_WIDTH];
        sample.steps = sample::STEPS;
        sample.entities = vec![0.0; self.roles * sample::NODE_WIDTH];
        let neighbours = self.roles * sample::NEIGHBOURS;
        sample.neighbourhood = vec![0.0; neighbours * sample::NEIGHBOUR_WIDTH];
        sample.neighbours = [sample::NEIGHBOURS as u8; ROLES_MAX];
        for _ in 0..WARM_SCORES {
            let score = self.score(&sample);
            std::hint::black_box((score, self.score_by_trees(&sample)));
        }
        std::hint::black_box(self.reasons(&sample));
        if let Some(voice) = &mut self.voice {
            std::hint::black_box(voice.say(EventTime::END, &sample.tabular));
        }
    }

    pub fn version(&self) -> ModelVersion {
        let mut version = [0; 8];
        version.copy_from_slice(&self.artifact[..8]);
        ModelVersion(version)
    }

    /// Name, version and instruction set of what computes the scores.
    pub fn kernel_id(&self) -> &'static str {
        self.scorer.kernel_id()
    }

    /// Whether it is a hybrid: its trees can speak when its network does not.
    pub fn has_network(&self) -> bool {
        self.scorer.reads_arrays()
    }

    /// Calibrated score; `None` when the model's output, or that of its network, is no number, or the sample
    /// not all that it reads.
    pub fn score(&mut self, sample: &Sample) -> Option<Score> {
        if !self.is_whole(sample) {
            return None;
        }
        self.scores += 1;
        let scored = self.scorer.score(&input(sample));
        match scored.network_failed {
            true => None,
            false => calibrated(scored.log_odds),
        }
    }

    /// The same by the trees alone.
    pub fn score_by_trees(&mut self, sample: &Sample) -> Option<Score> {
        if sample.tabular.len() != self.features {
            return None;
        }
        calibrated(self.scorer.log_odds_of_trees(&sample.tabular))
    }

    fn is_whole(&self, it: &Sample) -> bool {
        let arrays = !self.scorer.reads_arrays()
            || it.sequence.len() >= it.steps * sample::STEP_WIDTH
                && it.entities.len() == self.roles * sample::NODE_WIDTH
                && it.neighbourhood.len()
                    == self.roles * sample::NEIGHBOURS * sample::NEIGHBOUR_WIDTH;
        it.tabular.len() == self.features && arrays
    }

    /// What moved the score most, in thousandths of raw log-odds; [`FeatureList::reason`] names the codes.
    pub fn reasons(&mut self, sample: &Sample) -> SmallVec<[ReasonCode; 4]> {
        if !self.is_whole(sample) {
            return SmallVec::new();
        }
        let shares = self.scorer.shares(&input(sample));
        let mut ranked: Vec<(usize, f64)> = shares.into_iter().enumerate().collect();
        ranked.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        let told = ranked
            .into_iter()
            .take(REASONS_MAX)
            .filter(|(_, value)| *value != 0.0);
        let milli = |value: f64| (value * 1000.0).clamp(-1e9, 1e9) as i32;
        told.map(|(feature, value)| ReasonCode {
            feature: feature as u16,
            contribution_milli: milli(value),
        })
        .collect()
    }
}

/// The policy that a model asks for: its thresholds, the first event type's as the default. `None`: it has
/// none, and the policy stays.
pub fn policy_of(header: &Header) -> Option<String> {
    let mut text = String::from("fallback = \"review\"\n");
    for (at, (name, it)) in header.thresholds.iter().enumerate() {
        let line = format!(
            "challenge = {}\nreview = {}\ndecline = {}\n",
            it.challenge, it.review, it.decline
        );
        if at == 0 {
            text.push_str(&format!("\n[thresholds]\n{line}"));
        }
        text.push_str(&format!("\n[event_types.{name}]\n{line}"));
    }
    (!header.thresholds.is_empty()).then_some(text)
}

fn calibrated(log_odds: f64) -> Option<Score> {
    let probability = sigmoid(log_odds);
    probability.is_finite().then(|| Score {
        score: score_of_log_odds(log_odds),
        probability_ppm: (probability * 1e6).clamp(0.0, 1e6) as u32,
    })
}

/// What a model's scorer takes of a sample.
pub fn input(sample: &Sample) -> Input<'_> {
    Input {
        tabular: &sample.tabular,
        sequence: &sample.sequence,
        steps: sample.steps,
        entities: &sample.entities,
        neighbourhood: &sample.neighbourhood,
        neighbours: &sample.neighbours,
    }
}
