//! Names to node indices and back. Names live in blocks of 16 bytes with a free list per block count.

use event::KindIx;
use event::ids::{EntityId, text_key};

use crate::table::{Slot, Table};

const BLOCK: usize = 16;
const CLASSES: usize = EntityId::MAX_BYTES / BLOCK;
/// Blocks per chunk; a name never crosses a chunk.
const CHUNK_BLOCKS: usize = 4096;

/// Where a name lies: block number and byte length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameRef {
    pub block: u32,
    pub len: u8,
}

/// Hash tag and node index.
#[derive(Clone, Copy, Debug)]
pub struct NameSlot {
    pub tag: u32,
    pub node: u32,
}

impl Slot for NameSlot {
    const EMPTY: NameSlot = NameSlot {
        tag: 0,
        node: crate::slab::NONE,
    };

    fn is_empty(&self) -> bool {
        self.node == crate::slab::NONE
    }

    fn hash(&self) -> u64 {
        u64::from(self.tag) << 32
    }
}

#[derive(Clone, Debug)]
pub struct Names {
    pub chunks: Vec<Box<[u8]>>,
    pub used_blocks: u32,
    pub free: [Vec<u32>; CLASSES],
}

pub type NameTable = Table<NameSlot>;

/// Hash of a name within its kind; only the upper half is used by the table.
pub fn name_hash(kind: KindIx, name: &str) -> u64 {
    text_key(name, u64::from(kind.0) + 1) & 0xffff_ffff_0000_0000
}

impl Names {
    pub fn new() -> Names {
        Names {
            chunks: Vec::new(),
            used_blocks: 0,
            free: Default::default(),
        }
    }

    pub fn store(&mut self, name: &str) -> NameRef {
        let blocks = name.len().div_ceil(BLOCK).max(1);
        let block = self.free[blocks - 1]
            .pop()
            .unwrap_or_else(|| self.fresh(blocks));
        let at = block as usize * BLOCK;
        let (chunk, offset) = (at / (CHUNK_BLOCKS * BLOCK), at % (CHUNK_BLOCKS * BLOCK));
        self.chunks[chunk][offset..offset + name.len()].copy_from_slice(name.as_bytes());
        NameRef {
            block,
            len: name.len() as u8,
        }
    }

    fn fresh(&mut self, blocks: usize) -> u32 {
        let room = self.chunks.len() * CHUNK_BLOCKS - self.used_blocks as usize;
        if room < blocks {
            // What is left of the chunk becomes free names of the smaller sizes.
            if room > 0 {
                self.free[room - 1].push(self.used_blocks);
            }
            self.used_blocks = (self.chunks.len() * CHUNK_BLOCKS) as u32;
            self.chunks
                .push(vec![0; CHUNK_BLOCKS * BLOCK].into_boxed_slice());
        }
        let block = self.used_blocks;
        self.used_blocks += blocks as u32;
        block
    }

    pub fn give_back(&mut self, name: NameRef) {
        let blocks = usize::from(name.len).div_ceil(BLOCK).max(1);
        self.free[blocks - 1].push(name.block);
    }

    pub fn bytes(&self, name: NameRef) -> &[u8] {
        let at = name.block as usize * BLOCK;
        let (chunk, offset) = (at / (CHUNK_BLOCKS * BLOCK), at % (CHUNK_BLOCKS * BLOCK));
        &self.chunks[chunk][offset..offset + usize::from(name.len)]
    }

    pub fn restore(chunks: Vec<Box<[u8]>>, used_blocks: u32, free: Vec<Vec<u32>>) -> Option<Names> {
        Some(Names {
            chunks,
            used_blocks,
            free: free.try_into().ok()?,
        })
    }

    pub const CLASSES: usize = CLASSES;
    pub const CHUNK_BYTES: usize = CHUNK_BLOCKS * BLOCK;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_come_back_as_stored_whatever_was_freed_around_them(
            ops in prop::collection::vec((1_usize..=EntityId::MAX_BYTES, any::<bool>()), 1..2000),
        ) {
            let mut names = Names::new();
            let mut held: Vec<(NameRef, String)> = Vec::new();
            for (n, (len, free)) in ops.into_iter().enumerate() {
                if free && !held.is_empty() {
                    names.give_back(held.swap_remove(len % held.len()).0);
                    continue;
                }
                let name: String = format!("{n:04}").chars().cycle().take(len).collect();
                held.push((names.store(&name), name));
            }
            for (at, name) in &held {
                prop_assert_eq!(names.bytes(*at), name.as_bytes());
            }
        }
    }

    #[test]
    fn a_name_never_crosses_a_chunk_and_the_rest_of_it_is_used() {
        let mut names = Names::new();
        let long = "x".repeat(EntityId::MAX_BYTES - BLOCK);
        let stored: Vec<NameRef> = (0..600).map(|_| names.store(&long)).collect();
        assert_eq!(names.chunks.len(), 2);
        assert!(stored.iter().all(|at| names.bytes(*at) == long.as_bytes()));
        // 4096 is 585 names of 7 blocks and one block: that one is free for a short name.
        assert_eq!(names.store("short").block, 4095);
    }
}
