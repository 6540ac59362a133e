//! What of a tenant's log is let go, and what must be written down before.
//!
//! A segment goes when all of its records are older than the tenant keeps them and two snapshots stand for them.
//! The state is a function of the log from the oldest retained snapshot on (invariant I1).

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use event::record::Record;
use event::{EventTime, Position, Schema, Span};
use log::{Covered, RetireJob, Retired};

use crate::shadow::{Board, store};
use crate::{NodeError, Place, Tenant};

/// For a thread that does not serve.
#[derive(Debug)]
pub struct Retirement {
    place: Place,
    /// The schema, when its record is about to go.
    schema: Option<String>,
    job: RetireJob,
    /// That scored when this was made.
    shadows: Vec<[u8; 32]>,
    /// Which models score by now: somebody writes their files. `None`: nobody does.
    board: Option<Arc<Board>>,
}

impl Tenant {
    /// Forgets what is older than `keep`, or than a label or a repeated event may still speak of. Age counts back
    /// from the newest record, or from `now` when that is before it: one event dated far ahead ages nothing.
    pub fn retire(
        &mut self,
        covered: Covered,
        keep: Span,
        now: EventTime,
    ) -> Result<Option<Retirement>, NodeError> {
        let schema = self.schema();
        let floor = schema.labels.horizon.max(schema.time.dedup_window);
        let keep = keep.max(floor);
        let older_than = self.journal().newest().min(now).minus(keep);
        let schema = match self.journal().first().0 {
            0 => self.schema_record()?,
            _ => None,
        };
        let log = self.journal().log();
        let job = log.retire(covered, older_than.millis())?;
        let place = self.place().clone();
        let shadows = self.engine().lineup().shadows().iter();
        let shadows = shadows.map(|it| it.artifact).collect();
        let board = self.shadow_board().cloned();
        Ok(job.map(|job| Retirement {
            place,
            schema,
            job,
            shadows,
            board,
        }))
    }

    fn schema_record(&mut self) -> Result<Option<String>, NodeError> {
        match self.journal().read(Position(0))? {
            Record::Config(config) => Ok(Some(config.body)),
            _ => Ok(None),
        }
    }
}

impl Retirement {
    pub fn run(self) -> Result<Retired, NodeError> {
        let Retirement {
            place,
            schema,
            job,
            shadows,
            board,
        } = self;
        if let Some(schema) = &schema {
            write_schema(&place, schema)?;
        }
        let boundary = Position(job.boundary().0);
        let retired = job.run()?;
        remove_channels(&place, boundary)?;
        store::remove_before(&place, boundary, |artifact| {
            shadows.contains(artifact) || board.as_ref().is_some_and(|it| it.wants(artifact))
        })?;
        Ok(retired)
    }
}

/// Durable before the record goes: without it nobody could read the snapshots.
fn write_schema(place: &Place, text: &str) -> Result<(), NodeError> {
    let path = place.schema();
    let draft = path.with_extension("toml.tmp");
    File::create(&draft)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| File::open(place.root())?.sync_all())
        .map_err(io("write", &path))
}

/// The schema of a log whose first record is gone.
pub(crate) fn read_schema(place: &Place, first: Position) -> Result<Schema, NodeError> {
    let path = place.schema();
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let got = format!(
                "a log from position {} on and no {}",
                first.0,
                path.display()
            );
            return Err(NodeError::NoSchema { got });
        }
        text => text.map_err(io("read", &path))?,
    };
    Ok(Schema::parse(&text)?)
}

/// Side files of activations that are gone: no replay passes them any more.
fn remove_channels(place: &Place, boundary: Position) -> Result<(), NodeError> {
    let folder = place.channels();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io("read", &folder))?,
    };
    for entry in entries {
        let path = entry.map_err(io("read", &folder))?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let end = stem.rsplit_once('-').and_then(|(_, end)| end.parse().ok());
        if end.is_some_and(|end: u64| end < boundary.0) {
            fs::remove_file(&path).map_err(io("remove", &path))?;
        }
    }
    Ok(())
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> NodeError {
    let path = path.to_path_buf();
    move |source| NodeError::Io { what, path, source }
}
