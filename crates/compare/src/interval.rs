//! How sure a figure is.

use serde::Serialize;

/// Between two quantiles; 2.5 % and 97.5 % where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Of resampled values.
pub fn interval(values: &[f64]) -> Interval {
    quantiles(values, 0.025, 0.975)
}

pub fn quantiles(values: &[f64], low: f64, high: f64) -> Interval {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = sorted.len().saturating_sub(1) as f64;
        sorted
            .get((last * share).round() as usize)
            .copied()
            .unwrap_or(f64::NAN)
    };
    Interval {
        low: at(low),
        high: at(high),
    }
}

/// `a - b`, resample by resample.
pub fn paired(a: &[f64], b: &[f64]) -> Interval {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    interval(&differences)
}

/// Score interval of a share of `count` (Wilson 1927), at 95 %.
pub fn wilson(share: f64, count: f64) -> Interval {
    const Z: f64 = 1.959_963_984_540_054;
    let scale = 1.0 + Z * Z / count;
    let middle = (share + Z * Z / (2.0 * count)) / scale;
    let half = Z * (share * (1.0 - share) / count + Z * Z / (4.0 * count * count)).sqrt() / scale;
    Interval {
        low: (middle - half).max(0.0),
        high: (middle + half).min(1.0),
    }
}
