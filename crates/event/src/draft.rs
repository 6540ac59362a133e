//! The ladder between the outside and an [`Event`]: each rung is one condition, each failure names the
//! field and the value.

use compact_str::CompactString;
use smallvec::SmallVec;
use thiserror::Error;

use crate::ids::{AttributeIx, EntityId, EventId, EventTypeIx, RoleIx};
use crate::money::{Currency, Money, MoneyError};
use crate::record::{AttributeValue, Event};
use crate::schema::{AmountRule, Domain, Part, Schema};
use crate::time::{EventTime, Span, TimeError, shortened};

/// An event as somebody else wrote it: fields found, nothing believed.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    pub event_id: &'a str,
    pub event_type: EventTypeIx,
    pub event_timestamp: EventTime,
    pub received_at: EventTime,
    pub entities: SmallVec<[(RoleIx, &'a str); 8]>,
    pub amount: Option<DraftAmount<'a>>,
    pub attributes: SmallVec<[(AttributeIx, DraftValue<'a>); 8]>,
}

#[derive(Clone, Copy, Debug)]
pub struct DraftAmount<'a> {
    pub value: AmountText<'a>,
    pub currency: &'a str,
}

#[derive(Clone, Copy, Debug)]
pub enum AmountText<'a> {
    /// Already in minor units.
    Minor(i64),
    /// Decimal text in major units.
    Major(&'a str),
}

#[derive(Clone, Copy, Debug)]
pub enum DraftValue<'a> {
    Number(f64),
    Text(&'a str),
}

/// Why an event, label or outcome was refused. `code()` is stable.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Invalid {
    #[error("{field} is missing")]
    Missing { field: String },
    #[error("{field} must not be empty")]
    Empty { field: String },
    #[error("{field} must be at most {max} bytes, got {got}")]
    TooLong {
        field: String,
        max: usize,
        got: usize,
    },
    #[error("{field} must not hold control characters, got one at byte {at}")]
    ControlCharacter { field: String, at: usize },
    #[error("{field} {value:?} is unknown; known: {known}")]
    Unknown {
        field: String,
        value: String,
        known: String,
    },
    #[error("{field}: {source}")]
    Time { field: String, source: TimeError },
    #[error("{field} must be between 1970 and 2200, got {value}")]
    TimeRange { field: String, value: EventTime },
    #[error("{field} {value} is more than 5 min ahead of received_at {received_at}")]
    Future {
        field: String,
        value: EventTime,
        received_at: EventTime,
    },
    #[error("{field}: {source}")]
    Money {
        field: &'static str,
        source: MoneyError,
    },
    #[error("amount is not allowed for event_type {event_type:?}")]
    AmountNotAllowed { event_type: String },
    #[error("{field} must be a finite number, got {value}")]
    NotFinite { field: String, value: String },
    #[error("{field} must be a number, got {value:?}")]
    NotNumber { field: String, value: String },
    #[error("{field} must be text, got {value}")]
    NotText { field: String, value: String },
    #[error("{field} must be between {min} and {max}, got {value}")]
    OutOfBounds {
        field: String,
        min: f64,
        max: f64,
        value: f64,
    },
    #[error("{field} is given twice")]
    Twice { field: String },
    #[error("not a JSON object: {detail}")]
    NotJson { detail: String },
    #[error("{field} {value} is before its event at {event_timestamp}")]
    BeforeEvent {
        field: String,
        value: EventTime,
        event_timestamp: EventTime,
    },
    #[error("{field} {value} is more than {horizon} after its event at {event_timestamp}")]
    TooLate {
        field: String,
        value: EventTime,
        event_timestamp: EventTime,
        horizon: String,
    },
}

impl Invalid {
    /// Stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            Invalid::Missing { .. } => "field_missing",
            Invalid::Empty { .. } => "field_empty",
            Invalid::TooLong { .. } => "field_too_long",
            Invalid::ControlCharacter { .. } => "control_character",
            Invalid::Unknown { .. } => "unknown_value",
            Invalid::Time { .. } => "time_format",
            Invalid::TimeRange { .. } => "time_range",
            Invalid::Future { .. } => "time_in_future",
            Invalid::Money { source, .. } => match source {
                MoneyError::UnknownCurrency { .. } => "unknown_currency",
                MoneyError::NotDecimal { .. } => "amount_format",
                MoneyError::TooPrecise { .. } => "amount_precision",
                MoneyError::OutOfRange { .. } => "amount_range",
            },
            Invalid::AmountNotAllowed { .. } => "amount_not_allowed",
            Invalid::NotFinite { .. } => "not_finite",
            Invalid::NotNumber { .. } => "not_a_number",
            Invalid::NotText { .. } => "not_text",
            Invalid::OutOfBounds { .. } => "out_of_bounds",
            Invalid::Twice { .. } => "field_twice",
            Invalid::NotJson { .. } => "not_json",
            Invalid::BeforeEvent { .. } => "before_event",
            Invalid::TooLate { .. } => "too_late",
        }
    }

    /// The field the error is about, where there is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Invalid::Missing { field }
            | Invalid::Empty { field }
            | Invalid::TooLong { field, .. }
            | Invalid::ControlCharacter { field, .. }
            | Invalid::Unknown { field, .. }
            | Invalid::Time { field, .. }
            | Invalid::TimeRange { field, .. }
            | Invalid::Future { field, .. }
            | Invalid::NotFinite { field, .. }
            | Invalid::NotNumber { field, .. }
            | Invalid::NotText { field, .. }
            | Invalid::OutOfBounds { field, .. }
            | Invalid::BeforeEvent { field, .. }
            | Invalid::TooLate { field, .. }
            | Invalid::Twice { field } => Some(field),
            Invalid::Money { field, .. } => Some(field),
            Invalid::AmountNotAllowed { .. } => Some("amount"),
            Invalid::NotJson { .. } => None,
        }
    }
}

impl Draft<'_> {
    pub fn validate(&self, schema: &Schema) -> Result<Event, Invalid> {
        let event_id = EventId::parse("event_id", self.event_id)?;
        check_time("event_timestamp", self.event_timestamp, self.received_at)?;
        Ok(Event {
            event_id,
            event_type: self.event_type,
            event_timestamp: self.event_timestamp,
            received_at: self.received_at,
            entities: self.entities(schema)?,
            amount: self.money(schema)?,
            attributes: self.attributes(schema)?,
        })
    }

    fn entities(&self, schema: &Schema) -> Result<crate::record::Entities, Invalid> {
        let mut entities = crate::record::Entities::new();
        for (role, text) in &self.entities {
            let name = &schema.roles[role.index()].name;
            let id = EntityId(bounded(name, text, EntityId::MAX_BYTES)?);
            if entities.iter().any(|(held, _)| held == role) {
                return Err(Invalid::Twice {
                    field: name.clone(),
                });
            }
            entities.push((*role, id));
        }
        entities.sort_unstable_by_key(|(role, _)| *role);
        let present = |role: RoleIx| entities.iter().any(|(held, _)| *held == role);
        let required = schema.event_types[self.event_type.index()]
            .requires
            .iter()
            .copied();
        let missing = schema
            .part(Part::Subject)
            .into_iter()
            .chain(required)
            .find(|it| !present(*it));
        match missing {
            Some(role) => Err(Invalid::Missing {
                field: schema.roles[role.index()].name.clone(),
            }),
            None => Ok(entities),
        }
    }

    fn money(&self, schema: &Schema) -> Result<Option<Money>, Invalid> {
        let event_type = &schema.event_types[self.event_type.index()];
        let Some(amount) = self.amount else {
            return match event_type.amount {
                AmountRule::Required => Err(Invalid::Missing {
                    field: "amount".to_owned(),
                }),
                _ => Ok(None),
            };
        };
        if event_type.amount == AmountRule::Absent {
            return Err(Invalid::AmountNotAllowed {
                event_type: event_type.name.clone(),
            });
        }
        let currency = Currency::parse(amount.currency).map_err(|source| Invalid::Money {
            field: "currency",
            source,
        })?;
        let money = match amount.value {
            AmountText::Minor(minor) => Money::from_minor(minor, currency),
            AmountText::Major(text) => Money::parse_major(text, currency),
        };
        money.map(Some).map_err(|source| Invalid::Money {
            field: "amount",
            source,
        })
    }

    fn attributes(
        &self,
        schema: &Schema,
    ) -> Result<SmallVec<[(AttributeIx, AttributeValue); 6]>, Invalid> {
        let mut attributes = SmallVec::new();
        for (ix, value) in &self.attributes {
            let field = &schema.attributes[ix.index()];
            if attributes.iter().any(|(held, _)| held == ix) {
                return Err(Invalid::Twice {
                    field: field.name.clone(),
                });
            }
            attributes.push((*ix, attribute_value(&field.name, &field.domain, *value)?));
        }
        attributes.sort_unstable_by_key(|(ix, _)| *ix);
        Ok(attributes)
    }
}

fn attribute_value(
    name: &str,
    domain: &Domain,
    value: DraftValue<'_>,
) -> Result<AttributeValue, Invalid> {
    let field = || name.to_owned();
    match (domain, value) {
        (Domain::Numeric { min, max }, DraftValue::Number(value)) => {
            if !value.is_finite() {
                return Err(Invalid::NotFinite {
                    field: field(),
                    value: value.to_string(),
                });
            }
            if value < *min || value > *max {
                return Err(Invalid::OutOfBounds {
                    field: field(),
                    min: *min,
                    max: *max,
                    value,
                });
            }
            // Adding zero turns -0 into 0: equal values must have equal bytes (I5).
            Ok(AttributeValue::Number(value + 0.0))
        }
        (Domain::Numeric { .. }, DraftValue::Text(text)) => {
            let parsed: f64 = text.trim().parse().map_err(|_| Invalid::NotNumber {
                field: field(),
                value: shortened(text),
            })?;
            attribute_value(name, domain, DraftValue::Number(parsed))
        }
        (_, DraftValue::Number(value)) => Err(Invalid::NotText {
            field: field(),
            value: value.to_string(),
        }),
        (Domain::Categorical { .. }, DraftValue::Text(text)) => Ok(AttributeValue::Category(
            bounded(name, text, EntityId::MAX_BYTES)?,
        )),
        (Domain::Text { max_bytes }, DraftValue::Text(text)) => {
            if text.len() > *max_bytes as usize {
                let max = *max_bytes as usize;
                return Err(Invalid::TooLong {
                    field: field(),
                    max,
                    got: text.len(),
                });
            }
            Ok(AttributeValue::Text(CompactString::from(text)))
        }
    }
}

impl EventId {
    pub fn parse(field: &str, text: &str) -> Result<EventId, Invalid> {
        Ok(EventId(bounded(field, text, EventId::MAX_BYTES)?))
    }
}

impl EntityId {
    pub fn parse(field: &str, text: &str) -> Result<EntityId, Invalid> {
        Ok(EntityId(bounded(field, text, EntityId::MAX_BYTES)?))
    }
}

/// A non-empty text of at most `max` bytes without control characters.
pub fn bounded(field: &str, text: &str, max: usize) -> Result<CompactString, Invalid> {
    if text.is_empty() {
        return Err(Invalid::Empty {
            field: field.to_owned(),
        });
    }
    if text.len() > max {
        return Err(Invalid::TooLong {
            field: field.to_owned(),
            max,
            got: text.len(),
        });
    }
    // C0, DEL; the two-byte C1 block starts with 0xC2 and is looked at only when that byte occurs.
    let suspicious = text
        .bytes()
        .position(|b| b < 0x20 || b == 0x7f || b == 0xc2);
    if suspicious.is_some()
        && let Some((at, _)) = text.char_indices().find(|(_, c)| c.is_control())
    {
        return Err(Invalid::ControlCharacter {
            field: field.to_owned(),
            at,
        });
    }
    Ok(CompactString::from(text))
}

/// A plausible time that is at most five minutes ahead of `received_at`.
pub fn check_time(field: &str, value: EventTime, received_at: EventTime) -> Result<(), Invalid> {
    for (name, time) in [(field, value), ("received_at", received_at)] {
        if !time.is_plausible() {
            return Err(Invalid::TimeRange {
                field: name.to_owned(),
                value: time,
            });
        }
    }
    if value.since(received_at) > Span::MAX_FUTURE {
        return Err(Invalid::Future {
            field: field.to_owned(),
            value,
            received_at,
        });
    }
    Ok(())
}
