//! A tenant's casework as requests use it: one connection, taken in turn by those who are let in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use casework::{Casework, CaseworkError};
use event::Schema;
use node::node::TenantHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::DeskError;
use crate::audit::Written;
use crate::counters::Counters;

#[derive(Debug)]
pub struct Seat {
    pub tenant: Arc<TenantHandle>,
    pub counters: Counters,
    asked: Mutex<Asked>,
    /// Who may be at `asked` or wait for it.
    places: Arc<Semaphore>,
    /// Why the log is not followed.
    trouble: Mutex<Option<String>>,
    /// There may be labels to hand out.
    outgoing: AtomicBool,
    /// As of the thread's last turn.
    written: Mutex<Option<Written>>,
}

#[derive(Debug, Default)]
struct Asked {
    casework: Option<Casework>,
    is_closed: bool,
}

/// Each holds a thread while it waits; SQLite lets one of them write at a time.
const PLACES: usize = 16;

/// The right to ask once.
pub struct Place {
    _held: OwnedSemaphorePermit,
}

impl Seat {
    pub(crate) fn new(tenant: Arc<TenantHandle>) -> Seat {
        Seat {
            tenant,
            counters: Counters::default(),
            asked: Mutex::new(Asked::default()),
            places: Arc::new(Semaphore::new(PLACES)),
            trouble: Mutex::new(None),
            outgoing: AtomicBool::new(true),
            written: Mutex::new(None),
        }
    }

    /// Before a thread is spent on it.
    pub fn enter(&self) -> Result<Place, DeskError> {
        let place = self.places.clone().try_acquire_owned();
        place
            .map(|held| Place { _held: held })
            .map_err(|_| DeskError::Busy)
    }

    /// Asks or changes casework; blocks for the disk. Not while the log cannot be followed: what is shown
    /// would be old, and what is written perhaps lost.
    pub fn ask<T>(
        &self,
        _place: Place,
        what: impl FnOnce(&mut Casework, &Schema) -> Result<T, CaseworkError>,
    ) -> Result<T, DeskError> {
        let shape = self.tenant.shape().ok_or(DeskError::Starting)?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_closed {
            return Err(DeskError::Leaving);
        }
        if let Some(trouble) = self.trouble() {
            return Err(DeskError::Unavailable(trouble));
        }
        let casework = match &mut asked.casework {
            Some(casework) => casework,
            empty => empty.insert(self.open(&shape.schema)?),
        };
        let answered = what(casework, &shape.schema);
        self.outgoing.store(true, Ordering::Release);
        if let Err(CaseworkError::Store(_)) = &answered {
            // Whatever it is, a new connection knows nothing of it.
            asked.casework = None;
        }
        Ok(answered?)
    }

    /// The audit trail up to its last durable entry; `None`: it has not been opened yet.
    pub fn audit(&self) -> Option<Written> {
        let written = self.written.lock();
        written.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn show_audit(&self, written: Written) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
    }

    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on nobody asks. The connection goes too: whoever mends the file may put another in its place.
    pub(crate) fn set_trouble(&self, trouble: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.casework = None;
    }

    pub(crate) fn clear_trouble(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn open(&self, schema: &Schema) -> Result<Casework, CaseworkError> {
        Casework::open(&self.file(), schema.base_currency)
    }

    fn file(&self) -> PathBuf {
        self.tenant.place().casework()
    }

    /// Takes the notice that labels may wait; whoever takes it looks.
    pub(crate) fn take_outgoing(&self) -> bool {
        self.outgoing.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn has_outgoing(&self) {
        self.outgoing.store(true, Ordering::Release);
    }

    /// Nobody opens the file here any more. Waits for who is at it.
    pub(crate) fn close(&self) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_closed = true;
        asked.casework = None;
    }
}
