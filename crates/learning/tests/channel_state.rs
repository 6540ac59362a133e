//! Invariant I1 with a channel: the state is a function of the log and its side files, however it is cut,
//! and a side file that is not the one the log names stops a replay.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/transfers.rs"]
mod transfers;

use std::fs;
use std::path::PathBuf;

use engine::Engine;
use event::Position;
use event::record::{Channel, Record};
use node::channel::{self, Fault};
use node::{History, NodeError, Place, Tenant};
use tempfile::TempDir;
use transfers::{PER_DAY, decide, import, model, open, producer, time_of};

fn tenant(days: u64) -> (TempDir, Place) {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    import(&place, 0, days * PER_DAY);
    (dir, place)
}

/// From the first record on, as the log and its side files have it.
fn replayed(place: &Place) -> Result<[u8; 32], NodeError> {
    let history = History::open(place)?;
    let mut engine = Engine::new(history.schema());
    let mut records = history.iter_from(Position(0))?;
    while let Some((position, record)) = records.next_record()? {
        channel::apply(&mut engine, place, position, &record)?;
    }
    Ok(engine.digest())
}

fn records(place: &Place) -> Vec<Record> {
    let history = History::open(place).unwrap();
    let mut records = history.iter_from(Position(0)).unwrap();
    let mut all = Vec::new();
    while let Some((_, record)) = records.next_record().unwrap() {
        all.push(record);
    }
    all
}

/// The channels of the activations, in order of the log.
fn channels(place: &Place) -> Vec<Channel> {
    let of = |record| match record {
        Record::Activation(activation) => Some(activation.channel),
        _ => None,
    };
    records(place).into_iter().filter_map(of).collect()
}

fn side_file(place: &Place) -> PathBuf {
    let mut files = fs::read_dir(place.channels()).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "one side file, and no draft");
    file
}

#[test]
fn live_replayed_and_restored_states_are_one() {
    let (_dir, place) = tenant(5);
    let speaking = model(&place, 1, 4, Some(producer(&place, 1, 1)), 1);
    let mut live = open(&place);
    live.activate(speaking).unwrap();
    decide(&mut live, 5 * PER_DAY, 5 * PER_DAY + 300, |_, _| {});
    // Before any snapshot: the side file is read.
    let digest = live.engine().digest();
    drop(live);
    let mut live = open(&place);
    assert_eq!(live.engine().digest(), digest);
    live.snapshot().unwrap();
    decide(&mut live, 5 * PER_DAY + 300, 6 * PER_DAY, |_, _| {});
    let digest = live.engine().digest();
    drop(live);
    // Snapshot and tail: whether or not the side file is still there.
    let file = side_file(&place);
    let away = file.with_extension("away");
    assert_eq!(open(&place).engine().digest(), digest);
    assert_eq!(replayed(&place).unwrap(), digest);
    fs::rename(&file, &away).unwrap();
    assert_eq!(open(&place).engine().digest(), digest);

    let decisions: Vec<Record> = records(&place);
    let said = decisions.iter().filter_map(|record| match record {
        Record::Decision(decision) => Some(decision.suspicion.as_slice()),
        _ => None,
    });
    let said: Vec<_> = said.collect();
    assert_eq!(said.len(), PER_DAY as usize);
    assert!(said.iter().all(|said| matches!(said, [(0, 1..)])));
}

#[test]
fn a_side_file_that_is_not_the_logs_stops_a_replay_and_is_made_again() {
    let (_dir, place) = tenant(5);
    let speaking = model(&place, 1, 4, Some(producer(&place, 1, 1)), 1);
    let mut live = open(&place);
    live.activate(speaking).unwrap();
    decide(&mut live, 5 * PER_DAY, 5 * PER_DAY + 50, |_, _| {});
    let digest = live.engine().digest();
    drop(live);
    let file = side_file(&place);
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[200] ^= 1;
    for (held, is_missing) in [
        (Some(damaged), false),
        (Some(Vec::new()), false),
        (None, true),
    ] {
        match held {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let opened = Tenant::open(&place, Default::default(), |_, _| {});
        for error in [
            opened.map(|_| ()).unwrap_err(),
            replayed(&place).unwrap_err(),
        ] {
            let NodeError::Channel { fault, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(matches!(fault, Fault::Missing), is_missing, "{error}");
            assert!(error.to_string().contains("models rebuild"), "{error}");
        }
        assert_eq!(channel::renew(&place, |_, _| {}).unwrap(), 1);
        assert_eq!(fs::read(&file).unwrap(), whole);
        assert_eq!(replayed(&place).unwrap(), digest);
    }
    assert_eq!(channel::renew(&place, |_, _| {}).unwrap(), 0);
    // Its model is gone too: then nothing can make it again, and the error names the file that is missing.
    fs::remove_file(&file).unwrap();
    fs::remove_file(place.model(&speaking)).unwrap();
    let error = channel::renew(&place, |_, _| {}).unwrap_err();
    assert!(matches!(error, NodeError::Model(_)), "{error}");
}

/// Models that share a producer share its channel, unless an import has left holes in it.
#[test]
fn a_channel_is_rebuilt_when_its_producer_changes_or_has_missed_events() {
    let (_dir, place) = tenant(5);
    let first = producer(&place, 1, 1);
    let one = model(&place, 1, 4, Some(first.clone()), 1);
    let two = model(&place, 2, 4, Some(first.clone()), 2);
    let three = model(&place, 2, 4, Some(producer(&place, 2, 3)), 3);
    let mut live = open(&place);
    live.activate(one).unwrap();
    decide(&mut live, 5 * PER_DAY, 5 * PER_DAY + 50, |_, _| {});
    let spoken = live.engine().graph().counts().suspicions;
    live.activate(two).unwrap();
    assert_eq!(live.engine().graph().counts().suspicions, spoken);
    live.commit().unwrap();
    drop(live);
    let producer_of = |channel: &Channel| match channel {
        Channel::Empty => panic!("no channel"),
        Channel::Kept { producer } => (false, *producer),
        Channel::Rebuilt { producer, .. } => (true, *producer),
    };
    let held: Vec<_> = channels(&place).iter().map(producer_of).collect();
    assert_eq!(held, [(true, held[0].1), (false, held[0].1)]);

    // What is imported behind an activation is heard only once the channel is rebuilt.
    import(&place, 5 * PER_DAY + 50, 5 * PER_DAY + 80);
    let mut live = open(&place);
    assert_eq!(live.engine().unheard(), 30);
    assert_eq!(live.engine().graph().counts().suspicions, spoken);
    live.activate(two).unwrap();
    assert_eq!(live.engine().unheard(), 0);
    assert_eq!(live.engine().graph().counts().suspicions, spoken + 30);
    live.activate(three).unwrap();
    live.commit().unwrap();
    let digest = live.engine().digest();
    drop(live);
    let held: Vec<_> = channels(&place).iter().map(producer_of).collect();
    assert!(held[2].0 && held[3].0 && held[2].1 != held[3].1, "{held:?}");
    assert_eq!(replayed(&place).unwrap(), digest);
}

/// A rebuild runs beside decisions and catches up at the switch, to the same state as one made at once.
#[test]
fn a_rebuild_beside_decisions_catches_up() {
    let mut digests = Vec::new();
    for background in [false, true] {
        let (_dir, place) = tenant(5);
        let one = model(&place, 1, 4, Some(producer(&place, 1, 1)), 1);
        let two = model(&place, 2, 4, Some(producer(&place, 2, 3)), 3);
        let mut live = open(&place);
        live.activate(one).unwrap();
        live.commit().unwrap();
        let mut rebuild = live.rebuild_for(two).unwrap();
        let handle = background.then(|| {
            let (place, mut rebuild) = (place.clone(), rebuild.take().unwrap());
            std::thread::spawn(move || {
                let everything = Position(u64::MAX);
                rebuild.catch_up(&place, everything, |_, _| {}).unwrap();
                rebuild
            })
        });
        decide(&mut live, 5 * PER_DAY, 5 * PER_DAY + 200, |_, _| {});
        let ready = handle.map(|handle| handle.join().unwrap());
        if let Some(ready) = &ready {
            assert!(ready.next().0 > 5 * PER_DAY, "{:?}", ready.next());
        }
        live.activate_with(two, ready).unwrap();
        decide(&mut live, 5 * PER_DAY + 200, 5 * PER_DAY + 300, |_, _| {});
        digests.push(live.engine().digest());
    }
    assert_eq!(digests[0], digests[1]);
}

/// Nothing is said of what lies in the producer's own training, and all of what comes after.
#[test]
fn a_producer_speaks_from_the_end_of_its_training_on() {
    let (_dir, place) = tenant(5);
    let speaking = model(&place, 2, 4, Some(producer(&place, 2, 1)), 1);
    let mut live = open(&place);
    live.activate(speaking).unwrap();
    live.commit().unwrap();
    let end = Position(live.engine().next().0 - 1);
    let Some(Channel::Rebuilt { producer, scores }) = channels(&place).pop() else {
        panic!("a first channel is rebuilt");
    };
    let held = channel::Scores::read(&place, producer, end, scores).unwrap();
    let mut spoken_of = 0;
    for (at, record) in records(&place).iter().enumerate() {
        let Record::Event(event) = record else {
            continue;
        };
        let said = (at as u64).checked_sub(held.first.0);
        let said = said.map_or(0, |at| held.scores[at as usize]);
        let is_later = event.event_timestamp >= time_of(2 * PER_DAY);
        assert_eq!(said > 0, is_later, "at {}", event.event_timestamp);
        spoken_of += u64::from(is_later);
    }
    assert_eq!(spoken_of, 3 * PER_DAY);
    assert_eq!(live.engine().graph().counts().suspicions, spoken_of);
}
