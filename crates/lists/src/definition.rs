//! What a list is: its name, the field it looks at, how it compares, and what a hit means.

use std::fmt;

use crate::error::ListsError;
use crate::state::Hit;
use crate::{NAME_BYTES_MAX, error::shortened};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    /// Field of an event, by the name that the tenant's schema gives it; resolved by the caller.
    pub on: String,
    pub form: Form,
    pub effect: Effect,
}

/// How a value of an event is compared with the items. Fixed for a list's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The whole text. `fold`: `A-Z` equals `a-z`; ASCII only, because tables of Unicode change with the
    /// compiler and a replay must not.
    Text { fold: bool },
    /// The text's beginning; the longest item wins.
    Prefix { fold: bool },
    /// An IPv4 or IPv6 address in a network; the smallest network wins.
    Cidr,
    /// A money amount in a closed band of its currency.
    Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Watch,
    /// `overridable`: an allow list that hits as well wins.
    Block {
        overridable: bool,
    },
    Allow,
}

/// What a hit is worth against the hits of other lists; the greatest decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Watch,
    Block,
    Allow,
    /// A block that no allow list lifts.
    BlockAlways,
}

/// The one place of precedence: a non-overridable block before allow before block before watch. Of lists with
/// equal standing the first by name.
pub fn strongest<'a>(hits: impl IntoIterator<Item = Hit<'a>>) -> Option<Hit<'a>> {
    hits.into_iter().reduce(|best, hit| {
        let (standing, held) = (hit.list.standing(), best.list.standing());
        let wins = standing > held || standing == held && hit.list.name < best.list.name;
        if wins { hit } else { best }
    })
}

impl Definition {
    pub fn standing(&self) -> Standing {
        match self.effect {
            Effect::Watch => Standing::Watch,
            Effect::Block { overridable: true } => Standing::Block,
            Effect::Allow => Standing::Allow,
            Effect::Block { overridable: false } => Standing::BlockAlways,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ListsError> {
        for (field, name) in [("list", &self.name), ("on", &self.on)] {
            if !is_name(name) {
                let got = shortened(name);
                return Err(ListsError::Name { field, got });
            }
        }
        Ok(())
    }
}

/// Whether this can name a list or the field that one looks at.
pub fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

impl Form {
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Text { .. } => "text",
            Form::Prefix { .. } => "prefix",
            Form::Cidr => "cidr",
            Form::Amount => "amount",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folds = matches!(
            self,
            Form::Text { fold: true } | Form::Prefix { fold: true }
        );
        f.write_str(self.as_str())?;
        f.write_str(if folds { " (case folded)" } else { "" })
    }
}

impl Effect {
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Watch => "watch",
            Effect::Block { .. } => "block",
            Effect::Allow => "allow",
        }
    }
}
