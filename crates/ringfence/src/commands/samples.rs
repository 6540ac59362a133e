//! `ringfence samples`: what a model sees, as a table for other programs.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use graph::FeatureList;
use learning::dataset::Rows;
use node::History;
use serde_json::json;

use super::output::Output;
use crate::cli::{Cli, SamplesArgs};
use crate::show;

pub fn run(cli: &Cli, args: &SamplesArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let features = FeatureList::new(History::open(&place)?.schema());
    let range = super::train::range(&args.from, &args.until)?;
    let shown = || format!("cannot write {}", args.file.display());
    let mut file = Output::begin(&args.file)?;
    let ground = super::train::Ground::whole(&place);
    let rows = super::train::replay(cli, &ground, range, args.rows_max, None, |_| Ok(()))?;
    write(BufWriter::new(&mut file), &rows, &features).with_context(shown)?;
    file.finish()?;
    tell(cli, &args.file, &rows, features.len())?;
    Ok(ExitCode::SUCCESS)
}

/// Names of features hold no comma and no quote: they are made from names of the schema.
fn write(mut out: impl Write, rows: &Rows, features: &FeatureList) -> std::io::Result<()> {
    write!(out, "position,event_timestamp,fraud")?;
    for name in features.names() {
        write!(out, ",{name}")?;
    }
    writeln!(out)?;
    for (row, values) in rows.values.chunks_exact(rows.width).enumerate() {
        let fraud = u8::from(rows.fraud[row]);
        write!(out, "{},{},{fraud}", rows.positions[row].0, rows.times[row])?;
        for value in values {
            if value.is_nan() {
                write!(out, ",")?;
            } else {
                // As a double: a reader of doubles would take 0.7, the shortest text of an f32, for another
                // number than the model saw, and a threshold may lie between the two.
                write!(out, ",{}", f64::from(*value))?;
            }
        }
        writeln!(out)?;
    }
    out.flush()
}

fn tell(cli: &Cli, file: &Path, rows: &Rows, features: usize) -> Result<()> {
    if cli.json {
        return Ok(show::json(&json!({
            "file": file,
            "rows": rows.len(),
            "frauds": rows.frauds(),
            "features": features,
            "negative_rate": rows.negative_rate,
        }))?);
    }
    writeln!(
        show::out(),
        "{} rows ({} fraud) of {features} features in {}; {:.4} of the legitimate events are there",
        show::grouped(rows.len() as u64),
        show::grouped(rows.frauds() as u64),
        file.display(),
        rows.negative_rate,
    )?;
    Ok(())
}
