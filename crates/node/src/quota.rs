//! What a tenant may hold: entities, which are memory, and bytes on disk.
//!
//! Past its entities a tenant goes on with those it knows; past its bytes it takes no further event. Labels,
//! outcomes and policies are few and worth more than the event after next: they have a little more room.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use event::Event;

use crate::counters::Counters;
use crate::{NodeError, Tenant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub entities_max: u64,
    /// Of the log's directory: segments, their indexes, snapshots.
    pub bytes_max: u64,
}

#[derive(Clone, Debug)]
pub struct Quotas {
    pub default: Quota,
    pub tenants: BTreeMap<String, Quota>,
}

impl Quotas {
    pub fn of(&self, tenant: &str) -> Quota {
        self.tenants.get(tenant).copied().unwrap_or(self.default)
    }
}

/// A tenant's quota beside what it holds, as its counters have it.
#[derive(Debug)]
pub struct Room {
    pub quota: Quota,
    pub counters: Arc<Counters>,
}

/// Twentieth of its bytes that a tenant may go beyond them with what is no event.
const RESERVE: u64 = 20;

impl Tenant {
    /// Bounds what the tenant may hold; without it there is no bound.
    pub fn bound_by(&mut self, room: Room) {
        self.room = Some(room);
    }

    /// Whether a further event fits, with the entities that it would add.
    pub(crate) fn check_room_for_event(&self, event: &Event) -> Result<(), NodeError> {
        let Some(room) = &self.room else {
            return Ok(());
        };
        room.check_bytes(room.quota.bytes_max)?;
        let (held, limit) = (self.entities(), room.quota.entities_max);
        if held + event.entities.len() as u64 <= limit {
            return Ok(());
        }
        let graph = self.engine().graph();
        let is_new = |(role, id): &&(event::RoleIx, event::EntityId)| {
            let kind = graph.schema().roles[role.index()].kind;
            graph.view(kind, id.as_str()).is_none()
        };
        let new = event.entities.iter().filter(is_new).count() as u64;
        if new == 0 || held + new <= limit {
            return Ok(());
        }
        room.counters.quota_refused[0].add(1);
        let quota = "entities_max";
        Err(NodeError::Quota { quota, held, limit })
    }

    pub(crate) fn check_room_for_report(&self) -> Result<(), NodeError> {
        match &self.room {
            None => Ok(()),
            Some(room) => {
                let limit = room.quota.bytes_max;
                room.check_bytes(limit.saturating_add(limit / RESERVE))
            }
        }
    }

    /// Entities that the graph remembers.
    pub fn entities(&self) -> u64 {
        self.engine().graph().entities() as u64
    }
}

impl Room {
    fn check_bytes(&self, limit: u64) -> Result<(), NodeError> {
        let held = self.counters.disk_bytes.get();
        if held < limit {
            return Ok(());
        }
        self.counters.quota_refused[1].add(1);
        let (quota, limit) = ("bytes_max", self.quota.bytes_max);
        Err(NodeError::Quota { quota, held, limit })
    }
}

/// Bytes of the files in a directory.
pub(crate) fn bytes_in(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in dir.read_dir()? {
        match entry?.metadata() {
            Ok(found) if found.is_file() => bytes += found.len(),
            Ok(_) => {}
            // A snapshot that was replaced meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}
