//! Old segments go while the tenant decides; what is left gives the same state, and what must stay stays.

use std::fs;
use std::thread;

use event::json::{LabelLine, Line};
use event::record::Record;
use event::{EventId, EventTime, Position, Span};
use log::LogOptions;
use ringfence_node::request::{Answer, Failed, Request};
use ringfence_node::shadow::store::{Entry, ScoreWriter, read};
use ringfence_node::tenant::documents::Author;
use ringfence_node::tenant::lineup::Move;
use ringfence_node::{History, NodeError, Place, Tenant, backup, channel};

use crate::desk::{Desk, SCHEMA, SOON, ask, decide, parse, payment_of, settings, until};

const KEEP: Span = Span::days(3);
/// One every half hour of January.
const EVENTS: u32 = 1400;

fn desk() -> Desk {
    desk_that_keeps(Some(KEEP))
}

fn desk_that_keeps(keep: Option<Span>) -> Desk {
    let mut settings = settings();
    settings.owner.snapshot_records = 100;
    settings.owner.keep = keep;
    settings.owner.log.segment_bytes = 8 << 10;
    let schema = SCHEMA
        .replace("horizon = \"180d\"", "horizon = \"2d\"")
        .replace("maturity = \"14d\"", "maturity = \"1d\"")
        .replace("dedup_window = \"7d\"", "dedup_window = \"1d\"");
    Desk::with_schema(settings, &schema)
}

fn event(at: u32) -> event::Event {
    payment_of(30 * at, &format!("a{}", at % 7), 10 + at % 90)
}

fn fill(desk: &Desk, events: std::ops::Range<u32>) {
    let tenant = desk.tenant("acme");
    for at in events {
        decide(&tenant, event(at)).unwrap();
    }
}

fn label(at: u32, when: &str) -> LabelLine {
    let text = format!(
        r#"{{"event_id":"e{}","label":"fraud","source":"analyst","label_timestamp":"{when}"}}"#,
        30 * at
    );
    match parse(&text) {
        Line::Label(line) => line,
        other => panic!("{other:?}"),
    }
}

fn place(desk: &Desk) -> Place {
    Place::new(desk.dir.path(), "acme").unwrap()
}

/// From the oldest snapshot on, record by record.
fn replayed(place: &Place) -> [u8; 32] {
    let history = History::open(place).unwrap();
    let mut engine = history.start().unwrap();
    let mut records = history.iter_from(engine.next()).unwrap();
    while let Some((position, record)) = records.next_record().unwrap() {
        channel::apply(&mut engine, place, position, &record).unwrap();
    }
    engine.digest()
}

fn opened(place: &Place) -> [u8; 32] {
    let (tenant, recovered) = Tenant::open(place, LogOptions::default(), |_, _| {}).unwrap();
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
    tenant.engine().digest()
}

/// Of a model that is named by it.
fn scores_until(place: &Place, position: u64) -> [u8; 32] {
    let mut model = [0; 32];
    model[..8].copy_from_slice(&position.to_be_bytes());
    let (mut writer, _) = ScoreWriter::open(place, model, 1 << 20).unwrap();
    let entry = |position| Entry {
        position: Position(position),
        at: event(0).event_timestamp,
        check: 0,
        score: 0,
        probability_ppm: 0,
        nanos: 0,
        deciding_nanos: 0,
    };
    writer.push(&entry(1)).unwrap();
    writer.push(&entry(position)).unwrap();
    writer.flush().unwrap();
    model
}

#[test]
fn what_is_old_goes_and_the_state_stays_a_function_of_what_is_left() {
    let mut desk = desk();
    let channels = place(&desk).channels();
    fs::create_dir_all(&channels).unwrap();
    for end in [5, 999_999] {
        fs::write(channels.join(format!("aa-{end}.channel")), b"").unwrap();
        scores_until(&place(&desk), end);
    }
    fill(&desk, 0..EVENTS);
    let tenant = desk.tenant("acme");
    let mut more = EVENTS;
    until(|| {
        fill(&desk, more..more + 1);
        more += 1;
        tenant.counters().segments_retired.get() > 10
    });
    assert_eq!(tenant.counters().retire_failures.get(), 0);
    desk.restart();
    fill(&desk, more..more + 5);
    let last = more + 4;
    let tenant = desk.tenant("acme");

    // Found as long as it is kept; then as if it had never been.
    let found = |at: u32| {
        let id = EventId::parse("event_id", &format!("e{}", 30 * at)).unwrap();
        ask(&tenant, Request::Decision(id)).unwrap()
    };
    let Answer::Decision(kept, _) = found(last - 48 * 3 + 1) else {
        panic!("gone")
    };
    assert!(kept.decision.is_some());
    assert!(matches!(found(3), Answer::Unknown));
    let again = decide(&tenant, event(last - 40)).unwrap();
    assert!(again.duplicate);
    let received = event(last).event_timestamp;
    let when = event(last).event_timestamp.to_string();
    ask(&tenant, Request::Label(label(last - 40, &when), received)).unwrap();
    let refused = ask(&tenant, Request::Label(label(3, &when), received)).unwrap_err();
    assert!(
        matches!(refused, Failed::Refused(NodeError::UnknownEvent { .. })),
        "{refused}"
    );
    assert!(desk.node.take().unwrap().drain(SOON));

    let place = place(&desk);
    let history = History::open(&place).unwrap();
    assert!(history.first().0 > 1000, "{:?}", history.first());
    let mut records = history.iter_from(history.first()).unwrap();
    let mut oldest = EventTime::END;
    let mut events = 0;
    let since = event(last).event_timestamp.minus(KEEP);
    while let Some((_, record)) = records.next_record().unwrap() {
        if let Record::Event(event) = record {
            oldest = oldest.min(event.event_timestamp);
            events += u32::from(event.event_timestamp >= since);
        }
    }
    assert!(oldest <= since);
    assert_eq!(events, 48 * 3 + 1, "all that is young enough is there");
    assert_eq!(opened(&place), replayed(&place));
    // A side file of an activation that is gone goes with it, and scores of events that are.
    let left = |folder| -> Vec<_> {
        let files = fs::read_dir(folder).unwrap();
        files.map(|it| it.unwrap().file_name()).collect()
    };
    assert_eq!(left(channels), ["aa-999999.channel"]);
    let kept = format!("{:016x}{}.scores", 999_999, "0".repeat(48));
    assert_eq!(left(place.shadow()), [kept.as_str()]);

    // What needs every record says so, and a copy of the rest is whole.
    let refused = history.iter_from(Position(0)).err().unwrap();
    assert!(
        matches!(refused, NodeError::HistoryRemoved { .. }),
        "{refused}"
    );
    let copy = desk.dir.path().join("copy");
    let manifest =
        backup::take(&place, "acme", &copy, backup::Beside::default(), |_, _| {}).unwrap();
    assert_eq!(manifest.first, history.first());
    let data = desk.dir.path().join("elsewhere");
    fs::create_dir(&data).unwrap();
    let restored = backup::restore(&copy, &data, "acme", LogOptions::default(), |_, _| {});
    assert_eq!(restored.unwrap().digest, opened(&place));
    // Without the schema beside it the rest could not be read.
    fs::remove_file(place.schema()).unwrap();
    let refused = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap_err();
    assert!(matches!(refused, NodeError::NoSchema { .. }), "{refused}");
}

/// By the time the files go somebody may write them again.
#[test]
fn a_model_that_became_a_shadow_meanwhile_keeps_its_scores() {
    let mut desk = desk_that_keeps(None);
    let place = place(&desk);
    fill(&desk, 0..600);
    assert!(desk.node.take().unwrap().drain(SOON));
    let [shadow, other] = [5, 6].map(|end| scores_until(&place, end));
    let options = desk.settings.owner.log.clone();
    let (mut tenant, _) = Tenant::open(&place, options, |_, _| {}).unwrap();
    tenant.shadow_by(Default::default(), Default::default());
    for at in 600..602 {
        tenant.decide(event(at)).unwrap();
        tenant.snapshot().unwrap();
    }
    let covered = tenant.coverage().run().unwrap().unwrap();
    let now = tenant.newest();
    let retirement = tenant.retire(covered, KEEP, now).unwrap().unwrap();
    let (artifact, producer) = (shadow, None);
    let enters = Move::Shadow { artifact, producer };
    tenant.make_move(enters, &Author::from("ann")).unwrap();
    assert!(retirement.run().unwrap().segments > 0);
    let all = |model| read(&place, &model, EventTime::MIN..EventTime::END).unwrap();
    assert_eq!(all(shadow).entries.len(), 2);
    assert_eq!(all(other).entries.len(), 0);
}

/// A history may hold a wrong year; nothing gets old by it.
#[test]
fn an_event_dated_far_ahead_ages_nothing() {
    let desk = desk();
    let tenant = desk.tenant("acme");
    let now = ringfence_node::clock::now().unwrap();
    let minutes_ago = |minutes: u32| now.millis() - 60_000 * i64::from(minutes);
    for at in 0..600 {
        let when = match at {
            300 => EventTime::parse_iso("2150-01-01T00:00:00Z").unwrap(),
            _ => EventTime::from_millis(minutes_ago(600 - at)),
        };
        let event = event::Event {
            event_timestamp: when,
            received_at: when,
            ..event(at)
        };
        decide(&tenant, event).unwrap();
    }
    until(|| tenant.counters().snapshots.get() >= 4);
    decide(&tenant, event(700)).unwrap();
    assert_eq!(tenant.counters().segments_retired.get(), 0);
}

#[test]
fn the_label_horizon_holds_what_retention_would_let_go() {
    let mut settings = settings();
    settings.owner.snapshot_records = 100;
    settings.owner.keep = Some(Span::days(1));
    settings.owner.log.segment_bytes = 8 << 10;
    // labels.horizon of the default schema: 180 days, longer than all of it.
    let desk = Desk::with(settings);
    fill(&desk, 0..1000);
    let tenant = desk.tenant("acme");
    until(|| tenant.counters().snapshots.get() >= 4);
    fill(&desk, 1000..1010);
    thread::yield_now();
    assert_eq!(tenant.counters().segments_retired.get(), 0);
    assert_eq!(tenant.counters().log_first.get(), 0);
}
