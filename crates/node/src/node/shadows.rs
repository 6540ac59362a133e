//! A model becomes a shadow, or stops being one, while its tenant decides.

use std::sync::Arc;
use std::time::Instant;

use super::TenantHandle;
use super::activation::Refused;
use super::lineup::Moved;
use crate::shadow::Board;
use crate::tenant::documents::Author;
use crate::tenant::lineup::Move;

impl TenantHandle {
    /// What the shadows count.
    pub fn shadows(&self) -> &Arc<Board> {
        &self.shared.shadows
    }

    /// Lets a model of the tenant's folder score beside those that decide. Blocks while the file is read.
    pub fn enter_shadow(
        &self,
        artifact: [u8; 32],
        author: Author,
        deadline: Instant,
    ) -> Result<Moved, Refused> {
        let _alone = self.alone()?;
        let model = self.fitting(artifact)?.model;
        let shadow = Move::Shadow {
            artifact,
            producer: model.voice().map(|voice| voice.producer),
        };
        Ok(self.make_move(shadow, author, deadline)?)
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
