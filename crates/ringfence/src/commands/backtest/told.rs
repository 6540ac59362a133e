//! What a backtest and a piece of advice found, for people.

use std::io::{self, Write};

use serde_json::Value;

use crate::show;

/// What a measure of both rulebooks is called, where it stands, and how it is written.
type Measure = (&'static str, &'static str, fn(&Value) -> String);

const MEASURES: [Measure; 12] = [
    ("approve", "approve", whole),
    ("challenge", "challenge", whole),
    ("review", "review", whole),
    ("decline", "decline", whole),
    ("alerts a day", "alerts_per_day", decimal),
    ("precision", "precision", percent),
    ("recall", "recall", percent),
    ("fraud stopped", "fraud_stopped", decimal),
    ("fraud passed", "fraud_passed", decimal),
    ("good money declined", "good_declined", decimal),
    ("good money held up", "good_held_up", decimal),
    ("cost", "cost", decimal),
];

pub fn report(report: &Value) -> io::Result<()> {
    let mut out = show::out();
    writeln!(
        out,
        "{} to {}: {} events, {} known frauds, {} without a label",
        text(&report["from"]),
        text(&report["until"]),
        report["events"],
        report["frauds"],
        report["unknown"]
    )?;
    writeln!(out, "{:<20} {:>16} {:>16}", "", "current", "candidate")?;
    for (name, key, written) in MEASURES {
        let [current, candidate] = ["current", "candidate"].map(|side| written(&report[side][key]));
        writeln!(out, "{name:<20} {current:>16} {candidate:>16}")?;
    }
    writeln!(out, "saved by the candidate: {}", decimal(&report["saved"]))?;
    rules(&mut out, report)?;
    changes(&mut out, report)?;
    reading(&mut out, report)
}

fn rules(out: &mut impl Write, report: &Value) -> io::Result<()> {
    for rule in items(&report["rules"]) {
        let interval = &rule["precision_interval"];
        writeln!(
            out,
            "rule {:<24} {:<8} {:>8} held, {} frauds of {} known: precision {} ({} to {}), recall {}; {} missing, {} errors",
            text(&rule["rule"]),
            text(&rule["status"]),
            whole(&rule["matched"]),
            rule["frauds"],
            rule["frauds"].as_u64().unwrap_or(0) + rule["legitimate"].as_u64().unwrap_or(0),
            percent(&rule["precision"]),
            percent(&interval[0]),
            percent(&interval[1]),
            percent(&rule["recall"]),
            rule["missing"],
            rule["errors"]
        )?;
    }
    Ok(())
}

fn changes(out: &mut impl Write, report: &Value) -> io::Result<()> {
    for change in items(&report["changes"]) {
        writeln!(
            out,
            "{} would be {}: {} events, {} known frauds",
            text(&change["from"]),
            text(&change["to"]),
            change["events"],
            change["frauds"]
        )?;
    }
    for sample in items(&report["samples"]) {
        writeln!(
            out,
            "  {} {}: {} -> {}, score {}, amount {}, {}",
            text(&sample["at"]),
            text(&sample["event_id"]),
            text(&sample["from"]),
            text(&sample["to"]),
            sample["score"],
            decimal(&sample["amount"]),
            text(&sample["label"])
        )?;
    }
    Ok(())
}

/// How it was read, and what could not be.
fn reading(out: &mut impl Write, report: &Value) -> io::Result<()> {
    let records = report["records"].as_f64().unwrap_or(0.0);
    let seconds = report["seconds"].as_f64().unwrap_or(0.0).max(1e-9);
    writeln!(
        out,
        "{records} records in {seconds:.1} s ({:.0}/s){}",
        records / seconds,
        if report["full_replay"] == true {
            ", the graph rebuilt"
        } else {
            ""
        }
    )?;
    if report["unscored"].as_u64() > Some(0) {
        writeln!(
            out,
            "{} events had no score; --score-missing lets the serving model score them",
            report["unscored"]
        )?;
    }
    Ok(())
}

pub fn advice(advice: &Value) -> io::Result<()> {
    let mut out = show::out();
    let point = |at: &Value| {
        let point = &advice["curve"][at.as_u64().unwrap_or(0) as usize];
        format!(
            "{} alerts a day, precision {}, recall {}, {} of the money",
            decimal(&point["alerts_per_day"]),
            percent(&point["precision"]),
            percent(&point["recall"]),
            percent(&point["value_recall"]),
        )
    };
    writeln!(
        out,
        "review  from {:>4}: {}",
        advice["review"],
        point(&advice["review"])
    )?;
    writeln!(
        out,
        "decline from {:>4}: from here on declining costs no more",
        advice["decline"]
    )?;
    writeln!(
        out,
        "reviewing alone is cheapest from {}",
        advice["cheapest_review"]
    )
}

pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}

fn whole(value: &Value) -> String {
    value.as_u64().map_or("-".to_owned(), show::grouped)
}

pub fn decimal(value: &Value) -> String {
    value
        .as_f64()
        .map_or("-".to_owned(), |it| format!("{it:.1}"))
}

fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or("-".to_owned(), |it| format!("{:.1} %", it * 100.0))
}
