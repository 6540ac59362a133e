//! Samples on disk, so that a retrain with new labels does not replay the history again.
//!
//! A file is named by what its samples depend on: schema, features, engine, producer, range. What is known of
//! the events is not in it: labels are read from the log each time. A file that lacks an event which is now
//! wanted is passed over and written anew. The sha256 of everything before it ends the file.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine::ENGINE_SEMANTICS;
use event::{EventTime, Position, Schema};
use node::{History, Place};
use sha2::{Digest, Sha256};

use super::kept::{Kept, Who};
use super::{DatasetError, Rows, Unknown, Wanted, gather, look, survey};
use crate::neural::arrays::Arrays;
use graph::sample::SampleParts;

const MAGIC: &[u8; 8] = b"RFSAMPL1";
/// Bytes hashed and moved at a time; a multiple of 4.
const BUFFER: usize = 1 << 16;

/// Where rows came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Replay,
    File(PathBuf),
}

/// As [`super::collect`], by way of a file in the tenant's folder `samples`.
pub fn collect(
    place: &Place,
    wanted: Wanted<'_>,
    progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<(Rows, Origin), DatasetError> {
    let history = History::open(place)?.until(wanted.labels.end);
    let schema = history.schema();
    let found = survey(&history, wanted.range, wanted.labels)?;
    let rate = found.negative_rate(wanted.range.rows_max)?;
    let folder = place.root().join("samples");
    let path = folder.join(format!("{}.samples", name(schema, &wanted)));
    if let Some(kept) = read(&path)
        && covers(&kept, &history, &wanted, rate)?
    {
        return Ok((
            kept.settle(&wanted, schema, rate, found.unknown)?,
            Origin::File(path),
        ));
    }
    let kept = gather(
        &history,
        &wanted,
        (rate, found.last),
        Unknown::Keep,
        progress,
    )?;
    let stored = |source| DatasetError::Stored {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(&folder).map_err(stored)?;
    write(&path, &kept).map_err(stored)?;
    // One range at a time: samples of another take as much room and may never be asked for again.
    for entry in fs::read_dir(&folder).map_err(stored)? {
        let other = entry.map_err(stored)?.path();
        if other != path && other.extension().is_some_and(|it| it == "samples") {
            fs::remove_file(other).map_err(stored)?;
        }
    }
    Ok((
        kept.settle(&wanted, schema, rate, found.unknown)?,
        Origin::Replay,
    ))
}

/// 16 hex digits over everything that a sample depends on but the log.
fn name(schema: &Schema, wanted: &Wanted<'_>) -> String {
    let features = graph::FeatureList::new(schema);
    let mut hash = Sha256::new();
    hash.update(schema.hash().hex());
    hash.update(features.hash());
    hash.update(ENGINE_SEMANTICS.to_le_bytes());
    for time in [wanted.range.from, wanted.range.until] {
        hash.update(time.millis().to_le_bytes());
    }
    hash.update([u8::from(wanted.parts == SampleParts::Full)]);
    if let Some(producer) = wanted.producer {
        hash.update(producer.identity(&schema.hash().hex(), &features.names()));
    }
    let digest: [u8; 32] = hash.finalize().into();
    event::hex(&digest[..8])
}

/// Whether every event that is wanted now has its sample in the file.
fn covers(
    kept: &Kept,
    history: &History,
    wanted: &Wanted<'_>,
    rate: f64,
) -> Result<bool, DatasetError> {
    let places = kept.places();
    let mut all = true;
    let drawn = rate.min(kept.rate);
    look(history, wanted.range, wanted.labels, |who, truth| {
        let asked = match truth {
            Some(true) => true,
            Some(false) => super::keeps(who.key, drawn),
            None => false,
        };
        // The same event still: a log that was repaired may hold another one at a place.
        let held = places.get(&who.position);
        all &= !asked || held.is_some_and(|row| kept.who[*row] == who);
    })?;
    Ok(all)
}

/// Writes that reach the disk a little at a time. A file of hundreds of megabytes that the system writes back in one go
/// holds up whoever syncs another file meanwhile, and that may be the log of decisions.
struct Paced {
    file: File,
    /// Bytes since it was synced.
    behind: usize,
}

const BEHIND_MAX: usize = 4 << 20;

impl Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.behind >= BEHIND_MAX {
            self.file.sync_data()?;
            self.behind = 0;
        }
        let written = self.file.write(bytes)?;
        self.behind += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What goes through is hashed.
struct Hashed<T> {
    inner: T,
    hash: Sha256,
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hash.update(&bytes[..read]);
        Ok(read)
    }
}

fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    let temporary = path.with_extension("samples.tmp");
    let paced = Paced {
        file: File::create(&temporary)?,
        behind: 0,
    };
    let mut to = Hashed {
        inner: BufWriter::new(paced),
        hash: Sha256::new(),
    };
    to.write_all(MAGIC)?;
    let roles = kept.arrays.as_ref().map_or(0, Arrays::roles);
    for number in [kept.width, kept.who.len(), roles] {
        to.write_all(&(number as u64).to_le_bytes())?;
    }
    to.write_all(&kept.rate.to_le_bytes())?;
    for who in &kept.who {
        to.write_all(&who.position.0.to_le_bytes())?;
        to.write_all(&who.time.millis().to_le_bytes())?;
        to.write_all(&who.key.to_le_bytes())?;
    }
    write_values(&mut to, &kept.values, f32::to_le_bytes)?;
    if let Some(arrays) = &kept.arrays {
        let (floats, starts) = arrays.parts();
        for values in floats {
            write_values(&mut to, values, f32::to_le_bytes)?;
        }
        for values in starts {
            write_values(&mut to, values, u32::to_le_bytes)?;
        }
    }
    let digest = to.hash.finalize();
    to.inner.write_all(&digest)?;
    let Paced { file, .. } = to
        .inner
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn write_values<T: Copy>(
    to: &mut impl Write,
    values: &[T],
    bytes: fn(T) -> [u8; 4],
) -> io::Result<()> {
    to.write_all(&(values.len() as u64).to_le_bytes())?;
    let mut buffer = Vec::with_capacity(BUFFER);
    for part in values.chunks(BUFFER / 4) {
        buffer.clear();
        buffer.extend(part.iter().flat_map(|value| bytes(*value)));
        to.write_all(&buffer)?;
    }
    Ok(())
}

/// `None` for a file that is missing, cut off, damaged or of another version: it can always be made again.
fn read(path: &Path) -> Option<Kept> {
    let file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut from = Hashed {
        inner: BufReader::with_capacity(1 << 20, file),
        hash: Sha256::new(),
    };
    if take::<8>(&mut from)? != *MAGIC {
        return None;
    }
    let mut number = || Some(u64::from_le_bytes(take(&mut from)?));
    let (width, rows, roles) = (number()?, number()?, number()?);
    let rate = f64::from_le_bytes(take(&mut from)?);
    if rows.checked_mul(24)? > size {
        return None;
    }
    let mut who = Vec::with_capacity(rows as usize);
    for _ in 0..rows {
        who.push(Who {
            position: Position(u64::from_le_bytes(take(&mut from)?)),
            time: EventTime::from_millis(i64::from_le_bytes(take(&mut from)?)),
            key: u64::from_le_bytes(take(&mut from)?),
        });
    }
    let values = read_values(&mut from, size, f32::from_le_bytes)?;
    let arrays = match roles {
        0 => None,
        _ => {
            let mut floats = || read_values(&mut from, size, f32::from_le_bytes);
            let floats = [floats()?, floats()?, floats()?];
            let mut starts = || read_values(&mut from, size, u32::from_le_bytes);
            let starts = [starts()?, starts()?];
            Some(Arrays::of_parts(
                roles as usize,
                rows as usize,
                floats,
                starts,
            )?)
        }
    };
    let computed = from.hash.clone().finalize();
    let stated = take::<32>(&mut from)?;
    let whole = computed.as_slice() == stated && values.len() as u64 == rows.checked_mul(width)?;
    whole.then_some(Kept {
        width: width as usize,
        who,
        values,
        arrays,
        rate,
    })
}

fn take<const N: usize>(from: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn read_values<T>(from: &mut impl Read, size: u64, value: fn([u8; 4]) -> T) -> Option<Vec<T>> {
    let len = u64::from_le_bytes(take(from)?);
    if len.checked_mul(4)? > size {
        return None;
    }
    let mut values = Vec::with_capacity(len as usize);
    let mut buffer = vec![0; BUFFER];
    while values.len() < len as usize {
        let bytes = BUFFER.min(4 * (len as usize - values.len()));
        from.read_exact(&mut buffer[..bytes]).ok()?;
        let chunks = buffer[..bytes].as_chunks::<4>().0.iter();
        values.extend(chunks.map(|it| value(*it)));
    }
    Some(values)
}
