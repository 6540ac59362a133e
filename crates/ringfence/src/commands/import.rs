//! `ringfence import`: rows in, records out, nothing twice.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use event::record::Record;
use event::{EventTime, Invalid, Schema, Span, draft};
use ingest::{Format, Item, Mapping, Options, Source};
use log::LogOptions;
use node::{Accepted, Journal, NodeError};
use serde_json::{Value, json};

use crate::cli::{Cli, EXIT_REJECTS, FormatName, ImportArgs};
use crate::show;

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    pub rows: u64,
    pub events: u64,
    pub labels: u64,
    pub outcomes: u64,
    pub duplicates: u64,
    pub rejects: u64,
    /// Events older than what the log held before the import.
    pub late: u64,
    pub labels_withheld: u64,
    pub seconds: f64,
}

pub fn run(cli: &Cli, args: &ImportArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let text = match &args.schema {
        Some(path) => {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => held_schema(&place)?,
    };
    let schema = Schema::parse(&text)?;
    let mapping = Mapping::parse(&text, &schema)?;
    let options = Options {
        sort: args.sort,
        max_rejects: args.max_rejects,
        late: if args.late == "0s" {
            Span::ZERO
        } else {
            Span::parse(&args.late)?
        },
        labels_until: args
            .labels_until
            .as_deref()
            .map(EventTime::parse_iso)
            .transpose()?,
        ..Options::default()
    };
    // The file is looked at before the tenant is made: a wrong file leaves nothing behind.
    let mut format = args.format.map(format_of);
    let mut file = args.file.as_path();
    if file.as_os_str() == "-" {
        format = format.or(Some(Format::Jsonl));
        file = Path::new("/dev/stdin");
    }
    let source = Source::open(file, format, &schema, &mapping, options)?;
    let journal = Journal::open_or_create(&place, &text, LogOptions::default())?;
    let imported =
        Import::new(cli, args.rejects.clone(), args.max_rejects, journal)?.run(source)?;
    tell(cli, &args.file, &args.rejects, &imported)?;
    Ok(if imported.rejects > 0 {
        ExitCode::from(EXIT_REJECTS)
    } else {
        ExitCode::SUCCESS
    })
}

fn format_of(name: FormatName) -> Format {
    match name {
        FormatName::Csv => Format::Csv,
        FormatName::Jsonl => Format::Jsonl,
        FormatName::Parquet => Format::Parquet,
    }
}

/// The schema file as it was given when the tenant was made, its `[import]` table included.
fn held_schema(place: &node::Place) -> Result<String> {
    let history = node::History::open(place).context("give --schema to make a tenant")?;
    if history.first().0 > 0 {
        let path = place.schema();
        return fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()));
    }
    match history.iter_from(event::Position(0))?.next_record()? {
        Some((_, Record::Config(config))) => Ok(config.body),
        _ => bail!("the tenant's log does not start with a schema"),
    }
}

pub struct Import {
    journal: Journal,
    rejects_at: PathBuf,
    rejects: Option<BufWriter<File>>,
    max_rejects: u64,
    quiet: bool,
    /// When the import began: no row may be later.
    clock: EventTime,
    /// The newest record before the import.
    newest: EventTime,
    done: Imported,
}

impl Import {
    pub fn new(
        cli: &Cli,
        rejects_at: PathBuf,
        max_rejects: u64,
        journal: Journal,
    ) -> Result<Import> {
        let (done, clock) = (Imported::default(), super::decide::clock()?);
        Ok(Import {
            newest: journal.newest(),
            journal,
            rejects_at,
            rejects: None,
            max_rejects,
            quiet: cli.quiet,
            clock,
            done,
        })
    }

    pub fn run(mut self, mut source: Source) -> Result<Imported> {
        let started = Instant::now();
        let bar = show::bar(source.progress().bytes_total, "import", "bytes", self.quiet);
        let mut items = 0_u64;
        while let Some(item) = source.next() {
            let item = match item {
                Ok(item) => item,
                Err(error) => {
                    // What came before the error stays: it was right, and the next run skips it.
                    self.journal.commit()?;
                    return Err(error.into());
                }
            };
            self.take(item)?;
            items += 1;
            if items.is_multiple_of(16_384) {
                let progress = source.progress();
                bar.set_position(progress.bytes_read);
                let rate = progress.rows as f64 / started.elapsed().as_secs_f64();
                bar.set_message(format!(
                    "{} rows, {rate:.0} rows/s",
                    show::grouped(progress.rows)
                ));
            }
        }
        self.journal.commit()?;
        if let Some(mut rejects) = self.rejects.take() {
            rejects.flush()?;
        }
        bar.finish_and_clear();
        for column in source.unseen_columns() {
            show::warning(&format!("no row had the mapped column {column:?}"));
        }
        if self.done.late > 0 {
            show::warning(&format!(
                "{} events are older than {}, which the log already held: windows that had closed stay as they were",
                show::grouped(self.done.late),
                self.newest
            ));
        }
        let progress = source.progress();
        self.done.rows = progress.rows;
        self.done.labels_withheld = progress.labels_withheld;
        self.done.seconds = started.elapsed().as_secs_f64();
        Ok(self.done)
    }

    fn take(&mut self, item: Item) -> Result<()> {
        match item {
            Item::Event { row, event } => {
                let event_id = event.event_id.as_str().to_owned();
                // One row dated years ahead would age out everything that is really there.
                let dated = draft::check_time("event_timestamp", event.event_timestamp, self.clock);
                let late = event.event_timestamp < self.newest;
                let accepted = match dated {
                    Ok(()) => self.journal.accept_event(event),
                    Err(invalid) => Err(invalid.into()),
                };
                match accepted {
                    Ok(Accepted::New(_)) => {
                        self.done.events += 1;
                        self.done.late += u64::from(late);
                    }
                    Ok(Accepted::Duplicate(_)) => self.done.duplicates += 1,
                    Err(error) => self.refuse(error, &event_id, Some(row))?,
                }
            }
            Item::Label(line) => match self.journal.resolve_label(&line, line.label_timestamp) {
                Ok(Some(label)) => {
                    self.journal.append(&Record::Label(label))?;
                    self.done.labels += 1;
                }
                Ok(None) => self.done.duplicates += 1,
                Err(error) => self.refuse(error, line.event_id.as_str(), None)?,
            },
            Item::Outcome(line) => {
                match self.journal.resolve_outcome(&line, line.outcome_timestamp) {
                    Ok(Some(outcome)) => {
                        self.journal.append(&Record::Outcome(outcome))?;
                        self.done.outcomes += 1;
                    }
                    Ok(None) => self.done.duplicates += 1,
                    Err(error) => self.refuse(error, line.event_id.as_str(), None)?,
                }
            }
            Item::Reject(reject) => self.reject(serde_json::to_value(&reject)?)?,
        }
        Ok(())
    }

    /// What concerns one row is a reject; what concerns the log ends the import.
    fn refuse(&mut self, error: NodeError, event_id: &str, row: Option<u64>) -> Result<()> {
        let (code, field) = match &error {
            NodeError::Conflict { .. } => ("event_id_conflict", Some("event_id".to_owned())),
            NodeError::UnknownEvent { .. } => ("unknown_event", Some("event_id".to_owned())),
            NodeError::Invalid(invalid) => {
                (Invalid::code(invalid), invalid.field().map(str::to_owned))
            }
            _ => return Err(error.into()),
        };
        self.reject(json!({
            "row": row,
            "field": field,
            "code": code,
            "reason": error.to_string(),
            "raw": event_id,
        }))
    }

    fn reject(&mut self, line: Value) -> Result<()> {
        if self.rejects.is_none() {
            let file = File::create(&self.rejects_at)
                .with_context(|| format!("cannot write {}", self.rejects_at.display()))?;
            self.rejects = Some(BufWriter::new(file));
        }
        if let Some(rejects) = &mut self.rejects {
            serde_json::to_writer(&mut *rejects, &line)?;
            rejects.write_all(b"\n")?;
        }
        self.done.rejects += 1;
        if self.done.rejects > self.max_rejects {
            self.journal.commit()?;
            if let Some(rejects) = &mut self.rejects {
                rejects.flush()?;
            }
            bail!(
                "more than {} rows were refused (--max-rejects); they are in {}, the rest is in the log",
                self.max_rejects,
                self.rejects_at.display()
            );
        }
        Ok(())
    }
}

fn tell(cli: &Cli, file: &Path, rejects: &Path, done: &Imported) -> Result<()> {
    let rate = done.rows as f64 / done.seconds.max(1e-9);
    if cli.json {
        return Ok(show::json(&json!({
            "file": file,
            "rows": done.rows,
            "events": done.events,
            "labels": done.labels,
            "outcomes": done.outcomes,
            "duplicates": done.duplicates,
            "rejects": done.rejects,
            "late": done.late,
            "labels_withheld": done.labels_withheld,
            "seconds": done.seconds,
            "rows_per_second": rate,
        }))?);
    }
    let mut out = show::out();
    let grouped = show::grouped;
    writeln!(
        out,
        "{} rows: {} events, {} labels, {} outcomes, {} already there ({:.1} s, {} rows/s)",
        grouped(done.rows),
        grouped(done.events),
        grouped(done.labels),
        grouped(done.outcomes),
        grouped(done.duplicates),
        done.seconds,
        grouped(rate as u64),
    )?;
    if done.labels_withheld > 0 {
        writeln!(
            out,
            "{} labels left for later (--labels-until)",
            grouped(done.labels_withheld)
        )?;
    }
    if done.rejects > 0 {
        writeln!(
            out,
            "{} rows refused, see {}",
            grouped(done.rejects),
            rejects.display()
        )?;
    }
    Ok(())
}
