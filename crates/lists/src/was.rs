//! What a change takes the place of, as lines behind its text in the log: for whoever answers who changed what.
//!
//! ```text
//! {"lists":1,"change":"put","list":"stolen"}
//! {"value":"d-4711","expires":1790000000000,"reason":"reported"}
//! {"was":{"value":"d-4711","reason":"","author":"ann","added":1780000000000}}
//! ```
//!
//! They follow from the state before the change and say nothing that the state after it depends on: whoever applies a
//! change reads it without them.

use serde::Serialize;

use crate::change::{Change, ItemLine, NewItem, json};
use crate::state::{Item, Lists};
use crate::written::Written;
use crate::{CHANGE_BYTES_MAX, Definition};

const MARK: &str = "{\"was\":";

#[derive(Serialize)]
struct Line<T> {
    was: T,
}

#[derive(Serialize)]
struct WasList {
    #[serde(flatten)]
    written: Written,
    items: usize,
}

#[derive(Serialize)]
struct WasItem<'a> {
    #[serde(flatten)]
    line: ItemLine,
    author: &'a str,
    added: i64,
}

/// In place of items that do not fit.
#[derive(Serialize)]
struct LeftOut {
    left_out: usize,
}

/// A record's text in two: the change, and what was there.
pub fn split(text: &str) -> (&str, &str) {
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(MARK) {
            return text.split_at(from);
        }
        from += line.len();
    }
    (text, "")
}

impl Lists {
    /// A change's text with what it would take the place of, as much as a record of the log holds.
    pub fn with_was(&self, change: &Change, text: &str) -> String {
        let room = CHANGE_BYTES_MAX.saturating_sub(text.len());
        let (lines, items) = match change {
            Change::Create(_) => (String::new(), 0),
            Change::Alter(Definition { name, .. }) | Change::Drop { list: name } => {
                (self.was_list(name), 0)
            }
            Change::Put { list, items } => self.was_items(list, items.iter().map(|it| &it.value)),
            Change::Remove { list, values } => self.was_items(list, values.iter()),
        };
        if lines.len() <= room {
            return format!("{text}{lines}");
        }
        let short = line(&LeftOut { left_out: items });
        match short.len() <= room {
            true => format!("{text}{short}"),
            false => text.to_owned(),
        }
    }

    fn was_list(&self, name: &str) -> String {
        let Some(definition) = self.definition(name) else {
            return String::new();
        };
        line(&WasList {
            written: Written::of(definition),
            items: self.items_of(name).unwrap_or(0),
        })
    }

    /// The lines, and how many.
    fn was_items<'v>(
        &self,
        list: &str,
        values: impl Iterator<Item = &'v crate::Value>,
    ) -> (String, usize) {
        let (mut lines, mut count) = (String::new(), 0);
        let Some(list) = self.lists.get(list) else {
            return (lines, count);
        };
        for value in values {
            let Ok(key) = list.definition.form.key(value, self.places) else {
                continue;
            };
            if let Some(item) = list.held(&key).and_then(|held| list.item(held)) {
                lines.push_str(&line(&WasItem::of(&item)));
                count += 1;
            }
        }
        (lines, count)
    }
}

impl WasItem<'_> {
    fn of<'a>(item: &'a Item<'a>) -> WasItem<'a> {
        let held = NewItem {
            value: item.value.to_value(),
            expires: item.expires,
            reason: item.reason().to_owned(),
        };
        WasItem {
            line: ItemLine::of(&held),
            author: item.author(),
            added: item.added(),
        }
    }
}

/// As a line of a change is written, under the mark.
fn line(was: &impl Serialize) -> String {
    json(&Line { was })
}
