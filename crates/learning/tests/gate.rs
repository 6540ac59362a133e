//! The gates on arrays: real models on seeded data, each failing where it should.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "support/synthetic.rs"]
mod synthetic;

#[path = "gate/parts.rs"]
mod parts;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use model::artifact::Thresholds;
use model::fast::{FastTrees, Scratch};
use ringfence_learning::boost::{self, BoostConfig, Dataset, Layout, Matrix};
use ringfence_learning::gate::{
    Bounds, Finding, Gate, Judged, Outcome, Paper, Report, Shuffled, Verdict, judge, ranked_alone,
};
use synthetic::{Random, Synthetic, synthetic};

/// Features of the synthetic rows, and behind them the one that a leak fills.
const FEATURES: usize = 9;
const LEAK: usize = FEATURES - 1;

/// Trees on rows whose last column is a copy of the label, or empty.
fn trained(labels: &[bool], data: &Synthetic, leaks: bool) -> FastTrees {
    let values = with_leak(data, leaks);
    let config = BoostConfig {
        rounds: 40,
        num_leaves: 15,
        ..BoostConfig::default()
    };
    let set = Dataset {
        features: Matrix::new(&values, data.rows, FEATURES, Layout::RowMajor).unwrap(),
        labels,
        weights: None,
    };
    let trained = boost::train(&config, &set, None, |_| ControlFlow::Continue(())).unwrap();
    FastTrees::new(&trained.trees)
}

fn with_leak(data: &Synthetic, leaks: bool) -> Vec<f32> {
    let rows = data.values.chunks_exact(data.features).zip(&data.labels);
    rows.flat_map(|(row, fraud)| {
        let copied = f32::from(u8::from(*fraud && leaks));
        row[..LEAK].iter().copied().chain([copied])
    })
    .collect()
}

struct World {
    exam: Synthetic,
    honest: FastTrees,
    shuffled: FastTrees,
    leaky: FastTrees,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let lesson = synthetic(12_000, LEAK, -5.0, 1);
        let mut random = Random::new(3);
        let mut others = lesson.labels.clone();
        for last in (1..others.len()).rev() {
            others.swap(last, (random.uniform() * (last + 1) as f64) as usize);
        }
        World {
            honest: trained(&lesson.labels, &lesson, false),
            shuffled: trained(&others, &lesson, false),
            leaky: trained(&lesson.labels, &lesson, true),
            exam: synthetic(12_000, LEAK, -5.0, 2),
        }
    })
}

fn paper(model: &FastTrees, values: &[f32]) -> Paper {
    let mut scratch = Scratch::default();
    let rows = values.chunks_exact(FEATURES);
    Paper {
        kind: "trees".to_owned(),
        log_odds: rows
            .map(|row| model.predict_raw(row, &mut scratch))
            .collect(),
        thresholds: BTreeMap::from(["payment", "transfer"].map(|name| {
            let at = Thresholds {
                challenge: 560,
                review: 600,
                decline: 700,
            };
            (name.to_owned(), at)
        })),
        score_us: 1.5,
        score_us_p99: 4.0,
        network_failed: 0,
    }
}

/// Two events an account; every third one is a transfer.
fn judged(candidate: &FastTrees, leaks: bool) -> Judged {
    let world = world();
    let values = with_leak(&world.exam, leaks);
    let rows = world.exam.rows;
    let (fraud, weights) = (world.exam.labels.clone(), vec![1.0; rows]);
    Judged {
        alone: ranked_alone(&values, FEATURES, &fraud, &weights),
        fraud,
        weights,
        blocks: (0..rows as u32).map(|row| row / 2).collect(),
        event_types: (0..rows).map(|row| u8::from(row % 3 == 0)).collect(),
        event_type_names: vec!["payment".to_owned(), "transfer".to_owned()],
        segments: Vec::new(),
        segment_names: Vec::new(),
        features: (0..FEATURES).map(|at| format!("f{at}")).collect(),
        champion: paper(&world.honest, &values),
        candidate: paper(candidate, &values),
        shuffled: Vec::new(),
    }
}

fn of(report: &Report, gate: Gate) -> Vec<&Finding> {
    let found = report.findings.iter().filter(|it| it.gate == gate);
    found.collect()
}

/// The gates that refuse or hold, each once.
fn failing(report: &Report) -> Vec<Gate> {
    let mut gates: Vec<Gate> = report.reasons().map(|it| it.gate).collect();
    gates.dedup();
    gates
}

/// Only the events before the fraud after so many.
fn until_fraud(mut judged: Judged, frauds: usize) -> Judged {
    let rows = judged.fraud.iter().enumerate();
    let mut rows = rows.filter(|(_, fraud)| **fraud).map(|(row, _)| row);
    let end = rows.nth(frauds).unwrap();
    judged.fraud.truncate(end);
    judged.weights.truncate(end);
    judged.blocks.truncate(end);
    judged.event_types.truncate(end);
    for paper in [&mut judged.champion, &mut judged.candidate] {
        paper.log_odds.truncate(end);
    }
    judged
}

#[test]
fn an_equal_model_passes() {
    let report = judge(&judged(&world().honest, false), &Bounds::default(), 0);
    assert_eq!(report.verdict, Verdict::Pass, "{}", report.text());
    assert!(report.frauds >= 200, "{}", report.frauds);
    let ranking = of(&report, Gate::Ranking)[0];
    assert_eq!((ranking.value, ranking.bound), (Some(0.0), Some(-0.01)));
}

/// Reports stay in the jobs' directories, and are told by the program that is there then.
#[test]
fn a_report_of_before_the_p99_was_measured_is_read() {
    let report = judge(&judged(&world().honest, false), &Bounds::default(), 0);
    assert!(!report.text().contains("unknown"), "{}", report.text());
    let mut written = serde_json::to_value(&report).unwrap();
    for side in ["champion", "candidate"] {
        let side = written[side].as_object_mut().unwrap();
        side.remove("score_us_p99").unwrap();
    }
    let read: Report = serde_json::from_value(written).unwrap();
    assert!(read.text().contains("p99 unknown"), "{}", read.text());
}

#[test]
fn a_model_of_shuffled_labels_is_refused_by_the_ranking() {
    let report = judge(&judged(&world().shuffled, false), &Bounds::default(), 0);
    assert_eq!(report.verdict, Verdict::Refuse);
    let ranking = of(&report, Gate::Ranking)[0];
    assert_eq!(ranking.outcome, Outcome::Refuse, "{}", report.text());
    let lost = report.champion.ap - report.candidate.ap;
    assert!(lost > 0.2, "{}", report.text());
    // By how much: how far the interval's lower end lies below the floor.
    assert!(ranking.by.unwrap() > lost - 0.01);
    let worse = of(&report, Gate::Segment);
    assert!(worse.iter().any(|it| it.outcome == Outcome::Refuse));
}

#[test]
fn a_copy_of_the_label_is_too_good() {
    let mut leaky = judged(&world().leaky, true);
    leaky.shuffled = vec![
        Shuffled {
            feature: 0,
            champion: 0.4,
            candidate: 0.1,
        },
        Shuffled {
            feature: LEAK,
            champion: 0.0,
            candidate: 0.97,
        },
    ];
    let report = judge(&leaky, &Bounds::default(), 0);
    assert_eq!(report.verdict, Verdict::Refuse);
    let found = of(&report, Gate::TooGood);
    let said: Vec<_> = found
        .iter()
        .map(|it| (it.of.as_deref(), it.outcome))
        .collect();
    assert_eq!(
        said,
        [
            (None, Outcome::Refuse),
            (Some("f8"), Outcome::Refuse),
            (Some("f8"), Outcome::Refuse),
        ],
        "{}",
        report.text()
    );
    assert_eq!(of(&report, Gate::Ranking)[0].outcome, Outcome::Pass);
    assert!((found[1].value.unwrap() - 1.0).abs() < 1e-12);
}

/// Whichever way round, and whether the label is told by a value or by its absence.
#[test]
fn a_leak_is_found_in_every_disguise() {
    type Disguise = fn(bool) -> f32;
    let disguises: [Disguise; 4] = [
        |fraud| f32::from(u8::from(fraud)),
        |fraud| f32::from(u8::from(!fraud)) * 7.0,
        |fraud| if fraud { f32::NAN } else { 2.0 },
        |fraud| if fraud { -3.0 } else { f32::NAN },
    ];
    for (at, disguise) in disguises.iter().enumerate() {
        let mut held = judged(&world().honest, false);
        let mut values = with_leak(&world().exam, false);
        for (row, fraud) in held.fraud.iter().enumerate() {
            values[row * FEATURES + LEAK] = disguise(*fraud);
        }
        held.alone = ranked_alone(&values, FEATURES, &held.fraud, &held.weights);
        let report = judge(&held, &Bounds::default(), 0);
        let found = of(&report, Gate::TooGood);
        assert_eq!(
            (found[1].of.as_deref(), found[1].outcome),
            (Some("f8"), Outcome::Refuse),
            "disguise {at}"
        );
    }
}

#[test]
fn too_few_frauds_hold_and_say_how_many_are_needed() {
    let few = until_fraud(judged(&world().honest, false), 150);
    let report = judge(&few, &Bounds::default(), 0);
    assert_eq!(report.verdict, Verdict::Hold, "{}", report.text());
    assert_eq!(failing(&report), [Gate::Ranking]);
    let ranking = of(&report, Gate::Ranking)[0];
    assert_eq!(ranking.frauds_needed, Some(200));

    let none = Judged {
        fraud: vec![false; few.fraud.len()],
        ..few
    };
    let report = judge(&none, &Bounds::default(), 0);
    assert_eq!(report.verdict, Verdict::Hold);
    assert_eq!(of(&report, Gate::Ranking)[0].frauds_needed, Some(200));
}

/// With a wide interval around no difference: enough frauds, and yet nothing is told.
#[test]
fn an_open_interval_holds_for_more_frauds_than_there_are() {
    let mut noisy = judged(&world().honest, false);
    let mut random = Random::new(9);
    for log_odds in &mut noisy.candidate.log_odds {
        *log_odds += 0.35 * random.normal();
    }
    let report = judge(&noisy, &Bounds::default(), 0);
    let low = of(&report, Gate::Ranking)[0].value.unwrap();
    let difference = report.candidate.ap - report.champion.ap;
    let bounds = |floor: f64| Bounds {
        ap_loss_max: -floor,
        ..Bounds::default()
    };
    // At the difference itself no number of frauds would do.
    let report = judge(&noisy, &bounds(difference), 0);
    let ranking = of(&report, Gate::Ranking)[0];
    assert_eq!(ranking.outcome, Outcome::Refuse, "{}", report.text());
    let report = judge(&noisy, &bounds((difference + low) / 2.0), 0);
    let ranking = of(&report, Gate::Ranking)[0];
    assert_eq!(ranking.outcome, Outcome::Hold, "{}", report.text());
    // Half of the width is wanted: four times the frauds.
    let needed = ranking.frauds_needed.unwrap();
    assert!(needed.abs_diff(4 * report.frauds) <= 1, "{needed}");
}

/// Neither model: what else is wrong with the candidate changes no share.
fn nobody_alerts(it: &mut Judged) {
    for paper in [&mut it.champion, &mut it.candidate] {
        let all = paper.thresholds.values_mut();
        all.for_each(|it| (it.challenge, it.review, it.decline) = (1_001, 1_001, 1_001));
    }
}

/// Everything else as it was, one thing wrong: that gate and no other refuses.
#[test]
fn each_gate_refuses_what_is_its_own() {
    type Spoil = fn(&mut Judged);
    let spoiled: [(&str, Gate, Spoil); 10] = [
        ("too sure", Gate::Calibration, |it| {
            let scaled = it.candidate.log_odds.iter_mut();
            scaled.for_each(|it| *it = 3.0 * (*it + 2.2) - 2.2);
            nobody_alerts(it);
        }),
        ("too high", Gate::Calibration, |it| {
            it.candidate.log_odds.iter_mut().for_each(|it| *it += 1.5);
            nobody_alerts(it);
        }),
        ("alerts everybody", Gate::Alerts, |it| {
            let all = it.candidate.thresholds.values_mut();
            all.for_each(|it| it.challenge = 300);
        }),
        ("alerts nobody", Gate::Alerts, |it| {
            let all = it.candidate.thresholds.values_mut();
            all.for_each(|it| (it.challenge, it.review, it.decline) = (1_000, 1_000, 1_000));
        }),
        ("slow", Gate::Latency, |it| it.candidate.score_us = 201.0),
        ("slower than its like", Gate::Latency, |it| {
            (it.champion.score_us, it.candidate.score_us) = (10.0, 31.0);
        }),
        ("slow now and then", Gate::Latency, |it| {
            it.candidate.score_us_p99 = 1_001.0;
        }),
        ("more often than its like", Gate::Latency, |it| {
            (it.champion.score_us_p99, it.candidate.score_us_p99) = (10.0, 31.0);
        }),
        ("its network fails", Gate::Network, |it| {
            let events = it.fraud.len() as u64;
            it.candidate.network_failed = events / 1_000 + 1;
            it.champion.network_failed = events / 2_000;
        }),
        ("hangs on a feature", Gate::TooGood, |it| {
            it.shuffled = vec![Shuffled {
                feature: 2,
                champion: 0.3,
                candidate: 0.9,
            }];
        }),
    ];
    for (name, gate, spoil) in spoiled {
        let mut it = judged(&world().honest, false);
        spoil(&mut it);
        let report = judge(&it, &Bounds::default(), 0);
        assert_eq!(failing(&report), [gate], "{name}\n{}", report.text());
        assert_eq!(report.verdict, Verdict::Refuse, "{name}");
        assert!(report.reasons().all(|it| it.by.unwrap() > 0.0), "{name}");
    }
}

/// Feature 1 carries both models, and more of the candidate than any other does; feature 2 carries it alone.
#[test]
fn a_feature_that_both_need_hides_no_leak() {
    let mut it = judged(&world().honest, false);
    let of = |feature, candidate, champion| Shuffled {
        feature,
        champion,
        candidate,
    };
    it.shuffled = vec![of(1, 0.95, 0.9), of(2, 0.9, 0.0)];
    let report = judge(&it, &Bounds::default(), 0);
    let refused: Vec<_> = report.reasons().map(|it| it.of.as_deref()).collect();
    assert_eq!(refused, [Some("f2")], "{}", report.text());
    it.shuffled.pop();
    let report = judge(&it, &Bounds::default(), 0);
    assert_eq!(report.verdict, Verdict::Pass, "{}", report.text());
}

/// As often as the champion's, or once in a thousand events.
#[test]
fn a_network_that_fails_no_more_than_it_may_passes() {
    let passes = |champion: u64, candidate: u64| {
        let mut it = judged(&world().honest, false);
        it.champion.network_failed = champion;
        it.candidate.network_failed = candidate;
        judge(&it, &Bounds::default(), 0).verdict == Verdict::Pass
    };
    let once_in_a_thousand = world().exam.rows as u64 / 1_000;
    assert!(passes(0, once_in_a_thousand));
    assert!(passes(500, 500));
    assert!(!passes(500, 501));
}

/// What is dearer by its kind, or no slower than nothing, is not held against it.
#[test]
fn latency_knows_kinds_and_trifles() {
    let passes = |champion: (&str, f64), candidate: (&str, f64)| {
        let mut it = judged(&world().honest, false);
        (it.champion.kind, it.champion.score_us) = (champion.0.to_owned(), champion.1);
        (it.candidate.kind, it.candidate.score_us) = (candidate.0.to_owned(), candidate.1);
        judge(&it, &Bounds::default(), 0).verdict == Verdict::Pass
    };
    assert!(passes(("trees", 1.0), ("hybrid", 30.0)));
    assert!(passes(("trees", 1.0), ("trees", 19.0)));
    assert!(!passes(("trees", 6.0), ("trees", 21.0)));
}

/// A row that stands for two events counts as two of them would.
#[test]
fn weights_count_like_copies() {
    let mut once = judged(&world().shuffled, false);
    let keep = 4_000;
    let mut values = with_leak(&world().exam, false);
    values.truncate(keep * FEATURES);
    let cut = |it: &mut Judged| {
        it.fraud.truncate(keep);
        it.weights.truncate(keep);
        it.blocks.truncate(keep);
        it.event_types.truncate(keep);
        it.champion.log_odds.truncate(keep);
        it.candidate.log_odds.truncate(keep);
    };
    cut(&mut once);
    let (mut twice, mut copied) = (once.clone(), values.clone());
    for row in 0..keep {
        if row % 5 == 0 {
            once.weights[row] = 2.0;
            twice.fraud.push(twice.fraud[row]);
            twice.weights.push(1.0);
            twice.blocks.push(twice.blocks[row]);
            twice.event_types.push(twice.event_types[row]);
            copied.extend_from_within(row * FEATURES..(row + 1) * FEATURES);
            for paper in [&mut twice.champion, &mut twice.candidate] {
                paper.log_odds.push(paper.log_odds[row]);
            }
        }
    }
    let of = |it: &mut Judged, values: &[f32]| {
        it.alone = ranked_alone(values, FEATURES, &it.fraud, &it.weights);
        judge(it, &Bounds::default(), 0)
    };
    let (weighed, copied) = (of(&mut once, &values), of(&mut twice, &copied));
    assert_eq!(weighed.events, copied.events);
    assert!(weighed.rows < copied.rows);
    for (a, b) in weighed.findings.iter().zip(&copied.findings) {
        assert_eq!((a.gate, a.outcome), (b.gate, b.outcome));
        let (a, b) = (a.value.unwrap_or(0.0), b.value.unwrap_or(0.0));
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }
}

#[test]
fn bounds_that_hold_nothing_are_refused() {
    type Set = fn(&mut Bounds);
    let wrong: [(&str, Set); 5] = [
        ("frauds_min", |it| it.frauds_min = 0),
        ("ap_loss_max", |it| it.ap_loss_max = 0.0),
        ("slope_max", |it| it.slope_max = 0.4),
        ("alerts_factor_max", |it| it.alerts_factor_max = f64::NAN),
        ("feature_ap_max", |it| it.feature_ap_max = 1.5),
    ];
    for (field, set) in wrong {
        let mut bounds = Bounds::default();
        set(&mut bounds);
        assert_eq!(bounds.check().unwrap_err().field, field);
    }
    assert_eq!(Bounds::default().check(), Ok(()));
}
