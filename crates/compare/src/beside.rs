//! A model beside the first one: differences, likeness, and where they part.

use event::EventTime;
use event::record::{DecisionKind, Verdict};
use serde::Serialize;

use crate::overlap::{Overlap, overlap};
use crate::row::{Row, Said, Window};
use crate::side::{Blocks, Figure, Resampled, Resamples, Sheet, spread};
use crate::table::{Options, Stop};
use crate::truth::Known;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// Whether differences are over events that both scored. A challenger and the champion share none: then each is
    /// measured on its own, and the intervals are wider.
    pub paired: bool,
    /// Known rows that both scored.
    pub rows: u64,
    /// Frauds that the differences are of, and their accounts; unpaired, of the model that has fewer.
    pub frauds: u64,
    pub fraud_accounts: u64,
    /// This model's less the other's; `None` below [`FRAUD_ACCOUNTS_MIN`].
    ///
    /// [`FRAUD_ACCOUNTS_MIN`]: crate::FRAUD_ACCOUNTS_MIN
    pub ap: Option<Figure>,
    pub f1: Option<Figure>,
    pub precision: Option<Figure>,
    pub recall: Option<Figure>,
    pub overlap: Option<Overlap>,
    pub disagreements: Disagreements,
}

/// Events over which one of the two raises an alert and the other does not.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Disagreements {
    pub only_this: Alone,
    pub only_other: Alone,
    /// Those furthest apart by score, labelled ones first.
    pub samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Alone {
    pub events: u64,
    /// By the labels that are mature.
    pub frauds: u64,
    pub legitimate: u64,
}

impl Alone {
    fn add(&mut self, known: Option<Known>) {
        self.events += 1;
        self.frauds += u64::from(known.is_some_and(|known| known.fraud));
        self.legitimate += u64::from(known.is_some_and(|known| !known.fraud));
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Of the event in the log.
    pub position: u64,
    /// Empty until somebody who can read the log names it.
    pub event_id: String,
    pub at: EventTime,
    pub amount: f32,
    pub score: u16,
    pub verdict: DecisionKind,
    pub other_score: u16,
    pub other_verdict: DecisionKind,
    pub decided: DecisionKind,
    pub label: Option<Verdict>,
}

/// The model at `at` beside the first.
pub(crate) fn beside(
    window: &Window,
    known: &[Option<Known>],
    blocks: &Blocks,
    at: usize,
    options: &Options,
    stop: Stop<'_>,
) -> Option<Beside> {
    let (this, other) = (&window.models[at].said, &window.models[0].said);
    let both = |row: usize| Some((this[row]?, other[row]?));
    let pairs: Vec<(Said, Said)> = (0..window.rows.len()).filter_map(both).collect();
    let rows = (0..window.rows.len()).filter(|row| known[*row].is_some() && both(*row).is_some());
    let rows = rows.count() as u64;
    let paired = rows > 0;
    let sheet =
        |said: &dyn Fn(usize) -> Option<Said>| Sheet::new(&window.rows, known, blocks, said);
    let (mine, theirs) = match paired {
        true => (
            sheet(&|row| Some(both(row)?.0)),
            sheet(&|row| Some(both(row)?.1)),
        ),
        false => (sheet(&|row| this[row]), sheet(&|row| other[row])),
    };
    let enough = mine.has_enough() && theirs.has_enough();
    let mut resamples = Resamples::new(options.seed, blocks.count);
    let count = options.resamples * usize::from(enough);
    let mut differences = Vec::with_capacity(count);
    for _ in 0..count {
        if stop() {
            return None;
        }
        let [mine, theirs] = resamples.next([&mine, &theirs]);
        differences.push(less(&mine, &theirs));
    }
    let value = less(&figures(&mine), &figures(&theirs));
    Some(Beside {
        paired,
        rows,
        frauds: mine.fraud_rows.min(theirs.fraud_rows),
        fraud_accounts: mine.fraud_accounts().min(theirs.fraud_accounts()),
        ap: spread(value.ap, &differences, |it| it.ap),
        f1: spread(value.f1, &differences, |it| it.f1),
        precision: spread(value.precision, &differences, |it| it.precision),
        recall: spread(value.recall, &differences, |it| it.recall),
        overlap: overlap(&pairs),
        disagreements: disagreements(&window.rows, known, both, options.samples),
    })
}

fn figures(sheet: &Sheet) -> Resampled {
    Resampled {
        ap: sheet.ap(),
        f1: sheet.whole.f1(),
        precision: sheet.whole.precision(),
        recall: sheet.whole.recall(),
    }
}

fn less(a: &Resampled, b: &Resampled) -> Resampled {
    let of = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
    Resampled {
        ap: of(a.ap, b.ap),
        f1: of(a.f1, b.f1),
        precision: of(a.precision, b.precision),
        recall: of(a.recall, b.recall),
    }
}

fn disagreements(
    rows: &[Row],
    known: &[Option<Known>],
    both: impl Fn(usize) -> Option<(Said, Said)>,
    samples: usize,
) -> Disagreements {
    let mut found = Disagreements::default();
    let mut apart: Vec<(bool, u16, usize)> = Vec::new();
    for at in 0..rows.len() {
        let Some((this, other)) = both(at) else {
            continue;
        };
        match (this.alerts(), other.alerts()) {
            (true, false) => found.only_this.add(known[at]),
            (false, true) => found.only_other.add(known[at]),
            _ => continue,
        }
        let distance = this.score.abs_diff(other.score);
        apart.push((rows[at].label.is_none(), distance, at));
    }
    apart.sort_unstable_by_key(|(silent, distance, at)| {
        (*silent, std::cmp::Reverse(*distance), *at)
    });
    let named = apart.into_iter().take(samples).filter_map(|(.., at)| {
        let (this, other) = both(at)?;
        let row = &rows[at];
        Some(Sample {
            position: row.position.0,
            event_id: String::new(),
            at: row.at,
            amount: row.amount,
            score: this.score,
            verdict: this.verdict,
            other_score: other.score,
            other_verdict: other.verdict,
            decided: row.verdict,
            label: row.label,
        })
    });
    found.samples = named.collect();
    found
}
