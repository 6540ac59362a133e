//! The checks that turn the written `[import]` table into a [`Mapping`].

mod fields;

use std::collections::BTreeMap;
use std::ops::Range;

use event::Schema;
use event::schema::{AmountRule, Part};
use toml::Spanned;

use super::file::{ImportFile, SchemaFile};
use super::{ColumnUse, Columns, Holds, Layout, Mapping, MappingError, Plan, TypeFrom};

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

/// The schema, its text for line numbers, and the columns met so far.
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

    /// The number of a column, and a note of what it must hold. `fed` are the columns that the fields of
    /// one event type have so far: each feeds one of them.
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
