//! Walks the frames of one segment and judges what stands at its end.
//!
//! A group is written only after the fsync of the group before it returned. So damage with any
//! later group or seal behind it hit acknowledged bytes and is corruption; damage with nothing
//! behind it is the one group that may have been in flight: a torn tail.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::frame::{
    self, FRAME_HEAD, GROUP_LEN, GroupFrame, HEADER_LEN, RecordFrame, SEAL_LEN, SealFrame,
    SegmentHeader, log_seed,
};
use crate::{Damage, GROUP_BYTES_MAX, LogError, disk};

pub(crate) const CHUNK: usize = 1 << 20;
/// The first read; each later one doubles up to `CHUNK`, so that opening a small log stays cheap.
const FIRST_CHUNK: usize = 16 << 10;

pub(crate) struct SegmentScan {
    file: File,
    path: PathBuf,
    seed: u32,
    buf: Vec<u8>,
    filled: usize,
    buf_at: u64,
    read_ahead: usize,
    /// Where the next frame must begin; everything before it holds.
    pub(crate) offset: u64,
    /// Position of the next record.
    pub(crate) next: u64,
    pub(crate) chain: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A whole valid group whose frame stands at `at`; its records are `body()`.
    Group {
        at: u64,
        frame: GroupFrame,
    },
    Seal(SealFrame),
    /// The file ends where a frame ends.
    End,
    Damaged {
        offset: u64,
        what: Damage,
    },
}

impl SegmentScan {
    pub(crate) fn new(file: File, path: PathBuf, header: &SegmentHeader) -> Self {
        Self {
            file,
            path,
            seed: log_seed(header.id),
            buf: Vec::new(),
            filled: 0,
            buf_at: 0,
            read_ahead: FIRST_CHUNK,
            offset: HEADER_LEN as u64,
            next: header.first,
            chain: header.chain,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Checks the next frame and moves past it; stays in place on `End` and `Damaged`.
    pub(crate) fn step(&mut self) -> Result<Step, LogError> {
        let (offset, seed, next, chain) = (self.offset, self.seed, self.next, self.chain);
        let damaged = |offset, what| Ok(Step::Damaged { offset, what });
        let head = self.window(offset, GROUP_LEN)?;
        if head.is_empty() {
            return Ok(Step::End);
        }
        if let Some(seal) = SealFrame::decode(head, seed, offset) {
            return self.step_seal(seal);
        }
        let Some(group) = GroupFrame::decode(head, seed, offset) else {
            return damaged(offset, Damage::Frame);
        };
        if group.first != next || group.count == 0 || group.body_len > GROUP_BYTES_MAX {
            return damaged(offset, Damage::Chain);
        }
        let whole_len = GROUP_LEN + group.body_len as usize;
        let whole = self.window(offset, whole_len)?;
        if whole.len() < whole_len {
            return damaged(offset, Damage::ShortGroup);
        }
        match frame::check_group(&group, &whole[GROUP_LEN..], seed, chain) {
            Ok(()) => {}
            Err(Some(at)) => return damaged(offset + (GROUP_LEN + at) as u64, Damage::Record),
            Err(None) => return damaged(offset, Damage::Chain),
        }
        self.pass(&group);
        Ok(Step::Group {
            at: offset,
            frame: group,
        })
    }

    fn step_seal(&mut self, seal: SealFrame) -> Result<Step, LogError> {
        if seal.next != self.next || seal.chain != self.chain {
            return Ok(Step::Damaged {
                offset: self.offset,
                what: Damage::Chain,
            });
        }
        let end = self.offset + SEAL_LEN as u64;
        if !self.window(end, 1)?.is_empty() {
            return Ok(Step::Damaged {
                offset: end,
                what: Damage::AfterSeal,
            });
        }
        self.offset = end;
        Ok(Step::Seal(seal))
    }

    fn pass(&mut self, group: &GroupFrame) {
        self.offset += GROUP_LEN as u64 + u64::from(group.body_len);
        self.next += u64::from(group.count);
        self.chain = group.chain;
    }

    /// The record frames of a group that `step` has just returned.
    pub(crate) fn body(&self, at: u64, group: &GroupFrame) -> &[u8] {
        self.slice(at + GROUP_LEN as u64, group.body_len as usize)
    }

    /// Bytes of the group that `step` has returned last.
    pub(crate) fn slice(&self, at: u64, len: usize) -> &[u8] {
        let start = (at - self.buf_at) as usize;
        &self.buf[start..start + len]
    }

    /// Moves to the group that holds `position`, trusting checked group frames on the way but not
    /// reading their records; stops before the first frame that is no valid group.
    pub(crate) fn skip_to(&mut self, position: u64) -> Result<(), LogError> {
        loop {
            let (offset, seed, next) = (self.offset, self.seed, self.next);
            let head = self.window(offset, GROUP_LEN)?;
            match GroupFrame::decode(head, seed, offset) {
                Some(group) if group.first == next && next + u64::from(group.count) <= position => {
                    self.pass(&group);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Offset of the first frame behind the damage that only a later write can have left.
    pub(crate) fn later_frame(&mut self) -> Result<Option<u64>, LogError> {
        let (seed, next) = (self.seed, self.next);
        let mut from = self.offset + 1;
        self.forget();
        loop {
            let bytes = self.window(from, CHUNK)?;
            if bytes.len() < SEAL_LEN {
                return Ok(None);
            }
            let last = bytes.len() - SEAL_LEN;
            for at in 0..=last {
                // both words have the same middle bytes: a cheap first look
                if bytes[at + FRAME_HEAD - 3] == 0
                    && bytes[at + FRAME_HEAD - 2] == 0
                    && frame::proves_later(&bytes[at..], seed, from + at as u64, next)
                {
                    return Ok(Some(from + at as u64));
                }
            }
            if bytes.len() < CHUNK {
                return Ok(None);
            }
            // a group frame may straddle the chunks
            from += (CHUNK - GROUP_LEN) as u64;
        }
    }

    /// Drops buffered bytes, so that the next step sees the file as it is now.
    pub(crate) fn forget(&mut self) {
        self.filled = 0;
    }

    /// The bytes from `at`, `len` of them or fewer where the file ends.
    pub(crate) fn window(&mut self, at: u64, len: usize) -> Result<&[u8], LogError> {
        let inside = at >= self.buf_at && at + len as u64 <= self.buf_at + self.filled as u64;
        if !inside {
            let wanted = len.max(self.read_ahead);
            self.read_ahead = (2 * self.read_ahead).min(CHUNK);
            if self.buf.len() < wanted {
                self.buf.resize(wanted, 0);
            }
            self.filled = disk::read_up_to(&self.file, &self.path, &mut self.buf[..wanted], at)?;
            self.buf_at = at;
        }
        let start = (at - self.buf_at) as usize;
        Ok(&self.buf[start..self.filled.min(start + len)])
    }
}

/// Iterates over the record frames of a checked group body with their offsets in the body.
pub(crate) fn records(body: &[u8]) -> impl Iterator<Item = (usize, RecordFrame<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let frame = RecordFrame::split(&body[at..])?;
        let found = (at, frame);
        at += frame.frame_len;
        Some(found)
    })
}
