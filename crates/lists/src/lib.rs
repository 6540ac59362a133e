//! Allow, watch and block lists of one tenant: their state is a function of changes in log order.
//!
//! Time comes with every call; no clock, no I/O beyond the readers and writers that are handed in, no hash order
//! that a state, a snapshot or an answer could show (invariant I1). A lookup allocates nothing and is O(log n) in
//! the items of its list: text one search; prefix and CIDR one for each length that the list holds; amount one.
//!
//! An item is an entry of 32 bytes and its value; reason, author and time are shared by the items of one change. With
//! 10^6 items of a bulk import that is 51 bytes an item for texts of 16 bytes and 41 for networks and bands
//! (`cargo bench -p ringfence-lists`).

pub mod definition;
pub mod value;
mod written;

pub mod change;
mod error;

mod state;
pub mod was;

mod check;
mod list;

mod pages;

mod cidr;
pub mod csv;

mod snapshot;

pub use change::{Change, ChangeError, NewItem};
pub use cidr::Cidr;
pub use definition::{Definition, Effect, Form, Standing, is_name, strongest};
pub use error::{Fault, ItemError, ListsError};
pub use snapshot::RestoreError;
pub use state::{Applied, Hit, Item, Lists};
pub use value::{Probe, Value, ValueRef};
pub use written::{Written, WrittenError};

/// Lists of one tenant.
pub const LISTS_MAX: usize = 64;
/// Items of one tenant, over all lists; expired ones count until they are swept.
pub const ITEMS_MAX: usize = 2_000_000;
/// Items of one change: an owner applies them between two events.
pub const CHANGE_ITEMS_MAX: usize = 1_000;
/// A change's text, as a config record's body holds it.
pub const CHANGE_BYTES_MAX: usize = 1 << 20;
/// Expired items that one call of [`Lists::expire`] removes.
pub const SWEEP_ITEMS_MAX: usize = 4_096;
/// A list's name, and the name of the field that it looks at.
pub const NAME_BYTES_MAX: usize = 64;
/// A text or prefix value.
pub const VALUE_BYTES_MAX: usize = 256;
pub const REASON_BYTES_MAX: usize = 256;
/// An end of an amount band, in minor units: what an event's amount can reach.
pub const AMOUNT_MINOR_MAX: i64 = 10_000_000_000_000;
/// First time that an item cannot expire at: 2200-01-01, where event time ends.
pub const EXPIRY_END_MS: i64 = 7_258_118_400_000;

/// Decimal places of a currency's minor unit; `None`: there is no such currency. Comes from outside, because
/// which currencies exist is not this crate's to know.
pub type CurrencyPlaces = fn(&str) -> Option<u8>;
