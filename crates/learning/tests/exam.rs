//! What a candidate and the champion are judged on, from the log of a tenant that declines.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "exam/refused.rs"]
mod refused;

#[path = "support/transfers.rs"]
mod transfers;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use event::record::{DecisionKind, Record};
use event::{EventTime, Position, Span};
use model::artifact::{Artifact, Thresholds};
use node::{History, Place};
use ringfence_learning::dataset::Labels;
use ringfence_learning::fit::FOREVER;
use ringfence_learning::gate::Judged;
use ringfence_learning::gate::exam::{Exam, sit};
use tempfile::TempDir;
use transfers::{PER_DAY, day, decide, import, model, open, producer, time_of, transfer};

const IMPORTED: u64 = 6;
const DAYS: u64 = 9;
/// Until the day after, whatever is suspected a little is declined; then nothing.
const STRICT: &str = "[thresholds]\nchallenge = 300\nreview = 300\ndecline = 300\n";
const IN_FORCE: &str = "[thresholds]\nchallenge = 100\nreview = 200\ndecline = 1001\n";

fn judged(place: &Place, from: EventTime, until: EventTime, models: &[Artifact; 2]) -> Judged {
    let history = History::open(place).unwrap();
    let labels = Labels::read(&history, FOREVER).unwrap();
    let exam = Exam {
        from,
        until,
        rows_max: 1_000_000,
        labels: &labels,
        champion: &models[0],
        candidate: &models[1],
    };
    sit(&history, exam, |_, _| ControlFlow::Continue(())).unwrap()
}

/// Positions of the events that were declined.
fn declined(place: &Place) -> BTreeSet<Position> {
    let history = History::open(place).unwrap();
    let mut records = history.iter_from(Position(0)).unwrap();
    let mut declined = BTreeSet::new();
    while let Some((_, record)) = records.next_record().unwrap() {
        if let Record::Decision(decision) = record
            && decision.verdict == DecisionKind::Decline
        {
            declined.insert(decision.event_position);
        }
    }
    declined
}

#[test]
fn the_champion_alerts_by_the_policy_in_force_and_declined_events_are_not_judged() {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    import(&place, 0, IMPORTED * PER_DAY);
    let speaker = producer(&place, 2, 9);
    let identities = [1, 2].map(|seed| model(&place, 2, IMPORTED, Some(speaker.clone()), seed));
    let models = identities.map(|it| Artifact::load(&place.model(&it)).unwrap().0);
    // Before a policy is set a model's own thresholds are all there is.
    let own = |it: &Artifact| it.header.thresholds.clone();
    let before = judged(&place, day(4), day(5), &models);
    assert_eq!(before.champion.thresholds, own(&models[0]));
    let mut tenant = open(&place);
    tenant.activate(identities[0]).unwrap();
    let schema = tenant.schema().clone();
    let (first, last) = (IMPORTED * PER_DAY, DAYS * PER_DAY);
    tenant.set_policy(STRICT, "test").unwrap();
    decide(&mut tenant, first, first + PER_DAY, |_, _| {});
    tenant.set_policy(IN_FORCE, "test").unwrap();
    decide(&mut tenant, first + PER_DAY, last, |_, _| {});
    drop(tenant);

    let after = judged(&place, day(IMPORTED), FOREVER, &models);
    let in_force = Thresholds {
        challenge: 100,
        review: 200,
        decline: 1001,
    };
    assert_eq!(after.champion.thresholds["transfer"], in_force);
    assert_eq!(after.candidate.thresholds, own(&models[1]));
    assert_ne!(own(&models[0])["transfer"], in_force);
    // In force is what the log ends with, however far before its end the window does.
    let early = judged(&place, day(4), day(5), &models);
    assert_eq!(early.champion.thresholds["transfer"], in_force);

    // Every fraud of the first two days was told, the declined ones too.
    let declined = declined(&place);
    let history = History::open(&place).unwrap();
    let mut records = history.iter_from(Position(0)).unwrap();
    let (mut frauds, mut stopped, mut passed, mut number) = (0, 0, 0, 0);
    let matured = time_of(last - 1).minus(Span::days(1));
    while let Some((position, record)) = records.next_record().unwrap() {
        let Record::Event(event) = record else {
            continue;
        };
        let is_fraud = transfer(number, &schema).1;
        number += 1;
        if event.event_timestamp < day(IMPORTED) || event.event_timestamp > matured {
            continue;
        }
        match declined.contains(&position) {
            true => stopped += u32::from(is_fraud),
            false => (frauds, passed) = (frauds + usize::from(is_fraud), passed + 1),
        }
    }
    assert!(stopped > 10 && frauds > 10, "{stopped} {frauds}");
    assert_eq!((after.frauds(), after.fraud.len()), (frauds, passed));
}
