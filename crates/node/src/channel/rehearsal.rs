//! History replayed as if one producer had spoken from the start, or none ever: what training, evaluation
//! and the rebuilding of a channel see. What the log holds of any channel is left out.

use engine::Engine;
use event::record::{Channel, Record};
use event::{EventTypeIx, Position, Schema};
use graph::Sample;
use graph::sample::SampleParts;
use model::producer::Speaker;

#[derive(Debug)]
pub struct Rehearsal {
    engine: Engine,
    speaker: Option<Speaker>,
    /// Event types it speaks of; `None`: all.
    types: Option<Vec<EventTypeIx>>,
    parts: SampleParts,
    sample: Sample,
}

/// What a record brought.
#[derive(Debug)]
pub struct Heard<'a> {
    /// Of an event that was wanted.
    pub sample: Option<&'a Sample>,
    /// What the producer said of the event.
    pub said: Option<u16>,
}

impl Rehearsal {
    pub fn new(schema: &Schema, speaker: Option<Speaker>, parts: SampleParts) -> Rehearsal {
        Rehearsal {
            engine: Engine::new(schema),
            speaker,
            types: None,
            parts,
            sample: Sample::default(),
        }
    }

    /// Nothing is said of other event types.
    pub fn only(self, types: Vec<EventTypeIx>) -> Rehearsal {
        Rehearsal {
            types: Some(types),
            ..self
        }
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Takes the record at `position`; an event is sampled before it, and scored before the next one.
    pub fn apply(&mut self, position: Position, mut record: Record, wanted: bool) -> Heard<'_> {
        let mut sampled = false;
        let mut said = None;
        match &mut record {
            Record::Event(event) => {
                let of_type = |types: &Vec<EventTypeIx>| types.contains(&event.event_type);
                let speaker = self.speaker.as_mut().filter(|speaker| {
                    speaker.speaks_of(event.event_timestamp.millis())
                        && self.types.as_ref().is_none_or(of_type)
                });
                sampled = wanted || speaker.is_some();
                if sampled {
                    self.engine.sample(event, self.parts, &mut self.sample);
                }
                said = speaker.map(|speaker| speaker.score(&self.sample.tabular));
            }
            Record::Decision(decision) => decision.suspicion.clear(),
            // Others' channels neither begin nor end this one.
            Record::Activation(activation) => {
                let producer = [0; 32];
                activation.channel = Channel::Kept { producer };
            }
            _ => {}
        }
        self.engine.apply(position, &record);
        if let Some(said) = said {
            self.engine.fold_suspicion(position, said);
        }
        Heard {
            sample: (wanted && sampled).then_some(&self.sample),
            said,
        }
    }
}
