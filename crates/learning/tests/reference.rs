//! The reference of a model, from the log: what it is made of, and that it comes back with the model's file.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/transfers.rs"]
mod transfers;

use std::ops::ControlFlow;
use std::sync::Arc;

use drift::reference::ReferenceError;
use drift::{Column, Field, Monitor, Reference, Scale, Settings};
use event::EventTime;
use graph::FeatureList;
use model::artifact::Artifact;
use node::{History, Place};
use ringfence_learning::reference::{self, ReferenceFault, ReferencePlan};
use ringfence_learning::watched::watch;
use tempfile::TempDir;
use transfers::{PER_DAY, day, decide, import, model, open, producer, schema};

const FROM: u64 = 4;
const UNTIL: u64 = 34;

fn plan(from: u64, until: u64) -> ReferencePlan {
    ReferencePlan {
        from: day(from),
        until: day(until),
        scores_from: day(UNTIL - 10),
        rows_max: 200_000,
    }
}

fn built(
    place: &Place,
    artifact: &Artifact,
    plan: ReferencePlan,
) -> Result<Reference, ReferenceFault> {
    let history = History::open(place).unwrap();
    reference::build(&history, artifact, plan, |_, _| ControlFlow::Continue(()))
}

#[test]
fn columns_know_their_scale_their_field_and_what_they_are_made_from() {
    let schema = schema();
    let (columns, sources, by) = reference::columns(&schema, &FeatureList::new(&schema));
    let of = |name: &str| columns.iter().find(|it| it.name == name).unwrap();
    let bit = |name: &str| 1_u64 << sources.iter().position(|it| it == name).unwrap();
    let told = |it: &Column| (it.scale, it.field, it.sources);
    let money = bit("amount");
    assert_eq!(told(of("amount")), (Scale::Money, Field::Value, money));
    assert_eq!(
        told(of("balance_before")),
        (Scale::Log, Field::Value, bit("balance_before"))
    );
    assert_eq!(told(of("hour_of_day")), (Scale::Clock, Field::None, 0));
    assert_eq!(
        told(of("channel_code")),
        (Scale::Category, Field::Value, bit("channel"))
    );
    assert_eq!(
        told(of("device_events")),
        (Scale::Log, Field::Presence, bit("device"))
    );
    assert_eq!(
        told(of("device_sum_24h")),
        (Scale::Log, Field::None, bit("device") | money)
    );
    assert_eq!(
        told(of("pair_device_count")),
        (Scale::Log, Field::None, bit("device"))
    );
    // The subject is in every event: it can stay away from none.
    assert_eq!(of("account_events").field, Field::None);
    assert_eq!(columns.last().unwrap().name, "score");
    let share = columns
        .iter()
        .position(|it| it.name == "channel_share")
        .unwrap();
    assert_eq!(of("channel_code").novelty, Some(share as u16));
    assert_eq!(columns[usize::from(by.event_type)].name, "event_type");
    assert_eq!(
        columns[usize::from(by.channel.unwrap())].name,
        "channel_code"
    );
}

#[test]
fn a_models_file_carries_what_its_events_looked_like_and_later_ones_are_held_against_it() {
    let dir = TempDir::new().unwrap();
    let place = Place::new(dir.path(), "acme").unwrap();
    import(&place, 0, UNTIL * PER_DAY);
    let speaker = producer(&place, FROM, 9);
    let identity = model(&place, FROM, UNTIL, Some(speaker), 1);
    let (mut artifact, _) = Artifact::load(&place.model(&identity)).unwrap();

    let short = built(&place, &artifact, plan(UNTIL - 20, UNTIL)).unwrap_err();
    assert!(
        matches!(
            short,
            ReferenceFault::Reference(ReferenceError::TooShort { .. })
        ),
        "{short}"
    );

    let made = built(&place, &artifact, plan(FROM, UNTIL)).unwrap();
    assert_eq!(made.rows, (UNTIL - FROM) * PER_DAY);
    let score = made.width() - 1;
    let of_scores = made.baseline(0, score).unwrap();
    // Scores of the first twenty days of thirty are those of rows that trees were grown on: none of new ones.
    assert_eq!(of_scores.rows, (10 * PER_DAY) as f32);
    assert_eq!(of_scores.whole[of_scores.whole.len() - 1], 0.0);
    let sparse = ReferencePlan {
        rows_max: 5_000,
        ..plan(FROM, UNTIL)
    };
    let sparse = built(&place, &artifact, sparse).unwrap();
    assert!((4_500..5_500).contains(&sparse.rows), "{}", sparse.rows);

    artifact.reference = Some(made.encode().unwrap());
    let path = dir.path().join("with.model");
    artifact.save(&path).unwrap();
    let (read, _) = Artifact::load(&path).unwrap();
    let read = Reference::decode(&read.reference.unwrap()).unwrap();
    assert_eq!(read, made);
    read.fits(&artifact.header.features).unwrap();

    let mut tenant = open(&place);
    tenant.activate(identity).unwrap();
    decide(
        &mut tenant,
        UNTIL * PER_DAY,
        (UNTIL + 3) * PER_DAY,
        |_, _| {},
    );
    drop(tenant);
    let mut monitor = Monitor::new(Arc::new(read), Settings::default(), 0).unwrap();
    let range = (day(UNTIL), EventTime::END);
    watch(&place, &artifact, &mut monitor, range, |_, _, _| {
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(monitor.rows(), 3 * PER_DAY);
    assert_eq!(monitor.windows(), 3 * 24 - 1);
    assert_eq!(monitor.alerts().count(), 0);
}
