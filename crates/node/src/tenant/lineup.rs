//! Who serves beside the champion, and who not again: changes that are records, and the models that follow them.

use compact_str::CompactString;
use event::record::{Activation, Channel, Config, Levels, Record, ServingPart};
use event::{Position, hex};
use thiserror::Error;

use super::documents::Author;
use super::{Left, Tenant};
use crate::{Champion, NodeError};

/// Why the models in service stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineupError {
    #[error("no champion serves: there is nothing to share decisions with")]
    NoChampion,
    #[error("model {model} is the champion: activate another one first")]
    IsChampion { model: String },
    #[error("model {model} is {part} already")]
    InPlace { model: String, part: &'static str },
    #[error("model {model} is not {part}")]
    NotInPlace { model: String, part: &'static str },
    #[error("model {model} is retired: reinstate it first")]
    Retired { model: String },
    #[error("{max} models are {part}, which is the most")]
    Full { part: &'static str, max: usize },
    #[error(
        "model {model} reads what a producer of its own says, and champion {champion} has another one: \
         beside a champion serves who shares its producer or reads no suspicion"
    )]
    OtherChannel { model: String, champion: String },
    #[error(
        "model {model} was trained without suspicion and would read what the champion's producer says: \
         beside a champion serves who shares its producer or reads no suspicion"
    )]
    Unheard { model: String },
    #[error("share must be above 0 and at most 1, in parts per million {0}")]
    Share(u32),
    #[error("no other champion served before this one")]
    NoFormerChampion,
}

impl LineupError {
    /// Stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            LineupError::NoChampion => "no_champion",
            LineupError::IsChampion { .. } => "model_is_champion",
            LineupError::InPlace { .. } => "model_in_place",
            LineupError::NotInPlace { .. } => "model_not_in_place",
            LineupError::Retired { .. } => "model_retired",
            LineupError::Full { .. } => "lineup_full",
            LineupError::OtherChannel { .. } | LineupError::Unheard { .. } => "other_channel",
            LineupError::Share(_) => "share",
            LineupError::NoFormerChampion => "no_former_champion",
        }
    }

    /// The field of a request that is wrong; `None`: it is the state that does not allow it.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            LineupError::Share(_) => Some("share"),
            _ => None,
        }
    }
}

/// A model takes a place beside the champion, or leaves it.
#[derive(Debug)]
pub enum Move {
    /// Takes a share of the decisions, or another share than before.
    Challenge {
        model: Box<Champion>,
        share_ppm: u32,
        levels: Levels,
    },
    /// The challenger takes no share any more.
    Withdraw {
        artifact: [u8; 32],
    },
    /// Scores beside those that decide; one that does already stays, and is loaded anew where that failed.
    Shadow {
        artifact: [u8; 32],
        /// SHA-256 of the producer that it reads.
        producer: Option<[u8; 32]>,
    },
    /// Scores no more; its scores stay.
    EndShadow {
        artifact: [u8; 32],
    },
    /// Is not to serve again.
    Retire {
        artifact: [u8; 32],
    },
    Reinstate {
        artifact: [u8; 32],
    },
}

const WHOLE: u32 = 1_000_000;

impl Tenant {
    /// Changes who serves beside the champion; refused with nothing changed.
    pub fn make_move(&mut self, wanted: Move, author: &Author) -> Result<Position, NodeError> {
        let moved = self.record(&wanted, author);
        if let Move::Challenge { model, .. } = wanted {
            let left = match moved {
                Ok(_) => self.challenger.replace(*model).map(Box::new),
                Err(_) => Some(model),
            };
            self.left.extend(left.map(Left::Model));
        }
        moved
    }

    fn record(&mut self, wanted: &Move, author: &Author) -> Result<Position, NodeError> {
        check_author(author)?;
        let (part, artifact, share_ppm) = match wanted {
            Move::Challenge {
                model, share_ppm, ..
            } => (ServingPart::Challenger, model.artifact(), *share_ppm),
            Move::Withdraw { artifact } => (ServingPart::Challenger, *artifact, 0),
            Move::Shadow { artifact, .. } => (ServingPart::Shadow, *artifact, WHOLE),
            Move::EndShadow { artifact } => (ServingPart::Shadow, *artifact, 0),
            Move::Retire { artifact } => (ServingPart::Retired, *artifact, WHOLE),
            Move::Reinstate { artifact } => (ServingPart::Retired, *artifact, 0),
        };
        let at = self.journal.newest().max(author.at);
        let mut activation = Activation {
            author: CompactString::from(&author.name),
            why: CompactString::from(&author.why),
            ..Activation::new(at, part, artifact, share_ppm)
        };
        match wanted {
            Move::Challenge { model, levels, .. } => {
                activation.channel = self.check_challenger(model, share_ppm)?;
                activation.levels = *levels;
            }
            Move::Shadow { producer, .. } => {
                if let Some(since) = self.shadow_since(&artifact) {
                    self.follow_shadows();
                    return Ok(since);
                }
                activation.channel = self.check_shadow(&artifact, *producer)?;
            }
            Move::Retire { .. } => self.check_retiring(&artifact)?,
            Move::Withdraw { .. } | Move::EndShadow { .. } | Move::Reinstate { .. } => {
                let model = short(&artifact);
                if self.engine.lineup().part_of(&artifact) != Some(part) {
                    let part = part.name();
                    return Err(LineupError::NotInPlace { model, part }.into());
                }
            }
        }
        self.check_room_for_report()?;
        let position = self.append(Record::Activation(activation))?;
        self.follow_lineup();
        Ok(position)
    }

    fn check_challenger(&self, model: &Champion, share_ppm: u32) -> Result<Channel, LineupError> {
        if !(1..=WHOLE).contains(&share_ppm) {
            return Err(LineupError::Share(share_ppm));
        }
        let artifact = model.artifact();
        let champion = self.champion.as_ref().ok_or(LineupError::NoChampion)?;
        let named = short(&artifact);
        match self.engine.lineup().part_of(&artifact) {
            Some(ServingPart::Champion) => Err(LineupError::IsChampion { model: named }),
            Some(ServingPart::Retired) => Err(LineupError::Retired { model: named }),
            Some(ServingPart::Challenger | ServingPart::Shadow) | None => model.beside(champion),
        }
    }

    fn check_retiring(&self, artifact: &[u8; 32]) -> Result<(), LineupError> {
        let (lineup, model) = (self.engine.lineup(), short(artifact));
        let (part, max) = (ServingPart::Retired.name(), engine::Lineup::RETIRED_MAX);
        match lineup.part_of(artifact) {
            Some(ServingPart::Champion) => Err(LineupError::IsChampion { model }),
            Some(ServingPart::Retired) => Err(LineupError::InPlace { model, part }),
            _ if lineup.retired().len() >= max => Err(LineupError::Full { part, max }),
            _ => Ok(()),
        }
    }

    /// Lets go of a challenger that the state does not name any more.
    pub(super) fn follow_lineup(&mut self) {
        let named = self.engine.lineup().challenger().map(|it| it.artifact);
        if self.challenger.as_ref().map(Champion::artifact) != named {
            self.left
                .extend(self.challenger.take().map(|it| Left::Model(Box::new(it))));
        }
    }

    /// What has left since this was asked last. Dropping it frees megabytes, or gigabytes: not on the thread that
    /// decides.
    pub fn take_left(&mut self) -> Vec<Left> {
        std::mem::take(&mut self.left)
    }
}

pub(super) fn check_author(author: &Author) -> Result<(), NodeError> {
    for (field, max, text) in [
        ("author", Config::AUTHOR_BYTES_MAX, &author.name),
        ("why", Config::WHY_BYTES_MAX, &author.why),
    ] {
        let got = text.len();
        if got > max {
            return Err(NodeError::TooLong { field, max, got });
        }
    }
    Ok(())
}

pub(super) fn short(artifact: &[u8; 32]) -> String {
    hex(artifact)[..12].to_owned()
}
