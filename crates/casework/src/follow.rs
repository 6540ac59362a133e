//! The tenant's log into alerts and cases: one transaction a batch, the cursor in it, so that a crash
//! neither loses an alert nor makes one twice.
//!
//! What the log alone decides is a function of the log: an alert's id is its event's position, a case's id
//! that of the alert which opened it, times are those of the records. No clock is read.

mod arrival;
mod group;
mod knowledge;

pub(crate) use arrival::id_of;

use event::rates::RateTable;
use event::record::{ConfigSection, Decision, DecisionKind};
use event::{Event, Position, Record, Schema};
use rusqlite::Connection;

use crate::error::CaseworkError;
use crate::settings::Settings;
use crate::store::{Casework, begin, get, put, put_cursor, read_settings, unreadable};
use crate::{counts, waiting};

/// What a batch has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    pub records: u64,
    pub alerts: u64,
    pub cases_opened: u64,
    pub cases_merged: u64,
    pub labels: u64,
    /// Labels that had waited for an event of the batch.
    pub arrived: u64,
    /// Decisions whose event is not the record before theirs: it was let go before this store saw it.
    pub without_event: u64,
}

/// What every record of a batch is read with.
pub(crate) struct Around<'a> {
    pub schema: &'a Schema,
    pub settings: Settings,
    pub rates: RateTable,
    /// Labels that wait for an event.
    pub awaited: i64,
}

/// The event at the cursor whose decision is the next record, as log bytes.
const TAIL: &str = "tail";
const RATES: &str = "rates";

impl Casework {
    /// Takes in records from the cursor on. Those before it are known already and are passed over.
    pub fn follow(
        &mut self,
        schema: &Schema,
        batch: &[(Position, Record)],
    ) -> Result<Followed, CaseworkError> {
        let mut followed = Followed::default();
        let cursor = self.cursor()?;
        let known = batch.partition_point(|(position, _)| *position < cursor);
        let batch = &batch[known..];
        if batch.is_empty() {
            return Ok(followed);
        }
        // What the log gives again needs no sync of its own: of a batch that says nothing only the cursor is new.
        let speaks = batch.iter().any(|(_, record)| speaks(record));
        let synchronous = if speaks { "full" } else { "normal" };
        self.db.pragma_update(None, "synchronous", synchronous)?;
        let followed_to = self.follow_in(schema, cursor, batch, &mut followed);
        self.db.pragma_update(None, "synchronous", "full")?;
        followed_to.map(|()| followed)
    }

    fn follow_in(
        &mut self,
        schema: &Schema,
        cursor: Position,
        batch: &[(Position, Record)],
        followed: &mut Followed,
    ) -> Result<(), CaseworkError> {
        let base = self.base;
        let tx = begin(&mut self.db)?;
        let mut around = Around {
            schema,
            settings: read_settings(&tx, base)?,
            rates: read_rates(&tx)?,
            awaited: waiting::count(&tx)?,
        };
        let mut next = cursor;
        let kept = read_tail(&tx)?;
        let mut before = kept.as_ref();
        for (position, record) in batch {
            if *position != next {
                let (expected, got) = (next.0, position.0);
                return Err(CaseworkError::Gap { expected, got });
            }
            next = Position(position.0 + 1);
            one(&tx, &mut around, *position, record, before, followed)?;
            before = match record {
                Record::Event(event) => Some(event),
                _ => None,
            };
        }
        followed.records = batch.len() as u64;
        write_tail(&tx, before)?;
        put_cursor(&tx, next)?;
        Ok(tx.commit()?)
    }

    /// Starts later than the cursor: what lies between has been removed from the log.
    pub fn skip_to(&mut self, position: Position) -> Result<(), CaseworkError> {
        let tx = begin(&mut self.db)?;
        write_tail(&tx, None)?;
        put_cursor(&tx, position)?;
        Ok(tx.commit()?)
    }
}

/// Whether more than the cursor may change.
fn speaks(record: &Record) -> bool {
    match record {
        Record::Decision(decision) => {
            let by_rule = decision
                .findings
                .rules
                .iter()
                .any(|hit| hit.alert.is_some());
            decision.verdict != DecisionKind::Approve || by_rule
        }
        Record::Label(_) => true,
        Record::Config(config) => config.section == ConfigSection::Rates,
        Record::Event(_) | Record::Outcome(_) | Record::Tick(_) | Record::Activation(_) => false,
    }
}

fn one(
    db: &Connection,
    around: &mut Around,
    position: Position,
    record: &Record,
    before: Option<&Event>,
    followed: &mut Followed,
) -> Result<(), CaseworkError> {
    match record {
        Record::Decision(decision) => {
            counts::decided(db, decision)?;
            match before {
                Some(event) if decision.event_position.0 + 1 == position.0 => {
                    decided(db, around, event, decision, followed)
                }
                _ => {
                    followed.without_event += 1;
                    Ok(())
                }
            }
        }
        Record::Event(event) if around.awaited > 0 => {
            let arrived = waiting::came(db, event.event_id.as_str())?;
            around.awaited -= arrived;
            followed.arrived += arrived as u64;
            Ok(())
        }
        Record::Label(label) => {
            counts::labelled(db, label)?;
            followed.labels += u64::from(knowledge::labelled(db, around, position, label)?);
            Ok(())
        }
        Record::Config(config) if config.section == ConfigSection::Rates => {
            // The engine passes over rates that it cannot read, and so does this.
            if let Ok(rates) = RateTable::parse(&config.body) {
                put(db, RATES, rates.body())?;
                around.rates = rates;
            }
            Ok(())
        }
        Record::Event(_)
        | Record::Outcome(_)
        | Record::Tick(_)
        | Record::Config(_)
        | Record::Activation(_) => Ok(()),
    }
}

fn decided(
    db: &Connection,
    around: &Around,
    event: &Event,
    decision: &Decision,
    followed: &mut Followed,
) -> Result<(), CaseworkError> {
    let Some(alert) = arrival::alert(around, event, decision) else {
        return Ok(());
    };
    followed.alerts += 1;
    let grouped = group::place(db, around, alert, event)?;
    followed.cases_opened += u64::from(grouped.opened);
    followed.cases_merged += grouped.merged;
    Ok(())
}

fn read_rates(db: &Connection) -> Result<RateTable, CaseworkError> {
    let body: String = get(db, RATES)?.unwrap_or_default();
    RateTable::parse(&body).map_err(|error| unreadable("rates", &error))
}

fn read_tail(db: &Connection) -> Result<Option<Event>, CaseworkError> {
    let bytes: Vec<u8> = get(db, TAIL)?.unwrap_or_default();
    if bytes.is_empty() {
        return Ok(None);
    }
    match event::codec::decode(&bytes) {
        Ok(Record::Event(event)) => Ok(Some(event)),
        Ok(_) => Ok(None),
        Err(error) => Err(unreadable("event", &error)),
    }
}

fn write_tail(db: &Connection, event: Option<&Event>) -> Result<(), CaseworkError> {
    let mut bytes = Vec::new();
    if let Some(event) = event {
        event::codec::encode(&Record::Event(event.clone()), &mut bytes);
    }
    put(db, TAIL, bytes)?;
    Ok(())
}
