//! Thresholds as a page: drawn from the curves of the JSON, alone in its file.

use std::fs;

use serde_json::Value;

use crate::html;
use crate::world::Bench;

/// Figures, and for each curve in it what it is called and where the JSON has it.
const FIGURES: [(&str, &[(&str, &str)]); 3] = [
    ("alerts", &[("alerts", "alerts_per_day")]),
    (
        "shares",
        &[
            ("precision", "precision"),
            ("recall", "recall"),
            ("recall of money", "value_recall"),
        ],
    ),
    (
        "costs",
        &[
            ("all reviewed", "cost_of_review"),
            ("all declined", "cost_of_decline"),
        ],
    ),
];

/// Threshold and value, where there is one: nothing is held back at the end, and then there is no precision.
fn points(curve: &[Value], column: &str) -> Vec<[f64; 2]> {
    let point = |it: &Value| Some([it["threshold"].as_f64()?, it[column].as_f64()?]);
    curve.iter().filter_map(point).collect()
}

fn drawn(line: &str) -> Vec<[f64; 2]> {
    let pairs = line.split(' ').map(|pair| pair.split_once(',').unwrap());
    pairs
        .map(|(x, y)| [x.parse().unwrap(), y.parse().unwrap()])
        .collect()
}

/// Where they lie follows from the values by one scale: that of the lowest and the highest of the whole figure.
fn check_scale(wanted: &[[f64; 2]], drawn: &[[f64; 2]], what: &str) {
    let at = |axis: usize| {
        let ends = || 0..wanted.len();
        let by = |a: &usize, b: &usize| wanted[*a][axis].total_cmp(&wanted[*b][axis]);
        let (low, high) = (ends().min_by(by).unwrap(), ends().max_by(by).unwrap());
        let scale =
            (drawn[high][axis] - drawn[low][axis]) / (wanted[high][axis] - wanted[low][axis]);
        assert!(if axis == 0 { scale > 0.0 } else { scale < 0.0 }, "{what}");
        for (point, place) in wanted.iter().zip(drawn) {
            let expected = drawn[low][axis] + scale * (point[axis] - wanted[low][axis]);
            // Written with one digit, as are both ends.
            assert!(
                (place[axis] - expected).abs() < 0.21,
                "{what}: {point:?} at {place:?}"
            );
        }
    };
    at(0);
    at(1);
}

#[test]
fn the_page_of_advice_draws_the_curves_of_the_json() {
    let bench = Bench::new();
    bench.import();
    bench.json(&["train", "--rounds", "20"]);
    let told = bench.json(&[
        "advise",
        "--alerts-per-day",
        "3",
        "--last",
        "30d",
        "--score-missing",
        "--fraud-loss",
        "0.7",
        "--html",
        "curves.html",
    ]);
    assert_eq!(told["costs"]["fraud_loss"], 0.7);
    assert!(told["frauds"].as_u64().unwrap() > 20, "{}", told["frauds"]);
    let text = fs::read_to_string(bench.path("curves.html")).unwrap();
    let page = html::parse(&text);
    html::check_alone(&page, &text);
    let curve = told["curve"].as_array().unwrap();
    for (class, series) in FIGURES {
        let figures = html::of_class(&page, "figure", class);
        assert_eq!(figures.len(), 1, "{class}");
        let curves: Vec<_> = series
            .iter()
            .map(|(_, column)| points(curve, column))
            .collect();
        let wanted = series.iter().zip(&curves).flat_map(|((name, _), points)| {
            points.iter().map(|[x, y]| ((*name).to_owned(), *x, *y))
        });
        assert_eq!(
            html::data(figures[0]),
            wanted.collect::<Vec<_>>(),
            "{class}"
        );
        let lines: Vec<_> = figures[0]
            .descendants()
            .filter(|it| it.has_tag_name(("http://www.w3.org/2000/svg", "polyline")))
            .map(|it| drawn(it.attribute("points").unwrap()))
            .collect();
        let [wanted, drawn] = [curves.concat(), lines.concat()];
        assert_eq!(
            (lines.len(), drawn.len()),
            (curves.len(), wanted.len()),
            "{class}"
        );
        check_scale(&wanted, &drawn, class);
    }
    // What is advised stands above them.
    let paragraph = page.descendants().find(|it| it.has_tag_name("p"));
    let said = html::text_of(paragraph.unwrap());
    for advised in [
        format!("Review from {},", told["review"]),
        format!("decline from {};", told["decline"]),
        format!("cheapest from {}.", told["cheapest_review"]),
    ] {
        assert!(said.contains(&advised), "{said} does not say {advised}");
    }
}
