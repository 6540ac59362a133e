//! The report as HTML: well-formed, alone in its file, and drawn from the figures of the JSON.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;

use crate::leaks::{PROTOCOL, bench};
use crate::world::Bench;

/// Every figure that a report owes its reader.
const FIGURES: [&str; 16] = [
    "ap",
    "auc",
    "f1",
    "card_precision",
    "recall_at_alerts_0.5%",
    "recall_at_alerts_1%",
    "recall_at_alerts_5%",
    "recall_at_fpr_0.1%",
    "recall_at_fpr_1%",
    "value_recall_at_alerts_1%",
    "brier",
    "ece",
    "log_loss_skill",
    "calibration_slope",
    "calibration_intercept",
    "ap_seen",
];

fn prepared() -> Bench {
    let bench = bench(true, "ordered");
    let protocol = PROTOCOL
        .replace("\"2026-01-12\"", "\"2026-01-15\"")
        .replace(
            "seeds = [1]",
            "seeds = [1, 2]\nbootstrap = 50\ncard_precision = { cards = 10, period = \"1d\" }",
        );
    fs::write(bench.path("protocol.toml"), protocol).unwrap();
    // Every batch of rows is a ring of its own.
    let mut rings = String::from("ring,id\n");
    for row in 0..24 * 24 * 15 {
        writeln!(rings, "\"ring {}\",r{row}", row / 24).unwrap();
    }
    fs::write(bench.path("rings.csv"), rings).unwrap();
    bench
}

const EVALUATE: [&str; 4] = ["evaluate", "--protocol", "protocol.toml", "--ladder"];

pub fn parse(text: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).unwrap()
}

pub fn of_class<'a>(document: &'a Document<'_>, tag: &str, class: &str) -> Vec<Node<'a, 'a>> {
    document
        .descendants()
        .filter(|node| node.has_tag_name(tag) && node.attribute("class") == Some(class))
        .collect()
}

pub fn text_of(node: Node<'_, '_>) -> String {
    node.descendants()
        .filter(|it| it.is_text())
        .filter_map(|it| it.text())
        .collect()
}

/// Series, x and y of the table under a plot.
pub fn data(figure: Node<'_, '_>) -> Vec<(String, f64, f64)> {
    let rows = figure
        .descendants()
        .filter(|it| it.tag_name().name() == "tr");
    let cells = |row: Node<'_, '_>| -> Vec<String> {
        row.children()
            .filter(|it| it.tag_name().name() == "td")
            .map(text_of)
            .collect()
    };
    rows.map(cells)
        .filter(|cells| !cells.is_empty())
        .map(|cells| {
            (
                cells[0].clone(),
                cells[1].parse().unwrap(),
                cells[2].parse().unwrap(),
            )
        })
        .collect()
}

pub fn marks(figure: Node<'_, '_>, tag: &str, class: &str) -> usize {
    figure
        .descendants()
        .filter(|it| it.tag_name().name() == tag && it.attribute("class") == Some(class))
        .count()
}

/// What a curve of the JSON holds, as the table of the page should.
fn wanted(report: &Value, curve: &str, x: &str, y: &str) -> Vec<(String, f64, f64)> {
    let mut points = Vec::new();
    for rung in report["rungs"].as_array().unwrap() {
        for point in rung["curves"][curve].as_array().unwrap() {
            let number = |key: &str| match key.parse::<usize>() {
                Ok(at) => point[at].as_f64().unwrap(),
                Err(_) => point[key].as_f64().unwrap(),
            };
            points.push((
                rung["name"].as_str().unwrap().to_owned(),
                number(x),
                number(y),
            ));
        }
    }
    points
}

#[test]
fn the_page_draws_the_figures_of_the_json_and_needs_nothing_else() {
    let bench = prepared();
    let more = [
        "--html",
        "report.html",
        "--groups",
        "rings.csv",
        "--group-columns",
        "id,ring",
    ];
    let report = bench.json(&[&EVALUATE[..], &more].concat());
    let text = fs::read_to_string(bench.path("report.html")).unwrap();
    let page = parse(&text);
    assert!(check_alone(&page, &text) >= 6);

    for (class, curve, x, y) in [
        ("precision-recall", "precision_recall", "0", "1"),
        ("roc", "roc", "0", "1"),
        ("budgets", "budgets", "share", "recall"),
    ] {
        let figures = of_class(&page, "figure", class);
        assert_eq!(figures.len(), 1, "{class}");
        let points = wanted(&report, curve, x, y);
        assert!(points.len() > 30, "{class}");
        assert_eq!(data(figures[0]), points, "{class}");
        let drawn: usize = figures[0]
            .descendants()
            .filter(|it| it.tag_name().name() == "polyline")
            .map(|it| it.attribute("points").unwrap().split(' ').count())
            .sum();
        assert_eq!(drawn, points.len(), "{class}");
    }
    let rungs = report["rungs"].as_array().unwrap();
    let per_rung = |class: &str| {
        let figures = of_class(&page, "figure", class);
        assert_eq!(figures.len(), rungs.len(), "{class}");
        figures
    };
    for (at, figure) in per_rung("reliability").into_iter().enumerate() {
        let bins = rungs[at]["curves"]["reliability"].as_array().unwrap();
        let points: Vec<(f64, f64)> = data(figure)
            .into_iter()
            .map(|(_, said, came)| (said, came))
            .collect();
        let number = |bin: &Value, key: &str| bin[key].as_f64().unwrap();
        let in_json: Vec<(f64, f64)> = bins
            .iter()
            .map(|bin| (number(bin, "said"), number(bin, "came")))
            .collect();
        assert_eq!(points, in_json);
        assert_eq!(marks(figure, "circle", "point"), bins.len());
        let rows: u64 = bins.iter().map(|bin| bin["rows"].as_u64().unwrap()).sum();
        assert_eq!(rows, rungs[at]["curves"]["rows"].as_u64().unwrap());
    }
    for (at, figure) in per_rung("distribution").into_iter().enumerate() {
        let bins = rungs[at]["curves"]["distribution"].as_array().unwrap();
        let shares = |class: &str| -> Vec<f64> {
            bins.iter()
                .map(|bin| bin[class].as_f64().unwrap())
                .collect()
        };
        for class in ["fraud", "legitimate"] {
            let drawn = data(figure).into_iter().filter(|it| it.0 == class);
            assert!(drawn.map(|it| it.2).eq(shares(class)), "{class}");
            assert!((shares(class).iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }
    for (at, figure) in per_rung("importance").into_iter().enumerate() {
        let named = rungs[at]["test"]["importance"].as_array().unwrap();
        let top = named.iter().take(20).map(|it| it[1].as_f64().unwrap());
        assert!(data(figure).into_iter().map(|it| it.2).eq(top));
        assert_eq!(marks(figure, "rect", "bar"), named.len().min(20));
    }
    check_figures(&report, &page);
}

/// No script, no style from elsewhere, no picture, no link out; every drawing has a name and a
/// description. Returns how many drawings there are.
pub fn check_alone(page: &Document<'_>, text: &str) -> usize {
    for banned in [
        "script", "link", "img", "iframe", "object", "embed", "image", "use", "a", "base",
    ] {
        assert!(
            page.descendants().all(|it| it.tag_name().name() != banned),
            "<{banned}>"
        );
    }
    for node in page.descendants() {
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(
                !name.starts_with("on") && name != "src" && name != "href",
                "{name}"
            );
            assert!(
                !value.contains("://") && !value.contains("url("),
                "{name}={value}"
            );
        }
    }
    // A name space is a name; nothing else may look like an address.
    let addresses = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    assert!(!addresses.contains("://") && !text.contains("@import"));
    let mut ids = BTreeSet::new();
    for svg in page
        .descendants()
        .filter(|it| it.tag_name().name() == "svg")
    {
        for tag in ["title", "desc"] {
            let child = svg
                .children()
                .find(|it| it.tag_name().name() == tag)
                .unwrap();
            assert!(!text_of(child).trim().is_empty());
            let id = child.attribute("id").unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            assert!(
                svg.attribute("aria-labelledby")
                    .unwrap()
                    .split(' ')
                    .any(|it| it == id)
            );
        }
    }
    assert!(!ids.is_empty());
    ids.len() / 2
}

fn check_figures(report: &Value, page: &Document<'_>) {
    let tables = of_class(page, "table", "figures");
    let rungs = report["rungs"].as_array().unwrap();
    assert_eq!(tables.len(), rungs.len());
    for (rung, table) in rungs.iter().zip(tables) {
        let shown = text_of(table);
        for name in FIGURES {
            assert!(
                rung["test"]["pooled"][name][0].is_number(),
                "{name}: {rung:#}"
            );
            assert!(shown.contains(name), "{name}");
        }
    }
    let protocol = text_of(of_class(page, "table", "protocol")[0]);
    assert!(protocol.contains("360 given groups"), "{protocol}");
    let ladder = text_of(of_class(page, "table", "ladder")[0]);
    for rung in rungs {
        assert!(ladder.contains(rung["name"].as_str().unwrap()));
    }
    let page_text = text_of(page.root_element());
    assert!(
        page_text.contains("Seeds [1, 2]. The test was read 4 times"),
        "{page_text}"
    );
}

#[test]
fn every_figure_is_in_the_table_too() {
    let bench = prepared();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringfence"));
    command
        .current_dir(bench.dir.path())
        .args(["--data", "data", "--quiet"]);
    let done = command.args(&EVALUATE[..3]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let table = String::from_utf8(done.stdout).unwrap();
    for name in FIGURES {
        assert!(table.contains(&format!("  {name} ")), "{name}: {table}");
    }
}

#[test]
fn groups_widen_intervals_and_strangers_are_refused() {
    let bench = prepared();
    let width = |more: &[&str]| {
        let report = bench.json(&[&EVALUATE[..3], more].concat());
        let interval = &report["rungs"][0]["test"]["ap_interval"];
        assert!(report["rungs"][0]["test"]["folds"]["ap"][0].is_number());
        (
            interval["low"].as_f64().unwrap(),
            interval["high"].as_f64().unwrap(),
        )
    };
    let plain = width(&[]);
    let columns = ["--group-columns", "id,ring"];
    let tied = width(&[&["--groups", "rings.csv"], &columns[..]].concat());
    assert_ne!(plain, tied);
    // A value that stands for no group leaves subjects alone.
    let mut text = String::from("id,ring\n");
    for row in 0..24 * 24 * 15 {
        writeln!(text, "r{row},-1").unwrap();
    }
    fs::write(bench.path("none.csv"), format!("{text}r1,x\n")).unwrap();
    let none = ["--groups", "none.csv", "--group-none", "-1"];
    let alone = width(&[&none, &columns[..]].concat());
    assert_eq!(alone, plain);

    for (file, told) in [
        (
            "id,ring\nelsewhere,1\n",
            "none of the 1 groups has an event of this tenant",
        ),
        (
            "id,other\nr1,1\n",
            "column \\\"ring\\\" for the two columns asked for is missing",
        ),
        ("id,ring\nr1\n", "line 2: too few fields"),
        ("", "empty"),
    ] {
        fs::write(bench.path("bad.csv"), file).unwrap();
        fs::write(bench.path("kept.html"), "of the day before").unwrap();
        let more = ["--groups", "bad.csv", "--html", "kept.html"];
        let args = [&EVALUATE[..], &more, &columns].concat();
        let done = bench.run(&args);
        let error = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{error}");
        assert!(error.contains(told), "{error}");
        let kept = fs::read_to_string(bench.path("kept.html")).unwrap();
        assert_eq!(kept, "of the day before", "{error}");
    }
}
