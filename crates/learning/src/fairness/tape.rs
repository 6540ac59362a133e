//! The observable stream in brief, with the oracle's word beside each event.

use std::collections::HashMap;

use event::record::{AttributeValue, Outcome, OutcomeKind, Record};
use event::schema::Part;
use event::{Event, Position, RoleIx, Schema};
use node::{History, NodeError};

use super::form::Forms;
use crate::oracle::{Oracle, Role};

/// No entity in this role.
pub const NOBODY: u32 = u32::MAX;

pub struct Tape {
    pub rows: Vec<Row>,
    pub forms: Forms,
    /// Raw columns, one value a row each: numbers as they are, words and ids by a number of their own.
    pub raw: Vec<(String, Vec<f32>)>,
    numbers: HashMap<(u8, String), u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub position: Position,
    /// Milliseconds.
    pub time: i64,
    pub event_type: u8,
    /// Number of the first categorical attribute's value: the channel.
    pub channel: u32,
    pub amount: Option<i64>,
    pub account: u32,
    pub payee: u32,
    /// Devices and merchants: what accounts share.
    pub shared: [u32; 2],
    /// A transfer from the account; a deposit has money come in.
    pub is_transfer: bool,
    pub truth: Truth,
    /// False where the bank or a challenge stopped it.
    pub moved: bool,
    /// The account acts as a mule here.
    pub is_mule: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    Ordinary,
    /// Number of the structure.
    Known(Role, u32),
}

impl Row {
    pub fn is_fraud(&self) -> bool {
        matches!(self.truth, Truth::Known(Role::Fraud, _))
    }

    pub fn ring(&self) -> Option<u32> {
        match self.truth {
            Truth::Known(Role::Fraud | Role::Cover, ring) => Some(ring),
            _ => None,
        }
    }

    pub fn hour(&self) -> i64 {
        self.time.rem_euclid(86_400_000) / 3_600_000
    }
}

/// Roles the audit looks at, by their part in the schema.
struct Roles {
    account: Option<RoleIx>,
    payee: Option<RoleIx>,
    shared: [Option<RoleIx>; 2],
    transfer: Option<u8>,
}

impl Tape {
    pub fn read(history: &History, oracle: &Oracle) -> Result<Tape, NodeError> {
        let schema = history.schema();
        let mut tape = Tape::new(schema);
        let mut records = history.iter_from(Position(0))?;
        while let Some((position, record)) = records.next_record()? {
            match record {
                Record::Event(event) => tape.push(&event, position, schema, oracle),
                Record::Outcome(outcome) => tape.stop(&outcome),
                _ => {}
            }
        }
        tape.forms.finish();
        Ok(tape)
    }

    fn stop(&mut self, outcome: &Outcome) {
        use OutcomeKind::{ChallengeFailed, Declined, Failed};
        let position = outcome.subject.position;
        let held = self
            .rows
            .binary_search_by_key(&position, |row| row.position);
        if let (Ok(row), Declined | Failed | ChallengeFailed) = (held, outcome.kind) {
            self.rows[row].moved = false;
        }
    }

    pub fn new(schema: &Schema) -> Tape {
        let mut names = vec!["event_type".to_owned(), "amount".to_owned()];
        names.extend(["hour", "weekday"].map(str::to_owned));
        names.extend(schema.attributes.iter().map(|it| it.name.clone()));
        names.extend(schema.roles.iter().map(|it| it.name.clone()));
        Tape {
            rows: Vec::new(),
            forms: Forms::new(schema),
            raw: names.into_iter().map(|name| (name, Vec::new())).collect(),
            numbers: HashMap::new(),
        }
    }

    pub fn push(&mut self, event: &Event, position: Position, schema: &Schema, oracle: &Oracle) {
        let roles = Roles {
            account: schema.part(Part::Subject),
            payee: schema.part(Part::Counterparty),
            shared: [schema.role("device"), schema.role("merchant")],
            transfer: schema.event_type("transfer").map(|it| it.index() as u8),
        };
        self.forms.push(event, schema);
        let channel = event.attributes.iter().find_map(|(ix, value)| match value {
            AttributeValue::Category(word) => Some((*ix, word.as_str())),
            _ => None,
        });
        let channel = channel.map_or(NOBODY, |(ix, word)| {
            self.number(128 + ix.index() as u8, word)
        });
        let secret = oracle.secret(event.event_id.as_str());
        let truth = match secret {
            Some(secret) => Truth::Known(secret.role, secret.structure),
            None => Truth::Ordinary,
        };
        let mut who = |role: Option<RoleIx>| {
            let id = role.and_then(|role| Some((role, event.entity(role)?)));
            id.map_or(NOBODY, |(role, id)| {
                self.number(schema.roles[role.index()].kind.0, id.as_str())
            })
        };
        let row = Row {
            position,
            time: event.event_timestamp.millis(),
            event_type: event.event_type.index() as u8,
            channel,
            amount: event.amount.map(|it| it.minor),
            account: who(roles.account),
            payee: who(roles.payee),
            shared: roles.shared.map(&mut who),
            is_transfer: roles.transfer == Some(event.event_type.index() as u8),
            truth,
            moved: true,
            is_mule: secret.is_some_and(|it| it.is_mule),
        };
        self.rows.push(row);
        self.push_raw(event, &row, schema);
    }

    fn push_raw(&mut self, event: &Event, row: &Row, schema: &Schema) {
        let days = row.time.div_euclid(86_400_000);
        let mut cells = vec![
            f32::from(row.event_type),
            row.amount.map_or(f32::NAN, |it| it as f32),
            row.hour() as f32,
            days.rem_euclid(7) as f32,
        ];
        for ix in 0..schema.attributes.len() {
            let held = event.attributes.iter().find(|it| it.0.index() == ix);
            cells.push(match held.map(|it| &it.1) {
                Some(AttributeValue::Number(value)) => *value as f32,
                Some(AttributeValue::Category(word) | AttributeValue::Text(word)) => {
                    self.number(128 + ix as u8, word) as f32
                }
                None => f32::NAN,
            });
        }
        for role in 0..schema.roles.len() {
            let held = event.entities.iter().find(|it| it.0.index() == role);
            cells.push(held.map_or(f32::NAN, |(_, id)| {
                // by a hash: a number of first appearance would tell an id's age
                let bits = id
                    .as_str()
                    .bytes()
                    .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
                    });
                (bits >> 40) as f32
            }));
        }
        for (column, cell) in self.raw.iter_mut().zip(cells) {
            column.1.push(cell);
        }
    }

    /// In the order of first appearance.
    fn number(&mut self, space: u8, text: &str) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry((space, text.to_owned())).or_insert(next)
    }
}
