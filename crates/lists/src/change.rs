//! A change of lists, and its text: one line for what it does, one for each item, JSON without spaces.
//!
//! ```text
//! {"lists":1,"change":"create","list":"stolen","on":"device","form":"text","fold":true,"effect":"block","overridable":true}
//! {"lists":1,"change":"put","list":"stolen"}
//! {"value":"d-4711","expires":1790000000000,"reason":"reported"}
//! ```
//!
//! `create`, `alter` (the same fields, all of them), `drop`, `put`, `remove` (values alone). A band is
//! `"from"`, `"to"`, `"currency"` in place of `"value"`. Every change has one text: another one is refused, so that
//! equal changes are equal bytes in the log.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::definition::{Definition, Effect, Form};
use crate::value::Value;
use crate::{CHANGE_BYTES_MAX, CHANGE_ITEMS_MAX};

const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Create(Definition),
    /// The form stays; everything else becomes what is stated.
    Alter(Definition),
    Drop {
        list: String,
    },
    /// Each item takes the place of the one with its value.
    Put {
        list: String,
        items: Vec<NewItem>,
    },
    Remove {
        list: String,
        values: Vec<Value>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewItem {
    pub value: Value,
    /// First time at which it is no longer there, in ms since 1970.
    pub expires: Option<i64>,
    pub reason: String,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChangeError {
    #[error("a change of lists is at most {CHANGE_BYTES_MAX} bytes, got {len}")]
    TooLong { len: usize },
    #[error("a change puts or removes 1 to {CHANGE_ITEMS_MAX} items, got {got}")]
    ItemCount { got: usize },
    #[error("line {line}: {message}")]
    Line { line: usize, message: String },
    #[error("changes of lists have version {VERSION} in this build, got {got}")]
    Version { got: u32 },
    #[error("line {line}: field {field:?} {problem}")]
    Field {
        line: usize,
        field: &'static str,
        problem: &'static str,
    },
    #[error("line {line} is not written as this build writes it: {expected}")]
    NotCanonical { line: usize, expected: String },
}

impl ChangeError {
    /// What of a change is wrong, where it is one thing.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            ChangeError::TooLong { .. } | ChangeError::ItemCount { .. } => Some("items"),
            ChangeError::Field { field, .. } => Some(field),
            ChangeError::Line { .. }
            | ChangeError::Version { .. }
            | ChangeError::NotCanonical { .. } => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Create,
    Alter,
    Drop,
    Put,
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FormName {
    Text,
    Prefix,
    Cidr,
    Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EffectName {
    Allow,
    Watch,
    Block,
}

/// In the order in which it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    lists: u32,
    change: Verb,
    list: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<FormName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fold: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<EffectName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overridable: Option<bool>,
}

/// In the order in which it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Change {
    /// Name of the list that changes.
    pub fn list(&self) -> &str {
        match self {
            Change::Create(definition) | Change::Alter(definition) => &definition.name,
            Change::Drop { list } | Change::Put { list, .. } | Change::Remove { list, .. } => list,
        }
    }

    /// The text for the log.
    pub fn encode(&self) -> Result<String, ChangeError> {
        let mut text = json(&self.head());
        match self {
            Change::Put { items, .. } => {
                check_count(items.len())?;
                for item in items {
                    text.push_str(&json(&ItemLine::of(item)));
                }
            }
            Change::Remove { values, .. } => {
                check_count(values.len())?;
                for value in values {
                    text.push_str(&json(&ItemLine::of_value(value)));
                }
            }
            Change::Create(_) | Change::Alter(_) | Change::Drop { .. } => {}
        }
        check_len(text.len())?;
        Ok(text)
    }

    /// Reads a text of [`Change::encode`] and nothing else. What the values mean is [`crate::Lists::check`]'s.
    pub fn parse(text: &str) -> Result<Change, ChangeError> {
        check_len(text.len())?;
        let mut lines = text.split_inclusive('\n');
        let head: HeadLine = line(1, lines.next().unwrap_or_default())?;
        if head.lists != VERSION {
            return Err(ChangeError::Version { got: head.lists });
        }
        let change = match head.change {
            Verb::Create => Change::Create(head.definition()?),
            Verb::Alter => Change::Alter(head.definition()?),
            Verb::Drop => Change::Drop { list: head.list },
            Verb::Put => Change::Put {
                list: head.list,
                items: items(lines, ItemLine::into_item)?,
            },
            Verb::Remove => Change::Remove {
                list: head.list,
                values: items(lines, ItemLine::into_value)?,
            },
        };
        let written = change.encode()?;
        if written == text {
            return Ok(change);
        }
        let pairs = (1..).zip(text.split('\n').zip(written.split('\n')));
        let (line, expected) = pairs
            .filter(|(_, (got, expected))| got != expected)
            .map(|(line, (_, expected))| (line, expected))
            .next()
            .unwrap_or((text.lines().count(), "no more"));
        Err(ChangeError::NotCanonical {
            line,
            expected: crate::error::shortened(expected),
        })
    }

    fn head(&self) -> HeadLine {
        let (verb, definition) = match self {
            Change::Create(definition) => (Verb::Create, Some(definition)),
            Change::Alter(definition) => (Verb::Alter, Some(definition)),
            Change::Drop { .. } => (Verb::Drop, None),
            Change::Put { .. } => (Verb::Put, None),
            Change::Remove { .. } => (Verb::Remove, None),
        };
        let (form, fold) = match definition.map(|it| it.form) {
            None => (None, None),
            Some(Form::Text { fold }) => (Some(FormName::Text), Some(fold)),
            Some(Form::Prefix { fold }) => (Some(FormName::Prefix), Some(fold)),
            Some(Form::Cidr) => (Some(FormName::Cidr), None),
            Some(Form::Amount) => (Some(FormName::Amount), None),
        };
        let (effect, overridable) = match definition.map(|it| it.effect) {
            None => (None, None),
            Some(Effect::Allow) => (Some(EffectName::Allow), None),
            Some(Effect::Watch) => (Some(EffectName::Watch), None),
            Some(Effect::Block { overridable }) => (Some(EffectName::Block), Some(overridable)),
        };
        HeadLine {
            lists: VERSION,
            change: verb,
            list: self.list().to_owned(),
            on: definition.map(|it| it.on.clone()),
            form,
            fold,
            effect,
            overridable,
        }
    }
}

impl HeadLine {
    /// A field too many is found when the text is compared with what would be written.
    fn definition(self) -> Result<Definition, ChangeError> {
        let missing = |field| field_error(1, field, "is missing");
        let fold = || self.fold.ok_or(missing("fold"));
        let form = match self.form.ok_or(missing("form"))? {
            FormName::Text => Form::Text { fold: fold()? },
            FormName::Prefix => Form::Prefix { fold: fold()? },
            FormName::Cidr => Form::Cidr,
            FormName::Amount => Form::Amount,
        };
        let effect = match self.effect.ok_or(missing("effect"))? {
            EffectName::Allow => Effect::Allow,
            EffectName::Watch => Effect::Watch,
            EffectName::Block => Effect::Block {
                overridable: self.overridable.ok_or(missing("overridable"))?,
            },
        };
        Ok(Definition {
            name: self.list,
            on: self.on.ok_or(missing("on"))?,
            form,
            effect,
        })
    }
}

impl ItemLine {
    pub(crate) fn of(item: &NewItem) -> ItemLine {
        ItemLine {
            expires: item.expires,
            reason: Some(item.reason.clone()),
            ..ItemLine::of_value(&item.value)
        }
    }

    fn of_value(value: &Value) -> ItemLine {
        match value {
            Value::Text(text) => ItemLine {
                value: Some(text.clone()),
                ..ItemLine::default()
            },
            Value::Band { from, to, currency } => ItemLine {
                from: Some(*from),
                to: Some(*to),
                currency: Some(currency.clone()),
                ..ItemLine::default()
            },
        }
    }

    fn into_item(mut self, line: usize) -> Result<NewItem, ChangeError> {
        let reason = self.reason.take();
        Ok(NewItem {
            expires: self.expires,
            reason: reason.ok_or(field_error(line, "reason", "is missing"))?,
            value: self.into_value(line)?,
        })
    }

    fn into_value(self, line: usize) -> Result<Value, ChangeError> {
        if let Some(text) = self.value {
            return Ok(Value::Text(text));
        }
        let missing = |field| field_error(line, field, "is missing");
        Ok(Value::Band {
            from: self.from.ok_or(missing("value"))?,
            to: self.to.ok_or(missing("to"))?,
            currency: self.currency.ok_or(missing("currency"))?,
        })
    }
}

fn items<'a, T>(
    lines: impl Iterator<Item = &'a str>,
    read: impl Fn(ItemLine, usize) -> Result<T, ChangeError>,
) -> Result<Vec<T>, ChangeError> {
    let mut items = Vec::new();
    for (number, text) in (2..).zip(lines) {
        if items.len() == CHANGE_ITEMS_MAX {
            let got = CHANGE_ITEMS_MAX + 1;
            return Err(ChangeError::ItemCount { got });
        }
        items.push(read(line(number, text)?, number)?);
    }
    check_count(items.len())?;
    Ok(items)
}

fn line<'a, T: Deserialize<'a>>(line: usize, text: &'a str) -> Result<T, ChangeError> {
    serde_json::from_str(text).map_err(|error| ChangeError::Line {
        line,
        message: crate::error::shortened(&error.to_string()),
    })
}

/// Text and numbers under fixed names: serde_json writes them without a way to fail.
pub(crate) fn json(line: &impl Serialize) -> String {
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}

fn field_error(line: usize, field: &'static str, problem: &'static str) -> ChangeError {
    ChangeError::Field {
        line,
        field,
        problem,
    }
}

fn check_len(len: usize) -> Result<(), ChangeError> {
    if len > CHANGE_BYTES_MAX {
        return Err(ChangeError::TooLong { len });
    }
    Ok(())
}

fn check_count(got: usize) -> Result<(), ChangeError> {
    if (1..=CHANGE_ITEMS_MAX).contains(&got) {
        Ok(())
    } else {
        Err(ChangeError::ItemCount { got })
    }
}
