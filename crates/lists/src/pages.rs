//! Items of one list in the order of their keys, in pages of some KiB that copies of a list share until one of
//! them writes.
//!
//! A copy costs a count per page and not a byte per item; the first write to a page after it copies that page.
//! Where pages begin and end follows from the history of changes and shows nowhere: every walk is in key order.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::value::Key;

/// Items of a page before it is split: a page is then some 7 KiB.
const PAGE_ITEMS_MAX: usize = 128;
/// Items of a page that is filled in order, so that the next ones need not split it at once.
const PAGE_ITEMS_FILLED: usize = PAGE_ITEMS_MAX * 3 / 4;
/// Entries and bytes that a page grows by: it never holds more room than that unused.
const ENTRIES_STEP: usize = 8;
const BYTES_STEP: usize = 128;
pub(crate) const NEVER: i64 = i64::MAX;

/// What the items of one change have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    pub added: i64,
    pub author: Arc<str>,
    pub reason: Box<str>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    slots: Vec<Slot>,
    len: usize,
    /// No item expires before.
    earliest: i64,
}

#[derive(Clone, Debug)]
struct Slot {
    /// The page holds ranks from this one to before the next slot's; a rank is never in two pages.
    first: u64,
    /// No item of the page expires before.
    earliest: i64,
    page: Arc<Page>,
}

#[derive(Clone, Debug, Default)]
struct Page {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Entry {
    rank: u64,
    expires: i64,
    note: Arc<Note>,
    at: u32,
    len: u16,
}

/// A held item.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    pub rank: u64,
    pub key: &'a [u8],
    /// [`NEVER`] or the first time at which it is no longer there.
    pub expires: i64,
    pub note: &'a Arc<Note>,
}

impl Pages {
    pub fn len(&self) -> usize {
        self.len
    }

    /// `order` compares the bytes of a held key with the wanted ones.
    pub fn find(&self, rank: u64, order: impl Fn(&[u8]) -> Ordering) -> Option<Held<'_>> {
        let slot = self.slots.get(self.slot_of(rank))?;
        let at = slot.page.search(rank, order).ok()?;
        Some(slot.page.held(at))
    }

    /// The last item whose rank is not above `rank`.
    pub fn at_or_before(&self, rank: u64) -> Option<Held<'_>> {
        let slot = self.slots.get(self.slot_of(rank))?;
        let behind = slot.page.entries.partition_point(|it| it.rank <= rank);
        Some(slot.page.held(behind.checked_sub(1)?))
    }

    /// Items from `rank` on, in order.
    pub fn from(&self, rank: u64) -> impl Iterator<Item = Held<'_>> {
        let slots = self.slots.get(self.slot_of(rank)..).unwrap_or_default();
        let held = slots.iter().flat_map(|slot| slot.page.iter());
        held.skip_while(move |it| it.rank < rank)
    }

    pub fn iter(&self) -> impl Iterator<Item = Held<'_>> {
        self.slots.iter().flat_map(|slot| slot.page.iter())
    }

    /// The item of a key becomes the given one; `true`: there was one before.
    pub fn put(&mut self, key: &Key, expires: i64, note: Arc<Note>) -> bool {
        if self.slots.is_empty() {
            self.push(key.rank, &key.bytes, expires, note);
            return false;
        }
        let ix = self.slot_of(key.rank);
        let slot = &mut self.slots[ix];
        let page = Arc::make_mut(&mut slot.page);
        slot.earliest = slot.earliest.min(expires);
        self.earliest = self.earliest.min(expires);
        match page.search(key.rank, |held| held.cmp(&key.bytes)) {
            Ok(at) => {
                let entry = &mut page.entries[at];
                (entry.expires, entry.note) = (expires, note);
                return true;
            }
            Err(at) => page.insert(at, key.rank, &key.bytes, expires, note),
        }
        slot.first = slot.first.min(key.rank);
        self.len += 1;
        if page.entries.len() > PAGE_ITEMS_MAX
            && let Some(behind) = page.split()
        {
            let slot = Slot::of(behind);
            self.slots[ix].earliest = self.slots[ix].page.earliest();
            self.slots.insert(ix + 1, slot);
        }
        false
    }

    /// Adds an item whose key is above all that are held.
    pub fn push(&mut self, rank: u64, key: &[u8], expires: i64, note: Arc<Note>) {
        let full = self.slots.last().is_none_or(|slot| {
            let last = slot.page.entries.last();
            slot.page.entries.len() >= PAGE_ITEMS_FILLED && last.is_some_and(|it| it.rank < rank)
        });
        if full {
            let page = Arc::new(Page::default());
            let (first, earliest) = (rank, NEVER);
            self.slots.push(Slot {
                first,
                earliest,
                page,
            });
        }
        self.earliest = if self.len == 0 {
            expires
        } else {
            self.earliest.min(expires)
        };
        self.len += 1;
        if let Some(slot) = self.slots.last_mut() {
            slot.earliest = slot.earliest.min(expires);
            let page = Arc::make_mut(&mut slot.page);
            page.insert(page.entries.len(), rank, key, expires, note);
        }
    }

    /// `true`: the key was held.
    pub fn remove(&mut self, key: &Key) -> bool {
        let ix = self.slot_of(key.rank);
        let Some(slot) = self.slots.get_mut(ix) else {
            return false;
        };
        let Ok(at) = slot.page.search(key.rank, |held| held.cmp(&key.bytes)) else {
            return false;
        };
        let page = Arc::make_mut(&mut slot.page);
        page.entries.remove(at);
        page.pack();
        if page.entries.is_empty() {
            self.slots.remove(ix);
        }
        self.len -= 1;
        true
    }

    /// Removes the first `max` items, in key order, that are expired at `now`, and tells the keys of each.
    pub fn expire(&mut self, now: i64, max: usize, mut gone: impl FnMut(&[u8])) -> usize {
        if self.earliest > now {
            return 0;
        }
        let mut removed = 0;
        for slot in &mut self.slots {
            if slot.earliest > now || removed == max {
                continue;
            }
            // A bound that no item reaches any more costs a look and no copy of the page.
            if slot.page.earliest() <= now {
                let page = Arc::make_mut(&mut slot.page);
                let Page { entries, bytes } = &mut *page;
                entries.retain(|it| {
                    let goes = it.expires <= now && removed < max;
                    if goes {
                        removed += 1;
                        gone(it.key(bytes));
                    }
                    !goes
                });
                page.pack();
            }
            slot.earliest = slot.page.earliest();
        }
        self.slots.retain(|slot| !slot.page.entries.is_empty());
        self.len -= removed;
        let bounds = self.slots.iter().map(|slot| slot.earliest);
        self.earliest = bounds.min().unwrap_or(NEVER);
        removed
    }

    /// No item expires before this time.
    pub fn earliest(&self) -> i64 {
        self.earliest
    }

    fn slot_of(&self, rank: u64) -> usize {
        let behind = self.slots.partition_point(|slot| slot.first <= rank);
        behind.saturating_sub(1)
    }
}

impl Slot {
    fn of(page: Page) -> Slot {
        Slot {
            first: page.entries.first().map_or(0, |it| it.rank),
            earliest: page.earliest(),
            page: Arc::new(page),
        }
    }
}

impl Entry {
    fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.at as usize..][..usize::from(self.len)]
    }
}

impl Page {
    fn held(&self, at: usize) -> Held<'_> {
        let entry = &self.entries[at];
        Held {
            rank: entry.rank,
            key: entry.key(&self.bytes),
            expires: entry.expires,
            note: &entry.note,
        }
    }

    fn iter(&self) -> impl Iterator<Item = Held<'_>> {
        (0..self.entries.len()).map(|at| self.held(at))
    }

    fn search(&self, rank: u64, order: impl Fn(&[u8]) -> Ordering) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| {
            let by_rank = entry.rank.cmp(&rank);
            by_rank.then_with(|| order(entry.key(&self.bytes)))
        })
    }

    fn insert(&mut self, at: usize, rank: u64, key: &[u8], expires: i64, note: Arc<Note>) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(ENTRIES_STEP);
        }
        if self.bytes.len() + key.len() > self.bytes.capacity() {
            self.bytes.reserve_exact(key.len().max(BYTES_STEP));
        }
        let entry = Entry {
            rank,
            expires,
            note,
            at: self.bytes.len() as u32,
            len: key.len() as u16,
        };
        self.entries.insert(at, entry);
        self.bytes.extend_from_slice(key);
    }

    /// The upper half as a page of its own; `None` when all ranks are equal.
    fn split(&mut self) -> Option<Page> {
        let middle = self.entries.len() / 2;
        let parts = |at: &usize| self.entries[at - 1].rank != self.entries[*at].rank;
        let below = (1..=middle).rev().find(parts);
        let cut = below.or_else(|| (middle..self.entries.len()).find(parts))?;
        let mut behind = Page {
            entries: self.entries.drain(cut..).collect(),
            bytes: self.bytes.clone(),
        };
        behind.pack();
        self.pack();
        Some(behind)
    }

    /// Lets go of the bytes of removed entries, and of room.
    fn pack(&mut self) {
        let len = self.entries.iter().map(|it| usize::from(it.len)).sum();
        let mut bytes = Vec::with_capacity(len);
        for entry in &mut self.entries {
            let at = bytes.len() as u32;
            bytes.extend_from_slice(entry.key(&self.bytes));
            entry.at = at;
        }
        self.bytes = bytes;
        self.entries.shrink_to_fit();
    }

    fn earliest(&self) -> i64 {
        let times = self.entries.iter().map(|it| it.expires);
        times.min().unwrap_or(NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn note() -> Arc<Note> {
        Arc::new(Note {
            added: 0,
            author: "".into(),
            reason: "".into(),
        })
    }

    proptest! {
        /// Few ranks, so that one rank fills more than a page; copies keep what they were.
        #[test]
        fn equal_ranks_stay_in_one_page_and_copies_stay_as_they_were(
            ops in prop::collection::vec((0_u64..6, 0_u16..400, any::<bool>(), 1_i64..9), 1..1_500),
        ) {
            let mut pages = Pages::default();
            let mut model = BTreeMap::new();
            let mut copy = None;
            let walk = |pages: &Pages| -> Vec<((u64, Vec<u8>), i64)> {
                pages.iter().map(|it| ((it.rank, it.key.to_vec()), it.expires)).collect()
            };
            for (n, (rank, text, put, expires)) in ops.iter().enumerate() {
                if n == ops.len() / 2 {
                    copy = Some((pages.clone(), walk(&pages)));
                }
                let key = Key { rank: *rank, bytes: text.to_be_bytes().to_vec() };
                let named = (key.rank, key.bytes.clone());
                if *put {
                    let replaced = pages.put(&key, *expires, note());
                    prop_assert_eq!(replaced, model.insert(named, *expires).is_some());
                } else {
                    prop_assert_eq!(pages.remove(&key), model.remove(&named).is_some());
                }
            }
            if let Some((copy, then)) = copy {
                prop_assert_eq!(walk(&copy), then);
            }
            let swept = pages.expire(3, 40, |_| {});
            let mut left = 40;
            model.retain(|_, expires| {
                let goes = *expires <= 3 && left > 0;
                left -= usize::from(goes);
                !goes
            });
            prop_assert_eq!(swept, 40 - left);
            prop_assert_eq!(pages.len(), model.len());
            prop_assert_eq!(walk(&pages), model.into_iter().collect::<Vec<_>>());
            for pair in pages.slots.windows(2) {
                prop_assert!(pair[0].page.entries.last().unwrap().rank < pair[1].first);
            }
        }
    }
}
