//! A tenant's log read from outside: tools look while a writer runs, and see whole committed groups.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::thread;

use engine::{ENGINE_SEMANTICS, ENGINE_SEMANTICS_OLDEST, Engine, Lineup};
use event::{EventId, Position, Record, Schema};
use log::{Reader, Records};

use crate::journal::schema_of;
use crate::retention::read_schema;
use crate::{NodeError, Place};

pub struct History {
    reader: Reader,
    schema: Schema,
    /// Where it ends for whoever asked for less than all of it.
    end: Option<Position>,
}

/// What is decoded ahead of its use: batches, and what ends one.
const BATCHES_AHEAD: usize = 4;
const BATCH_RECORDS: usize = 512;
const BATCH_BYTES: usize = 256 << 10;

/// Typed records in log order.
pub struct HistoryRecords {
    records: Records,
}

impl History {
    pub fn open(place: &Place) -> Result<History, NodeError> {
        if !place.exists() {
            return Err(NodeError::NoTenant {
                path: place.root().to_path_buf(),
            });
        }
        let reader = Reader::open(&place.log())?;
        let first = Position(reader.first().0);
        if first.0 > 0 {
            let schema = read_schema(place, first)?;
            let end = None;
            return Ok(History {
                reader,
                schema,
                end,
            });
        }
        let mut records = HistoryRecords {
            records: reader.iter_from(log::Position(0))?,
        };
        let Some((_, first)) = records.next_record()? else {
            return Err(NodeError::NoTenant {
                path: place.root().to_path_buf(),
            });
        };
        let schema = schema_of(&first)?;
        let end = None;
        Ok(History {
            reader,
            schema,
            end,
        })
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Oldest record still there: retention may have removed earlier ones.
    pub fn first(&self) -> Position {
        Position(self.reader.first().0)
    }

    /// End of what is committed, exclusive.
    pub fn end(&self) -> Position {
        let committed = Position(self.reader.end().0);
        self.end.map_or(committed, |end| end.min(committed))
    }

    /// The same log as if nothing stood behind a position: what is read of it does not change while the log grows.
    pub fn until(self, end: Position) -> History {
        let end = Some(end.min(self.end()));
        History { end, ..self }
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Where a replay of all that is left begins: nothing, or the oldest snapshot where records are gone.
    pub fn start(&self) -> Result<Engine, NodeError> {
        let first = self.first();
        if first.0 == 0 {
            return Ok(Engine::new(&self.schema));
        }
        let snapshot = self.reader.oldest_snapshot(readable(first))?;
        let mut snapshot = snapshot.ok_or(NodeError::HistoryRemoved { first })?;
        Ok(Engine::read_snapshot(&self.schema, &mut snapshot)?)
    }

    /// Who serves as what at the end of the log, without the rest of the state.
    pub fn lineup(&self) -> Result<Lineup, NodeError> {
        let start = self.start()?;
        let (mut lineup, mut channel) = (start.lineup().clone(), start.channel());
        let mut records = self.iter_from(start.next())?;
        while let Some((position, record)) = records.next_record()? {
            if let Record::Activation(activation) = record {
                channel = lineup.follow(position, &activation, channel);
            }
        }
        Ok(lineup)
    }

    /// The event that a position is of; `None`: retention has let go of it.
    pub fn event_id(&self, position: Position) -> Result<Option<EventId>, NodeError> {
        if position < self.first() {
            return Ok(None);
        }
        let record = self.iter_from(position)?.next_record()?;
        Ok(match record {
            Some((_, Record::Event(event))) => Some(event.event_id),
            _ => None,
        })
    }

    pub fn iter_from(&self, position: Position) -> Result<HistoryRecords, NodeError> {
        let first = self.first();
        if position < first {
            return Err(NodeError::HistoryRemoved { first });
        }
        let mut records = self.reader.iter_from(log::Position(position.0))?;
        records.stop_at(log::Position(self.end().0));
        Ok(HistoryRecords { records })
    }

    /// Hands every record from a position on to `each`, in log order, until it breaks. Reading and decoding
    /// run ahead on a thread of their own.
    pub fn read_ahead(
        &self,
        from: Position,
        mut each: impl FnMut(Position, Record) -> ControlFlow<()>,
    ) -> Result<(), NodeError> {
        let mut records = self.iter_from(from)?;
        thread::scope(|scope| {
            let (sender, batches) = sync_channel(BATCHES_AHEAD);
            scope.spawn(move || {
                loop {
                    let batch = records.next_batch();
                    let last = batch.as_ref().map_or(true, Vec::is_empty);
                    // Nobody listens any more once `each` has broken.
                    if sender.send(batch).is_err() || last {
                        return;
                    }
                }
            });
            while let Ok(batch) = batches.recv() {
                for (position, record) in batch? {
                    if each(position, record).is_break() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }
}

/// Snapshots to start from. One of an older build does not know all of the state: where every record is there, they
/// are replayed, and where its beginning is gone it is all there is.
pub(crate) fn readable(first: Position) -> log::Semantics {
    log::Semantics {
        oldest: match first.0 {
            0 => ENGINE_SEMANTICS,
            _ => ENGINE_SEMANTICS_OLDEST,
        },
        newest: ENGINE_SEMANTICS,
    }
}

impl HistoryRecords {
    /// Goes on up to a later end, which the caller knows to be committed.
    pub(crate) fn extend_to(&mut self, end: Position) {
        self.records.extend_to(log::Position(end.0));
    }

    pub fn next_record(&mut self) -> Result<Option<(Position, Record)>, NodeError> {
        let next = self.next_sized()?;
        Ok(next.map(|(position, record, _)| (position, record)))
    }

    /// A record and the bytes it was decoded from.
    fn next_sized(&mut self) -> Result<Option<(Position, Record, usize)>, NodeError> {
        let Some(raw) = self.records.next_record()? else {
            return Ok(None);
        };
        let position = Position(raw.position.0);
        let record = event::codec::decode(raw.payload)
            .map_err(|source| NodeError::Record { position, source })?;
        Ok(Some((position, record, raw.payload.len())))
    }

    /// Empty at the end.
    fn next_batch(&mut self) -> Result<Vec<(Position, Record)>, NodeError> {
        let mut batch = Vec::with_capacity(BATCH_RECORDS);
        let mut bytes = 0;
        while batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
            let Some((position, record, len)) = self.next_sized()? else {
                break;
            };
            bytes += len;
            batch.push((position, record));
        }
        Ok(batch)
    }
}
