//! The schema file as written, and the checks that turn it into a [`Schema`].

use serde::Deserialize;

use super::{
    ATTRIBUTES_MAX, AmountRule, Attribute, Domain, EVENT_TYPES_MAX, EventClass, EventType,
    KINDS_MAX, Kind, LabelPolicy, Meaning, Part, RING_MAX, ROLES_MAX, Role, Schema, SchemaError,
    SchemaHash, TEXT_BYTES_MAX, TimeSettings,
};
use crate::ids::{KindIx, RoleIx};
use crate::money::{Currency, Money};
use crate::time::Span;

/// Field names of the canonical event; a role or attribute of that name would be ambiguous.
pub const RESERVED: [&str; 9] = [
    "event_id",
    "event_type",
    "event_timestamp",
    "received_at",
    "amount",
    "currency",
    "label",
    "outcome",
    "source",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaFile {
    schema_version: u32,
    name: String,
    base_currency: Currency,
    time: TimeSettings,
    labels: LabelPolicy,
    kinds: Vec<KindFile>,
    roles: Vec<RoleFile>,
    event_types: Vec<EventTypeFile>,
    #[serde(default)]
    attributes: Vec<AttributeFile>,
    #[serde(default)]
    report_thresholds: Vec<String>,
    /// Belongs to the importer.
    #[serde(rename = "import", default)]
    _import: Option<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindFile {
    name: String,
    ring: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleFile {
    name: String,
    kind: String,
    part: Part,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventTypeFile {
    name: String,
    class: EventClass,
    #[serde(default)]
    amount: Option<AmountRule>,
    #[serde(default)]
    requires: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeFile {
    name: String,
    #[serde(rename = "type")]
    domain: DomainName,
    #[serde(default)]
    meaning: Meaning,
    min: Option<f64>,
    max: Option<f64>,
    max_values: Option<u16>,
    max_bytes: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DomainName {
    Numeric,
    Categorical,
    Text,
}

pub fn parse(text: &str) -> Result<Schema, SchemaError> {
    let file: SchemaFile = toml::from_str(text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start));
        SchemaError::Toml {
            line: line.map(|before| 1 + before.matches('\n').count()),
            message: error.to_string().trim().to_owned(),
        }
    })?;
    if file.schema_version != 1 {
        return Err(SchemaError::Version(file.schema_version));
    }
    count("kinds", file.kinds.len(), 1, KINDS_MAX)?;
    count("roles", file.roles.len(), 1, ROLES_MAX)?;
    count("event_types", file.event_types.len(), 1, EVENT_TYPES_MAX)?;
    count("attributes", file.attributes.len(), 0, ATTRIBUTES_MAX)?;
    count("report_thresholds", file.report_thresholds.len(), 0, 4)?;
    check_time(&file.time, &file.labels)?;
    let kinds = file.kinds.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    unique("kinds", kinds.iter().map(|kind| kind.name.as_str()))?;
    let roles = file
        .roles
        .iter()
        .map(|it| role(it, &kinds))
        .collect::<Result<Vec<_>, _>>()?;
    check_parts(&roles)?;
    let event_types = file
        .event_types
        .iter()
        .map(|it| event_type(it, &roles))
        .collect::<Result<Vec<_>, _>>()?;
    unique("event_types", event_types.iter().map(|it| it.name.as_str()))?;
    let attributes = file
        .attributes
        .iter()
        .map(attribute)
        .collect::<Result<Vec<_>, _>>()?;
    let fields = roles.iter().map(|it| it.name.as_str());
    unique(
        "roles and attributes",
        fields.chain(attributes.iter().map(|it| it.name.as_str())),
    )?;
    check_meanings(&attributes)?;
    let report_thresholds = file
        .report_thresholds
        .iter()
        .map(|text| threshold(text, file.base_currency))
        .collect::<Result<Vec<_>, _>>()?;
    let schema = Schema {
        name: name("name", &file.name)?,
        base_currency: file.base_currency,
        time: file.time,
        labels: file.labels,
        kinds,
        roles,
        event_types,
        attributes,
        report_thresholds,
        hash: SchemaHash::default(),
    };
    Ok(schema.with_hash())
}

fn count(field: &'static str, got: usize, min: usize, max: usize) -> Result<(), SchemaError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(SchemaError::Count {
            field,
            min,
            max,
            got,
        })
    }
}

fn name(field: &str, value: &str) -> Result<String, SchemaError> {
    let starts = value.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = value
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !starts || !rest || value.len() > super::NAME_BYTES_MAX {
        return Err(SchemaError::Name {
            field: field.to_owned(),
            value: value.to_owned(),
        });
    }
    Ok(value.to_owned())
}

fn field_name(field: &str, value: &str) -> Result<String, SchemaError> {
    if RESERVED.contains(&value) {
        return Err(SchemaError::Reserved {
            field: field.to_owned(),
            value: value.to_owned(),
        });
    }
    name(field, value)
}

fn unique<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> Result<(), SchemaError> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(SchemaError::Duplicate {
                field: field.to_owned(),
                value: name.to_owned(),
            });
        }
        seen.push(name);
    }
    Ok(())
}

fn check_time(time: &TimeSettings, labels: &LabelPolicy) -> Result<(), SchemaError> {
    let value = |field: &str, expected: &str, span: Span| SchemaError::Value {
        field: field.to_owned(),
        expected: expected.to_owned(),
        value: span.label(time.unit),
    };
    for pair in time.windows.windows(2) {
        if pair[0] >= pair[1] {
            return Err(value("time.windows", "ascending", pair[1]));
        }
    }
    let longest = time.windows[super::WINDOWS - 1];
    if time.recent > time.sequence {
        return Err(value("time.recent", "at most time.sequence", time.recent));
    }
    if time.idle_expiry < longest || time.idle_expiry < time.sequence {
        let expected = "at least the longest window and time.sequence";
        return Err(value("time.idle_expiry", expected, time.idle_expiry));
    }
    if labels.maturity > longest {
        return Err(value(
            "labels.maturity",
            "at most the longest window",
            labels.maturity,
        ));
    }
    if labels.horizon < labels.maturity {
        return Err(value(
            "labels.horizon",
            "at least labels.maturity",
            labels.horizon,
        ));
    }
    Ok(())
}

fn kind(file: &KindFile) -> Result<Kind, SchemaError> {
    let name = name("kinds", &file.name)?;
    // Accounts carry the sequence; whatever else shares them needs fewer.
    let ring = file
        .ring
        .unwrap_or(if file.name == "account" { RING_MAX } else { 32 });
    if !(4..=RING_MAX).contains(&ring) || !ring.is_power_of_two() {
        return Err(SchemaError::Value {
            field: format!("kinds.{name}.ring"),
            expected: format!("4, 8, 16, 32 or {RING_MAX}"),
            value: ring.to_string(),
        });
    }
    Ok(Kind { name, ring })
}

fn role(file: &RoleFile, kinds: &[Kind]) -> Result<Role, SchemaError> {
    let name = field_name("roles", &file.name)?;
    let kind = kinds.iter().position(|kind| kind.name == file.kind);
    let kind = kind.ok_or_else(|| SchemaError::Unknown {
        field: format!("roles.{name}.kind"),
        what: "kind",
        value: file.kind.clone(),
        known: kinds
            .iter()
            .map(|kind| kind.name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    })?;
    Ok(Role {
        name,
        kind: KindIx(kind as u8),
        part: file.part,
    })
}

fn check_parts(roles: &[Role]) -> Result<(), SchemaError> {
    let held = |part: Part| roles.iter().filter(|role| role.part == part).count();
    if held(Part::Subject) != 1 {
        return Err(SchemaError::Subject {
            got: held(Part::Subject),
        });
    }
    for part in [
        Part::Counterparty,
        Part::Device,
        Part::Ip,
        Part::Location,
        Part::Instrument,
    ] {
        if held(part) > 1 {
            return Err(SchemaError::PartTwice {
                part,
                got: held(part),
            });
        }
    }
    Ok(())
}

fn event_type(file: &EventTypeFile, roles: &[Role]) -> Result<EventType, SchemaError> {
    let name = name("event_types", &file.name)?;
    let mut requires = Vec::new();
    for wanted in &file.requires {
        let ix = roles.iter().position(|role| role.name == *wanted);
        let ix = ix.ok_or_else(|| SchemaError::Unknown {
            field: format!("event_types.{name}.requires"),
            what: "role",
            value: wanted.clone(),
            known: roles
                .iter()
                .map(|role| role.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        requires.push(RoleIx(ix as u8));
    }
    let by_class = if file.class.moves_money() {
        AmountRule::Required
    } else {
        AmountRule::Optional
    };
    Ok(EventType {
        name,
        class: file.class,
        amount: file.amount.unwrap_or(by_class),
        requires,
    })
}

fn attribute(file: &AttributeFile) -> Result<Attribute, SchemaError> {
    let name = field_name("attributes", &file.name)?;
    let value = |what: &str, expected: &str, value: String| SchemaError::Value {
        field: format!("attributes.{name}.{what}"),
        expected: expected.to_owned(),
        value,
    };
    let domain = match file.domain {
        DomainName::Numeric => {
            let (min, max) = (file.min.unwrap_or(-1e15), file.max.unwrap_or(1e15));
            if !(min.is_finite() && max.is_finite() && min < max) {
                return Err(value(
                    "min",
                    "finite and below max",
                    format!("{min}..{max}"),
                ));
            }
            Domain::Numeric { min, max }
        }
        DomainName::Categorical => {
            let max_values = file.max_values.unwrap_or(256);
            if !(2..=4096).contains(&max_values) {
                return Err(value(
                    "max_values",
                    "between 2 and 4096",
                    max_values.to_string(),
                ));
            }
            Domain::Categorical { max_values }
        }
        DomainName::Text => {
            let max_bytes = file.max_bytes.unwrap_or(1024);
            if max_bytes == 0 || max_bytes > TEXT_BYTES_MAX {
                return Err(value(
                    "max_bytes",
                    "between 1 and 4096",
                    max_bytes.to_string(),
                ));
            }
            Domain::Text { max_bytes }
        }
    };
    let needed = match file.meaning {
        Meaning::Plain | Meaning::Stored => true,
        Meaning::Cohort => matches!(domain, Domain::Categorical { .. }),
        _ => matches!(domain, Domain::Numeric { .. }),
    };
    if !needed {
        let expected = "categorical for a cohort, numeric for a place or a balance";
        return Err(value("type", expected, format!("{:?}", file.meaning)));
    }
    Ok(Attribute {
        name,
        domain,
        meaning: file.meaning,
    })
}

fn check_meanings(attributes: &[Attribute]) -> Result<(), SchemaError> {
    let single = [
        Meaning::Latitude,
        Meaning::Longitude,
        Meaning::BalanceBefore,
        Meaning::CounterpartyBalanceBefore,
        Meaning::Cohort,
    ];
    for meaning in single {
        let holders: Vec<&str> = attributes
            .iter()
            .filter(|field| field.meaning == meaning)
            .map(|field| field.name.as_str())
            .collect();
        if holders.len() > 1 {
            return Err(SchemaError::Value {
                field: "attributes.meaning".to_owned(),
                expected: format!("used once for {meaning:?}"),
                value: holders.join(", "),
            });
        }
    }
    Ok(())
}

fn threshold(text: &str, currency: Currency) -> Result<i64, SchemaError> {
    match Money::parse_major(text, currency) {
        Ok(money) if money.minor > 0 => Ok(money.minor),
        _ => Err(SchemaError::Value {
            field: "report_thresholds".to_owned(),
            expected: "positive amounts in the base currency".to_owned(),
            value: format!("{text:?}"),
        }),
    }
}
