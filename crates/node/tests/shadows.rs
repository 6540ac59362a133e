//! Shadows at work: what they say is what they would say as champion, and nothing waits for them.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

// The name under which the shared helper knows it.
extern crate model as ringfence_model;

#[path = "support/hybrid.rs"]
mod hybrid;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use engine::Lineup;
use event::record::ServingPart;
use event::{EventTime, Position};
use graph::sample::SampleParts;
use graph::{FeatureGroup, FeatureList, Sample};
use hybrid::{artifact, network, payment, schema, trees};
use log::LogOptions;
use model::artifact::{Artifact, TrainingWindow};
use model::calibration::Calibration;
use model::producer::Producer;
use ringfence_node::shadow::handover::{Moment, queue};
use ringfence_node::shadow::store::{Entry, check_of, read};
use ringfence_node::shadow::{Board, ShadowSettings};
use ringfence_node::tenant::documents::Author;
use ringfence_node::tenant::lineup::{LineupError, Move};
use ringfence_node::{Decided, NodeError, Place, Tenant};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);

fn until(mut true_soon: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !true_soon() {
        assert!(Instant::now() < end, "waited for {SOON:?} in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Speaks of all times.
fn producer() -> Producer {
    Producer {
        trees: trees(FeatureList::new(&schema()).len()),
        calibration: Calibration::identity(),
        training_window: TrainingWindow { from: -9, until: 0 },
    }
}

/// The same scores under another hash.
fn twin(artifact: &Artifact, name: &str) -> Artifact {
    let mut twin = artifact.clone();
    twin.header.created_by = name.to_owned();
    twin
}

fn put(place: &Place, artifact: &Artifact) -> [u8; 32] {
    std::fs::create_dir_all(place.models()).unwrap();
    let written = place.models().join("new");
    let identity = artifact.save(&written).unwrap();
    std::fs::rename(written, place.model(&identity.bytes())).unwrap();
    identity.bytes()
}

struct Ready {
    artifact: [u8; 32],
    producer: Option<[u8; 32]>,
}

fn ready(place: &Place, artifact: &Artifact) -> Ready {
    Ready {
        artifact: put(place, artifact),
        producer: artifact.producer_identity(),
    }
}

fn enter(tenant: &mut Tenant, ready: &Ready) -> Result<Position, NodeError> {
    let (artifact, producer) = (ready.artifact, ready.producer);
    tenant.make_move(Move::Shadow { artifact, producer }, &Author::from("a test"))
}

fn end(tenant: &mut Tenant, artifact: [u8; 32]) -> Result<Position, NodeError> {
    tenant.make_move(Move::EndShadow { artifact }, &Author::from("a test"))
}

fn decide(tenant: &mut Tenant, events: std::ops::Range<usize>) -> Vec<Decided> {
    events
        .map(|at| tenant.decide(payment(at)).unwrap())
        .collect()
}

/// What the shadow's file holds once it holds so many.
fn scores(place: &Place, artifact: [u8; 32], wanted: usize) -> Vec<Entry> {
    let all = || read(place, &artifact, EventTime::MIN..EventTime::END).unwrap();
    until(|| all().entries.len() >= wanted);
    all().entries
}

#[test]
fn a_shadow_says_of_each_decision_what_it_would_say_as_champion() {
    let dir = TempDir::new().unwrap();
    let model = artifact(network(1.0));
    let mut tenant = hybrid::tenant(dir.path(), &model);
    let board = Arc::new(Board::default());
    tenant.shadow_by(ShadowSettings::default(), board.clone());
    decide(&mut tenant, 0..10);
    assert_eq!(board.handed.get(), 0, "nobody is there");
    let shadow = ready(tenant.place(), &twin(&model, "a twin"));
    let position = enter(&mut tenant, &shadow).unwrap();
    assert_eq!(enter(&mut tenant, &shadow).unwrap(), position);
    let decided = decide(&mut tenant, 10..60);
    let entries = scores(tenant.place(), shadow.artifact, 50);
    assert_eq!((entries.len(), board.dropped.get()), (50, 0));
    for ((decided, entry), at) in decided.iter().zip(&entries).zip(10..) {
        assert_eq!(entry.position, decided.position);
        assert_eq!(entry.score, decided.decision.score, "event {at}");
        assert_eq!(entry.probability_ppm, decided.decision.probability_ppm);
        assert_eq!(entry.at, payment(at).event_timestamp);
        assert_eq!(entry.check, check_of(&payment(at).event_id));
    }
    assert!(entries.iter().any(|it| it.score != entries[0].score));
    assert!(entries.iter().all(|it| it.nanos > 0));
    tenant.commit().unwrap();
    let state = tenant.engine().digest();
    drop(tenant);
    // Scores are no part of the state.
    std::fs::remove_dir_all(Place::new(dir.path(), "acme").unwrap().shadow()).unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    let (again, _) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    assert_eq!(again.engine().digest(), state);
}

/// Beside a champion with a channel a shadow without one is given samples in which nobody has spoken: bit by bit
/// those of a tenant without a producer.
#[test]
fn a_shadow_without_a_channel_reads_samples_without_suspicion() {
    let quiet = artifact(network(1.0));
    let mut speaking = quiet.clone();
    speaking.producer = Some(producer());
    // The same decisions in both, so that only suspicion tells them apart.
    let policy = "[thresholds]\nchallenge = 1001\nreview = 1001\ndecline = 1001\n";
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut with = hybrid::tenant(one.path(), &speaking);
    let mut without = hybrid::tenant(other.path(), &quiet);
    with.set_policy(policy, "a test").unwrap();
    without.set_policy(policy, "a test").unwrap();
    let features = FeatureList::new(&schema());
    let all = features.features().iter().enumerate();
    let suspicion = all.filter(|(_, it)| it.group == FeatureGroup::Suspicion);
    let suspicion: Vec<usize> = suspicion.map(|(at, _)| at).collect();
    let (mut heard, mut copy) = (0, Sample::default());
    for at in 0..60 {
        with.decide(payment(at)).unwrap();
        without.decide(payment(at)).unwrap();
        copy.copy_from(with.last_sample(), SampleParts::Full);
        let mut plain = Sample::default();
        plain.copy_from(without.last_sample(), SampleParts::Full);
        heard += usize::from(copy.bits() != plain.bits());
        copy.forget_suspicion(&suspicion);
        assert_eq!(copy.bits(), plain.bits(), "event {at}");
    }
    assert!(heard > 40, "{heard}");

    // And the thread does that for those, and for those alone, that have no producer.
    let board = Arc::new(Board::default());
    with.shadow_by(ShadowSettings::default(), board.clone());
    let deaf = ready(with.place(), &twin(&quiet, "deaf"));
    let hearing = ready(with.place(), &twin(&speaking, "hearing"));
    enter(&mut with, &deaf).unwrap();
    enter(&mut with, &hearing).unwrap();
    let by_champion = decide(&mut with, 60..100);
    let by_quiet = decide(&mut without, 60..100);
    let said = |shadow: &Ready| -> Vec<u32> {
        let entries = scores(with.place(), shadow.artifact, 40);
        entries.iter().map(|it| it.probability_ppm).collect()
    };
    let decided =
        |by: &[Decided]| -> Vec<u32> { by.iter().map(|it| it.decision.probability_ppm).collect() };
    assert_eq!(said(&deaf), decided(&by_quiet));
    assert_eq!(said(&hearing), decided(&by_champion));
    assert_ne!(said(&deaf), said(&hearing));
}

/// Until it is known what a new shadow reads it is handed all of it.
#[test]
fn a_network_among_shadows_that_read_less_is_handed_whole_samples_from_the_first_on() {
    let dir = TempDir::new().unwrap();
    let model = artifact(network(1.0));
    let mut tenant = hybrid::tenant(dir.path(), &model);
    tenant.shadow_by(ShadowSettings::default(), Arc::default());
    let mut plain = twin(&model, "trees alone");
    plain.network = None;
    let plain = ready(tenant.place(), &plain);
    enter(&mut tenant, &plain).unwrap();
    decide(&mut tenant, 0..10);
    scores(tenant.place(), plain.artifact, 10);
    let whole = ready(tenant.place(), &twin(&model, "a twin"));
    enter(&mut tenant, &whole).unwrap();
    let decided = decide(&mut tenant, 10..60);
    let entries = scores(tenant.place(), whole.artifact, 50);
    for (decided, entry) in decided.iter().zip(&entries) {
        assert_eq!(entry.position, decided.position);
        assert_eq!(entry.probability_ppm, decided.decision.probability_ppm);
    }
}

/// No thread at the other end: as slow as a model can be.
#[test]
fn what_does_not_fit_is_dropped_and_counted_and_boxes_go_round() {
    let board = Arc::new(Board::default());
    let (hand_over, intake) = queue(4, board.clone());
    let event = payment(1);
    let mut sample = Sample::default();
    sample.tabular = vec![1.5, 2.5];
    let hand = |position| {
        hand_over.hand_over(&Moment {
            event: &event,
            position: Position(position),
            sample: &sample,
            channel: true,
            deciding_nanos: 7,
        });
    };
    (0..10).for_each(hand);
    assert_eq!((board.handed.get(), board.dropped.get()), (4, 6));
    let first = intake.full.try_recv().unwrap();
    assert_eq!((first.position, first.deciding_nanos), (Position(0), 7));
    assert!(first.channel && first.sample.tabular == sample.tabular);
    assert_eq!(
        (first.at, first.check),
        (event.event_timestamp, check_of(&event.event_id))
    );
    let (arrays, capacity) = (
        first.sample.tabular.as_ptr(),
        first.sample.tabular.capacity(),
    );
    intake.empty.try_send(first).unwrap();
    hand(10);
    assert_eq!((board.handed.get(), board.dropped.get()), (5, 6));
    // The box that came back carries the next one, and its arrays were not made anew.
    let last = std::iter::from_fn(|| intake.full.try_recv().ok())
        .last()
        .unwrap();
    assert_eq!(last.position, Position(10));
    assert_eq!(last.sample.tabular.as_ptr(), arrays);
    assert_eq!(last.sample.tabular.capacity(), capacity);
}

#[test]
fn what_cannot_be_a_shadow_is_refused_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let model = artifact(network(1.0));
    let mut tenant = hybrid::tenant(dir.path(), &model);
    let next = tenant.next();
    let refused = |tenant: &mut Tenant, ready: &Ready| {
        let error = enter(tenant, ready).unwrap_err();
        assert_eq!(tenant.next(), next, "{error}");
        error.code()
    };
    let champion = ready(tenant.place(), &model);
    assert_eq!(refused(&mut tenant, &champion), "model_is_champion");
    let mut speaking = model.clone();
    speaking.producer = Some(producer());
    let speaking = ready(tenant.place(), &speaking);
    assert_eq!(refused(&mut tenant, &speaking), "other_channel");
    let no_shadow = end(&mut tenant, [9; 32]);
    assert!(matches!(
        no_shadow,
        Err(NodeError::Lineup(LineupError::NotInPlace { .. }))
    ));
    for at in 0..Lineup::SHADOWS_MAX {
        let shadow = ready(tenant.place(), &twin(&model, &format!("twin {at}")));
        enter(&mut tenant, &shadow).unwrap();
    }
    let other = ready(tenant.place(), &twin(&model, "one more"));
    let error = enter(&mut tenant, &other).unwrap_err();
    assert_eq!(error.code(), "lineup_full");
    assert_eq!(
        tenant.engine().lineup().shadows().len(),
        Lineup::SHADOWS_MAX
    );
}

/// They go on by the log; one whose file is gone is told of, and the others score.
#[test]
fn shadows_go_on_after_a_restart_and_a_missing_file_holds_nobody_up() {
    let dir = TempDir::new().unwrap();
    let model = artifact(network(1.0));
    let mut tenant = hybrid::tenant(dir.path(), &model);
    let kept = ready(tenant.place(), &twin(&model, "kept"));
    let lost = ready(tenant.place(), &twin(&model, "lost"));
    let ended = ready(tenant.place(), &twin(&model, "ended"));
    for shadow in [&kept, &lost, &ended] {
        enter(&mut tenant, shadow).unwrap();
    }
    end(&mut tenant, ended.artifact).unwrap();
    tenant.commit().unwrap();
    drop(tenant);
    let place = Place::new(dir.path(), "acme").unwrap();
    std::fs::remove_file(place.model(&lost.artifact)).unwrap();
    let (mut tenant, recovered) = Tenant::open(&place, LogOptions::default(), |_, _| {}).unwrap();
    assert!(recovered.warnings.is_empty(), "{:?}", recovered.warnings);
    let board = Arc::new(Board::default());
    tenant.shadow_by(ShadowSettings::default(), board.clone());
    let decided = decide(&mut tenant, 0..20);
    let entries = scores(&place, kept.artifact, 20);
    let positions = |it: &Decided| it.position;
    let wanted: Vec<Position> = decided.iter().map(positions).collect();
    assert_eq!(
        entries.iter().map(|it| it.position).collect::<Vec<_>>(),
        wanted
    );
    assert!(scores(&place, ended.artifact, 0).is_empty());
    let lanes = board.lanes();
    assert_eq!(lanes.len(), 2);
    assert_eq!(board.lane(&kept.artifact).unwrap().trouble(), None);
    let trouble = board.lane(&lost.artifact).unwrap().trouble().unwrap();
    assert!(trouble.contains("cannot be read"), "{trouble}");
}

/// Entering again what is a shadow already loads it anew, and what scores goes on as it is.
#[test]
fn a_shadow_whose_file_was_mended_scores_when_it_enters_again() {
    let dir = TempDir::new().unwrap();
    let model = artifact(network(1.0));
    let mut tenant = hybrid::tenant(dir.path(), &model);
    let [whole, broken] =
        ["whole", "broken"].map(|name| ready(tenant.place(), &twin(&model, name)));
    let position = enter(&mut tenant, &whole).unwrap();
    let path = tenant.place().model(&broken.artifact);
    let bytes = std::fs::read(&path).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let board = Arc::new(Board::default());
    enter(&mut tenant, &broken).unwrap();
    tenant.shadow_by(ShadowSettings::default(), board.clone());
    until(|| board.is_followed());
    let lane = |it: &Ready| board.lane(&it.artifact).unwrap();
    assert!(lane(&broken).trouble().is_some());
    assert_eq!(lane(&whole).trouble(), None);
    decide(&mut tenant, 0..5);
    until(|| board.taken.get() == 5);
    std::fs::write(&path, bytes).unwrap();
    enter(&mut tenant, &broken).unwrap();
    assert_eq!(enter(&mut tenant, &whole).unwrap(), position);
    until(|| board.is_followed());
    assert_eq!(lane(&broken).trouble(), None);
    decide(&mut tenant, 5..10);
    assert_eq!(scores(tenant.place(), broken.artifact, 5).len(), 5);
    assert_eq!(scores(tenant.place(), whole.artifact, 10).len(), 10);
}

/// A champion with another channel ends shadows; what they said stays.
#[test]
fn a_promoted_shadow_decides_and_scores_no_more() {
    let dir = TempDir::new().unwrap();
    let model = artifact(network(1.0));
    let mut tenant = hybrid::tenant(dir.path(), &model);
    let board = Arc::new(Board::default());
    tenant.shadow_by(ShadowSettings::default(), board.clone());
    let shadow = ready(tenant.place(), &twin(&model, "a twin"));
    enter(&mut tenant, &shadow).unwrap();
    decide(&mut tenant, 0..5);
    scores(tenant.place(), shadow.artifact, 5);
    tenant.activate(shadow.artifact).unwrap();
    let lineup = tenant.engine().lineup();
    assert_eq!(
        lineup.part_of(&shadow.artifact),
        Some(ServingPart::Champion)
    );
    assert!(board.lanes().is_empty());
    let decided = decide(&mut tenant, 5..10);
    assert_eq!(decided[0].decision.model.0, shadow.artifact[..8]);
    assert_eq!(board.handed.get(), 5);
    assert_eq!(scores(tenant.place(), shadow.artifact, 5).len(), 5);
}
