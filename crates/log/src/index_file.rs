//! The index file of a sealed segment: filter, sorted keys, sparse positions.
//!
//! It is derived from the segment and can be rebuilt at any time, so it is written without fsync
//! and bound to the segment's content by the checksum chain. What fails a checksum is rebuilt,
//! never believed. Resident per segment: about 1.5 bytes a key for the filter, 8 bytes per 255 keys
//! and 8 bytes per 16 KiB of segment; the keys themselves stay on disk.
//! The filter is a split-block Bloom filter (Putze, Sanders, Singler: Cache-, hash- and
//! space-efficient Bloom filters, 2007), 12 bits a key.

use std::fs::File;
use std::path::Path;

use crc32c::{crc32c, crc32c_append};

use crate::frame::{FORMAT_VERSION, put_u32, put_u64, u32_at, u64_at};
use crate::key_index::ActiveIndex;
use crate::{LogError, LogId, disk};

const MAGIC: [u8; 8] = *b"RINGFIDX";
pub(crate) const HEADER_LEN: usize = 96;
const BLOCK_WORDS: usize = 8;
const BLOCK_LEN: usize = 4 * BLOCK_WORDS;
const FILTER_BITS_PER_KEY: usize = 12;
const PAGE_LEN: usize = 4096;
const PAGE_HEAD: usize = 8;
const ENTRY_LEN: usize = 16;
const PAGE_ENTRIES: usize = 255;
const _: () = assert!(PAGE_HEAD + PAGE_ENTRIES * ENTRY_LEN <= PAGE_LEN);
/// A sparse entry at least this many segment bytes after the one before.
pub(crate) const SPARSE_STRIDE: u32 = 16 << 10;
/// One odd multiplier per filter word; part of the format.
const SALTS: [u32; BLOCK_WORDS] = [
    0x9e37_79b1,
    0x85eb_ca77,
    0xc2b2_ae3d,
    0x27d4_eb2f,
    0x1656_67b1,
    0xd6e8_feb9,
    0xa5cb_9243,
    0xff51_afd7,
];

/// What an index must say to belong to a sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentIdentity {
    pub(crate) id: LogId,
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) chain: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexHeader {
    segment: SegmentIdentity,
    oldest_ms: i64,
    newest_ms: i64,
    sparse_len: u32,
    key_count: u32,
    filter_blocks: u32,
    page_count: u32,
    tables_crc: u32,
}

impl IndexHeader {
    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        put_u32(&mut bytes, 8, FORMAT_VERSION);
        bytes[16..32].copy_from_slice(&self.segment.id.0);
        put_u64(&mut bytes, 32, self.segment.first);
        put_u64(&mut bytes, 40, self.segment.next);
        put_u32(&mut bytes, 48, self.segment.chain);
        put_u32(&mut bytes, 52, self.sparse_len);
        put_u64(&mut bytes, 56, self.oldest_ms as u64);
        put_u64(&mut bytes, 64, self.newest_ms as u64);
        put_u32(&mut bytes, 72, self.key_count);
        put_u32(&mut bytes, 76, self.filter_blocks);
        put_u32(&mut bytes, 80, self.page_count);
        put_u32(&mut bytes, 84, self.tables_crc);
        let crc = crc32c(&bytes[..92]);
        put_u32(&mut bytes, 92, crc);
        bytes
    }

    /// None unless intact and about exactly this segment content.
    pub(crate) fn decode(bytes: &[u8], segment: SegmentIdentity) -> Option<Self> {
        let intact = bytes.len() >= HEADER_LEN
            && bytes[..8] == MAGIC
            && u32_at(bytes, 8) == FORMAT_VERSION
            && crc32c(&bytes[..92]) == u32_at(bytes, 92);
        if !intact {
            return None;
        }
        let found = SegmentIdentity {
            id: LogId::from_slice(&bytes[16..32]),
            first: u64_at(bytes, 32),
            next: u64_at(bytes, 40),
            chain: u32_at(bytes, 48),
        };
        (found == segment).then(|| Self {
            segment,
            oldest_ms: u64_at(bytes, 56) as i64,
            newest_ms: u64_at(bytes, 64) as i64,
            sparse_len: u32_at(bytes, 52),
            key_count: u32_at(bytes, 72),
            filter_blocks: u32_at(bytes, 76),
            page_count: u32_at(bytes, 80),
            tables_crc: u32_at(bytes, 84),
        })
    }

    pub(crate) fn time_range(&self) -> (i64, i64) {
        (self.oldest_ms, self.newest_ms)
    }

    fn filter_at(&self) -> usize {
        8 * self.sparse_len as usize
    }

    fn fences_at(&self) -> usize {
        self.filter_at() + BLOCK_LEN * self.filter_blocks as usize
    }

    fn tables_len(&self) -> usize {
        self.fences_at() + 8 * self.page_count as usize
    }
}

/// The whole index file of a sealed segment, a pure function of the segment.
pub(crate) fn encode(segment: SegmentIdentity, index: &ActiveIndex) -> Vec<u8> {
    let keys = index.sorted_keys();
    let (oldest_ms, newest_ms) = index.time_range();
    let mut tables = Vec::new();
    let mut sparse_len = 0;
    let mut due = 0;
    for (offset, relative) in index.offsets().zip(0_u32..) {
        if offset >= due {
            tables.extend_from_slice(&relative.to_le_bytes());
            tables.extend_from_slice(&offset.to_le_bytes());
            sparse_len += 1;
            due = offset + SPARSE_STRIDE;
        }
    }
    let filter_blocks = (keys.len() * FILTER_BITS_PER_KEY)
        .div_ceil(8 * BLOCK_LEN)
        .max(1);
    let mut filter = vec![0_u32; filter_blocks * BLOCK_WORDS];
    for (key, _, _) in &keys {
        let (block, mask) = filter_slot(*key, filter_blocks);
        for (word, bit) in filter[block * BLOCK_WORDS..].iter_mut().zip(mask) {
            *word |= bit;
        }
    }
    tables.extend(filter.iter().flat_map(|word| word.to_le_bytes()));
    for page in keys.chunks(PAGE_ENTRIES) {
        tables.extend_from_slice(&page[0].0.to_le_bytes());
    }
    let header = IndexHeader {
        segment,
        oldest_ms,
        newest_ms,
        sparse_len,
        key_count: keys.len() as u32,
        filter_blocks: filter_blocks as u32,
        page_count: keys.len().div_ceil(PAGE_ENTRIES) as u32,
        tables_crc: crc32c(&tables),
    };
    let mut bytes = header.encode().to_vec();
    bytes.append(&mut tables);
    for (page, number) in keys.chunks(PAGE_ENTRIES).zip(0..) {
        bytes.extend_from_slice(&encode_page(page, segment.chain ^ number));
    }
    bytes
}

fn encode_page(entries: &[(u64, u32, u32)], seed: u32) -> [u8; PAGE_LEN] {
    let mut page = [0; PAGE_LEN];
    put_u32(&mut page, 4, entries.len() as u32);
    for (slot, (key, relative, offset)) in
        page[PAGE_HEAD..].chunks_exact_mut(ENTRY_LEN).zip(entries)
    {
        put_u64(slot, 0, *key);
        put_u32(slot, 8, *relative);
        put_u32(slot, 12, *offset);
    }
    let crc = crc32c_append(seed, &page[4..]);
    put_u32(&mut page, 0, crc);
    page
}

/// Block and one bit per word. The key is mixed first (the finaliser of splitmix64): the caller's
/// hash need not be uniform.
fn filter_slot(key: u64, blocks: usize) -> (usize, [u32; BLOCK_WORDS]) {
    let mut mixed = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let block = ((mixed >> 32) * blocks as u64) >> 32;
    let low = mixed as u32;
    (
        block as usize,
        SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27)),
    )
}

/// The resident part of an index file.
#[derive(Debug)]
pub(crate) struct SealedIndex {
    header: IndexHeader,
    tables: Vec<u8>,
}

impl SealedIndex {
    /// None when the file is missing, damaged or about other content: rebuild it.
    pub(crate) fn load(path: &Path, segment: SegmentIdentity) -> Result<Option<Self>, LogError> {
        let Ok(file) = File::open(path) else {
            return Ok(None);
        };
        let mut head = [0; HEADER_LEN];
        let filled = disk::read_up_to(&file, path, &mut head, 0)?;
        let Some(header) = IndexHeader::decode(&head[..filled], segment) else {
            return Ok(None);
        };
        let mut tables = vec![0; header.tables_len()];
        let filled = disk::read_up_to(&file, path, &mut tables, HEADER_LEN as u64)?;
        let intact = filled == tables.len() && crc32c(&tables) == header.tables_crc;
        Ok(intact.then_some(Self { header, tables }))
    }

    pub(crate) fn may_contain(&self, key: u64) -> bool {
        let (block, mask) = filter_slot(key, self.header.filter_blocks as usize);
        let words = &self.tables[self.header.filter_at() + block * BLOCK_LEN..][..BLOCK_LEN];
        mask.iter()
            .zip(words.chunks_exact(4))
            .all(|(bit, word)| u32_at(word, 0) & bit != 0)
    }

    /// `(record counted from the first, offset of its frame)` of a record in every [`SPARSE_STRIDE`] bytes.
    pub(crate) fn sparse(&self) -> Vec<(u32, u32)> {
        let entries = self.tables[..self.header.filter_at()].chunks_exact(8);
        entries.map(|it| (u32_at(it, 0), u32_at(it, 4))).collect()
    }

    fn fence(&self, page: usize) -> u64 {
        u64_at(&self.tables, self.header.fences_at() + 8 * page)
    }

    /// `(record counted from the first, offset)` of every record with `key`, oldest first; None when
    /// a page is damaged.
    pub(crate) fn lookup(
        &self,
        path: &Path,
        key: u64,
    ) -> Result<Option<Vec<(u32, u32)>>, LogError> {
        let pages = self.header.page_count as usize;
        let (mut low, mut high) = (0, pages);
        while low < high {
            let middle = low.midpoint(high);
            if self.fence(middle) < key {
                low = middle + 1
            } else {
                high = middle
            }
        }
        // the key may begin at the end of the page before the first fence that is not below it
        let mut page = low.saturating_sub(1);
        let Ok(file) = File::open(path) else {
            return Ok(None);
        };
        let mut found = Vec::new();
        while page < pages && self.fence(page) <= key {
            let Some(bytes) = self.read_page(&file, path, page)? else {
                return Ok(None);
            };
            let count = (u32_at(&bytes, 4) as usize).min(PAGE_ENTRIES);
            let entries = bytes[PAGE_HEAD..].chunks_exact(ENTRY_LEN).take(count);
            found.extend(
                entries
                    .filter(|entry| u64_at(entry, 0) == key)
                    .map(|entry| (u32_at(entry, 8), u32_at(entry, 12))),
            );
            page += 1;
        }
        Ok(Some(found))
    }

    fn read_page(
        &self,
        file: &File,
        path: &Path,
        page: usize,
    ) -> Result<Option<[u8; PAGE_LEN]>, LogError> {
        let at = HEADER_LEN + self.tables.len() + page * PAGE_LEN;
        let mut bytes = [0; PAGE_LEN];
        let filled = disk::read_up_to(file, path, &mut bytes, at as u64)?;
        let seed = self.header.segment.chain ^ page as u32;
        let intact = filled == PAGE_LEN && crc32c_append(seed, &bytes[4..]) == u32_at(&bytes, 0);
        Ok(intact.then_some(bytes))
    }
}
