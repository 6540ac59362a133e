//! What one model was worth, against counting by hand.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

use event::record::{DecisionKind, Verdict};
use event::{EventTime, Position, Span};
use ringfence_compare::ranking::average_precision;
use ringfence_compare::worth::{Worth, worth};
use ringfence_compare::{Options, Row};

fn options() -> Options {
    Options {
        known_until: EventTime::from_millis(86_400_000 * 100),
        maturity: Span::days(30),
        presumed: true,
        weight_max: 20.0,
        resamples: 200,
        seed: 7,
        samples: 0,
    }
}

/// Known, approved and legitimate, of its own account.
fn row(at: u64) -> Row {
    Row {
        position: Position(at * 2),
        at: EventTime::from_millis(at as i64 * 60_000),
        amount: 0.0,
        block: at,
        verdict: DecisionKind::Approve,
        propensity_ppm: 1_000_000,
        label: None,
    }
}

fn frauds(mut rows: Vec<Row>, which: impl Fn(usize) -> bool) -> Vec<Row> {
    for (at, row) in rows.iter_mut().enumerate() {
        row.label = which(at).then_some(Verdict::Fraud);
    }
    rows
}

fn near(got: f64, wanted: f64) {
    assert!((got - wanted).abs() < 1e-12, "{got}, not {wanted}");
}

#[test]
fn each_bin_is_held_against_what_came_of_it() {
    // Thirty probabilities in no order: two a bin.
    let ppm: Vec<u32> = (0..30).map(|at| 10_000 * ((at * 7) % 30 + 1)).collect();
    let rows = frauds((0..30).map(row).collect(), |at| at % 5 == 0);
    let worth = worth(&rows, &ppm, &options());
    let mut order: Vec<usize> = (0..30).collect();
    order.sort_by_key(|at| ppm[*at]);
    let errors = order.chunks(2).map(|bin| {
        let said: f64 = bin.iter().map(|at| f64::from(ppm[*at]) / 1e6).sum();
        let came = bin.iter().filter(|at| *at % 5 == 0).count() as f64;
        (said - came).abs()
    });
    near(worth.calibration_error.unwrap(), errors.sum::<f64>() / 30.0);
    near(worth.frauds_expected, (1..=30).sum::<u32>() as f64 / 100.0);
    assert_eq!((worth.known, worth.frauds), (30, 6));
    near(worth.frauds_came, 6.0);
    let scores: Vec<f64> = ppm.iter().map(|it| f64::from(*it)).collect();
    let labels: Vec<bool> = (0..30).map(|at| at % 5 == 0).collect();
    let ap = worth.ap.unwrap();
    near(ap.value, average_precision(&scores, &labels, None));
    // Six frauds are too few to be resampled.
    assert_eq!((ap.low, ap.high), (None, None));
}

#[test]
fn a_ranking_has_an_interval_from_twenty_accounts_with_a_fraud_on() {
    let ap = |frauds_of: usize| {
        let rows = frauds((0..100).map(row).collect(), |at| at < frauds_of);
        let ppm: Vec<u32> = (0..100).map(|at| 10_000 * ((at * 37) % 100)).collect();
        worth(&rows, &ppm, &options()).ap.unwrap()
    };
    assert_eq!((ap(19).low, ap(19).high), (None, None));
    let ap = ap(20);
    assert!(
        ap.low < Some(ap.value) && Some(ap.value) < ap.high,
        "{ap:?}"
    );
}

/// One probability is one bin, however many share it: where frauds lie among them is chance.
#[test]
fn equal_probabilities_are_not_parted() {
    let rows = frauds((0..60).map(row).collect(), |at| at < 15);
    near(
        worth(&rows, &[250_000; 60], &options())
            .calibration_error
            .unwrap(),
        0.0,
    );
    let worth = worth(&rows, &[500_000; 60], &options());
    near(worth.calibration_error.unwrap(), 0.25);
    near(worth.frauds_expected, 30.0);
}

#[test]
fn what_was_declined_is_unknown_and_a_draw_stands_for_others() {
    let mut rows = frauds((0..4).map(row).collect(), |at| at > 1);
    rows[0].verdict = DecisionKind::Decline;
    rows[2].propensity_ppm = 250_000;
    let worth = worth(&rows, &[900_000, 100_000, 500_000, 700_000], &options());
    assert_eq!((worth.known, worth.frauds), (3, 2));
    near(worth.frauds_came, 5.0);
    near(worth.frauds_expected, 0.1 + 4.0 * 0.5 + 0.7);
    // Each is a bin of its own, of weights 1, 4 and 1.
    near(
        worth.calibration_error.unwrap(),
        (0.1 + 4.0 * 0.5 + 0.3) / 6.0,
    );
    near(worth.effective, 36.0 / 18.0);
}

#[test]
fn without_a_fraud_there_is_no_ranking_and_without_a_known_event_nothing() {
    let quiet = worth(&[row(0), row(1)], &[100_000, 0], &options());
    assert_eq!(quiet.ap, None);
    near(quiet.calibration_error.unwrap(), 0.05);
    let none = worth(&[], &[], &options());
    let nothing = Worth {
        known: 0,
        frauds: 0,
        effective: 0.0,
        ap: None,
        calibration_error: None,
        frauds_expected: 0.0,
        frauds_came: 0.0,
    };
    assert_eq!(none, nothing);
}
