//! Records into state. Every change of the graph happens here.

mod channel;
mod event;
mod expiry;
mod label;
mod outcome;
mod waiting;

pub(crate) use self::event::MATCH_RATIO;
pub(crate) use self::waiting::{News, Waiting};
