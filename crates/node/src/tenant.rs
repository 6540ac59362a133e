//! The tenant's owner: one record after the other into log and engine, decisions out.

pub mod activation;
pub mod around;
pub mod documents;
pub mod lineup;
pub mod plan;
mod received;
mod scoring;
pub mod serving;
pub mod shadows;
mod watching;

use std::ops::ControlFlow;
use std::sync::Arc;

use engine::{ENGINE_SEMANTICS, Engine};
use event::json::{LabelLine, OutcomeLine};
use event::record::{Decision, Record, Tick};
use event::{Event, EventTime, Position, Schema, Span};
use graph::Sample;
use graph::sample::SampleParts;
use log::LogOptions;

use crate::channel::Rehearsal;
use crate::guard::{Guard, Urgency};
use crate::quota::Room;
use crate::recovery::{self, Recovered};
use crate::timeline::{Step, Timeline};
use crate::watch::replayed::Replayed;
use crate::watch::{Helper, Watch};
use crate::{Accepted, Champion, Journal, NodeError, Place};

/// A decision and where its event lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub position: Position,
    pub decision: Decision,
    /// The event had been decided before; this is that decision.
    pub duplicate: bool,
}

/// What was in service, or was to be, and is not any more. Freeing it takes long.
#[derive(Debug)]
pub enum Left {
    Model(Box<Champion>),
    /// What a channel was made with: a state of its own.
    Rehearsal(Box<Rehearsal>),
}

#[derive(Debug)]
pub struct Tenant {
    place: Place,
    journal: Journal,
    engine: Engine,
    champion: Option<Champion>,
    challenger: Option<Champion>,
    /// For somebody else to drop.
    left: Vec<Left>,
    sample: Sample,
    label_delay: Option<Span>,
    timeline: Option<Arc<Timeline>>,
    guard: Option<Guard>,
    challenger_guard: Option<Guard>,
    shadows: Option<shadows::Shadows>,
    /// Since when what becomes of rules is counted.
    rules_since: EventTime,
    watch: Option<Watch>,
    watch_helper: Option<Helper>,
    pub(crate) room: Option<Room>,
}

impl Tenant {
    /// Opens a tenant: newest valid snapshot, then the tail of the log. `progress` sees (done, total)
    /// records.
    pub fn open(
        place: &Place,
        options: LogOptions,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<(Tenant, Recovered), NodeError> {
        let (journal, recovery) = Journal::open(place, options)?;
        let mut recovered = Recovered {
            cut_bytes: recovery.cut_bytes,
            ..Recovered::default()
        };
        let history = crate::History::open(place)?;
        let mut engine = recovery::restore(&history, &mut recovered, |snapshot| snapshot)?;
        let (from, end) = (engine.next(), history.end());
        let told = |replayed: u64| {
            if replayed.is_multiple_of(10_000) {
                progress(replayed, end.0 - from.0);
            }
            ControlFlow::Continue(())
        };
        let mut watched = Replayed::open(place, &history, &engine)?;
        let look = |engine: &mut Engine, position, record: &Record| {
            watched.look(engine, position, record);
        };
        recovery::replay(
            &mut engine,
            place,
            &history,
            end,
            &mut recovered,
            look,
            told,
        )?;
        let (watch, mut told) = watched.finish(end);
        recovered.warnings.append(&mut told);
        let mut tenant = Tenant {
            place: place.clone(),
            rules_since: journal.newest(),
            journal,
            engine,
            champion: None,
            challenger: None,
            left: Vec::new(),
            sample: Sample::default(),
            label_delay: None,
            timeline: None,
            guard: None,
            challenger_guard: None,
            shadows: None,
            watch,
            watch_helper: None,
            room: None,
        };
        if let Some(artifact) = tenant.engine.champion()
            && let Err(error) = tenant.load_champion(artifact)
        {
            recovered
                .warnings
                .push(format!("champion not loaded, decisions fall back: {error}"));
        }
        if let Some(held) = tenant.engine.lineup().challenger().copied() {
            match tenant.load(held.artifact) {
                Ok(model) => tenant.challenger = Some(model),
                Err(error) => recovered.warnings.push(format!(
                    "challenger not loaded, the champion decides: {error}"
                )),
            }
        }
        Ok((tenant, recovered))
    }

    pub fn schema(&self) -> &Schema {
        self.journal.schema()
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    pub fn champion(&self) -> Option<&Champion> {
        self.champion.as_ref()
    }

    pub fn challenger(&self) -> Option<&Champion> {
        self.challenger.as_ref()
    }

    /// The champion, and who shares its decisions.
    pub fn deciding(&self) -> [Option<&Champion>; 2] {
        [self.champion.as_ref(), self.challenger.as_ref()]
    }

    /// The sample of the latest decision.
    pub fn last_sample(&self) -> &Sample {
        &self.sample
    }

    /// Keeps the model from costing more than it may; without it nothing is measured.
    pub fn guard_by(&mut self, guard: Guard) {
        self.challenger_guard = Some(guard.another());
        self.guard = Some(guard);
    }

    /// Of the champion and of the challenger; `None`: there is none, or it was not asked yet.
    pub fn guards(&self) -> [Option<&Guard>; 2] {
        [
            (&self.guard, &self.champion),
            (&self.challenger_guard, &self.challenger),
        ]
        .map(|(guard, model)| {
            let artifact = model.as_ref()?.artifact();
            guard.as_ref().filter(|it| it.is_of(artifact))
        })
    }

    /// Notes when the steps of what comes next end; `None`: nobody wants to know.
    pub fn timed_by(&mut self, timeline: Option<Arc<Timeline>>) {
        self.timeline = timeline;
    }

    fn mark(&self, step: Step) {
        if let Some(timeline) = &self.timeline {
            timeline.mark(step);
        }
    }

    /// Decides one event and appends event and decision; durable after [`Tenant::commit`].
    pub fn decide(&mut self, event: Event) -> Result<Decided, NodeError> {
        self.decide_in_time(event, Urgency::NONE)
    }

    /// The same for somebody who does not wait for ever.
    pub fn decide_in_time(&mut self, event: Event, urgency: Urgency) -> Result<Decided, NodeError> {
        if let Some(position) = self.journal.check_event(&event)? {
            return self.decided_before(event, position);
        }
        // The last moment at which nothing has happened yet: a sample already moves the graph's time.
        if self.is_past(urgency) {
            return Err(NodeError::DeadlinePassed);
        }
        self.check_room_for_event(&event)?;
        self.journal.make_room_for_decision()?;
        self.engine
            .sample(&event, SampleParts::Full, &mut self.sample);
        self.mark(Step::Sampled);
        let position = self.append(Record::Event(event.clone()))?;
        self.mark(Step::Applied);
        self.decide_at(&event, position, urgency)
    }

    /// The same event again: the same answer (I5). An imported event has none to repeat.
    fn decided_before(&mut self, event: Event, position: Position) -> Result<Decided, NodeError> {
        if let Some(decision) = self.journal.decision_of(position)? {
            return Ok(Decided {
                position,
                decision,
                duplicate: true,
            });
        }
        Err(NodeError::Undecided {
            event_id: event.event_id.as_str().to_owned(),
            position,
        })
    }

    pub fn label(
        &mut self,
        line: &LabelLine,
        received_at: EventTime,
    ) -> Result<Accepted, NodeError> {
        match self.journal.resolve_label(line, received_at)? {
            Some(label) => {
                self.check_room_for_report()?;
                let delay = label.received_at.since(label.subject.event_timestamp);
                let position = self.append(Record::Label(label))?;
                self.label_delay = Some(delay);
                Ok(Accepted::New(position))
            }
            None => Ok(Accepted::Duplicate(self.journal.next())),
        }
    }

    /// How long after its event the latest label came, of one that was not asked about yet.
    pub fn take_label_delay(&mut self) -> Option<Span> {
        self.label_delay.take()
    }

    pub fn outcome(
        &mut self,
        line: &OutcomeLine,
        received_at: EventTime,
    ) -> Result<Accepted, NodeError> {
        match self.journal.resolve_outcome(line, received_at)? {
            Some(outcome) => {
                self.check_room_for_report()?;
                Ok(Accepted::New(self.append(Record::Outcome(outcome))?))
            }
            None => Ok(Accepted::Duplicate(self.journal.next())),
        }
    }

    /// Event time has reached `at` although no event came: windows end for a quiet tenant too.
    pub fn tick(&mut self, at: EventTime) -> Result<Position, NodeError> {
        let position = self.append(Record::Tick(Tick { at }))?;
        if let Some(watch) = &mut self.watch {
            watch.ticked(position, at);
        }
        Ok(position)
    }

    fn append(&mut self, record: Record) -> Result<Position, NodeError> {
        let position = self.journal.append(&record)?;
        self.engine.apply(position, &record);
        if matches!(record, Record::Activation(_)) {
            self.follow_shadows();
        }
        Ok(position)
    }

    /// Makes everything so far durable; only then may it be shown.
    pub fn commit(&mut self) -> Result<Position, NodeError> {
        let committed = self.journal.commit()?;
        self.watch_up_to(committed);
        Ok(committed)
    }

    /// Commits and writes a snapshot of the state.
    pub fn snapshot(&mut self) -> Result<Position, NodeError> {
        let position = self.commit()?;
        if let Some(watch) = &self.watch {
            watch.beside().checkpoint()?;
        }
        let engine = &self.engine;
        let at = log::Position(position.0);
        self.journal
            .log()
            .write_snapshot(at, ENGINE_SEMANTICS, |to| engine.write_snapshot(to))?;
        Ok(position)
    }
}
