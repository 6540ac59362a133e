//! What is told and what is not: a world that only goes on, and worlds in which one thing changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::rows::*;
use ringfence_drift::reference::DAY_MS;
use ringfence_drift::{Alert, Kind, Monitor, Reference, Settings};

/// Alerts of some live days of which `change` alters those from the third on.
fn alerts(days: i64, mut change: impl FnMut(&mut Row) -> bool) -> Vec<Alert> {
    alerts_after(&reference(1), days, |row| {
        row.time < live_day(2) || change(row)
    })
}

fn alerts_after(
    reference: &Arc<Reference>,
    days: i64,
    mut change: impl FnMut(&mut Row) -> bool,
) -> Vec<Alert> {
    let mut monitor = monitor(reference);
    for mut row in live(1, days) {
        if change(&mut row) {
            feed(&mut monitor, &row);
        }
    }
    monitor.alerts().cloned().collect()
}

fn columns_of(alerts: &[Alert]) -> BTreeSet<usize> {
    alerts.iter().map(|it| usize::from(it.column)).collect()
}

fn kinds_of(alerts: &[Alert]) -> BTreeSet<Kind> {
    alerts.iter().map(|it| it.reading.kind).collect()
}

#[test]
fn a_world_that_only_goes_on_is_quiet_though_a_column_grows() {
    assert_eq!(alerts(30, |_| true), []);
    // It has grown by a third of what it was at the end of the reference, and more.
    let mean = |rows: Vec<Row>| {
        let sum: f32 = rows.iter().map(|it| it.values[TENURE]).sum();
        sum / rows.len() as f32
    };
    let late = live(1, 30).filter(|it| it.time >= live_day(29)).collect();
    assert!(mean(late) > 1.3 * mean(live(1, 1).collect()));
}

#[test]
fn drift_of_one_column_is_told_of_that_column_alone_with_events_that_show_it() {
    let found = alerts(8, |row| {
        row.values[RATE] = (row.values[RATE] - 1.0) * 1.6 + 1.0;
        true
    });
    assert_eq!(columns_of(&found), BTreeSet::from([RATE]), "{found:?}");
    let alert = &found[0];
    assert!(!alert.reading.kind.is_data_quality());
    assert!(alert.reading.value > alert.reading.baseline && alert.reading.low > 0.0);
    // Three windows that were altered, and no more than a day of them.
    assert!(alert.reading.from >= live_day(2), "{alert:?}");
    assert!(alert.at < live_day(3), "{alert:?}");
    assert_eq!(alert.at, alert.reading.until);
    assert!(!alert.examples.is_empty());
    assert!(
        alert
            .examples
            .iter()
            .all(|it| row(1, *it).time >= live_day(2))
    );
    assert_eq!(found.len(), 1, "it goes on and is told once");
    assert_eq!(alert.over_at, None);
}

#[test]
fn what_was_told_is_over_after_three_windows_without_it_and_is_told_again() {
    let found = alerts(11, |row| {
        let day = (row.time - live_day(0)) / DAY_MS;
        if !(4..8).contains(&day) {
            row.values[RATE] = (row.values[RATE] - 1.0) * 1.6 + 1.0;
        }
        true
    });
    assert_eq!(columns_of(&found), BTreeSet::from([RATE]));
    assert_eq!(found.len(), 2, "{found:?}");
    let over = found[0].over_at.unwrap();
    assert!(over > live_day(5) && over < live_day(7), "{found:?}");
    assert!(found[1].at > live_day(8));
}

#[test]
fn other_hours_alone_are_no_drift() {
    // A fifth of the day's events are left: nights, which differ in every column, are most of what comes.
    let found = alerts(12, |row| {
        let is_day = (7.0..22.0).contains(&row.values[HOUR]);
        !is_day || draw(5, row.position, 0) < 0.2
    });
    assert_eq!(found, []);
}

#[test]
fn the_same_night_rows_by_day_are_drift() {
    let found = alerts(8, |row| {
        if (7.0..22.0).contains(&row.values[HOUR]) {
            row.values[RATE] += 2.0;
        }
        true
    });
    assert_eq!(columns_of(&found), BTreeSet::from([RATE]));
}

#[test]
fn another_unit_is_told_as_such_and_explains_what_is_made_from_it() {
    let found = alerts(8, |row| {
        row.values[AMOUNT] *= 100.0;
        row.values[DEVICE_SUM] *= 100.0;
        true
    });
    assert_eq!(columns_of(&found), BTreeSet::from([AMOUNT]), "{found:?}");
    assert_eq!(kinds_of(&found), BTreeSet::from([Kind::Unit]));
    let reading = found[0].reading;
    let factor = reading.value / reading.baseline;
    assert!((80.0..125.0).contains(&factor), "{factor}");
}

/// It grows with the graph: ten times as many events of a device are no other unit of anything.
#[test]
fn a_count_that_tells_whether_a_field_is_there_has_no_unit() {
    let found = alerts(8, |row| {
        row.values[DEVICE] = (1.0 + row.values[DEVICE]) * 10.0 - 1.0;
        true
    });
    assert_eq!(columns_of(&found), BTreeSet::from([DEVICE]), "{found:?}");
    let faults = found.iter().filter(|it| it.reading.kind.is_data_quality());
    assert_eq!(faults.count(), 0, "{found:?}");
}

/// A sum has the fault's events in it for as long as its window.
#[test]
fn what_a_fault_leaves_behind_is_no_drift_until_it_cannot_be_its_echo_any_more() {
    let faulty = |until: i64, echo: i64| {
        alerts(20, move |row| {
            if row.time < live_day(until) {
                row.values[AMOUNT] *= 100.0;
            }
            if row.time < live_day(until + echo) {
                row.values[DEVICE_SUM] *= 100.0;
            }
            true
        })
    };
    let echoes = faulty(5, 6);
    assert_eq!(columns_of(&echoes), BTreeSet::from([AMOUNT]), "{echoes:?}");
    assert!(echoes[0].over_at.is_some_and(|it| it < live_day(7)));
    let stays = faulty(5, 12);
    assert_eq!(columns_of(&stays), BTreeSet::from([AMOUNT, DEVICE_SUM]));
    let late = stays.iter().find(|it| it.reading.kind != Kind::Unit);
    assert!(late.unwrap().at > live_day(5 + 7), "{stays:?}");
}

#[test]
fn a_field_that_stays_away_is_told_as_missing_and_explains_what_is_made_from_it() {
    let found = alerts(8, |row| {
        if draw(6, row.position, 0) < 0.5 {
            row.values[DEVICE] = f32::NAN;
            row.values[DEVICE_SUM] = f32::NAN;
        }
        true
    });
    assert_eq!(columns_of(&found), BTreeSet::from([DEVICE]), "{found:?}");
    assert_eq!(kinds_of(&found), BTreeSet::from([Kind::Missing]));
    assert!((found[0].reading.value - 0.55).abs() < 0.1);
    assert!((found[0].reading.baseline - 0.1).abs() < 0.03);
    let mut shown = found[0]
        .examples
        .iter()
        .map(|it| draw(6, *it, 0) < 0.5 || row(1, *it).values[DEVICE].is_nan());
    assert!(shown.all(|it| it));
}

#[test]
fn a_value_that_the_reference_does_not_know_is_told() {
    let found = alerts(8, |row| {
        if draw(7, row.position, 0) < 0.06 {
            row.values[CHANNEL] = 2.0;
        }
        true
    });
    assert_eq!(columns_of(&found), BTreeSet::from([CHANNEL]), "{found:?}");
    assert_eq!(kinds_of(&found), BTreeSet::from([Kind::NewCategory]));
    let value = found[0].reading.value;
    assert!((0.01..0.09).contains(&value), "{value}");
}

#[test]
fn drift_in_one_segment_names_it() {
    let found = alerts(8, |row| {
        if row.values[EVENT_TYPE] == 1.0 && row.values[CHANNEL] == 1.0 {
            row.values[COUNT] *= 4.0;
        }
        true
    });
    assert_eq!(columns_of(&found), BTreeSet::from([COUNT]), "{found:?}");
    let reference = reference(1);
    let segments = found[0].also_in.iter().chain([&found[0].segment]);
    let name = |at: &u16| reference.segments[usize::from(*at)].name.as_str();
    let named: BTreeSet<&str> = segments.map(name).collect();
    assert!(named.contains("1/1"), "{named:?}");
    assert!(
        !named.contains("0/0") && !named.contains("0/1"),
        "{named:?}"
    );
}

#[test]
fn a_score_that_moves_is_told() {
    let found = alerts(8, |row| {
        row.score += 2.0;
        true
    });
    assert_eq!(columns_of(&found), BTreeSet::from([WIDTH]));
}

#[test]
fn another_fault_of_a_field_is_told_beside_the_one_that_goes_on() {
    let found = alerts(10, |row| {
        if draw(6, row.position, 0) < 0.5 {
            row.values[AMOUNT] = f32::NAN;
            row.values[DEVICE_SUM] = f32::NAN;
        }
        if row.time >= live_day(5) {
            row.values[AMOUNT] *= 100.0;
            row.values[DEVICE_SUM] *= 100.0;
        }
        true
    });
    let told: Vec<(usize, Kind)> = found
        .iter()
        .map(|it| (usize::from(it.column), it.reading.kind))
        .collect();
    assert_eq!(told, [(AMOUNT, Kind::Missing), (AMOUNT, Kind::Unit)]);
    assert!(found[1].at > live_day(5) && found[0].over_at.is_none());
}

#[test]
fn a_segment_in_which_the_same_fault_comes_later_joins_its_alert() {
    let found = alerts(10, |row| {
        let is_hit = row.values[CHANNEL] == 0.0 || row.time >= live_day(5);
        if is_hit && draw(6, row.position, 0) < 0.5 {
            row.values[DEVICE] = f32::NAN;
            row.values[DEVICE_SUM] = f32::NAN;
        }
        true
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].at < live_day(5));
    let reference = reference(1);
    let name = |at: &u16| reference.segments[usize::from(*at)].name.as_str();
    assert!(name(&found[0].segment).ends_with("/0"));
    let joined: BTreeSet<&str> = found[0].also_in.iter().map(name).collect();
    assert!(joined.contains("0/1"), "{joined:?}");
}

/// What is said of shares that move by so much within a channel, when they move by a quarter more.
fn of_a_quarter_more(sd: f64) -> Vec<Alert> {
    let moved = |row: &mut Row, sd: f64| {
        row.values[CHANNEL_SHARE] += (sd * normal(1, row.position, 50)) as f32;
    };
    let reference = reference_of(1, |row| moved(row, sd));
    alerts_after(&reference, 12, |row| {
        let is_late = row.time >= live_day(2);
        moved(row, if is_late { 1.25 * sd } else { sd });
        true
    })
}

#[test]
fn a_spread_of_a_fortieth_of_the_wholes_is_one_value() {
    // Between the channels it is 0.18.
    assert_eq!(of_a_quarter_more(0.0045), []);
    let found = of_a_quarter_more(0.018);
    assert_eq!(kinds_of(&found), BTreeSet::from([Kind::Spread]));
    assert_eq!(columns_of(&found), BTreeSet::from([CHANNEL_SHARE]));
}

#[test]
fn events_without_a_score_are_none_of_the_scores_column() {
    // As after a training: those of the first rows are no scores of new ones.
    let begun = START + 10 * DAY_MS;
    let reference = reference_of(1, |row| {
        if row.time < begun {
            row.score = f32::NAN;
        }
    });
    // A challenger decides half of the events from the third day on.
    let other = |row: &mut Row, moved: f32| {
        let is_others = draw(8, row.position, 0) < 0.5;
        row.score = if is_others {
            f32::NAN
        } else {
            row.score + moved
        };
        true
    };
    let late = |row: &Row| row.time >= live_day(2);
    let quiet = alerts_after(&reference, 8, |row| !late(row) || other(row, 0.0));
    assert_eq!(quiet, []);
    let found = alerts_after(&reference, 8, |row| !late(row) || other(row, 2.0));
    assert_eq!(columns_of(&found), BTreeSet::from([WIDTH]));
    assert!(kinds_of(&found).contains(&Kind::Shape) || kinds_of(&found).contains(&Kind::Distance));
}

/// Day of the reference, or of the live days behind it.
fn day_of(row: &Row) -> u64 {
    ((row.time - START) / DAY_MS) as u64
}

#[test]
fn days_of_one_value_are_no_news_where_the_reference_had_some() {
    // As of a count of frauds that few events see, and on some days none.
    let seldom = |row: &mut Row, share: f64| {
        if draw(1, day_of(row), 70) >= share {
            row.values[RATE] = 0.0;
        }
    };
    let reference = reference_of(1, |row| seldom(row, 0.4));
    let found = alerts_after(&reference, 12, |row| {
        seldom(row, 0.0);
        true
    });
    assert_eq!(found, []);
}

#[test]
fn a_day_like_the_oddest_of_the_reference_is_no_news() {
    // As when wages come.
    let odd = |row: &mut Row, days: std::ops::Range<u64>| {
        if days.contains(&day_of(row)) {
            row.values[COUNT] = (row.values[COUNT] + 1.0) * 3.0;
        }
    };
    let reference = reference_of(1, |row| odd(row, 14..15));
    // Of one that believes much.
    let settings = Settings {
        false_alerts: 10.0,
        ..Settings::default()
    };
    let found = |days: u64| -> Vec<Alert> {
        let mut monitor = Monitor::new(reference.clone(), settings.clone(), 0).unwrap();
        let from = REFERENCE_DAYS as u64 + 10;
        for mut row in live(1, 20) {
            odd(&mut row, from..from + days);
            feed(&mut monitor, &row);
        }
        let of_count = |it: &&Alert| usize::from(it.column) == COUNT;
        monitor.alerts().filter(of_count).cloned().collect()
    };
    assert_eq!(found(2), []);
    // One that lasts is.
    assert!(!found(10).is_empty());
}
