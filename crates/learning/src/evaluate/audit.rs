//! Does a protocol leak on this tenant's history? The history is altered in ways that must not help a
//! model, or must not be seen by it at all, and the whole way from log to score is gone again.
//!
//! **Invariant**: works on a copy of the log in memory and writes nothing; reads the validation folds
//! unless the test is asked for.

pub mod alter;
pub mod relabel;

mod chance;
mod compare;
mod finding;
mod labels;
mod learner;
mod scored;

use std::ops::ControlFlow;

use event::Position;
use event::schema::Simultaneous;
use graph::sample::SampleParts;
use node::NodeError;

use super::bootstrap::{Interval, Run, quantiles, resampled_ap};
use super::channel::{Channel, Making};
use super::folds::Part;
use super::ladder::Rung;
use super::protocol::{Fold, Protocol, Window};
use super::samples::Samples;
use super::source::{Source, Stream};
use super::{EvaluateError, Extent};
use alter::Naming;
use compare::Compared;
use scored::Scorer;

pub use finding::{AuditReport, Finding, Verdict};

/// One way in which a figure can be better than what a running system would reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Labels permuted before the replay: nothing may be left to learn.
    Labels,
    /// Another future: no score before it may move.
    Future,
    /// Other ids: no score may move, but for ties that ids break.
    Ids,
    /// Events of one instant in another order.
    Order,
    /// Labels told later: AP may not rise.
    Delay,
}

impl Check {
    pub const ALL: [Check; 5] = [
        Check::Labels,
        Check::Future,
        Check::Ids,
        Check::Order,
        Check::Delay,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Check::Labels => "labels",
            Check::Future => "future",
            Check::Ids => "ids",
            Check::Order => "order",
            Check::Delay => "delay",
        }
    }
}

/// What the audit is doing, for whoever waits.
#[derive(Clone, Debug, PartialEq)]
pub enum Doing {
    Replay { done: u64, of: u64 },
    Fit { fold: usize },
}

pub struct Step {
    /// `None`: the log as it is.
    pub check: Option<Check>,
    pub doing: Doing,
}

/// Replayed records so far, and of how many.
pub type Replayed<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// The way from a log to samples that is audited; [`honest`] is that of `evaluate`.
pub type Sampling =
    dyn Fn(&Source<'_>, &Protocol, &[Window], Replayed<'_>) -> Result<Samples, EvaluateError>;

pub fn honest(
    source: &Source<'_>,
    protocol: &Protocol,
    windows: &[Window],
    progress: Replayed<'_>,
) -> Result<Samples, EvaluateError> {
    read(source, protocol, windows, SampleParts::Tabular, progress)
}

/// The same with sequences and neighbourhoods, for rungs with a network.
pub fn honest_full(
    source: &Source<'_>,
    protocol: &Protocol,
    windows: &[Window],
    progress: Replayed<'_>,
) -> Result<Samples, EvaluateError> {
    read(source, protocol, windows, SampleParts::Full, progress)
}

fn read(
    source: &Source<'_>,
    protocol: &Protocol,
    windows: &[Window],
    parts: SampleParts,
    progress: Replayed<'_>,
) -> Result<Samples, EvaluateError> {
    let mut samples = Samples::read(source, protocol, windows)?;
    samples.replay(source, parts, progress)?;
    Ok(samples)
}

/// The way from a producer's training rows to its channel that is audited; [`super::channel::make`] is that of
/// `evaluate`. Only for rungs that read suspicion.
pub type Channeling = dyn Fn(&Making<'_>, &Part) -> Result<Channel, EvaluateError>;

/// What is audited.
pub struct Subject<'a> {
    pub stream: &'a Stream,
    pub protocol: &'a Protocol,
    /// Which folds are scored.
    pub extent: Extent,
    pub rung: &'a Rung,
    pub sampling: &'a Sampling,
    pub channeling: &'a Channeling,
}

/// 99 % intervals and a bound of 99.9 %: a clean history fails a check about once in 200 audits.
const SIGNIFICANT: (f64, f64) = (0.005, 0.995);
const RESAMPLES: usize = 1_000;
/// Altered once more when the first time says leak: a history that is like the others lies outside all of
/// them in two of eleven cases.
const OTHERS: u64 = 9;
const SEED: u64 = 20_261;

pub fn audit(
    subject: &Subject<'_>,
    checks: &[Check],
    mut progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<AuditReport, EvaluateError> {
    let mut auditor = Auditor::new(subject, &mut progress)?;
    let mut findings = Vec::new();
    for check in checks {
        match check {
            Check::Labels => findings.push(auditor.labels()?),
            Check::Future => findings.extend(auditor.future()?),
            Check::Ids => findings.extend(auditor.ids()?),
            Check::Order => findings.push(auditor.order()?),
            Check::Delay => findings.push(auditor.delay()?),
        }
    }
    Ok(auditor.scorer.report(subject, findings))
}

struct Auditor<'a, P> {
    subject: &'a Subject<'a>,
    scorer: Scorer<'a>,
    progress: &'a mut P,
}

impl<'a, P: FnMut(Step) -> ControlFlow<()>> Auditor<'a, P> {
    fn new(subject: &'a Subject<'a>, progress: &'a mut P) -> Result<Self, EvaluateError> {
        let windows = windows(folds(subject));
        let samples = sampled(subject, subject.stream, &windows, None, progress)?;
        let scorer = Scorer::new(subject, samples, |fold| {
            progress(Step {
                check: None,
                doing: Doing::Fit { fold },
            })
        })?;
        Ok(Auditor {
            subject,
            scorer,
            progress,
        })
    }

    fn samples(
        &mut self,
        check: Check,
        stream: &Stream,
        windows: &[Window],
    ) -> Result<Samples, EvaluateError> {
        sampled(self.subject, stream, windows, Some(check), self.progress)
    }

    fn tell(&mut self, check: Check, fold: usize) -> Result<(), EvaluateError> {
        let doing = Doing::Fit { fold };
        match (self.progress)(Step {
            check: Some(check),
            doing,
        }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(EvaluateError::Cancelled),
        }
    }

    /// For each fold the future of the middle of its test, and for the last one no future at all.
    fn future(&mut self) -> Result<Vec<Finding>, EvaluateError> {
        let mut findings = Vec::new();
        let last = folds(self.subject).len() - 1;
        for fold in 0..=last {
            let Some(cut) = self.scorer.middle(fold) else {
                continue;
            };
            let stream = alter::another_future(self.subject.stream, cut)?;
            findings.push(self.after_cut(fold, cut, &stream, "altered")?);
        }
        if let Some(cut) = self.scorer.middle(last) {
            let stream = alter::ended(self.subject.stream, cut)?;
            findings.push(self.after_cut(last, cut, &stream, "removed")?);
        }
        Ok(findings)
    }

    fn after_cut(
        &mut self,
        fold: usize,
        cut: Position,
        stream: &Stream,
        what: &str,
    ) -> Result<Finding, EvaluateError> {
        let it = folds(self.subject)[fold];
        // No row behind the cut is looked at, so none is sampled.
        let until = self.scorer.time_after(cut).min(it.test.until);
        let test = Window { until, ..it.test };
        let windows = windows(&[Fold { test, ..it }]);
        let samples = self.samples(Check::Future, stream, &windows)?;
        let compared = self.scorer.compare(&samples, stream, fold, cut)?;
        self.tell(Check::Future, fold)?;
        let altered = format!("fold {fold}: everything from record {} on {what}", cut.0);
        Ok(compared.strict(Finding::new(Check::Future, altered)))
    }

    fn ids(&mut self) -> Result<Vec<Finding>, EvaluateError> {
        let ties = self.subject.stream.schema().time.simultaneous == Simultaneous::Hidden;
        let random = alter::renamed(self.subject.stream, &Naming::Random(SEED))?;
        let what = "ids replaced by random ones".to_owned();
        let mut findings = Vec::new();
        if ties {
            let naming = Naming::ordered(self.subject.stream)?;
            let kept = alter::renamed(self.subject.stream, &naming)?;
            let altered = "ids replaced in their order".to_owned();
            let (compared, _) = self.compare(Check::Ids, &kept)?;
            findings.push(compared.strict(Finding::new(Check::Ids, altered)));
        }
        let (compared, run) = self.compare(Check::Ids, &random)?;
        let finding = Finding::new(Check::Ids, what);
        findings.push(if ties {
            let note = "events of one instant enter the state in the order of their ids";
            let stream = self.subject.stream;
            let again = |draw| alter::renamed(stream, &Naming::Random(draw));
            self.no_change(Check::Ids, finding, (&compared, &run), note, again)?
        } else {
            compared.strict(finding)
        });
        Ok(findings)
    }

    fn order(&mut self) -> Result<Finding, EvaluateError> {
        let (stream, moved) = alter::shuffled(self.subject.stream, SEED)?;
        let altered = format!("{moved} events moved within their instant");
        let finding = Finding::new(Check::Order, altered);
        if moved == 0 {
            return Ok(Finding {
                note: "no two events share an instant: there is no order to leak".to_owned(),
                ..finding
            });
        }
        let (compared, run) = self.compare(Check::Order, &stream)?;
        match self.subject.stream.schema().time.simultaneous {
            Simultaneous::Hidden => Ok(compared.strict(finding)),
            Simultaneous::Ordered => {
                let note = "the order within an instant is part of this schema's stream";
                let stream = self.subject.stream;
                let again = |draw| Ok(alter::shuffled(stream, draw)?.0);
                self.no_change(Check::Order, finding, (&compared, &run), note, again)
            }
        }
    }

    fn compare(&mut self, check: Check, stream: &Stream) -> Result<(Compared, Run), EvaluateError> {
        let samples = self.samples(check, stream, &windows(folds(self.subject)))?;
        let everything = Position(u64::MAX);
        let mut all = Compared::default();
        let mut run = Run::new();
        for fold in 0..folds(self.subject).len() {
            let compared = self.scorer.compare(&samples, stream, fold, everything)?;
            run.push(self.scorer.with_scores(fold, &compared.scores));
            all.add(compared);
            self.tell(check, fold)?;
        }
        Ok((all, run))
    }

    /// Scores may move, but not so that AP falls or rises: neither beyond what resampled subjects allow,
    /// nor, since those do not tell the chance of training, beyond other histories altered alike.
    fn no_change(
        &mut self,
        check: Check,
        finding: Finding,
        (compared, run): (&Compared, &Run),
        note: &str,
        again: impl Fn(u64) -> Result<Stream, NodeError>,
    ) -> Result<Finding, EvaluateError> {
        let change = self.change(run);
        let moved = change.low > 0.0 || change.high < 0.0;
        let mut leaks =
            moved && (self.is_beyond_chance(run) || self.is_beyond_chance(self.scorer.run()));
        let mut note = format!("{note}: its AP may not change");
        if leaks {
            let mut aps = vec![self.scorer.mean_ap(run)];
            for draw in 1..=OTHERS {
                let (_, run) = self.compare(check, &again(SEED + draw)?)?;
                aps.push(self.scorer.mean_ap(&run));
            }
            aps.sort_by(f64::total_cmp);
            let (low, high) = (aps[0], aps[aps.len() - 1]);
            let own = self.scorer.mean_ap(self.scorer.run());
            leaks = own < low || own > high;
            note = format!(
                "{note}; {} histories altered so: {low:.4} to {high:.4}",
                aps.len()
            );
        }
        Ok(Finding {
            ap: Some(self.scorer.mean_ap(run)),
            verdict: Verdict::leak_if(leaks),
            change: Some(change),
            note,
            ..compared.described(finding)
        })
    }

    /// Between two models that know nothing a resample of subjects finds a difference too often: what
    /// it cannot see is the chance of their training.
    fn is_beyond_chance(&self, run: &Run) -> bool {
        let least = self.subject.protocol.fold_frauds_min;
        self.scorer.mean_ap(run) > chance::highest(run, least, SEED).bound
    }

    /// Of the mean AP over folds against the log as it is, the same subjects drawn for both.
    fn change(&self, run: &Run) -> Interval {
        let least = self.subject.protocol.fold_frauds_min;
        let resampled = |run: &Run| resampled_ap(std::slice::from_ref(run), least, RESAMPLES, SEED);
        let (after, before) = (resampled(run), resampled(self.scorer.run()));
        let differences: Vec<f64> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
        quantiles(&differences, SIGNIFICANT.0, SIGNIFICANT.1)
    }
}

fn folds<'a>(subject: &Subject<'a>) -> &'a [Fold] {
    match subject.extent {
        Extent::Validation => &subject.protocol.validation,
        Extent::Test => &subject.protocol.test,
    }
}

fn windows(folds: &[Fold]) -> Vec<Window> {
    let of = |it: &Fold| {
        let staged = it.staged.map(|staged| [staged.producer, staged.consumer]);
        let staged = staged.into_iter().flatten();
        [it.train, it.test].into_iter().chain(staged)
    };
    folds.iter().flat_map(of).collect()
}

fn sampled(
    subject: &Subject<'_>,
    stream: &Stream,
    windows: &[Window],
    check: Option<Check>,
    progress: &mut impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Samples, EvaluateError> {
    let source = Source::Memory(stream);
    (subject.sampling)(&source, subject.protocol, windows, &mut |done, of| {
        progress(Step {
            check,
            doing: Doing::Replay { done, of },
        })
    })
}
