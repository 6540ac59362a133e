//! Every figure of an evaluation against a hand-computed value or a slow and obvious computation.

use event::{EventTime, Span};
use ringfence_learning::evaluate::bootstrap::{interval, paired, resampled_ap};
use ringfence_learning::evaluate::measure::{
    Choices, ScoredRows, best_threshold, brier, calibration_error, card_precision, f1_at,
    macro_f1_at, mean_and_sd, mean_over_folds, measure, pool, recall_at_alerts, recall_at_fpr,
    value_recall,
};

const SCORES: [f64; 8] = [0.9, 0.8, 0.8, 0.8, 0.5, 0.4, 0.3, 0.1];
const FRAUD: [bool; 8] = [true, false, true, false, false, true, false, false];
const AMOUNTS: [f64; 8] = [10.0, 1.0, 30.0, 1.0, 1.0, 60.0, 1.0, 1.0];

fn rows() -> ScoredRows {
    ScoredRows {
        scores: SCORES.to_vec(),
        fraud: FRAUD.to_vec(),
        times: vec![EventTime::MIN; 8],
        subjects: (0..8).collect(),
        amounts: AMOUNTS.to_vec(),
        ..ScoredRows::default()
    }
}

fn near(found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-12, "{found} is not {wanted}");
}

#[test]
fn recall_within_a_budget_takes_its_part_of_a_tie() {
    // Two of eight rows: the highest and one of three equal ones, of which a third is fraud.
    near(recall_at_alerts(&rows(), 0.25), (1.0 + 1.0 / 3.0) / 3.0);
    near(recall_at_alerts(&rows(), 0.5), 2.0 / 3.0);
    near(recall_at_alerts(&rows(), 1.0), 1.0);
    near(value_recall(&rows(), 0.25), (10.0 + 30.0 / 3.0) / 100.0);
    near(value_recall(&rows(), 0.5), 0.4);
}

#[test]
fn recall_within_false_alarms_follows_the_curve() {
    // Five legitimate rows; the tie holds two of them and one fraud.
    near(recall_at_fpr(&SCORES, &FRAUD, 0.2), (1.0 + 0.5) / 3.0);
    near(recall_at_fpr(&SCORES, &FRAUD, 0.4), 2.0 / 3.0);
    near(recall_at_fpr(&SCORES, &FRAUD, 0.6), 1.0);
}

#[test]
fn the_threshold_of_the_best_f1_is_the_best_of_all() {
    let best = best_threshold(&SCORES, &FRAUD);
    for score in SCORES {
        assert!(f1_at(&SCORES, &FRAUD, best) >= f1_at(&SCORES, &FRAUD, score));
    }
    // 0.4: three of six alerts right, none missed. 0.8: two of four right, one missed.
    near(best, 0.4);
    near(f1_at(&SCORES, &FRAUD, 0.4), 2.0 * 3.0 / (6.0 + 3.0));
    near(f1_at(&SCORES, &FRAUD, 0.8), 2.0 * 2.0 / (4.0 + 3.0));
    let legitimate = 2.0 * 3.0 / (4.0 + 5.0);
    near(
        macro_f1_at(&SCORES, &FRAUD, 0.8),
        (4.0 / 7.0 + legitimate) / 2.0,
    );
}

#[test]
fn probabilities_are_held_against_what_came() {
    near(brier(&[0.5, 1.0, 0.0], &[true, true, false]), 0.25 / 3.0);
    // Fifteen rows are fifteen bins: each row's own error.
    let said: Vec<f64> = (0..15).map(|row| f64::from(row) / 20.0).collect();
    let fraud: Vec<bool> = (0..15).map(|row| row >= 10).collect();
    let errors = said
        .iter()
        .zip(&fraud)
        .map(|(p, fraud)| if *fraud { 1.0 - p } else { *p });
    near(calibration_error(&said, &fraud), errors.sum::<f64>() / 15.0);
    // Thirty rows of one probability that comes true as often as it says are no error.
    let fraud: Vec<bool> = (0..30).map(|row| row % 2 == 0).collect();
    near(calibration_error(&[0.5; 30], &fraud), 0.0);
}

/// (day, subject, score, fraud)
fn cards(rows: &[(i64, u32, f64, bool)]) -> ScoredRows {
    ScoredRows {
        scores: rows.iter().map(|row| row.2).collect(),
        fraud: rows.iter().map(|row| row.3).collect(),
        times: rows
            .iter()
            .map(|row| EventTime::MIN.plus(Span::from_millis(row.0 * 86_400_000 + 5)))
            .collect(),
        subjects: rows.iter().map(|row| row.1).collect(),
        ..ScoredRows::default()
    }
}

#[test]
fn a_card_counts_once_by_its_highest_score_and_leaves_when_found() {
    let scored = cards(&[
        (3, 1, 0.9, false),
        (3, 1, 0.2, true),
        (3, 2, 0.8, false),
        (3, 3, 0.1, true),
        // Card 1 was found on the day before and leaves room for card 4.
        (4, 1, 0.9, true),
        (4, 2, 0.8, false),
        (4, 4, 0.7, true),
        // Card 3 was compromised on day 3 but not found: it stays.
        (5, 3, 0.5, true),
        (5, 5, 0.6, false),
    ]);
    near(
        card_precision(&scored, 2, Span::days(1)),
        (0.5 + 0.5 + 0.5) / 3.0,
    );
    near(
        card_precision(&scored, 1, Span::days(1)),
        (1.0 + 0.0 + 0.0) / 3.0,
    );
    // Days start at midnight, not at the first row.
    near(card_precision(&scored, 9, Span::days(9)), 3.0 / 9.0);
}

#[test]
fn folds_with_few_frauds_are_left_out_of_means() {
    let figures = |ap: f64| [("ap", ap)].into_iter().collect();
    let folds = [figures(0.2), figures(0.4), figures(1.0)];
    near(mean_over_folds(&folds, &[20, 30, 19], 20)["ap"], 0.3);
    let (mean, sd) = mean_and_sd(&folds[..2])["ap"];
    near(mean, 0.3);
    near(sd, libm::sqrt(0.02));
    assert_eq!(pool(&[rows(), rows()]).scores.len(), 16);
}

#[test]
fn an_interval_holds_the_point_and_subjects_widen_it() {
    // 400 rows; frauds mostly score higher. Whole subjects are drawn.
    let fraud: Vec<bool> = (0..400).map(|row| row % 20 < 2 && row % 40 < 20).collect();
    let scores: Vec<f64> = (0..400)
        .map(|row| f64::from(u8::from(fraud[row])) * 0.3 + (row * 7919 % 400) as f64 / 400.0)
        .collect();
    let run = |subject_rows: usize| {
        vec![vec![ScoredRows {
            scores: scores.clone(),
            fraud: fraud.clone(),
            blocks: (0..400).map(|row| (row / subject_rows) as u32).collect(),
            ..ScoredRows::default()
        }]]
    };
    let point = ringfence_learning::boost::average_precision(&scores, &fraud, None);
    let alone = interval(&resampled_ap(&run(1), 1, 400, 7));
    let blocked = interval(&resampled_ap(&run(200), 1, 400, 7));
    assert!(alone.low < point && point < alone.high, "{alone:?} {point}");
    assert!(blocked.high - blocked.low != alone.high - alone.low);
    let one = interval(&resampled_ap(&run(400), 1, 400, 7));
    near(one.low, point);
    near(one.high, point);
    // The same model against itself differs nowhere: resamples are paired.
    let values = resampled_ap(&run(1), 1, 400, 7);
    let nothing = paired(&values, &resampled_ap(&run(1), 1, 400, 7));
    near(nothing.low, 0.0);
    near(nothing.high, 0.0);
}

#[test]
fn seen_and_unseen_subjects_are_measured_apart() {
    let calibration = model::calibration::Calibration::identity();
    let choices = Choices {
        threshold: 0.5,
        calibration: &calibration,
        cards: None,
    };
    // 200 rows from the highest score down; of three frauds the first is of a subject seen in training.
    let rows = |trained_on: Vec<bool>| ScoredRows {
        scores: (0..200).map(|row| 200.0 - f64::from(row)).collect(),
        fraud: (0..200).map(|row| [0, 1, 150].contains(&row)).collect(),
        times: vec![EventTime::MIN; 200],
        subjects: (0..200).collect(),
        amounts: vec![1.0; 200],
        trained_on,
        ..ScoredRows::default()
    };
    let figures = measure(
        &rows((0..200).map(|row| row % 2 == 0 && row != 150).collect()),
        &choices,
    );
    near(figures["frauds_seen"], 1.0);
    near(figures["frauds_unseen"], 2.0);
    // Two alerts are 1 % of all rows, whoever they are of.
    near(figures["recall_at_alerts_1%"], 2.0 / 3.0);
    near(figures["recall_at_alerts_1%_seen"], 1.0);
    near(figures["recall_at_alerts_1%_unseen"], 0.5);
    near(figures["ap_seen"], 1.0);
    // Row 1 is first of the unseen; row 150 follows the odd rows up to 149.
    near(figures["ap_unseen"], (1.0 + 2.0 / 76.0) / 2.0);
    assert!(!measure(&rows(Vec::new()), &choices).contains_key("ap_seen"));
}
