//! The log with records instead of bytes, and idempotent intake.
//!
//! An event is keyed by its id, a label and an outcome by the id of their event in a space of their own, and a
//! decision by its account: it stands right behind its event, in the same group. The log index answers with
//! candidates; the record itself decides.

pub mod behind;
pub mod lookup;
mod reports;

use compact_str::CompactString;
use event::ids::text_key;
use event::record::{Config, ConfigSection, Decision, Record};
use event::schema::Part;
use event::{Event, EventId, EventTime, Position, Schema};
use log::{Log, LogError, LogOptions, Page, Recovery};

use crate::retention::read_schema;
use crate::{NodeError, Place};

/// Spaces of the key index.
const LABELS: u64 = 2;
const OUTCOMES: u64 = 4;
/// Of decisions, by account. (3 held decisions by event id before any release.)
const ACCOUNTS: u64 = 5;

/// Bytes a group may hold at least; half of it holds any event and decision many times over.
const GROUP_BYTES: usize = 8 << 20;
const _: () = assert!(GROUP_BYTES / 2 > 2 * event::codec::RECORD_BYTES_MAX);

/// What became of something handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    New(Position),
    /// The same was already there: nothing was written.
    Duplicate(Position),
}

#[derive(Debug)]
pub struct Journal {
    log: Log,
    schema: Schema,
    /// Latest event time in the log: what comes long before it is out of order.
    newest: EventTime,
    buffer: Vec<u8>,
    /// Records and bytes appended since the last commit, and the records a group may hold.
    pending: u32,
    pending_bytes: usize,
    group_max: u32,
}

impl Journal {
    /// Creates the tenant's log with the schema as its first record.
    pub fn create(
        place: &Place,
        schema_text: &str,
        options: LogOptions,
    ) -> Result<Journal, NodeError> {
        let schema = Schema::parse(schema_text)?;
        // A directory alone is no tenant: a crash before the first commit leaves one behind.
        match Journal::open(place, options.clone()) {
            Ok(_) => Err(NodeError::TenantExists {
                path: place.root().to_path_buf(),
            }),
            Err(NodeError::NoTenant { .. }) => Journal::start(place, schema, schema_text, options),
            Err(other) => Err(other),
        }
    }

    fn start(
        place: &Place,
        schema: Schema,
        schema_text: &str,
        options: LogOptions,
    ) -> Result<Journal, NodeError> {
        let group_max = options.max_batch_records;
        let (log, _) = Log::open(&place.log(), with_limits(options))?;
        let mut journal = Journal::over(log, schema, EventTime::MIN, group_max);
        journal.write_schema(schema_text)?;
        Ok(journal)
    }

    fn over(log: Log, schema: Schema, newest: EventTime, group_max: u32) -> Journal {
        Journal {
            log,
            schema,
            newest,
            buffer: Vec::new(),
            pending: 0,
            pending_bytes: 0,
            group_max,
        }
    }

    fn write_schema(&mut self, text: &str) -> Result<(), NodeError> {
        let config = Config {
            at: EventTime::MIN,
            section: ConfigSection::Schema,
            version: 1,
            author: CompactString::from("init"),
            why: CompactString::default(),
            body: text.to_owned(),
        };
        self.append(&Record::Config(config))?;
        self.commit()?;
        Ok(())
    }

    /// Opens an existing log as its only writer.
    pub fn open(place: &Place, options: LogOptions) -> Result<(Journal, Recovery), NodeError> {
        if !place.exists() {
            return Err(NodeError::NoTenant {
                path: place.root().to_path_buf(),
            });
        }
        let group_max = options.max_batch_records;
        let (mut log, recovery) = Log::open(&place.log(), with_limits(options))?;
        if log.next().0 == 0 {
            // A crash before the first commit left a log without a schema: nothing was acknowledged.
            return Err(NodeError::NoTenant {
                path: place.root().to_path_buf(),
            });
        }
        let schema = match Position(log.first().0) {
            Position(0) => schema_of(&decode(&mut log, Position(0))?)?,
            first => read_schema(place, first)?,
        };
        let newest = log
            .newest_ms()
            .map_or(EventTime::MIN, EventTime::from_millis);
        Ok((Journal::over(log, schema, newest, group_max), recovery))
    }

    /// Opens the log, or creates it when there is none; an existing one must have the same schema.
    pub fn open_or_create(
        place: &Place,
        schema_text: &str,
        options: LogOptions,
    ) -> Result<Journal, NodeError> {
        match Journal::open(place, options.clone()) {
            Ok((journal, _)) => {
                let given = Schema::parse(schema_text)?.hash();
                let held = journal.schema.hash();
                if given == held {
                    return Ok(journal);
                }
                Err(NodeError::OtherSchema {
                    held: held.hex(),
                    given: given.hex(),
                })
            }
            Err(NodeError::NoTenant { .. }) => {
                Journal::start(place, Schema::parse(schema_text)?, schema_text, options)
            }
            Err(other) => Err(other),
        }
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    pub fn newest(&self) -> EventTime {
        self.newest
    }

    pub fn next(&self) -> Position {
        Position(self.log.next().0)
    }

    /// Oldest record still there.
    pub fn first(&self) -> Position {
        Position(self.log.first().0)
    }

    pub fn committed(&self) -> Position {
        Position(self.log.committed().0)
    }

    pub fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Makes everything appended durable.
    pub fn commit(&mut self) -> Result<Position, NodeError> {
        self.pending = 0;
        self.pending_bytes = 0;
        Ok(Position(self.log.commit()?.0))
    }

    /// Commits unless an event and its decision fit into the pending group: they become durable
    /// together, so that no restart finds one without the other.
    pub fn make_room_for_decision(&mut self) -> Result<(), NodeError> {
        if self.pending + 2 > self.group_max || self.pending_bytes > GROUP_BYTES / 2 {
            self.commit()?;
        }
        Ok(())
    }

    /// Appends a record; commits first when the group is full.
    pub fn append(&mut self, record: &Record) -> Result<Position, NodeError> {
        self.buffer.clear();
        event::codec::encode(record, &mut self.buffer);
        let time = record.time();
        self.newest = self.newest.max(time);
        self.append_bytes(time, key_of(record))
    }

    fn append_bytes(&mut self, time: EventTime, key: Option<u64>) -> Result<Position, NodeError> {
        let position = match self.log.append(&self.buffer, time.millis(), key) {
            Err(LogError::BatchFull { .. }) => {
                self.commit()?;
                self.log.append(&self.buffer, time.millis(), key)?
            }
            other => other?,
        };
        self.pending += 1;
        self.pending_bytes += self.buffer.len();
        Ok(Position(position.0))
    }

    /// Appends the decision of the event that was appended last, findable by its account.
    pub fn append_decision(
        &mut self,
        event: &Event,
        decision: &Decision,
    ) -> Result<Position, NodeError> {
        self.buffer.clear();
        event::codec::encode(&Record::Decision(decision.clone()), &mut self.buffer);
        let account = self.schema.part(Part::Subject);
        let account = account.and_then(|role| event.entity(role));
        let key = account.map(|id| text_key(id.as_str(), ACCOUNTS));
        let position = self.append_bytes(decision.decided_at, key)?;
        debug_assert_eq!(position.0, decision.event_position.0 + 1);
        Ok(position)
    }

    pub fn read(&mut self, position: Position) -> Result<Record, NodeError> {
        decode(&mut self.log, position)
    }

    /// The records of an event id, newest position first, looked for back to `since`. There are several
    /// when an id was used again after `dedup_window`.
    fn find_events(
        &mut self,
        event_id: &EventId,
        since: EventTime,
    ) -> Result<Vec<(Position, Event)>, NodeError> {
        let mut events = Vec::new();
        for at in self.log.find(event_id.key(), since.millis())? {
            if let Record::Event(held) = decode(&mut self.log, Position(at.0))?
                && held.event_id == *event_id
            {
                events.push((Position(at.0), held));
            }
        }
        Ok(events)
    }

    /// Whether the event is new, already there, or another one under the same id (invariant I5).
    pub fn check_event(&mut self, event: &Event) -> Result<Option<Position>, NodeError> {
        let since = event.event_timestamp.minus(self.schema.time.dedup_window);
        let held = self.find_events(&event.event_id, since)?;
        let Some((newest, _)) = held.first() else {
            return Ok(None);
        };
        let body = |event: &Event| {
            let mut bytes = Vec::new();
            event::codec::event_body(event, &mut bytes);
            bytes
        };
        let given = body(event);
        if let Some((position, _)) = held.iter().find(|(_, held)| body(held) == given) {
            return Ok(Some(*position));
        }
        Err(NodeError::Conflict {
            event_id: event.event_id.as_str().to_owned(),
            position: *newest,
        })
    }

    /// Appends an event unless it is already there.
    pub fn accept_event(&mut self, event: Event) -> Result<Accepted, NodeError> {
        match self.check_event(&event)? {
            Some(position) => Ok(Accepted::Duplicate(position)),
            None => Ok(Accepted::New(self.append(&Record::Event(event))?)),
        }
    }

    /// The decision that was taken for an event, which stands right behind it.
    pub fn decision_of(&mut self, event_at: Position) -> Result<Option<Decision>, NodeError> {
        let at = Position(event_at.0 + 1);
        if at >= self.next() || at < self.first() {
            return Ok(None);
        }
        match decode(&mut self.log, at)? {
            Record::Decision(held) if held.event_position == event_at => Ok(Some(held)),
            _ => Ok(None),
        }
    }

    /// Positions of an account's decisions, and of others whose account has the same key by chance.
    pub fn decisions_for(
        &mut self,
        account: &str,
        since: EventTime,
        before: Position,
        max: usize,
    ) -> Result<Page, NodeError> {
        let key = text_key(account, ACCOUNTS);
        let before = log::Position(before.0);
        Ok(self.log.find_page(key, since.millis(), before, max)?)
    }
}

/// The log takes every record the codec can write, and several of the largest in one group.
fn with_limits(mut options: LogOptions) -> LogOptions {
    let longest = event::codec::RECORD_BYTES_MAX;
    options.max_record_bytes = options.max_record_bytes.max(longest);
    options.max_batch_bytes = options.max_batch_bytes.max(GROUP_BYTES);
    options
}

fn key_of(record: &Record) -> Option<u64> {
    match record {
        Record::Event(event) => Some(event.event_id.key()),
        Record::Label(label) => Some(text_key(label.subject.event_id.as_str(), LABELS)),
        Record::Outcome(outcome) => Some(text_key(outcome.subject.event_id.as_str(), OUTCOMES)),
        _ => None,
    }
}

fn decode(log: &mut Log, position: Position) -> Result<Record, NodeError> {
    let owned = log.read(log::Position(position.0))?;
    event::codec::decode(&owned.payload).map_err(|source| NodeError::Record { position, source })
}

/// The schema in a log's first record.
pub(crate) fn schema_of(first: &Record) -> Result<Schema, NodeError> {
    match first {
        Record::Config(config) if config.section == ConfigSection::Schema => {
            Ok(Schema::parse(&config.body)?)
        }
        Record::Config(config) => Err(NodeError::NoSchema {
            got: format!("a {} config", config.section.name()),
        }),
        _ => Err(NodeError::NoSchema {
            got: "another kind of record".to_owned(),
        }),
    }
}
