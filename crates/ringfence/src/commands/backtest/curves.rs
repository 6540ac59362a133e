//! Advice as a page: the curves over the threshold.

use learning::evaluate::html::page::Page;
use learning::evaluate::html::plot::{Kind, Plot, Series};
use serde_json::Value;

use super::told::{decimal, items};

/// Without script or network.
pub fn page(advice: &Value) -> String {
    let mut page = Page::new("Thresholds");
    page.paragraph(&format!(
        "Budget: {} alerts a day. Review from {}, decline from {}; reviewing alone is cheapest from {}. {} events with a score, {} known frauds.",
        decimal(&advice["alerts_per_day"]), advice["review"], advice["decline"],
        advice["cheapest_review"], advice["events"], advice["frauds"],
    ));
    let curve = |column: &str| -> Vec<[f64; 2]> {
        let points = items(&advice["curve"])
            .filter_map(|point| Some([point["threshold"].as_f64()?, point[column].as_f64()?]));
        points.collect()
    };
    let plots = [
        (
            "alerts",
            "Alerts a day by threshold",
            "alerts a day",
            vec![("alerts", "alerts_per_day")],
        ),
        (
            "shares",
            "Precision and recall by threshold",
            "share",
            vec![
                ("precision", "precision"),
                ("recall", "recall"),
                ("recall of money", "value_recall"),
            ],
        ),
        (
            "costs",
            "Cost over the window by threshold",
            "base currency",
            vec![
                ("all reviewed", "cost_of_review"),
                ("all declined", "cost_of_decline"),
            ],
        ),
    ];
    for (id, title, y, series) in plots {
        let series = series
            .into_iter()
            .map(|(name, column)| Series::new(name, curve(column)));
        page.plot(&Plot {
            id,
            title,
            description: format!("{title}, from 0 to 1001"),
            x: "threshold",
            y,
            kind: Kind::Lines { diagonal: false },
            series: series.collect(),
        });
    }
    page.finish()
}
