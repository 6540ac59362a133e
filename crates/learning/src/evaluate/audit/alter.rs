//! What the audit does to a copy of the log: another future, other ids, another order.

use std::collections::BTreeMap;

use compare::draws::Draws;
use event::ids::text_key;
use event::record::{AttributeValue, Subject, Verdict};
use event::{EntityId, Event, EventId, EventTime, Position, Record};
use node::NodeError;

use crate::evaluate::source::Stream;

/// How ids are renamed.
pub enum Naming {
    /// Other ids in the order of the old ones.
    Ordered(BTreeMap<String, usize>),
    /// Ids without any relation to the old ones.
    Random(u64),
}

impl Naming {
    /// Numbers every id of the stream by its rank.
    pub fn ordered(stream: &Stream) -> Result<Naming, NodeError> {
        let mut ranks = BTreeMap::new();
        let mut records = stream.records();
        while let Some((_, record)) = records.next_record()? {
            if let Record::Event(event) = record {
                ranks.insert(event.event_id.as_str().to_owned(), 0);
                for (_, id) in &event.entities {
                    ranks.insert(id.as_str().to_owned(), 0);
                }
            }
        }
        for (rank, number) in ranks.values_mut().enumerate() {
            *number = rank;
        }
        Ok(Naming::Ordered(ranks))
    }

    fn name(&self, old: &str) -> String {
        match self {
            // A label without its event can only come from a damaged log; its name hurts nobody.
            Naming::Ordered(ranks) => match ranks.get(old) {
                Some(rank) => format!("renamed{rank:012}"),
                None => format!("unknown-{old}"),
            },
            // Two keys of 64 bits: no two ids of any real log meet.
            Naming::Random(seed) => {
                let key = |space: u64| text_key(old, seed.wrapping_mul(2).wrapping_add(space));
                format!("{:016x}{:016x}", key(0), key(1))
            }
        }
    }
}

/// The same stream under other ids.
pub fn renamed(stream: &Stream, naming: &Naming) -> Result<Stream, NodeError> {
    map(stream, |_, record| {
        let (event_id, entities) = match record {
            Record::Event(event) => (&mut event.event_id, &mut event.entities),
            Record::Label(label) => (&mut label.subject.event_id, &mut label.subject.entities),
            Record::Outcome(outcome) => {
                (&mut outcome.subject.event_id, &mut outcome.subject.entities)
            }
            _ => return Ok(()),
        };
        *event_id = EventId::parse("event_id", &naming.name(event_id.as_str()))?;
        for (_, id) in entities {
            *id = EntityId::parse("entity", &naming.name(id.as_str()))?;
        }
        Ok(())
    })
}

/// The same stream up to `end`, and nothing after it.
pub fn ended(stream: &Stream, end: Position) -> Result<Stream, NodeError> {
    let mut out = Stream::new(stream.schema().clone());
    for at in 0..end.0 {
        let position = Position(at);
        out.push(&stream.record(position)?, stream.origin(position));
    }
    Ok(out)
}

/// The same stream up to `from`; after it other amounts, other entities, other attributes and the
/// opposite labels.
pub fn another_future(stream: &Stream, from: Position) -> Result<Stream, NodeError> {
    let naming = Naming::Random(from.0);
    map(stream, |position, record| {
        if position < from {
            return Ok(());
        }
        match record {
            Record::Event(event) => other_event(event, &naming)?,
            Record::Label(label) => {
                label.verdict = match label.verdict {
                    Verdict::Fraud => Verdict::Legitimate,
                    Verdict::Legitimate => Verdict::Fraud,
                };
            }
            _ => {}
        }
        Ok(())
    })
}

fn other_event(event: &mut Event, naming: &Naming) -> Result<(), NodeError> {
    if let Some(amount) = &mut event.amount {
        // Far from the old one, and within the bounds of an amount.
        amount.minor = (amount.minor % 1_000_000_007) * 3 + 1_009;
    }
    for (_, id) in &mut event.entities {
        *id = EntityId::parse("entity", &naming.name(id.as_str()))?;
    }
    for (_, value) in &mut event.attributes {
        match value {
            AttributeValue::Number(number) => *number = 1.0 - *number / 2.0,
            AttributeValue::Category(text) | AttributeValue::Text(text) => {
                *text = "another".into();
            }
        }
    }
    Ok(())
}

/// Events of one instant in another order, each with its decision; nothing moves past another record.
/// Also how many events have another place now.
pub fn shuffled(stream: &Stream, seed: u64) -> Result<(Stream, usize), NodeError> {
    let mut draws = Draws::new(seed);
    let mut order: Vec<u64> = Vec::with_capacity(stream.len());
    let mut run: Vec<Vec<u64>> = Vec::new();
    let mut instant: Option<EventTime> = None;
    let mut moved = 0;
    let mut close = |run: &mut Vec<Vec<u64>>, order: &mut Vec<u64>| {
        let before: Vec<u64> = run.iter().map(|unit| unit[0]).collect();
        draws.shuffle(run);
        moved += before
            .iter()
            .zip(run.iter())
            .filter(|(before, unit)| **before != unit[0])
            .count();
        order.extend(run.drain(..).flatten());
    };
    let mut records = stream.records();
    while let Some((position, record)) = records.next_record()? {
        match record {
            Record::Event(event) => {
                if instant != Some(event.event_timestamp) {
                    close(&mut run, &mut order);
                    instant = Some(event.event_timestamp);
                }
                run.push(vec![position.0]);
            }
            Record::Decision(decision)
                if run
                    .last()
                    .is_some_and(|unit| unit[0] == decision.event_position.0) =>
            {
                if let Some(unit) = run.last_mut() {
                    unit.push(position.0);
                }
            }
            _ => {
                close(&mut run, &mut order);
                instant = None;
                order.push(position.0);
            }
        }
    }
    close(&mut run, &mut order);
    Ok((reordered(stream, &order)?, moved))
}

fn reordered(stream: &Stream, order: &[u64]) -> Result<Stream, NodeError> {
    let mut places = Places::new(stream.len());
    for (new, old) in order.iter().enumerate() {
        places.set(*old, new as u64);
    }
    let mut out = Stream::new(stream.schema().clone());
    for old in order {
        let mut record = stream.record(Position(*old))?;
        places.follow(&mut record);
        out.push(&record, stream.origin(Position(*old)));
    }
    Ok(out)
}

/// Where each record of a stream went.
pub struct Places(Vec<u64>);

impl Places {
    pub fn new(len: usize) -> Places {
        Places((0..len as u64).collect())
    }

    pub fn set(&mut self, old: u64, new: u64) {
        self.0[old as usize] = new;
    }

    pub fn of(&self, old: Position) -> Position {
        Position(self.0[old.0 as usize])
    }

    /// Rewrites what a record says about others' positions.
    pub fn follow(&self, record: &mut Record) {
        let subject = |subject: &mut Subject| subject.position = self.of(subject.position);
        match record {
            Record::Label(label) => {
                subject(&mut label.subject);
                if let Some((_, at)) = &mut label.prior {
                    *at = self.of(*at);
                }
            }
            Record::Outcome(outcome) => subject(&mut outcome.subject),
            Record::Decision(decision) => {
                decision.event_position = self.of(decision.event_position);
                for at in &mut decision.evidence {
                    *at = self.of(*at);
                }
            }
            _ => {}
        }
    }
}

fn map(
    stream: &Stream,
    mut change: impl FnMut(Position, &mut Record) -> Result<(), NodeError>,
) -> Result<Stream, NodeError> {
    let mut out = Stream::new(stream.schema().clone());
    let mut records = stream.records();
    while let Some((position, mut record)) = records.next_record()? {
        change(position, &mut record)?;
        out.push(&record, stream.origin(position));
    }
    Ok(out)
}
