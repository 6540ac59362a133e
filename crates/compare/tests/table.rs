//! The table against counting by hand and by brute force.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

use event::record::{DecisionKind, Verdict};
use event::{EventTime, Position, Span};
use proptest::prelude::*;
use ringfence_compare::overlap::spearman;
use ringfence_compare::ranking::{Ranked, Scored, average_precision};
use ringfence_compare::{FRAUD_ACCOUNTS_MIN, Model, Options, Row, Said, Table, Window, compare};

const DAY_MS: i64 = 86_400_000;

fn options() -> Options {
    Options {
        known_until: EventTime::from_millis(100 * DAY_MS),
        maturity: Span::days(30),
        presumed: true,
        weight_max: 20.0,
        resamples: 50,
        seed: 7,
        samples: 3,
    }
}

/// Of an hour, of its own account, approved and without a label.
fn row(hour: i64) -> Row {
    Row {
        position: Position(hour as u64 * 2),
        at: EventTime::from_millis(hour * DAY_MS / 24),
        amount: 10.0,
        block: hour as u64,
        verdict: DecisionKind::Approve,
        propensity_ppm: 1_000_000,
        label: None,
    }
}

fn fraud(hour: i64) -> Row {
    Row {
        label: Some(Verdict::Fraud),
        ..row(hour)
    }
}

fn said(score: u16) -> Option<Said> {
    Some(Said {
        score,
        probability_ppm: u32::from(score) * 1000,
        verdict: match score {
            0..500 => DecisionKind::Approve,
            500..800 => DecisionKind::Review,
            _ => DecisionKind::Decline,
        },
        nanos: None,
    })
}

fn model(said: Vec<Option<Said>>) -> Model {
    Model {
        name: "m".to_owned(),
        part: "shadow",
        said,
    }
}

fn table(rows: Vec<Row>, models: Vec<Model>, options: &Options) -> Table {
    let window = Window {
        from: EventTime::MIN,
        until: options.known_until,
        rows,
        models,
    };
    compare(&window, options, || false).unwrap()
}

/// Each twenty times, of an account of its own and at the same time: as many frauds as an interval asks for.
fn twenty(rows: Vec<Row>) -> Vec<Row> {
    let all = rows.into_iter().flat_map(|row| vec![row; 20]).enumerate();
    let own = all.map(|(at, row)| Row {
        position: Position(at as u64),
        block: at as u64,
        ..row
    });
    own.collect()
}

fn twenty_times(said: Vec<Option<Said>>) -> Model {
    model(said.into_iter().flat_map(|it| vec![it; 20]).collect())
}

fn close(got: f64, wanted: f64) {
    assert!((got - wanted).abs() < 1e-9, "{got}, not {wanted}");
}

/// Two days and a bit, each event twenty times; the champion alerts on hours 0, 1 and 2, the shadow on 0, 2 and 3.
#[test]
fn a_small_window_by_hand() {
    let rows = twenty(vec![fraud(0), row(1), row(2), fraud(3), row(4), row(48)]);
    let champion = [900, 600, 550, 100, 90, 80].map(said).to_vec();
    let shadow = [990, 300, 600, 700, 90, 80].map(said).to_vec();
    let table = table(
        rows,
        vec![twenty_times(champion), twenty_times(shadow)],
        &options(),
    );
    assert_eq!((table.truth.frauds, table.truth.legitimate), (40, 80));
    close(table.days, 2.0);
    let [one, two] = &table.models[..] else {
        panic!("two models")
    };
    close(one.precision.unwrap().value, 1.0 / 3.0);
    close(one.recall.unwrap().value, 0.5);
    close(one.f1.unwrap().value, 0.4);
    // Ranks of the frauds: 1 and 4.
    close(one.ap.unwrap().value, (1.0 + 2.0 / 4.0) / 2.0);
    close(one.frauds_intercepted_per_day, 10.0);
    close(one.false_positives_per_day, 20.0);
    close(one.alerts_per_day, 30.0);
    assert_eq!((one.verdicts.decline, one.verdicts.review), (20, 40));
    close(two.precision.unwrap().value, 2.0 / 3.0);
    close(two.ap.unwrap().value, 1.0);
    let beside = two.beside.as_ref().unwrap();
    assert!(beside.paired && one.beside.is_none());
    assert_eq!(beside.rows, 120);
    close(beside.ap.unwrap().value, 0.25);
    close(beside.recall.unwrap().value, 0.5);
    let apart = &beside.disagreements;
    assert_eq!((apart.only_this.events, apart.only_this.frauds), (20, 20));
    assert_eq!(
        (apart.only_other.events, apart.only_other.legitimate),
        (20, 20)
    );
    // The labelled one first, although both are apart.
    assert_eq!(apart.samples[0].position, 60);
    assert_eq!(
        (apart.samples[0].score, apart.samples[0].other_score),
        (700, 100)
    );
    let overlap = beside.overlap.unwrap();
    close(overlap.same_verdict, 4.0 / 6.0);
    // Bins of 20: 4 and 4 (80, 90) are common, 600 and 600; all else is apart.
    close(overlap.distribution, 3.0 / 6.0);
}

/// A resample holds one fraud, or none, and what it says of that one is always the same.
#[test]
fn of_few_frauds_no_interval_is_told_but_their_number() {
    let beside = |frauds: usize, accounts: u64| {
        let rows = (0..60).map(|at| Row {
            block: if at < frauds {
                at as u64 % accounts
            } else {
                100 + at as u64
            },
            ..if at < frauds {
                fraud(at as i64)
            } else {
                row(at as i64)
            }
        });
        let catches = (0..60).map(|at| said(if at < frauds { 900 } else { at as u16 }));
        let misses = (0..60).map(|at| said(if at < frauds { 10 } else { at as u16 }));
        let models = vec![model(misses.collect()), model(catches.collect())];
        table(rows.collect(), models, &options())
    };
    for (frauds, accounts) in [(1, 1), (19, 19), (30, 19)] {
        let table = beside(frauds, accounts);
        let side = &table.models[1];
        let beside = side.beside.as_ref().unwrap();
        let differences = [beside.ap, beside.f1, beside.precision, beside.recall];
        assert_eq!(differences, [None; 4]);
        assert_eq!(
            (beside.frauds, beside.fraud_accounts),
            (frauds as u64, accounts)
        );
        assert_eq!((side.ap, side.f1), (None, None));
        assert_eq!(
            (side.frauds, side.fraud_accounts),
            (frauds as u64, accounts)
        );
        // Wilson's holds for few.
        let recall = side.recall.unwrap();
        assert!(recall.value == 1.0 && recall.low < 0.95);
    }
    let told = beside(20, 20);
    let beside = told.models[1].beside.as_ref().unwrap();
    close(beside.recall.unwrap().value, 1.0);
    assert!(beside.ap.is_some() && told.models[1].ap.is_some());
}

#[test]
fn young_declined_and_silent_events_do_not_count() {
    let young = fraud(71 * 24);
    let declined = Row {
        verdict: DecisionKind::Decline,
        ..fraud(2)
    };
    let rows = vec![fraud(0), row(1), declined, young];
    let said = [900, 900, 900, 900].map(said).to_vec();
    let presumed = table(rows.clone(), vec![model(said.clone())], &options());
    let truth = &presumed.truth;
    assert_eq!((truth.frauds, truth.legitimate), (1, 1));
    assert_eq!((truth.immature, truth.declined), (1, 1));
    close(presumed.models[0].precision.unwrap().value, 0.5);
    let explicit = Options {
        presumed: false,
        ..options()
    };
    let explicit = table(rows, vec![model(said)], &explicit);
    assert_eq!(explicit.truth.unlabelled, 1);
    close(explicit.models[0].precision.unwrap().value, 1.0);
}

/// One in ten of the declines was let pass: each stands for ten, and one in a hundred for twenty, clipped.
#[test]
fn random_approvals_stand_for_the_declined() {
    let drawn = |row: Row, propensity_ppm| Row {
        propensity_ppm,
        ..row
    };
    let rows = vec![
        drawn(fraud(0), 100_000),
        drawn(row(1), 100_000),
        drawn(fraud(2), 10_000),
        fraud(3),
    ];
    let said = [900, 900, 100, 100].map(said).to_vec();
    let table = table(rows, vec![model(said)], &options());
    let truth = &table.truth;
    assert_eq!((truth.drawn, truth.clipped), (3, 1));
    let side = &table.models[0];
    close(side.recall.unwrap().value, 10.0 / 31.0);
    close(side.precision.unwrap().value, 0.5);
    close(truth.effective_frauds, 31.0 * 31.0 / (100.0 + 400.0 + 1.0));
    close(truth.effective, 41.0 * 41.0 / (100.0 + 100.0 + 400.0 + 1.0));
    // Of 501 rows of weight 1 it would be a narrow interval; two alerts of weight 10 tell as much as two.
    let precision = side.precision.unwrap();
    let expected = ringfence_compare::interval::wilson(0.5, 2.0);
    close(precision.low, expected.low);
    close(precision.high, expected.high);
}

#[test]
fn models_that_share_no_event_are_measured_apart() {
    let rows = twenty(vec![fraud(0), row(1), fraud(2), row(3)]);
    let one = twenty_times(vec![said(900), said(100), None, None]);
    let other = twenty_times(vec![None, None, said(100), said(900)]);
    let table = table(rows, vec![one, other], &options());
    let beside = table.models[1].beside.as_ref().unwrap();
    assert!(!beside.paired && beside.overlap.is_none());
    close(beside.recall.unwrap().value, -1.0);
    close(table.models[0].coverage, 0.5);
    // It began with the third event, and missed none since.
    close(table.models[1].coverage, 1.0);
}

#[test]
fn latencies_are_of_those_that_were_measured() {
    let timed = |nanos| {
        said(1).map(|it| Said {
            nanos: Some(nanos),
            ..it
        })
    };
    let mut all: Vec<_> = (1..=200).map(|at| timed(at * 1000)).collect();
    all.push(said(1));
    let rows = (0..201).map(row).collect();
    let latency = table(rows, vec![model(all)], &options()).models[0].latency_us;
    let latency = latency.unwrap();
    assert_eq!(latency.scores, 200);
    close(latency.mean, 100.5);
    close(latency.p99, 198.0);
}

#[test]
fn who_does_not_wait_any_more_gets_no_table() {
    let window = Window {
        from: EventTime::MIN,
        until: EventTime::END,
        rows: twenty(vec![fraud(0)]),
        models: vec![twenty_times(vec![said(1)])],
    };
    let options = Options {
        known_until: EventTime::END,
        ..options()
    };
    let mut asked = 0;
    let stop = || {
        asked += 1;
        asked > 3
    };
    assert_eq!(compare(&window, &options, stop), None);
    assert_eq!(asked, 4);
}

/// Average precision by asking, for each fraud, what is at or above it.
fn ap_by_counting(rows: &[(u8, bool, f64)]) -> f64 {
    let frauds: f64 = rows.iter().filter(|it| it.1).map(|it| it.2).sum();
    let mut sum = 0.0;
    for (score, _, weight) in rows.iter().filter(|it| it.1) {
        let above = rows.iter().filter(|it| it.0 >= *score);
        let (hits, all) = above.fold((0.0, 0.0), |(hits, all), it| {
            (hits + if it.1 { it.2 } else { 0.0 }, all + it.2)
        });
        sum += weight * hits / all;
    }
    if frauds > 0.0 { sum / frauds } else { 0.0 }
}

/// Kendall's way to Spearman's ranks: how many lie below, and half of those level.
fn rank_by_counting(values: &[u32], at: usize) -> f64 {
    let below = values.iter().filter(|it| **it < values[at]).count() as f64;
    let level = values.iter().filter(|it| **it == values[at]).count() as f64;
    below + (level + 1.0) / 2.0
}

proptest! {
    #[test]
    fn average_precision_is_what_counting_says(
        rows in prop::collection::vec((0_u8..12, any::<bool>(), 1_u32..5), 1..60),
        draws in prop::collection::vec(0_u32..4, 6),
    ) {
        let weighted: Vec<(u8, bool, f64)> =
            rows.iter().map(|(score, fraud, weight)| (*score, *fraud, f64::from(*weight))).collect();
        let scores: Vec<f64> = rows.iter().map(|it| f64::from(it.0)).collect();
        let fraud: Vec<bool> = rows.iter().map(|it| it.1).collect();
        let weights: Vec<f64> = weighted.iter().map(|it| it.2).collect();
        let plain = average_precision(&scores, &fraud, Some(&weights));
        prop_assert!((plain - ap_by_counting(&weighted)).abs() < 1e-9);
        // A resample is the rows as often as their block was drawn.
        let ranked = Ranked::new(weighted.iter().enumerate().map(|(at, it)| Scored {
            score: f64::from(it.0), fraud: it.1, weight: it.2, block: (at % 6) as u32,
        }));
        let drawn: Vec<(u8, bool, f64)> = weighted.iter().enumerate()
            .map(|(at, it)| (it.0, it.1, it.2 * f64::from(draws[at % 6])))
            .filter(|it| it.2 > 0.0)
            .collect();
        let resampled = ranked.average_precision(&draws).unwrap_or(0.0);
        prop_assert!((resampled - ap_by_counting(&drawn)).abs() < 1e-9);
    }

    #[test]
    fn rank_correlation_is_that_of_counted_ranks(
        pairs in prop::collection::vec((0_u32..9, 0_u32..9), 2..40),
    ) {
        let (a, b): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
        let ranks = |values: &[u32]| -> Vec<f64> {
            (0..values.len()).map(|at| rank_by_counting(values, at)).collect()
        };
        let (ra, rb) = (ranks(&a), ranks(&b));
        let n = a.len() as f64;
        let mean = |it: &[f64]| it.iter().sum::<f64>() / n;
        let (ma, mb) = (mean(&ra), mean(&rb));
        let both: f64 = ra.iter().zip(&rb).map(|(x, y)| (x - ma) * (y - mb)).sum();
        let spread = |it: &[f64], m: f64| it.iter().map(|x| (x - m) * (x - m)).sum::<f64>();
        let (sa, sb) = (spread(&ra, ma), spread(&rb, mb));
        let expected = (sa > 0.0 && sb > 0.0).then(|| both / (sa * sb).sqrt());
        let got = spearman(&a, &b);
        prop_assert_eq!(got.is_some(), expected.is_some());
        if let (Some(got), Some(expected)) = (got, expected) {
            prop_assert!((got - expected).abs() < 1e-9);
        }
    }

    /// A model beside itself differs in nothing, in no resample; and what is drawn is drawn for both alike.
    #[test]
    fn a_model_beside_itself_differs_in_nothing(
        scores in prop::collection::vec((0_u16..1000, any::<bool>(), 0_u64..60), 80..160),
    ) {
        let rows: Vec<Row> = scores.iter().enumerate().map(|(at, (_, is_fraud, block))| {
            let it = if *is_fraud { fraud(at as i64) } else { row(at as i64) };
            Row { block: *block, ..it }
        }).collect();
        let said: Vec<_> = scores.iter().map(|it| said(it.0)).collect();
        let table = table(rows, vec![model(said.clone()), model(said)], &options());
        let beside = table.models[1].beside.as_ref().unwrap();
        for figure in [beside.ap, beside.f1, beside.precision, beside.recall].into_iter().flatten() {
            prop_assert_eq!((figure.value, figure.low, figure.high), (0.0, 0.0, 0.0));
        }
        prop_assert_eq!(beside.ap.is_some(), beside.fraud_accounts >= FRAUD_ACCOUNTS_MIN);
        prop_assert_eq!(beside.overlap.unwrap().distribution, 1.0);
        prop_assert!(beside.disagreements.samples.is_empty());
        let (one, two) = (&table.models[0], &table.models[1]);
        prop_assert_eq!((one.ap, one.f1), (two.ap, two.f1));
    }
}
