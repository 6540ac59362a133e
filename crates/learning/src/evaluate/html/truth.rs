//! What the oracle of a simulated world says of a rung: recall by typology, and how soon.

use super::page::Page;
use super::plot::{Kind, Plot, Series};
use crate::oracle::standing::{Budget, Standing};

pub fn write(page: &mut Page, standing: &Standing) {
    page.paragraph(&format!(
        "Against the oracle: {} frauds among {} scored events; labels may have missed some.",
        standing.frauds, standing.rows
    ));
    for budget in &standing.budgets {
        typologies(page, budget);
    }
    let head = [
        "alerts",
        "recall",
        "ceiling",
        "reached",
        "recall by value",
        "rings found",
        "median delay",
    ];
    page.table("oracle", &head, standing.budgets.iter().map(row).collect());
}

fn row(budget: &Budget) -> Vec<String> {
    let delay = budget.delay.map_or("–".to_owned(), |it| {
        format!("{:.0} events, {:.1} h", it.events, it.hours)
    });
    vec![
        percent(budget.share),
        format!("{:.4}", budget.recall),
        format!("{:.4}", budget.ceiling),
        format!("{:.4}", budget.reached),
        format!("{:.4}", budget.value_recall),
        format!("{:.4} of {}", budget.rings_found, budget.rings),
        delay,
    ]
}

fn typologies(page: &mut Page, budget: &Budget) {
    let named = || budget.typologies.iter().enumerate();
    page.plot(&Plot {
        id: "typologies",
        title: &format!("Recall by typology at {} alerts", percent(budget.share)),
        description: format!(
            "Share of each typology's frauds within the {} highest scores.",
            budget.alerts
        ),
        x: "recall",
        y: "",
        kind: Kind::Bars,
        series: vec![Series {
            name: percent(budget.share),
            points: named().map(|(at, it)| [at as f64, it.1.1]).collect(),
            ranges: Vec::new(),
            labels: named()
                .map(|(_, (name, (frauds, _)))| format!("{name} ({frauds})"))
                .collect(),
        }],
    });
}

fn percent(share: f64) -> String {
    format!("{} %", 100.0 * share)
}
