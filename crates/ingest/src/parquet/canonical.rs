//! A row of a canonical Parquet file as the JSON line it stands for: one meaning, one parser.

use std::path::Path;

use arrow_schema::{DataType, Schema as FileSchema};
use event::EventTime;

use crate::cell::Cell;
use crate::error::IngestError;

/// What [`super::Values::of`] reads, and a cell of which JSON can say.
pub(super) fn check(path: &Path, schema: &FileSchema) -> Result<(), IngestError> {
    use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Timestamp, Utf8};
    for field in schema.fields() {
        let got = field.data_type();
        let fits = got.is_integer()
            || matches!(
                got,
                Utf8 | Boolean | Float32 | Float64 | Date32 | Timestamp(..)
            )
            || matches!(got, Decimal128(_, 0..=28));
        if !fits {
            return Err(IngestError::CanonicalType {
                path: path.to_owned(),
                column: field.name().clone(),
                got: got.to_string(),
            });
        }
    }
    Ok(())
}

/// The filled cells as one JSON object. Decimals are text, as money is in the canonical form; what JSON
/// cannot say (infinity) becomes text too, and the field's own check refuses it.
pub(super) fn json_line<'a>(cells: impl Iterator<Item = (&'a str, Cell<'a>)>, line: &mut String) {
    line.clear();
    line.push('{');
    for (name, cell) in cells {
        let value = match cell {
            Cell::Absent => continue,
            Cell::Text(text) => serde_json::Value::from(text),
            Cell::Bool(value) => value.into(),
            Cell::Int(value) => value.into(),
            Cell::Uint(value) => value.into(),
            Cell::Float(value) if value.is_finite() => value.into(),
            Cell::Decimal(mantissa, places) => decimal_text(mantissa, places).into(),
            Cell::Millis(ms) => EventTime::from_millis(ms).to_string().into(),
            other => other.describe().into(),
        };
        if line.len() > 1 {
            line.push(',');
        }
        line.push_str(&serde_json::Value::from(name).to_string());
        line.push(':');
        line.push_str(&value.to_string());
    }
    line.push('}');
}

fn decimal_text(mantissa: i128, places: u8) -> String {
    let digits = mantissa.unsigned_abs().to_string();
    let places = usize::from(places);
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    let sign = if mantissa < 0 { "-" } else { "" };
    let point = if places > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_the_line_they_stand_for() {
        let cells = [
            ("text", Cell::Text("a\"b")),
            ("gap", Cell::Absent),
            ("minor", Cell::Decimal(-5, 2)),
            ("whole", Cell::Decimal(70, 0)),
            ("number", Cell::Float(52.1234)),
            ("time", Cell::Millis(1_767_225_600_001)),
            ("endless", Cell::Float(f64::INFINITY)),
        ];
        let mut line = String::new();
        json_line(cells.into_iter(), &mut line);
        let expected = concat!(
            r#"{"text":"a\"b","minor":"-0.05","whole":"70","number":52.1234,"#,
            r#""time":"2026-01-01T00:00:00.001Z","endless":"inf"}"#
        );
        assert_eq!(line, expected);
    }
}
