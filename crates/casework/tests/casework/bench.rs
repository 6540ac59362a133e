//! The table on which tests lay things out: a log that is written by hand, a store, two people.

use std::path::{Path, PathBuf};

use event::json::{Line, parse_line};
use event::record::{
    Config, ConfigSection, Decision, DecisionKind, DecisionSource, Findings, Label, LabelSource,
    ModelVersion, Verdict,
};
use event::{Currency, Event, EventTime, Position, Record, Schema, Span};
use ringfence_casework::{Action, Actor, Case, Casework, CaseworkError, Refused, Settings};
use tempfile::TempDir;

pub const SCHEMA: &str = include_str!("../../../../schemas/default.toml");
pub const START: EventTime = EventTime::from_millis(1_780_000_000_000);

pub fn schema() -> Schema {
    Schema::parse(SCHEMA).unwrap()
}

pub fn at(minutes: i64) -> EventTime {
    START.plus(Span::minutes(minutes))
}

pub fn ann() -> Actor {
    Actor {
        name: "ann".to_owned(),
        is_admin: false,
    }
}

pub fn bob() -> Actor {
    Actor {
        name: "bob".to_owned(),
        is_admin: false,
    }
}

/// Records as a tenant writes them: a decision right behind its event.
pub struct Log {
    pub schema: Schema,
    pub records: Vec<(Position, Record)>,
}

/// A transfer of 100.00 with a probability of a half at minute `at`, unless it says otherwise.
#[derive(Clone)]
pub struct Transfer<'a> {
    pub account: &'a str,
    pub payee: &'a str,
    pub device: Option<&'a str>,
    pub ip: Option<&'a str>,
    pub amount: &'a str,
    pub currency: &'a str,
    pub at: i64,
    pub verdict: DecisionKind,
    pub source: DecisionSource,
    pub ppm: u32,
    pub findings: Findings,
}

pub fn transfer<'a>(account: &'a str, payee: &'a str) -> Transfer<'a> {
    Transfer {
        account,
        payee,
        device: None,
        ip: None,
        amount: "100.00",
        currency: "EUR",
        at: 0,
        verdict: DecisionKind::Review,
        source: DecisionSource::Model,
        ppm: 500_000,
        findings: Findings::default(),
    }
}

impl Log {
    pub fn new() -> Log {
        let mut log = Log {
            schema: schema(),
            records: Vec::new(),
        };
        log.config(ConfigSection::Schema, SCHEMA);
        log
    }

    fn push(&mut self, record: Record) -> Position {
        let position = Position(self.records.len() as u64);
        self.records.push((position, record));
        position
    }

    pub fn config(&mut self, section: ConfigSection, body: &str) {
        self.push(Record::Config(Config {
            at: START,
            section,
            version: 1,
            author: "test".into(),
            why: "".into(),
            body: body.to_owned(),
        }));
    }

    fn event(&self, transfer: &Transfer) -> Event {
        let mut fields = serde_json::json!({
            "event_id": format!("e{}", self.records.len()),
            "event_type": "transfer",
            "event_timestamp": at(transfer.at).to_string(),
            "account": transfer.account,
            "payee": transfer.payee,
            "device": transfer.device,
            "ip": transfer.ip,
        });
        if !transfer.amount.is_empty() {
            fields["amount"] = transfer.amount.into();
            fields["currency"] = transfer.currency.into();
        }
        let line = parse_line(&fields.to_string(), &self.schema, None).unwrap();
        let Line::Event(event) = line else {
            panic!("no event: {line:?}");
        };
        *event
    }

    /// Without a decision.
    pub fn history(&mut self, transfer: &Transfer) -> i64 {
        let event = self.event(transfer);
        self.push(Record::Event(event)).0 as i64
    }

    /// The event's position, which is its alert's id.
    pub fn decided(&mut self, transfer: &Transfer) -> i64 {
        let event = self.event(transfer);
        let decided_at = event.received_at;
        let event_position = self.push(Record::Event(event));
        self.push(Record::Decision(Decision {
            event_position,
            decided_at,
            suspicion: Default::default(),
            verdict: transfer.verdict,
            score: 700,
            probability_ppm: transfer.ppm,
            source: transfer.source,
            // A fallback is taken because no model has scored.
            model: match transfer.source {
                DecisionSource::Fallback => ModelVersion::default(),
                _ => ModelVersion([7; 8]),
            },
            policy_version: 1,
            rules_version: 0,
            propensity_ppm: 1_000_000,
            degraded: 0,
            reasons: Default::default(),
            evidence: Default::default(),
            findings: transfer.findings.clone(),
        }));
        event_position.0 as i64
    }

    pub fn labelled(
        &mut self,
        event: i64,
        verdict: Verdict,
        source: LabelSource,
        time: EventTime,
    ) -> i64 {
        let Record::Event(held) = &self.records[event as usize].1 else {
            panic!("{event} is no event");
        };
        let subject = held.subject(Position(event as u64));
        let label = Label {
            subject,
            verdict,
            source,
            reason: "".into(),
            confidence_percent: 100,
            label_timestamp: time,
            received_at: time,
            prior: None,
        };
        self.push(Record::Label(label)).0 as i64
    }
}

pub struct Desk {
    pub casework: Casework,
    pub path: PathBuf,
    /// Kept for as long as the file in it.
    _home: TempDir,
}

pub fn open(path: &Path) -> Casework {
    Casework::open(path, Currency::EUR).unwrap()
}

impl Desk {
    pub fn new() -> Desk {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("casework.db");
        Desk {
            casework: open(&path),
            path,
            _home: home,
        }
    }

    /// A desk at which a log has been followed to its end.
    pub fn of(log: &Log) -> Desk {
        let mut desk = Desk::new();
        desk.follow(log);
        desk
    }

    pub fn follow(&mut self, log: &Log) {
        let cursor = self.casework.cursor().unwrap().0 as usize;
        let rest = &log.records[cursor..];
        self.casework.follow(&log.schema, rest).unwrap();
    }

    pub fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.casework.settings().unwrap();
        change(&mut settings);
        let version = settings.version;
        let set = self
            .casework
            .set_settings(&ann(), version, settings, "a test", &schema(), START);
        set.unwrap();
    }

    pub fn case(&self, id: i64) -> Case {
        self.casework.case(id).unwrap().unwrap()
    }

    pub fn case_of(&self, alert: i64) -> Case {
        let alert = self.casework.alert(alert).unwrap().unwrap();
        self.case(alert.case_id)
    }

    /// At the version that the case has.
    pub fn act(
        &mut self,
        actor: &Actor,
        case: i64,
        action: Action,
        now: EventTime,
    ) -> Result<Case, Refused> {
        let version = self.case(case).version;
        refusal(self.casework.act(actor, case, version, &action, now))
    }

    /// Everything in the file.
    pub fn dump(&self) -> String {
        dump(&self.path)
    }
}

pub fn refusal<T>(result: Result<T, CaseworkError>) -> Result<T, Refused> {
    match result {
        Ok(done) => Ok(done),
        Err(CaseworkError::Refused(refused)) => Err(refused),
        Err(error) => panic!("{error}"),
    }
}

/// Every row of every table, as text.
pub fn dump(path: &Path) -> String {
    let db = rusqlite::Connection::open(path).unwrap();
    let mut tables = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        .unwrap();
    let names = tables
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(Result::unwrap);
    let mut out = String::new();
    for name in names {
        let mut rows = db.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = rows.column_count();
        let mut lines = rows
            .query_map([], |row| {
                let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
                values.collect::<rusqlite::Result<Vec<_>>>()
            })
            .unwrap()
            .map(|values| format!("{name} {:?}\n", values.unwrap()))
            .collect::<Vec<_>>();
        lines.sort();
        out.extend(lines);
    }
    out
}
