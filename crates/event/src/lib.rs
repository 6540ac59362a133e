//! The vocabulary of Ringfence: ids, money, time, every record kind of the log, the tenant's schema and
//! the binary codec.
//!
//! A record can only be built through validation ([`draft`]), so what the rest of the program sees is
//! well-formed. This crate never reads a clock, does no I/O and keeps no state.

pub mod record;

pub mod codec;
pub mod draft;
pub mod hex;
pub mod ids;
pub mod json;
pub mod money;
pub mod rates;
pub mod schema;
pub mod time;

pub use draft::{Draft, Invalid};
pub use hex::hex;
pub use ids::{AttributeIx, EntityId, EventId, EventTypeIx, KindIx, Position, RoleIx};
pub use money::{Currency, Money};
pub use record::{Event, Record};
pub use schema::Schema;
pub use time::{EventTime, Span};
