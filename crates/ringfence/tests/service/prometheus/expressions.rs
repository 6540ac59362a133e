//! What rules, alerts and dashboards ask for, against what a running server tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use super::{Prometheus, deploy, read};
use crate::metrics;
use crate::server::Server;
use serde_json::Value;

/// What a server tells, by the name of a family.
struct Told {
    labels: BTreeMap<String, BTreeSet<String>>,
    /// Values of each label of the families that it has series of.
    values: BTreeMap<(String, String), BTreeSet<String>>,
    /// By rules: their labels are those of what they are made from.
    recorded: BTreeSet<String>,
}

/// Of which series exist only once it was so, or as the operator names them.
const AS_IT_COMES: [&str; 6] = ["status", "route", "method", "tenant", "job", "instance"];

/// `name{label="value",...}` with its operators.
struct Selector {
    name: String,
    matchers: Vec<(String, String, String)>,
}

/// Every expression is one to Prometheus; each metric in it is told by the server or recorded by a rule, has the labels
/// that are asked for, and values that are told of them, bounds of histograms among them.
pub fn are_answered(server: &Server, prometheus: &Prometheus) {
    let told = Told::by(server);
    let all = expressions();
    assert!(all.len() > 100, "{}", all.len());
    for (place, expression) in all {
        let answer = prometheus.query(&expression).unwrap();
        assert_eq!(
            answer["status"], "success",
            "{place}: {expression}: {answer}"
        );
        assert_eq!(told.fault(&expression), None, "{place}: {expression}");
    }
    for (wrong, why) in [
        ("ringfence_decision_total > 0", "nobody tells"),
        (
            "sum(ringfence_decisions_total{verdict=\"decline\"})",
            "has no label verdict",
        ),
        (
            "sum by (verdict) (ringfence_decisions_total)",
            "nothing has a label verdict",
        ),
        (
            "ringfence_drift_alerts_open{kind=~\"spread|shap\"}",
            "no kind is shap",
        ),
        ("ringfence_fsync_seconds_bucket{le=\"0.3\"}", "no le is 0.3"),
    ] {
        let fault = told.fault(wrong);
        assert!(
            fault.as_ref().is_some_and(|it| it.contains(why)),
            "{wrong}: {fault:?}"
        );
    }
}

impl Told {
    fn by(server: &Server) -> Told {
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for family in metrics::documented(server) {
            let own = family["labels"].as_array().unwrap().iter();
            let own = own.map(|it| it.as_str().unwrap().to_owned());
            labels.insert(family["name"].as_str().unwrap().to_owned(), own.collect());
        }
        // Prometheus' own.
        labels.insert("up".to_owned(), BTreeSet::new());
        let mut values: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        // As Prometheus asks for it: bounds are written as it keeps them.
        let scraped = metrics::scrape(server, metrics::OPEN);
        for line in scraped.text().lines().filter(|it| !it.starts_with('#')) {
            for selector in selectors(line.split(" # ").next().unwrap()) {
                for (label, _, value) in selector.matchers {
                    let key = (selector.name.clone(), label);
                    values.entry(key).or_default().insert(value);
                }
            }
        }
        let rules = read("prometheus/slo.yml");
        let recorded = rules
            .lines()
            .filter_map(|it| it.trim().strip_prefix("- record: "));
        Told {
            labels,
            values,
            recorded: recorded.map(str::to_owned).collect(),
        }
    }

    /// What an expression asks for that nobody tells.
    fn fault(&self, expression: &str) -> Option<String> {
        let selectors = selectors(expression);
        if selectors.is_empty() {
            return Some("it reads no metric".to_owned());
        }
        let is_recorded = |it: &Selector| self.recorded.contains(&it.name);
        let mut all: BTreeSet<&str> = ["job", "instance"].into();
        for selector in selectors.iter().filter(|it| !is_recorded(it)) {
            let name = &selector.name;
            let parts = ["_bucket", "_sum", "_count"];
            let stem = parts.iter().find_map(|it| name.strip_suffix(it));
            let held = self.labels.get(name);
            let held = held.or_else(|| self.labels.get(stem?));
            let Some(held) = held else {
                return Some(format!("nobody tells {name}"));
            };
            let mut own: BTreeSet<&str> = held.iter().map(String::as_str).collect();
            own.extend(["job", "instance"]);
            own.extend(name.ends_with("_bucket").then_some("le"));
            for (label, _, _) in &selector.matchers {
                if !own.contains(label.as_str()) {
                    return Some(format!("{name} has no label {label}"));
                }
            }
            all.extend(own);
            if let Some(fault) = self.unknown_value(selector) {
                return Some(fault);
            }
        }
        let grouped = grouped(expression);
        let unknown = grouped.iter().find(|it| !all.contains(it.as_str()))?;
        let is_known = selectors.iter().any(is_recorded);
        (!is_known).then(|| format!("nothing has a label {unknown}"))
    }

    fn unknown_value(&self, selector: &Selector) -> Option<String> {
        for (label, operator, value) in &selector.matchers {
            let key = (selector.name.clone(), label.clone());
            let Some(held) = self.values.get(&key) else {
                continue;
            };
            if AS_IT_COMES.contains(&label.as_str()) || !operator.starts_with('=') {
                continue;
            }
            let wanted: Vec<&str> = match operator.as_str() {
                "=~" => value.split('|').collect(),
                _ => vec![value],
            };
            if let Some(wrong) = wanted.iter().find(|it| !held.contains(**it)) {
                return Some(format!("no {label} is {wrong}, of {held:?}"));
            }
        }
        None
    }
}

/// Of rules, alerts and dashboards, with where they stand.
fn expressions() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for file in ["prometheus/slo.yml", "prometheus/alerts.yml"] {
        let rules = Command::new("promtool")
            .args(["check", "rules"])
            .arg(deploy().join(file))
            .output();
        assert!(rules.unwrap().status.success(), "{file}");
        let text = read(file);
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(expr) = line.trim().strip_prefix("expr: ") else {
                continue;
            };
            let mut expression = expr.to_owned();
            if expr == "|" {
                expression.clear();
                let indent = |line: &str| line.len() - line.trim_start().len();
                while lines.peek().is_some_and(|next| indent(next) > indent(line)) {
                    expression.push_str(lines.next().unwrap());
                    expression.push('\n');
                }
            }
            all.push((file.to_owned(), expression));
        }
    }
    for entry in fs::read_dir(deploy().join("grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let place = path.file_name().unwrap().to_string_lossy().into_owned();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                all.push((place.clone(), filled(target["expr"].as_str().unwrap())));
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let query = variable["query"].as_str().unwrap();
            if let Some(values) = query.strip_prefix("label_values(") {
                let (series, _) = values.rsplit_once(',').unwrap();
                all.push((place.clone(), filled(series)));
            }
        }
    }
    all
}

/// As Grafana fills it in.
fn filled(expression: &str) -> String {
    let filled = expression.replace("$__rate_interval", "5m");
    let filled = filled.replace("$instance", ".*").replace("$tenant", ".*");
    assert!(!filled.contains('$'), "{filled}");
    filled
}

/// Words that are no label, no function and no keyword, with what follows them in braces.
fn selectors(expression: &str) -> Vec<Selector> {
    let mut found: Vec<Selector> = Vec::new();
    let mut rest = expression;
    let mut behind_name = false;
    while let Some(start) = rest.find(|it: char| it.is_ascii_alphabetic() || "\"{".contains(it)) {
        behind_name &= start == 0;
        rest = &rest[start..];
        if let Some(text) = rest.strip_prefix('"') {
            rest = &text[text.find('"').unwrap() + 1..];
        } else if let Some(text) = rest.strip_prefix('{') {
            let (matchers, after) = matchers(text);
            rest = after;
            if let Some(last) = found.last_mut().filter(|_| behind_name) {
                last.matchers = matchers;
            }
        } else {
            let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && !"_:".contains(it));
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after;
            let own = ["ringfence", "process_", "tokio_"];
            behind_name = word == "up" || own.iter().any(|it| word.starts_with(it));
            if behind_name {
                found.push(Selector {
                    name: word.to_owned(),
                    matchers: Vec::new(),
                });
            }
            continue;
        }
        behind_name = false;
    }
    found
}

/// Up to the brace that closes them; a value may hold one.
fn matchers(text: &str) -> (Vec<(String, String, String)>, &str) {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches([',', ' ', '\n']);
        if let Some(after) = rest.strip_prefix('}') {
            return (found, after);
        }
        let (label, after) = rest.split_at(rest.find(['=', '!']).unwrap());
        let (operator, after) = after.split_at(after.find('"').unwrap());
        let (value, after) = after[1..].split_once('"').unwrap();
        let text = |it: &str| it.trim().to_owned();
        found.push((text(label), text(operator), value.to_owned()));
        rest = after;
    }
}

/// Labels of every `by (...)`.
fn grouped(expression: &str) -> BTreeSet<String> {
    let lists = expression.split(" by (").skip(1);
    let lists = lists.filter_map(|it| it.split(')').next());
    let names = lists.flat_map(|it| it.split(','));
    names.map(|it| it.trim().to_owned()).collect()
}
