//! Events, labels and outcomes as flat JSON objects: the canonical fields, and one field per role and
//! attribute under its schema name. `null` means absent; an unknown or repeated field is refused.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use smallvec::SmallVec;

use crate::draft::{AmountText, Draft, DraftAmount, DraftValue, Invalid};
use crate::ids::EventId;
use crate::record::{AttributeValue, Event, LabelSource, OutcomeKind, Verdict};
use crate::schema::Schema;
use crate::time::{EventTime, shortened};

/// One line of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    Event(Box<Event>),
    Label(LabelLine),
    Outcome(OutcomeLine),
}

/// A label as it is reported: about an id, not yet about a position.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelLine {
    pub event_id: EventId,
    pub verdict: Verdict,
    pub source: LabelSource,
    pub reason: String,
    pub confidence_percent: u8,
    pub label_timestamp: EventTime,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeLine {
    pub event_id: EventId,
    pub kind: OutcomeKind,
    pub outcome_timestamp: EventTime,
}

/// Parses one line. `now` stamps `received_at`; without it (replayed history) the line's own
/// `received_at`, or else its event time, is taken.
pub fn parse_line(text: &str, schema: &Schema, now: Option<EventTime>) -> Result<Line, Invalid> {
    let fields = Fields::parse(text)?;
    if fields.get("label").is_some() {
        return label_line(&fields).map(Line::Label);
    }
    if fields.get("outcome").is_some() {
        return outcome_line(&fields).map(Line::Outcome);
    }
    event_line(&fields, schema, now).map(|event| Line::Event(Box::new(event)))
}

fn event_line(fields: &Fields, schema: &Schema, now: Option<EventTime>) -> Result<Event, Invalid> {
    let type_name = fields.text("event_type")?;
    let event_type = schema.event_type(type_name).ok_or_else(|| {
        let known = schema.event_types.iter().map(|it| it.name.as_str());
        unknown("event_type", type_name, known)
    })?;
    let event_timestamp = fields.time("event_timestamp")?;
    let stated = match fields.get("received_at") {
        Some(_) => Some(fields.time("received_at")?),
        None => None,
    };
    let amount_text = fields.get("amount").map(decimal_text).transpose()?;
    let mut draft = Draft {
        event_id: fields.text("event_id")?,
        event_type,
        event_timestamp,
        received_at: now.or(stated).unwrap_or(event_timestamp),
        entities: SmallVec::new(),
        amount: None,
        attributes: SmallVec::new(),
    };
    for (name, value) in &fields.0 {
        if value.is_null() || ["event_id", "event_type", "event_timestamp"].contains(&name.as_str())
        {
            continue;
        }
        match name.as_str() {
            "received_at" | "currency" | "amount" => {}
            _ => role_or_attribute(&mut draft, name, value, schema)?,
        }
    }
    if let Some(text) = &amount_text {
        let currency = match fields.get("currency") {
            Some(_) => fields.text("currency")?,
            None => schema.base_currency.code(),
        };
        draft.amount = Some(DraftAmount {
            value: AmountText::Major(text),
            currency,
        });
    }
    draft.validate(schema)
}

fn role_or_attribute<'a>(
    draft: &mut Draft<'a>,
    name: &str,
    value: &'a Value,
    schema: &Schema,
) -> Result<(), Invalid> {
    if let Some(role) = schema.role(name) {
        let text = value.as_str();
        let text = text.ok_or_else(|| Invalid::NotText {
            field: name.to_owned(),
            value: shortened(&value.to_string()),
        })?;
        draft.entities.push((role, text));
        return Ok(());
    }
    let Some(ix) = schema.attribute(name) else {
        let roles = schema.roles.iter().map(|it| it.name.as_str());
        let known = roles.chain(schema.attributes.iter().map(|it| it.name.as_str()));
        return Err(unknown("field", name, known));
    };
    let field = || name.to_owned();
    let value = match value {
        Value::String(text) => DraftValue::Text(text),
        Value::Number(number) => DraftValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::Bool(true) => DraftValue::Text("true"),
        Value::Bool(false) => DraftValue::Text("false"),
        other => {
            return Err(Invalid::NotText {
                field: field(),
                value: shortened(&other.to_string()),
            });
        }
    };
    draft.attributes.push((ix, value));
    Ok(())
}

fn label_line(fields: &Fields) -> Result<LabelLine, Invalid> {
    let known = [
        "label",
        "event_id",
        "label_timestamp",
        "source",
        "reason",
        "confidence",
        "received_at",
    ];
    fields.only(&known)?;
    let verdict = fields.text("label")?;
    let source = fields.text("source")?;
    let confidence = match fields.get("confidence") {
        None => 100,
        Some(value) => {
            let percent = value.as_u64().filter(|percent| *percent <= 100);
            percent.ok_or_else(|| Invalid::OutOfBounds {
                field: "confidence".to_owned(),
                min: 0.0,
                max: 100.0,
                value: value.as_f64().unwrap_or(f64::NAN),
            })?
        }
    };
    let reason = match fields.get("reason") {
        Some(_) => crate::draft::bounded("reason", fields.text("reason")?, 64)?.to_string(),
        None => String::new(),
    };
    Ok(LabelLine {
        event_id: EventId::parse("event_id", fields.text("event_id")?)?,
        verdict: Verdict::parse(verdict)
            .ok_or_else(|| unknown("label", verdict, Verdict::ALL.iter().map(|it| it.name())))?,
        source: LabelSource::parse(source).ok_or_else(|| {
            unknown(
                "source",
                source,
                LabelSource::ALL.iter().map(|it| it.name()),
            )
        })?,
        reason,
        confidence_percent: confidence as u8,
        label_timestamp: fields.time("label_timestamp")?,
    })
}

fn outcome_line(fields: &Fields) -> Result<OutcomeLine, Invalid> {
    fields.only(&["outcome", "event_id", "outcome_timestamp", "received_at"])?;
    let kind = fields.text("outcome")?;
    Ok(OutcomeLine {
        event_id: EventId::parse("event_id", fields.text("event_id")?)?,
        kind: OutcomeKind::parse(kind)
            .ok_or_else(|| unknown("outcome", kind, OutcomeKind::ALL.iter().map(|it| it.name())))?,
        outcome_timestamp: fields.time("outcome_timestamp")?,
    })
}

/// The event as a JSON object that [`parse_line`] reads back.
pub fn event_value(event: &Event, schema: &Schema) -> Value {
    let mut fields = Map::new();
    fields.insert("event_id".to_owned(), json!(event.event_id.as_str()));
    let type_name = &schema.event_types[event.event_type.index()].name;
    fields.insert("event_type".to_owned(), json!(type_name));
    fields.insert(
        "event_timestamp".to_owned(),
        json!(event.event_timestamp.to_string()),
    );
    fields.insert(
        "received_at".to_owned(),
        json!(event.received_at.to_string()),
    );
    for (role, id) in &event.entities {
        fields.insert(schema.roles[role.index()].name.clone(), json!(id.as_str()));
    }
    if let Some(money) = event.amount {
        fields.insert("amount".to_owned(), json!(money.to_string()));
        fields.insert("currency".to_owned(), json!(money.currency.code()));
    }
    for (ix, value) in &event.attributes {
        let value = match value {
            AttributeValue::Number(number) => json!(number),
            AttributeValue::Category(text) | AttributeValue::Text(text) => json!(text.as_str()),
        };
        fields.insert(schema.attributes[ix.index()].name.clone(), value);
    }
    Value::Object(fields)
}

fn unknown<'a>(field: &str, value: &str, known: impl Iterator<Item = &'a str>) -> Invalid {
    Invalid::Unknown {
        field: field.to_owned(),
        value: shortened(value),
        known: known.collect::<Vec<_>>().join(", "),
    }
}

fn decimal_text(value: &Value) -> Result<String, Invalid> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(Invalid::NotNumber {
            field: "amount".to_owned(),
            value: shortened(&other.to_string()),
        }),
    }
}

/// The parser's words, which may quote the line at length, and the place, which stands after them.
fn not_json(error: &serde_json::Error) -> Invalid {
    let words = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let words = words.strip_suffix(&place).unwrap_or(&words);
    Invalid::NotJson {
        detail: format!("{}{place}", shortened(words)),
    }
}

/// A JSON object with its fields in order; a repeated field is an error, not a silent overwrite.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn parse(text: &str) -> Result<Fields, Invalid> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let fields = deserializer.deserialize_map(FieldsVisitor);
        let fields = fields.and_then(|fields| deserializer.end().map(|()| fields));
        let fields = fields.map_err(|e| not_json(&e))?;
        for (ix, (name, _)) in fields.0.iter().enumerate() {
            if fields.0[..ix].iter().any(|(held, _)| held == name) {
                return Err(Invalid::Twice {
                    field: shortened(name),
                });
            }
        }
        Ok(fields)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, value)| value)
            .filter(|v| !v.is_null())
    }

    fn text(&self, name: &str) -> Result<&str, Invalid> {
        let value = self.get(name).ok_or_else(|| Invalid::Missing {
            field: name.to_owned(),
        })?;
        value.as_str().ok_or_else(|| Invalid::NotText {
            field: name.to_owned(),
            value: shortened(&value.to_string()),
        })
    }

    fn time(&self, name: &str) -> Result<EventTime, Invalid> {
        let text = self.text(name)?;
        EventTime::parse_iso(text).map_err(|source| Invalid::Time {
            field: name.to_owned(),
            source,
        })
    }

    fn only(&self, known: &[&str]) -> Result<(), Invalid> {
        match self
            .0
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            Some((name, _)) => Err(unknown("field", name, known.iter().copied())),
            None => Ok(()),
        }
    }
}

struct FieldsVisitor;

/// More fields than any schema allows; past it a line is refused, not stored.
const FIELDS_MAX: usize = 64;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of at most 64 fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::with_capacity(16);
        while let Some(entry) = map.next_entry()? {
            if fields.len() == FIELDS_MAX {
                return Err(serde::de::Error::custom("more than 64 fields"));
            }
            fields.push(entry);
        }
        Ok(Fields(fields))
    }
}
