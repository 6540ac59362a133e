//! A model takes a place in service or leaves it.

use compact_str::CompactString;

use crate::time::EventTime;

/// A model enters or leaves service.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    pub at: EventTime,
    pub part: ServingPart,
    /// SHA-256 of the artifact file; zeros when the part is left empty.
    pub artifact: [u8; 32],
    /// Share of decisions in parts per million, for a challenger. Of any part but the champion's, 0 ends it.
    pub share_ppm: u32,
    /// Of a challenger or shadow: kept, where it reads what the champion's producer says.
    pub channel: Channel,
    /// Requests of which a challenger takes its share; of other parts the default.
    pub levels: Levels,
    /// At most [`AUTHOR_BYTES_MAX`](super::Config::AUTHOR_BYTES_MAX) bytes; empty when not told.
    pub author: CompactString,
    /// At most [`WHY_BYTES_MAX`](super::Config::WHY_BYTES_MAX) bytes; empty when not told.
    pub why: CompactString,
}

/// A set of the urgencies that requests have: L1 in the payment path, L2, L3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels(u8);

impl Levels {
    pub const NAMES: [&'static str; 3] = ["L1", "L2", "L3"];
    /// All but L1: the payment path is the champion's unless somebody says so.
    pub const BEHIND: Levels = Levels(0b110);
    pub const ALL: Levels = Levels(0b111);

    /// One bit a level, L1 lowest; `None`: no set, or an empty one.
    pub fn from_bits(bits: u8) -> Option<Levels> {
        (1..=Levels::ALL.0).contains(&bits).then_some(Levels(bits))
    }

    pub fn bits(self) -> u8 {
        self.0
    }

    /// By the level's place in [`Levels::NAMES`].
    pub fn hold(self, level: usize) -> bool {
        level < Levels::NAMES.len() && self.0 >> level & 1 == 1
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let names = Levels::NAMES.into_iter().enumerate();
        names.filter_map(move |(level, name)| self.hold(level).then_some(name))
    }
}

impl Default for Levels {
    fn default() -> Levels {
        Levels::BEHIND
    }
}

/// Whose suspicion later samples read, from the activation of a champion on. Producers are named by their
/// SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    /// Nobody's: what was said before is forgotten.
    #[default]
    Empty,
    /// That of the producer which speaks already.
    Kept { producer: [u8; 32] },
    /// What another producer says of the events so far, in a side file with this SHA-256.
    Rebuilt {
        producer: [u8; 32],
        scores: [u8; 32],
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServingPart {
    Champion,
    Challenger,
    Shadow,
    /// Out of service for good, until it is taken back.
    Retired,
}

impl Activation {
    /// Without a channel of its own, and with nobody named.
    pub fn new(at: EventTime, part: ServingPart, artifact: [u8; 32], share_ppm: u32) -> Activation {
        Activation {
            at,
            part,
            artifact,
            share_ppm,
            channel: Channel::Empty,
            levels: Levels::default(),
            author: CompactString::default(),
            why: CompactString::default(),
        }
    }
}
