//! The network drawn in docs/model/network.svg, and the table of tensors in docs/model.md, are those of the code:
//! `UPDATE_EXPECT=1 cargo test -p ringfence-model --test drawing` draws anew.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use ringfence_model::hybrid::shape::{
    BRANCHES, GATES, Layout, NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_WIDTH, STEPS, Shape,
};

fn docs(name: &str) -> PathBuf {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    docs.join(name)
}

/// No two sizes alike, so that a wrong dimension cannot pass for another.
const SHAPE: Shape = Shape {
    features: 150,
    roles: 5,
    event_types: 7,
    hidden: 32,
    wide: 48,
    graph: true,
    sequence: true,
};
const KNOTS: usize = 1_811;

/// What the page calls the sizes.
fn size(name: &str) -> usize {
    match name {
        "K" => KNOTS,
        "F" => SHAPE.features,
        "W" => SHAPE.wide,
        "H" => SHAPE.hidden,
        "R" => SHAPE.roles,
        "T" => SHAPE.event_types,
        other => match other.strip_suffix('H') {
            Some(times) => times.parse::<usize>().unwrap() * SHAPE.hidden,
            None => other.parse().unwrap(),
        },
    }
}

#[test]
fn the_table_of_tensors_is_the_layout() {
    let page = std::fs::read_to_string(docs("model.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let name = cells.next()?.trim().trim_end_matches('`').to_owned();
        let dims = cells.next()?.trim().to_owned();
        Some((name, dims))
    });
    let layout = Layout::new(&SHAPE, KNOTS);
    let tensors = layout.tensors(&SHAPE, KNOTS);
    let documented: Vec<(String, Vec<usize>)> = rows
        .filter(|(name, _)| tensors.iter().any(|it| it.name == name))
        .map(|(name, dims)| (name, dims.split(" x ").map(size).collect()))
        .collect();
    let held: Vec<(String, Vec<usize>)> = tensors
        .into_iter()
        .map(|it| (it.name.to_owned(), it.dims))
        .collect();
    assert_eq!(documented, held);
}

struct Drawing {
    out: String,
}

impl Drawing {
    fn boxed(&mut self, (x, y): (usize, usize), kind: &str, lines: &[String]) {
        let height = 20 + 16 * lines.len();
        writeln!(
            self.out,
            r#"<rect class="{kind}" x="{x}" y="{y}" width="210" height="{height}" rx="6"/>"#
        )
        .unwrap();
        for (at, line) in lines.iter().enumerate() {
            let class = if at == 0 { "name" } else { "size" };
            let (x, y) = (x + 105, y + 22 + 16 * at);
            writeln!(
                self.out,
                r#"<text class="{class}" x="{x}" y="{y}">{line}</text>"#
            )
            .unwrap();
        }
    }

    fn arrow(&mut self, from: (usize, usize), to: (usize, usize)) {
        let middle = (from.0 + to.0) / 2;
        writeln!(
            self.out,
            r#"<path class="way" d="M{} {} H{middle} V{} H{}" marker-end="url(#tip)"/>"#,
            from.0, from.1, to.1, to.0
        )
        .unwrap();
    }
}

fn drawing() -> String {
    let mut it = Drawing {
        out: String::from(HEAD),
    };
    let lines = |lines: &[&str]| lines.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let neighbour = format!("R x {NEIGHBOURS} x {NEIGHBOUR_WIDTH}");
    let entity = format!("R x {NODE_WIDTH}");
    let step = format!("{STEPS} x {STEP_WIDTH}");
    let inputs = [
        (40, ["features", "F", "NaN: missing"]),
        (170, ["neighbourhood", &neighbour, "event, other end"]),
        (260, ["entities", &entity, "own summary"]),
        (390, ["sequence", &step, "oldest first"]),
    ];
    for (y, text) in inputs {
        it.boxed((20, y), "input", &lines(&text));
    }
    it.boxed(
        (280, 40),
        "layer",
        &lines(&["spline, rectifier", "F -> W", "rows between knots"]),
    );
    it.boxed(
        (540, 40),
        "layer",
        &lines(&["tabular branch", "W -> H", "rectifier"]),
    );
    it.boxed(
        (280, 170),
        "layer",
        &lines(&["messages", "mean and maximum, R x 2H", "rectifier"]),
    );
    it.boxed(
        (280, 260),
        "layer",
        &lines(&["entity", "2H + own -> H, by role", "rectifier"]),
    );
    it.boxed(
        (540, 215),
        "layer",
        &lines(&["event (graph branch)", "H + R x H -> H", "rectifier"]),
    );
    let gates = format!("{GATES} gates, H cells");
    it.boxed(
        (280, 390),
        "layer",
        &lines(&["LSTM", &gates, "one state per step"]),
    );
    it.boxed(
        (540, 390),
        "layer",
        &lines(&[
            "attention pool",
            "asked by the event",
            "last state beside it",
        ]),
    );
    it.boxed(
        (800, 390),
        "layer",
        &lines(&["sequence branch", "2H -> H", "rectifier"]),
    );
    let gate = format!("{BRANCHES}H -> {BRANCHES}H, sigmoid");
    it.boxed(
        (800, 215),
        "layer",
        &lines(&["gates on the branches", &gate, "times the branches"]),
    );
    it.boxed(
        (1060, 215),
        "layer",
        &lines(&["fusion", &format!("{BRANCHES}H -> H"), "rectifier"]),
    );
    it.boxed(
        (1060, 40),
        "output",
        &lines(&[
            "log-odds",
            "H -> 1, plus the skip",
            "trees and calibration follow",
        ]),
    );
    let ways = [
        ((230, 74), (280, 74)),
        ((490, 74), (540, 74)),
        ((230, 204), (280, 204)),
        ((230, 294), (280, 294)),
        ((385, 238), (385, 260)),
        ((490, 294), (540, 265)),
        ((645, 108), (645, 215)),
        ((230, 424), (280, 424)),
        ((490, 424), (540, 424)),
        ((750, 424), (800, 424)),
        ((750, 74), (800, 230)),
        ((750, 249), (800, 249)),
        ((905, 390), (905, 283)),
        ((1010, 249), (1060, 249)),
        ((1165, 215), (1165, 108)),
    ];
    for (from, to) in ways {
        if from.0 == to.0 {
            let (x, y, end) = (from.0, from.1, to.1);
            writeln!(
                it.out,
                r#"<path class="way" d="M{x} {y} V{end}" marker-end="url(#tip)"/>"#
            )
            .unwrap();
        } else {
            it.arrow(from, to);
        }
    }
    // The event asks the past; the features also go straight to the output.
    writeln!(
        it.out,
        r#"<path class="side" d="M620 108 V150 H788 V350 H660 V390" marker-end="url(#tip)"/>"#
    )
    .unwrap();
    writeln!(
        it.out,
        r#"<path class="side" d="M385 40 V16 H1165 V40" marker-end="url(#tip)"/>"#
    )
    .unwrap();
    it.out.push_str("</svg>\n");
    it.out
}

const HEAD: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1290 480" font-family="sans-serif">
<style>
rect { stroke: #555; fill: #f7f7f7 }
.input { fill: #e3eefc }
.layer { fill: #f3efe2 }
.output { fill: #e4f3e4 }
text { text-anchor: middle; font-size: 12px; fill: #333 }
.name { font-size: 14px; font-weight: bold }
.way { stroke: #555; fill: none }
.side { stroke: #555; fill: none; stroke-dasharray: 5 4 }
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>
<rect x="0" y="0" width="1290" height="480" style="fill: white; stroke: none"/>
"##;

#[test]
fn the_network_is_drawn() {
    expect_file![docs("model/network.svg")].assert_eq(&drawing());
}
