//! Generated histories: a schema, and steps that become records. Every part shrinks on its own.

use event::draft::{AmountText, Draft, DraftAmount, DraftValue};
use event::record::{
    Decision, DecisionKind, DecisionSource, Findings, Label, LabelSource, ModelVersion, Outcome,
    OutcomeKind, Tick, Verdict,
};
use event::schema::{Domain, Meaning};
use event::{AttributeIx, Event, EventTime, EventTypeIx, Position, Record, RoleIx, Schema, Span};
use proptest::prelude::*;

pub const START_MS: i64 = 1_700_000_000_000;

/// What differs between the schemas of generated histories.
#[derive(Clone, Debug)]
pub struct Shape {
    pub roles: u8,
    pub ring: u16,
    pub hidden: bool,
    pub explicit: bool,
    pub unit: &'static str,
    pub attributes: bool,
}

#[derive(Clone, Debug)]
pub enum Step {
    Event(EventStep),
    Label {
        target: u16,
        fraud: bool,
        delay_s: u16,
    },
    Outcome {
        target: u16,
        kind: u8,
        delay_s: u16,
    },
    Decision {
        target: u16,
        verdict: u8,
        suspicion: u16,
    },
    Tick {
        gap_s: u16,
    },
}

#[derive(Clone, Debug)]
pub struct EventStep {
    pub gap_s: u16,
    pub late_s: u16,
    pub event_type: u8,
    /// One small number per role; 0 leaves an optional role out.
    pub who: [u8; 8],
    pub amount: u32,
    pub foreign: bool,
    pub place: Option<(i8, i8)>,
    pub value: u8,
}

#[derive(Clone, Debug)]
pub struct History {
    pub shape: Shape,
    pub steps: Vec<Step>,
}

const ROLE_SETS: [&[(&str, &str, &str)]; 4] = [
    &[("account", "account", "subject")],
    &[
        ("account", "account", "subject"),
        ("payee", "account", "counterparty"),
        ("device", "device", "device"),
    ],
    &[
        ("ip", "ip", "ip"),
        ("terminal", "terminal", "counterparty"),
        ("customer", "customer", "subject"),
        ("card", "card", "instrument"),
        ("place", "place", "location"),
    ],
    &[
        ("account", "account", "subject"),
        ("payee", "account", "counterparty"),
        ("agent", "account", "other"),
        ("card", "card", "instrument"),
        ("device", "device", "device"),
        ("ip", "ip", "ip"),
        ("place", "place", "location"),
        ("shop", "shop", "other"),
    ],
];

const ATTRIBUTES: &str = r#"
[[attributes]]
name = "speed"
type = "categorical"
max_values = 3
meaning = "cohort"
[[attributes]]
name = "balance"
type = "numeric"
min = -1000
max = 1e9
meaning = "balance_before"
[[attributes]]
name = "lat"
type = "numeric"
min = -90
max = 90
meaning = "latitude"
[[attributes]]
name = "lon"
type = "numeric"
min = -180
max = 180
meaning = "longitude"
"#;

impl Shape {
    pub fn schema(&self) -> Schema {
        let roles = ROLE_SETS[usize::from(self.roles) % ROLE_SETS.len()];
        let mut kinds: Vec<&str> = roles.iter().map(|role| role.1).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut text = format!(
            "schema_version = 1\nname = \"generated\"\nbase_currency = \"EUR\"\nreport_thresholds = [\"100.00\"]\n\
             [time]\nunit = \"{}\"\nsimultaneous = \"{}\"\nwindows = [\"40s\", \"200s\", \"600s\", \"1600s\"]\n\
             sequence = \"1500s\"\nrecent = \"300s\"\nidle_expiry = \"2000s\"\ndedup_window = \"7d\"\n\
             [labels]\nhorizon = \"5000s\"\nmaturity = \"300s\"\nlegitimate = \"{}\"\n",
            self.unit,
            if self.hidden { "hidden" } else { "ordered" },
            if self.explicit {
                "explicit"
            } else {
                "presumed"
            },
        );
        for kind in kinds {
            text += &format!("[[kinds]]\nname = \"{kind}\"\nring = {}\n", self.ring);
        }
        for (name, kind, part) in roles {
            text +=
                &format!("[[roles]]\nname = \"{name}\"\nkind = \"{kind}\"\npart = \"{part}\"\n");
        }
        for (name, class) in [
            ("payment", "payment"),
            ("transfer", "transfer"),
            ("deposit", "deposit"),
            ("login", "login"),
            ("profile_change", "profile_change"),
            ("other", "other"),
        ] {
            text += &format!("[[event_types]]\nname = \"{name}\"\nclass = \"{class}\"\n");
        }
        if self.attributes {
            text += ATTRIBUTES;
        }
        Schema::parse(&text).unwrap()
    }
}

pub fn shape(rings: Vec<u16>) -> impl Strategy<Value = Shape> {
    (
        0_u8..4,
        prop::sample::select(rings),
        any::<bool>(),
        any::<bool>(),
        prop::sample::select(vec!["second", "row", "day"]),
        any::<bool>(),
    )
        .prop_map(|(roles, ring, hidden, explicit, unit, attributes)| Shape {
            roles,
            ring,
            hidden,
            explicit,
            unit,
            attributes,
        })
}

fn event_step() -> impl Strategy<Value = EventStep> {
    (
        prop_oneof![6 => Just(0_u16), 12 => 1_u16..60, 3 => 60_u16..700, 1 => 1500_u16..5000],
        prop_oneof![9 => Just(0_u16), 1 => 1_u16..300, 1 => 300_u16..5000],
        prop_oneof![4 => Just(0_u8), 4 => Just(1_u8), 2 => 2_u8..6],
        prop::array::uniform8(prop_oneof![1 => Just(0_u8), 6 => 1_u8..6]),
        prop_oneof![4 => Just(9_500_u32), 6 => 0_u32..20_000, 1 => 1_000_000_u32..2_000_000],
        prop::bool::weighted(0.1),
        prop::option::of((-89_i8..90, -120_i8..120)),
        0_u8..6,
    )
        .prop_map(
            |(gap_s, late_s, event_type, who, amount, foreign, place, value)| EventStep {
                gap_s,
                late_s,
                event_type,
                who,
                amount,
                foreign,
                place,
                value,
            },
        )
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => event_step().prop_map(Step::Event),
        3 => (any::<u16>(), any::<bool>(), prop_oneof![3 => 0_u16..50, 1 => 50_u16..5000])
            .prop_map(|(target, fraud, delay_s)| Step::Label { target, fraud, delay_s }),
        2 => (any::<u16>(), 0_u8..7, 0_u16..40)
            .prop_map(|(target, kind, delay_s)| Step::Outcome { target, kind, delay_s }),
        3 => (0_u16..6, 0_u8..4, any::<u16>())
            .prop_map(|(target, verdict, suspicion)| Step::Decision { target, verdict, suspicion }),
        1 => (0_u16..300).prop_map(|gap_s| Step::Tick { gap_s }),
    ]
}

pub fn history(rings: Vec<u16>, steps_max: usize) -> impl Strategy<Value = History> {
    (shape(rings), prop::collection::vec(step(), 1..steps_max))
        .prop_map(|(shape, steps)| History { shape, steps })
}

/// Turns steps into records. Labels carry their prior, as the node would write them.
pub struct Writer {
    schema: Schema,
    now: EventTime,
    pub records: Vec<Record>,
    events: Vec<(Position, Event)>,
    labels: Vec<Option<(Verdict, Position)>>,
}

impl Writer {
    pub fn new(schema: &Schema) -> Writer {
        Writer {
            schema: schema.clone(),
            now: EventTime::from_millis(START_MS),
            records: Vec::new(),
            events: Vec::new(),
            labels: Vec::new(),
        }
    }

    pub fn write(&mut self, step: &Step) {
        let at = Position(self.records.len() as u64);
        let record = match step {
            Step::Event(step) => {
                let event = self.event(step);
                self.events.push((at, event.clone()));
                self.labels.push(None);
                Record::Event(event)
            }
            Step::Tick { gap_s } => {
                self.pass(*gap_s);
                Record::Tick(Tick { at: self.now })
            }
            _ if self.events.is_empty() => Record::Tick(Tick { at: self.now }),
            Step::Label {
                target,
                fraud,
                delay_s,
            } => {
                self.pass(*delay_s);
                self.label(at, usize::from(*target) % self.events.len(), *fraud)
            }
            Step::Outcome {
                target,
                kind,
                delay_s,
            } => {
                self.pass(*delay_s);
                let (position, event) = &self.events[usize::from(*target) % self.events.len()];
                Record::Outcome(Outcome {
                    subject: event.subject(*position),
                    kind: OutcomeKind::ALL[usize::from(*kind) % OutcomeKind::ALL.len()],
                    outcome_timestamp: self.now,
                    received_at: self.now,
                })
            }
            Step::Decision {
                target,
                verdict,
                suspicion,
            } => {
                let back = usize::from(*target) % self.events.len();
                let (position, event) = &self.events[self.events.len() - 1 - back];
                let verdict = DecisionKind::ALL[usize::from(*verdict) % 4];
                Record::Decision(decision(*position, event, verdict, *suspicion))
            }
        };
        self.records.push(record);
    }

    fn pass(&mut self, seconds: u16) {
        self.now = self.now.plus(Span::seconds(i64::from(seconds)));
    }

    fn label(&mut self, at: Position, target: usize, fraud: bool) -> Record {
        let (position, event) = &self.events[target];
        let verdict = if fraud {
            Verdict::Fraud
        } else {
            Verdict::Legitimate
        };
        let prior = self.labels[target];
        // Past the horizon nothing is applied, so there is nothing to take back later either.
        if self.now.since(event.event_timestamp) <= self.schema.labels.horizon {
            self.labels[target] = Some((verdict, at));
        }
        Record::Label(Label {
            subject: event.subject(*position),
            verdict,
            source: LabelSource::Analyst,
            reason: Default::default(),
            confidence_percent: 100,
            label_timestamp: self.now,
            received_at: self.now,
            prior,
        })
    }

    fn event(&mut self, step: &EventStep) -> Event {
        self.pass(step.gap_s);
        let event_type = EventTypeIx(step.event_type % self.schema.event_types.len() as u8);
        let subject = self.schema.part(event::schema::Part::Subject).unwrap();
        let names: Vec<(RoleIx, String)> = (0..self.schema.roles.len())
            .map(|role| (RoleIx(role as u8), step.who[role]))
            .filter(|(role, who)| *who != 0 || *role == subject)
            .map(|(role, who)| (role, format!("n{who}")))
            .collect();
        let money = self.schema.event_types[event_type.index()]
            .class
            .moves_money();
        let event_timestamp = self.now.minus(Span::seconds(i64::from(step.late_s)));
        let value = format!("v{}", step.value);
        let draft = Draft {
            // Spread over the alphabet, so that order by id is not order of arrival.
            event_id: &format!("{}-{}", (self.events.len() * 7) % 10, self.events.len()),
            event_type,
            event_timestamp,
            received_at: event_timestamp,
            entities: names
                .iter()
                .map(|(role, name)| (*role, name.as_str()))
                .collect(),
            amount: money.then_some(DraftAmount {
                value: AmountText::Minor(i64::from(step.amount)),
                currency: if step.foreign { "USD" } else { "EUR" },
            }),
            attributes: (0..self.schema.attributes.len())
                .filter_map(|ix| Some((AttributeIx(ix as u8), self.attribute(ix, step, &value)?)))
                .collect(),
        };
        draft.validate(&self.schema).unwrap()
    }

    fn attribute<'a>(&self, ix: usize, step: &EventStep, value: &'a str) -> Option<DraftValue<'a>> {
        let attribute = &self.schema.attributes[ix];
        match (&attribute.domain, attribute.meaning) {
            (Domain::Categorical { .. }, _) => (step.value != 0).then_some(DraftValue::Text(value)),
            (_, Meaning::Latitude) => step.place.map(|it| DraftValue::Number(f64::from(it.0))),
            (_, Meaning::Longitude) => step.place.map(|it| DraftValue::Number(f64::from(it.1))),
            _ => Some(DraftValue::Number(f64::from(step.value) * 100.0 - 100.0)),
        }
    }
}

fn decision(position: Position, event: &Event, verdict: DecisionKind, suspicion: u16) -> Decision {
    Decision {
        event_position: position,
        decided_at: event.received_at,
        suspicion: [(0, suspicion)].into_iter().collect(),
        verdict,
        score: 500,
        probability_ppm: 500_000,
        source: DecisionSource::Model,
        model: ModelVersion::default(),
        policy_version: 0,
        rules_version: 0,
        propensity_ppm: 1_000_000,
        degraded: 0,
        reasons: Default::default(),
        evidence: Default::default(),
        findings: Findings::default(),
    }
}

impl History {
    pub fn records(&self, schema: &Schema) -> Vec<Record> {
        let mut writer = Writer::new(schema);
        for step in &self.steps {
            writer.write(step);
        }
        writer.records
    }
}
