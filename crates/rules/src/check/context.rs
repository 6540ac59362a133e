//! What the rules of a set share: slots, lists and patterns.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::doubts::Doubts;
use crate::pattern::Pattern;
use crate::problem::Cause;
use crate::program::ListIx;
use crate::vocabulary::{VariableIx, Vocabulary};

/// Lists that a set may name.
pub const LISTS_MAX: usize = 64;
/// Different patterns of a set. Each has a table.
pub const PATTERNS_MAX: usize = 64;

/// What rules seek on a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    pub text: bool,
    pub number: bool,
}

#[derive(Debug)]
pub(crate) struct Context<'v> {
    pub vocabulary: &'v Vocabulary,
    /// In the order of their slots.
    pub used: Vec<VariableIx>,
    slots: BTreeMap<VariableIx, u16>,
    pub lists: Vec<String>,
    /// Of each list, whether a text and whether a number is sought on it.
    pub sought: Vec<Sought>,
    patterns: BTreeMap<String, Arc<Pattern>>,
    patterns_tried: usize,
    pub doubts: Doubts,
}

impl<'v> Context<'v> {
    pub fn new(vocabulary: &'v Vocabulary) -> Context<'v> {
        Context {
            vocabulary,
            used: Vec::new(),
            slots: BTreeMap::new(),
            lists: Vec::new(),
            sought: Vec::new(),
            patterns: BTreeMap::new(),
            patterns_tried: 0,
            doubts: Doubts::default(),
        }
    }

    pub fn slot(&mut self, variable: VariableIx) -> u16 {
        *self.slots.entry(variable).or_insert_with(|| {
            self.used.push(variable);
            (self.used.len() - 1) as u16
        })
    }

    pub fn list(&mut self, name: &str) -> Result<ListIx, Cause> {
        let found = self.lists.iter().position(|it| it == name);
        let ix = found.unwrap_or(self.lists.len());
        if ix == LISTS_MAX {
            return Err(Cause::TooMany {
                what: "lists in a set",
                max: LISTS_MAX,
                found: ix + 1,
            });
        }
        if found.is_none() {
            self.lists.push(name.to_owned());
            self.sought.push(Sought::default());
        }
        Ok(ListIx(ix as u16))
    }

    pub fn pattern(&mut self, source: &str) -> Result<Arc<Pattern>, Cause> {
        if let Some(pattern) = self.patterns.get(source) {
            return Ok(Arc::clone(pattern));
        }
        // Those refused count too: the time to make them is what is bounded.
        self.patterns_tried += 1;
        if self.patterns_tried > PATTERNS_MAX {
            return Err(Cause::TooMany {
                what: "different patterns in a set",
                max: PATTERNS_MAX,
                found: self.patterns_tried,
            });
        }
        let pattern = Arc::new(Pattern::new(source).map_err(Cause::BadPattern)?);
        self.patterns
            .insert(source.to_owned(), Arc::clone(&pattern));
        Ok(pattern)
    }
}
