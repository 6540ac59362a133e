//! The table: every model over the window, and each beside the first.

use event::{EventTime, Position, Span};
use serde::Serialize;

use crate::beside::{Beside, beside};
use crate::row::{Model, Window};
use crate::side::{Blocks, Figure, Latency, Resamples, Sheet, Verdicts, spread};
use crate::truth::{self, Known, Truth};

#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Labels that came later are not known.
    pub known_until: EventTime,
    /// How old an event must be to count: its label had time to come.
    pub maturity: Span,
    /// Whether a mature event without a label is legitimate.
    pub presumed: bool,
    /// For how many an event that passed by chance stands at most.
    pub weight_max: f64,
    pub resamples: usize,
    pub seed: u64,
    /// Disagreements that are named, for each model.
    pub samples: usize,
}

impl Options {
    /// Resamples of an interval, and events named: enough for two digits, and for one look.
    pub const RESAMPLES: usize = 300;
    pub const SAMPLES: usize = 10;
    /// As training weighs.
    pub const WEIGHT_MAX: f64 = 20.0;
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    pub from: EventTime,
    pub until: EventTime,
    pub maturity: Span,
    /// Decided events of the window.
    pub decisions: u64,
    /// From the first to the last of them, at least an hour.
    pub days: f64,
    pub truth: Truth,
    pub models: Vec<Side>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    pub model: String,
    pub part: &'static str,
    pub scored: u64,
    /// Share of the window's decisions from the first one that it scored on.
    pub coverage: f64,
    pub latency_us: Option<Latency>,
    pub verdicts: Verdicts,
    /// Reviewed or declined.
    pub alerts_per_day: f64,
    /// Known rows that it scored, the frauds among them, and their accounts.
    pub known: u64,
    pub frauds: u64,
    pub fraud_accounts: u64,
    /// Of them, by weight, over the days of the mature part.
    pub frauds_intercepted_per_day: f64,
    pub false_positives_per_day: f64,
    pub precision: Option<Figure>,
    pub recall: Option<Figure>,
    /// Frauds counted by their amounts.
    pub value_recall: Option<f64>,
    /// Resampled by accounts; `None` below [`FRAUD_ACCOUNTS_MIN`].
    ///
    /// [`FRAUD_ACCOUNTS_MIN`]: crate::FRAUD_ACCOUNTS_MIN
    pub f1: Option<Figure>,
    pub ap: Option<Figure>,
    /// What it took to put it into service last, milliseconds; `None`: it was not, or nobody knows.
    pub hot_update_ms: Option<f64>,
    /// Why it does not score now; `None`: it does, or nobody knows.
    pub trouble: Option<String>,
    /// `None` of the first model.
    pub beside: Option<Beside>,
}

/// Whether nobody waits any more; asked before each model and each resample.
pub(crate) type Stop<'a> = &'a mut dyn FnMut() -> bool;

/// `None` when `stop` said so.
pub fn compare(
    window: &Window,
    options: &Options,
    mut stop: impl FnMut() -> bool,
) -> Option<Table> {
    let rows = &window.rows;
    let (known, truth) = truth::of_rows(rows, options);
    let blocks = Blocks::new(rows);
    let mut models = Vec::with_capacity(window.models.len());
    for (at, model) in window.models.iter().enumerate() {
        let mut side = side(window, model, &known, &blocks, options, &mut stop)?;
        if at > 0 {
            side.beside = Some(beside(window, &known, &blocks, at, options, &mut stop)?);
        }
        models.push(side);
    }
    Some(Table {
        from: window.from,
        until: window.until,
        maturity: options.maturity,
        decisions: rows.len() as u64,
        days: days(rows.iter().map(|row| row.at)),
        truth,
        models,
    })
}

fn side(
    window: &Window,
    model: &Model,
    known: &[Option<Known>],
    blocks: &Blocks,
    options: &Options,
    stop: Stop<'_>,
) -> Option<Side> {
    if stop() {
        return None;
    }
    let rows = &window.rows;
    let sheet = Sheet::new(rows, known, blocks, |at| model.said[at]);
    let mut resamples = Resamples::new(options.seed, blocks.count);
    let count = options.resamples * usize::from(sheet.has_enough());
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        if stop() {
            return None;
        }
        let [one] = resamples.next([&sheet]);
        all.push(one);
    }
    let scored = model.said.iter().flatten().count() as u64;
    let first = model.said.iter().position(Option::is_some);
    let since = first.map_or(0, |first| rows.len() - first);
    let of = |at: usize| model.said[at].is_some().then_some(rows[at].at);
    let seen = days((0..rows.len()).filter_map(of));
    let counted = |at: usize| known[at].is_some().then(|| of(at)).flatten();
    let mature = days((0..rows.len()).filter_map(counted));
    let verdicts = Verdicts::of(model);
    Some(Side {
        model: model.name.clone(),
        part: model.part,
        scored,
        coverage: scored as f64 / since.max(1) as f64,
        latency_us: Latency::of(model),
        alerts_per_day: verdicts.alerts() as f64 / seen,
        verdicts,
        known: (0..rows.len()).filter_map(counted).count() as u64,
        frauds: sheet.fraud_rows,
        fraud_accounts: sheet.fraud_accounts(),
        frauds_intercepted_per_day: sheet.whole.caught / mature,
        false_positives_per_day: sheet.whole.wrong / mature,
        precision: sheet.precision(),
        recall: sheet.recall(),
        value_recall: sheet.money.recall(),
        f1: spread(sheet.whole.f1(), &all, |it| it.f1),
        ap: spread(sheet.ap(), &all, |it| it.ap),
        hot_update_ms: None,
        trouble: None,
        beside: None,
    })
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: f64 = 86_400_000.0;

/// From the earliest to the latest, at least an hour: nobody divides by nothing.
fn days(times: impl Iterator<Item = EventTime>) -> f64 {
    let mut span: Option<(EventTime, EventTime)> = None;
    for at in times {
        let (first, last) = span.unwrap_or((at, at));
        span = Some((first.min(at), last.max(at)));
    }
    let ms = span.map_or(0, |(first, last)| last.since(first).millis());
    ms.max(HOUR_MS) as f64 / DAY_MS
}

impl Table {
    /// Puts the ids of the named events in; `None`: the log does not hold it any more.
    pub fn name_samples(&mut self, mut id_of: impl FnMut(Position) -> Option<String>) {
        let models = self.models.iter_mut();
        let besides = models.filter_map(|side| side.beside.as_mut());
        for sample in besides.flat_map(|beside| &mut beside.disagreements.samples) {
            if let Some(id) = id_of(Position(sample.position)) {
                sample.event_id = id;
            }
        }
    }
}
