//! Ids: bounded strings from the outside, small indices into the schema, positions in the log.

use compact_str::CompactString;
use serde::Serialize;

/// The tenant's own id of an event, unique within the dedup window. At most [`EventId::MAX_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub(crate) CompactString);

/// The tenant's id of an account, device, address...; unique within its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub(crate) CompactString);

impl EventId {
    pub const MAX_BYTES: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Key of the log's index: FNV-1a 64 folded by a multiply; equal ids have equal keys, and the reader
    /// compares the record itself, so a collision costs a read and nothing else.
    pub fn key(&self) -> u64 {
        text_key(self.as_str(), 0)
    }
}

impl EntityId {
    pub const MAX_BYTES: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A 64-bit key of a text within a numbered space.
pub fn text_key(text: &str, space: u64) -> u64 {
    const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325 ^ space.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut chunks = text.as_bytes().chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0_u8; 8];
        word.copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 32;
    }
    for byte in chunks.remainder() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
    }
    hash = (hash ^ text.len() as u64).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 29)
}

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(pub u8);

        impl $name {
            pub fn index(self) -> usize {
                usize::from(self.0)
            }
        }
    };
}

index!(
    /// Index of an entity kind in the tenant's schema.
    KindIx
);
index!(
    /// Index of a role (a slot of an event that names an entity) in the tenant's schema.
    RoleIx
);
index!(
    /// Index of an event type in the tenant's schema.
    EventTypeIx
);
index!(
    /// Index of an attribute in the tenant's schema.
    AttributeIx
);

/// A record's number in the tenant's log, counted from 0 without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);
