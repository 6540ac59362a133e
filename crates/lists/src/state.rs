//! The lists of one tenant: changes in, answers out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::change::Change;
use crate::check::Ready;
use crate::definition::Definition;
use crate::error::{ListsError, shortened};
use crate::list::List;
use crate::pages::Note;
use crate::value::{Probe, ValueRef};
use crate::{CurrencyPlaces, ITEMS_MAX, LISTS_MAX, SWEEP_ITEMS_MAX};

/// A clone shares every list with its original: it costs a count for each list. The first write to a list after it
/// copies that list's directory (a count for some 90 items) and then the pages it writes to, some KiB each.
#[derive(Clone, Debug)]
pub struct Lists {
    pub(crate) lists: BTreeMap<String, Arc<List>>,
    pub(crate) places: CurrencyPlaces,
}

/// What a change did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub added: usize,
    pub replaced: usize,
    pub removed: usize,
    /// Of the values to remove, those that were not there.
    pub absent: usize,
}

/// An item as it is held.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub value: ValueRef<'a>,
    /// First time at which it is no longer there, in ms since 1970.
    pub expires: Option<i64>,
    pub(crate) note: &'a Note,
}

/// An item that a value of an event meets.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    pub list: &'a Definition,
    pub item: Item<'a>,
}

impl Item<'_> {
    pub fn reason(&self) -> &str {
        &self.note.reason
    }

    pub fn author(&self) -> &str {
        &self.note.author
    }

    /// Time of the change that put it there last.
    pub fn added(&self) -> i64 {
        self.note.added
    }
}

impl Lists {
    pub fn new(places: CurrencyPlaces) -> Lists {
        Lists {
            lists: BTreeMap::new(),
            places,
        }
    }

    /// In the order of their names.
    pub fn definitions(&self) -> impl ExactSizeIterator<Item = &Definition> {
        self.lists.values().map(|list| &list.definition)
    }

    pub fn definition(&self, list: &str) -> Option<&Definition> {
        self.lists.get(list).map(|list| &list.definition)
    }

    /// Items that are held, expired ones that are not swept yet among them.
    pub fn items(&self) -> usize {
        self.lists.values().map(|list| list.pages.len()).sum()
    }

    /// The same of one list.
    pub fn items_of(&self, list: &str) -> Option<usize> {
        self.lists.get(list).map(|list| list.pages.len())
    }

    /// A list's items that are in force at `now`, in an order that follows from them alone.
    pub fn iter(&self, list: &str, now: i64) -> impl Iterator<Item = Item<'_>> {
        let list = self.lists.get(list).into_iter();
        list.flat_map(move |list| {
            let held = list.pages.iter().filter(move |it| it.expires > now);
            held.filter_map(|it| list.item(it))
        })
    }

    /// The item that `value` meets in `list` at `now`. A list that is not there and a value that has not the
    /// list's form meet nothing: refuse both where a rule or a list names them.
    pub fn hit(&self, list: &str, value: Probe<'_>, now: i64) -> Option<Item<'_>> {
        let list = self.lists.get(list)?;
        list.item(list.find(value, now)?)
    }

    pub fn contains(&self, list: &str, value: Probe<'_>, now: i64) -> bool {
        let list = self.lists.get(list);
        list.is_some_and(|list| list.find(value, now).is_some())
    }

    /// What an event meets, in the order of the lists' names; `value_of` tells the value that a list looks at.
    /// [`crate::strongest`] says which of them decides.
    pub fn hits<'a, 'p>(
        &'a self,
        mut value_of: impl FnMut(&Definition) -> Option<Probe<'p>>,
        now: i64,
    ) -> impl Iterator<Item = Hit<'a>> {
        self.lists.values().filter_map(move |list| {
            let value = value_of(&list.definition)?;
            let item = list.item(list.find(value, now)?)?;
            let list = &list.definition;
            Some(Hit { list, item })
        })
    }

    /// Whether [`Lists::apply`] would take the change: asked before its record is written.
    pub fn check(&self, change: &Change, at: i64) -> Result<(), ListsError> {
        self.prepare(change, at).map(|_| ())
    }

    /// Applies a change that is in force from `at` on, or refuses it as a whole.
    pub fn apply(&mut self, change: &Change, at: i64, author: &str) -> Result<Applied, ListsError> {
        let ready = self.prepare(change, at)?;
        let mut applied = Applied::default();
        match change {
            Change::Create(definition) => {
                let list = Arc::new(List::new(definition.clone()));
                self.lists.insert(definition.name.clone(), list);
            }
            Change::Alter(definition) => {
                if let Some(list) = self.lists.get_mut(&definition.name) {
                    Arc::make_mut(list).definition = definition.clone();
                }
            }
            Change::Drop { list } => {
                let dropped = self.lists.remove(list);
                applied.removed = dropped.map_or(0, |list| list.pages.len());
            }
            Change::Put { list, items } => {
                if let Some(list) = self.lists.get_mut(list) {
                    let list = Arc::make_mut(list);
                    list.put(items, ready, at, author, &mut applied);
                }
            }
            Change::Remove { list, .. } => {
                if let Some(list) = self.lists.get_mut(list) {
                    let list = Arc::make_mut(list);
                    ready.iter().for_each(|it| list.remove(it, &mut applied));
                }
            }
        }
        Ok(applied)
    }

    /// Removes items that are expired at `now`, at most [`SWEEP_ITEMS_MAX`], in the order of lists and items.
    /// Nobody sees the difference but [`Lists::items`]: an expired item is met by nothing. `true`: there are more.
    pub fn expire(&mut self, now: i64) -> bool {
        let mut left = SWEEP_ITEMS_MAX;
        for list in self.lists.values_mut() {
            if list.pages.earliest() > now {
                continue;
            }
            if left == 0 {
                return true;
            }
            left -= Arc::make_mut(list).expire(now, left);
        }
        let mut lists = self.lists.values();
        lists.any(|list| list.pages.earliest() <= now)
    }

    fn named(&self, list: &str) -> Result<&List, ListsError> {
        let held = self.lists.get(list).map(Arc::as_ref);
        held.ok_or_else(|| {
            let names: Vec<&str> = self.lists.keys().map(String::as_str).collect();
            ListsError::Unknown {
                list: shortened(list),
                known: if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                },
            }
        })
    }

    /// The items of the change with their keys, or everything that is wrong with it.
    fn prepare(&self, change: &Change, at: i64) -> Result<Vec<Ready>, ListsError> {
        match change {
            Change::Create(definition) => {
                definition.check()?;
                if self.lists.contains_key(&definition.name) {
                    let list = definition.name.clone();
                    return Err(ListsError::Exists { list });
                }
                if self.lists.len() >= LISTS_MAX {
                    return Err(ListsError::TooManyLists);
                }
                Ok(Vec::new())
            }
            Change::Alter(definition) => {
                definition.check()?;
                let held = self.named(&definition.name)?.definition.form;
                if held != definition.form {
                    return Err(ListsError::FormFixed {
                        list: definition.name.clone(),
                        held: held.to_string(),
                        got: definition.form.to_string(),
                    });
                }
                Ok(Vec::new())
            }
            Change::Drop { list } => self.named(list).map(|_| Vec::new()),
            Change::Put { list, items } => {
                let ready = self.named(list)?.ready_to_put(items, at, self.places)?;
                let (held, adding) = (self.items(), ready.len());
                if held + adding > ITEMS_MAX {
                    let list = self.named(list)?;
                    let adding = ready.iter().filter(|it| !list.holds(&it.key)).count();
                    if held + adding > ITEMS_MAX {
                        return Err(ListsError::TooManyItems { held, adding });
                    }
                }
                Ok(ready)
            }
            Change::Remove { list, values } => self.named(list)?.ready_to_go(values, self.places),
        }
    }
}
