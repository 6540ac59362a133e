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
            *self.get_mut(slot) = T::default();
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

    pub fn give_back(&mut self, slot: u32) {
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
