//! Records into state. Every change of the graph happens here.

mod event;
mod expiry;
mod label;
mod outcome;

pub(crate) use self::event::{MATCH_RATIO, News, Waiting};
