//! Which models serve, and as what: champion, challenger, shadows, those out of service.
//!
//! A function of the activations of the log. A model stands at one place at most: entering one leaves every other,
//! and the champion's place is left for another champion only. Challenger and shadows are admitted beside a channel
//! of suspicion; a champion with another one ends them.

use std::io::{self, Read, Write};

use event::EntityId;
use event::Position;
use event::record::{Activation, Channel, Levels, ServingPart};
use sha2::{Digest, Sha256};

use crate::snapshot::{RestoreError, array};

/// SHA-256 of a model file.
pub type Artifact = [u8; 32];

/// What serves as of a position of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineup {
    pub(crate) champion: Option<Artifact>,
    pub(crate) former: Option<Artifact>,
    challenger: Option<Challenger>,
    shadows: Vec<Shadow>,
    retired: Vec<Artifact>,
}

/// A model that takes a share of the decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenger {
    pub artifact: Artifact,
    pub share_ppm: u32,
    pub levels: Levels,
    /// Of the activation that put it there; a change of its share leaves it.
    pub since: Position,
}

/// A model that scores and decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadow {
    pub artifact: Artifact,
    /// Of the activation that put it there.
    pub since: Position,
}

impl Challenger {
    /// Whether an account's decisions are this challenger's. An account that has been taken stays taken while the
    /// share grows; another challenger takes others.
    pub fn takes(&self, account: &EntityId) -> bool {
        let mut hasher = Sha256::new();
        hasher.update(b"ringfence challenger 1\0");
        hasher.update(self.artifact);
        hasher.update(account.as_str());
        let digest: [u8; 32] = hasher.finalize().into();
        let mut draw = [0; 8];
        draw.copy_from_slice(&digest[..8]);
        // The highest 64 bits of a product with 10^6: uniform below it.
        let draw = (u128::from(u64::from_be_bytes(draw)) * 1_000_000) >> 64;
        draw < u128::from(self.share_ppm)
    }
}

impl Lineup {
    pub const SHADOWS_MAX: usize = 64;
    pub const RETIRED_MAX: usize = 1024;

    pub fn champion(&self) -> Option<Artifact> {
        self.champion
    }

    /// The champion before this one: where a rollback leads.
    pub fn former_champion(&self) -> Option<Artifact> {
        self.former
    }

    pub fn challenger(&self) -> Option<&Challenger> {
        self.challenger.as_ref()
    }

    /// In the order in which they entered.
    pub fn shadows(&self) -> &[Shadow] {
        &self.shadows
    }

    /// In the order in which they left.
    pub fn retired(&self) -> &[Artifact] {
        &self.retired
    }

    /// The place where a model stands.
    pub fn part_of(&self, artifact: &Artifact) -> Option<ServingPart> {
        let challenger = self.challenger.map(|it| it.artifact);
        if self.champion.as_ref() == Some(artifact) {
            Some(ServingPart::Champion)
        } else if challenger.as_ref() == Some(artifact) {
            Some(ServingPart::Challenger)
        } else if self.shadows.iter().any(|it| it.artifact == *artifact) {
            Some(ServingPart::Shadow)
        } else if self.retired.contains(artifact) {
            Some(ServingPart::Retired)
        } else {
            None
        }
    }

    /// After an activation, and the producer that speaks then; `channel` is the one that spoke before.
    pub fn follow(
        &mut self,
        position: Position,
        activation: &Activation,
        channel: Option<[u8; 32]>,
    ) -> Option<[u8; 32]> {
        self.take(position, activation);
        if activation.part != ServingPart::Champion {
            return channel;
        }
        let after = match activation.channel {
            Channel::Empty => None,
            Channel::Kept { .. } => channel,
            Channel::Rebuilt { producer, .. } => Some(producer),
        };
        if after != channel {
            self.challenger = None;
            self.shadows.clear();
        }
        after
    }

    /// What nobody writes (a champion that is to be its own challenger, a ninth shadow) changes nothing.
    fn take(&mut self, position: Position, activation: &Activation) {
        let artifact = Some(activation.artifact).filter(|it| *it != [0; 32]);
        if activation.part == ServingPart::Champion {
            return self.crown(artifact);
        }
        let Some(artifact) = artifact else {
            return;
        };
        let part = activation.part;
        if activation.share_ppm == 0 {
            if self.part_of(&artifact) == Some(part) {
                self.leave(&artifact);
            }
            return;
        }
        if !self.admits(part, &artifact) {
            return;
        }
        let held = self.challenger.filter(|it| it.artifact == artifact);
        self.leave(&artifact);
        let since = position;
        match part {
            ServingPart::Challenger => {
                self.challenger = Some(Challenger {
                    artifact,
                    share_ppm: activation.share_ppm,
                    levels: activation.levels,
                    since: held.map_or(since, |it| it.since),
                });
            }
            ServingPart::Shadow => self.shadows.push(Shadow { artifact, since }),
            ServingPart::Retired => self.retired.push(artifact),
            ServingPart::Champion => {}
        }
    }

    /// Whether a model can enter a place, of those that no channel has a say in.
    fn admits(&self, part: ServingPart, artifact: &Artifact) -> bool {
        let at = self.part_of(artifact);
        if at == Some(ServingPart::Champion) {
            return false;
        }
        match part {
            ServingPart::Challenger => self.champion.is_some(),
            ServingPart::Shadow => at != Some(part) && self.shadows.len() < Lineup::SHADOWS_MAX,
            ServingPart::Retired => at != Some(part) && self.retired.len() < Lineup::RETIRED_MAX,
            ServingPart::Champion => false,
        }
    }

    fn crown(&mut self, artifact: Option<Artifact>) {
        if artifact == self.champion {
            return;
        }
        match &artifact {
            Some(artifact) => self.leave(artifact),
            // A share of nothing.
            None => self.challenger = None,
        }
        let left = self.champion.or(self.former);
        self.former = left.filter(|it| Some(*it) != artifact);
        self.champion = artifact;
    }

    /// From every place but the champion's.
    fn leave(&mut self, artifact: &Artifact) {
        self.challenger = self.challenger.filter(|it| it.artifact != *artifact);
        self.shadows.retain(|it| it.artifact != *artifact);
        self.retired.retain(|it| it != artifact);
    }

    pub(crate) fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        write_artifact(self.former, to)?;
        write_artifact(self.challenger.map(|it| it.artifact), to)?;
        if let Some(challenger) = &self.challenger {
            to.write_all(&challenger.share_ppm.to_le_bytes())?;
            to.write_all(&[challenger.levels.bits()])?;
            to.write_all(&challenger.since.0.to_le_bytes())?;
        }
        to.write_all(&(self.shadows.len() as u32).to_le_bytes())?;
        for shadow in &self.shadows {
            to.write_all(&shadow.artifact)?;
            to.write_all(&shadow.since.0.to_le_bytes())?;
        }
        to.write_all(&(self.retired.len() as u32).to_le_bytes())?;
        for artifact in &self.retired {
            to.write_all(artifact)?;
        }
        Ok(())
    }

    /// All but the champion, who stands elsewhere in a snapshot.
    pub(crate) fn read(from: &mut dyn Read) -> Result<Lineup, RestoreError> {
        let malformed = |what| RestoreError::Malformed { what };
        let mut lineup = Lineup {
            former: read_artifact(from)?,
            ..Lineup::default()
        };
        if let Some(artifact) = read_artifact(from)? {
            let share_ppm = u32::from_le_bytes(array(from)?);
            let [bits] = array(from)?;
            lineup.challenger = Some(Challenger {
                artifact,
                share_ppm,
                levels: Levels::from_bits(bits).ok_or(malformed("levels of the challenger"))?,
                since: Position(u64::from_le_bytes(array(from)?)),
            });
        }
        for _ in 0..count(from, Lineup::SHADOWS_MAX)? {
            lineup.shadows.push(Shadow {
                artifact: array(from)?,
                since: Position(u64::from_le_bytes(array(from)?)),
            });
        }
        for _ in 0..count(from, Lineup::RETIRED_MAX)? {
            lineup.retired.push(array(from)?);
        }
        Ok(lineup)
    }
}

pub(crate) fn write_artifact(artifact: Option<Artifact>, to: &mut dyn Write) -> io::Result<()> {
    to.write_all(&[u8::from(artifact.is_some())])?;
    to.write_all(&artifact.unwrap_or_default())
}

pub(crate) fn read_artifact(from: &mut dyn Read) -> io::Result<Option<Artifact>> {
    let [held] = array(from)?;
    let artifact = array(from)?;
    Ok((held != 0).then_some(artifact))
}

fn count(from: &mut dyn Read, max: usize) -> Result<usize, RestoreError> {
    let count = u32::from_le_bytes(array(from)?) as usize;
    match count <= max {
        true => Ok(count),
        false => Err(RestoreError::Malformed {
            what: "count of models",
        }),
    }
}
