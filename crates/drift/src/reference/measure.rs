//! Two distributions in bins, beside each other.

use crate::reference::Expected;
use crate::ruler::{BINS, CUTS};

/// Bins with less than this share of what is expected are taken together, and with fewer rows than the other.
const SHARE_MIN: f64 = 0.01;
const ROWS_MIN: f64 = 5.0;

/// What was counted against what was expected of as many rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Compared {
    /// Population stability index.
    pub psi: f64,
    /// Pearson's statistic of the same groups.
    pub chi_squared: f64,
    /// Groups less one.
    pub freedom: f64,
}

/// Rare bins are taken together, since the index of a bin with few expected rows is chance.
pub fn compare(counted: &Expected, expected: &Expected) -> Compared {
    let rows = counted.rows;
    let least = ROWS_MIN.max(SHARE_MIN * rows);
    let mut groups = [(0.0, 0.0); BINS + 1];
    let (mut used, mut rare) = (0, (0.0, 0.0));
    for (count, expect) in counted.bins.iter().zip(&expected.bins) {
        if *expect < least {
            rare = (rare.0 + count, rare.1 + expect);
        } else {
            groups[used] = (*count, *expect);
            used += 1;
        }
    }
    if rare.1 >= least || used == 0 {
        groups[used] = rare;
        used += 1;
    } else {
        let smallest = (0..used).min_by(|a, b| groups[*a].1.total_cmp(&groups[*b].1));
        let into = &mut groups[smallest.unwrap_or(0)];
        *into = (into.0 + rare.0, into.1 + rare.1);
    }
    let total = rows + 0.5 * used as f64;
    let mut compared = Compared {
        freedom: used as f64 - 1.0,
        ..Compared::default()
    };
    for (count, expect) in &groups[..used] {
        let (a, b) = ((count + 0.5) / total, (expect + 0.5) / total);
        compared.psi += (a - b) * libm::log(a / b);
        compared.chi_squared += (count - expect) * (count - expect) / expect.max(1e-9);
    }
    compared
}

/// Largest difference of the cumulative shares of rows with a value, at the cuts: at most Kolmogorov and Smirnov's.
pub fn distance(counted: &Expected, expected: &Expected) -> f64 {
    let (have, want) = (counted.present(), expected.present());
    if have < 1.0 || want <= 0.0 {
        return 0.0;
    }
    let (mut a, mut b, mut most) = (0.0, 0.0, 0.0_f64);
    // The last ordered bin lies behind the last cut.
    for bin in 0..CUTS {
        a += counted.bins[bin] / have;
        b += expected.bins[bin] / want;
        most = most.max((a - b).abs());
    }
    most
}
