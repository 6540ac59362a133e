//! The checks that turn the written `[import]` table into a [`Mapping`].

use std::collections::BTreeMap;
use std::ops::Range;

use event::record::Verdict;
use event::schema::{AmountRule, Domain, Part};
use event::{Currency, EventTime, EventTypeIx, Schema, Span};
use toml::Spanned;

use super::file::{
    AmountFile, AttributeFile, CurrencyFile, EventIdFile, EventTypeFile, ImportFile, LabelFile,
    RoleFile, SchemaFile, TimeFile,
};
use super::{
    AmountFrom, AttributeFrom, ColumnUse, Columns, CurrencyFrom, Holds, IdFrom, KnownFrom,
    LabelFrom, Layout, Mapping, MappingError, Plan, RoleFrom, Scale, TimeFrom, TypeFrom,
};
use crate::time::{TimeFormat, parse_offset};

pub fn parse(text: &str, schema: &Schema) -> Result<Mapping, MappingError> {
    let file: SchemaFile = toml::from_str(text).map_err(|e| MappingError::Toml {
        detail: e.to_string().trim().to_owned(),
    })?;
    let import = file.import.ok_or_else(|| missing("[import]"))?;
    let (span, import) = (import.span(), import.into_inner());
    let reader = Reader {
        schema,
        text,
        names: Vec::new(),
        uses: Vec::new(),
    };
    let canonical = match &import.format {
        None => false,
        Some(word) if word.as_ref() == "canonical" => true,
        Some(word) => {
            let expected = "\"canonical\", or absent when columns are mapped";
            return Err(reader.value("import.format", expected, word));
        }
    };
    if canonical {
        reader.check_alone(&import, span)?;
        return Ok(Mapping {
            layout: Layout::Canonical,
        });
    }
    let columns = reader.columns(import)?;
    Ok(Mapping {
        layout: Layout::Columns(Box::new(columns)),
    })
}

fn missing(field: &str) -> MappingError {
    MappingError::Missing {
        field: field.to_owned(),
    }
}

struct Reader<'s> {
    schema: &'s Schema,
    text: &'s str,
    names: Vec<String>,
    uses: Vec<ColumnUse>,
}

impl Reader<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn value(&self, field: &str, expected: &'static str, value: &Spanned<String>) -> MappingError {
        MappingError::Value {
            field: field.to_owned(),
            expected,
            value: format!("{:?}", value.as_ref()),
            line: self.line(&value.span()),
        }
    }

    fn unknown<'a>(
        &self,
        field: &str,
        what: &'static str,
        value: &Spanned<String>,
        known: impl Iterator<Item = &'a str>,
    ) -> MappingError {
        MappingError::Unknown {
            field: field.to_owned(),
            what,
            value: value.as_ref().clone(),
            known: known.collect::<Vec<_>>().join(", "),
            line: self.line(&value.span()),
        }
    }

    fn check_alone(&self, import: &ImportFile, span: Range<usize>) -> Result<(), MappingError> {
        let mapped = import.event_id.is_some()
            || import.event_type.is_some()
            || import.timestamp.is_some()
            || import.amount.is_some()
            || import.label.is_some()
            || !import.roles.is_empty()
            || !import.attributes.is_empty();
        if mapped {
            return Err(MappingError::Value {
                field: "import.format".to_owned(),
                expected: "absent when columns are mapped",
                value: "\"canonical\"".to_owned(),
                line: self.line(&span),
            });
        }
        Ok(())
    }

    /// The number of a column, and a note of what it must hold. Within one event type a column feeds one
    /// field; `plan_start` is where the notes of the current event type begin.
    fn column(
        &mut self,
        name: &Spanned<String>,
        field: &str,
        holds: Holds,
        fed: &mut Vec<(usize, String)>,
    ) -> Result<usize, MappingError> {
        if name.as_ref().is_empty() {
            return Err(self.value(field, "a column's name", name));
        }
        let known = self.names.iter().position(|held| held == name.as_ref());
        let column = known.unwrap_or_else(|| {
            self.names.push(name.as_ref().clone());
            self.names.len() - 1
        });
        if let Some((_, first)) = fed.iter().find(|(held, _)| *held == column) {
            return Err(MappingError::ColumnTwice {
                column: name.as_ref().clone(),
                first: first.clone(),
                second: field.to_owned(),
                line: self.line(&name.span()),
            });
        }
        fed.push((column, field.to_owned()));
        let note = ColumnUse {
            column,
            field: field.to_owned(),
            holds,
        };
        if !self.uses.contains(&note) {
            self.uses.push(note);
        }
        Ok(column)
    }

    fn columns(mut self, import: ImportFile) -> Result<Columns, MappingError> {
        let delimiter = self.delimiter(import.delimiter.as_ref())?;
        let event_id = import.event_id.ok_or_else(|| missing("import.event_id"))?;
        let event_type = import
            .event_type
            .ok_or_else(|| missing("import.event_type"))?;
        let timestamp = import
            .timestamp
            .ok_or_else(|| missing("import.timestamp"))?;
        let mut fed = Vec::new();
        let event_id = self.event_id(&event_id, &mut fed)?;
        let event_type = self.event_type(&event_type, &mut fed)?;
        let timestamp = self.time("event_timestamp", &timestamp, &mut fed)?;
        let amount = match &import.amount {
            Some(amount) => Some(self.amount(amount, &mut fed)?),
            None => None,
        };
        let currency = self.currency(import.currency.as_ref(), &mut fed)?;
        let label = match &import.label {
            Some(label) => Some(self.label(label, &mut fed)?),
            None => None,
        };
        for name in import.by_type.keys() {
            self.type_named("import.by_type", name)?;
        }
        let mut plans = Vec::new();
        for ix in 0..self.schema.event_types.len() {
            let name = &self.schema.event_types[ix].name;
            let own = import
                .by_type
                .iter()
                .find(|(held, _)| held.as_ref() == name)
                .map(|(_, own)| own);
            let roles = merged(&import.roles, own.map(|own| &own.roles));
            let attributes = merged(&import.attributes, own.map(|own| &own.attributes));
            let mut fed = fed.clone();
            plans.push(Plan {
                roles: self.roles(&roles, &mut fed)?,
                attributes: self.attributes(&attributes, &mut fed)?,
            });
        }
        let columns = Columns {
            delimiter,
            names: self.names,
            uses: self.uses,
            event_id,
            event_type,
            timestamp,
            amount,
            currency,
            plans,
            label,
        };
        check_fed(&columns, self.schema)?;
        Ok(columns)
    }

    fn delimiter(&self, written: Option<&Spanned<String>>) -> Result<u8, MappingError> {
        let Some(written) = written else {
            return Ok(b',');
        };
        match written.as_ref().as_bytes() {
            [byte] if matches!(byte, b',' | b';' | b'\t' | b'|') => Ok(*byte),
            _ => Err(self.value("import.delimiter", "one of , ; | or a tab", written)),
        }
    }

    fn event_id(
        &mut self,
        file: &EventIdFile,
        fed: &mut Vec<(usize, String)>,
    ) -> Result<IdFrom, MappingError> {
        match (&file.column, &file.row) {
            (Some(name), None) => {
                let column = self.column(name, "event_id", Holds::Id, fed)?;
                Ok(IdFrom::Column(column))
            }
            (None, Some(prefix)) if event::EventId::parse("row", prefix.as_ref()).is_err() => {
                let expected = "1 to 100 bytes without control characters";
                Err(self.value("import.event_id.row", expected, prefix))
            }
            (None, Some(prefix)) => Ok(IdFrom::Row(prefix.as_ref().clone())),
            (Some(_), Some(prefix)) => {
                Err(self.value("import.event_id.row", "absent beside column", prefix))
            }
            (None, None) => Err(missing("import.event_id.column or import.event_id.row")),
        }
    }

    fn type_named(&self, field: &str, name: &Spanned<String>) -> Result<EventTypeIx, MappingError> {
        self.schema.event_type(name.as_ref()).ok_or_else(|| {
            let known = self.schema.event_types.iter().map(|it| it.name.as_str());
            self.unknown(field, "event type", name, known)
        })
    }

    fn event_type(
        &mut self,
        file: &EventTypeFile,
        fed: &mut Vec<(usize, String)>,
    ) -> Result<TypeFrom, MappingError> {
        match (&file.column, &file.value) {
            (None, Some(name)) => {
                let found = self.type_named("import.event_type.value", name)?;
                Ok(TypeFrom::Fixed(found))
            }
            (Some(name), None) => {
                let column = self.column(name, "event_type", Holds::Choice, fed)?;
                let mut values = Vec::new();
                match &file.values {
                    Some(written) => {
                        for (cell, name) in written {
                            let found = self.type_named("import.event_type.values", name)?;
                            values.push((cell.clone(), found));
                        }
                    }
                    None => {
                        let types = self.schema.event_types.iter().enumerate();
                        values
                            .extend(types.map(|(ix, it)| (it.name.clone(), EventTypeIx(ix as u8))));
                    }
                }
                Ok(TypeFrom::Column { column, values })
            }
            (Some(_), Some(value)) => {
                Err(self.value("import.event_type.value", "absent beside column", value))
            }
            (None, None) => Err(missing(
                "import.event_type.column or import.event_type.value",
            )),
        }
    }

    fn time(
        &mut self,
        field: &str,
        file: &TimeFile,
        fed: &mut Vec<(usize, String)>,
    ) -> Result<TimeFrom, MappingError> {
        let epoch = EventTime::from_millis(0);
        let (counted, step_ms) = match file.format.as_ref().as_str() {
            "iso" => (None, 0),
            "epoch_s" => (Some(false), 1000),
            "epoch_ms" => (Some(false), 1),
            // one row is one second of event time
            "seconds" | "rows" => (Some(true), 1000),
            "days" => (Some(true), 86_400_000),
            _ => {
                let expected = "iso, epoch_s, epoch_ms, seconds, days or rows";
                return Err(self.value(&format!("{field}.format"), expected, &file.format));
            }
        };
        if let (Some(_), Some(offset)) = (counted, &file.offset) {
            return Err(self.value(&format!("{field}.offset"), "absent unless iso", offset));
        }
        let origin = match (&file.origin, counted) {
            (Some(origin), Some(true)) => EventTime::parse_iso(origin.as_ref())
                .ok()
                .filter(|origin| origin.is_plausible())
                .ok_or_else(|| {
                    let expected = "an ISO-8601 time with offset between 1970 and 2200";
                    self.value(&format!("{field}.origin"), expected, origin)
                })?,
            (None, Some(true)) => return Err(missing(&format!("{field}.origin"))),
            (Some(origin), _) => {
                let expected = "absent unless seconds, days or rows are counted";
                return Err(self.value(&format!("{field}.origin"), expected, origin));
            }
            (None, _) => epoch,
        };
        let offset = match &file.offset {
            None => None,
            Some(written) => Some(parse_offset(written.as_ref()).ok_or_else(|| {
                self.value(&format!("{field}.offset"), "Z or +hh:mm or -hh:mm", written)
            })?),
        };
        let (format, holds) = match counted {
            None => {
                let holds = Holds::Calendar {
                    offset: offset.is_some(),
                };
                (TimeFormat::Iso { offset }, holds)
            }
            Some(_) => (TimeFormat::Count { origin, step_ms }, Holds::Count),
        };
        let column = self.column(&file.column, field, holds, fed)?;
        Ok(TimeFrom { column, format })
    }

    fn amount(
        &mut self,
        file: &AmountFile,
        fed: &mut Vec<(usize, String)>,
    ) -> Result<AmountFrom, MappingError> {
        let (major, holds) = match file.unit.as_ref().as_str() {
            "minor" => (false, Holds::MinorUnits),
            "major" => (true, Holds::MajorUnits),
            _ => return Err(self.value("import.amount.unit", "minor or major", &file.unit)),
        };
        Ok(AmountFrom {
            column: self.column(&file.column, "amount", holds, fed)?,
            major,
            round: file.round,
            absent: file.absent.clone(),
        })
    }

    fn currency(
        &mut self,
        file: Option<&CurrencyFile>,
        fed: &mut Vec<(usize, String)>,
    ) -> Result<CurrencyFrom, MappingError> {
        let Some(file) = file else {
            return Ok(CurrencyFrom::Fixed(self.schema.base_currency));
        };
        match (&file.column, &file.value) {
            (Some(name), None) => {
                let column = self.column(name, "currency", Holds::Choice, fed)?;
                Ok(CurrencyFrom::Column(column))
            }
            (None, Some(code)) => match Currency::parse(code.as_ref()) {
                Ok(currency) => Ok(CurrencyFrom::Fixed(currency)),
                Err(_) => {
                    let expected = "an ISO 4217 currency code such as EUR";
                    Err(self.value("import.currency.value", expected, code))
                }
            },
            (Some(_), Some(code)) => {
                Err(self.value("import.currency.value", "absent beside column", code))
            }
            (None, None) => Err(missing("import.currency.column or import.currency.value")),
        }
    }

    fn roles(
        &mut self,
        files: &[(&Spanned<String>, &RoleFile)],
        fed: &mut Vec<(usize, String)>,
    ) -> Result<Vec<RoleFrom>, MappingError> {
        let mut roles = Vec::new();
        for (name, file) in files {
            let role = self.schema.role(name.as_ref()).ok_or_else(|| {
                let known = self.schema.roles.iter().map(|it| it.name.as_str());
                self.unknown("import.roles", "role", name, known)
            })?;
            roles.push(RoleFrom {
                role,
                column: self.column(&file.column, name.as_ref(), Holds::Id, fed)?,
                absent: file.absent.clone(),
            });
        }
        Ok(roles)
    }

    fn attributes(
        &mut self,
        files: &[(&Spanned<String>, &AttributeFile)],
        fed: &mut Vec<(usize, String)>,
    ) -> Result<Vec<AttributeFrom>, MappingError> {
        let mut attributes = Vec::new();
        for (name, file) in files {
            let attribute = self.schema.attribute(name.as_ref()).ok_or_else(|| {
                let known = self.schema.attributes.iter().map(|it| it.name.as_str());
                self.unknown("import.attributes", "attribute", name, known)
            })?;
            let domain = &self.schema.attributes[attribute.index()].domain;
            let (numeric, holds) = match domain {
                Domain::Numeric { .. } => (true, Holds::Number),
                Domain::Categorical { .. } => (false, Holds::Choice),
                Domain::Text { .. } => (false, Holds::Text),
            };
            attributes.push(AttributeFrom {
                attribute,
                column: self.column(&file.column, name.as_ref(), holds, fed)?,
                absent: file.absent.clone(),
                scale: self.scale(name.as_ref(), numeric, file.scale.as_ref())?,
                numeric,
            });
        }
        Ok(attributes)
    }

    fn scale(
        &self,
        name: &str,
        numeric: bool,
        written: Option<&Spanned<f64>>,
    ) -> Result<Scale, MappingError> {
        let Some(written) = written else {
            return Ok(Scale::One);
        };
        let factor = *written.as_ref();
        let refused = |expected| MappingError::Value {
            field: format!("import.attributes.{name}.scale"),
            expected,
            value: factor.to_string(),
            line: self.line(&written.span()),
        };
        if !numeric {
            return Err(refused("absent unless the attribute is numeric"));
        }
        if !factor.is_finite() || factor == 0.0 {
            return Err(refused("finite and not 0"));
        }
        Ok(Scale::new(factor))
    }

    fn label(
        &mut self,
        file: &LabelFile,
        fed: &mut Vec<(usize, String)>,
    ) -> Result<LabelFrom, MappingError> {
        let column = self.column(&file.column, "label", Holds::Choice, fed)?;
        let line = self.line(&file.fraud.span());
        let lists = [
            (file.fraud.as_ref(), Some(Verdict::Fraud)),
            (&file.legitimate, Some(Verdict::Legitimate)),
            (&file.unknown, None),
        ];
        let mut values: Vec<(String, Option<Verdict>)> = Vec::new();
        for (list, verdict) in lists {
            for value in list {
                if values.iter().any(|(held, _)| held == value) {
                    return Err(MappingError::ValueTwice {
                        field: "import.label".to_owned(),
                        value: value.clone(),
                        line,
                    });
                }
                values.push((value.clone(), verdict));
            }
        }
        if values.iter().all(|(_, verdict)| verdict.is_none()) {
            return Err(MappingError::Value {
                field: "import.label.fraud".to_owned(),
                expected: "at least one value, or import.label.legitimate one",
                value: "[]".to_owned(),
                line,
            });
        }
        let known = match (&file.delay, &file.known_at) {
            (Some(delay), None) => KnownFrom::After(Span::parse(delay.as_ref()).map_err(|_| {
                let expected = "a span such as 7d or 500rows, 1 ms to 3650 d";
                self.value("import.label.delay", expected, delay)
            })?),
            (None, Some(time)) => KnownFrom::At(self.time("label_timestamp", time, fed)?),
            (Some(delay), Some(_)) => {
                return Err(self.value("import.label.delay", "absent beside known_at", delay));
            }
            (None, None) => return Err(missing("import.label.delay or import.label.known_at")),
        };
        Ok(LabelFrom {
            column,
            values,
            known,
        })
    }
}

/// The entries of `all`, those of `own` replacing the ones of the same name.
fn merged<'a, F>(
    all: &'a BTreeMap<Spanned<String>, F>,
    own: Option<&'a BTreeMap<Spanned<String>, F>>,
) -> Vec<(&'a Spanned<String>, &'a F)> {
    let replaced = |name: &Spanned<String>| {
        own.is_some_and(|own| own.keys().any(|held| held.as_ref() == name.as_ref()))
    };
    let kept = all.iter().filter(|(name, _)| !replaced(name));
    kept.chain(own.into_iter().flatten()).collect()
}

/// Every event type that can occur must be able to pass validation.
fn check_fed(columns: &Columns, schema: &Schema) -> Result<(), MappingError> {
    let subject = schema.part(Part::Subject);
    for (ix, event_type) in schema.event_types.iter().enumerate() {
        let occurs = match &columns.event_type {
            TypeFrom::Fixed(only) => only.index() == ix,
            TypeFrom::Column { values, .. } => values.iter().any(|(_, it)| it.index() == ix),
        };
        if !occurs {
            continue;
        }
        let unfed = |field: &str| MappingError::Unfed {
            event_type: event_type.name.clone(),
            field: field.to_owned(),
        };
        for role in subject.iter().chain(&event_type.requires) {
            if !columns.plans[ix]
                .roles
                .iter()
                .any(|from| from.role == *role)
            {
                return Err(unfed(&schema.roles[role.index()].name));
            }
        }
        if event_type.amount == AmountRule::Required && columns.amount.is_none() {
            return Err(unfed("amount"));
        }
    }
    Ok(())
}
