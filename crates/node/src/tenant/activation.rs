//! A model enters service, with the channel of its producer.

use compact_str::CompactString;
use engine::Lineup;
use engine::policy::keep_draw;
use event::record::{Activation, Channel, ConfigSection, Record, ServingPart};
use event::{EventTime, Position, hex};

use super::documents::Author;
use super::lineup::{LineupError, check_author};
use super::{Left, Tenant};
use crate::channel::{Rebuild, Scores, Voice};
use crate::{Champion, NodeError};

/// A model read and checked away from the tenant's thread.
#[derive(Debug)]
pub struct ReadyModel {
    pub champion: Champion,
    /// Set with it; `None`: the policy stays.
    pub policy: Option<String>,
    pub author: Author,
    /// What its producer says of the log so far, where that has to be made anew.
    pub rebuilt: Option<Rebuild>,
}

impl ReadyModel {
    pub fn into_left(self) -> Vec<Left> {
        let rehearsal = self.rebuilt.map(|it| Left::Rehearsal(it.into_scores().1));
        let model = Left::Model(Box::new(self.champion));
        [Some(model), rehearsal].into_iter().flatten().collect()
    }
}

/// What serves as of a position of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// SHA-256 of the model file; `None`: no model serves.
    pub artifact: Option<[u8; 32]>,
    /// Every model that serves, and as what.
    pub lineup: Lineup,
    /// SHA-256 of the producer that speaks.
    pub producer: Option<[u8; 32]>,
    /// Events that it has missed.
    pub unheard: u64,
    /// Whether an event has been taken in, ever.
    pub newest_event: Option<EventTime>,
    /// Oldest record of the log: a channel is made from position 0 on.
    pub first: Position,
    pub next: Position,
}

impl Serving {
    /// Whether a model with this producer needs its channel made anew.
    pub fn lacks(&self, producer: [u8; 32]) -> bool {
        self.producer != Some(producer) || self.unheard > 0
    }
}

/// Records a switch may still have to hear: some tens of milliseconds.
pub const LEFT_MAX: u64 = 2_000;

impl Tenant {
    /// Puts a model of the tenant's model folder into service. Where its producer is not the one that
    /// speaks, what it says of all history so far is made first, which takes a replay.
    pub fn activate(&mut self, artifact: [u8; 32]) -> Result<Position, NodeError> {
        self.activate_with(artifact, None)
    }

    pub fn serving(&self) -> Serving {
        Serving {
            first: self.journal.first(),
            artifact: self.engine.champion(),
            lineup: self.engine.lineup().clone(),
            producer: self.engine.channel(),
            unheard: self.engine.unheard(),
            newest_event: self.engine.newest_event(),
            next: self.next(),
        }
    }

    /// The channel that has to be rebuilt before this model can serve; `None` when there is none to
    /// rebuild: no producer, or the one that speaks already and left nothing out.
    pub fn rebuild_for(&self, artifact: [u8; 32]) -> Result<Option<Rebuild>, NodeError> {
        let champion = self.load(artifact)?;
        Ok(self.rebuild(&champion))
    }

    fn rebuild(&self, champion: &Champion) -> Option<Rebuild> {
        let voice: &Voice = champion.voice()?;
        let lacks = self.serving().lacks(voice.producer);
        lacks.then(|| Rebuild::new(self.schema(), voice.clone()))
    }

    /// The same with a channel that has been rebuilt for the most part: only the rest of the log is left.
    pub fn activate_with(
        &mut self,
        artifact: [u8; 32],
        rebuilt: Option<Rebuild>,
    ) -> Result<Position, NodeError> {
        self.activate_as(artifact, rebuilt, &Author::from(""))
    }

    /// The same by somebody, for a reason.
    pub fn activate_as(
        &mut self,
        artifact: [u8; 32],
        rebuilt: Option<Rebuild>,
        author: &Author,
    ) -> Result<Position, NodeError> {
        check_author(author)?;
        let champion = self.load(artifact)?;
        self.check_not_retired(&champion)?;
        self.switch(champion, rebuilt, author)
    }

    fn check_not_retired(&self, model: &Champion) -> Result<(), LineupError> {
        let artifact = model.artifact();
        match self.engine.lineup().part_of(&artifact) {
            Some(ServingPart::Retired) => Err(LineupError::Retired {
                model: hex(&artifact)[..12].to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Puts a model that was made ready elsewhere into service between two decisions, with its policy, in one
    /// group of the log. Refused, with nothing changed, when more of its channel is left to hear than a tenant
    /// can be stopped for.
    pub fn enter_service(&mut self, ready: ReadyModel) -> Result<Position, NodeError> {
        // Before anything is written: model and policy enter together, or not at all.
        if let Err(error) = self.check_ready(&ready) {
            self.left.extend(ready.into_left());
            return Err(error);
        }
        let position = self.switch(ready.champion, ready.rebuilt, &ready.author)?;
        if let Some(policy) = &ready.policy {
            // A model brings thresholds; who passes unasked is not its to say.
            let policy = keep_draw(policy, self.engine.body_of(ConfigSection::Policy));
            self.set_document(ConfigSection::Policy, &policy, &ready.author, None)?;
        }
        Ok(position)
    }

    fn check_ready(&mut self, ready: &ReadyModel) -> Result<(), NodeError> {
        self.check_room_for_report()?;
        check_author(&ready.author)?;
        self.check_not_retired(&ready.champion)?;
        if let Some(policy) = &ready.policy {
            self.check_document(ConfigSection::Policy, policy, EventTime::MIN)?;
        }
        if let Some(fresh) = self.rebuild(&ready.champion) {
            let rebuilt = ready.rebuilt.as_ref();
            let heard = rebuilt.filter(|it| it.producer() == fresh.producer());
            let left = self.next().0 - heard.map_or(0, |it| it.next().0);
            if left > LEFT_MAX {
                return Err(NodeError::ChannelBehind { left });
            }
        }
        Ok(())
    }

    fn switch(
        &mut self,
        champion: Champion,
        rebuilt: Option<Rebuild>,
        author: &Author,
    ) -> Result<Position, NodeError> {
        let artifact = champion.artifact();
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
        let at = self.journal.newest().max(author.at);
        let activation = Activation {
            channel,
            author: CompactString::from(&author.name),
            why: CompactString::from(&author.why),
            ..Activation::new(at, ServingPart::Champion, artifact, 1_000_000)
        };
        let position = self.append(Record::Activation(activation))?;
        if let Some(said) = said {
            self.engine.adopt_channel(said.first, &said.scores);
        }
        self.watch_model(champion.watched(), Position(position.0 + 1))?;
        let former = self.champion.replace(champion);
        self.left.extend(former.map(|it| Left::Model(Box::new(it))));
        self.follow_lineup();
        Ok(position)
    }

    /// Hears the rest of the log and leaves the side file, durable, for the record that comes next.
    fn finish(&mut self, mut rebuild: Rebuild) -> Result<(Channel, Scores), NodeError> {
        // A rebuild reads what is committed; nothing comes between this and the activation.
        let end = self.commit()?;
        rebuild.catch_up(&self.place, end, |_, _| {})?;
        debug_assert_eq!(rebuild.next(), end);
        let producer = rebuild.producer();
        let (said, rehearsal) = rebuild.into_scores();
        self.left.push(Left::Rehearsal(rehearsal));
        let scores = said.write(&self.place, producer, end)?;
        Ok((Channel::Rebuilt { producer, scores }, said))
    }

    pub(super) fn load_champion(&mut self, artifact: [u8; 32]) -> Result<(), NodeError> {
        self.champion = Some(self.load(artifact)?);
        Ok(())
    }

    pub(super) fn load(&self, artifact: [u8; 32]) -> Result<Champion, NodeError> {
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
