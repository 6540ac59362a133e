//! The watch over a history as a page: drawn from the readings of the JSON, alone in its file.

use std::fs;

use crate::html;
use crate::world::Bench;

#[test]
fn the_page_of_drift_draws_the_readings_of_the_json() {
    let bench = Bench::new();
    bench.import();
    let until = "2026-02-06T00:00:00Z";
    bench.json(&["train", "--rounds", "20", "--until", until]);
    let told = bench.json(&["drift", "report", "--readings", "--html", "drift.html"]);
    let text = fs::read_to_string(bench.path("drift.html")).unwrap();
    let page = html::parse(&text);
    html::check_alone(&page, &text);
    let readings = told["readings"].as_array().unwrap();
    for kind in ["spread", "shape"] {
        let of_amount = readings
            .iter()
            .filter(|it| it["feature"] == "amount" && it["kind"] == kind);
        let wanted: Vec<f64> = of_amount.map(|it| it["value"].as_f64().unwrap()).collect();
        assert!(!wanted.is_empty(), "{kind}");
        let figures = html::of_class(&page, "figure", kind);
        let of_amount = figures.into_iter().find(|figure| {
            let mut parts = figure.children();
            parts.any(|it| it.has_tag_name("figcaption") && html::text_of(it) == "amount")
        });
        let drawn = html::data(of_amount.unwrap());
        let drawn = drawn.iter().filter(|it| it.0 == "seen").map(|it| it.2);
        assert!(drawn.eq(wanted.iter().copied()), "{kind}");
    }
    let rows = html::of_class(&page, "table", "alerts")[0]
        .descendants()
        .filter(|it| it.has_tag_name("td"))
        .count();
    assert_eq!(rows, 10 * told["alerts"].as_array().unwrap().len());
    let features = html::text_of(html::of_class(&page, "table", "features")[0]);
    assert!(features.contains("account_events"));
}
