//! Ranking metrics that stand on their own; average precision lives with the trainer, which stops on it.

/// Area under the ROC curve: the chance that a fraud scores above a legitimate event, ties counted half.
/// 0.5 when there is only one class.
pub fn auc(scores: &[f64], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(a.cmp(b)));
    let (mut below, mut wins, mut frauds) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let here = tied.iter().filter(|row| labels[**row]).count() as f64;
        let others = tied.len() as f64 - here;
        wins += here * (below + others / 2.0);
        below += others;
        frauds += here;
    }
    if frauds == 0.0 || below == 0.0 {
        0.5
    } else {
        wins / (frauds * below)
    }
}

#[cfg(test)]
mod tests {
    use super::auc;

    #[test]
    fn agrees_with_counting_every_pair() {
        let scores: [f64; 8] = [0.1, 0.4, 0.4, 0.35, 0.8, 0.4, 0.9, 0.2];
        let labels = [false, true, false, false, true, true, false, false];
        let (mut wins, mut pairs) = (0.0, 0.0);
        for (fraud, _) in labels.iter().enumerate().filter(|(_, label)| **label) {
            for (other, _) in labels.iter().enumerate().filter(|(_, label)| !**label) {
                pairs += 1.0;
                wins += match scores[fraud].total_cmp(&scores[other]) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        assert!((auc(&scores, &labels) - wins / pairs).abs() < 1e-12);
        assert_eq!(auc(&scores, &[true; 8]), 0.5);
    }
}
