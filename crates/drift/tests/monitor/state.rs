//! Statistics are a function of the rows: wherever a process ends, and in whatever file they lay.

use std::sync::Arc;

use crate::rows::*;
use ringfence_drift::monitor::MonitorError;
use ringfence_drift::reference::ReferenceError;
use ringfence_drift::settings::{Rule, SettingsError};
use ringfence_drift::{Builder, Monitor, Reference, Settings};

fn drifting() -> impl Iterator<Item = Row> {
    live(1, 5).map(|mut row| {
        row.values[RATE] *= 2.0;
        row
    })
}

#[test]
fn interrupted_anywhere_it_is_the_same_to_the_bit() {
    let reference = reference(1);
    let mut whole = monitor(&reference);
    drifting().for_each(|row| feed(&mut whole, &row));
    assert!(whole.alerts().count() > 0);

    let mut cut = monitor(&reference);
    for (at, row) in drifting().enumerate() {
        feed(&mut cut, &row);
        if at % 977 == 0 {
            let bytes = cut.save().unwrap();
            cut = Monitor::restore(reference.clone(), &bytes).unwrap();
            assert_eq!(cut.next(), row.position + 1);
        }
    }
    assert_eq!(cut.save().unwrap(), whole.save().unwrap());
}

#[test]
fn a_quiet_tenants_window_is_closed_by_time_alone() {
    let reference = reference(1);
    let (mut ticked, mut next) = (monitor(&reference), 0);
    for row in live(1, 1) {
        feed(&mut ticked, &row);
        next = row.position + 1;
    }
    let before = ticked.windows();
    ticked.pass(next, Some(live_day(1) + 1));
    assert_eq!(ticked.windows(), before + 1);
    // And a tick that is behind the latest event closes nothing.
    ticked.pass(next + 1, Some(live_day(0)));
    assert_eq!(ticked.windows(), before + 1);
    assert_eq!(ticked.next(), next + 2);
}

#[test]
fn a_late_event_is_one_of_the_window_that_is_open() {
    let reference = reference(1);
    let mut monitor = monitor(&reference);
    let rows: Vec<Row> = live(1, 1).collect();
    rows.iter().for_each(|row| feed(&mut monitor, row));
    let (windows, rows_before) = (monitor.windows(), monitor.rows());
    let late = Row {
        position: rows[rows.len() - 1].position + 1,
        ..rows[0].clone()
    };
    feed(&mut monitor, &late);
    assert_eq!(
        (monitor.windows(), monitor.rows()),
        (windows, rows_before + 1)
    );
    assert_eq!(monitor.now(), Some(rows[rows.len() - 1].time));
}

#[test]
fn a_reference_comes_back_from_its_bytes_and_damage_is_refused() {
    let reference = reference(1);
    let bytes = reference.encode().unwrap();
    assert_eq!(Reference::decode(&bytes).unwrap(), *reference);
    for len in (0..bytes.len()).step_by(bytes.len() / 50) {
        assert!(Reference::decode(&bytes[..len]).is_err(), "cut at {len}");
    }
    let mut other = bytes.clone();
    other[0] = 9;
    let error = Reference::decode(&other).unwrap_err();
    assert!(
        matches!(error, ReferenceError::Version { got: 9 }),
        "{error}"
    );
    let longer = [bytes, vec![0]].concat();
    let error = Reference::decode(&longer).unwrap_err();
    assert!(matches!(error, ReferenceError::Inconsistent(_)), "{error}");
}

#[test]
fn a_reference_of_other_features_is_refused_by_name() {
    let reference = reference(1);
    let mut names: Vec<String> = reference.columns.iter().map(|it| it.name.clone()).collect();
    names.pop();
    reference.fits(&names).unwrap();
    names[3] = "sum".to_owned();
    let error = reference.fits(&names).unwrap_err().to_string();
    assert_eq!(
        error,
        r#"feature 3 of the reference must be "sum", got "amount""#
    );
    names.pop();
    let error = reference.fits(&names).unwrap_err();
    assert!(matches!(
        error,
        ReferenceError::Features {
            expected: 9,
            got: 10
        }
    ));
}

#[test]
fn less_than_four_weeks_is_no_reference() {
    let source = reference(1);
    let mut builder = Builder::new(columns(), Vec::new(), source.segment_by);
    for position in 0..(20 * 24 * PER_HOUR) as u64 {
        let row = row(1, position);
        builder.push(row.time, &row.values, row.score);
    }
    let error = builder.build(|_| String::new()).unwrap_err();
    assert!(matches!(error, ReferenceError::TooShort { got_days } if got_days > 19.0));
}

#[test]
fn rules_are_checked_against_the_features_and_silence_one_of_them() {
    let reference = reference(1);
    let rule = |name: &str| Settings {
        rules: [(
            name.to_owned(),
            Rule {
                watch: Some(false),
                ..Rule::default()
            },
        )]
        .into(),
        ..Settings::default()
    };
    let error = Monitor::new(reference.clone(), rule("speed"), 0).unwrap_err();
    assert!(matches!(
        error,
        MonitorError::Settings(SettingsError::Feature { feature }) if feature == "speed"
    ));
    // A state knows what it was made under.
    let begun = Monitor::new(reference.clone(), rule("rate"), 0).unwrap();
    let mut silent = Monitor::restore(reference, &begun.save().unwrap()).unwrap();
    assert_eq!(silent.settings(), &rule("rate"));
    drifting().for_each(|row| feed(&mut silent, &row));
    assert_eq!(silent.alerts().count(), 0);
}

#[test]
fn a_state_of_another_reference_is_refused() {
    let own = reference(1);
    let bytes = monitor(&own).save().unwrap();
    let mut builder = Builder::new(columns()[..10].to_vec(), Vec::new(), own.segment_by);
    for position in 0..(REFERENCE_DAYS * 24 * PER_HOUR) as u64 {
        let row = row(1, position);
        builder.push(row.time, &row.values[..9], row.score);
    }
    let other = Arc::new(builder.build(|_| String::new()).unwrap());
    let error = Monitor::restore(other, &bytes).unwrap_err();
    assert!(matches!(error, MonitorError::OtherShape), "{error}");
}
