//! Intervals over rings: the frauds of a ring stand or fall together. Ordinary events stay as they are.

use std::collections::BTreeMap;

use serde::Serialize;

const RESAMPLES: usize = 200;

/// Between the 2.5 % and 97.5 % quantiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// How often each ring counts, by ring.
pub type Draw = BTreeMap<u32, f64>;

/// As many rings as there are, with replacement; the same draws for the same rows.
pub fn draws_of_rings(rings: &[Option<u32>]) -> Vec<Draw> {
    let none: Draw = rings.iter().flatten().map(|ring| (*ring, 0.0)).collect();
    let all: Vec<u32> = none.keys().copied().collect();
    let mut state = 1_u64;
    let mut below = |bound: usize| {
        // SplitMix64 (Steele et al. 2014)
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        ((u128::from(z) * bound as u128) >> 64) as usize
    };
    let mut draws = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let mut draw = none.clone();
        for _ in 0..all.len() {
            *draw.entry(all[below(all.len())]).or_default() += 1.0;
        }
        draws.push(draw);
    }
    draws
}

/// Frauds' rings in runs of equal scores, the highest first, sorted once for all draws.
pub struct Ranking {
    runs: Vec<(Vec<u32>, f64)>,
}

impl Ranking {
    pub fn new(scores: &[f64], rings: &[Option<u32>]) -> Ranking {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_unstable_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let mut runs: Vec<(Vec<u32>, f64)> = Vec::new();
        // runs without a fraud are only a number of others before the next
        let mut others = 0.0;
        for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
            let frauds: Vec<u32> = tied.iter().filter_map(|row| rings[*row]).collect();
            others += (tied.len() - frauds.len()) as f64;
            if !frauds.is_empty() {
                runs.push((frauds, others));
                others = 0.0;
            }
        }
        Ranking { runs }
    }

    pub fn average_precision(&self, draw: &Draw) -> f64 {
        let (mut caught, mut seen, mut sum) = (0.0, 0.0, 0.0);
        for (rings, others) in &self.runs {
            let fresh: f64 = rings.iter().map(|ring| draw[ring]).sum();
            caught += fresh;
            seen += fresh + others;
            if fresh > 0.0 {
                sum += fresh * caught / seen;
            }
        }
        if caught > 0.0 { sum / caught } else { 0.0 }
    }
}

/// `a - b`, draw by draw.
pub fn paired(a: &[f64], b: &[f64]) -> Interval {
    let mut differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    differences.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = differences.len().saturating_sub(1) as f64;
        let place = (last * share).round() as usize;
        differences.get(place).copied().unwrap_or(f64::NAN)
    };
    Interval {
        low: at(0.025),
        high: at(0.975),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boost::average_precision;

    #[test]
    fn one_of_each_ring_is_the_plain_average_precision_and_rings_count_together() {
        let scores = [0.9, 0.8, 0.8, 0.7, 0.6, 0.6, 0.5, 0.1];
        let rings = [Some(1), None, Some(2), None, Some(1), None, None, Some(3)];
        let fraud = rings.map(|ring| ring.is_some());
        let ranking = Ranking::new(&scores, &rings);
        let draw = |counts: [f64; 3]| Draw::from([(1, counts[0]), (2, counts[1]), (3, counts[2])]);
        let plain = average_precision(&scores, &fraud, None);
        assert!((ranking.average_precision(&draw([1.0; 3])) - plain).abs() < 1e-12);
        // a ring drawn twice weighs double, one not drawn has neither frauds nor rank
        let weights = rings.map(|ring| match ring {
            Some(1) => 2.0,
            Some(3) => 0.0,
            _ => 1.0,
        });
        let weighted = average_precision(&scores, &fraud, Some(&weights));
        assert!((ranking.average_precision(&draw([2.0, 1.0, 0.0])) - weighted).abs() < 1e-12);
    }

    #[test]
    fn draws_keep_the_number_of_rings_and_repeat() {
        let rings = [Some(4), None, Some(9), Some(4), Some(7)];
        let draws = draws_of_rings(&rings);
        assert_eq!(draws, draws_of_rings(&rings));
        assert!(draws.iter().all(|draw| draw.values().sum::<f64>() == 3.0));
        assert!(draws.iter().any(|draw| draw[&4] == 0.0));
    }
}
