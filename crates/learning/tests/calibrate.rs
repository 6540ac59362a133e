//! Calibration: known distortions are undone, and the map stays monotone.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/synthetic.rs"]
#[allow(dead_code, reason = "shared with the trainer's tests")]
mod synthetic;

use model::calibration::CalibrationMap;
use ringfence_learning::calibrate::{CalibrateError, Method, Scored, fit, reliability};
use synthetic::Random;

/// True log-odds of events of which some percents are fraud, and their labels.
fn events(rows: usize, seed: u64) -> (Vec<f64>, Vec<bool>) {
    let mut random = Random::new(seed);
    let truth: Vec<f64> = (0..rows).map(|_| random.normal() * 1.5 - 3.5).collect();
    let labels = truth
        .iter()
        .map(|&x| random.uniform() < 1.0 / (1.0 + (-x).exp()))
        .collect();
    (truth, labels)
}

fn plain<'a>(raw: &'a [f64], labels: &'a [bool]) -> Scored<'a> {
    Scored {
        raw,
        labels,
        weights: None,
        negative_rate: 1.0,
        positive_weight: 1.0,
    }
}

#[test]
fn platt_undoes_a_slope_and_a_shift() {
    let (truth, labels) = events(100_000, 1);
    let raw: Vec<f64> = truth.iter().map(|x| (x + 1.0) * 2.0).collect();
    let fitted = fit(Method::Platt, &plain(&raw, &labels)).unwrap();
    let CalibrationMap::Platt { slope, intercept } = fitted.map else {
        panic!("not Platt")
    };
    assert!(
        (slope - 0.5).abs() < 0.01 && (intercept + 1.0).abs() < 0.03,
        "{slope} {intercept}"
    );
}

#[test]
fn every_method_is_reliable_on_new_events() {
    let bend = |x: f64| {
        if x > -3.0 {
            3.0 * x + 2.0
        } else {
            x * 0.7 - 4.9
        }
    };
    let (truth, labels) = events(200_000, 2);
    let raw: Vec<f64> = truth.iter().map(|&x| bend(x)).collect();
    let (new_truth, new_labels) = events(200_000, 3);
    let best = reliability(&new_truth, &new_labels).unwrap();
    let before: Vec<f64> = new_truth.iter().map(|&x| bend(x)).collect();
    assert!(reliability(&before, &new_labels).unwrap().slope < 0.7);
    for (method, lost) in [
        (Method::Platt, 0.02),
        (Method::Beta, 0.015),
        (Method::Isotonic, 0.002),
    ] {
        let map = fit(method, &plain(&raw, &labels)).unwrap();
        map.check().unwrap();
        let after: Vec<f64> = before.iter().map(|&x| map.log_odds(x)).collect();
        let got = reliability(&after, &new_labels).unwrap();
        assert!(
            got.skill > best.skill - lost,
            "{method:?}: {got:?}, best {best:?}"
        );
        assert!((got.slope - 1.0).abs() < 0.05, "{method:?}: {got:?}");
        assert!(got.intercept.abs() < 0.03, "{method:?}: {got:?}");
    }
}

/// Fitted on a tenth of the legitimate rows with frauds weighing double, right on all of them.
#[test]
fn sampling_and_weights_are_taken_back() {
    let (truth, labels) = events(200_000, 4);
    let mut random = Random::new(5);
    let (raw, kept): (Vec<f64>, Vec<bool>) = truth
        .iter()
        .zip(&labels)
        .filter(|&(_, &l)| l || random.uniform() < 0.1)
        .map(|(&x, &l)| (x, l))
        .unzip();
    let (new_truth, new_labels) = events(200_000, 6);
    for method in [Method::Platt, Method::Beta, Method::Isotonic] {
        let scored = Scored {
            raw: &raw,
            labels: &kept,
            weights: None,
            negative_rate: 0.1,
            positive_weight: 2.0,
        };
        let map = fit(method, &scored).unwrap();
        let after: Vec<f64> = new_truth.iter().map(|&x| map.log_odds(x)).collect();
        let got = reliability(&after, &new_labels).unwrap();
        assert!(
            got.intercept.abs() < 0.05 && (got.slope - 1.0).abs() < 0.05,
            "{method:?} {got:?}"
        );
    }
}

/// A row that counts for three is three rows.
#[test]
fn weights_are_repetitions() {
    let (raw, labels) = events(3_000, 8);
    let weights: Vec<f32> = (0..raw.len()).map(|row| [1.0, 3.0, 2.0][row % 3]).collect();
    let rows: Vec<usize> = (0..raw.len())
        .flat_map(|row| vec![row; weights[row] as usize])
        .collect();
    let raw_again: Vec<f64> = rows.iter().map(|row| raw[*row]).collect();
    let labels_again: Vec<bool> = rows.iter().map(|row| labels[*row]).collect();
    for method in [Method::Platt, Method::Beta] {
        let weighted = Scored {
            weights: Some(&weights),
            ..plain(&raw, &labels)
        };
        let weighted = fit(method, &weighted).unwrap();
        let repeated = fit(method, &plain(&raw_again, &labels_again)).unwrap();
        for at in [-6.0, -3.0, 0.0, 2.0] {
            let apart = weighted.log_odds(at) - repeated.log_odds(at);
            assert!(apart.abs() < 1e-6, "{method:?} at {at}: {apart}");
        }
        let one_short = Scored {
            weights: Some(&weights[1..]),
            ..plain(&raw, &labels)
        };
        let refused = fit(method, &one_short).unwrap_err();
        assert!(matches!(refused, CalibrateError::Weights { .. }));
    }
}

/// By hand: (0: legit, 1: fraud, 2: legit) pool to one half, the rest stay; base rate 1/2.
#[test]
fn isotonic_pools_what_falls() {
    let mut raw = Vec::new();
    let mut labels = Vec::new();
    for (score, frauds, legitimate) in [
        (-1.0, 0, 600),
        (0.0, 700, 300),
        (1.0, 300, 700),
        (2.0, 600, 0),
    ] {
        raw.extend(vec![score; frauds + legitimate]);
        labels.extend([vec![true; frauds], vec![false; legitimate]].concat());
    }
    let map = fit(Method::Isotonic, &plain(&raw, &labels)).unwrap();
    let edge = (0.5f64 / 600.5).ln();
    for (x, expected) in [
        (-5.0, edge),
        (-1.0, edge),
        (0.0, 0.0),
        (0.5, 0.0),
        (1.0, 0.0),
        (3.0, -edge),
    ] {
        assert!(
            (map.log_odds(x) - expected).abs() < 1e-12,
            "{x}: {}",
            map.log_odds(x)
        );
    }
}

#[test]
fn a_model_that_ranks_backwards_gets_a_flat_map() {
    let (truth, labels) = events(20_000, 7);
    let raw: Vec<f64> = truth.iter().map(|x| -x).collect();
    for method in [Method::Platt, Method::Beta] {
        let map = fit(method, &plain(&raw, &labels)).unwrap();
        map.check().unwrap();
        let base = labels.iter().filter(|&&l| l).count() as f64 / labels.len() as f64;
        assert!(
            (map.probability(-9.0) - base).abs() < 1e-3,
            "{method:?} {map:?}"
        );
        assert!(
            (map.probability(9.0) - base).abs() < 1e-3,
            "{method:?} {map:?}"
        );
    }
}

#[test]
fn separated_classes_stay_finite() {
    let raw: Vec<f64> = (0..200).map(|i| f64::from(i) - 99.5).collect();
    let labels: Vec<bool> = raw.iter().map(|&x| x > 0.0).collect();
    for method in [Method::Platt, Method::Beta] {
        fit(method, &plain(&raw, &labels)).unwrap().check().unwrap();
    }
    assert!(reliability(&raw, &labels).unwrap().slope.is_finite());
}

#[test]
fn bad_input_is_refused() {
    let (raw, mut labels) = events(5_000, 8);
    assert!(matches!(
        fit(Method::Isotonic, &plain(&raw, &labels)),
        Err(CalibrateError::Few { min: 1_000, .. })
    ));
    let refused = fit(Method::Platt, &plain(&raw[1..], &labels));
    assert_eq!(
        refused,
        Err(CalibrateError::Length {
            scores: 4_999,
            labels: 5_000
        })
    );
    let rate = fit(
        Method::Platt,
        &Scored {
            negative_rate: 0.0,
            ..plain(&raw, &labels)
        },
    );
    assert!(matches!(
        rate,
        Err(CalibrateError::Mix {
            field: "negative_rate",
            ..
        })
    ));
    labels.fill(false);
    assert!(matches!(
        fit(Method::Platt, &plain(&raw, &labels)),
        Err(CalibrateError::Few { positives: 0, .. })
    ));
    let mut raw = raw;
    raw[3] = f64::NAN;
    assert!(matches!(
        fit(Method::Beta, &plain(&raw, &labels)),
        Err(CalibrateError::NotFinite { row: 3, .. })
    ));
}
