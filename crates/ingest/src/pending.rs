//! Labels that are known but not yet due, in the order in which they fall due.
//!
//! With a fixed delay labels fall due in the order of their events: those go into a lane of bytes, about
//! 6 bytes and the event id each, freed chunk by chunk. The others go into a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use event::json::LabelLine;
use event::record::{LabelSource, Verdict};
use event::{EventId, EventTime};

const CHUNK_BYTES: usize = 1 << 16;

#[derive(Default)]
pub(crate) struct Pending {
    lane: Lane,
    heap: BinaryHeap<Reverse<Due>>,
    heap_bytes: u64,
}

/// Ordered by time, then by row.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    time: EventTime,
    row: u64,
    fraud: bool,
    id: EventId,
}

/// Chunks of `time delta, row delta, id length and verdict, id`, ascending by (time, row).
#[derive(Default)]
struct Lane {
    chunks: VecDeque<Vec<u8>>,
    read_at: usize,
    last: (i64, u64),
    next: Option<Due>,
    /// What `next` was: the base of the deltas that follow.
    base: (i64, u64),
}

impl Pending {
    pub fn push(&mut self, time: EventTime, row: u64, verdict: Verdict, id: &EventId) {
        let fraud = verdict == Verdict::Fraud;
        if self.lane.push(time, row, fraud, id) {
            return;
        }
        self.heap_bytes += heap_cost(id);
        self.heap.push(Reverse(Due {
            time,
            row,
            fraud,
            id: id.clone(),
        }));
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.heap_bytes + (self.lane.chunks.len() * CHUNK_BYTES) as u64
    }

    /// The first label, if it is due at `until`; without one every label is.
    pub fn pop(&mut self, until: Option<EventTime>) -> Option<LabelLine> {
        let lane = self.lane.peek();
        let heap = self.heap.peek().map(|Reverse(due)| due);
        let from_heap = match (lane, heap) {
            (Some(lane), Some(heap)) => heap < lane,
            (lane, _) => lane.is_none(),
        };
        let first = if from_heap { heap } else { lane };
        let is_due = |due: &Due| until.is_none_or(|until| due.time <= until);
        first.filter(|due| is_due(due))?;
        let due = if from_heap {
            let Reverse(due) = self.heap.pop()?;
            self.heap_bytes -= heap_cost(&due.id);
            due
        } else {
            self.lane.pop()?
        };
        Some(LabelLine {
            event_id: due.id,
            verdict: if due.fraud {
                Verdict::Fraud
            } else {
                Verdict::Legitimate
            },
            source: LabelSource::Import,
            reason: String::new(),
            confidence_percent: 100,
            label_timestamp: due.time,
        })
    }
}

fn heap_cost(id: &EventId) -> u64 {
    // ids of up to 24 bytes live inside the entry
    let outside = if id.as_str().len() > 24 {
        id.as_str().len()
    } else {
        0
    };
    (size_of::<Due>() + outside) as u64
}

impl Lane {
    /// `false`: it would break the order.
    fn push(&mut self, time: EventTime, row: u64, fraud: bool, id: &EventId) -> bool {
        let at = (time.millis(), row);
        if self.next.is_none() {
            self.last = at;
            self.base = at;
            self.next = Some(Due {
                time,
                row,
                fraud,
                id: id.clone(),
            });
            return true;
        }
        if at < self.last {
            return false;
        }
        let text = id.as_str().as_bytes();
        // three varints of at most 10 bytes
        let needed = text.len() + 30;
        if self
            .chunks
            .back()
            .is_none_or(|chunk| chunk.len() + needed > CHUNK_BYTES)
        {
            self.chunks.push_back(Vec::with_capacity(CHUNK_BYTES));
        }
        if let Some(chunk) = self.chunks.back_mut() {
            put_varint(chunk, at.0.wrapping_sub(self.last.0) as u64);
            put_varint(chunk, row.wrapping_sub(self.last.1));
            put_varint(chunk, (text.len() as u64) << 1 | u64::from(fraud));
            chunk.extend_from_slice(text);
        }
        self.last = at;
        true
    }

    fn peek(&self) -> Option<&Due> {
        self.next.as_ref()
    }

    fn pop(&mut self) -> Option<Due> {
        let first = self.next.take()?;
        self.next = self.decode();
        Some(first)
    }

    fn decode(&mut self) -> Option<Due> {
        while self.chunks.front()?.len() == self.read_at {
            self.chunks.pop_front();
            self.read_at = 0;
        }
        let mut bytes = &self.chunks.front()?[self.read_at..];
        let before = bytes.len();
        let ms = self.base.0.wrapping_add(take_varint(&mut bytes)? as i64);
        let row = self.base.1.wrapping_add(take_varint(&mut bytes)?);
        let head = take_varint(&mut bytes)?;
        let (text, rest) = bytes.split_at_checked((head >> 1) as usize)?;
        // the bytes are those of an event id
        let id = EventId::parse("event_id", std::str::from_utf8(text).ok()?).ok()?;
        self.read_at += before - rest.len();
        self.base = (ms, row);
        Some(Due {
            time: EventTime::from_millis(ms),
            row,
            fraud: head & 1 == 1,
            id,
        })
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
