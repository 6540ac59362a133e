//! `ringfence drift statistics`: the latest window of a tenant's watch, feature by feature.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::cli::{Cli, DriftStatisticsArgs};
use crate::remote::Remote;
use crate::show;

pub fn run(cli: &Cli, args: &DriftStatisticsArgs) -> Result<ExitCode> {
    let told = match &args.change.to {
        Some(to) => {
            let token = args.change.token.as_deref();
            Remote::new(to, &cli.tenant, token)?.get(&path(args))?
        }
        None => of_directory(cli, args)?,
    };
    if cli.json {
        show::json(&told)?;
    } else {
        print(&told["window"])?;
    }
    Ok(ExitCode::SUCCESS)
}

fn path(args: &DriftStatisticsArgs) -> String {
    let asked = [("segment", &args.segment), ("feature", &args.feature)];
    let given = asked
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let query: Vec<String> = given
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        .collect();
    format!("/v1/drift/statistics?{}", query.join("&"))
}

/// Of a tenant that no server has open.
fn of_directory(cli: &Cli, args: &DriftStatisticsArgs) -> Result<Value> {
    let place = crate::commands::place(cli)?;
    let tenant = crate::commands::open_tenant(cli, &place)?;
    let Some(watch) = tenant.watch() else {
        return Ok(json!({ "window": null }));
    };
    watch.read(|monitor| {
        let window = monitor.statistics(args.segment.as_deref(), args.feature.as_deref())?;
        Ok(json!({ "window": window }))
    })
}

fn print(window: &Value) -> Result<()> {
    let mut out = show::out();
    if window.is_null() {
        writeln!(
            out,
            "no window has closed: nothing is watched, or nothing was decided yet"
        )?;
        return Ok(());
    }
    let text = |name: &str| window[name].as_str().unwrap_or_default().to_owned();
    let events = show::grouped(window["events"].as_u64().unwrap_or(0));
    writeln!(
        out,
        "{}: {events} events from {} to {}; of a mean and a deviation, on the scale, what was expected stands behind",
        text("segment"),
        text("from"),
        text("until"),
    )?;
    writeln!(
        out,
        "{:<32} {:<8} {:>8} {:>17} {:>17} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "feature", "scale", "missing", "mean", "sd", "p01", "p10", "p50", "p90", "p99"
    )?;
    for feature in window["features"].as_array().map_or(&[][..], Vec::as_slice) {
        let (counted, expected) = (&feature["counted"], &feature["expected"]);
        let both = |name: &str| format!("{} ({})", number(&counted[name]), number(&expected[name]));
        let quantile = |name: &str| number(&feature["quantiles"][name]);
        writeln!(
            out,
            "{:<32} {:<8} {:>7.1}% {:>17} {:>17} {:>10} {:>10} {:>10} {:>10} {:>10}",
            feature["feature"].as_str().unwrap_or_default(),
            feature["scale"].as_str().unwrap_or_default(),
            100.0 * counted["missing"].as_f64().unwrap_or(f64::NAN),
            both("mean"),
            both("sd"),
            quantile("p01"),
            quantile("p10"),
            quantile("p50"),
            quantile("p90"),
            quantile("p99"),
        )?;
        for share in feature["shares"].as_array().map_or(&[][..], Vec::as_slice) {
            let value = match &share["value"] {
                Value::String(name) => name.clone(),
                coded => coded["code"].to_string(),
            };
            let percent = |of: &Value| of.as_f64().map(|it| format!("{:.1}%", 100.0 * it));
            let none = || "-".to_owned();
            let counted = percent(&share["counted"]).unwrap_or_else(none);
            let expected = percent(&share["expected"]).unwrap_or_else(none);
            writeln!(out, "  {value:<30} {counted:>17} ({expected})")?;
        }
    }
    Ok(())
}

fn number(of: &Value) -> String {
    match of.as_f64() {
        None => "-".to_owned(),
        Some(value) if value != 0.0 && (value.abs() < 0.01 || value.abs() >= 1e6) => {
            format!("{value:.2e}")
        }
        Some(value) => format!("{value:.2}"),
    }
}
