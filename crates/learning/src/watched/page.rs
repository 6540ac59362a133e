//! A watched history as one HTML file: what was told, and how features moved beside what was expected.

use std::collections::BTreeSet;

use drift::monitor::Observation;
use drift::{Field, Kind, Monitor, Reference};
use event::EventTime;

use crate::evaluate::html::page::{Page, number};
use crate::evaluate::html::plot::{Kind as Drawn, Plot, Series};

/// Features that are drawn at most.
const DRAWN: usize = 12;
const DAY_MS: f64 = 86_400_000.0;

/// `readings` are those of all events, in the order in which they were taken.
pub fn write(model: &str, monitor: &Monitor, readings: &[Observation]) -> String {
    let reference = monitor.reference();
    let mut page = Page::new(&format!("Drift beside model {model}"));
    page.paragraph(&format!(
        "Reference: {} to {}, {} events. Watched since: {} events in {} windows, {} alerts.",
        time(reference.from),
        time(reference.until),
        reference.rows,
        monitor.rows(),
        monitor.windows(),
        monitor.alerts().count(),
    ));
    page.heading("Alerts");
    alerts(&mut page, monitor);
    page.heading("Over time");
    page.paragraph(
        "Of all events. The interval is 99 % about what was seen; what was expected goes with the hours of the week.",
    );
    for column in drawn(monitor) {
        for kind in [Kind::Spread, Kind::Shape] {
            let of = readings
                .iter()
                .filter(|it| usize::from(it.column) == column && it.reading.kind == kind);
            let of: Vec<&Observation> = of.collect();
            if !of.is_empty() {
                page.plot(&plot(reference, column, kind, &of));
            }
        }
    }
    page.heading("All features, as last read");
    latest(&mut page, monitor);
    page.finish()
}

fn time(ms: i64) -> String {
    EventTime::from_millis(ms).to_string()
}

/// The score, what an alert names, and the events' own fields, as far as there is room.
fn drawn(monitor: &Monitor) -> Vec<usize> {
    let columns = &monitor.reference().columns;
    let named: BTreeSet<usize> = monitor.alerts().map(|it| usize::from(it.column)).collect();
    let fields = (0..columns.len()).filter(|column| columns[*column].field == Field::Value);
    let mut drawn = vec![columns.len() - 1];
    for column in named.into_iter().chain(fields) {
        if !drawn.contains(&column) {
            drawn.push(column);
        }
    }
    drawn.truncate(DRAWN);
    drawn
}

fn alerts(page: &mut Page, monitor: &Monitor) {
    let reference = monitor.reference();
    let head = [
        "feature", "what", "segment", "expected", "seen", "99 %", "events", "from", "until", "over",
    ];
    let rows = monitor.alerts().map(|alert| {
        let reading = &alert.reading;
        vec![
            reference.columns[usize::from(alert.column)].name.clone(),
            reading.kind.name().to_owned(),
            reference.segments[usize::from(alert.segment)].name.clone(),
            number(reading.baseline),
            number(reading.value),
            format!("{:.4} to {:.4}", reading.low, reading.high),
            reading.rows.to_string(),
            time(reading.from),
            time(reading.until),
            alert.over_at.map_or("goes on".to_owned(), time),
        ]
    });
    page.table("alerts", &head, rows.collect());
}

fn plot<'a>(reference: &'a Reference, column: usize, kind: Kind, of: &[&Observation]) -> Plot<'a> {
    let series = |name: &str, value: &dyn Fn(&Observation) -> f64| {
        let day = |it: &Observation| (it.reading.until - reference.until) as f64 / DAY_MS;
        let points = of.iter().map(|it| [day(it), value(it)]);
        Series::new(name, points.collect())
    };
    let (y, what) = match kind {
        Kind::Spread => ("standard deviation", "Standard deviation by window"),
        _ => ("stability index", "Population stability index by window"),
    };
    Plot {
        id: kind.name(),
        title: &reference.columns[column].name,
        description: format!("{what}; {} readings.", of.len()),
        x: "days since the reference",
        y,
        kind: Drawn::Lines { diagonal: false },
        series: vec![
            series("seen", &|it| it.reading.value),
            series("expected", &|it| it.reading.baseline),
            series("99 %, low", &|it| it.reading.low),
            series("99 %, high", &|it| it.reading.high),
        ],
    }
}

fn latest(page: &mut Page, monitor: &Monitor) {
    let head = [
        "feature",
        "spread: expected",
        "spread: seen",
        "shape: index",
        "events",
    ];
    let columns = monitor.reference().columns.iter().enumerate();
    let rows = columns.filter_map(|(at, column)| {
        let [spread, shape] = monitor.latest(0, at);
        let last = spread.or(shape)?;
        let text = |value: Option<f64>| value.map_or("–".to_owned(), number);
        Some(vec![
            column.name.clone(),
            text(spread.map(|it| it.baseline)),
            text(spread.map(|it| it.value)),
            text(shape.map(|it| it.value)),
            last.rows.to_string(),
        ])
    });
    page.table("features", &head, rows.collect());
}
