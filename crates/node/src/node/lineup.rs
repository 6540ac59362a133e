//! Who serves beside the champion, asked of a tenant that decides: files are read and checked here, the owner thread
//! only switches. One change at a time, activations included.

use std::sync::{Arc, TryLockError};
use std::time::Instant;

use engine::Lineup;
use event::Position;
use event::record::{Levels, ServingPart};

use super::TenantHandle;
use super::activation::{OTHER, Refused, State};
use crate::models;
use crate::request::{Answer, Failed, Request};
use crate::tenant::documents::Author;
use crate::tenant::lineup::{LineupError, Move};

/// Who serves after a change, and where its record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub position: Position,
    pub lineup: Lineup,
}

/// A change that needs no model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The challenger takes no share any more.
    Withdraw,
    Retire,
    Reinstate,
}

impl TenantHandle {
    /// Gives a model of the tenant's folder a share of the decisions. Blocks while the file is read.
    pub fn challenge(
        &self,
        artifact: [u8; 32],
        share_ppm: u32,
        levels: Levels,
        author: Author,
        deadline: Instant,
    ) -> Result<Moved, Refused> {
        let _alone = self.alone()?;
        let mut model = self.fitting(artifact)?.model;
        model.warm();
        let challenge = Move::Challenge {
            model: Box::new(model),
            share_ppm,
            levels,
        };
        Ok(self.make_move(challenge, author, deadline)?)
    }

    /// A model leaves a place beside the champion, or comes back to none.
    pub fn leave(
        &self,
        artifact: [u8; 32],
        how: Leave,
        author: Author,
        deadline: Instant,
    ) -> Result<Moved, Refused> {
        let _alone = self.alone()?;
        // A file whose name alone is left is not spoken of as a model.
        if how == Leave::Retire && !self.place.model(&artifact).exists() {
            return Err(Refused::UnknownModel(artifact));
        }
        let wanted = match how {
            Leave::Withdraw => Move::Withdraw { artifact },
            Leave::Retire => Move::Retire { artifact },
            Leave::Reinstate => Move::Reinstate { artifact },
        };
        Ok(self.make_move(wanted, author, deadline)?)
    }

    /// Puts the champion before this one into service again, as [`TenantHandle::activate`] does.
    pub fn roll_back(
        self: &Arc<Self>,
        author: Author,
        deadline: Instant,
    ) -> Result<([u8; 32], State), Refused> {
        let _alone = self.alone()?;
        let former = self.serving(deadline)?.lineup.former_champion();
        let former = former.ok_or_else(|| refused(LineupError::NoFormerChampion))?;
        let state = self.activate_alone(former, author, deadline)?;
        Ok((former, state))
    }

    /// Removes the file of a retired model, and then its name from those that are retired.
    pub fn remove_model(
        &self,
        artifact: [u8; 32],
        author: Author,
        deadline: Instant,
    ) -> Result<Moved, Refused> {
        let _alone = self.alone()?;
        let lineup = self.serving(deadline)?.lineup;
        let is_held = self.place.model(&artifact).exists();
        if lineup.part_of(&artifact) != Some(ServingPart::Retired) {
            return Err(match is_held {
                false => Refused::UnknownModel(artifact),
                true => refused(LineupError::NotInPlace {
                    model: event::hex(&artifact)[..12].to_owned(),
                    part: ServingPart::Retired.name(),
                }),
            });
        }
        // The file first: should the process end here, a retired model is without a file, and never another way.
        models::remove(&self.place, &artifact).map_err(Failed::Refused)?;
        Ok(self.make_move(Move::Reinstate { artifact }, author, deadline)?)
    }

    /// Removes the file of a model that serves nowhere, and that no way back leads to; false: it stays.
    pub fn discard_model(&self, artifact: [u8; 32], deadline: Instant) -> Result<bool, Refused> {
        let _alone = self.alone()?;
        let enters = self.activation().is_some_and(|it| {
            it.artifact == artifact && matches!(it.state, State::Rebuilding { .. })
        });
        let lineup = self.serving(deadline)?.lineup;
        let is_former = lineup.former_champion() == Some(artifact);
        if enters || is_former || lineup.part_of(&artifact).is_some() {
            return Ok(false);
        }
        models::remove(&self.place, &artifact).map_err(|error| Failed::Refused(error).into())
    }

    pub(super) fn make_move(
        &self,
        wanted: Move,
        author: Author,
        deadline: Instant,
    ) -> Result<Moved, Failed> {
        match self.wait_for(Request::Move(wanted, author), deadline)? {
            Answer::Moved {
                position,
                lineup,
                left,
            } => {
                // Here, where nobody waits for it.
                drop(left);
                Ok(Moved { position, lineup })
            }
            _ => Err(Failed::Internal(OTHER)),
        }
    }

    /// One change at a time.
    pub(super) fn alone(&self) -> Result<std::sync::MutexGuard<'_, ()>, Refused> {
        match self.activating.try_lock() {
            Ok(alone) => Ok(alone),
            Err(TryLockError::WouldBlock) => Err(Refused::Running),
            // It guards nothing that a panic could have left half done.
            Err(TryLockError::Poisoned(alone)) => Ok(alone.into_inner()),
        }
    }
}

fn refused(error: LineupError) -> Refused {
    Refused::Failed(Failed::Refused(error.into()))
}
