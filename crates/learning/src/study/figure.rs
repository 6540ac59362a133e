//! The study's plots, for its page and alone as a picture for documents.

use super::summary::{ARM_HEAD, DIFFERENCE_HEAD, Summary};
use crate::evaluate::html::page::Page;
use crate::evaluate::html::plot::{Kind, Plot, Series};

/// Recall by days served.
pub fn recall(summary: &Summary) -> Plot<'static> {
    let series = summary.arms.iter().map(|arm| {
        let points = arm
            .weekly
            .iter()
            .map(|(day, recall)| [f64::from(*day), *recall]);
        Series::new(arm.arm.name(), points.collect())
    });
    Plot {
        id: "recall",
        title: "Recall of fraud money by days served",
        description: format!(
            "Share of the fraud money of the last 7 days within alerts of {} % of the events; mean over {} worlds.",
            100.0 * summary.design.budget,
            summary.worlds.len()
        ),
        x: "days served",
        y: "recall of fraud money",
        kind: Kind::Lines { diagonal: false },
        series: series.collect(),
    }
}

/// Worlds without a fall by days served (Kaplan and Meier).
pub fn survival(summary: &Summary) -> Plot<'static> {
    let series = summary.arms.iter().map(|arm| {
        let mut points: Vec<[f64; 2]> = Vec::new();
        for step in &arm.survival {
            points.extend(points.last().map(|last| [step[0], last[1]]));
            points.push(*step);
        }
        let end = f64::from(summary.design.days);
        points.extend(points.last().map(|last| [end, last[1]]));
        Series::new(arm.arm.name(), points)
    });
    Plot {
        id: "survival",
        title: "Share of worlds without a fall",
        description: format!(
            "Kaplan and Meier's estimate over {} worlds; a fall is a recall below {} % of its start for {} days in a row.",
            summary.worlds.len(),
            100.0 * summary.design.fall,
            summary.design.sustained
        ),
        x: "days served",
        y: "share of worlds",
        kind: Kind::Lines { diagonal: false },
        series: series.collect(),
    }
}

/// Table and plots on one page.
pub fn page(summary: &Summary) -> String {
    let mut page = Page::new("How long a model lasts");
    let design = &summary.design;
    page.paragraph(&format!(
        "{} simulated worlds (seeds {} to {}), {} days served, alerts of {} % of the events; recall of fraud \
         money at the start {:.3}. Intervals are 95 % by resampling worlds; money is in thousands of the base \
         currency a world.",
        summary.worlds.len(),
        summary.worlds.first().unwrap_or(&0),
        summary.worlds.last().unwrap_or(&0),
        design.days,
        100.0 * design.budget,
        summary.start_recall
    ));
    page.plot(&recall(summary));
    page.plot(&survival(summary));
    page.heading("Arms");
    page.table("arms", &ARM_HEAD, summary.arm_rows());
    page.heading("Differences, world by world");
    page.table("differences", &DIFFERENCE_HEAD, summary.difference_rows());
    page.finish()
}
