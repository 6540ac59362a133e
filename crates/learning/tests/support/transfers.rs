//! Transfers among sixty accounts, one every two minutes; the dear ones to ten of them are fraud, told a
//! day later. A tenant can import the first days and decide the rest.

use std::ops::ControlFlow;

use event::json::{LabelLine, Line, parse_line};
use event::record::{Label, LabelSource, Record, Verdict};
use event::{Event, EventTime, Position, Schema, Span};
use model::artifact::{Artifact, TrainingWindow};
use model::producer::Producer;
use node::{History, Journal, Place, Tenant};
use ringfence_learning::boost::BoostConfig;
use ringfence_learning::dataset::{self, Labels, Range, Rows};
use ringfence_learning::fit::{self, Plan};

pub const PER_DAY: u64 = 720;

pub fn schema_text() -> String {
    include_str!("../../../../schemas/default.toml")
        .replace("maturity = \"14d\"", "maturity = \"1d\"")
}

pub fn schema() -> Schema {
    Schema::parse(&schema_text()).unwrap()
}

/// The start of a day of the world.
pub fn day(number: u64) -> EventTime {
    let origin = EventTime::parse_iso("2026-01-01T00:00:00Z").unwrap();
    origin.plus(Span::days(number as i64))
}

pub fn time_of(number: u64) -> EventTime {
    day(0).plus(Span::from_millis(number as i64 * 120_000))
}

fn mixed(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub fn transfer(number: u64, schema: &Schema) -> (Event, bool) {
    let draw = |salt: u64| mixed(number * 31 + salt * 0x9e37_79b9 + 1);
    let (payer, payee) = (draw(1) % 60, draw(2) % 60);
    let dear = draw(3) % 5 == 0 || payee < 10 && draw(4) % 2 == 0;
    let cents = 1_000 + draw(5) % 4_000 + if dear { 7_000 } else { 0 };
    let at = time_of(number);
    let line = format!(
        r#"{{"event_id":"e{number}","event_type":"transfer","event_timestamp":"{at}","account":"a{payer}","payee":"a{payee}","amount":"{}.{:02}"}}"#,
        cents / 100,
        cents % 100,
    );
    let Line::Event(event) = parse_line(&line, schema, None).unwrap() else {
        panic!("{line}");
    };
    (*event, dear && payee < 10)
}

/// The numbers of the frauds of which a label is told before this event.
fn told_before(number: u64, schema: &Schema) -> Option<u64> {
    let fraud = number.checked_sub(PER_DAY)?;
    transfer(fraud, schema).1.then_some(fraud)
}

fn known_at(event: &Event) -> EventTime {
    event.event_timestamp.plus(Span::days(1))
}

/// Events `from..until` and the labels told between them, as an import writes them.
pub fn import(place: &Place, from: u64, until: u64) {
    let schema = schema();
    let mut journal = match from {
        0 => Journal::create(place, &schema_text(), Default::default()).unwrap(),
        _ => Journal::open(place, Default::default()).unwrap().0,
    };
    let mut at: Vec<Position> = vec![Position(0); until as usize];
    for number in from..until {
        if let Some(fraud) = told_before(number, &schema) {
            let (event, _) = transfer(fraud, &schema);
            let known = known_at(&event);
            let held = match fraud < from {
                true => journal.check_event(&event).unwrap().unwrap(),
                false => at[fraud as usize],
            };
            let label = Label {
                subject: event.subject(held),
                verdict: Verdict::Fraud,
                source: LabelSource::Analyst,
                reason: Default::default(),
                confidence_percent: 100,
                label_timestamp: known,
                received_at: known,
                prior: None,
            };
            journal.append(&Record::Label(label)).unwrap();
        }
        let (event, _) = transfer(number, &schema);
        at[number as usize] = journal.append(&Record::Event(event)).unwrap();
    }
    journal.commit().unwrap();
}

/// Decides events `from..until`, labels told between them; `seen` gets each event's number and the tenant
/// just after its decision.
pub fn decide(tenant: &mut Tenant, from: u64, until: u64, mut seen: impl FnMut(u64, &Tenant)) {
    let schema = tenant.schema().clone();
    for number in from..until {
        if let Some(fraud) = told_before(number, &schema) {
            let (event, _) = transfer(fraud, &schema);
            let label = LabelLine {
                event_id: event.event_id.clone(),
                verdict: Verdict::Fraud,
                source: LabelSource::Analyst,
                reason: Default::default(),
                confidence_percent: 100,
                label_timestamp: known_at(&event),
            };
            tenant.label(&label, label.label_timestamp).unwrap();
        }
        let (event, _) = transfer(number, &schema);
        tenant.decide(event).unwrap();
        seen(number, tenant);
        if number.is_multiple_of(50) {
            tenant.commit().unwrap();
        }
    }
    tenant.commit().unwrap();
}

pub fn open(place: &Place) -> Tenant {
    let (tenant, recovered) = Tenant::open(place, Default::default(), |_, _| {}).unwrap();
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
    tenant
}

/// Training rows of some days, with what the producer says.
pub fn rows(place: &Place, from: u64, until: u64, producer: Option<&Producer>) -> Rows {
    let history = History::open(place).unwrap();
    let labels = Labels::read(&history, EventTime::END).unwrap();
    let range = Range {
        from: day(from),
        until: day(until),
        known_until: labels.last,
        rows_max: 1_000_000,
    };
    let go_on = |_, _| ControlFlow::Continue(());
    dataset::collect(
        place,
        dataset::Wanted {
            range,
            labels: &labels,
            producer,
            parts: graph::sample::SampleParts::Tabular,
        },
        go_on,
    )
    .unwrap()
}

pub fn config(seed: u64) -> BoostConfig {
    BoostConfig {
        rounds: 20,
        num_leaves: 6,
        seed,
        ..BoostConfig::default()
    }
}

/// A producer of the first `until` days.
pub fn producer(place: &Place, until: u64, seed: u64) -> Producer {
    let window = TrainingWindow {
        from: day(0).millis(),
        until: day(until).millis(),
    };
    fit::producer(&rows(place, 0, until, None), window, &config(seed)).unwrap()
}

/// A model of the days `from..until`, with its producer, in the tenant's folder.
pub fn model(
    place: &Place,
    from: u64,
    until: u64,
    producer: Option<Producer>,
    seed: u64,
) -> [u8; 32] {
    let schema = schema();
    let rows = rows(place, from, until, producer.as_ref());
    let features = graph::FeatureList::new(&schema);
    let go_on = |_| ControlFlow::Continue(());
    let plan = Plan::default();
    let fitted = fit::fit(&rows, &schema, &features, &config(seed), plan, go_on).unwrap();
    let artifact = Artifact {
        producer,
        ..fitted.artifact
    };
    save(place, &artifact)
}

fn save(place: &Place, artifact: &Artifact) -> [u8; 32] {
    std::fs::create_dir_all(place.models()).unwrap();
    let draft = place.models().join("draft");
    let identity = artifact.save(&draft).unwrap();
    std::fs::rename(draft, place.model(&identity.bytes())).unwrap();
    identity.bytes()
}
