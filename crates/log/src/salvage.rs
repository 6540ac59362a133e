//! Finds whole records in bytes that are no sound log any more. A group's frame tells where it stands and which
//! positions it holds, so it is recognised anywhere; each record has a checksum of its own.

use std::fs::File;
use std::path::Path;

use crate::frame::{
    self, FRAME_HEAD, GROUP_LEN, GroupFrame, HEADER_LEN, RecordFrame, SEAL_LEN, SealFrame,
    SegmentHeader,
};
use crate::scan::{CHUNK, SegmentScan};
use crate::{GROUP_BYTES_MAX, LogError, LogId, Position};

pub(crate) enum Found<'a> {
    Record(Position, i64, &'a [u8]),
    /// The bytes speak of records up to here.
    End(Position),
}

/// Searches a file from `from` on; `next` is the position that must follow what is sound.
pub(crate) fn read(
    file: File,
    path: &Path,
    seed: u32,
    from: u64,
    next: u64,
    mut each: impl FnMut(Found<'_>),
) -> Result<(), LogError> {
    let anyone = SegmentHeader {
        id: LogId([0; 16]),
        first: 0,
        chain: 0,
    };
    let mut scan = SegmentScan::new(file, path.to_path_buf(), &anyone);
    let mut at = from.max(HEADER_LEN as u64);
    // The frame of the first group may be what is damaged: its records would stand behind it.
    if from > 0 {
        let head = scan.window(at, GROUP_LEN)?;
        if GroupFrame::decode(head, seed, at).is_none() {
            let body = scan.window(at + GROUP_LEN as u64, CHUNK)?;
            records(body, seed, next, &mut each);
        }
    }
    while let Some((group_at, group)) = next_group(&mut scan, seed, at, &mut each)? {
        let body_at = group_at + GROUP_LEN as u64;
        let len = group.body_len.min(GROUP_BYTES_MAX) as usize;
        let body = scan.window(body_at, len)?;
        records(body, seed, group.first, &mut each);
        let end = group.first.saturating_add(u64::from(group.count));
        each(Found::End(Position(end)));
        at = body_at + u64::from(group.body_len);
    }
    Ok(())
}

/// Records one behind the other; one that is damaged is passed over where its length still makes sense.
fn records(body: &[u8], seed: u32, first: u64, each: &mut impl FnMut(Found<'_>)) {
    let (mut at, mut position) = (0, first);
    while let Some(len) = frame::record_frame_len(&body[at..]) {
        if len > body.len() - at {
            return;
        }
        if let Some(record) = RecordFrame::checked(&body[at..], seed, position) {
            let position = Position(position);
            each(Found::Record(position, record.time_ms, record.payload));
        }
        at += len;
        // a damaged frame may name any position
        position = position.saturating_add(1);
    }
}

/// The next group frame at or behind `from`; a seal on the way tells an end.
fn next_group(
    scan: &mut SegmentScan,
    seed: u32,
    mut from: u64,
    each: &mut impl FnMut(Found<'_>),
) -> Result<Option<(u64, GroupFrame)>, LogError> {
    loop {
        let bytes = scan.window(from, CHUNK)?;
        if bytes.len() < SEAL_LEN {
            return Ok(None);
        }
        for at in 0..=bytes.len() - SEAL_LEN {
            // both words have the same middle bytes: a cheap first look
            if bytes[at + FRAME_HEAD - 3] != 0 || bytes[at + FRAME_HEAD - 2] != 0 {
                continue;
            }
            let place = from + at as u64;
            if let Some(group) = GroupFrame::decode(&bytes[at..], seed, place) {
                return Ok(Some((place, group)));
            }
            if let Some(seal) = SealFrame::decode(&bytes[at..], seed, place) {
                each(Found::End(Position(seal.next)));
            }
        }
        if bytes.len() < CHUNK {
            return Ok(None);
        }
        // a group frame may straddle the chunks
        from += (CHUNK - GROUP_LEN) as u64;
    }
}
