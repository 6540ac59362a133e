//! The edge: rows as JSON lines. The observable stream and the oracle are two files; both are written
//! under a temporary name and renamed when the last byte is on disk.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::field::{Value, for_each_field};
use crate::name::{Names, write_number};
use crate::params::Params;
use crate::row::Row;
use crate::secret::Secret;
use crate::world::{Counts, SimulateError, simulate};

/// Schema and import mapping of every simulated stream, written beside it.
pub const SCHEMA: &str = include_str!("../schema.toml");

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Format {
        path: PathBuf,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("{path} exists already: a world is not written over another")]
    Exists { path: PathBuf },
    #[error(transparent)]
    Params(#[from] crate::params::ParamError),
}

/// What is written beside schema, parameters and oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// `stream.jsonl`
    Written,
    LeftOut,
}

/// The folder of each bank's stream: the directory itself where there is one bank.
pub fn bank_folders(params: &Params, directory: &Path) -> Vec<PathBuf> {
    match params.banks {
        1 => vec![directory.to_owned()],
        banks => (0..banks)
            .map(|bank| directory.join(format!("bank-{bank}")))
            .collect(),
    }
}

/// Writes a world into `directory`: `stream.jsonl` and `schema.toml` (of several banks in `bank-N/` each),
/// `world.toml` with every parameter, and `oracle.jsonl`. `also` sees every observable row.
pub fn write_world(
    params: &Params,
    threads: usize,
    directory: &Path,
    lines: Lines,
    mut also: impl FnMut(&Row) -> Result<(), WriteError>,
) -> Result<Counts, WriteError> {
    // refuse before the first byte
    params.validate()?;
    let path = directory.join("oracle.jsonl");
    if path.exists() {
        return Err(WriteError::Exists { path });
    }
    let names = Names::new(params.seed);
    let mut streams = Vec::new();
    for folder in bank_folders(params, directory) {
        let mut schema = Draft::create(&folder, "schema.toml")?;
        schema.write_bytes(SCHEMA.as_bytes())?;
        schema.finish()?;
        if lines == Lines::Written {
            streams.push(Draft::create(&folder, "stream.jsonl")?);
        }
    }
    let mut stated = Draft::create(directory, "world.toml")?;
    stated.write_bytes(params.to_toml()?.as_bytes())?;
    stated.finish()?;
    let mut oracle = Draft::create(directory, "oracle.jsonl")?;
    let mut line = LineBuffer::default();
    let mut oracle_line = Vec::with_capacity(256);
    let observe = |row: &Row| {
        for (bank, stream) in streams.iter_mut().enumerate() {
            if let Some(line) = line.write(&names, row, bank as u8) {
                stream.write_bytes(line)?;
            }
        }
        also(row)
    };
    let confide = |secret: &Secret| {
        oracle_line.clear();
        write_oracle_line(&names, secret, &mut oracle_line);
        oracle.write_bytes(&oracle_line)
    };
    let counts = simulate(params, threads, observe, confide).map_err(|error| match error {
        SimulateError::Params(error) => WriteError::Params(error),
        SimulateError::Sink(error) => error,
    })?;
    for stream in streams {
        stream.finish()?;
    }
    oracle.finish()?;
    Ok(counts)
}

/// A file that exists under its name only when it is complete.
pub struct Draft {
    file: BufWriter<File>,
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    pub fn create(folder: &Path, name: &str) -> Result<Draft, WriteError> {
        let path = folder.join(name);
        let draft = folder.join(format!("{name}.partial"));
        fs::create_dir_all(folder).map_err(at(folder))?;
        let file = File::create(&draft).map_err(at(&draft))?;
        Ok(Draft {
            file: BufWriter::with_capacity(1 << 18, file),
            draft,
            path,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write_all(bytes).map_err(at(&self.draft))
    }

    pub fn finish(mut self) -> Result<(), WriteError> {
        self.file.flush().map_err(at(&self.draft))?;
        self.file.get_ref().sync_all().map_err(at(&self.draft))?;
        fs::rename(&self.draft, &self.path).map_err(at(&self.path))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io { path, source }
}

/// Rows as canonical JSON lines, in buffers that live across rows.
#[derive(Debug, Default)]
pub struct LineBuffer {
    line: Vec<u8>,
    scratch: Vec<u8>,
}

impl LineBuffer {
    /// The row as `bank` sees it, with its newline; none where the bank sees nothing.
    pub fn write(&mut self, names: &Names, row: &Row, bank: u8) -> Option<&[u8]> {
        let line = &mut self.line;
        line.clear();
        let seen = for_each_field(names, row, bank, &mut self.scratch, |column, value| {
            line.extend_from_slice(if line.is_empty() { b"{\"" } else { b",\"" });
            line.extend_from_slice(column.name().as_bytes());
            line.extend_from_slice(b"\":");
            write_value(value, line);
        });
        line.extend_from_slice(b"}\n");
        seen.then_some(line)
    }
}

fn write_value(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Number { value, places } => return write_decimal(value, places, out),
        _ => out.push(b'"'),
    }
    match value {
        Value::Text(text) => out.extend_from_slice(text),
        Value::Time(time) => time.write_iso(out),
        Value::Money(amount) => write_decimal(amount.0, 2, out),
        Value::Number { .. } => {}
    }
    out.push(b'"');
}

fn write_decimal(value: i64, places: u32, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let unit = 10_u64.pow(places);
    let size = value.unsigned_abs();
    write_number(size / unit, out);
    out.push(b'.');
    let mut scale = unit / 10;
    while scale > 0 {
        out.push(b'0' + (size / scale % 10) as u8);
        scale /= 10;
    }
}

/// Appends one line of the oracle file.
pub fn write_oracle_line(names: &Names, secret: &Secret, out: &mut Vec<u8>) {
    let word = |out: &mut Vec<u8>, field: &str, value: &str| {
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(value.as_bytes());
    };
    word(out, "{\"event_id\":\"", "");
    names.event(secret.event, out);
    word(out, "\",\"role\":\"", secret.role.name());
    word(out, "\",\"typology\":\"", secret.typology.name());
    word(out, "\",\"ring\":\"", "");
    names.ring(secret.ring, out);
    word(out, "\",\"part\":\"", secret.part.name());
    word(out, "\",\"stage\":\"", secret.stage.name());
    if let Some(event) = secret.earliest_evidence {
        word(out, "\",\"earliest_evidence\":\"", "");
        names.event(event, out);
    }
    out.extend_from_slice(b"\"}\n");
}
