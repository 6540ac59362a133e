//! History under the watch: every event of a range is sampled and scored as if it were decided by one model, and taken by
//! a monitor.

pub mod page;

use std::ops::ControlFlow;

use drift::Monitor;
use drift::column::of_probability;
use event::{EventTime, Position, Record};
use graph::sample::SampleParts;
use model::artifact::Artifact;
use model::producer::Speaker;
use node::channel::Rehearsal;
use node::{Champion, History, Place};

use crate::reference::ReferenceFault;

/// Hands each event of the half-open range to the monitor, and hears of every step (records done, all). Features are
/// functions of all events before: a history whose beginning is gone is refused.
pub fn watch(
    place: &Place,
    artifact: &Artifact,
    monitor: &mut Monitor,
    (from, until): (EventTime, EventTime),
    mut progress: impl FnMut(&mut Monitor, u64, u64) -> ControlFlow<()>,
) -> Result<(), ReferenceFault> {
    let history = History::open(place)?;
    let mut records = history.iter_from(Position(0))?;
    let schema = history.schema();
    let parts = match artifact.network {
        Some(_) => SampleParts::Full,
        None => SampleParts::Tabular,
    };
    let speaker = artifact.producer.as_ref().map(Speaker::new);
    let mut rehearsal = Rehearsal::new(schema, speaker, parts);
    let features = rehearsal.engine().features().clone();
    let (_, identity) = Artifact::decode(&artifact.encode()?)?;
    let mut champion = Champion::of(artifact, &identity, schema, &features)?;
    let end = history.end().0;
    while let Some((position, record)) = records.next_record()? {
        let (mut time, mut ticked) = (None, None);
        match &record {
            Record::Event(event) if (from..until).contains(&event.event_timestamp) => {
                time = Some(event.event_timestamp);
            }
            Record::Tick(tick) if (from..until).contains(&tick.at) => ticked = Some(tick.at),
            _ => {}
        }
        let heard = rehearsal.apply(position, record, time.is_some());
        match time.zip(heard.sample) {
            Some((time, sample)) => {
                let score = champion.score(sample);
                let score = score.map_or(f32::NAN, |it| of_probability(it.probability_ppm));
                monitor.feed(position.0, time.millis(), &sample.tabular, score);
            }
            None => monitor.pass(position.0, ticked.map(EventTime::millis)),
        }
        let told = position.0.is_multiple_of(10_000) || position.0 + 1 == end;
        if told && progress(monitor, position.0 + 1, end).is_break() {
            return Err(ReferenceFault::Cancelled(position.0));
        }
    }
    Ok(())
}
