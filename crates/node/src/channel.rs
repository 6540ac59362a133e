//! The suspicion channel: what one producer says of every event, where later samples read it.
//!
//! While its model serves, each score is logged with the event's decision. What it says of the events
//! before its activation is in a side file that the activation names: the log and its side files are what
//! the state is a function of (invariant I1).

mod rebuild;
mod rehearsal;
mod side_file;

pub use rebuild::{Rebuild, renew};
pub use rehearsal::{Heard, Rehearsal};
pub use side_file::{Fault, Scores};

use engine::{Effect, Engine};
use event::record::{Channel, Record};
use event::{EventTime, Position};
use model::artifact::Artifact;
use model::producer::Speaker;

use crate::{NodeError, Place};

/// Applies a record as the log holds it; where it names a rebuilt channel, that is read from its file.
pub fn apply(
    engine: &mut Engine,
    place: &Place,
    position: Position,
    record: &Record,
) -> Result<Effect, NodeError> {
    let effect = engine.apply(position, record);
    if engine.awaits_channel()
        && let Effect::Activated(activation) = &effect
        && let Channel::Rebuilt { producer, scores } = activation.channel
    {
        let held = Scores::read(place, producer, position, scores)?;
        engine.adopt_channel(held.first, &held.scores);
    }
    Ok(effect)
}

/// The producer of a model, ready to score.
#[derive(Clone, Debug)]
pub struct Voice {
    pub producer: [u8; 32],
    speaker: Speaker,
}

impl Voice {
    /// `None` for a model without a producer.
    pub fn of(artifact: &Artifact) -> Option<Voice> {
        Some(Voice {
            producer: artifact.producer_identity()?,
            speaker: Speaker::new(artifact.producer.as_ref()?),
        })
    }

    /// What it says of an event; nothing of those before the end of its training.
    pub fn say(&mut self, time: EventTime, tabular: &[f32]) -> Option<u16> {
        self.speaker
            .speaks_of(time.millis())
            .then(|| self.speaker.score(tabular))
    }
}
