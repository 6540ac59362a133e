//! The watch of a tenant that starts: from the state that was written down, records behind it are sampled again while
//! recovery applies them. By invariants I1 and I3 it is what the owner had.

use std::sync::Arc;

use drift::{Monitor, Reference};
use engine::Engine;
use event::record::{ConfigSection, Record, ServingPart};
use event::{EventTime, Position, hex};
use graph::Sample;
use graph::sample::SampleParts;
use model::artifact::Artifact;

use super::{Watch, checkpoint, score_of, settings};
use crate::{History, NodeError, Place};

pub struct Replayed<'a> {
    place: &'a Place,
    /// The document that the watch goes by, as of the record that is looked at.
    document: String,
    watched: Option<([u8; 32], Monitor)>,
    sample: Sample,
    /// The last record, if it is an event: its decision comes next, or never.
    event: Option<(Position, EventTime)>,
    /// Where the state should have been that is not: what was decided before is in no statistic.
    anew_from: Option<Position>,
    warnings: Vec<String>,
}

impl<'a> Replayed<'a> {
    /// As of where the engine stands. Decided events between the state and there can not be sampled any more: they are
    /// counted as missed.
    pub fn open(
        place: &'a Place,
        history: &History,
        engine: &Engine,
    ) -> Result<Replayed<'a>, NodeError> {
        let mut replayed = Replayed {
            place,
            document: engine.body_of(ConfigSection::Drift).to_owned(),
            watched: None,
            sample: Sample::default(),
            event: None,
            anew_from: None,
            warnings: Vec::new(),
        };
        let from = engine.next();
        replayed.watched = match checkpoint::read(place) {
            // A model without a reference leaves the state of the one before it; and what an activation behind the
            // snapshot began is begun again there.
            Ok(Some(held)) if engine.champion() != Some(held.artifact) => None,
            Ok(Some(held)) => replayed.restored(held.artifact, &held.state, history.end()),
            Ok(None) => None,
            Err(why) => {
                replayed.warn(&why);
                None
            }
        };
        match &mut replayed.watched {
            Some((_, monitor)) if monitor.next() < from.0 => {
                let missed = decided(history, Position(monitor.next()), from)?;
                monitor.miss(missed, from.0);
                let text =
                    format!("{missed} decided events are in no window of the watch over drift");
                replayed.warnings.extend((missed > 0).then_some(text));
            }
            Some(_) => {}
            None => {
                if let Some(artifact) = engine.champion() {
                    replayed.begin(artifact, from);
                    // A snapshot stands for records that a state must know of.
                    let is_told = !replayed.warnings.is_empty();
                    replayed.anew_from = (from.0 > 0 && !is_told).then_some(from);
                }
            }
        }
        Ok(replayed)
    }

    fn restored(
        &mut self,
        artifact: [u8; 32],
        state: &[u8],
        end: Position,
    ) -> Option<([u8; 32], Monitor)> {
        let reference = self.reference(artifact)?;
        match Monitor::restore(reference, state) {
            Ok(monitor) if monitor.next() <= end.0 => Some((artifact, monitor)),
            Ok(_) => {
                self.warn("its state is ahead of the log");
                None
            }
            Err(error) => {
                self.warn(&error.to_string());
                None
            }
        }
    }

    fn begin(&mut self, artifact: [u8; 32], next: Position) {
        (self.watched, self.anew_from) = (None, None);
        if let Some(reference) = self.reference(artifact) {
            let monitor = settings::of(&self.document, &reference)
                .and_then(|settings| Ok(Monitor::new(reference, settings, next.0)?));
            match monitor {
                Ok(monitor) => self.watched = Some((artifact, monitor)),
                Err(error) => self.warn(&error.to_string()),
            }
        }
    }

    /// A model file that cannot be read is told by whoever loads the champion.
    fn reference(&mut self, artifact: [u8; 32]) -> Option<Arc<Reference>> {
        let (read, _) = Artifact::load(&self.place.model(&artifact)).ok()?;
        let decoded = Reference::decode(read.reference.as_ref()?);
        let fits = decoded.and_then(|it| it.fits(&read.header.features).map(|()| it));
        match fits {
            Ok(reference) => Some(Arc::new(reference)),
            Err(error) => {
                self.warn(&error.to_string());
                None
            }
        }
    }

    fn warn(&mut self, why: &str) {
        self.warnings
            .push(format!("the watch over drift begins anew: {why}"));
    }

    /// Looks at a record that is about to be applied.
    pub fn look(&mut self, engine: &mut Engine, position: Position, record: &Record) {
        let before = self.event.take();
        if let Record::Config(config) = record
            && config.section == ConfigSection::Drift
        {
            self.document.clone_from(&config.body);
        }
        if let Some((_, monitor)) = &self.watched
            && position.0 < monitor.next()
        {
            return;
        }
        match (record, &mut self.watched) {
            (Record::Activation(it), _) if it.part == ServingPart::Champion => {
                let next = Position(position.0 + 1);
                match it.artifact {
                    artifact if artifact == [0; 32] => self.watched = None,
                    artifact => self.begin(artifact, next),
                }
            }
            (Record::Config(config), Some((artifact, _)))
                if config.section == ConfigSection::Drift =>
            {
                let artifact = *artifact;
                self.begin(artifact, Position(position.0 + 1));
            }
            (Record::Event(event), Some(_)) => {
                engine.sample(event, SampleParts::Tabular, &mut self.sample);
                self.event = Some((position, event.event_timestamp));
            }
            (Record::Decision(decision), Some((artifact, monitor))) => {
                if let Some((at, time)) = before.filter(|it| it.0 == decision.event_position) {
                    let score = score_of(decision, artifact);
                    monitor.feed(at.0, time.millis(), &self.sample.tabular, score);
                }
            }
            (Record::Tick(tick), Some((_, monitor))) => {
                monitor.pass(position.0, Some(tick.at.millis()));
            }
            _ => {}
        }
    }

    /// At the end of the log; with what there is to be told.
    pub fn finish(mut self, end: Position) -> (Option<Watch>, Vec<String>) {
        let Some((artifact, mut monitor)) = self.watched.take() else {
            return (None, self.warnings);
        };
        if let Some(from) = self.anew_from {
            let state = self.place.watch();
            self.warn(&format!(
                "{} tells nothing of what model {} decided before position {}",
                state.display(),
                &hex(&artifact)[..12],
                from.0
            ));
        }
        monitor.go_on_from(end.0);
        // They were told when they were given.
        monitor.take_alerts();
        let watch = Watch::over(self.place, artifact, monitor);
        (Some(watch), self.warnings)
    }
}

/// How many events were decided in a part of the log.
fn decided(history: &History, from: Position, until: Position) -> Result<u64, NodeError> {
    let mut records = history.iter_from(from.max(history.first()))?;
    let mut count = 0;
    while let Some((position, record)) = records.next_record()?
        && position < until
    {
        count += u64::from(matches!(record, Record::Decision(_)));
    }
    Ok(count)
}
