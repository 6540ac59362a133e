//! A model becomes a shadow, or stops being one, while its tenant decides.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::TenantHandle;
use super::activation::Refused;
use super::lineup::Moved;
use crate::shadow::Board;
use crate::tenant::documents::Author;
use crate::tenant::lineup::Move;

/// The thread that scores loads it at once, unless more urgent threads have its core.
const LOADED_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl TenantHandle {
    /// What the shadows count.
    pub fn shadows(&self) -> &Arc<Board> {
        &self.shared.shadows
    }

    /// Lets a model of the tenant's folder score beside those that decide. Blocks while the file is read, and then until
    /// its lane tells whether it scores, for as long as [`LOADED_WITHIN`].
    pub fn enter_shadow(
        &self,
        artifact: [u8; 32],
        author: Author,
        deadline: Instant,
    ) -> Result<Moved, Refused> {
        let moved = {
            let _alone = self.alone()?;
            let model = self.fitting(artifact)?.model;
            let shadow = Move::Shadow {
                artifact,
                producer: model.voice().map(|voice| voice.producer),
            };
            self.make_move(shadow, author, deadline)?
        };
        let until = (Instant::now() + LOADED_WITHIN).min(deadline - LOOK_EVERY * 4);
        while !self.shared.shadows.is_followed() && Instant::now() < until {
            thread::sleep(LOOK_EVERY);
        }
        Ok(moved)
    }

    pub fn end_shadow(
        &self,
        artifact: [u8; 32],
        author: Author,
        deadline: Instant,
    ) -> Result<Moved, Refused> {
        let _alone = self.alone()?;
        Ok(self.make_move(Move::EndShadow { artifact }, author, deadline)?)
    }
}
