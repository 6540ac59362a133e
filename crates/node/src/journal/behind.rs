//! The journal's commit in two halves: see `log::Log::write_behind`.

use event::Position;
use log::{LogError, Synced, Unsynced};

use super::{GROUP_BYTES, Journal};
use crate::NodeError;

impl Journal {
    /// Whether one more event with its decision could fill the group. While a group is on its way to the
    /// disk nothing more may be appended then: an append to a full group would have to commit it.
    pub fn is_nearly_full(&self) -> bool {
        self.pending + 2 > self.group_max || self.pending_bytes > GROUP_BYTES / 2
    }

    pub fn pending_records(&self) -> u32 {
        self.pending
    }

    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Writes the group; its fsync is for another thread. `None`: there is none to wait for.
    pub fn write_behind(&mut self) -> Result<Option<Unsynced>, NodeError> {
        let unsynced = self.log.write_behind()?;
        self.pending = 0;
        self.pending_bytes = 0;
        Ok(unsynced)
    }

    pub fn synced(&mut self, synced: Synced) -> Result<Position, NodeError> {
        Ok(Position(self.log.synced(synced)?.0))
    }
}

/// Whether the error says that the disk failed, so that what is in memory may not be what is on it.
pub fn is_disk_failure(error: &NodeError) -> bool {
    matches!(
        error,
        NodeError::Log(
            LogError::Io { .. }
                | LogError::Poisoned
                | LogError::Unsynced
                | LogError::Corrupt { .. }
                | LogError::MissingSegment { .. }
        ) | NodeError::Record { .. }
            | NodeError::Io { .. }
    )
}
