//! The bytes of a segment: header and frames. `docs/log-format.md` is the specification; the golden
//! files under `tests/golden` hold version 1 still. All integers are little-endian.
//!
//! A group frame stands *before* its records and holds their count, their length, its own file
//! offset and the checksum chain after them: it is recognisable by itself anywhere in a file, which
//! is what tells a torn tail from a corrupt middle (`scan.rs`).

use crc32c::{crc32c, crc32c_append};

use crate::LogId;

pub(crate) const FORMAT_VERSION: u32 = 1;
pub(crate) const SEGMENT_MAGIC: [u8; 8] = *b"RINGFSEG";
pub(crate) const HEADER_LEN: usize = 64;
/// Checksum and kind/length word of every frame.
pub(crate) const FRAME_HEAD: usize = 8;
pub(crate) const GROUP_LEN: usize = 32;
pub(crate) const SEAL_LEN: usize = 24;
pub(crate) const RECORD_LEN_MIN: usize = FRAME_HEAD + 8;
/// The length field of a frame has 24 bits; the body of the longest record adds time and key.
pub(crate) const PAYLOAD_MAX: usize = (1 << 24) - 1 - 16;

const KIND_RECORD: u32 = 1;
const KIND_KEYED_RECORD: u32 = 2;
const GROUP_WORD: u32 = (3 << 24) | (GROUP_LEN - FRAME_HEAD) as u32;
const SEAL_WORD: u32 = (4 << 24) | (SEAL_LEN - FRAME_HEAD) as u32;

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | (u64::from(u32_at(bytes, at + 4)) << 32)
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Every frame checksum starts from it, so that frames of another log never check out.
pub(crate) fn log_seed(id: LogId) -> u32 {
    crc32c(&id.0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) id: LogId,
    pub(crate) first: u64,
    /// Chain at the end of the segment before; the log's seed at position 0.
    pub(crate) chain: u32,
}

pub(crate) enum HeaderFault {
    Damaged,
    Version(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        put_u32(&mut bytes, 8, FORMAT_VERSION);
        bytes[16..32].copy_from_slice(&self.id.0);
        put_u64(&mut bytes, 32, self.first);
        put_u32(&mut bytes, 40, self.chain);
        let crc = crc32c(&bytes[..60]);
        put_u32(&mut bytes, 60, crc);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        if bytes.len() < HEADER_LEN
            || bytes[..8] != SEGMENT_MAGIC
            || crc32c(&bytes[..60]) != u32_at(bytes, 60)
        {
            return Err(HeaderFault::Damaged);
        }
        match u32_at(bytes, 8) {
            FORMAT_VERSION => Ok(Self {
                id: LogId::from_slice(&bytes[16..32]),
                first: u64_at(bytes, 32),
                chain: u32_at(bytes, 40),
            }),
            version => Err(HeaderFault::Version(version)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupFrame {
    pub(crate) first: u64,
    pub(crate) body_len: u32,
    pub(crate) count: u32,
    /// Checksum over the chain before and every record checksum of the group, in order.
    pub(crate) chain: u32,
}

impl GroupFrame {
    /// `at` is the frame's offset in its segment; it is stored, so a copy elsewhere is no frame.
    pub(crate) fn encode(&self, seed: u32, at: u64) -> [u8; GROUP_LEN] {
        let mut bytes = [0; GROUP_LEN];
        put_u32(&mut bytes, 4, GROUP_WORD);
        put_u64(&mut bytes, 8, self.first);
        put_u32(&mut bytes, 16, at as u32);
        put_u32(&mut bytes, 20, self.body_len);
        put_u32(&mut bytes, 24, self.count);
        put_u32(&mut bytes, 28, self.chain);
        let crc = crc32c_append(seed, &bytes[4..]);
        put_u32(&mut bytes, 0, crc);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], seed: u32, at: u64) -> Option<Self> {
        let valid = bytes.len() >= GROUP_LEN
            && u32_at(bytes, 4) == GROUP_WORD
            && u64::from(u32_at(bytes, 16)) == at
            && crc32c_append(seed, &bytes[4..GROUP_LEN]) == u32_at(bytes, 0);
        valid.then(|| Self {
            first: u64_at(bytes, 8),
            body_len: u32_at(bytes, 20),
            count: u32_at(bytes, 24),
            chain: u32_at(bytes, 28),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealFrame {
    pub(crate) next: u64,
    pub(crate) chain: u32,
}

impl SealFrame {
    pub(crate) fn encode(&self, seed: u32, at: u64) -> [u8; SEAL_LEN] {
        let mut bytes = [0; SEAL_LEN];
        put_u32(&mut bytes, 4, SEAL_WORD);
        put_u64(&mut bytes, 8, self.next);
        put_u32(&mut bytes, 16, at as u32);
        put_u32(&mut bytes, 20, self.chain);
        let crc = crc32c_append(seed, &bytes[4..]);
        put_u32(&mut bytes, 0, crc);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], seed: u32, at: u64) -> Option<Self> {
        let valid = bytes.len() >= SEAL_LEN
            && u32_at(bytes, 4) == SEAL_WORD
            && u64::from(u32_at(bytes, 16)) == at
            && crc32c_append(seed, &bytes[4..SEAL_LEN]) == u32_at(bytes, 0);
        valid.then(|| Self {
            next: u64_at(bytes, 8),
            chain: u32_at(bytes, 20),
        })
    }
}

/// Whether a frame that only a later group or a seal can have left begins at `bytes[0]`.
pub(crate) fn proves_later(bytes: &[u8], seed: u32, at: u64, position: u64) -> bool {
    match u32_at(bytes, 4) {
        GROUP_WORD => {
            GroupFrame::decode(bytes, seed, at).is_some_and(|group| group.first > position)
        }
        SEAL_WORD => SealFrame::decode(bytes, seed, at).is_some(),
        _ => false,
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordFrame<'a> {
    pub(crate) time_ms: i64,
    pub(crate) key: Option<u64>,
    pub(crate) payload: &'a [u8],
    pub(crate) crc: u32,
    pub(crate) frame_len: usize,
}

/// Length of the record frame that begins at `bytes[0]`, or None when no record frame does.
pub(crate) fn record_frame_len(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < RECORD_LEN_MIN {
        return None;
    }
    let word = u32_at(bytes, 4);
    let body_len = (word & 0x00ff_ffff) as usize;
    match word >> 24 {
        KIND_RECORD if body_len >= 8 => Some(FRAME_HEAD + body_len),
        KIND_KEYED_RECORD if body_len >= 16 => Some(FRAME_HEAD + body_len),
        _ => None,
    }
}

impl<'a> RecordFrame<'a> {
    /// Splits without checking the checksum; None when the bytes hold no whole record frame.
    pub(crate) fn split(bytes: &'a [u8]) -> Option<Self> {
        let frame_len = record_frame_len(bytes)?;
        if frame_len > bytes.len() {
            return None;
        }
        let keyed = u32_at(bytes, 4) >> 24 == KIND_KEYED_RECORD;
        let (key, payload_at) = if keyed {
            (Some(u64_at(bytes, 16)), 24)
        } else {
            (None, 16)
        };
        Some(Self {
            time_ms: u64_at(bytes, 8) as i64,
            key,
            payload: &bytes[payload_at..frame_len],
            crc: u32_at(bytes, 0),
            frame_len,
        })
    }

    pub(crate) fn checked(bytes: &'a [u8], seed: u32, position: u64) -> Option<Self> {
        let frame = Self::split(bytes)?;
        (record_crc(&bytes[..frame.frame_len], seed, position) == frame.crc).then_some(frame)
    }
}

/// The position is part of the checksum's start: a record that moved within its log is damage.
fn record_crc(frame: &[u8], seed: u32, position: u64) -> u32 {
    crc32c_append(seed ^ position as u32, &frame[4..])
}

pub(crate) fn record_len(payload_len: usize, keyed: bool) -> usize {
    FRAME_HEAD + if keyed { 16 } else { 8 } + payload_len
}

/// Appends one record frame to `out` and returns its checksum.
pub(crate) fn put_record(
    out: &mut Vec<u8>,
    seed: u32,
    position: u64,
    time_ms: i64,
    key: Option<u64>,
    payload: &[u8],
) -> u32 {
    let start = out.len();
    let body_len = record_len(payload.len(), key.is_some()) - FRAME_HEAD;
    let kind = if key.is_some() {
        KIND_KEYED_RECORD
    } else {
        KIND_RECORD
    };
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&((kind << 24) | body_len as u32).to_le_bytes());
    out.extend_from_slice(&time_ms.to_le_bytes());
    if let Some(key) = key {
        out.extend_from_slice(&key.to_le_bytes());
    }
    out.extend_from_slice(payload);
    let crc = record_crc(&out[start..], seed, position);
    put_u32(out, start, crc);
    crc
}

pub(crate) fn extend_chain(chain: u32, record_crc: u32) -> u32 {
    crc32c_append(chain, &record_crc.to_le_bytes())
}

/// Checks a group's records against its frame; the error is the offset in `body` of the first
/// record that fails, or None when all records hold and the chain or count does not.
pub(crate) fn check_group(
    group: &GroupFrame,
    body: &[u8],
    seed: u32,
    mut chain: u32,
) -> Result<(), Option<usize>> {
    let (mut at, mut position) = (0, group.first);
    while at < body.len() {
        let Some(frame) = RecordFrame::checked(&body[at..], seed, position) else {
            return Err(Some(at));
        };
        chain = extend_chain(chain, frame.crc);
        at += frame.frame_len;
        position += 1;
    }
    let whole = position - group.first == u64::from(group.count) && chain == group.chain;
    if whole { Ok(()) } else { Err(None) }
}
