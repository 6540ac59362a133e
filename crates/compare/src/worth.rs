//! What one model was worth on a stretch of events that it decided: how well it ranked them, and how far what it said
//! of them was from what came.

use serde::{Deserialize, Serialize};

use crate::row::{Row, Said};
use crate::side::{Blocks, Resamples, Sheet, spread};
use crate::table::Options;
use crate::truth::{self, Known};

/// Of known events, weighted as [`crate::table::Table`] weighs them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    /// Known events, and those among them that were fraud.
    pub known: u64,
    pub frauds: u64,
    /// Known events of weight 1 that would tell as much (Kish 1965).
    pub effective: f64,
    /// `None` without a fraud.
    pub ap: Option<AveragePrecision>,
    /// Expected calibration error over bins of equal weight; `None` without a known event. By chance alone it is above 0.
    pub calibration_error: Option<f64>,
    /// Frauds that the model's probabilities let expect, and those that came, by weight.
    pub frauds_expected: f64,
    pub frauds_came: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AveragePrecision {
    pub value: f64,
    /// 95 % interval, resampled by accounts; `None` below [`FRAUD_ACCOUNTS_MIN`](crate::FRAUD_ACCOUNTS_MIN).
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// As many as evaluation uses: one of them has some hundreds of events of a small day.
const BINS: usize = 15;

/// `probabilities_ppm` stand in the order of `rows`.
pub fn worth(rows: &[Row], probabilities_ppm: &[u32], options: &Options) -> Worth {
    let (known, truth) = truth::of_rows(rows, options);
    let blocks = Blocks::new(rows);
    let said = |at: usize| {
        Some(Said {
            score: 0,
            probability_ppm: probabilities_ppm[at],
            verdict: rows[at].verdict,
            nanos: None,
        })
    };
    let sheet = Sheet::new(rows, &known, &blocks, said);
    let mut resamples = Resamples::new(options.seed, blocks.count);
    let draws = match sheet.has_enough() {
        true => options.resamples,
        false => 0,
    };
    let all: Vec<_> = (0..draws)
        .map(|_| {
            let [one] = resamples.next([&sheet]);
            one
        })
        .collect();
    let calibration = Calibration::of(&known, probabilities_ppm);
    Worth {
        known: truth.frauds + truth.legitimate,
        frauds: truth.frauds,
        effective: truth.effective,
        ap: sheet.ap().map(|value| {
            let figure = spread(Some(value), &all, |it| it.ap);
            AveragePrecision {
                value,
                low: figure.map(|it| it.low),
                high: figure.map(|it| it.high),
            }
        }),
        calibration_error: calibration.error(),
        frauds_expected: calibration.said,
        frauds_came: calibration.came,
    }
}

/// Sums of weights over known rows.
#[derive(Default)]
struct Calibration {
    weight: f64,
    said: f64,
    came: f64,
    /// Over bins: what was said less what came, whatever its sign.
    apart: f64,
}

impl Calibration {
    fn of(known: &[Option<Known>], probabilities_ppm: &[u32]) -> Calibration {
        let rows = known.iter().zip(probabilities_ppm);
        let mut rows: Vec<(u32, Known)> = rows
            .filter_map(|(known, ppm)| Some((*ppm, (*known)?)))
            .collect();
        rows.sort_by_key(|(ppm, _)| *ppm);
        let whole: f64 = rows.iter().map(|(_, known)| known.weight).sum();
        let mut all = Calibration::default();
        let mut bin = Calibration::default();
        // Equal probabilities stay together: chance would say which of them ends a bin.
        for tied in rows.chunk_by(|a, b| a.0 == b.0) {
            for (ppm, known) in tied {
                bin.weight += known.weight;
                bin.said += known.weight * f64::from(*ppm) / 1e6;
                bin.came += if known.fraud { known.weight } else { 0.0 };
            }
            let full = |weight: f64| (weight / whole * BINS as f64).floor();
            if full(all.weight + bin.weight) > full(all.weight) {
                all.take(&mut bin);
            }
        }
        all.take(&mut bin);
        all
    }

    fn take(&mut self, bin: &mut Calibration) {
        self.weight += bin.weight;
        self.said += bin.said;
        self.came += bin.came;
        self.apart += (bin.said - bin.came).abs();
        *bin = Calibration::default();
    }

    fn error(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.apart / self.weight)
    }
}
