//! The last K interactions of a node, oldest first, in blocks that grow 4, 8, ... 64 as needed.
//!
//! Kept in time order by insertion, so a late event lands where its timestamp says. Shifting at most
//! 64 x 32 bytes costs less than a branchy ring index on every read.

use crate::interaction::Interaction;
use crate::slab::{NONE, Slab};

pub const SMALLEST: usize = 4;
/// Interactions of a ring, newest first, that samples look behind.
pub const NEIGHBOURS: usize = 16;

/// Where a node's ring lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingRef {
    pub block: u32,
    pub class: u8,
    pub len: u8,
}

impl Default for RingRef {
    fn default() -> RingRef {
        RingRef {
            block: NONE,
            class: 0,
            len: 0,
        }
    }
}

/// One slab per block size.
#[derive(Clone, Debug)]
pub struct Rings {
    pub size4: Slab<[Interaction; 4]>,
    pub size8: Slab<[Interaction; 8]>,
    pub size16: Slab<[Interaction; 16]>,
    pub size32: Slab<[Interaction; 32]>,
    pub size64: Slab<Ring64>,
}

/// `[T; 64]` has no `Default`.
#[derive(Clone, Debug)]
pub struct Ring64(pub [Interaction; 64]);

impl Default for Ring64 {
    fn default() -> Ring64 {
        Ring64([Interaction::default(); 64])
    }
}

impl Rings {
    pub fn new() -> Rings {
        Rings {
            size4: Slab::new(),
            size8: Slab::new(),
            size16: Slab::new(),
            size32: Slab::new(),
            size64: Slab::new(),
        }
    }

    /// Oldest first.
    pub fn items(&self, at: RingRef) -> &[Interaction] {
        if at.block == NONE {
            return &[];
        }
        &self.block(at)[..usize::from(at.len)]
    }

    fn block(&self, at: RingRef) -> &[Interaction] {
        match at.class {
            0 => self.size4.get(at.block),
            1 => self.size8.get(at.block),
            2 => self.size16.get(at.block),
            3 => self.size32.get(at.block),
            _ => &self.size64.get(at.block).0,
        }
    }

    pub fn items_mut(&mut self, at: RingRef) -> &mut [Interaction] {
        if at.block == NONE {
            return &mut [];
        }
        let len = usize::from(at.len);
        &mut self.block_mut(at)[..len]
    }

    fn block_mut(&mut self, at: RingRef) -> &mut [Interaction] {
        match at.class {
            0 => self.size4.get_mut(at.block),
            1 => self.size8.get_mut(at.block),
            2 => self.size16.get_mut(at.block),
            3 => self.size32.get_mut(at.block),
            _ => &mut self.size64.get_mut(at.block).0,
        }
    }

    /// Puts an interaction at its place in time; returns what had to leave a ring of `most` items.
    pub fn insert(
        &mut self,
        at: &mut RingRef,
        item: Interaction,
        most: usize,
    ) -> Option<Interaction> {
        let mut len = usize::from(at.len);
        if at.block == NONE || (len == SMALLEST << at.class && len < most) {
            self.grow(at);
        }
        let block = self.block_mut(*at);
        let mut evicted = None;
        if len == most {
            if item.time < block[0].time {
                return Some(item);
            }
            evicted = Some(block[0]);
            block.copy_within(1..len, 0);
            len -= 1;
        }
        let mut place = len;
        while place > 0 && block[place - 1].time > item.time {
            place -= 1;
        }
        block.copy_within(place..len, place + 1);
        block[place] = item;
        at.len = (len + 1) as u8;
        evicted
    }

    fn grow(&mut self, at: &mut RingRef) {
        let bigger = if at.block == NONE {
            RingRef {
                block: self.take(0),
                class: 0,
                len: 0,
            }
        } else {
            RingRef {
                block: self.take(at.class + 1),
                class: at.class + 1,
                len: at.len,
            }
        };
        if at.block != NONE {
            let mut held = [Interaction::default(); 64];
            let len = usize::from(at.len);
            held[..len].copy_from_slice(self.items(*at));
            self.items_mut(bigger).copy_from_slice(&held[..len]);
            self.release(*at);
        }
        *at = bigger;
    }

    fn take(&mut self, class: u8) -> u32 {
        match class {
            0 => self.size4.take(),
            1 => self.size8.take(),
            2 => self.size16.take(),
            3 => self.size32.take(),
            _ => self.size64.take(),
        }
    }

    pub fn release(&mut self, at: RingRef) {
        match (at.block, at.class) {
            (NONE, _) => {}
            (block, 0) => self.size4.give_back(block),
            (block, 1) => self.size8.give_back(block),
            (block, 2) => self.size16.give_back(block),
            (block, 3) => self.size32.give_back(block),
            (block, _) => self.size64.give_back(block),
        }
    }
}
