//! A channel made anew from history, beside a tenant that goes on deciding.

use std::ops::ControlFlow;

use event::record::{Channel, Record};
use event::{Position, Schema};
use graph::sample::SampleParts;
use model::artifact::Artifact;

use super::{Fault, Rehearsal, Scores, Voice};
use crate::{History, NodeError, Place};

/// What a producer says of the records so far. It needs no writer: run it on a thread of its own until
/// little of the log is left, then hand it to [`crate::Tenant::activate_with`]. Dropping it abandons it.
#[derive(Debug)]
pub struct Rebuild {
    producer: [u8; 32],
    rehearsal: Box<Rehearsal>,
    /// Of the first event that was scored.
    first: Option<Position>,
    scores: Vec<u16>,
}

impl Rebuild {
    pub fn new(schema: &Schema, voice: Voice) -> Rebuild {
        Rebuild {
            producer: voice.producer,
            rehearsal: Box::new(Rehearsal::new(
                schema,
                Some(voice.speaker),
                SampleParts::Tabular,
            )),
            first: None,
            scores: Vec::new(),
        }
    }

    pub fn producer(&self) -> [u8; 32] {
        self.producer
    }

    /// The first record that it has not heard.
    pub fn next(&self) -> Position {
        self.rehearsal.engine().next()
    }

    /// Goes on to `until`, or to what is committed by now; `progress` sees (done, total) records.
    pub fn catch_up(
        &mut self,
        place: &Place,
        until: Position,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<(), NodeError> {
        let history = History::open(place)?;
        let until = until.min(history.end());
        if self.next() >= until {
            return Ok(());
        }
        history.read_ahead(self.next(), |position, record| {
            if position >= until {
                return ControlFlow::Break(());
            }
            self.hear(position, record);
            if position.0.is_multiple_of(10_000) {
                progress(position.0, until.0);
            }
            ControlFlow::Continue(())
        })
    }

    fn hear(&mut self, position: Position, record: Record) {
        let said = self.rehearsal.apply(position, record, false).said;
        if said.is_some() && self.first.is_none() {
            self.first = Some(position);
        }
        if self.first.is_some() {
            self.scores.push(said.unwrap_or(0));
        }
    }

    /// What was said up to the next record, and the state that it was said in.
    pub(crate) fn into_scores(self) -> (Scores, Box<Rehearsal>) {
        let scores = Scores {
            first: self.first.unwrap_or(self.next()),
            scores: self.scores,
        };
        (scores, self.rehearsal)
    }
}

/// Makes the side files that the log names and that are missing or damaged once more, from the history
/// before each; how many. A file of other content than its activation names is refused.
pub fn renew(place: &Place, mut progress: impl FnMut(u64, u64)) -> Result<usize, NodeError> {
    let history = History::open(place)?;
    let mut lost = Vec::new();
    let mut records = history.iter_from(history.first())?;
    while let Some((position, record)) = records.next_record()? {
        if let Record::Activation(activation) = record
            && let Channel::Rebuilt { producer, scores } = activation.channel
            && Scores::read(place, producer, position, scores).is_err()
        {
            lost.push((position, activation.artifact, producer, scores));
        }
    }
    for (position, artifact, producer, sha256) in &lost {
        let (artifact, _) = Artifact::load(&place.model(artifact))?;
        let path = place.channel(producer, *position);
        let other = |got| NodeError::Channel {
            path: path.clone(),
            fault: Fault::Digest {
                expected: event::hex(sha256),
                got,
            },
        };
        let voice = Voice::of(&artifact).filter(|voice| voice.producer == *producer);
        let voice =
            voice.ok_or_else(|| other("unknown, its model holds another producer".into()))?;
        let mut rebuild = Rebuild::new(history.schema(), voice);
        rebuild.catch_up(place, *position, &mut progress)?;
        let (said, _) = rebuild.into_scores();
        let written = said.write(place, *producer, *position)?;
        if written != *sha256 {
            return Err(other(event::hex(&written)));
        }
    }
    Ok(lost.len())
}
