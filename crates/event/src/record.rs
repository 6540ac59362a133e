//! Every kind of record the log can hold. What changes a decision is one of these; nothing else is.

mod activation;

use serde::{Deserialize, Serialize, Serializer};
use smallvec::SmallVec;

use crate::ids::{AttributeIx, EntityId, EventId, EventTypeIx, Position, RoleIx};
use crate::money::{Currency, Money};
use crate::time::EventTime;

use compact_str::CompactString;

pub use activation::{Activation, Channel, Levels, ServingPart};

/// Events are nearly all records, so the large variant is the usual one and stays unboxed.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Event(Event),
    Label(Label),
    Outcome(Outcome),
    Decision(Decision),
    Tick(Tick),
    Config(Config),
    Activation(Activation),
}

/// A payment, transfer, login...
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub event_id: EventId,
    pub event_type: EventTypeIx,
    pub event_timestamp: EventTime,
    /// Stamped by the node; an import sets it to `event_timestamp`.
    pub received_at: EventTime,
    /// Ascending by role, at most one each.
    pub entities: Entities,
    pub amount: Option<Money>,
    /// Ascending by attribute, at most one each.
    pub attributes: SmallVec<[(AttributeIx, AttributeValue); 6]>,
}

pub type Entities = SmallVec<[(RoleIx, EntityId); 6]>;

#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    Number(f64),
    Category(CompactString),
    Text(CompactString),
}

/// What a label or outcome is about: enough of the event that the engine need not have kept it.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub event_id: EventId,
    /// The event's own position in the log.
    pub position: Position,
    pub event_type: EventTypeIx,
    pub event_timestamp: EventTime,
    pub entities: Entities,
    pub amount: Option<Money>,
    /// The event's categorical attributes.
    pub categories: SmallVec<[(AttributeIx, CompactString); 2]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    pub subject: Subject,
    pub verdict: Verdict,
    pub source: LabelSource,
    /// Code of the reporter's own vocabulary, at most 64 bytes; empty when none was given.
    pub reason: CompactString,
    /// 0..=100.
    pub confidence_percent: u8,
    /// When the label became known, by its reporter.
    pub label_timestamp: EventTime,
    pub received_at: EventTime,
    /// The verdict this one replaces and where it was recorded, so that counters subtract exactly.
    pub prior: Option<(Verdict, Position)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Legitimate,
    Fraud,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSource {
    Chargeback,
    EarlyFraudWarning,
    CustomerReport,
    Analyst,
    Refund,
    /// A label column of imported history.
    Import,
}

/// What happened to the money, or to a challenge.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub subject: Subject,
    pub kind: OutcomeKind,
    pub outcome_timestamp: EventTime,
    pub received_at: EventTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    Authorised,
    Declined,
    Failed,
    Reversed,
    Refunded,
    ChallengePassed,
    ChallengeFailed,
}

/// The suspicion scores and the decision for one event, in one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub event_position: Position,
    pub decided_at: EventTime,
    /// Suspicion by producer slot, calibrated and scaled to the whole of u16.
    pub suspicion: SmallVec<[(u8, u16); 2]>,
    pub verdict: DecisionKind,
    /// 0..=1000, higher is riskier.
    pub score: u16,
    /// Calibrated probability in parts per million.
    pub probability_ppm: u32,
    pub source: DecisionSource,
    /// First eight bytes of the model artifact's SHA-256; zero when no model scored.
    pub model: ModelVersion,
    pub policy_version: u32,
    pub rules_version: u32,
    /// Probability in parts per million with which this decision was taken among the alternatives.
    pub propensity_ppm: u32,
    /// Bit set of degraded modes, see [`degraded`].
    pub degraded: u32,
    pub reasons: SmallVec<[ReasonCode; 4]>,
    /// Interactions that were looked at, for the graph as it stood; at most 16.
    pub evidence: SmallVec<[Position; 8]>,
    pub findings: Findings,
}

/// What rules, lists and the draw of unbiased approvals had to say of an event; of most events nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Findings {
    /// The model's score where rules have changed it.
    pub model_score: Option<u16>,
    /// What would have been decided, had the draw not let the event pass.
    pub explored: Option<DecisionKind>,
    /// Those that had effect, then those that failed, then those in shadow; each in the order of evaluation. At most
    /// [`Findings::RULES_MAX`].
    pub rules: Vec<RuleHit>,
    /// Lists that the event stands on, the strongest first, then by name; at most [`Findings::LISTS_MAX`].
    pub lists: Vec<ListHit>,
    /// Ascending, each once; at most [`Findings::TAGS_MAX`].
    pub tags: Vec<CompactString>,
    /// Chance in parts per million with which the model that scored was chosen, where champion and challenger shared
    /// the decisions of its kind.
    pub model_propensity_ppm: Option<u32>,
}

impl Findings {
    /// As many as a set of rules, and as many lists as a tenant may have.
    pub const RULES_MAX: usize = 200;
    pub const LISTS_MAX: usize = 64;
    pub const TAGS_MAX: usize = 32;
    /// Of a rule's id, a list's name and a tag.
    pub const NAME_BYTES_MAX: usize = 64;
    pub const REASON_BYTES_MAX: usize = 256;

    pub fn is_empty(&self) -> bool {
        *self == Findings::default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleHit {
    pub rule: CompactString,
    pub outcome: RuleOutcome,
    /// What people are told of it, as it stood; may be empty.
    pub reason: CompactString,
    /// An alert that the rule opens.
    pub alert: Option<Severity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It held, and its effects were taken.
    Matched,
    /// It held, and has no effect yet.
    Shadow,
    /// It could not be evaluated: it had no effect.
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Low,
    Medium,
    High,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListHit {
    pub list: CompactString,
    pub effect: ListEffect,
}

/// From the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListEffect {
    Watch,
    Block,
    Allow,
    /// A block that no list allows away.
    BlockAlways,
}

/// Bits of [`Decision::degraded`].
pub mod degraded {
    /// No model was active: the policy's default was used.
    pub const NO_MODEL: u32 = 1;
    /// The model failed or returned a value that is no probability.
    pub const MODEL_FAULT: u32 = 2;
    /// No exchange rate: the amount in base currency is missing.
    pub const NO_RATE: u32 = 4;
    /// The event came late: windows that had closed were not reopened.
    pub const LATE_EVENT: u32 = 8;
    /// The network of a hybrid model failed: its trees alone scored.
    pub const NETWORK_FAULT: u32 = 16;
    /// The network of a hybrid model took too long: its trees alone scored.
    pub const NETWORK_TIMEOUT: u32 = 32;
    /// The network of a hybrid model had failed too often to be asked: its trees alone scored.
    pub const NETWORK_BREAKER_OPEN: u32 = 64;
    /// The model took too long: the policy's default was used.
    pub const MODEL_TIMEOUT: u32 = 128;
    /// The model had failed too often to be asked: the policy's default was used.
    pub const MODEL_BREAKER_OPEN: u32 = 256;
    /// Reasons had come too late too often: none are given.
    pub const REASONS_BREAKER_OPEN: u32 = 512;
    /// The request's time was over before its reasons could be found.
    pub const REASONS_OUT_OF_TIME: u32 = 1024;
    /// The challenger failed, came late or is missing: the champion scored in its place.
    pub const CHALLENGER_FAULT: u32 = 2048;

    pub const NAMES: [(u32, &str); 12] = [
        (NO_MODEL, "no_model"),
        (MODEL_FAULT, "model_fault"),
        (NO_RATE, "no_rate"),
        (LATE_EVENT, "late_event"),
        (NETWORK_FAULT, "network_fault"),
        (NETWORK_TIMEOUT, "network_timeout"),
        (NETWORK_BREAKER_OPEN, "network_breaker_open"),
        (MODEL_TIMEOUT, "model_timeout"),
        (MODEL_BREAKER_OPEN, "model_breaker_open"),
        (REASONS_BREAKER_OPEN, "reasons_breaker_open"),
        (REASONS_OUT_OF_TIME, "reasons_out_of_time"),
        (CHALLENGER_FAULT, "challenger_fault"),
    ];

    /// What the bits say, as answers show it.
    pub fn names(bits: u32) -> impl Iterator<Item = &'static str> {
        NAMES
            .into_iter()
            .filter(move |(bit, _)| bits & bit != 0)
            .map(|(_, name)| name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DecisionKind {
    Approve,
    Challenge,
    Review,
    Decline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionSource {
    Model,
    Rule,
    List,
    Fallback,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ModelVersion(pub [u8; 8]);

impl ModelVersion {
    /// The twelve digits that decisions show.
    pub fn digits(self) -> String {
        crate::hex(&self.0[..6])
    }
}

/// A feature by its index in the feature list, and what it added to the score in thousandths of log-odds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonCode {
    pub feature: u16,
    pub contribution_milli: i32,
}

/// Event time passes although nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    pub at: EventTime,
}

/// A change of configuration that can change decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub at: EventTime,
    pub section: ConfigSection,
    /// Counts up per section.
    pub version: u32,
    pub author: CompactString,
    /// Why, in the author's words, at most 512 bytes; empty when not told.
    pub why: CompactString,
    /// The section's document as its owner wrote it (TOML), at most 1 MiB.
    pub body: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigSection {
    Schema,
    Policy,
    Rules,
    Lists,
    Rates,
    /// What the watch over drift goes by: changes no decision.
    Drift,
}

impl Config {
    pub const AUTHOR_BYTES_MAX: usize = 128;
    pub const WHY_BYTES_MAX: usize = 512;
}

impl Event {
    pub fn entity(&self, role: RoleIx) -> Option<&EntityId> {
        self.entities
            .iter()
            .find(|(at, _)| *at == role)
            .map(|(_, id)| id)
    }

    pub fn attribute(&self, ix: AttributeIx) -> Option<&AttributeValue> {
        self.attributes
            .iter()
            .find(|(at, _)| *at == ix)
            .map(|(_, value)| value)
    }

    pub fn number(&self, ix: AttributeIx) -> Option<f64> {
        match self.attribute(ix) {
            Some(AttributeValue::Number(value)) => Some(*value),
            _ => None,
        }
    }

    /// What a label or outcome of this event carries.
    pub fn subject(&self, position: Position) -> Subject {
        let categories = self
            .attributes
            .iter()
            .filter_map(|(ix, value)| match value {
                AttributeValue::Category(text) => Some((*ix, text.clone())),
                _ => None,
            });
        Subject {
            event_id: self.event_id.clone(),
            position,
            event_type: self.event_type,
            event_timestamp: self.event_timestamp,
            entities: self.entities.clone(),
            amount: self.amount,
            categories: categories.collect(),
        }
    }
}

impl Record {
    /// The time at which the record takes effect in event time.
    pub fn time(&self) -> EventTime {
        match self {
            Record::Event(event) => event.event_timestamp,
            Record::Label(label) => label.received_at,
            Record::Outcome(outcome) => outcome.received_at,
            Record::Decision(decision) => decision.decided_at,
            Record::Tick(tick) => tick.at,
            Record::Config(config) => config.at,
            Record::Activation(activation) => activation.at,
        }
    }
}

/// Rates to the base currency, as a `Rates` config body holds them: `USD = 0.92` (base per one major unit).
pub type Rates = Vec<(Currency, f64)>;

macro_rules! names {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }

            pub fn parse(text: &str) -> Option<$type> {
                match text { $($name => Some($type::$variant),)+ _ => None }
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

names!(Verdict { Legitimate => "legitimate", Fraud => "fraud" });
names!(LabelSource {
    Chargeback => "chargeback",
    EarlyFraudWarning => "early_fraud_warning",
    CustomerReport => "customer_report",
    Analyst => "analyst",
    Refund => "refund",
    Import => "import",
});
names!(OutcomeKind {
    Authorised => "authorised",
    Declined => "declined",
    Failed => "failed",
    Reversed => "reversed",
    Refunded => "refunded",
    ChallengePassed => "challenge_passed",
    ChallengeFailed => "challenge_failed",
});
names!(DecisionKind {
    Approve => "approve",
    Challenge => "challenge",
    Review => "review",
    Decline => "decline",
});
names!(DecisionSource { Model => "model", Rule => "rule", List => "list", Fallback => "fallback" });
names!(RuleOutcome { Matched => "matched", Shadow => "shadow", Error => "error" });
names!(Severity { Low => "low", Medium => "medium", High => "high" });
names!(ListEffect {
    Watch => "watch",
    Block => "block",
    Allow => "allow",
    BlockAlways => "block_always",
});
names!(ConfigSection {
    Schema => "schema",
    Policy => "policy",
    Rules => "rules",
    Lists => "lists",
    Rates => "rates",
    Drift => "drift",
});
names!(ServingPart {
    Champion => "champion",
    Challenger => "challenger",
    Shadow => "shadow",
    Retired => "retired",
});
