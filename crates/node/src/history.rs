//! A tenant's log read from outside: tools look while a writer runs, and see whole committed groups.

use event::{Position, Record, Schema};
use log::{Reader, Records};

use crate::journal::schema_of;
use crate::{NodeError, Place};

pub struct History {
    reader: Reader,
    schema: Schema,
}

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
        let mut records = HistoryRecords {
            records: reader.iter_from(log::Position(0))?,
        };
        let Some((_, first)) = records.next_record()? else {
            return Err(NodeError::NoTenant {
                path: place.root().to_path_buf(),
            });
        };
        let schema = schema_of(&first)?;
        Ok(History { reader, schema })
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// End of what is committed, exclusive.
    pub fn end(&self) -> Position {
        Position(self.reader.end().0)
    }

    pub fn iter_from(&self, position: Position) -> Result<HistoryRecords, NodeError> {
        Ok(HistoryRecords {
            records: self.reader.iter_from(log::Position(position.0))?,
        })
    }
}

impl HistoryRecords {
    pub fn next_record(&mut self) -> Result<Option<(Position, Record)>, NodeError> {
        let Some(raw) = self.records.next_record()? else {
            return Ok(None);
        };
        let position = Position(raw.position.0);
        let record = event::codec::decode(raw.payload)
            .map_err(|source| NodeError::Record { position, source })?;
        Ok(Some((position, record)))
    }
}
