//! An engine that is told and asked as a shell does it.

use event::json::{Line, parse_line};
use event::record::{
    Config, ConfigSection, Decision, DecisionKind, DecisionSource, ModelVersion, Record,
};
use event::{Event, EventTime, Position, Schema};
use graph::Sample;
use graph::sample::SampleParts;
use lists::{Change, Definition, Effect, Form, NewItem, Value};
use ringfence_engine::{ConfigError, Effect as Done, Engine, NoScore, Scored};

pub const POLICY: &str = "[thresholds]\nchallenge = 300\nreview = 600\ndecline = 900\n";
const NOW: &str = "2026-03-01T12:00:00Z";

pub const TEXT: Form = Form::Text { fold: false };
pub const BLOCK: Effect = Effect::Block { overridable: true };
pub const BLOCK_ALWAYS: Effect = Effect::Block { overridable: false };

pub fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

pub struct World {
    pub schema: Schema,
    pub engine: Engine,
    pub next: u64,
}

impl World {
    pub fn new() -> World {
        let schema = Schema::parse(include_str!("../../../../schemas/default.toml")).unwrap();
        let engine = Engine::new(&schema);
        let mut world = World {
            schema,
            engine,
            next: 0,
        };
        world.set(ConfigSection::Policy, POLICY).unwrap();
        world
    }

    /// As a shell does: checked, then written.
    pub fn set(&mut self, section: ConfigSection, body: &str) -> Result<(), ConfigError> {
        let at = EventTime::parse_iso("2026-03-01T00:00:00Z").unwrap();
        self.engine.check_config(section, body, at)?;
        let version = self.engine.version_of(section) + 1;
        let config = Config {
            at,
            section,
            version,
            author: "ann".into(),
            why: Default::default(),
            body: body.to_owned(),
        };
        let effect = self
            .engine
            .apply(Position(self.next), &Record::Config(config));
        self.next += 1;
        assert_eq!(effect, Done::Configured(section, version));
        Ok(())
    }

    pub fn change(&mut self, change: &Change) -> Result<(), ConfigError> {
        self.set(ConfigSection::Lists, &change.encode().unwrap())
    }

    pub fn list(&mut self, name: &str, on: &str, form: Form, effect: Effect, value: Value) {
        let (name, on) = (name.to_owned(), on.to_owned());
        let item = NewItem {
            value,
            expires: None,
            reason: String::new(),
        };
        let list = name.clone();
        let definition = Definition {
            name,
            on,
            form,
            effect,
        };
        self.change(&Change::Create(definition)).unwrap();
        let items = vec![item];
        self.change(&Change::Put { list, items }).unwrap();
    }

    fn event(&self, id: &str, more: &str) -> Event {
        let text = format!(
            r#"{{"event_id":"{id}","event_type":"payment","event_timestamp":"{NOW}","received_at":"{NOW}","account":"a1","merchant":"m1","device":"d1","ip":"10.1.2.3","amount":"600.00"{more}}}"#
        );
        match parse_line(&text, &self.schema, None).unwrap() {
            Line::Event(event) => *event,
            other => panic!("{other:?}"),
        }
    }

    pub fn decide(&mut self, id: &str, more: &str, scored: Result<Scored, NoScore>) -> Decision {
        let event = self.event(id, more);
        let mut sample = Sample::default();
        self.engine
            .sample(&event, SampleParts::Tabular, &mut sample);
        let position = Position(self.next);
        self.engine.apply(position, &Record::Event(event.clone()));
        let decision = self.engine.decide(&event, position, &sample, scored);
        self.engine
            .apply(Position(self.next + 1), &Record::Decision(decision.clone()));
        self.next += 2;
        decision
    }
}

pub fn scored(score: u16) -> Result<Scored, NoScore> {
    Ok(Scored {
        score,
        probability_ppm: 250_000,
        model: ModelVersion([1; 8]),
        reasons: Default::default(),
        evidence: [Position(3)].into_iter().collect(),
    })
}

pub fn taken(decision: &Decision) -> (DecisionKind, DecisionSource) {
    (decision.verdict, decision.source)
}
