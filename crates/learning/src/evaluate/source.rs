//! Where records are read from: a tenant's log, or a copy of it in memory that may have been altered.
//!
//! **Invariant**: nothing here writes to a tenant's directory.

use event::{Position, Record, Schema};
use node::history::HistoryRecords;
use node::{History, NodeError, Place};

pub enum Source<'a> {
    Log(Box<History>),
    Memory(&'a Stream),
}

/// Typed records in order of position.
pub enum Records<'a> {
    Log(HistoryRecords),
    Memory { stream: &'a Stream, next: usize },
}

impl Source<'_> {
    pub fn open(place: &Place) -> Result<Source<'static>, NodeError> {
        Ok(Source::Log(Box::new(History::open(place)?)))
    }

    pub fn schema(&self) -> &Schema {
        match self {
            Source::Log(history) => history.schema(),
            Source::Memory(stream) => &stream.schema,
        }
    }

    /// Exclusive.
    pub fn end(&self) -> Position {
        match self {
            Source::Log(history) => history.end(),
            Source::Memory(stream) => Position(stream.len() as u64),
        }
    }

    pub fn records(&self) -> Result<Records<'_>, NodeError> {
        Ok(match self {
            Source::Log(history) => Records::Log(history.iter_from(Position(0))?),
            Source::Memory(stream) => stream.records(),
        })
    }
}

impl Records<'_> {
    pub fn next_record(&mut self) -> Result<Option<(Position, Record)>, NodeError> {
        match self {
            Records::Log(records) => records.next_record(),
            Records::Memory { stream, next } => {
                if *next == stream.len() {
                    return Ok(None);
                }
                let position = Position(*next as u64);
                *next += 1;
                Ok(Some((position, stream.record(position)?)))
            }
        }
    }
}

/// Records as the log holds them, about a hundred bytes each, and where each came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    schema: Schema,
    bytes: Vec<u8>,
    /// End of each record in `bytes`.
    ends: Vec<usize>,
    /// Position in the tenant's log of the record each one was made from.
    origins: Vec<Position>,
}

impl Stream {
    pub fn new(schema: Schema) -> Stream {
        Stream {
            schema,
            bytes: Vec::new(),
            ends: Vec::new(),
            origins: Vec::new(),
        }
    }

    pub fn copy(history: &History) -> Result<Stream, NodeError> {
        let mut stream = Stream::new(history.schema().clone());
        let mut records = history.iter_from(Position(0))?;
        while let Some((position, record)) = records.next_record()? {
            stream.push(&record, position);
        }
        Ok(stream)
    }

    /// Appends a record made from the one at `origin` of the tenant's log.
    pub fn push(&mut self, record: &Record, origin: Position) {
        event::codec::encode(record, &mut self.bytes);
        self.ends.push(self.bytes.len());
        self.origins.push(origin);
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn record(&self, position: Position) -> Result<Record, NodeError> {
        let at = position.0 as usize;
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        event::codec::decode(&self.bytes[from..self.ends[at]])
            .map_err(|source| NodeError::Record { position, source })
    }

    pub fn origin(&self, position: Position) -> Position {
        self.origins[position.0 as usize]
    }

    pub fn records(&self) -> Records<'_> {
        Records::Memory {
            stream: self,
            next: 0,
        }
    }
}
