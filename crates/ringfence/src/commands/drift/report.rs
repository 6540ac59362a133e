//! `ringfence drift report`

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use drift::monitor::Observation;
use drift::{Monitor, Reference};
use event::EventTime;
use learning::watched::{page, watch};
use node::History;
use serde_json::json;

use super::{settings, time};
use crate::cli::{Cli, DriftReportArgs};
use crate::commands::models::{serving, the_one};
use crate::commands::output::Output;
use crate::show;

pub fn run(cli: &Cli, args: &DriftReportArgs) -> Result<ExitCode> {
    let place = crate::commands::place(cli)?;
    let wanted = match &args.model {
        Some(model) => model.clone(),
        None => serving(&History::open(&place)?)?
            .context("no model serves: name one with --model, or train")?,
    };
    let (version, artifact) = the_one(&place, &wanted)?;
    let Some(bytes) = &artifact.reference else {
        bail!(
            "model {} has no reference: it was trained on less than 28 days, or with --no-reference",
            &version[..12]
        );
    };
    let reference = Arc::new(Reference::decode(bytes)?);
    reference.fits(&artifact.header.features)?;
    let settings = settings(args.settings.as_deref(), &reference)?;
    let mut monitor = Monitor::new(reference.clone(), settings, 0)?;
    let page = args.html.as_deref().map(Output::begin).transpose()?;
    if args.readings || args.html.is_some() {
        monitor.keep_readings();
    }
    let from = match &args.from {
        Some(text) => EventTime::parse_iso(text).context("--from")?,
        None => EventTime::from_millis(reference.until),
    };
    let until = match &args.until {
        Some(text) => EventTime::parse_iso(text).context("--until")?,
        None => EventTime::END,
    };
    let bar = show::bar(0, "watch", "records", cli.quiet);
    let mut readings = Vec::new();
    watch(
        &place,
        &artifact,
        &mut monitor,
        (from, until),
        |monitor, done, all| {
            bar.set_length(all);
            bar.set_position(done);
            readings.extend(monitor.take_readings());
            ControlFlow::Continue(())
        },
    )?;
    bar.finish_and_clear();
    if let Some(page) = page {
        page.write_whole(page::write(&version[..12], &monitor, &readings))?;
    }
    if !args.readings {
        readings.clear();
    }
    if cli.json {
        return print_json(&version, bytes.len(), &monitor, &readings);
    }
    print_text(&version, bytes.len(), &monitor)
}

fn print_json(
    version: &str,
    bytes: usize,
    monitor: &Monitor,
    readings: &[Observation],
) -> Result<ExitCode> {
    let reference = monitor.reference();
    let alerts = monitor.alerts().map(|it| it.told(reference));
    let columns = reference.columns.iter().enumerate().map(|(at, column)| {
        let [spread, shape] = monitor.latest(0, at);
        json!({ "feature": column.name, "spread": spread, "shape": shape })
    });
    let readings = readings.iter().map(|it| {
        let mut value = json!(it.reading);
        value["feature"] = json!(reference.columns[usize::from(it.column)].name);
        value
    });
    show::json(&json!({
        "model": version,
        "reference": {
            "from": time(reference.from),
            "until": time(reference.until),
            "events": reference.rows,
            "segments": reference.segments.iter().map(|it| &it.name).collect::<Vec<_>>(),
            "bytes": bytes,
        },
        "events": monitor.rows(),
        "windows": monitor.windows(),
        "alerts": alerts.collect::<Vec<_>>(),
        "features": columns.collect::<Vec<_>>(),
        "readings": readings.collect::<Vec<_>>(),
    }))?;
    Ok(ExitCode::SUCCESS)
}

fn print_text(version: &str, bytes: usize, monitor: &Monitor) -> Result<ExitCode> {
    let mut out = show::out();
    let reference = monitor.reference();
    writeln!(
        out,
        "model {}: reference {} to {}, {} events, {} segments, {} KiB",
        &version[..12],
        time(reference.from),
        time(reference.until),
        show::grouped(reference.rows),
        reference.segments.len() - 1,
        bytes >> 10,
    )?;
    writeln!(
        out,
        "watched: {} events, {} windows, {} alerts",
        show::grouped(monitor.rows()),
        monitor.windows(),
        monitor.alerts().count(),
    )?;
    for alert in monitor.alerts() {
        let reading = &alert.reading;
        writeln!(
            out,
            "{} {:<12} {} in {}: {:.3}, expected {:.3} [{:.3} to {:.3}], {} events from {}{}",
            time(alert.at),
            reading.kind.name(),
            reference.columns[usize::from(alert.column)].name,
            reference.segments[usize::from(alert.segment)].name,
            reading.value,
            reading.baseline,
            reading.low,
            reading.high,
            show::grouped(reading.rows),
            time(reading.from),
            alert
                .over_at
                .map_or(String::new(), |at| format!(", over {}", time(at))),
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
