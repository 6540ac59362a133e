//! The report as one HTML file: no script, no network, nothing but what is in it. Every plot has its
//! numbers beside it as a table, which is also its text alternative.

pub mod page;
pub mod plot;

mod truth;

use super::curves::Curves;
use super::report::{Chosen, Report, RungReport, Spread};
use crate::oracle::standing::Standing;
use page::{Page, number};
use plot::{Kind, Plot, Series};

const IMPORTANT: usize = 20;

/// `standings` by rung, where a world's oracle was asked.
pub fn write(report: &Report, standings: &[(String, Standing)]) -> String {
    let mut page = Page::new(&format!("Evaluation of protocol {}", report.protocol));
    page.paragraph(&format!(
        "Schema {}, features {}. Seeds {:?}. The test was read {} times for this report.",
        &report.schema_hash[..12],
        &report.feature_list_hash[..12],
        report.seeds,
        report.test_reads
    ));
    ladder(&mut page, report);
    compared(&mut page, report);
    for rung in &report.rungs {
        one_rung(&mut page, rung);
        for (_, standing) in standings.iter().filter(|it| it.0 == rung.name) {
            truth::write(&mut page, standing);
        }
    }
    protocol(&mut page, report);
    page.finish()
}

fn ladder(page: &mut Page, report: &Report) {
    page.heading("Ladder");
    page.paragraph("Means over folds, ± standard deviation over seeds; intervals are 95 %.");
    let head = [
        "rung",
        "features",
        "validation AP",
        "AP",
        "95 %",
        "gain 95 %",
        "AUC",
        "CP@k",
        "recall at 1 % alerts",
        "value recall at 1 %",
        "recall at .1 % FPR",
    ];
    let rows = report.rungs.iter().map(|rung| {
        let mut row = vec![
            rung.name.clone(),
            rung.features.to_string(),
            number(rung.validation_ap),
        ];
        let Some(test) = &rung.test else {
            row.push("not read".to_owned());
            row.resize(head.len(), "–".to_owned());
            return row;
        };
        let spread = |name: &str| match test.folds.get(name) {
            Some((mean, sd)) => format!("{mean:.4} ± {sd:.4}"),
            None => "–".to_owned(),
        };
        let interval = test.ap_interval;
        row.push(spread("ap"));
        row.push(format!("{:.3} to {:.3}", interval.low, interval.high));
        row.push(match test.ap_gain {
            Some(gain) => format!("{:+.3} to {:+.3}", gain.low, gain.high),
            None => "–".to_owned(),
        });
        for name in [
            "auc",
            "card_precision",
            "recall_at_alerts_1%",
            "value_recall_at_alerts_1%",
            "recall_at_fpr_0.1%",
        ] {
            row.push(spread(name));
        }
        row
    });
    page.table("ladder", &head, rows.collect());
}

/// Plots in which all rungs stand side by side.
fn compared(page: &mut Page, report: &Report) {
    page.heading("All rungs");
    let curves = || report.rungs.iter().map(|rung| (rung, &rung.curves));
    let of = report.rungs.first().map_or("no", |rung| rung.curves.of);
    let series = |points: &dyn Fn(&Curves) -> Vec<[f64; 2]>| -> Vec<Series> {
        curves()
            .map(|(rung, curves)| Series::new(&rung.name, points(curves)))
            .collect()
    };
    page.plot(&Plot {
        id: "precision-recall",
        title: "Precision against recall",
        description: format!(
            "{of} folds as one set, first seed. AP: {}.",
            told(report, |curves| curves.ap)
        ),
        x: "recall",
        y: "precision",
        kind: Kind::Lines { diagonal: false },
        series: series(&|curves| curves.precision_recall.clone()),
    });
    page.plot(&Plot {
        id: "roc",
        title: "Recall against false alarms (ROC)",
        description: format!(
            "{of} folds as one set, first seed. AUC: {}.",
            told(report, |curves| curves.auc)
        ),
        x: "share of legitimate events alerted",
        y: "recall",
        kind: Kind::Lines { diagonal: true },
        series: series(&|curves| curves.roc.clone()),
    });
    page.plot(&Plot {
        id: "budgets",
        title: "Recall by alert budget",
        description: format!(
            "Share of frauds among the highest scores, {of} folds as one set. At 1 %: {}.",
            told(report, |curves| curves
                .budgets
                .iter()
                .find(|it| it.share == 0.01)
                .map_or(f64::NAN, |it| it.recall))
        ),
        x: "share of events alerted",
        y: "recall",
        kind: Kind::Lines { diagonal: false },
        series: series(&|curves| {
            let points = curves.budgets.iter().map(|it| [it.share, it.recall]);
            points.collect()
        }),
    });
}

fn told(report: &Report, figure: impl Fn(&Curves) -> f64) -> String {
    let each = report
        .rungs
        .iter()
        .map(|rung| format!("{} {:.4}", rung.name, figure(&rung.curves)));
    each.collect::<Vec<_>>().join(", ")
}

fn one_rung(page: &mut Page, rung: &RungReport) {
    page.heading(&rung.name);
    if let Some(chosen) = &rung.chosen {
        page.paragraph(&chosen_on_validation(chosen, rung.tried.len()));
    }
    reliability(page, rung);
    distribution(page, rung);
    if let Some(test) = &rung.test {
        if !test.importance.is_empty() {
            importance(page, &test.importance);
        }
        figures(page, &test.folds, &test.pooled);
    }
}

fn chosen_on_validation(chosen: &Chosen, tried: usize) -> String {
    let mut text = String::from("Chosen on validation: ");
    if let Some(network) = &chosen.network {
        let it = &network.candidate;
        text.push_str(&format!(
            "{} epochs of a network of width {}, learning rate {}, dropout {}; ",
            network.epochs, it.hidden, it.learning_rate, it.dropout
        ));
    }
    if let Some(trees) = &chosen.trees {
        let it = &trees.candidate;
        text.push_str(&format!(
            "{} rounds of {} leaves, learning rate {}; ",
            trees.rounds, it.leaves, it.learning_rate
        ));
    }
    if let Some(share) = chosen.network_share {
        text.push_str(&format!("network share {share:.1}; "));
    }
    text.push_str(&format!("{tried} choices tried."));
    text
}

fn reliability(page: &mut Page, rung: &RungReport) {
    let bins = &rung.curves.reliability;
    page.plot(&Plot {
        id: "reliability",
        title: "Calibration",
        description: format!(
            "Frauds said and frauds that came in {} bins of calibrated log-odds, both as log-odds; bars \
             are Wilson's 95 % interval. On the dotted line what is said comes true.",
            bins.len()
        ),
        x: "log-odds said",
        y: "log-odds that came",
        kind: Kind::Reliability,
        series: vec![Series {
            name: "bins".to_owned(),
            points: bins.iter().map(|it| [it.said, it.came]).collect(),
            ranges: bins.iter().map(|it| [it.low, it.high]).collect(),
            labels: bins
                .iter()
                .map(|it| {
                    format!(
                        "log-odds {:.2} to {:.2}: {} of {} rows",
                        it.log_odds_from, it.log_odds_until, it.frauds, it.rows
                    )
                })
                .collect(),
        }],
    });
}

fn distribution(page: &mut Page, rung: &RungReport) {
    let bins = &rung.curves.distribution;
    let series = |name: &str, share: &dyn Fn(usize) -> f64| {
        let points = bins.iter().enumerate();
        Series::new(
            name,
            points
                .map(|(at, bin)| [f64::from(bin.from), share(at)])
                .collect(),
        )
    };
    page.plot(&Plot {
        id: "distribution",
        title: "Scores by class",
        description: "Share of each class per range of the score 0-1000.".to_owned(),
        x: "score",
        y: "share of the class",
        kind: Kind::Steps {
            width: bins.first().map_or(1.0, |it| f64::from(it.until - it.from)),
        },
        series: vec![
            series("legitimate", &|at| bins[at].legitimate),
            series("fraud", &|at| bins[at].fraud),
        ],
    });
}

fn importance(page: &mut Page, importance: &[(String, f64)]) {
    let top = &importance[..importance.len().min(IMPORTANT)];
    page.plot(&Plot {
        id: "importance",
        title: "Most important features",
        description: format!(
            "Share of the gain in training, the first {} of {} features.",
            top.len(),
            importance.len()
        ),
        x: "share of the gain",
        y: "",
        kind: Kind::Bars,
        series: vec![Series {
            name: "share of the gain".to_owned(),
            points: top
                .iter()
                .enumerate()
                .map(|(at, (_, share))| [at as f64, *share])
                .collect(),
            ranges: Vec::new(),
            labels: top.iter().map(|(name, _)| name.clone()).collect(),
        }],
    });
}

fn figures(page: &mut Page, folds: &Spread, pooled: &Spread) {
    let text = |it: Option<&(f64, f64)>| match it {
        Some((mean, sd)) => format!("{mean:.5} ± {sd:.5}"),
        None => "–".to_owned(),
    };
    let rows = pooled.keys().map(|name| {
        vec![
            (*name).to_owned(),
            text(folds.get(name)),
            text(pooled.get(name)),
        ]
    });
    page.table(
        "figures",
        &["figure", "mean over folds", "folds as one set"],
        rows.collect(),
    );
}

fn protocol(page: &mut Page, report: &Report) {
    page.heading("Protocol");
    let rows = report.setting.iter();
    page.table(
        "protocol",
        &["setting", "value"],
        rows.map(|(name, value)| vec![name.clone(), value.clone()])
            .collect(),
    );
    let mut sizes = Vec::new();
    for (set, folds) in [
        ("validation", &report.sizes.validation),
        ("test", &report.sizes.test),
    ] {
        for (fold, [train, test]) in folds.iter().enumerate() {
            sizes.push(vec![
                format!("{set} {fold}"),
                train.0.to_string(),
                train.1.to_string(),
                test.0.to_string(),
                test.1.to_string(),
            ]);
        }
    }
    page.table(
        "sizes",
        &[
            "fold",
            "training rows",
            "of them fraud",
            "scored rows",
            "of them fraud",
        ],
        sizes,
    );
}
