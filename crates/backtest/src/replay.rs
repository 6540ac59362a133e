//! One pass over the log: up to the window, through it, and on to the end for the labels.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use engine::decide::{Facts, Judge};
use engine::{Engine, NoScore, Scored};
use event::record::{ConfigSection, Decision, DecisionKind, ModelVersion, Record};
use event::{Event, EventTime, Position, Schema, Span};
use graph::Sample;
use graph::sample::SampleParts;
use node::channel;
use node::{Champion, History, Place};

use crate::error::BacktestError;
use crate::plan::Plan;
use crate::report::Report;
use crate::rows::{EVENTS_MAX, Row, Rows};

/// Records so far, of those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// Events of the window are looked for this long after its end: they may come late.
const LATE: Span = Span::days(1);
/// Records between two looks at whether somebody still waits.
const WATCH_EVERY: u64 = 4_096;

/// A window decided again.
pub(crate) struct Replayed {
    pub rows: Rows,
    pub candidate: Judge,
    pub schema: Schema,
    /// Event time of the log's newest event.
    pub newest: EventTime,
    /// Days of the window that the log covers, at least an hour.
    pub days: f64,
    records: u64,
    took: Duration,
    graph: bool,
    rescored: u64,
    unscored: u64,
}

/// Decides a window again, and reports. `watch` sees how far it is, and ends it by breaking.
pub fn run(
    place: &Place,
    plan: &Plan,
    watch: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Report, BacktestError> {
    let it = replay(place, plan, watch)?;
    let mut report = Report::new(plan, &it);
    report.records = it.records;
    report.seconds = it.took.as_secs_f64();
    report.full_replay = it.graph;
    report.rescored = it.rescored;
    report.unscored = it.unscored;
    Ok(report)
}

pub(crate) fn replay(
    place: &Place,
    plan: &Plan,
    mut watch: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Replayed, BacktestError> {
    plan.check()?;
    let history = History::open(place)?;
    let mut engine = history.start()?;
    let (start, end) = (engine.next(), history.end());
    let mut pass = Pass::new(place, plan, &history, &engine)?;
    let began = Instant::now();
    let mut outcome = Ok(());
    history.read_ahead(start, |position, record| {
        if position.0.is_multiple_of(WATCH_EVERY) {
            let progress = Progress {
                done: position.0 - start.0,
                total: end.0 - start.0,
            };
            if watch(progress).is_break() {
                outcome = Err(BacktestError::Cancelled);
                return ControlFlow::Break(());
            }
        }
        match pass.take(place, &mut engine, position, record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                outcome = Err(error);
                ControlFlow::Break(())
            }
        }
    })?;
    outcome?;
    // The log's last record may be an event of the window.
    pass.undecided(&engine);
    pass.finish(history.schema().clone(), end.0 - start.0, began.elapsed())
}

struct Pass<'a> {
    plan: &'a Plan,
    current: Judge,
    candidate: Judge,
    /// Whether the graph is needed at all: rules look at features, or events are scored anew.
    graph: bool,
    parts: SampleParts,
    scorer: Option<Champion>,
    sample: Sample,
    /// The event that waits for its decision, which stands right behind it.
    waiting: Option<(Position, Event)>,
    rows: Rows,
    named: usize,
    /// Event time of the log's first and newest event.
    span: Option<(EventTime, EventTime)>,
    /// Events that were scored anew, and that had no score.
    rescored: u64,
    unscored: u64,
}

impl<'a> Pass<'a> {
    fn new(
        place: &Place,
        plan: &'a Plan,
        history: &History,
        engine: &Engine,
    ) -> Result<Pass<'a>, BacktestError> {
        let (schema, features) = (history.schema(), engine.features());
        let mut current = plan.current.judge(schema, features)?;
        let mut candidate = plan.candidate.judge(schema, features)?;
        // A log that retention has cut begins with lists.
        for judge in [&mut current, &mut candidate] {
            judge.set_lists(engine.lists().clone());
        }
        let scorer = plan
            .scorer
            .map(|artifact| Champion::load(&place.model(&artifact), schema, features));
        let scorer = scorer.transpose()?;
        let network = scorer.as_ref().is_some_and(Champion::has_network);
        Ok(Pass {
            plan,
            graph: scorer.is_some() || current.reads_features() || candidate.reads_features(),
            parts: if network {
                SampleParts::Full
            } else {
                SampleParts::Tabular
            },
            current,
            candidate,
            scorer,
            sample: Sample::default(),
            waiting: None,
            rows: Rows::default(),
            named: 0,
            span: None,
            rescored: 0,
            unscored: 0,
        })
    }

    fn take(
        &mut self,
        place: &Place,
        engine: &mut Engine,
        position: Position,
        record: Record,
    ) -> Result<(), BacktestError> {
        match &record {
            Record::Decision(decision) => self.decided(engine, decision),
            _ => self.undecided(engine),
        }
        match &record {
            Record::Event(event) => {
                let at = event.event_timestamp;
                let (first, last) = self.span.unwrap_or((at, at));
                self.span = Some((first.min(at), last.max(at)));
                let inside = at >= self.plan.from && at < self.plan.until;
                if inside && self.graph {
                    engine.sample(event, self.parts, &mut self.sample);
                }
                if inside && self.rows.rows.len() == EVENTS_MAX {
                    return Err(BacktestError::TooMany(EVENTS_MAX));
                }
                if inside {
                    self.waiting = Some((position, event.clone()));
                }
            }
            Record::Label(label) => self.rows.label(label.subject.position, label.verdict),
            _ => {}
        }
        // Behind the window only labels matter.
        let past = self
            .span
            .is_some_and(|(_, last)| last >= self.plan.until.plus(LATE));
        let moves = self.graph && !past;
        if moves || matches!(record, Record::Config(_)) {
            channel::apply(engine, place, position, &record)?;
        } else {
            engine.pass_over(position);
        }
        if let Record::Config(config) = &record
            && config.section == ConfigSection::Lists
        {
            self.current.set_lists(engine.lists().clone());
            self.candidate.set_lists(engine.lists().clone());
        }
        Ok(())
    }

    /// The score that was logged; a rule may have changed it since.
    fn decided(&mut self, engine: &Engine, decision: &Decision) {
        let Some((position, event)) = self
            .waiting
            .take_if(|(at, _)| *at == decision.event_position)
        else {
            return self.undecided(engine);
        };
        if decision.model == ModelVersion::default() {
            return self.judge(engine, position, &event, None);
        }
        let score = decision.findings.model_score.unwrap_or(decision.score);
        let scored = (score, decision.probability_ppm, decision.model);
        self.judge(engine, position, &event, Some(scored));
    }

    /// The event before this record has no decision.
    fn undecided(&mut self, engine: &Engine) {
        let Some((position, event)) = self.waiting.take() else {
            return;
        };
        let score = self.scorer.as_mut().and_then(|scorer| {
            let score = match scorer.has_network() {
                true => scorer.score(&self.sample),
                false => scorer.score_by_trees(&self.sample),
            };
            score.map(|score| (score.score, score.probability_ppm, scorer.version()))
        });
        self.rescored += u64::from(score.is_some());
        self.judge(engine, position, &event, score);
    }

    fn judge(
        &mut self,
        engine: &Engine,
        position: Position,
        event: &Event,
        scored: Option<(u16, u32, ModelVersion)>,
    ) {
        self.unscored += u64::from(scored.is_none());
        let base_amount = engine.base_amount(event);
        let facts = Facts {
            schema: engine.graph().schema(),
            tabular: &self.sample.tabular,
            base_amount,
        };
        let said = || match scored {
            None => Err(NoScore::NoModel),
            Some((score, probability_ppm, model)) => Ok(Scored {
                score,
                probability_ppm,
                model,
                reasons: Default::default(),
                evidence: Default::default(),
            }),
        };
        let current = self.current.decide(event, position, facts, said());
        let candidate = self.candidate.decide(event, position, facts, said());
        let row = self.rows.rows.len() as u32;
        self.rows.hit(row, self.candidate.matched());
        let named = current.verdict != candidate.verdict && self.named < self.plan.samples;
        self.named += usize::from(named);
        self.rows.rows.push(Row {
            position,
            at: event.event_timestamp,
            alert: [alerts(&current), alerts(&candidate)],
            current: current.verdict,
            candidate: candidate.verdict,
            score: scored.map(|(score, ..)| score),
            amount: base_amount.unwrap_or(0.0),
            event_id: named.then(|| event.event_id.clone()),
            label: None,
        });
    }

    /// The log may begin within the window, or end there.
    fn days(&self) -> f64 {
        const HOUR_MS: i64 = 3_600_000;
        let (first, last) = self.span.unwrap_or((self.plan.from, self.plan.until));
        let from = first.max(self.plan.from);
        let until = last.min(self.plan.until);
        until.since(from).millis().max(HOUR_MS) as f64 / 86_400_000.0
    }

    fn finish(
        self,
        schema: Schema,
        records: u64,
        took: Duration,
    ) -> Result<Replayed, BacktestError> {
        let told = |at: Option<EventTime>| at.map_or("nothing".to_owned(), |at| at.to_string());
        if self.rows.rows.is_empty() {
            return Err(BacktestError::Empty {
                what: "event",
                from: self.plan.from.to_string(),
                until: self.plan.until.to_string(),
                first: told(self.span.map(|it| it.0)),
                last: told(self.span.map(|it| it.1)),
            });
        }
        let days = self.days();
        Ok(Replayed {
            rows: self.rows,
            candidate: self.candidate,
            schema,
            newest: self.span.map_or(self.plan.until, |(_, last)| last),
            days,
            records,
            took,
            graph: self.graph,
            rescored: self.rescored,
            unscored: self.unscored,
        })
    }
}

/// Whether casework would open an alert for it, by the settings of a new tenant.
fn alerts(decision: &Decision) -> bool {
    let by_rule = decision
        .findings
        .rules
        .iter()
        .any(|hit| hit.alert.is_some());
    by_rule
        || matches!(
            decision.verdict,
            DecisionKind::Review | DecisionKind::Decline
        )
}
