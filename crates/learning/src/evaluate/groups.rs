//! Rings that somebody knows of: which events belong together, for intervals only.
//!
//! **Invariant**: a group never enters the log, a feature or a label; it says which rows a bootstrap draws
//! together.

use std::collections::{BTreeMap, HashMap};

use event::{Position, Record};
use node::NodeError;

use super::samples::Samples;
use super::source::Source;

/// Group by event id.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    of: HashMap<String, u32>,
    count: u32,
}

/// Numbers of subjects stay below it.
const FIRST: u32 = 1 << 31;

impl Groups {
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Groups {
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let of = pairs
            .into_iter()
            .map(|(event_id, group)| {
                let next = numbers.len() as u32;
                (event_id, *numbers.entry(group).or_insert(next))
            })
            .collect();
        Groups {
            of,
            count: numbers.len() as u32,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Blocks of the samples' tape; `None` when no event of the log is in any group.
    pub fn tie(&self, samples: &mut Samples, source: &Source<'_>) -> Result<bool, NodeError> {
        let mut blocks: Vec<u32> = samples.tape.iter().map(|seen| seen.subject).collect();
        let mut found = false;
        let mut at = 0;
        let mut records = source.records()?;
        while let Some((position, record)) = records.next_record()? {
            let Record::Event(event) = record else {
                continue;
            };
            debug_assert_eq!(samples.tape[at].position, Position(position.0));
            if let Some(group) = self.of.get(event.event_id.as_str()) {
                blocks[at] = FIRST + group;
                found = true;
            }
            at += 1;
        }
        samples.set_blocks(blocks);
        Ok(found)
    }
}
