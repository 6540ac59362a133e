//! Who serves as what, after activations in any order.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

use event::record::{Activation, Channel, Levels, ServingPart};
use event::{EntityId, EventTime, Position, Record, Schema};
use proptest::prelude::*;
use proptest::sample::select;
use ringfence_engine::{ENGINE_SEMANTICS_OLDEST, Engine, Lineup};

const SHARE: u32 = 1_000_000;
const CHAMPION: ServingPart = ServingPart::Champion;
const CHALLENGER: ServingPart = ServingPart::Challenger;
const SHADOW: ServingPart = ServingPart::Shadow;
const RETIRED: ServingPart = ServingPart::Retired;

fn schema() -> Schema {
    Schema::parse(include_str!("../../../schemas/default.toml")).unwrap()
}

fn activation(part: ServingPart, model: u8, share_ppm: u32) -> Activation {
    Activation::new(EventTime::MIN, part, [model; 32], share_ppm)
}

fn with_producer(model: u8, producer: u8) -> Activation {
    let channel = Channel::Rebuilt {
        producer: [producer; 32],
        scores: [0; 32],
    };
    Activation {
        channel,
        ..activation(CHAMPION, model, SHARE)
    }
}

fn apply(engine: &mut Engine, activation: Activation) {
    let next = engine.next();
    engine.apply(next, &Record::Activation(activation));
    if engine.awaits_channel() {
        engine.adopt_channel(Position(0), &[]);
    }
}

/// Champion, the one before, challenger, shadows, retired; 0 for nobody.
fn told(lineup: &Lineup) -> (u8, u8, u8, Vec<u8>, Vec<u8>) {
    let first = |artifact: Option<[u8; 32]>| artifact.map_or(0, |it| it[0]);
    (
        first(lineup.champion()),
        first(lineup.former_champion()),
        first(lineup.challenger().map(|it| it.artifact)),
        lineup.shadows().iter().map(|it| it.artifact[0]).collect(),
        lineup.retired().iter().map(|it| it[0]).collect(),
    )
}

#[test]
fn a_model_stands_at_one_place_and_the_champion_is_left_only_for_another() {
    let mut engine = Engine::new(&schema());
    let steps = [
        // Nothing to share with.
        (CHALLENGER, 2, SHARE / 20, (0, 0, 0, vec![], vec![])),
        (CHAMPION, 1, SHARE, (1, 0, 0, vec![], vec![])),
        (CHALLENGER, 2, SHARE / 20, (1, 0, 2, vec![], vec![])),
        (CHALLENGER, 1, SHARE / 20, (1, 0, 2, vec![], vec![])),
        (SHADOW, 1, SHARE, (1, 0, 2, vec![], vec![])),
        (RETIRED, 1, SHARE, (1, 0, 2, vec![], vec![])),
        (SHADOW, 3, SHARE, (1, 0, 2, vec![3], vec![])),
        (SHADOW, 2, SHARE, (1, 0, 0, vec![3, 2], vec![])),
        (SHADOW, 3, SHARE, (1, 0, 0, vec![3, 2], vec![])),
        // Of another place: it is not there.
        (CHALLENGER, 3, 0, (1, 0, 0, vec![3, 2], vec![])),
        (CHALLENGER, 3, 1, (1, 0, 3, vec![2], vec![])),
        (RETIRED, 2, SHARE, (1, 0, 3, vec![], vec![2])),
        (CHAMPION, 3, SHARE, (3, 1, 0, vec![], vec![2])),
        (CHAMPION, 3, SHARE, (3, 1, 0, vec![], vec![2])),
        (CHAMPION, 2, SHARE, (2, 3, 0, vec![], vec![])),
        (CHAMPION, 3, SHARE, (3, 2, 0, vec![], vec![])),
        (SHADOW, 4, SHARE, (3, 2, 0, vec![4], vec![])),
        (CHALLENGER, 5, 7, (3, 2, 5, vec![4], vec![])),
        (CHAMPION, 0, SHARE, (0, 3, 0, vec![4], vec![])),
        (CHAMPION, 3, SHARE, (3, 0, 0, vec![4], vec![])),
        (SHADOW, 4, 0, (3, 0, 0, vec![], vec![])),
        (RETIRED, 4, SHARE, (3, 0, 0, vec![], vec![4])),
        (RETIRED, 4, 0, (3, 0, 0, vec![], vec![])),
    ];
    for (at, (part, model, share, expected)) in steps.into_iter().enumerate() {
        apply(&mut engine, activation(part, model, share));
        assert_eq!(told(engine.lineup()), expected, "step {at}");
    }
}

#[test]
fn a_change_of_share_leaves_when_a_challenger_began() {
    let mut engine = Engine::new(&schema());
    apply(&mut engine, activation(CHAMPION, 1, SHARE));
    apply(&mut engine, activation(CHALLENGER, 2, 10_000));
    let more = Activation {
        levels: Levels::ALL,
        ..activation(CHALLENGER, 2, 50_000)
    };
    apply(&mut engine, more);
    let held = *engine.lineup().challenger().unwrap();
    assert_eq!(
        (held.share_ppm, held.levels, held.since),
        (50_000, Levels::ALL, Position(1))
    );
}

#[test]
fn another_channel_ends_all_that_were_admitted_beside_the_old_one() {
    let mut engine = Engine::new(&schema());
    for model in [
        with_producer(1, 9),
        activation(CHALLENGER, 2, 5),
        activation(SHADOW, 3, 1),
    ] {
        apply(&mut engine, model);
    }
    // Made again for the same producer, it is the same channel.
    apply(&mut engine, with_producer(4, 9));
    assert_eq!(told(engine.lineup()), (4, 1, 2, vec![3], vec![]));
    apply(&mut engine, with_producer(1, 8));
    assert_eq!(told(engine.lineup()), (1, 4, 0, vec![], vec![]));
}

#[test]
fn more_shadows_than_there_is_room_for_change_nothing() {
    let mut engine = Engine::new(&schema());
    for model in 1..=Lineup::SHADOWS_MAX as u8 + 1 {
        apply(&mut engine, activation(SHADOW, model, SHARE));
    }
    let shadows: Vec<u8> = (1..=Lineup::SHADOWS_MAX as u8).collect();
    assert_eq!(told(engine.lineup()).3, shadows);
}

/// What a build wrote that knew champions only: its beginning, without what has come since.
#[test]
fn a_snapshot_from_before_there_were_challengers_is_read() {
    let schema = schema();
    let mut engine = Engine::new(&schema);
    apply(&mut engine, activation(CHAMPION, 7, SHARE));
    let mut bytes = Vec::new();
    engine.write_snapshot(&mut bytes).unwrap();
    // Semantics and position, then two artifacts with their flags and two counts.
    let new = 12..12 + 33 + 33 + 4 + 4;
    assert!(bytes[new.clone()].iter().all(|byte| *byte == 0));
    without_drift(&mut bytes, new.end);
    bytes.drain(new);
    bytes[..4].copy_from_slice(&ENGINE_SEMANTICS_OLDEST.to_le_bytes());
    let restored = Engine::read_snapshot(&schema, &mut bytes.as_slice()).unwrap();
    assert_eq!(told(restored.lineup()), (7, 0, 0, vec![], vec![]));
    assert_eq!(restored.digest(), engine.digest());
}

/// Takes out the document of the watch over drift, of an engine that was set to nothing: behind three others.
fn without_drift(bytes: &mut Vec<u8>, documents: usize) {
    let drift = documents + 3 * 8..documents + 4 * 8;
    assert!(bytes[documents..drift.end].iter().all(|byte| *byte == 0));
    bytes.drain(drift);
}

#[test]
fn a_snapshot_from_before_the_watch_had_a_document_is_read() {
    let schema = schema();
    let mut engine = Engine::new(&schema);
    apply(&mut engine, activation(CHAMPION, 7, SHARE));
    let mut bytes = Vec::new();
    engine.write_snapshot(&mut bytes).unwrap();
    without_drift(&mut bytes, 12 + 33 + 33 + 4 + 4);
    bytes[..4].copy_from_slice(&5_u32.to_le_bytes());
    let restored = Engine::read_snapshot(&schema, &mut bytes.as_slice()).unwrap();
    assert_eq!(restored.digest(), engine.digest());
}

/// Of 20,000 accounts: the share is kept to within four standard deviations, grows by accounts that are added, and
/// another challenger takes others.
#[test]
fn a_challenger_takes_its_share_of_accounts_and_keeps_them() {
    let takes = |model: u8, share_ppm: u32| -> Vec<bool> {
        let mut engine = Engine::new(&schema());
        apply(&mut engine, activation(CHAMPION, 1, SHARE));
        apply(&mut engine, activation(CHALLENGER, model, share_ppm));
        let held = *engine.lineup().challenger().unwrap();
        let accounts = (0..20_000).map(|at| EntityId::parse("account", &format!("a{at}")).unwrap());
        accounts.map(|account| held.takes(&account)).collect()
    };
    let count = |taken: &[bool]| taken.iter().filter(|taken| **taken).count();
    let few = takes(2, 50_000);
    assert!((876..=1124).contains(&count(&few)), "{}", count(&few));
    let many = takes(2, 200_000);
    assert!((3773..=4227).contains(&count(&many)), "{}", count(&many));
    assert!(few.iter().zip(&many).all(|(few, many)| !few || *many));
    assert_eq!(count(&takes(2, SHARE)), 20_000);
    let others = takes(3, 50_000);
    let both: Vec<bool> = few.iter().zip(&others).map(|(a, b)| *a && *b).collect();
    // Of both by chance: 50, with four standard deviations 28.
    assert!((22..=78).contains(&count(&both)), "{}", count(&both));
}

fn any_activation() -> impl Strategy<Value = Activation> {
    let share = select(vec![0, 1, 50_000, SHARE]);
    let levels = (1_u8..8).prop_map(|bits| Levels::from_bits(bits).unwrap());
    let producer = prop::option::weighted(0.3, 1_u8..3);
    (select(ServingPart::ALL), 0_u8..12, share, levels, producer).prop_map(
        |(part, model, share, levels, producer)| match producer {
            Some(producer) if part == CHAMPION => with_producer(model, producer),
            _ => Activation {
                levels,
                ..activation(part, model, share)
            },
        },
    )
}

proptest! {
    /// Whatever comes: one place for each model, no bound is passed, and a snapshot goes on as the log does.
    #[test]
    fn places_are_exclusive_and_restored(steps in prop::collection::vec(any_activation(), 0..40), cut in 0_usize..40) {
        let schema = schema();
        let (mut one, mut other) = (Engine::new(&schema), Engine::new(&schema));
        for (at, step) in steps.into_iter().enumerate() {
            if at == cut {
                let mut bytes = Vec::new();
                one.write_snapshot(&mut bytes).unwrap();
                other = Engine::read_snapshot(&schema, &mut bytes.as_slice()).unwrap();
            }
            apply(&mut one, step.clone());
            apply(&mut other, step);
            let (champion, former, challenger, shadows, retired) = told(one.lineup());
            let mut all: Vec<u8> = [champion, challenger].into_iter().filter(|it| *it != 0).collect();
            all.extend(shadows.iter().chain(&retired));
            all.sort_unstable();
            let count = all.len();
            all.dedup();
            prop_assert_eq!(all.len(), count);
            prop_assert!(shadows.len() <= Lineup::SHADOWS_MAX);
            prop_assert!(champion == 0 || former != champion);
            prop_assert!(challenger == 0 || champion != 0);
        }
        prop_assert_eq!(one.lineup(), other.lineup());
        prop_assert_eq!(one.digest(), other.digest());
    }
}
