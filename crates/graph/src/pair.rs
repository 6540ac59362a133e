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
    /// Events of the two, and those of them that moved money; both end at 65,535.
    pub count: u16,
    pub moved: u16,
    /// Money moved, base currency major units.
    pub sum: f32,
}

impl Pair {
    /// Mean of the amounts that moved; 0 when none did.
    pub fn mean(&self) -> f32 {
        if self.moved == 0 {
            0.0
        } else {
            self.sum / f32::from(self.moved)
        }
    }

    pub fn add(&mut self, flow: Option<f32>) {
        self.count = self.count.saturating_add(1);
        self.moved = self.moved.saturating_add(u16::from(flow.is_some()));
        self.sum += flow.unwrap_or(0.0);
    }

    pub fn take_back(&mut self, flow: f32) {
        self.moved = self.moved.saturating_sub(1);
        // Without any amount left the sum is exactly zero, whatever rounding had left behind.
        self.sum = if self.moved == 0 {
            0.0
        } else {
            (self.sum - flow).max(0.0)
        };
    }
}

impl Slot for Pair {
    const EMPTY: Pair = Pair {
        from: NONE,
        to: NONE,
        first: EventTime::MIN,
        last: EventTime::MIN,
        count: 0,
        moved: 0,
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
