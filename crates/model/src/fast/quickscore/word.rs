//! The words that hold a tree's leaves, one bit each.

use std::ops::Range;

/// A bit per leaf.
pub trait Word: Copy + std::ops::BitAndAssign {
    const ALL: Self;
    /// All bits but `range`.
    fn without(range: Range<u32>) -> Self;
    fn lowest(self) -> usize;
}

macro_rules! word {
    ($word:ty) => {
        impl Word for $word {
            const ALL: Self = <$word>::MAX;
            fn without(range: Range<u32>) -> Self {
                range.fold(Self::ALL, |word, bit| word & !(1 << bit))
            }
            #[inline]
            fn lowest(self) -> usize {
                self.trailing_zeros() as usize
            }
        }
    };
}
word!(u16);
word!(u32);
word!(u64);
