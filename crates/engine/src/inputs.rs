//! What rules may name and lists may look at: the fields of an event, its features, and what the model said.

use event::record::AttributeValue;
use event::schema::{Domain, Part, TEXT_BYTES_MAX};
use event::{AttributeIx, EntityId, Event, EventId, RoleIx, Schema};
use graph::FeatureList;
use lists::Probe;
use rules::{Slot, Type, Values, VariableIx, Vocabulary};

/// Where a variable's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Amount,
    Currency,
    EventId,
    EventType,
    Timestamp,
    ReceivedAt,
    Entity(RoleIx),
    Attribute(AttributeIx),
    Feature(u16),
    Score,
    Probability,
}

/// A variable and what it means, for people who write rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    pub name: String,
    pub of: Type,
    pub optional: bool,
    pub meaning: String,
}

/// What rules of this schema may name.
pub fn explain(schema: &Schema, features: &FeatureList) -> Vec<Explained> {
    Inputs::new(schema, features).explained()
}

/// The variables of a schema, and how to read each.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    pub vocabulary: Vocabulary,
    sources: Vec<Source>,
    meanings: Vec<String>,
}

/// An event as a decision sees it.
pub(crate) struct Seen<'a> {
    pub schema: &'a Schema,
    pub event: &'a Event,
    /// The values of its sample, by feature.
    pub tabular: &'a [f32],
    /// Score and probability in parts per million.
    pub scored: Option<(u16, u32)>,
}

impl Inputs {
    pub fn new(schema: &Schema, features: &FeatureList) -> Inputs {
        let mut inputs = Inputs {
            vocabulary: Vocabulary::new(),
            sources: Vec::new(),
            meanings: Vec::new(),
        };
        inputs.add_fields();
        let types = schema.event_types.iter().map(|it| it.name.clone());
        inputs.declare("event_type", Values::These(types.collect()));
        for (role, ix) in schema.roles.iter().zip(0..) {
            let meaning = format!("id of the {}", role.name);
            let of = text(EntityId::MAX_BYTES);
            inputs.add(
                &format!("{}.id", role.name),
                of,
                true,
                Source::Entity(RoleIx(ix)),
                meaning,
            );
        }
        inputs.add_attributes(schema);
        inputs.add_features(schema, features);
        inputs
    }

    fn add_fields(&mut self) {
        let say = str::to_owned;
        let meaning = say("amount in minor units of its own currency");
        self.add("amount", Type::Number, true, Source::Amount, meaning);
        let meaning = say("ISO 4217 code of the amount's currency");
        self.add("currency", text(3), true, Source::Currency, meaning);
        let meaning = say("id of the event");
        self.add(
            "event_id",
            text(EventId::MAX_BYTES),
            false,
            Source::EventId,
            meaning,
        );
        let meaning = say("type of the event, as the schema names it");
        self.add(
            "event_type",
            text(EntityId::MAX_BYTES),
            false,
            Source::EventType,
            meaning,
        );
        let meaning = say("when it happened");
        self.add("timestamp", Type::Time, false, Source::Timestamp, meaning);
        let meaning = say("when it was received");
        self.add(
            "received_at",
            Type::Time,
            false,
            Source::ReceivedAt,
            meaning,
        );
        let meaning = say("the model's score, 0 to 1000, before rules");
        self.add("score", Type::Number, true, Source::Score, meaning);
        let meaning = say("the model's calibrated probability of fraud");
        self.add(
            "probability",
            Type::Number,
            true,
            Source::Probability,
            meaning,
        );
    }

    fn add_attributes(&mut self, schema: &Schema) {
        for (attribute, ix) in schema.attributes.iter().zip(0..) {
            let of = match attribute.domain {
                Domain::Numeric { .. } => Type::Number,
                Domain::Categorical { .. } => text(EntityId::MAX_BYTES),
                Domain::Text { .. } => text(TEXT_BYTES_MAX as usize),
            };
            let source = Source::Attribute(AttributeIx(ix));
            let meaning = format!("attribute {}", attribute.name);
            // Under its own name where that is free and no word of the language.
            let plain = self.add(&attribute.name, of, true, source, meaning.clone());
            let mut name = attribute.name.clone();
            if !plain {
                name = format!("attributes.{}", attribute.name);
                self.add(&name, of, true, source, meaning);
            }
            if matches!(attribute.domain, Domain::Categorical { .. }) {
                self.declare(&name, Values::Untold);
            }
        }
    }

    /// A feature of a role stands under the role: `device_peers_24h` is `device.peers_24h`. The distinct subjects
    /// of another role are its accounts, or whatever the schema calls its subject.
    fn add_features(&mut self, schema: &Schema, features: &FeatureList) {
        let subject = schema.part(Part::Subject);
        let subject_name = subject.map(|ix| schema.roles[ix.index()].name.as_str());
        for (feature, ix) in features.features().iter().zip(0..) {
            let source = Source::Feature(ix);
            let meaning = || feature.meaning.clone();
            let own = schema.roles.iter().zip(0..).filter_map(|(role, at)| {
                let rest = feature.name.strip_prefix(&role.name)?.strip_prefix('_')?;
                Some((role.name.as_str(), rest, RoleIx(at)))
            });
            let Some((role, rest, at)) = own.max_by_key(|(role, ..)| role.len()) else {
                let name = format!("features.{}", feature.name);
                self.add(&name, Type::Number, true, source, meaning());
                continue;
            };
            self.add(
                &format!("{role}.{rest}"),
                Type::Number,
                true,
                source,
                meaning(),
            );
            let window = rest.strip_prefix("peers_").filter(|_| Some(at) != subject);
            if let (Some(window), Some(subject)) = (window, subject_name) {
                let name = format!("{role}.{subject}s_{window}");
                self.add(&name, Type::Number, true, source, meaning());
            }
        }
    }

    /// False where the name is taken or no name.
    fn add(
        &mut self,
        name: &str,
        of: Type,
        optional: bool,
        source: Source,
        meaning: String,
    ) -> bool {
        let added = self.vocabulary.add(name, of, optional).is_ok();
        if added {
            self.sources.push(source);
            self.meanings.push(meaning);
        }
        added
    }

    fn declare(&mut self, name: &str, values: Values) {
        if let Some(ix) = self.vocabulary.find(name) {
            self.vocabulary.declare(ix, values);
        }
    }

    pub fn explained(&self) -> Vec<Explained> {
        let variables = self.vocabulary.variables().iter();
        variables
            .zip(&self.meanings)
            .map(|(variable, meaning)| Explained {
                name: variable.name.clone(),
                of: variable.of,
                optional: variable.optional,
                meaning: meaning.clone(),
            })
            .collect()
    }

    pub fn is_feature(&self, variable: VariableIx) -> bool {
        matches!(self.sources[usize::from(variable.0)], Source::Feature(_))
    }

    pub fn slot<'a>(&self, variable: VariableIx, seen: &Seen<'a>) -> Slot<'a> {
        let event = seen.event;
        let number = |value: Option<f64>| value.map_or(Slot::Missing, Slot::Number);
        match self.sources[usize::from(variable.0)] {
            Source::Amount => number(event.amount.map(|money| money.minor as f64)),
            Source::Currency => match &event.amount {
                Some(money) => Slot::Text(money.currency.code()),
                None => Slot::Missing,
            },
            Source::EventId => Slot::Text(event.event_id.as_str()),
            Source::EventType => {
                Slot::Text(&seen.schema.event_types[event.event_type.index()].name)
            }
            Source::Timestamp => Slot::Time(event.event_timestamp.millis()),
            Source::ReceivedAt => Slot::Time(event.received_at.millis()),
            Source::Entity(role) => match event.entity(role) {
                Some(id) => Slot::Text(id.as_str()),
                None => Slot::Missing,
            },
            Source::Attribute(ix) => match event.attribute(ix) {
                Some(AttributeValue::Number(value)) => Slot::Number(*value),
                Some(AttributeValue::Category(text) | AttributeValue::Text(text)) => {
                    Slot::Text(text)
                }
                None => Slot::Missing,
            },
            Source::Feature(ix) => {
                let value = seen.tabular.get(usize::from(ix)).copied();
                number(value.filter(|value| value.is_finite()).map(f64::from))
            }
            Source::Score => number(seen.scored.map(|(score, _)| f64::from(score))),
            Source::Probability => number(seen.scored.map(|(_, ppm)| f64::from(ppm) / 1e6)),
        }
    }
}

fn text(bytes_max: usize) -> Type {
    Type::Text {
        bytes_max: bytes_max as u16,
    }
}

/// A field of an event that a list can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Amount,
    EventType,
    Entity(RoleIx),
    Attribute(AttributeIx),
}

impl Field {
    /// By the name in a list's definition.
    pub fn named(schema: &Schema, name: &str) -> Option<Field> {
        match name {
            "amount" => return Some(Field::Amount),
            "event_type" => return Some(Field::EventType),
            _ => {}
        }
        if let Some(at) = schema.roles.iter().position(|role| role.name == name) {
            return Some(Field::Entity(RoleIx(at as u8)));
        }
        let mut attributes = schema.attributes.iter();
        let at = attributes
            .position(|it| it.name == name && !matches!(it.domain, Domain::Numeric { .. }));
        at.map(|at| Field::Attribute(AttributeIx(at as u8)))
    }

    /// Names that there are.
    pub fn names(schema: &Schema) -> Vec<&str> {
        let texts = schema.attributes.iter();
        let texts = texts.filter(|it| !matches!(it.domain, Domain::Numeric { .. }));
        ["amount", "event_type"]
            .into_iter()
            .chain(schema.roles.iter().map(|role| role.name.as_str()))
            .chain(texts.map(|it| it.name.as_str()))
            .collect()
    }

    pub fn of<'a>(self, schema: &'a Schema, event: &'a Event) -> Option<Probe<'a>> {
        match self {
            Field::Amount => {
                let money = event.amount?;
                Some(Probe::Amount(money.minor, money.currency.bytes()))
            }
            Field::EventType => Some(Probe::Text(
                &schema.event_types[event.event_type.index()].name,
            )),
            Field::Entity(role) => Some(Probe::Text(event.entity(role)?.as_str())),
            Field::Attribute(ix) => match event.attribute(ix)? {
                AttributeValue::Category(text) | AttributeValue::Text(text) => {
                    Some(Probe::Text(text))
                }
                AttributeValue::Number(_) => None,
            },
        }
    }
}
