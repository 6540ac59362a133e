//! A log as a tenant writes it: each event sampled, appended, applied, decided; labels and changes in between.

use std::ops::ControlFlow;

use engine::{ENGINE_SEMANTICS, Engine, NoScore, Scored};
use event::json::{Line, parse_line};
use event::record::{Config, ConfigSection, Decision, DecisionKind, ModelVersion, Record, Verdict};
use event::{Event, EventTime, Position, Schema, Span};
use graph::Sample;
use graph::sample::SampleParts;
use lists::Change;
use log::LogOptions;
use node::{Accepted, Journal, Place, Tenant};
use ringfence_backtest::{Costs, Plan, Report, Rulebook, run};
use serde_json::json;
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../../../schemas/default.toml");

pub const POLICY: &str = "[thresholds]\nchallenge = 400\nreview = 700\ndecline = 950\n";

pub fn at(minute: u64) -> EventTime {
    let start = EventTime::parse_iso("2026-01-01T00:00:00Z").unwrap();
    EventTime::from_millis(start.millis() + minute as i64 * 60_000)
}

/// One payment: its number names it, and says on which of a few accounts and devices it is.
#[derive(Clone, Copy)]
pub struct Payment {
    pub number: u64,
    pub minute: u64,
    /// Whole euros.
    pub amount: u64,
    pub score: u16,
}

impl Payment {
    /// One of many, ten minutes after the one before it; most scores are low.
    pub fn nth(number: u64) -> Payment {
        Payment {
            number,
            minute: number * 10,
            amount: 1 + number * 31 % 90,
            score: ((number * 37 % 1001).pow(2) / 1000) as u16,
        }
    }
}

pub struct Past {
    _dir: TempDir,
    pub place: Place,
    pub schema: Schema,
    journal: Option<Journal>,
    engine: Engine,
    sample: Sample,
    /// As they were taken live.
    pub decisions: Vec<(Event, Decision)>,
}

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 8 << 10,
        ..LogOptions::default()
    }
}

impl Past {
    pub fn new(policy: &str, rules: &str) -> Past {
        Past::of(SCHEMA, policy, rules)
    }

    /// What a label may still speak of is short, so that a log can let go of its beginning.
    pub fn forgetful(policy: &str, rules: &str) -> Past {
        let schema = SCHEMA
            .replace("horizon = \"180d\"", "horizon = \"1d\"")
            .replace("maturity = \"14d\"", "maturity = \"1d\"")
            .replace("dedup_window = \"7d\"", "dedup_window = \"1d\"");
        Past::of(&schema, policy, rules)
    }

    fn of(schema_text: &str, policy: &str, rules: &str) -> Past {
        let dir = TempDir::new().unwrap();
        let place = Place::new(dir.path(), "acme").unwrap();
        let journal = Journal::create(&place, schema_text, options()).unwrap();
        let schema = Schema::parse(schema_text).unwrap();
        let mut engine = Engine::new(&schema);
        // What the journal has written already: the schema.
        let history = node::History::open(&place).unwrap();
        let mut records = history.iter_from(Position(0)).unwrap();
        let (position, first) = records.next_record().unwrap().unwrap();
        engine.apply(position, &first);
        assert!(records.next_record().unwrap().is_none());
        let mut past = Past {
            _dir: dir,
            place,
            schema,
            journal: Some(journal),
            engine,
            sample: Sample::default(),
            decisions: Vec::new(),
        };
        past.set(ConfigSection::Policy, policy);
        past.set(ConfigSection::Rules, rules);
        past
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().unwrap()
    }

    fn append(&mut self, record: &Record) {
        let position = self.journal().append(record).unwrap();
        self.engine.apply(position, record);
    }

    /// Stamped with the newest event's time.
    pub fn set(&mut self, section: ConfigSection, body: &str) {
        let at = self.engine.newest_event().unwrap_or(at(0));
        self.engine.check_config(section, body, at).unwrap();
        self.append(&Record::Config(Config {
            at,
            section,
            version: self.engine.version_of(section) + 1,
            author: "test".into(),
            why: Default::default(),
            body: body.to_owned(),
        }));
    }

    pub fn change(&mut self, change: &Change) {
        self.set(ConfigSection::Lists, &change.encode().unwrap());
    }

    pub fn decide(&mut self, payment: Payment) {
        let scored = Scored {
            score: payment.score,
            probability_ppm: 1000,
            model: ModelVersion([1; 8]),
            reasons: Default::default(),
            evidence: Default::default(),
        };
        self.decide_by(payment, Ok(scored));
    }

    /// As if no model were in service: the payment's score is nobody's.
    pub fn decide_without_score(&mut self, payment: Payment) {
        self.decide_by(payment, Err(NoScore::NoModel));
    }

    fn decide_by(&mut self, payment: Payment, scored: Result<Scored, NoScore>) {
        let number = payment.number;
        let event = self.event(payment);
        self.engine
            .sample(&event, SampleParts::Tabular, &mut self.sample);
        let accepted = self.journal().accept_event(event.clone()).unwrap();
        let Accepted::New(position) = accepted else {
            panic!("e{number} is known already");
        };
        self.engine.apply(position, &Record::Event(event.clone()));
        let decision = self.engine.decide(&event, position, &self.sample, scored);
        let behind = self.journal().append_decision(&event, &decision).unwrap();
        self.engine
            .apply(behind, &Record::Decision(decision.clone()));
        self.decisions.push((event, decision));
    }

    fn event(&self, payment: Payment) -> Event {
        let number = payment.number;
        let line = json!({
            "event_id": format!("e{number}"),
            "event_type": "payment",
            "event_timestamp": at(payment.minute).to_string(),
            "account": format!("a{}", number % 13),
            "merchant": "m1",
            "device": format!("d{}", number % 7),
            "amount": format!("{}.00", payment.amount),
        });
        match parse_line(&line.to_string(), &self.schema, None).unwrap() {
            Line::Event(event) => *event,
            other => panic!("{other:?}"),
        }
    }

    pub fn label(&mut self, number: u64, verdict: Verdict, minute: u64) {
        let line = json!({
            "label": verdict.name(),
            "event_id": format!("e{number}"),
            "label_timestamp": at(minute).to_string(),
            "source": "chargeback",
        });
        let line = parse_line(&line.to_string(), &self.schema, None).unwrap();
        let Line::Label(line) = line else {
            panic!("no label: {line:?}");
        };
        let label = self.journal().resolve_label(&line, at(minute)).unwrap();
        self.append(&Record::Label(label.unwrap()));
    }

    pub fn commit(&mut self) {
        self.journal().commit().unwrap();
    }

    pub fn snapshot(&mut self) {
        let position = self.journal().commit().unwrap();
        let (engine, position) = (&self.engine, log::Position(position.0));
        let log = self.journal.as_mut().unwrap().log();
        log.write_snapshot(position, ENGINE_SEMANTICS, |to| engine.write_snapshot(to))
            .unwrap();
    }

    /// Lets go of what is older than labels may speak of. The log begins behind the first snapshots then.
    pub fn cut(&mut self) -> Position {
        self.commit();
        self.journal = None;
        let (mut tenant, _) = Tenant::open(&self.place, options(), |_, _| {}).unwrap();
        let covered = tenant.coverage().run().unwrap().unwrap();
        let retirement = tenant.retire(covered, Span::days(1), EventTime::END);
        retirement.unwrap().unwrap().run().unwrap();
        node::History::open(&self.place).unwrap().first()
    }

    /// Of a part of the log, by event time.
    pub fn between(&self, from: u64, until: u64) -> impl Iterator<Item = &(Event, Decision)> {
        let window = at(from)..at(until);
        let all = self.decisions.iter();
        all.filter(move |(event, _)| window.contains(&event.event_timestamp))
    }

    pub fn report(&self, plan: &Plan) -> Report {
        run(&self.place, plan, |_| ControlFlow::Continue(())).unwrap()
    }
}

pub fn book(rules: &str, policy: &str) -> Rulebook {
    Rulebook {
        rules: rules.to_owned(),
        policy: policy.to_owned(),
    }
}

/// From minute to minute.
pub fn plan(window: [u64; 2], current: Rulebook, candidate: Rulebook) -> Plan {
    Plan {
        from: at(window[0]),
        until: at(window[1]),
        current,
        candidate,
        costs: Costs::default(),
        scorer: None,
        samples: 5,
    }
}

/// Approved, challenged, reviewed, declined.
pub fn kinds<'a>(of: impl Iterator<Item = &'a (Event, Decision)>) -> [u64; 4] {
    let mut counts = [0; 4];
    for (_, decision) in of {
        let at = match decision.verdict {
            DecisionKind::Approve => 0,
            DecisionKind::Challenge => 1,
            DecisionKind::Review => 2,
            DecisionKind::Decline => 3,
        };
        counts[at] += 1;
    }
    counts
}
