//! The bytes of a text file: plain, gzip or zstd by their first bytes, whatever the name says.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The decompressed bytes, and how much of the file they took.
pub(crate) struct Bytes {
    pub reader: Box<dyn Read + Send>,
    pub read: Arc<AtomicU64>,
    pub total: u64,
}

/// Counts what leaves the disk, for progress.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(buffer)?;
        self.read.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

pub(crate) fn open(path: &Path) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    // put before the rest again: a pipe cannot be rewound
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic)?;
    let read = Arc::new(AtomicU64::new(magic.len() as u64));
    let counted = Counted {
        file,
        read: Arc::clone(&read),
    };
    let is_gzip = magic.starts_with(&GZIP);
    let is_zstd = magic == ZSTD;
    let counted = io::Cursor::new(magic).chain(counted);
    let reader: Box<dyn Read + Send> = if is_gzip {
        let buffered = BufReader::with_capacity(1 << 16, counted);
        Box::new(flate2::bufread::MultiGzDecoder::new(buffered))
    } else if is_zstd {
        Box::new(zstd::stream::read::Decoder::new(counted)?)
    } else {
        Box::new(counted)
    };
    Ok(Bytes {
        reader,
        read,
        total,
    })
}
