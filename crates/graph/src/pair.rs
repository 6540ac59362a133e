//! What is known of two nodes together: the payer and the payee, the account and its device.

use event::EventTime;

use crate::slab::NONE;
use crate::table::{Slot, Table};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub from: u32,
    pub to: u32,
    pub first: EventTime,
    pub last: EventTime,
    pub count: u32,
    /// Money moved, base currency major units.
    pub sum: f32,
}

impl Slot for Pair {
    const EMPTY: Pair = Pair {
        from: NONE,
        to: NONE,
        first: EventTime::MIN,
        last: EventTime::MIN,
        count: 0,
        sum: 0.0,
    };

    fn is_empty(&self) -> bool {
        self.from == NONE
    }

    fn hash(&self) -> u64 {
        pair_hash(self.from, self.to)
    }
}

pub type PairTable = Table<Pair>;

pub fn pair_hash(from: u32, to: u32) -> u64 {
    let mut key = u64::from(from) << 32 | u64::from(to);
    key = (key ^ (key >> 31)).wrapping_mul(0x9fb2_1c65_1e98_df25);
    key = (key ^ (key >> 35)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key ^ (key >> 28)
}

pub fn find(pairs: &PairTable, from: u32, to: u32) -> Option<&Pair> {
    if from == NONE || to == NONE {
        return None;
    }
    pairs.find(pair_hash(from, to), |held| {
        held.from == from && held.to == to
    })
}

const _: () = assert!(std::mem::size_of::<Pair>() == 32);
