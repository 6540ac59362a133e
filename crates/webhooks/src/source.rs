//! What a tenant's log and its workflow tell, as notices.

use std::collections::BTreeSet;

use event::record::{Activation, Config, ConfigSection, Decision, Label};
use event::{Event, EventTime, Position, Record};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::{Invalid, WebhookError};
use crate::notice::{Kind, Notice};

/// Name of the log's cursor.
pub const LOG: &str = "log";
/// Name of the cursor over the changes of alerts and cases.
pub const CASES: &str = "cases";
/// Name of the cursor over alerts of drift: the position of the record that closed the window of the last.
pub const DRIFT: &str = "drift";
/// Name of the cursor over retrains.
pub const RETRAINS: &str = "retrains";

/// What is told in the words that the HTTP interface has for it; whoever has these words writes it down.
pub enum Happened<'a> {
    Decided {
        event: &'a Event,
        position: Position,
        decision: &'a Decision,
    },
    Labelled {
        position: Position,
        label: &'a Label,
    },
}

/// What is written of something that happened.
pub struct Written {
    pub data: Value,
    /// Of the request that did it, as a `traceparent` header says it.
    pub traceparent: Option<String>,
}

/// Reads a log in its order.
#[derive(Debug, Default)]
pub struct LogSource {
    /// The last record, if it is an event: its decision comes next, or never.
    event: Option<(Position, Event)>,
}

/// What a batch of records tells.
#[derive(Debug, Default)]
pub struct Told {
    /// The last record after which a reader can go on; `None`: the batch holds none. An event at the end is not
    /// behind it: a reader that starts anew needs it for its decision.
    pub upto: Option<u64>,
    pub notices: Vec<Notice>,
}

impl LogSource {
    /// Notices of the kinds that somebody wants.
    pub fn read(
        &mut self,
        batch: &[(Position, Record)],
        wanted: &BTreeSet<Kind>,
        write: impl Fn(&Happened<'_>) -> Written,
    ) -> Result<Told, WebhookError> {
        let mut told = Told::default();
        for (at, (position, record)) in batch.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| &batch[at]);
            let event = match before {
                Some((position, Record::Event(event))) => Some((*position, event)),
                Some(_) => None,
                None => self.event.as_ref().map(|(at, event)| (*at, event)),
            };
            told.notices
                .extend(notice(*position, record, event, wanted, &write)?);
        }
        self.event = None;
        told.upto = match batch.last() {
            Some((position, Record::Event(event))) => {
                self.event = Some((*position, event.clone()));
                position.0.checked_sub(1)
            }
            Some((position, _)) => Some(position.0),
            None => None,
        };
        Ok(told)
    }
}

fn notice(
    position: Position,
    record: &Record,
    before: Option<(Position, &Event)>,
    wanted: &BTreeSet<Kind>,
    write: impl Fn(&Happened<'_>) -> Written,
) -> Result<Option<Notice>, WebhookError> {
    let Some((kind, at)) = kind(record).filter(|(kind, _)| wanted.contains(kind)) else {
        return Ok(None);
    };
    let Written { data, traceparent } = match record {
        Record::Decision(decision) => {
            // Right behind its event; one that is not is of an event that retention has let go.
            let event = before.filter(|(at, _)| *at == decision.event_position);
            let Some((position, event)) = event else {
                return Ok(None);
            };
            write(&Happened::Decided {
                event,
                position,
                decision,
            })
        }
        Record::Label(label) => write(&Happened::Labelled { position, label }),
        Record::Config(config) => untraced(configured(position, config)),
        Record::Activation(activation) => untraced(activated(position, activation)),
        Record::Event(_) | Record::Outcome(_) | Record::Tick(_) => return Ok(None),
    };
    // With its time: a log whose end was cut off gives a position twice.
    let id = format!("log:{}:{}", position.0, at.millis());
    let notice = Notice::new(id, kind, at, &data)?;
    Ok(Some(match traceparent {
        Some(traceparent) => notice.traced(traceparent),
        None => notice,
    }))
}

fn untraced(data: Value) -> Written {
    Written {
        data,
        traceparent: None,
    }
}

fn kind(record: &Record) -> Option<(Kind, EventTime)> {
    match record {
        Record::Decision(decision) => Some((Kind::DecisionCreated, decision.decided_at)),
        Record::Label(label) => Some((Kind::LabelRecorded, label.received_at)),
        Record::Config(config) => {
            let kind = match config.section {
                // What the schema says is part of every tenant from its first record on.
                ConfigSection::Schema => return None,
                // What the watch over drift goes by decides nothing, but what is told of drift.
                ConfigSection::Policy | ConfigSection::Rates | ConfigSection::Drift => {
                    Kind::PolicyChanged
                }
                ConfigSection::Rules => Kind::RulesChanged,
                ConfigSection::Lists => Kind::ListsChanged,
            };
            Some((kind, config.at))
        }
        Record::Activation(activation) => Some((Kind::ModelChanged, activation.at)),
        Record::Event(_) | Record::Outcome(_) | Record::Tick(_) => None,
    }
}

/// Not the document itself, which may be a megabyte: who is told reads it where it is kept.
fn configured(position: Position, config: &Config) -> Value {
    json!({
        "section": config.section.name(),
        "version": config.version,
        "author": config.author.as_str(),
        "why": config.why.as_str(),
        "position": position.0,
    })
}

fn activated(position: Position, activation: &Activation) -> Value {
    let model = (activation.artifact != [0; 32]).then(|| event::hex(&activation.artifact));
    json!({
        "part": activation.part.name(),
        "model": model,
        "share_ppm": activation.share_ppm,
        "author": activation.author.as_str(),
        "why": activation.why.as_str(),
        "position": position.0,
    })
}

/// A change of an alert or a case, as whoever keeps them notes it.
#[derive(Clone, Copy, Debug)]
pub struct CaseChange<'a> {
    pub seq: u64,
    pub at: EventTime,
    pub actor: &'a str,
    /// `alert.created` is told as such; all else of an alert or a case as `case.updated`.
    pub action: &'a str,
    pub target: &'a str,
    /// JSON documents.
    pub before: Option<&'a str>,
    pub after: Option<&'a str>,
    pub why: Option<&'a str>,
}

impl CaseChange<'_> {
    /// `None`: nobody is told of it.
    pub fn notice(&self) -> Result<Option<Notice>, WebhookError> {
        let kind = match self.action.split_once('.') {
            Some(("alert", "created")) => Kind::AlertCreated,
            Some(("alert" | "case", _)) => Kind::CaseUpdated,
            _ => return Ok(None),
        };
        let data = ChangeBody {
            action: self.action,
            target: self.target,
            actor: self.actor,
            before: self.before.map(json_of).transpose()?,
            after: self.after.map(json_of).transpose()?,
            why: self.why,
        };
        // With its time: casework that is made anew counts from 1 again.
        let id = format!("case:{}:{}", self.seq, self.at.millis());
        Notice::new(id, kind, self.at, &data).map(Some)
    }
}

#[derive(Serialize)]
struct ChangeBody<'a> {
    action: &'a str,
    target: &'a str,
    actor: &'a str,
    before: Option<&'a RawValue>,
    after: Option<&'a RawValue>,
    why: Option<&'a str>,
}

fn json_of(text: &str) -> Result<&RawValue, WebhookError> {
    let read = serde_json::from_str(text);
    read.map_err(|error| Invalid::NoticeData(error.to_string()).into())
}
