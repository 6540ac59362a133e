//! One model over the rows that it scored.

use event::record::DecisionKind;
use serde::Serialize;

use crate::interval::{Interval, interval, wilson};
use crate::ranking::{Ranked, Scored};
use crate::row::{Model, Row, Said};
use crate::truth::{Kish, Known};

/// A figure within its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Figure {
    pub(crate) fn new(value: f64, Interval { low, high }: Interval) -> Figure {
        Figure { value, low, high }
    }
}

/// How long a model's scores took, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    pub scores: u64,
    pub mean: f64,
    pub p99: f64,
}

impl Latency {
    pub(crate) fn of(model: &Model) -> Option<Latency> {
        let said = model.said.iter().flatten();
        let mut nanos: Vec<u32> = said.filter_map(|said| said.nanos).collect();
        if nanos.is_empty() {
            return None;
        }
        let sum: f64 = nanos.iter().map(|it| f64::from(*it)).sum();
        let at = (nanos.len() * 99).div_ceil(100) - 1;
        let (_, p99, _) = nanos.select_nth_unstable(at);
        let p99 = f64::from(*p99) / 1e3;
        Some(Latency {
            scores: nanos.len() as u64,
            mean: sum / nanos.len() as f64 / 1e3,
            p99,
        })
    }
}

/// What a model's thresholds make of every event that it scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Verdicts {
    pub approve: u64,
    pub challenge: u64,
    pub review: u64,
    pub decline: u64,
}

impl Verdicts {
    pub(crate) fn of(model: &Model) -> Verdicts {
        let mut counts = Verdicts::default();
        for said in model.said.iter().flatten() {
            match said.verdict {
                DecisionKind::Approve => counts.approve += 1,
                DecisionKind::Challenge => counts.challenge += 1,
                DecisionKind::Review => counts.review += 1,
                DecisionKind::Decline => counts.decline += 1,
            }
        }
        counts
    }

    pub(crate) fn alerts(&self) -> u64 {
        self.review + self.decline
    }
}

/// Sums of weights over known rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub caught: f64,
    pub wrong: f64,
    pub frauds: f64,
}

impl Tally {
    pub fn add(&mut self, alerts: bool, fraud: bool, weight: f64) {
        self.caught += if alerts && fraud { weight } else { 0.0 };
        self.wrong += if alerts && !fraud { weight } else { 0.0 };
        self.frauds += if fraud { weight } else { 0.0 };
    }

    fn plus(&mut self, other: &Tally, times: f64) {
        self.caught += other.caught * times;
        self.wrong += other.wrong * times;
        self.frauds += other.frauds * times;
    }

    /// `None` without an alert.
    pub fn precision(&self) -> Option<f64> {
        let alerts = self.caught + self.wrong;
        (alerts > 0.0).then(|| self.caught / alerts)
    }

    /// `None` without a fraud.
    pub fn recall(&self) -> Option<f64> {
        (self.frauds > 0.0).then(|| self.caught / self.frauds)
    }

    pub fn f1(&self) -> Option<f64> {
        let both = self.caught + self.wrong + self.frauds;
        (both > 0.0).then(|| 2.0 * self.caught / both)
    }
}

/// Known rows of one model, ready to be resampled by blocks.
pub(crate) struct Sheet {
    pub whole: Tally,
    /// Frauds by their amounts.
    pub money: Tally,
    /// Frauds by their number.
    pub fraud_rows: u64,
    alerts: Kish,
    frauds: Kish,
    blocks: Vec<Tally>,
    ranked: Ranked,
}

/// Accounts with a fraud below which no interval is resampled: a figure of frauds drawn from fewer varies by what these
/// few happen to be, and of one it does not vary at all. A count of 20 has a relative standard error of 22 %, and
/// vital statistics hold rates on fewer unreliable.
pub const FRAUD_ACCOUNTS_MIN: u64 = 20;

impl Sheet {
    /// Of the rows that `wanted` names. `blocks` numbers the block of each row.
    pub fn new(
        rows: &[Row],
        known: &[Option<Known>],
        blocks: &Blocks,
        wanted: impl Fn(usize) -> Option<Said>,
    ) -> Sheet {
        let mut sheet = Sheet {
            whole: Tally::default(),
            money: Tally::default(),
            fraud_rows: 0,
            alerts: Kish::default(),
            frauds: Kish::default(),
            blocks: vec![Tally::default(); blocks.count],
            ranked: Ranked::new(std::iter::empty()),
        };
        let mut ranked = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let (Some(Known { fraud, weight }), Some(said)) = (known[at], wanted(at)) else {
                continue;
            };
            let alerts = said.alerts();
            sheet.whole.add(alerts, fraud, weight);
            sheet
                .money
                .add(alerts, fraud, weight * f64::from(row.amount));
            if alerts {
                sheet.alerts.add(weight);
            }
            if fraud {
                sheet.fraud_rows += 1;
                sheet.frauds.add(weight);
            }
            let block = blocks.of[at];
            sheet.blocks[block as usize].add(alerts, fraud, weight);
            ranked.push(Scored {
                score: f64::from(said.probability_ppm),
                fraud,
                weight,
                block,
            });
        }
        sheet.ranked = Ranked::new(ranked.into_iter());
        sheet
    }

    /// Blocks that hold a fraud: what a resample can leave out.
    pub fn fraud_accounts(&self) -> u64 {
        self.blocks.iter().filter(|it| it.frauds > 0.0).count() as u64
    }

    /// Whether resampling tells anything of a figure of frauds.
    pub fn has_enough(&self) -> bool {
        self.fraud_accounts() >= FRAUD_ACCOUNTS_MIN
    }

    pub fn ap(&self) -> Option<f64> {
        self.ranked.average_precision(&vec![1; self.blocks.len()])
    }

    /// By Wilson on the rows that would tell as much unweighted.
    pub fn precision(&self) -> Option<Figure> {
        let value = self.whole.precision()?;
        Some(Figure::new(value, wilson(value, self.alerts.effective())))
    }

    pub fn recall(&self) -> Option<Figure> {
        let value = self.whole.recall()?;
        Some(Figure::new(value, wilson(value, self.frauds.effective())))
    }

    fn resampled(&self, draws: &[u32]) -> Resampled {
        let mut tally = Tally::default();
        for (block, times) in self.blocks.iter().zip(draws) {
            if *times > 0 {
                tally.plus(block, f64::from(*times));
            }
        }
        Resampled {
            ap: self.ranked.average_precision(draws),
            f1: tally.f1(),
            precision: tally.precision(),
            recall: tally.recall(),
        }
    }
}

/// Figures of one resample.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resampled {
    pub ap: Option<f64>,
    pub f1: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
}

/// Which block each row belongs to, numbered from 0.
pub(crate) struct Blocks {
    of: Vec<u32>,
    pub count: usize,
}

impl Blocks {
    pub fn new(rows: &[Row]) -> Blocks {
        let mut keys: Vec<u64> = rows.iter().map(|row| row.block).collect();
        keys.sort_unstable();
        keys.dedup();
        // Each is there: the keys are the rows'.
        let number = |row: &Row| keys.partition_point(|key| *key < row.block) as u32;
        Blocks {
            of: rows.iter().map(number).collect(),
            count: keys.len(),
        }
    }
}

/// Draws of blocks, the same for every sheet that is resampled with them.
pub(crate) struct Resamples {
    draws: crate::draws::Draws,
    times: Vec<u32>,
}

impl Resamples {
    pub fn new(seed: u64, blocks: usize) -> Resamples {
        Resamples {
            draws: crate::draws::Draws::new(seed),
            times: vec![0; blocks],
        }
    }

    pub fn next<const N: usize>(&mut self, sheets: [&Sheet; N]) -> [Resampled; N] {
        self.times.fill(0);
        for _ in 0..self.times.len() {
            let block = self.draws.below(self.times.len());
            self.times[block] += 1;
        }
        sheets.map(|sheet| sheet.resampled(&self.times))
    }
}

/// A figure of the resamples in which there was one.
pub(crate) fn spread(
    value: Option<f64>,
    all: &[Resampled],
    pick: impl Fn(&Resampled) -> Option<f64>,
) -> Option<Figure> {
    let values: Vec<f64> = all.iter().filter_map(pick).collect();
    (!values.is_empty()).then_some(())?;
    Some(Figure::new(value?, interval(&values)))
}
