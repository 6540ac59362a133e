//! One list: lookups by its form, and what a change that was found good does to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::change::NewItem;
use crate::check::Ready;
use crate::cidr::Cidr;
use crate::definition::{Definition, Form};
use crate::pages::{Held, NEVER, Note, Pages};
use crate::state::{Applied, Item};
use crate::value::{Key, Probe, Ranking, ValueRef, band_rank, text_rank};

#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) definition: Definition,
    pub(crate) pages: Pages,
    /// Lengths that prefixes or networks have, and how many have each: a lookup tries no other.
    lengths: BTreeMap<u16, u32>,
}

impl List {
    pub(crate) fn new(definition: Definition) -> List {
        List {
            definition,
            pages: Pages::default(),
            lengths: BTreeMap::new(),
        }
    }

    pub(crate) fn item<'a>(&self, held: Held<'a>) -> Option<Item<'a>> {
        Some(Item {
            value: self.definition.form.value(held.rank, held.key)?,
            expires: (held.expires != NEVER).then_some(held.expires),
            note: held.note,
        })
    }

    pub(crate) fn find(&self, value: Probe<'_>, now: i64) -> Option<Held<'_>> {
        let in_force = |held: &Held<'_>| held.expires > now;
        match (self.definition.form, value) {
            (Form::Text { fold }, Probe::Text(text)) => {
                let folded = |byte: u8| fold_byte(byte, fold);
                let mut ranking = Ranking::START;
                text.bytes().for_each(|byte| ranking.push(folded(byte)));
                let held = self.find_text(ranking.rank(), text.as_bytes(), fold);
                held.filter(in_force)
            }
            (Form::Prefix { fold }, Probe::Text(text)) => self.find_prefix(text, fold, now),
            (Form::Cidr, Probe::Text(text)) => {
                let address = Cidr::of_address(text.parse::<IpAddr>().ok()?);
                self.find_network(address, now)
            }
            (Form::Amount, Probe::Amount(minor, currency)) => {
                let rank = band_rank(minor, currency)?;
                let held = self.pages.at_or_before(rank).filter(in_force)?;
                meets(held, minor, currency).then_some(held)
            }
            _ => None,
        }
    }

    fn find_text(&self, rank: u64, text: &[u8], fold: bool) -> Option<Held<'_>> {
        self.pages.find(rank, |held| {
            let wanted = text.iter().map(|byte| fold_byte(*byte, fold));
            held.iter().copied().cmp(wanted)
        })
    }

    /// One pass over the text; a search at every length that some item has.
    fn find_prefix(&self, text: &str, fold: bool, now: i64) -> Option<Held<'_>> {
        let text = text.as_bytes();
        let (mut best, mut done, mut ranking) = (None, 0, Ranking::START);
        for len in self.lengths.keys().map(|len| usize::from(*len)) {
            let Some(more) = text.get(done..len) else {
                break;
            };
            let folded = more.iter().map(|byte| fold_byte(*byte, fold));
            folded.for_each(|byte| ranking.push(byte));
            done = len;
            let held = self.find_text(ranking.rank(), &text[..len], fold);
            best = held.filter(|it| it.expires > now).or(best);
        }
        best
    }

    fn find_network(&self, address: Cidr, now: i64) -> Option<Held<'_>> {
        let own = length_of(self.definition.form, &address.key());
        let widest = own & !0xff;
        for length in self.lengths.range(widest..=own).rev().map(|it| *it.0) {
            let network = address.shortened_to(length as u8);
            let key = network.key();
            let key = &key[..network.key_len()];
            let held = self.pages.find(text_rank(key), |held| held.cmp(key));
            if let Some(held) = held.filter(|it| it.expires > now) {
                return Some(held);
            }
        }
        None
    }

    pub(crate) fn holds(&self, key: &Key) -> bool {
        self.held(key).is_some()
    }

    /// The item of this very value, an expired one that is not swept yet too.
    pub(crate) fn held(&self, key: &Key) -> Option<Held<'_>> {
        self.pages.find(key.rank, |held| held.cmp(&key.bytes))
    }

    /// Held bands that share an amount with the key's, but for the one of that very key.
    pub(crate) fn bands_around<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = Held<'a>> {
        let band = match Form::Amount.value(key.rank, &key.bytes) {
            Some(ValueRef::Band { from, to, currency }) => Some((from, to, currency)),
            _ => None,
        };
        band.into_iter().flat_map(move |(from, to, currency)| {
            let before = self.pages.at_or_before(key.rank);
            let before = before.filter(|it| it.rank < key.rank && meets(*it, from, currency));
            let last = band_rank(to, currency).unwrap_or(key.rank);
            let inside = self.pages.from(key.rank);
            let inside = inside.take_while(move |it| it.rank <= last);
            let others = before.into_iter().chain(inside);
            others.filter(|it| (it.rank, it.key) != (key.rank, &key.bytes[..]))
        })
    }

    pub(crate) fn put(
        &mut self,
        items: &[NewItem],
        ready: Vec<Ready>,
        at: i64,
        author: &str,
        applied: &mut Applied,
    ) {
        let author: Arc<str> = author.into();
        let mut notes: BTreeMap<&str, Arc<Note>> = BTreeMap::new();
        for (item, ready) in items.iter().zip(ready) {
            let note = notes.entry(&item.reason).or_insert_with(|| {
                Arc::new(Note {
                    added: at,
                    author: Arc::clone(&author),
                    reason: item.reason.as_str().into(),
                })
            });
            if self.definition.form == Form::Amount {
                self.clear_the_way(&ready.key);
            }
            if self.pages.put(&ready.key, ready.expires, Arc::clone(note)) {
                applied.replaced += 1;
            } else {
                applied.added += 1;
                self.count(&ready.key.bytes);
            }
        }
    }

    /// A new band met only expired ones; they go, so that held bands lie apart too.
    fn clear_the_way(&mut self, key: &Key) {
        let expired = self.bands_around(key);
        let expired: Vec<Key> = expired
            .map(|it| Key {
                rank: it.rank,
                bytes: it.key.to_vec(),
            })
            .collect();
        for key in expired {
            self.pages.remove(&key);
        }
    }

    pub(crate) fn remove(&mut self, ready: &Ready, applied: &mut Applied) {
        if self.pages.remove(&ready.key) {
            applied.removed += 1;
            uncount(&mut self.lengths, self.definition.form, &ready.key.bytes);
        } else {
            applied.absent += 1;
        }
    }

    pub(crate) fn expire(&mut self, now: i64, max: usize) -> usize {
        let (form, lengths) = (self.definition.form, &mut self.lengths);
        self.pages
            .expire(now, max, |key| uncount(lengths, form, key))
    }

    pub(crate) fn count(&mut self, key: &[u8]) {
        if matches!(self.definition.form, Form::Prefix { .. } | Form::Cidr) {
            *self
                .lengths
                .entry(length_of(self.definition.form, key))
                .or_insert(0) += 1;
        }
    }
}

/// Of a prefix its bytes; of a network its family in the upper byte and its length in the lower.
fn length_of(form: Form, key: &[u8]) -> u16 {
    match form {
        Form::Cidr => u16::from(key[0]) << 8 | u16::from(key[1]),
        _ => key.len() as u16,
    }
}

fn uncount(lengths: &mut BTreeMap<u16, u32>, form: Form, key: &[u8]) {
    let length = length_of(form, key);
    if let Some(count) = lengths.get_mut(&length) {
        *count -= 1;
        if *count == 0 {
            lengths.remove(&length);
        }
    }
}

fn fold_byte(byte: u8, fold: bool) -> u8 {
    if fold {
        byte.to_ascii_lowercase()
    } else {
        byte
    }
}

/// Whether a held band that begins at or below `minor` reaches it.
fn meets(held: Held<'_>, minor: i64, currency: [u8; 3]) -> bool {
    let band = Form::Amount.value(held.rank, held.key);
    matches!(band, Some(ValueRef::Band { to, currency: own, .. }) if own == currency && to >= minor)
}
