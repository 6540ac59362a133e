//! What a ranking is worth. Rows of equal score count as one step: which of them a sort puts first changes nothing.

/// Average precision, the sum over thresholds of precision times the step in recall; rows of equal
/// score form one threshold. 0 without positives.
pub fn average_precision(scores: &[f64], labels: &[bool], weights: Option<&[f64]>) -> f64 {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| {
        scores[b as usize]
            .total_cmp(&scores[a as usize])
            .then(a.cmp(&b))
    });
    let weight = |row: u32| weights.map_or(1.0, |w| w[row as usize]);
    let (mut hits, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a as usize] == scores[b as usize]) {
        let before = hits;
        for &row in tied {
            seen += weight(row);
            if labels[row as usize] {
                hits += weight(row);
            }
        }
        if hits > before {
            sum += (hits - before) * hits / seen;
        }
    }
    if hits > 0.0 { sum / hits } else { 0.0 }
}

/// A row as a ranking takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    pub score: f64,
    pub fraud: bool,
    pub weight: f64,
    /// What is drawn together in a resample, numbered from 0.
    pub block: u32,
}

/// Rows sorted once for all resamples.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Highest score first, and whether the row ends a run of equal scores.
    rows: Vec<(Scored, bool)>,
    pub frauds: usize,
}

impl Ranked {
    pub fn new(rows: impl Iterator<Item = Scored>) -> Ranked {
        let mut rows: Vec<(Scored, bool)> = rows.map(|row| (row, true)).collect();
        rows.sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
        for at in 1..rows.len() {
            rows[at - 1].1 = rows[at].0.score != rows[at - 1].0.score;
        }
        let frauds = rows.iter().filter(|(row, _)| row.fraud).count();
        Ranked { rows, frauds }
    }

    /// With each row counted as often as its block was drawn; `None` when no fraud was.
    pub fn average_precision(&self, draws: &[u32]) -> Option<f64> {
        let (mut alerts, mut caught, mut sum) = (0.0, 0.0, 0.0);
        let mut fresh = 0.0;
        for (row, ends) in &self.rows {
            let weight = row.weight * f64::from(draws[row.block as usize]);
            alerts += weight;
            if row.fraud {
                caught += weight;
                fresh += weight;
            }
            if *ends && fresh > 0.0 {
                sum += fresh * caught / alerts;
                fresh = 0.0;
            }
        }
        (caught > 0.0).then(|| sum / caught)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand: ranks 1 and 3 are frauds; with a tie the precision counts the whole tie.
    #[test]
    fn average_precision_by_hand() {
        let labels = [true, false, true, false];
        let ap = average_precision(&[4.0, 3.0, 2.0, 1.0], &labels, None);
        assert!((ap - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
        let tied = average_precision(&[4.0, 2.0, 2.0, 1.0], &labels, None);
        assert!((tied - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
        let all = average_precision(&[1.0; 4], &labels, None);
        assert!((all - 0.5).abs() < 1e-15);
        let weighted =
            average_precision(&[4.0, 3.0, 2.0, 1.0], &labels, Some(&[1.0, 2.0, 1.0, 1.0]));
        assert!((weighted - (1.0 + 2.0 / 4.0) / 2.0).abs() < 1e-15);
    }
}
