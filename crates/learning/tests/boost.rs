//! The trainer: same bits on any thread count, what it learns, and what it refuses.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/synthetic.rs"]
mod synthetic;

use std::ops::ControlFlow;

use ringfence_learning::boost::{
    BoostConfig, BoostError, Dataset, Layout, Matrix, Metric, Progress, Trained, recency_weights,
    train,
};
use synthetic::{Synthetic, auc, synthetic};

fn matrix(data: &Synthetic) -> Matrix<'_> {
    Matrix::new(&data.values, data.rows, data.features, Layout::RowMajor).unwrap()
}

fn set(data: &Synthetic) -> Dataset<'_> {
    Dataset {
        features: matrix(data),
        labels: &data.labels,
        weights: None,
    }
}

fn go(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn fit(config: &BoostConfig, data: &Synthetic) -> Trained {
    train(config, &set(data), None, go).unwrap()
}

fn scores(trained: &Trained, data: &Synthetic) -> Vec<f64> {
    let mut out = vec![0.0; data.rows];
    trained.trees.predict_raw_batch(&data.values, &mut out);
    out
}

#[test]
fn same_bits_on_any_thread_count_and_layout() {
    let data = synthetic(20_000, 13, -3.0, 3);
    let validation = synthetic(5_000, 13, -3.0, 4);
    let config = BoostConfig {
        rounds: 12,
        bagging_fraction: 0.7,
        feature_fraction: 0.6,
        scale_pos_weight: 3.0,
        early_stopping_rounds: 5,
        seed: 9,
        ..BoostConfig::default()
    };
    let weights: Vec<f32> = (0..data.rows).map(|i| 0.5 + (i % 7) as f32 / 7.0).collect();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let weighted = Dataset {
            weights: Some(&weights),
            ..set(&data)
        };
        pool.install(|| train(&config, &weighted, Some(&set(&validation)), go))
            .unwrap()
    };
    let one = on(1);
    for threads in [2, 3, 7] {
        assert!(on(threads) == one, "{threads} threads train another model");
    }
    let columns: Vec<f32> = (0..data.features)
        .flat_map(|f| (0..data.rows).map(move |r| (r, f)))
        .map(|(r, f)| data.values[r * data.features + f])
        .collect();
    let features = Matrix::new(&columns, data.rows, data.features, Layout::ColumnMajor).unwrap();
    let turned = Dataset {
        features,
        labels: &data.labels,
        weights: Some(&weights),
    };
    assert!(train(&config, &turned, Some(&set(&validation)), go).unwrap() == one);
    let other = BoostConfig {
        seed: 10,
        ..config.clone()
    };
    assert!(train(&other, &turned, Some(&set(&validation)), go).unwrap() != one);
}

/// The values added while training are the values predicted afterwards, missing ones included, in
/// the bag and out of it: the reported validation metric is that of the model handed over.
#[test]
fn training_sees_what_serving_predicts() {
    let data = synthetic(8_000, 9, -2.0, 5);
    let config = BoostConfig {
        rounds: 10,
        bagging_fraction: 0.5,
        early_stopping_rounds: 10,
        metric: Metric::LogLoss,
        ..BoostConfig::default()
    };
    let trained = train(&config, &set(&data), Some(&set(&data)), go).unwrap();
    let raw = scores(&trained, &data);
    let loss = ringfence_learning::boost::log_loss(&raw, &data.labels, None);
    assert!((loss - trained.validation[trained.best_round - 1]).abs() < 1e-12);
    // gradients descend: were out-of-bag rows not updated, log-loss would not fall every round
    assert!(
        trained.validation.windows(2).all(|w| w[1] < w[0]),
        "{:?}",
        trained.validation
    );
}

/// Only rows above the 99.9th percentile of one feature are fraud: equal-count bins cannot see it.
#[test]
fn a_rule_in_the_far_tail_is_found() {
    let rows = 100_000;
    let values: Vec<f32> = (0..rows)
        .map(|i| ((i as u64 * 7_919) % rows as u64) as f32)
        .collect();
    let labels: Vec<bool> = values.iter().map(|&v| v > 99_937.0).collect();
    let features = Matrix::new(&values, rows, 1, Layout::ColumnMajor).unwrap();
    let data = Dataset {
        features,
        labels: &labels,
        weights: None,
    };
    for max_bin in [255, 1023] {
        let config = BoostConfig {
            rounds: 1,
            max_bin,
            num_leaves: 2,
            ..BoostConfig::default()
        };
        let trained = train(&config, &data, None, go).unwrap();
        let threshold = trained.trees.tree(0).splits[0].threshold;
        let off = (threshold - 99_937.5).abs();
        assert!(off <= 6.0, "{max_bin} bins: cut at {threshold}");
    }
}

#[test]
fn learns_the_synthetic_rules() {
    let (data, test) = (
        synthetic(30_000, 10, -4.0, 6),
        synthetic(20_000, 10, -4.0, 7),
    );
    let trained = fit(
        &BoostConfig {
            rounds: 60,
            ..BoostConfig::default()
        },
        &data,
    );
    let found = auc(&scores(&trained, &test), &test.labels);
    assert!(found > 0.91, "AUC {found}");
    let gain = trained.trees.gain_importance();
    assert!(
        gain[1] > 10.0 * gain[9],
        "noise is as important as signal: {gain:?}"
    );
}

/// A node without missing values in training sends them with its larger side; one with learns.
#[test]
fn missing_values_go_where_they_belong() {
    let rows = 4_000;
    let values: Vec<f32> = (0..rows)
        .map(|i| {
            if i % 4 == 0 {
                f32::NAN
            } else {
                (i % 10) as f32
            }
        })
        .collect();
    let labels: Vec<bool> = (0..rows).map(|i| i % 4 == 0 || i % 10 == 9).collect();
    let features = Matrix::new(&values, rows, 1, Layout::ColumnMajor).unwrap();
    let data = Dataset {
        features,
        labels: &labels,
        weights: None,
    };
    let config = BoostConfig {
        rounds: 30,
        num_leaves: 4,
        ..BoostConfig::default()
    };
    let trained = train(&config, &data, None, go).unwrap();
    let raw = |x: f32| trained.trees.predict_raw(&[x]);
    assert!(
        raw(f32::NAN) > 2.0 && raw(9.0) > 2.0 && raw(8.0) < -2.0,
        "{}",
        raw(f32::NAN)
    );

    let present: Vec<f32> = (0..rows).map(|i| (i % 10) as f32).collect();
    let labels: Vec<bool> = present.iter().map(|&v| v >= 7.0).collect();
    let features = Matrix::new(&present, rows, 1, Layout::ColumnMajor).unwrap();
    let data = Dataset {
        features,
        labels: &labels,
        weights: None,
    };
    let trained = train(&config, &data, None, go).unwrap();
    assert!(trained.trees.predict_raw(&[f32::NAN]) == trained.trees.predict_raw(&[0.0]));
}

#[test]
fn limits_hold() {
    let data = synthetic(5_000, 8, -1.0, 8);
    let config = BoostConfig {
        rounds: 5,
        num_leaves: 13,
        max_depth: 4,
        min_data_in_leaf: 77,
        ..BoostConfig::default()
    };
    let trained = fit(&config, &data);
    assert!(trained.trees.depth_max() <= 4 && trained.trees.leaves_per_tree_max() <= 13);
    for tree in (0..5).map(|t| trained.trees.tree(t)) {
        assert!(tree.leaves.iter().all(|leaf| leaf.cover >= 77));
        assert_eq!(
            tree.leaves.iter().map(|leaf| leaf.cover).sum::<u32>(),
            5_000
        );
    }
    let strict = BoostConfig {
        min_gain: 1e9,
        ..config
    };
    assert_eq!(fit(&strict, &data).trees.tree(0).splits.len(), 0);
}

#[test]
fn stops_early_and_on_request() {
    let (data, validation) = (synthetic(3_000, 8, -1.0, 10), synthetic(3_000, 8, -1.0, 11));
    let config = BoostConfig {
        rounds: 400,
        num_leaves: 63,
        learning_rate: 0.5,
        early_stopping_rounds: 7,
        ..BoostConfig::default()
    };
    let trained = train(&config, &set(&data), Some(&set(&validation)), go).unwrap();
    let best = trained.best_round;
    assert_eq!(
        (trained.trees.tree_count(), trained.validation.len()),
        (best, best + 7)
    );
    assert!(
        trained
            .validation
            .iter()
            .all(|&ap| ap <= trained.validation[best - 1])
    );
    let cancelled = train(&config, &set(&data), None, |p| {
        if p.round == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    // early stopping without a validation set is a mistake of the caller, named before any work
    assert_eq!(cancelled, Err(BoostError::NoValidation));
    let config = BoostConfig {
        early_stopping_rounds: 0,
        ..config
    };
    let cancelled = train(&config, &set(&data), None, |p| {
        if p.round == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(cancelled, Err(BoostError::Cancelled { round: 3 }));
}

/// A row of weight 3 is the same as the row three times.
#[test]
fn weights_count_as_copies() {
    let data = synthetic(3_000, 8, -1.0, 12);
    let weights: Vec<f32> = (0..data.rows).map(|i| (1 + i % 3) as f32).collect();
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for (row, &weight) in weights.iter().enumerate() {
        for _ in 0..weight as usize {
            values.extend_from_slice(&data.values[row * 8..row * 8 + 8]);
            labels.push(data.labels[row]);
        }
    }
    let copies = Synthetic {
        rows: labels.len(),
        values,
        labels,
        features: 8,
    };
    // every distinct value has its own bin, and nothing but weight limits the leaves
    let config = BoostConfig {
        rounds: 3,
        num_leaves: 15,
        min_data_in_leaf: 1,
        min_sum_hessian: 5.0,
        max_bin: 60_000,
        ..BoostConfig::default()
    };
    let weighted = Dataset {
        weights: Some(&weights),
        ..set(&data)
    };
    let weighted = train(&config, &weighted, None, go).unwrap();
    let copied = fit(&config, &copies);
    for (a, b) in scores(&weighted, &data).iter().zip(scores(&copied, &data)) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let halved = recency_weights(&[100, 70, 40, 200], 100, 30.0);
    assert_eq!(halved, vec![1.0, 0.5, 0.25, 1.0]);
}

#[test]
fn bad_input_is_refused_by_name() {
    let data = synthetic(2_000, 8, -2.0, 13);
    let config = BoostConfig {
        rounds: 2,
        ..BoostConfig::default()
    };
    let refusal = |config: &BoostConfig, set: Dataset<'_>, expected: &str| {
        let got = train(config, &set, None, go).unwrap_err().to_string();
        assert!(got.contains(expected), "expected {expected:?}, got {got:?}");
    };
    refusal(
        &config,
        Dataset {
            labels: &data.labels[1..],
            ..set(&data)
        },
        "must have 2000 labels, got 1999",
    );
    refusal(
        &config,
        Dataset {
            labels: &[true; 2_000],
            ..set(&data)
        },
        "one class only (2000 frauds of 2000 rows)",
    );
    refusal(
        &config,
        Dataset {
            weights: Some(&[1.0; 3]),
            ..set(&data)
        },
        "must have 2000 weights, got 3",
    );
    let mut weights = vec![1.0; 2_000];
    weights[5] = -1.0;
    refusal(
        &config,
        Dataset {
            weights: Some(&weights),
            ..set(&data)
        },
        "weight at row 5 must be finite and >= 0, got -1",
    );
    let mut few = vec![false; 2_000];
    few[..49].fill(true);
    refusal(
        &config,
        Dataset {
            labels: &few,
            ..set(&data)
        },
        "at least 50 frauds, got 49",
    );
    let constant = vec![2.5f32; 4_000];
    let features = Matrix::new(&constant, 2_000, 2, Layout::RowMajor).unwrap();
    refusal(
        &config,
        Dataset {
            features,
            ..set(&data)
        },
        "all 2 features are constant",
    );
    let mut values = data.values.clone();
    values[8 * 17 + 3] = f32::NEG_INFINITY;
    let features = Matrix::new(&values, 2_000, 8, Layout::RowMajor).unwrap();
    refusal(
        &config,
        Dataset {
            features,
            ..set(&data)
        },
        "infinite value at row 17, feature 3",
    );
    let wide = BoostConfig {
        max_bin: 1,
        ..config.clone()
    };
    refusal(&wide, set(&data), "max_bin must be in 2..=65000, got 1");
    let large = BoostConfig {
        histogram_bytes_max: 1_000,
        ..config.clone()
    };
    refusal(&large, set(&data), "lower num_leaves or max_bin");
    let short = Matrix::new(&data.values, 2_000, 9, Layout::RowMajor).unwrap_err();
    assert!(
        short
            .to_string()
            .contains("must have 18000 values, got 16000")
    );
}
