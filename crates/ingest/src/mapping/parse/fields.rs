//! The checks of single fields.

use event::record::Verdict;
use event::schema::Domain;
use event::{Currency, EventTime, EventTypeIx, Span};
use toml::Spanned;

use super::super::file::{
    AmountFile, AttributeFile, CurrencyFile, EventIdFile, EventTypeFile, LabelFile, RoleFile,
    TimeFile,
};
use super::super::{
    AmountFrom, AttributeFrom, CurrencyFrom, Holds, IdFrom, KnownFrom, LabelFrom, MappingError,
    RoleFrom, Scale, TimeFrom, TypeFrom,
};
use super::{Reader, missing};
use crate::time::{TimeFormat, parse_offset};

impl Reader<'_> {
    pub fn event_id(
        &mut self,
        file: &EventIdFile,
        fed: &mut Vec<(usize, String)>,
    ) -> Result<IdFrom, MappingError> {
        match (&file.column, &file.row) {
            (Some(name), None) => {
                let column = self.column(name, "event_id", Holds::Id, fed)?;
                Ok(IdFrom::Column(column))
            }
            (None, Some(prefix)) if !prefix_fits(prefix.as_ref()) => {
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

    pub fn type_named(
        &self,
        field: &str,
        name: &Spanned<String>,
    ) -> Result<EventTypeIx, MappingError> {
        self.schema.event_type(name.as_ref()).ok_or_else(|| {
            let known = self.schema.event_types.iter().map(|it| it.name.as_str());
            self.unknown(field, "event type", name, known)
        })
    }

    pub fn event_type(
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

    pub fn time(
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

    pub fn amount(
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

    pub fn currency(
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

    pub fn roles(
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

    pub fn attributes(
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

    pub fn label(
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

/// Leaves room for the row's digits.
fn prefix_fits(prefix: &str) -> bool {
    event::draft::bounded("row", prefix, event::EventId::MAX_BYTES - 28).is_ok()
}
