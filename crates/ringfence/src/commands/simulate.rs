//! `ringfence simulate`: a seeded world as files, or as lines on standard output.

mod audit;
pub mod imported;
mod parquet;
mod play;

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use serde_json::json;
use simulator::{
    Counts, Draft, LineBuffer, Lines, Names, Params, Row, SCHEMA, SimulateError, WriteError,
    bank_folders,
};

use self::parquet::ParquetRows;
use crate::cli::{Cli, SimulateArgs, SimulateWhat, StreamFormat};
use crate::show;

/// More threads plan no faster: one makes the events.
const THREADS: usize = 2;
const DAY_MS: i64 = 86_400_000;

pub fn run(cli: &Cli, args: &SimulateArgs) -> Result<ExitCode> {
    if let Some(SimulateWhat::Audit(args)) = &args.what {
        return audit::run(cli, args);
    }
    if args.print_schema {
        io::stdout().lock().write_all(SCHEMA.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let params = parameters(args)?;
    params.validate()?;
    if let Some(to) = &args.to {
        play::play(cli, args, &params, to)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(out) = &args.out else {
        bail!("--out must be a directory, or - for lines on standard output; --to a server's URL");
    };
    let started = Instant::now();
    let bar = bar(cli, &params);
    let to_stdout = out.as_os_str() == "-";
    let counts = if to_stdout {
        print_lines(&params, args.format, &bar)?
    } else {
        write(&params, args.format, out, &bar)?
    };
    bar.finish_and_clear();
    if !to_stdout {
        tell(cli, out, &counts, started.elapsed().as_secs_f64())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The defaults, then the preset, then the file, then what the command line says.
fn parameters(args: &SimulateArgs) -> Result<Params> {
    let preset = match &args.preset {
        Some(name) => Params::preset_text(name)?,
        None => "",
    };
    let file = match &args.params {
        Some(path) => {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => String::new(),
    };
    let mut line = String::new();
    for (field, value) in [
        ("days", args.days),
        ("accounts", args.accounts),
        ("seed", args.seed),
    ] {
        if let Some(value) = value {
            line.push_str(&format!("{field} = {value}\n"));
        }
    }
    Ok(Params::layered([preset, &file, &line])?)
}

pub fn bar(cli: &Cli, params: &Params) -> ProgressBar {
    show::bar(u64::from(params.days), "simulate", "days", cli.quiet)
}

/// Moves the bar once a simulated day; labels that come after the span leave it full.
struct Clock<'a> {
    bar: &'a ProgressBar,
    first_day: i64,
    day: i64,
}

impl<'a> Clock<'a> {
    fn new(bar: &'a ProgressBar, params: &Params) -> Result<Clock<'a>> {
        let first_day = params.start_day()?;
        Ok(Clock {
            bar,
            first_day,
            day: first_day,
        })
    }

    fn see(&mut self, row: &Row) {
        let day = row.time().0.div_euclid(DAY_MS);
        if day > self.day {
            self.day = day;
            let gone = u64::try_from(day - self.first_day).unwrap_or(0);
            self.bar
                .set_position(gone.min(self.bar.length().unwrap_or(0)));
        }
    }
}

/// Stream, schema, parameters and oracle into a directory; each file has its name once it is complete.
pub fn write(
    params: &Params,
    format: Option<StreamFormat>,
    directory: &Path,
    bar: &ProgressBar,
) -> Result<Counts> {
    params.validate()?;
    let mut clock = Clock::new(bar, params)?;
    let names = Names::new(params.seed);
    let lines = match format {
        Some(StreamFormat::Parquet) => Lines::LeftOut,
        _ => Lines::Written,
    };
    let folders = bank_folders(params, directory);
    for folder in &folders {
        for name in ["stream.jsonl", "stream.parquet"] {
            if folder.join(name).exists() {
                bail!(
                    "{} exists already: a world is not written over another",
                    folder.join(name).display()
                );
            }
        }
    }
    let mut tables = Vec::new();
    if format != Some(StreamFormat::Jsonl) {
        for (bank, folder) in folders.iter().enumerate() {
            let draft = Draft::create(folder, "stream.parquet")?;
            tables.push(ParquetRows::new(draft, bank as u8)?);
        }
    }
    let counts = simulator::write_world(params, THREADS, directory, lines, |row| {
        clock.see(row);
        tables
            .iter_mut()
            .try_for_each(|table| table.push(&names, row))
    })?;
    for table in tables {
        table.finish()?;
    }
    Ok(counts)
}

fn print_lines(params: &Params, format: Option<StreamFormat>, bar: &ProgressBar) -> Result<Counts> {
    if format == Some(StreamFormat::Parquet) {
        bail!("--format parquet needs a directory as --out: a Parquet file ends with its index");
    }
    if params.banks > 1 {
        bail!(
            "banks must be 1 with --out -, got {}: each bank has a stream of its own",
            params.banks
        );
    }
    let mut clock = Clock::new(bar, params)?;
    let names = Names::new(params.seed);
    let mut out = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    let mut lines = LineBuffer::default();
    let counts = simulator::simulate(
        params,
        THREADS,
        |row| {
            clock.see(row);
            match lines.write(&names, row, 0) {
                Some(line) => out.write_all(line),
                None => Ok(()),
            }
        },
        |_| Ok(()),
    );
    let counts = match counts {
        Ok(counts) => counts,
        Err(SimulateError::Params(error)) => return Err(error.into()),
        // kept as it is: a reader that has seen enough is no failure
        Err(SimulateError::Sink(error)) => return Err(error.into()),
    };
    out.flush()?;
    Ok(counts)
}

fn tell(cli: &Cli, out: &Path, counts: &Counts, seconds: f64) -> Result<()> {
    let rate = counts.events as f64 / seconds.max(1e-9);
    if cli.json {
        return Ok(show::json(&json!({
            "directory": out,
            "events": counts.events,
            "frauds": counts.frauds,
            "labels": counts.labels,
            "outcomes": counts.outcomes,
            "rings": counts.rings,
            "hard_negatives": counts.hard_negatives,
            "seconds": seconds,
            "events_per_second": rate,
        }))?);
    }
    let grouped = show::grouped;
    writeln!(
        show::out(),
        "{} events, {} of them fraud in {} rings; {} labels, {} outcomes, {} hard negatives ({seconds:.1} s, {} events/s)\n{}: import stream.jsonl or stream.parquet with --schema schema.toml; only `evaluate --oracle` reads oracle.jsonl",
        grouped(counts.events),
        grouped(counts.frauds),
        grouped(u64::from(counts.rings)),
        grouped(counts.labels),
        grouped(counts.outcomes),
        grouped(u64::from(counts.hard_negatives)),
        grouped(rate as u64),
        out.display(),
    )?;
    Ok(())
}

/// A Parquet failure under the name of its file.
fn at(path: &Path) -> impl FnOnce(::parquet::errors::ParquetError) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Format {
        path,
        source: source.into(),
    }
}
