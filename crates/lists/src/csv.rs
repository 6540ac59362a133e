//! Items as CSV: a bulk import in slices that one change each can hold, and the export that it reads again.
//!
//! Columns, in any order, named in the first line: `value` (or `from`, `to`, `currency` of an amount list, in major
//! units as `9000.00`), and optionally `expires` (RFC 3339) and `reason`. A row becomes an item or a [`Reject`].
//! Memory is one slice, whatever the input: built on csv-core, because a record of the csv crate grows with its input.

mod export;
mod rows;

use std::collections::BTreeMap;
use std::io::{self, Read};

use thiserror::Error;

use crate::change::{Change, NewItem};
use crate::definition::Form;
use crate::error::{Fault, ItemError, shortened};
use crate::value::{Key, Value, ValueRef};
use crate::{
    CHANGE_BYTES_MAX, CHANGE_ITEMS_MAX, CurrencyPlaces, REASON_BYTES_MAX, VALUE_BYTES_MAX,
};

pub use export::export;
use rows::{Row, Rows};

/// Bytes of a row's fields without their quotes.
pub const ROW_BYTES_MAX: usize = 4 << 10;
/// Rejects of one slice: a file of nothing else is told in slices too.
pub const REJECTS_MAX: usize = 1_000;
/// What an item's line has beside value and reason, and all of it, every byte escaped.
const LINE_BYTES: usize = 160;
const ITEM_BYTES_MAX: usize = LINE_BYTES + 2 * (VALUE_BYTES_MAX + REASON_BYTES_MAX);

/// The import ends here: nothing behind can be understood.
#[derive(Debug, Error)]
pub enum CsvError {
    #[error("cannot read the rows: {0}")]
    Io(#[from] io::Error),
    #[error("the first line must name the columns {expected}, got {got}")]
    Header { expected: String, got: String },
}

/// A row that is no item, with the line that it begins on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub line: u64,
    /// Column, or `row`.
    pub field: &'static str,
    pub value: String,
    /// Stable, as of [`ItemError::code`], or `not_a_time`, `not_an_amount`, `columns`, `not_utf8`, `row_too_long`.
    pub code: &'static str,
    pub reason: String,
}

/// What one change can put, and what was refused on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    pub items: Vec<NewItem>,
    /// On which each item's row begins.
    pub lines: Vec<u64>,
    pub rejects: Vec<Reject>,
    /// Rows whose value came again in the slice: the last one counts, as it would in the next slice.
    pub repeated: u64,
}

/// Rows of a file for a list of one form, at one time.
#[derive(Debug)]
pub struct Import<R> {
    rows: Rows<R>,
    reading: Reading,
}

/// How a row is read.
#[derive(Debug)]
struct Reading {
    form: Form,
    places: CurrencyPlaces,
    at: i64,
    columns: Vec<&'static str>,
}

impl<R: Read> Import<R> {
    /// Reads the first line. `at` is the time of the change that follows: an item must expire later.
    pub fn new(from: R, form: Form, places: CurrencyPlaces, at: i64) -> Result<Self, CsvError> {
        let mut rows = Rows::new(from);
        let columns = match rows.next()? {
            Row::Fields { fields, .. } => columns(form, &fields),
            Row::Reject(reject) => Err(reject.value),
            Row::End => Err("nothing".to_owned()),
        };
        let columns = columns.map_err(|got| CsvError::Header {
            expected: match form {
                Form::Amount => "from,to,currency and optionally expires,reason",
                _ => "value and optionally expires,reason",
            }
            .to_owned(),
            got,
        })?;
        let reading = Reading {
            form,
            places,
            at,
            columns,
        };
        Ok(Import { rows, reading })
    }

    /// The next items and rejects; `None`: that was all.
    pub fn next_slice(&mut self) -> Result<Option<Slice>, CsvError> {
        let mut slice = Slice::default();
        let mut keys: BTreeMap<Key, usize> = BTreeMap::new();
        let mut room = CHANGE_BYTES_MAX - LINE_BYTES;
        while slice.items.len() < CHANGE_ITEMS_MAX && slice.rejects.len() < REJECTS_MAX {
            let (line, checked) = match self.rows.next()? {
                Row::End => break,
                Row::Reject(reject) => {
                    slice.rejects.push(reject);
                    continue;
                }
                Row::Fields { line, fields } => (line, self.reading.item(line, &fields)),
            };
            let checked =
                checked.and_then(|(item, key)| match meets(self.reading.form, &keys, &key) {
                    Some(ix) => Err(Reject {
                        line,
                        field: "from",
                        value: shown(&item.value),
                        code: "bands_meet",
                        reason: format!("the band meets that of line {}", slice.lines[ix]),
                    }),
                    None => Ok((item, key)),
                });
            let (item, key) = match checked {
                Ok(checked) => checked,
                Err(reject) => {
                    slice.rejects.push(reject);
                    continue;
                }
            };
            // Escaped, a quote or backslash takes two bytes; nothing that takes more is allowed.
            room = room.saturating_sub(LINE_BYTES + 2 * (key.bytes.len() + item.reason.len()));
            if let Some(ix) = keys.get(&key) {
                (slice.items[*ix], slice.lines[*ix]) = (item, line);
                slice.repeated += 1;
            } else {
                keys.insert(key, slice.items.len());
                slice.items.push(item);
                slice.lines.push(line);
            }
            if room < ITEM_BYTES_MAX {
                break;
            }
        }
        let empty = slice.items.is_empty() && slice.rejects.is_empty();
        Ok((!empty).then_some(slice))
    }
}

impl Reading {
    fn item(&self, line: u64, fields: &[&str]) -> Result<(NewItem, Key), Reject> {
        let cell = |name: &str| {
            let ix = self.columns.iter().position(|it| *it == name);
            ix.and_then(|ix| fields.get(ix)).copied().unwrap_or("")
        };
        let reject = |field: &'static str, code, reason| Reject {
            line,
            field,
            value: shortened(cell(field)),
            code,
            reason,
        };
        if fields.len() != self.columns.len() {
            let (expected, got) = (self.columns.len(), fields.len());
            let reason = format!("expected {expected} fields, got {got}");
            let value = shortened(&fields.join(","));
            let field = "row";
            return Err(Reject {
                value,
                ..reject(field, "columns", reason)
            });
        }
        let value = match self.form {
            Form::Amount => {
                let currency = cell("currency").trim().to_owned();
                let unknown = || ItemError::Currency {
                    value: shortened(&currency),
                };
                let places = (self.places)(&currency).ok_or_else(unknown);
                let places =
                    places.map_err(|error| reject("currency", error.code(), error.to_string()))?;
                let amount = |field| {
                    minor(cell(field).trim(), places).ok_or_else(|| {
                        let reason = format!(
                            "expected an amount such as 9000.00 with at most {places} decimal places"
                        );
                        reject(field, "not_an_amount", reason)
                    })
                };
                let (from, to) = (amount("from")?, amount("to")?);
                Value::Band { from, to, currency }
            }
            Form::Cidr => Value::Text(cell("value").trim().to_owned()),
            Form::Text { .. } | Form::Prefix { .. } => Value::Text(cell("value").to_owned()),
        };
        let expires = match cell("expires").trim() {
            "" => None,
            text => Some(time(text).ok_or_else(|| {
                let reason = "expected a time such as 2026-12-31T00:00:00Z".to_owned();
                reject("expires", "not_a_time", reason)
            })?),
        };
        let item = NewItem {
            value,
            expires,
            reason: cell("reason").to_owned(),
        };
        let key = self.form.key(&item.value, self.places);
        let checked = key.and_then(|key| item.check(self.at).map(|()| key));
        let key =
            checked.map_err(|error| reject(error.field(), error.code(), error.to_string()))?;
        Ok((item, key))
    }
}

impl Slice {
    /// The change that puts the items.
    pub fn change(&self, list: &str) -> Change {
        Change::Put {
            list: list.to_owned(),
            items: self.items.clone(),
        }
    }

    /// Items that the lists have refused become rejects: a band that meets one that is held stops no other item.
    pub fn refuse(&mut self, faults: &[Fault]) {
        for fault in faults.iter().rev() {
            let Some(ix) = fault
                .item
                .checked_sub(1)
                .filter(|ix| *ix < self.items.len())
            else {
                continue;
            };
            let (item, line) = (self.items.remove(ix), self.lines.remove(ix));
            self.rejects.push(Reject {
                line,
                field: fault.error.field(),
                value: shown(&item.value),
                code: fault.error.code(),
                reason: fault.error.to_string(),
            });
        }
        self.rejects.sort_by_key(|it| it.line);
    }
}

fn columns(form: Form, names: &[&str]) -> Result<Vec<&'static str>, String> {
    let required: &[&str] = match form {
        Form::Amount => &["from", "to", "currency"],
        _ => &["value"],
    };
    let known = |name: &str| {
        let all = required.iter().chain(&["expires", "reason"]);
        let mut same = all.copied().filter(|it| *it == name.trim());
        same.next()
    };
    let columns: Option<Vec<&'static str>> = names.iter().map(|name| known(name)).collect();
    let columns = columns.filter(|columns| {
        let all = required.iter().all(|name| columns.contains(name));
        let once = |name| columns.iter().filter(|it| *it == name).count() == 1;
        all && columns.iter().all(once)
    });
    columns.ok_or_else(|| shortened(&names.join(",")))
}

/// The item of the slice whose band shares an amount with the key's, but for the same band.
fn meets(form: Form, keys: &BTreeMap<Key, usize>, key: &Key) -> Option<usize> {
    let band = |key: &Key| match form.value(key.rank, &key.bytes) {
        Some(ValueRef::Band { from, to, currency }) => Some((currency, from, to)),
        _ => None,
    };
    let (currency, from, to) = band(key)?;
    let before = keys.range(..key).next_back();
    let after = keys.range(key..).find(|it| it.0 != key);
    let mut around = before.into_iter().chain(after);
    let meeting = around.find(|(other, _)| {
        let other = band(other);
        other.is_some_and(|it| it.0 == currency && it.1 <= to && it.2 >= from)
    });
    meeting.map(|(_, ix)| *ix)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => shortened(text),
        Value::Band { from, to, currency } => format!("{from} to {to} {currency}"),
    }
}

/// Minor units of a plain decimal in major units; no sign, no exponent, no rounding.
fn minor(text: &str, places: u8) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let kept = fraction.trim_end_matches('0');
    let missing = usize::from(places).checked_sub(kept.len())?;
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let zeros = std::iter::repeat_n(b'0', missing);
    let all = whole.bytes().chain(kept.bytes()).chain(zeros);
    all.into_iter().try_fold(0_i64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
    })
}

fn time(text: &str) -> Option<i64> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(stamp.as_microsecond().div_euclid(1_000))
}
