//! The lists as bytes: notes in their order, then lists by name, items in the order of their keys. Equal states
//! give equal bytes, whatever the way to them.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use thiserror::Error;

use crate::change::{Change, ChangeError};
use crate::definition::Form;
use crate::list::List;
use crate::pages::Note;
use crate::state::Lists;
use crate::value::{Key, ValueRef};
use crate::{
    CurrencyPlaces, ITEMS_MAX, LISTS_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, VALUE_BYTES_MAX,
};

#[derive(Debug, Error)]
pub enum RestoreError {
    #[error("snapshot of the lists cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("snapshot of the lists has layout {got}, this build reads {LAYOUT}")]
    Layout { got: u32 },
    #[error("snapshot of the lists is inconsistent: {what}")]
    Malformed { what: &'static str },
    #[error("snapshot of the lists is inconsistent: {0}")]
    Definition(#[from] ChangeError),
}

const LAYOUT: u32 = 1;
/// Who writes a change; `Config::author` is shorter.
const AUTHOR_BYTES_MAX: usize = 1 << 10;
/// A `create` line: two names and some words.
const DEFINITION_BYTES_MAX: usize = 4 * NAME_BYTES_MAX + 256;

impl Lists {
    pub fn write_snapshot(&self, to: &mut dyn Write) -> io::Result<()> {
        let (numbers, notes) = self.notes();
        to.write_all(&LAYOUT.to_le_bytes())?;
        to.write_all(&(notes.len() as u32).to_le_bytes())?;
        for note in notes {
            to.write_all(&note.added.to_le_bytes())?;
            put_text(to, &note.author)?;
            put_text(to, &note.reason)?;
        }
        to.write_all(&(self.lists.len() as u32).to_le_bytes())?;
        for list in self.lists.values() {
            let definition = Change::Create(list.definition.clone()).encode();
            put_text(to, &definition.map_err(io::Error::other)?)?;
            to.write_all(&(list.pages.len() as u32).to_le_bytes())?;
            for held in list.pages.iter() {
                let number = numbers.get(&Arc::as_ptr(held.note));
                let note = number.copied().unwrap_or(0);
                to.write_all(&held.rank.to_le_bytes())?;
                to.write_all(&held.expires.to_le_bytes())?;
                to.write_all(&note.to_le_bytes())?;
                to.write_all(&(held.key.len() as u16).to_le_bytes())?;
                to.write_all(held.key)?;
            }
        }
        Ok(())
    }

    /// The notes that are in use in the order of their contents, and the number there of each that is held.
    fn notes(&self) -> (BTreeMap<*const Note, u32>, Vec<&Note>) {
        let held = self.lists.values().flat_map(|list| list.pages.iter());
        let held: BTreeMap<*const Note, &Note> = held
            .map(|it| (Arc::as_ptr(it.note), it.note.as_ref()))
            .collect();
        let mut notes: Vec<&Note> = held.values().copied().collect();
        notes.sort_unstable();
        notes.dedup();
        let number = |note: &Note| notes.partition_point(|it| *it < note) as u32;
        let numbers = held.into_iter().map(|(at, note)| (at, number(note)));
        (numbers.collect(), notes)
    }

    pub fn read_snapshot(
        places: CurrencyPlaces,
        from: &mut dyn Read,
    ) -> Result<Lists, RestoreError> {
        let got = u32::from_le_bytes(array(from)?);
        if got != LAYOUT {
            return Err(RestoreError::Layout { got });
        }
        let mut notes = Vec::new();
        for _ in 0..count(from, ITEMS_MAX, "number of notes")? {
            let note = Note {
                added: i64::from_le_bytes(array(from)?),
                author: text(from, AUTHOR_BYTES_MAX, "author")?.into(),
                reason: text(from, REASON_BYTES_MAX, "reason")?.into(),
            };
            if notes.last().is_some_and(|last: &Arc<Note>| **last >= note) {
                return Err(malformed("order of notes"));
            }
            notes.push(Arc::new(note));
        }
        let mut lists = Lists::new(places);
        let mut room = ITEMS_MAX;
        for _ in 0..count(from, LISTS_MAX, "number of lists")? {
            let list = read_list(from, &notes, room)?;
            room -= list.pages.len();
            let name = list.definition.name.clone();
            if lists.lists.last_key_value().is_some_and(|it| *it.0 >= name) {
                return Err(malformed("order of lists"));
            }
            lists.lists.insert(name, Arc::new(list));
        }
        Ok(lists)
    }
}

fn read_list(from: &mut dyn Read, notes: &[Arc<Note>], room: usize) -> Result<List, RestoreError> {
    let line = text(from, DEFINITION_BYTES_MAX, "definition")?;
    let Change::Create(definition) = Change::parse(&line)? else {
        return Err(malformed("definition"));
    };
    definition.check().map_err(|_| malformed("name"))?;
    let form = definition.form;
    let mut list = List::new(definition);
    let mut last: Option<Key> = None;
    for _ in 0..count(from, room, "number of items")? {
        let rank = u64::from_le_bytes(array(from)?);
        let expires = i64::from_le_bytes(array(from)?);
        let note = u32::from_le_bytes(array(from)?) as usize;
        let len = usize::from(u16::from_le_bytes(array(from)?));
        if len > VALUE_BYTES_MAX {
            return Err(malformed("length of a value"));
        }
        let mut bytes = vec![0; len];
        from.read_exact(&mut bytes)?;
        let key = Key { rank, bytes };
        check_key(form, &key, last.as_ref())?;
        let note = notes.get(note).ok_or(malformed("number of a note"))?;
        list.pages.push(rank, &key.bytes, expires, Arc::clone(note));
        list.count(&key.bytes);
        last = Some(key);
    }
    Ok(list)
}

/// The key is the one that its value has, and stands behind the last one, bands apart.
fn check_key(form: Form, key: &Key, last: Option<&Key>) -> Result<(), RestoreError> {
    let value = form.value(key.rank, &key.bytes);
    let value = value.ok_or(malformed("value"))?;
    // Which currencies exist may have changed since the item was taken.
    let own = form.key(&value.to_value(), |_| Some(0));
    if own.as_ref() != Ok(key) {
        return Err(malformed("value"));
    }
    let Some(last) = last else {
        return Ok(());
    };
    let apart = match (form.value(last.rank, &last.bytes), value) {
        (
            Some(ValueRef::Band { to, currency, .. }),
            ValueRef::Band {
                from,
                currency: own,
                ..
            },
        ) => currency != own || to < from,
        _ => true,
    };
    if last >= key || !apart {
        return Err(malformed("order of items"));
    }
    Ok(())
}

fn malformed(what: &'static str) -> RestoreError {
    RestoreError::Malformed { what }
}

fn put_text(to: &mut dyn Write, text: &str) -> io::Result<()> {
    to.write_all(&(text.len() as u32).to_le_bytes())?;
    to.write_all(text.as_bytes())
}

fn array<const N: usize>(from: &mut dyn Read) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    from.read_exact(&mut array)?;
    Ok(array)
}

fn count(from: &mut dyn Read, max: usize, what: &'static str) -> Result<usize, RestoreError> {
    let count = u32::from_le_bytes(array(from)?) as usize;
    if count > max {
        return Err(malformed(what));
    }
    Ok(count)
}

fn text(from: &mut dyn Read, max: usize, what: &'static str) -> Result<String, RestoreError> {
    let len = count(from, max, what)?;
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| malformed(what))
}
