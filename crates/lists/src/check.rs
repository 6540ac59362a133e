//! What is wrong with the items of a change, found before anything of it is applied.

use std::collections::BTreeMap;

use crate::change::NewItem;
use crate::definition::Form;
use crate::error::{Fault, ItemError, ListsError};
use crate::list::List;
use crate::pages::NEVER;
use crate::value::{Key, Value, ValueRef, code};
use crate::{CurrencyPlaces, EXPIRY_END_MS, REASON_BYTES_MAX};

/// An item of a change that is found to be good.
pub(crate) struct Ready {
    pub(crate) key: Key,
    pub(crate) expires: i64,
}

impl List {
    pub(crate) fn ready_to_put(
        &self,
        items: &[NewItem],
        at: i64,
        places: CurrencyPlaces,
    ) -> Result<Vec<Ready>, ListsError> {
        let keys = items.iter().map(|it| {
            let key = self.definition.form.key(&it.value, places)?;
            it.check(at)?;
            let expires = it.expires.unwrap_or(NEVER);
            Ok(Ready { key, expires })
        });
        let (ready, mut faults) = sift(keys);
        if self.definition.form == Form::Amount {
            self.bands_that_meet(&ready, at, &mut faults);
        }
        all_or_faults(ready, faults)
    }

    pub(crate) fn ready_to_go(
        &self,
        values: &[Value],
        places: CurrencyPlaces,
    ) -> Result<Vec<Ready>, ListsError> {
        let keys = values.iter().map(|value| {
            let key = self.definition.form.key(value, places)?;
            let expires = NEVER;
            Ok(Ready { key, expires })
        });
        let (ready, faults) = sift(keys);
        all_or_faults(ready, faults)
    }

    /// Bands of one currency lie apart, so that an amount meets one at most.
    fn bands_that_meet(&self, ready: &[(usize, Ready)], at: i64, faults: &mut Vec<Fault>) {
        let mut order: Vec<Band> = ready.iter().filter_map(Band::of).collect();
        order.sort_unstable_by_key(|it| (it.currency, it.from, it.item));
        // The band that reaches furthest of those before.
        let mut before: Option<Band> = None;
        for own in order {
            let other = before.filter(|it| it.currency == own.currency && it.to >= own.from);
            if let Some(other) = other {
                let (early, late) = match other.item < own.item {
                    true => (other, own),
                    false => (own, other),
                };
                let error = ItemError::MeetsItem {
                    from: early.from,
                    to: early.to,
                    currency: code(&early.currency).to_owned(),
                    first: early.item,
                };
                let item = late.item;
                faults.push(Fault { item, error });
            }
            if other.is_none_or(|it| it.to < own.to) {
                before = Some(own);
            }
        }
        for (item, it) in ready {
            let mut around = self.bands_around(&it.key);
            let other = around.find(|held| held.expires > at);
            if let Some(ValueRef::Band { from, to, currency }) =
                other.and_then(|held| Form::Amount.value(held.rank, held.key))
            {
                let currency = code(&currency).to_owned();
                let error = ItemError::MeetsHeld { from, to, currency };
                faults.push(Fault { item: *item, error });
            }
        }
    }
}

/// A band of a change, with the number of its item.
#[derive(Clone, Copy)]
struct Band {
    currency: [u8; 3],
    from: i64,
    to: i64,
    item: usize,
}

impl Band {
    fn of((item, ready): &(usize, Ready)) -> Option<Band> {
        match Form::Amount.value(ready.key.rank, &ready.key.bytes)? {
            ValueRef::Band { from, to, currency } => Some(Band {
                currency,
                from,
                to,
                item: *item,
            }),
            _ => None,
        }
    }
}

impl NewItem {
    pub(crate) fn check(&self, at: i64) -> Result<(), ItemError> {
        if self.reason.len() > REASON_BYTES_MAX {
            let len = self.reason.len();
            return Err(ItemError::LongReason { len });
        }
        if let Some((at, _)) = self.reason.char_indices().find(|(_, c)| c.is_control()) {
            return Err(ItemError::ControlInReason { at });
        }
        match self.expires {
            Some(expires) if expires <= at => Err(ItemError::ExpiresInPast { expires, at }),
            Some(expires) if expires >= EXPIRY_END_MS => Err(ItemError::ExpiresTooLate { expires }),
            _ => Ok(()),
        }
    }
}

/// The good ones with their numbers, and the faults; a key that came before is one.
fn sift(
    items: impl Iterator<Item = Result<Ready, ItemError>>,
) -> (Vec<(usize, Ready)>, Vec<Fault>) {
    let (mut ready, mut faults) = (Vec::new(), Vec::new());
    for (item, checked) in (1..).zip(items) {
        match checked {
            Ok(checked) => ready.push((item, checked)),
            Err(error) => faults.push(Fault { item, error }),
        }
    }
    let mut first: BTreeMap<&Key, usize> = BTreeMap::new();
    for (item, it) in &ready {
        if let Some(first) = first.get(&it.key) {
            let error = ItemError::Duplicate { first: *first };
            faults.push(Fault { item: *item, error });
        } else {
            first.insert(&it.key, *item);
        }
    }
    (ready, faults)
}

fn all_or_faults(
    ready: Vec<(usize, Ready)>,
    mut faults: Vec<Fault>,
) -> Result<Vec<Ready>, ListsError> {
    if faults.is_empty() {
        return Ok(ready.into_iter().map(|(_, it)| it).collect());
    }
    faults.sort_by_key(|it| it.item);
    faults.dedup_by_key(|it| it.item);
    Err(ListsError::Items(faults))
}
