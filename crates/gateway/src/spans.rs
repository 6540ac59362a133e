//! From a request that has ended to its spans: which are kept, what they are called, what they say.
//!
//! The root is the request at this server; below it, of what went through an owner thread, the steps in their order.
//! A decision's steps are `decision.sample` and so on, those of other requests `request.queue` and so on. Nothing of an
//! event but what was decided: no id, no entity, no amount.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event::record::{Decision, DecisionKind, DecisionSource, ModelVersion};
use node::mailbox::Level;
use node::timeline::{Step, Timeline};
use traces::sampling::Outcome;
use traces::{Exporter, Kind, Request, Sampling, Span, Value};

use crate::routes::Route;
use crate::trace::{Trace, Traces};

/// Where spans go, and which.
pub struct Tracing {
    pub exporter: Arc<Exporter>,
    pub sampling: Sampling,
}

/// What was decided; a handler leaves it with its answer.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub level: Level,
    pub verdict: DecisionKind,
    pub source: DecisionSource,
    pub model: ModelVersion,
    pub score: u16,
    pub is_degraded: bool,
}

impl Verdict {
    pub fn of(decision: &Decision, level: Level) -> Verdict {
        Verdict {
            level,
            verdict: decision.verdict,
            source: decision.source,
            model: decision.model,
            score: decision.score,
            is_degraded: decision.degraded != 0,
        }
    }

    pub fn is_decline(&self) -> bool {
        self.verdict == DecisionKind::Decline
    }

    /// Declined, or decided with less than all.
    pub fn is_remarkable(&self) -> bool {
        self.is_decline() || self.source == DecisionSource::Fallback || self.is_degraded
    }
}

/// What became of many; a handler leaves it with its answer.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub lines: u64,
    pub declined: u64,
}

/// A request that has ended.
pub struct Ended<'a> {
    pub route: &'static Route,
    pub trace: Trace,
    pub tenant: Option<&'a str>,
    pub level: Option<Level>,
    pub status: u16,
    /// The code of a refusal.
    pub code: Option<&'static str>,
    pub verdict: Option<Verdict>,
    pub batch: Option<Batch>,
    pub time: Duration,
    pub timeline: Option<&'a Timeline>,
}

impl Ended<'_> {
    fn level(&self) -> Option<Level> {
        self.verdict.map(|it| it.level).or(self.level)
    }

    fn outcome(&self) -> Outcome {
        let told = self.verdict.is_some_and(|it| it.is_remarkable());
        let told = told || self.batch.is_some_and(|it| it.declined > 0);
        Outcome {
            // What was refused before it had a level counts as the least urgent.
            level: self.level().unwrap_or(Level::L3) as usize,
            asked_for: self.trace.sampled,
            remarkable: told || self.status >= 500,
        }
    }
}

impl Tracing {
    pub fn keeps(&self, it: &Ended<'_>) -> bool {
        self.sampling.keeps(it.trace.trace, it.outcome())
    }

    pub fn send(&self, it: &Ended<'_>, ids: &Traces) {
        self.exporter.send(request(it, ids));
    }
}

fn request(it: &Ended<'_>, ids: &Traces) -> Request {
    let ended_ns = SystemTime::now().duration_since(UNIX_EPOCH);
    let ended_ns = ended_ns.map_or(0, |since| since.as_nanos() as u64);
    let start_ns = ended_ns.saturating_sub(it.time.as_nanos() as u64);
    let mut common = Vec::with_capacity(2);
    if let Some(level) = it.level() {
        common.push(("biz.level", level.name().into()));
    }
    if let Some(tenant) = it.tenant {
        common.push(("tenant.id", tenant.to_owned().into()));
    }
    let steps = it
        .timeline
        .map(|timeline| steps(it, timeline, start_ns, ids));
    Request {
        kind: Kind::Server,
        trace: it.trace.trace,
        caller: it.trace.caller,
        common,
        root: Span {
            id: it.trace.span,
            name: format!("{} {}", it.route.method, it.route.path).into(),
            start_ns,
            end_ns: ended_ns,
            attributes: attributes(it),
        },
        steps: steps.unwrap_or_default(),
        error: (it.status >= 500).then_some(it.code.unwrap_or("internal")),
    }
}

/// Names of OpenTelemetry's conventions where it has one.
fn attributes(it: &Ended<'_>) -> Vec<(&'static str, Value)> {
    let mut all = Vec::with_capacity(9);
    all.push(("http.request.method", it.route.method.to_string().into()));
    all.push(("http.route", it.route.path.into()));
    all.push(("http.response.status_code", i64::from(it.status).into()));
    if let Some(code) = it.code {
        all.push(("error.type", code.into()));
    }
    if let Some(told) = it.verdict {
        all.push(("decision.verdict", told.verdict.name().into()));
        all.push(("decision.source", told.source.name().into()));
        all.push(("decision.score", i64::from(told.score).into()));
        all.push(("model.version", told.model.digits().into()));
    }
    if let Some(told) = it.batch {
        all.push(("batch.lines", (told.lines as i64).into()));
        all.push(("batch.declined", (told.declined as i64).into()));
    }
    all
}

fn steps(it: &Ended<'_>, timeline: &Timeline, start_ns: u64, ids: &Traces) -> Vec<Span> {
    let is_decision = it.verdict.is_some();
    let mut spans = Vec::with_capacity(Step::ALL.len());
    for (step, began, ended) in timeline.steps() {
        spans.push(Span {
            id: ids.draw(),
            name: name(step, is_decision).into(),
            start_ns: start_ns + began.as_nanos() as u64,
            end_ns: start_ns + ended.as_nanos() as u64,
            attributes: Vec::new(),
        });
    }
    spans
}

fn name(step: Step, is_decision: bool) -> &'static str {
    match (is_decision, step) {
        (true, Step::Asked) => "decision.read",
        (true, Step::Turn) => "decision.queue",
        (_, Step::Sampled) => "decision.sample",
        (_, Step::Applied) => "decision.apply",
        (_, Step::Scored) => "decision.score",
        (_, Step::Judged) => "decision.policy",
        (true, Step::Recorded) => "decision.record",
        (true, Step::Committed) => "decision.commit",
        (false, Step::Asked) => "request.read",
        (false, Step::Turn) => "request.queue",
        (false, Step::Recorded) => "request.work",
        (false, Step::Committed) => "request.commit",
    }
}
