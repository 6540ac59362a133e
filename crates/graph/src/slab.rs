//! Storage that never moves: chunks of at most 256 KiB, freed slots reused last-in first-out.
//!
//! Growing adds a chunk instead of copying everything, so no `fold` pays for the size of the graph.

const CHUNK_BYTES: usize = 256 << 10;

/// No slot.
pub const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub struct Slab<T> {
    chunks: Vec<Box<[T]>>,
    /// Slots ever handed out; the rest of the last chunk is still untouched.
    used: u32,
    free: Vec<u32>,
}

impl<T: Clone + Default> Slab<T> {
    const CHUNK_BITS: u32 = (CHUNK_BYTES / std::mem::size_of::<T>()).ilog2();
    const CHUNK: usize = 1 << Self::CHUNK_BITS;

    pub fn new() -> Slab<T> {
        Slab {
            chunks: Vec::new(),
            used: 0,
            free: Vec::new(),
        }
    }

    /// A slot holding `T::default()`.
    pub fn take(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        let slot = self.used;
        if slot as usize == self.chunks.len() * Self::CHUNK {
            self.chunks
                .push(vec![T::default(); Self::CHUNK].into_boxed_slice());
        }
        self.used += 1;
        slot
    }

    /// Leaves nothing behind: what a snapshot holds of a free slot does not tell who had it.
    pub fn give_back(&mut self, slot: u32) {
        *self.get_mut(slot) = T::default();
        self.free.push(slot);
    }

    pub fn get(&self, slot: u32) -> &T {
        &self.chunks[(slot >> Self::CHUNK_BITS) as usize][slot as usize & (Self::CHUNK - 1)]
    }

    pub fn get_mut(&mut self, slot: u32) -> &mut T {
        &mut self.chunks[(slot >> Self::CHUNK_BITS) as usize][slot as usize & (Self::CHUNK - 1)]
    }

    /// Slots ever handed out, freed ones included.
    pub fn used(&self) -> u32 {
        self.used
    }

    pub fn live(&self) -> usize {
        self.used as usize - self.free.len()
    }

    pub fn free_list(&self) -> &[u32] {
        &self.free
    }

    /// The free list of a slab rebuilt slot by slot.
    pub fn set_free(&mut self, free: Vec<u32>) {
        self.free = free;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn slots_keep_their_values_and_come_back_as_new(ops in prop::collection::vec(any::<Option<u16>>(), 1..400)) {
            // 64 KiB a value: four to a chunk.
            let mut slab: Slab<Big> = Slab::new();
            let mut model: BTreeMap<u32, u16> = BTreeMap::new();
            for op in ops {
                let leaving = model.keys().nth(usize::from(op.unwrap_or(3)) % (model.len() + 1)).copied();
                match (op, leaving) {
                    (Some(value), _) if model.len() < 40 => {
                        let slot = slab.take();
                        prop_assert_eq!(slab.get(slot).0[0], 0);
                        slab.get_mut(slot).0[0] = u64::from(value);
                        prop_assert_eq!(model.insert(slot, value), None);
                    }
                    (_, Some(slot)) => {
                        slab.give_back(slot);
                        model.remove(&slot);
                    }
                    _ => {}
                }
                prop_assert_eq!(slab.live(), model.len());
                for (slot, value) in &model {
                    prop_assert_eq!(slab.get(*slot).0[0], u64::from(*value));
                }
            }
            prop_assert!(slab.used() <= 41);
        }
    }

    #[derive(Clone)]
    struct Big([u64; 8192]);

    impl Default for Big {
        fn default() -> Big {
            Big([0; 8192])
        }
    }
}
