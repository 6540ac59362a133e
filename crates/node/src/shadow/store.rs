//! What a shadow said, one file per model: `shadow/<model>.scores`, and `<model>.older.scores` before it.
//!
//! A head names the model; then come blocks, each with its count, its first position and a checksum, so that a write
//! that a crash cut short is seen and cut off. Nothing is fsynced: a power loss may take the latest scores with it,
//! and coverage says so. When a file has half of the bytes that a shadow may have it takes the older one's place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use event::{EventId, EventTime, Position, hex};

use crate::{NodeError, Place};

const MAGIC: [u8; 8] = *b"RINGFSHD";
const VERSION: u32 = 1;
/// Magic, version, model, checksum.
const HEAD: usize = 8 + 4 + 32 + 4;
/// Count, first position, its time, checksum.
const BLOCK_HEAD: usize = 4 + 8 + 8 + 4;
const BLOCK_SUM: usize = BLOCK_HEAD - 4;
/// Distances from the first position and its time, check, score, probability, time of the score and of the deciding
/// model's.
const ENTRY: usize = 4 + 4 + 4 + 2 + 4 + 4 + 4;
/// Entries of a block at most.
pub const BLOCK_MAX: usize = 512;
/// Without both files and room for a few blocks there is nothing to rotate.
pub const BYTES_MIN: u64 = 64 << 10;

/// One score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Of the event.
    pub position: Position,
    pub at: EventTime,
    /// Of the event's id: the position of an event that a power loss took may be another's later.
    pub check: u32,
    pub score: u16,
    pub probability_ppm: u32,
    /// CPU time of this score.
    pub nanos: u32,
    /// What the deciding model's score took on the owner's thread; 0: nobody measured.
    pub deciding_nanos: u32,
}

pub fn check_of(id: &EventId) -> u32 {
    crc32c::crc32c(id.as_str().as_bytes())
}

/// Appends to a shadow's file.
#[derive(Debug)]
pub struct ScoreWriter {
    place: Place,
    artifact: [u8; 32],
    file: File,
    bytes: u64,
    bytes_max: u64,
    first: (Position, EventTime),
    count: u32,
    pending: Vec<u8>,
}

/// What was found of a file that was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Bytes of a write that was cut short, taken off.
    pub torn_bytes: u64,
    /// It was no such file, or damaged before its end: what could not be read lies beside it as `.damaged`.
    pub damaged: bool,
}

impl ScoreWriter {
    pub fn open(
        place: &Place,
        artifact: [u8; 32],
        bytes_max: u64,
    ) -> Result<(ScoreWriter, Found), NodeError> {
        let folder = place.shadow();
        fs::create_dir_all(&folder).map_err(failed("make", &folder))?;
        let path = newer(place, &artifact);
        let (file, bytes, found) = open(&path, &artifact).map_err(failed("open", &path))?;
        let writer = ScoreWriter {
            place: place.clone(),
            artifact,
            file,
            bytes,
            bytes_max: bytes_max.max(BYTES_MIN),
            first: (Position(0), EventTime::MIN),
            count: 0,
            pending: Vec::with_capacity(BLOCK_HEAD + BLOCK_MAX * ENTRY),
        };
        Ok((writer, found))
    }

    /// In the file after the next [`ScoreWriter::flush`], or when a block is full.
    pub fn push(&mut self, entry: &Entry) -> Result<(), NodeError> {
        // What a block cannot hold, for its number, its distance, or because a lost log began again before it.
        let full = self.count as usize == BLOCK_MAX;
        let near = self.distances(entry).filter(|_| !full);
        let (positions, millis) = match near {
            Some(distances) if self.count > 0 => distances,
            _ => {
                self.flush()?;
                self.first = (entry.position, entry.at);
                self.pending.resize(BLOCK_HEAD, 0);
                (0, 0)
            }
        };
        let out = &mut self.pending;
        out.extend_from_slice(&positions.to_le_bytes());
        out.extend_from_slice(&millis.to_le_bytes());
        out.extend_from_slice(&entry.check.to_le_bytes());
        out.extend_from_slice(&entry.score.to_le_bytes());
        out.extend_from_slice(&entry.probability_ppm.to_le_bytes());
        out.extend_from_slice(&entry.nanos.to_le_bytes());
        out.extend_from_slice(&entry.deciding_nanos.to_le_bytes());
        self.count += 1;
        Ok(())
    }

    fn distances(&self, entry: &Entry) -> Option<(u32, i32)> {
        let (position, at) = self.first;
        let positions = entry.position.0.checked_sub(position.0)?;
        let millis = entry.at.millis() - at.millis();
        Some((u32::try_from(positions).ok()?, i32::try_from(millis).ok()?))
    }

    /// Writes what waits as one block. What cannot be written is given up: the next block begins anew.
    pub fn flush(&mut self) -> Result<(), NodeError> {
        if self.count == 0 {
            return Ok(());
        }
        self.pending[..4].copy_from_slice(&self.count.to_le_bytes());
        let (position, at) = self.first;
        self.pending[4..12].copy_from_slice(&position.0.to_le_bytes());
        self.pending[12..BLOCK_SUM].copy_from_slice(&at.millis().to_le_bytes());
        let checksum = checksum(&self.pending[..BLOCK_SUM], &self.pending[BLOCK_HEAD..]);
        self.pending[BLOCK_SUM..BLOCK_HEAD].copy_from_slice(&checksum.to_le_bytes());
        let written = self.write_block();
        self.pending.clear();
        self.count = 0;
        let path = newer(&self.place, &self.artifact);
        written.map_err(failed("write", &path))
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.bytes + self.pending.len() as u64 > self.bytes_max / 2 {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(&self.pending) {
            // Half a block would hide those behind it.
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::End(0))?;
            return Err(error);
        }
        self.bytes += self.pending.len() as u64;
        Ok(())
    }

    /// The older file goes when there is a fresh one that was written to: on a full disk there is none.
    fn rotate(&mut self) -> io::Result<()> {
        let path = newer(&self.place, &self.artifact);
        let draft = path.with_extension("fresh");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let mut file = options.open(&draft)?;
        file.write_all(&head(&self.artifact))?;
        match fs::rename(&path, older(&self.place, &self.artifact)) {
            // It has become the older one already, or somebody removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        fs::rename(&draft, &path)?;
        (self.file, self.bytes) = (file, HEAD as u64);
        Ok(())
    }
}

fn checksum(head: &[u8], entries: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(head), entries)
}

fn newer(place: &Place, artifact: &[u8; 32]) -> PathBuf {
    place.shadow().join(format!("{}.scores", hex(artifact)))
}

fn older(place: &Place, artifact: &[u8; 32]) -> PathBuf {
    let name = format!("{}.older.scores", hex(artifact));
    place.shadow().join(name)
}

/// Ready to be appended to, with its length.
fn open(path: &Path, artifact: &[u8; 32]) -> io::Result<(File, u64, Found)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path)?;
    let bytes = file.metadata()?.len();
    let mut found = Found::default();
    if bytes == 0 {
        file.write_all(&head(artifact))?;
        return Ok((file, HEAD as u64, found));
    }
    let scanned = scan(&mut BufReader::new(&file), artifact, |_| {})?;
    let left = bytes - scanned.sound;
    if scanned.sound == 0 {
        found.damaged = true;
        drop(file);
        fs::rename(path, path.with_extension("damaged"))?;
        let mut file = options.open(path)?;
        file.write_all(&head(artifact))?;
        return Ok((file, HEAD as u64, found));
    }
    if left > (BLOCK_HEAD + BLOCK_MAX * ENTRY) as u64 {
        found.damaged = true;
        fs::copy(path, path.with_extension("damaged"))?;
    } else {
        found.torn_bytes = left;
    }
    if left > 0 {
        file.set_len(scanned.sound)?;
    }
    file.seek(SeekFrom::End(0))?;
    Ok((file, scanned.sound, found))
}

fn head(artifact: &[u8; 32]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..44].copy_from_slice(artifact);
    let checksum = crc32c::crc32c(&head[..44]);
    head[44..].copy_from_slice(&checksum.to_le_bytes());
    head
}

struct Scanned {
    /// Bytes that check out, from the beginning on; 0: not even the head does.
    sound: u64,
}

/// Hands every entry of the blocks that check out to `each`, up to the first that does not.
fn scan(
    from: &mut impl Read,
    artifact: &[u8; 32],
    mut each: impl FnMut(Entry),
) -> io::Result<Scanned> {
    let mut held = [0; HEAD];
    if !fill(from, &mut held)? || held != head(artifact) {
        return Ok(Scanned { sound: 0 });
    }
    let mut sound = HEAD as u64;
    let mut block = vec![0; BLOCK_MAX * ENTRY];
    loop {
        let mut head = [0; BLOCK_HEAD];
        if !fill(from, &mut head)? {
            return Ok(Scanned { sound });
        }
        let count = word(&head, 0) as usize;
        let first = (long(&head, 4), long(&head, 12) as i64);
        if !(1..=BLOCK_MAX).contains(&count) {
            return Ok(Scanned { sound });
        }
        let entries = &mut block[..count * ENTRY];
        let whole = fill(from, entries)?;
        if !whole || checksum(&head[..BLOCK_SUM], entries) != word(&head, BLOCK_SUM) {
            return Ok(Scanned { sound });
        }
        sound += (BLOCK_HEAD + entries.len()) as u64;
        for entry in entries.as_chunks::<ENTRY>().0 {
            each(decode(first, entry));
        }
    }
}

/// False when the end comes first.
fn fill(from: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(out) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

fn decode((position, millis): (u64, i64), bytes: &[u8; ENTRY]) -> Entry {
    let later = i64::from(word(bytes, 4) as i32);
    Entry {
        position: Position(position + u64::from(word(bytes, 0))),
        at: EventTime::from_millis(millis + later),
        check: word(bytes, 8),
        score: u16::from_le_bytes([bytes[12], bytes[13]]),
        probability_ppm: word(bytes, 14),
        nanos: word(bytes, 18),
        deciding_nanos: word(bytes, 22),
    }
}

/// What is held of a shadow's scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// Ascending by position, one of each.
    pub entries: Vec<Entry>,
    /// A file is no such file, or damaged before its end.
    pub damaged: bool,
}

/// Reads a shadow's scores of the events of a stretch of event time, the end not included, while somebody may be
/// writing.
pub fn read(
    place: &Place,
    artifact: &[u8; 32],
    stretch: Range<EventTime>,
) -> Result<Held, NodeError> {
    let mut held = Held::default();
    // The newer first: should it become the older one meanwhile it is read twice, and not left out.
    let newer = newer(place, artifact);
    let older = older(place, artifact);
    for path in [newer, older] {
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            file => file.map_err(failed("open", &path))?,
        };
        let bytes = file.metadata().map_err(failed("read", &path))?.len();
        let before = held.entries.len();
        let keep = |entry: Entry| {
            if stretch.contains(&entry.at) {
                held.entries.push(entry);
            }
        };
        let scanned = scan(&mut BufReader::new(file), artifact, keep);
        let scanned = scanned.map_err(failed("read", &path))?;
        // Older entries go before newer ones of the same position: the later stays.
        held.entries.rotate_left(before);
        let whole = (BLOCK_HEAD + BLOCK_MAX * ENTRY) as u64;
        held.damaged |= scanned.sound == 0 && bytes > 0 || scanned.sound + whole < bytes;
    }
    held.entries.sort_by_key(|entry| entry.position);
    held.entries.reverse();
    held.entries.dedup_by_key(|entry| entry.position);
    held.entries.reverse();
    Ok(held)
}

/// Removes the files of whose events the log holds none any more, but for those of models that are to keep theirs.
pub(crate) fn remove_before(
    place: &Place,
    boundary: Position,
    keeps: impl Fn(&[u8; 32]) -> bool,
) -> Result<(), NodeError> {
    let folder = place.shadow();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed("read", &folder))?,
    };
    for entry in entries {
        let path = entry.map_err(failed("read", &folder))?.path();
        let read = File::open(&path).and_then(|file| last(&mut BufReader::new(file), &keeps));
        let read = read.map_err(failed("read", &path))?;
        // What is no such file is not this function's to remove. Reading takes long: a model may have become one that
        // somebody writes for.
        if let Some((artifact, last)) = read
            && last < boundary
            && !keeps(&artifact)
        {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}

/// The model that a file is of, and its latest event; not of one that keeps its files: they are long.
fn last(
    from: &mut impl Read,
    keeps: impl Fn(&[u8; 32]) -> bool,
) -> io::Result<Option<([u8; 32], Position)>> {
    let mut head = [0; HEAD];
    if !fill(from, &mut head)? {
        return Ok(None);
    }
    let mut artifact = [0; 32];
    artifact.copy_from_slice(&head[12..44]);
    if keeps(&artifact) {
        return Ok(None);
    }
    let mut last = Position(0);
    let mut whole = io::Read::chain(&head[..], from);
    let scanned = scan(&mut whole, &artifact, |entry| {
        last = last.max(entry.position)
    })?;
    Ok((scanned.sound > 0).then_some((artifact, last)))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NodeError {
    let path = path.to_path_buf();
    move |source| NodeError::Io { what, path, source }
}
