//! The statistics of a window, against those that sorting and summing its rows give.

use crate::rows::*;
use ringfence_drift::monitor::statistics::{Feature, Moments, Share, Unknown, Value};
use ringfence_drift::reference::HOUR_MS;
use ringfence_drift::{Monitor, Scale, Statistics};

fn of<'a>(told: &'a Statistics<'_>, feature: &str) -> &'a Feature<'a> {
    let mut features = told.features.iter();
    features.find(|it| it.feature == feature).unwrap()
}

fn moments(values: &[f64], rows: usize) -> Moments {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let apart = values.iter().map(|it| (it - mean) * (it - mean));
    Moments {
        missing: 1.0 - count / rows as f64,
        mean: Some(mean),
        sd: Some(libm::sqrt(apart.sum::<f64>() / count)),
    }
}

fn near(a: Moments, b: Moments) {
    let apart = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs();
    assert!((a.missing - b.missing).abs() < 1e-9, "{a:?} {b:?}");
    assert!(apart(a.mean, b.mean) < 0.01, "{a:?} {b:?}");
    assert!(apart(a.sd, b.sd) < 0.01, "{a:?} {b:?}");
}

#[test]
fn a_windows_statistics_are_those_of_its_rows() {
    let reference = reference(1);
    let mut monitor = monitor(&reference);
    assert!(monitor.statistics(None, None).unwrap().is_none());
    let rows: Vec<Row> = live(1, 1).collect();
    for row in &rows {
        feed(&mut monitor, row);
    }
    // Only time going on closes the last hour.
    let last = rows[rows.len() - 1].time;
    let hour: Vec<&Row> = (rows.iter())
        .filter(|it| (last - last % HOUR_MS..last + 1).contains(&it.time))
        .collect();
    monitor.pass(rows[rows.len() - 1].position + 1, Some(last + HOUR_MS));
    let told = monitor.statistics(None, None).unwrap().unwrap();
    assert_eq!(told.events, hour.len() as u64);
    assert_eq!(told.until.millis() - told.from.millis(), HOUR_MS);
    assert_eq!(told.segment, "all");
    // The window says what a clock would.
    assert!(told.features.iter().all(|it| it.scale != Scale::Clock));

    for (column, feature) in [(AMOUNT, "amount"), (COUNT, "count"), (RATE, "rate")] {
        let values: Vec<f64> = hour.iter().map(|it| f64::from(it.values[column])).collect();
        let scaled: Vec<f64> = match column {
            AMOUNT => values.iter().map(|it| libm::log2(*it)).collect(),
            COUNT => values.iter().map(|it| libm::log2(1.0 + it)).collect(),
            _ => values.clone(),
        };
        let told = of(&told, feature);
        near(told.counted, moments(&scaled, hour.len()));
        let mut sorted = values;
        sorted.sort_by(f64::total_cmp);
        let quantiles = told.quantiles.unwrap();
        assert_eq!(quantiles.sampled, hour.len());
        for (level, value) in [
            (0.01, quantiles.p01),
            (0.1, quantiles.p10),
            (0.5, quantiles.p50),
            (0.9, quantiles.p90),
            (0.99, quantiles.p99),
        ] {
            let exact = sorted[(level * (sorted.len() - 1) as f64) as usize];
            let apart = (value - exact).abs();
            assert!(
                apart <= 0.02 * exact.abs() + 1e-9,
                "{feature} {level}: {value} {exact}"
            );
        }
    }
    let device = of(&told, "device_events");
    let missing = hour.iter().filter(|it| it.values[DEVICE].is_nan()).count();
    let share = missing as f64 / hour.len() as f64;
    assert!((device.counted.missing - share).abs() < 1e-9 && missing > 0);
    // Nine in ten have one, at any hour.
    assert!((device.expected.unwrap().missing - 0.1).abs() < 0.02);

    let channel = of(&told, "channel_code");
    assert!(channel.quantiles.is_none() && channel.counted.mean.is_none());
    let web = hour.iter().filter(|it| it.values[CHANNEL] == 1.0).count() as f64;
    let mut shares = channel.shares.iter();
    let share: &Share = shares.find(|it| it.value == Value::Code(1)).unwrap();
    assert!((share.counted - web / hour.len() as f64).abs() < 1e-9);
    assert!((share.expected.unwrap() - 0.3).abs() < 0.03);
}

#[test]
fn a_segment_has_quantiles_of_its_events_own_fields_and_of_the_score() {
    let reference = reference(1);
    let mut monitor = monitor(&reference);
    live(1, 1).for_each(|row| feed(&mut monitor, &row));
    let mut events = 0;
    for segment in &reference.segments[1..] {
        let name = segment.name.as_str();
        let told = monitor.statistics(Some(name), None).unwrap().unwrap();
        assert_eq!(told.segment, name);
        assert!(of(&told, "amount").quantiles.is_some());
        assert!(of(&told, "score").quantiles.is_some());
        assert!(of(&told, "rate").quantiles.is_none());
        events += told.events;
    }
    let unknown = |segment, feature| monitor.statistics(segment, feature).unwrap_err();
    assert_eq!(unknown(Some("nowhere"), None), Unknown::Segment);
    assert_eq!(unknown(None, Some("nothing")), Unknown::Feature);
    assert_eq!(
        events,
        monitor.statistics(None, None).unwrap().unwrap().events
    );
}

/// Rows of one hour, all of one time.
fn hour(monitor: &mut Monitor, begin: i64, rows: u64) {
    for at in 0..rows {
        let row = row(1, at);
        monitor.feed(monitor.next(), begin, &row.values, row.score);
    }
}

#[test]
fn busy_windows_are_sampled_and_counted_whole() {
    let reference = reference(1);
    let mut monitor = monitor(&reference);
    let begin = live_day(0);
    for at in 0..2 {
        hour(&mut monitor, begin + at * HOUR_MS, 5_000);
    }
    // Cut off within the second hour.
    let mut again = Monitor::restore(reference.clone(), &monitor.save().unwrap()).unwrap();
    for monitor in [&mut monitor, &mut again] {
        monitor.pass(monitor.next(), Some(begin + 2 * HOUR_MS));
        let told = monitor.statistics(None, Some("rate")).unwrap().unwrap();
        assert_eq!(told.events, 5_000);
        // Of the one before, 512 would have been every ninth.
        assert_eq!(told.features[0].quantiles.unwrap().sampled, 556);
    }
    assert_eq!(monitor.save().unwrap(), again.save().unwrap());
}
