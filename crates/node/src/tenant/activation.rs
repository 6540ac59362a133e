//! A model enters service, with the channel of its producer.

use event::Position;
use event::record::{Activation, Channel, Record, ServingPart};

use super::Tenant;
use crate::channel::{Rebuild, Scores, Voice};
use crate::place::hex;
use crate::{Champion, NodeError};

impl Tenant {
    /// Puts a model of the tenant's model folder into service. Where its producer is not the one that
    /// speaks, what it says of all history so far is made first, which takes a replay.
    pub fn activate(&mut self, artifact: [u8; 32]) -> Result<Position, NodeError> {
        self.activate_with(artifact, None)
    }

    /// The channel that has to be rebuilt before this model can serve; `None` when there is none to
    /// rebuild: no producer, or the one that speaks already and left nothing out.
    pub fn rebuild_for(&self, artifact: [u8; 32]) -> Result<Option<Rebuild>, NodeError> {
        let champion = self.load(artifact)?;
        Ok(self.rebuild(&champion))
    }

    fn rebuild(&self, champion: &Champion) -> Option<Rebuild> {
        let voice: &Voice = champion.voice()?;
        let speaks = self.engine.channel() == Some(voice.producer);
        (!speaks || self.engine.unheard() > 0).then(|| Rebuild::new(self.schema(), voice.clone()))
    }

    /// The same with a channel that has been rebuilt for the most part: only the rest of the log is left.
    pub fn activate_with(
        &mut self,
        artifact: [u8; 32],
        rebuilt: Option<Rebuild>,
    ) -> Result<Position, NodeError> {
        let champion = self.load(artifact)?;
        let mut said = None;
        let channel = match (champion.voice(), self.rebuild(&champion)) {
            (None, _) => Channel::Empty,
            (Some(voice), None) => Channel::Kept {
                producer: voice.producer,
            },
            (Some(voice), Some(fresh)) => {
                let given = rebuilt.filter(|it| it.producer() == voice.producer);
                let (channel, scores) = self.finish(given.unwrap_or(fresh))?;
                said = Some(scores);
                channel
            }
        };
        let activation = Activation {
            at: self.journal.newest(),
            part: ServingPart::Champion,
            artifact,
            share_ppm: 1_000_000,
            channel,
        };
        let position = self.append(Record::Activation(activation))?;
        if let Some(said) = said {
            self.engine.adopt_channel(said.first, &said.scores);
        }
        self.champion = Some(champion);
        Ok(position)
    }

    /// Hears the rest of the log and leaves the side file, durable, for the record that comes next.
    fn finish(&mut self, mut rebuild: Rebuild) -> Result<(Channel, Scores), NodeError> {
        // A rebuild reads what is committed; nothing comes between this and the activation.
        let end = self.commit()?;
        rebuild.catch_up(&self.place, end, |_, _| {})?;
        debug_assert_eq!(rebuild.next(), end);
        let producer = rebuild.producer();
        let said = rebuild.into_scores();
        let scores = said.write(&self.place, producer, end)?;
        Ok((Channel::Rebuilt { producer, scores }, said))
    }

    pub(super) fn load_champion(&mut self, artifact: [u8; 32]) -> Result<(), NodeError> {
        self.champion = Some(self.load(artifact)?);
        Ok(())
    }

    fn load(&self, artifact: [u8; 32]) -> Result<Champion, NodeError> {
        let path = self.place.model(&artifact);
        let features = self.engine.features();
        let champion = Champion::load(&path, self.journal.schema(), features)?;
        if champion.artifact() != artifact {
            let held = hex(&champion.artifact());
            return Err(NodeError::OtherModel { path, held });
        }
        Ok(champion)
    }
}
