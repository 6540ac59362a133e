//! From disk to state: the newest snapshot that can be used, then the log after it, side files handed in on the way.
//! A start does it, and so does the thread that writes a snapshot beside a running tenant: by invariant I1 both end
//! with the state that the tenant had there.

use std::io::Read;
use std::ops::ControlFlow;

use engine::{Effect, Engine};
use event::{Position, Record};

use crate::history::readable;
use crate::{History, NodeError, Place, channel};

/// What was found on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Bytes of an unacknowledged group that were cut from the log's end.
    pub cut_bytes: u64,
    /// Position of the snapshot that was loaded.
    pub snapshot: Option<Position>,
    /// Records applied after it.
    pub replayed: u64,
    /// Snapshots and config records that were passed over, and a model that could not be loaded.
    pub warnings: Vec<String>,
}

/// The newest snapshot that can be used, or an empty engine. `through` sees its bytes on their way.
pub(crate) fn restore<R: Read>(
    history: &History,
    recovered: &mut Recovered,
    through: impl FnOnce(log::SnapshotReader) -> R,
) -> Result<Engine, NodeError> {
    let search = history
        .reader()
        .latest_snapshot(readable(history.first()))?;
    for skipped in &search.skipped {
        recovered.warnings.push(format!(
            "snapshot {} {}",
            skipped.path.display(),
            skipped.reason
        ));
    }
    let Some(snapshot) = search.snapshot else {
        return Ok(Engine::new(history.schema()));
    };
    let position = snapshot.position();
    match Engine::read_snapshot(history.schema(), &mut through(snapshot)) {
        Ok(engine) => {
            recovered.snapshot = Some(engine.next());
            Ok(engine)
        }
        // The log is the truth and a snapshot a shortcut, as long as the log reaches back to its start.
        Err(error) if history.first().0 == 0 => {
            recovered.warnings.push(format!(
                "snapshot of position {} passed over: {error}",
                position.0
            ));
            Ok(Engine::new(history.schema()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Applies the log from where the engine stands up to `until`. `before` looks at each record that is about to be applied;
/// `each` hears how many have been, and may end it.
pub(crate) fn replay(
    engine: &mut Engine,
    place: &Place,
    history: &History,
    until: Position,
    recovered: &mut Recovered,
    mut before: impl FnMut(&mut Engine, Position, &Record),
    mut each: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<(), NodeError> {
    let mut failed = None;
    history.read_ahead(engine.next(), |position, record| {
        if position >= until {
            return ControlFlow::Break(());
        }
        before(engine, position, &record);
        match channel::apply(engine, place, position, &record) {
            Ok(Effect::ConfigIgnored {
                section,
                version,
                reason,
            }) => {
                let name = section.name();
                recovered
                    .warnings
                    .push(format!("{name} version {version} ignored: {reason}"));
            }
            Ok(_) => {}
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        recovered.replayed += 1;
        each(recovered.replayed)
    })?;
    failed.map_or(Ok(()), Err)
}
