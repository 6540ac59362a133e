//! A whole file in memory, by time and then by row: events in their binary form, labels and outcomes of
//! a canonical file as they are.

use event::codec::{self, CodecError};
use event::record::Verdict;
use event::{EventTime, Record};

use crate::row::Row;

#[derive(Default)]
pub(crate) struct Sorted {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    lines: Vec<Option<Row>>,
    next: usize,
}

struct Entry {
    time: EventTime,
    /// Order of arrival among equal times.
    arrival: u64,
    place: Place,
}

enum Place {
    Event {
        row: u64,
        start: u64,
        len: u32,
        label: Option<(EventTime, Verdict)>,
    },
    Line(usize),
}

impl Sorted {
    pub fn push(&mut self, row: Row) {
        let time = row.time();
        let arrival = self.entries.len() as u64;
        let place = match row {
            Row::Event { row, event, label } => {
                let start = self.bytes.len();
                codec::encode(&Record::Event(event), &mut self.bytes);
                Place::Event {
                    row,
                    start: start as u64,
                    len: (self.bytes.len() - start) as u32,
                    label,
                }
            }
            line => {
                self.lines.push(Some(line));
                Place::Line(self.lines.len() - 1)
            }
        };
        self.entries.push(Entry {
            time,
            arrival,
            place,
        });
    }

    /// Bytes held.
    pub fn memory(&self) -> u64 {
        let entries = self.entries.capacity() * size_of::<Entry>();
        let lines = self.lines.capacity() * size_of::<Option<Row>>();
        (entries + lines + self.bytes.capacity()) as u64
    }

    pub fn sort(&mut self) {
        self.entries
            .sort_unstable_by_key(|entry| (entry.time, entry.arrival));
    }

    pub fn next(&mut self) -> Result<Option<Row>, CodecError> {
        let Some(entry) = self.entries.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        match &entry.place {
            Place::Line(ix) => Ok(self.lines[*ix].take()),
            Place::Event {
                row,
                start,
                len,
                label,
            } => {
                let start = *start as usize;
                let bytes = &self.bytes[start..start + *len as usize];
                match codec::decode(bytes)? {
                    Record::Event(event) => Ok(Some(Row::Event {
                        row: *row,
                        event,
                        label: *label,
                    })),
                    _ => Ok(None),
                }
            }
        }
    }
}
