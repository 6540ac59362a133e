//! Open addressing over many small shards. A shard doubles on its own, so growth costs microseconds at any
//! size of the graph instead of one long stop.

const SHARD_MIN: usize = 8;

/// What a table stores inline. The hash is recomputed from the slot when a shard grows or closes a gap.
pub trait Slot: Copy {
    const EMPTY: Self;
    fn is_empty(&self) -> bool;
    /// Upper 32 bits choose shard and place; the rest is not used.
    fn hash(&self) -> u64;
}

#[derive(Clone, Debug)]
pub struct Table<S, const SHARD_BITS: u32 = 12> {
    shards: Vec<Shard<S>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Shard<S> {
    slots: Vec<S>,
    held: usize,
}

impl<S: Slot, const SHARD_BITS: u32> Table<S, SHARD_BITS> {
    pub const SHARDS: usize = 1 << SHARD_BITS;

    pub fn new() -> Self {
        Table {
            shards: vec![
                Shard {
                    slots: Vec::new(),
                    held: 0
                };
                Self::SHARDS
            ],
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn find(&self, hash: u64, same: impl Fn(&S) -> bool) -> Option<&S> {
        let shard = &self.shards[Self::shard_of(hash)];
        let at = shard.find(hash, same)?;
        Some(&shard.slots[at])
    }

    pub fn find_mut(&mut self, hash: u64, same: impl Fn(&S) -> bool) -> Option<&mut S> {
        let shard = &mut self.shards[Self::shard_of(hash)];
        let at = shard.find(hash, same)?;
        Some(&mut shard.slots[at])
    }

    /// The caller has checked that no equal slot is held.
    pub fn insert(&mut self, slot: S) {
        self.len += 1;
        self.shards[Self::shard_of(slot.hash())].insert(slot);
    }

    pub fn remove(&mut self, hash: u64, same: impl Fn(&S) -> bool) {
        let shard = &mut self.shards[Self::shard_of(hash)];
        if let Some(at) = shard.find(hash, same) {
            shard.remove(at);
            self.len -= 1;
        }
    }

    /// Visits the slot under a hand that walks the whole table; returns the next place of the hand.
    /// A removed slot is replaced by a later one, so the hand then stays where it is.
    pub fn sweep(&mut self, hand: (u32, u32), dead: impl Fn(&S) -> bool) -> (u32, u32) {
        let (shard_ix, slot_ix) = (hand.0 as usize % Self::SHARDS, hand.1 as usize);
        let shard = &mut self.shards[shard_ix];
        if slot_ix >= shard.slots.len() {
            return (((shard_ix + 1) % Self::SHARDS) as u32, 0);
        }
        let slot = &shard.slots[slot_ix];
        if !slot.is_empty() && dead(slot) {
            shard.remove(slot_ix);
            self.len -= 1;
            return hand;
        }
        (shard_ix as u32, slot_ix as u32 + 1)
    }

    /// Shards as they lie in memory; with [`Table::restore`] the exact layout survives a snapshot.
    pub fn shards(&self) -> impl ExactSizeIterator<Item = &[S]> {
        self.shards.iter().map(|shard| shard.slots.as_slice())
    }

    pub fn restore(shards: Vec<Vec<S>>) -> Self {
        let held = |slots: &Vec<S>| slots.iter().filter(|slot| !slot.is_empty()).count();
        let shards: Vec<Shard<S>> = shards
            .into_iter()
            .map(|slots| Shard {
                held: held(&slots),
                slots,
            })
            .collect();
        let len = shards.iter().map(|shard| shard.held).sum();
        Table { shards, len }
    }

    fn shard_of(hash: u64) -> usize {
        // In two steps, because a single shard takes no bits and a shift by 64 is none.
        (hash >> 32 >> (32 - SHARD_BITS)) as usize
    }
}

impl<S: Slot> Shard<S> {
    fn home(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.slots.len() - 1)
    }

    fn find(&self, hash: u64, same: impl Fn(&S) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.home(hash);
        loop {
            let slot = &self.slots[at];
            if slot.is_empty() {
                return None;
            }
            if same(slot) {
                return Some(at);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn insert(&mut self, slot: S) {
        if (self.held + 1) * 4 > self.slots.len() * 3 {
            let doubled = vec![S::EMPTY; (self.slots.len() * 2).max(SHARD_MIN)];
            let old = std::mem::replace(&mut self.slots, doubled);
            for slot in old.into_iter().filter(|slot| !slot.is_empty()) {
                self.place(slot);
            }
        }
        self.place(slot);
        self.held += 1;
    }

    fn place(&mut self, slot: S) {
        let mut at = self.home(slot.hash());
        while !self.slots[at].is_empty() {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = slot;
    }

    /// Backward-shift deletion: no tombstones, so probes never lengthen with age.
    fn remove(&mut self, at: usize) {
        let mask = self.slots.len() - 1;
        let (mut gap, mut next) = (at, (at + 1) & mask);
        while !self.slots[next].is_empty() {
            let home = self.home(self.slots[next].hash());
            // The slot may move back to the gap unless its home lies cyclically in (gap, next].
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(gap) & mask) {
                self.slots[gap] = self.slots[next];
                gap = next;
            }
            next = (next + 1) & mask;
        }
        self.slots[gap] = S::EMPTY;
        self.held -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A key and a value; few distinct homes, so that runs collide, wrap around and close gaps.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Held(u16, u32);

    impl Slot for Held {
        const EMPTY: Held = Held(u16::MAX, 0);

        fn is_empty(&self) -> bool {
            self.0 == u16::MAX
        }

        fn hash(&self) -> u64 {
            hash(self.0)
        }
    }

    fn hash(key: u16) -> u64 {
        u64::from(key % 37 / 3) << 32
    }

    #[derive(Clone, Debug)]
    enum Op {
        Put(u16, u32),
        Remove(u16),
        Sweep(u8, u16),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0_u16..120, any::<u32>()).prop_map(|(key, value)| Op::Put(key, value)),
            3 => (0_u16..120).prop_map(Op::Remove),
            1 => (1_u8..60, 2_u16..7).prop_map(|(steps, divisor)| Op::Sweep(steps, divisor)),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(ops in prop::collection::vec(op(), 1..300)) {
            let mut table: Table<Held, 0> = Table::new();
            let mut model: BTreeMap<u16, u32> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Put(key, value) => {
                        match table.find_mut(hash(key), |held| held.0 == key) {
                            Some(held) => held.1 = value,
                            None => table.insert(Held(key, value)),
                        }
                        model.insert(key, value);
                    }
                    Op::Remove(key) => {
                        table.remove(hash(key), |held| held.0 == key);
                        model.remove(&key);
                    }
                    Op::Sweep(steps, divisor) => {
                        let mut hand = (0, 0);
                        let before = table.len();
                        for _ in 0..steps {
                            hand = table.sweep(hand, |held| held.0 % divisor == 0);
                        }
                        model.retain(|key, _| {
                            key % divisor != 0 || table.find(hash(*key), |held| held.0 == *key).is_some()
                        });
                        prop_assert!(before >= table.len());
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                for key in 0..120 {
                    let found = table.find(hash(key), |held| held.0 == key).map(|held| held.1);
                    prop_assert_eq!(found, model.get(&key).copied());
                }
            }
        }

        /// Once around, the hand has met every dead slot, whatever moved under it.
        #[test]
        fn a_full_turn_of_the_hand_leaves_no_dead_slot(keys in prop::collection::btree_set(0_u16..400, 1..200)) {
            let mut table: Table<Held, 2> = Table::new();
            keys.iter().for_each(|key| table.insert(Held(*key, 0)));
            let mut hand = (0, 0);
            for _ in 0..table.shards().map(|slots| slots.len() + 1).sum::<usize>() + keys.len() {
                hand = table.sweep(hand, |held| held.0 % 2 == 0);
            }
            prop_assert_eq!(table.len(), keys.iter().filter(|key| **key % 2 == 1).count());
            let restored: Table<Held, 2> = Table::restore(table.shards().map(<[Held]>::to_vec).collect());
            for key in keys {
                let found = restored.find(hash(key), |held| held.0 == key);
                prop_assert_eq!(found.is_some(), key % 2 == 1);
            }
        }
    }
}
