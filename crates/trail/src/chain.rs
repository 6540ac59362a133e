//! The check of lines in their order: the state that each one must continue.

use std::collections::BTreeMap;

use crate::BATCH_BYTES_MAX;
use crate::entry::{Head, Recorded, hex, unhex};
use crate::error::Problem;
use crate::line::{EntryLine, HeaderLine, VERSION, ZERO, hash_of, split};

/// Everything that the next line follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub tenant: String,
    /// The entry that comes next.
    pub next: u64,
    /// Hash of the last line, a segment's first line included.
    pub previous: [u8; 32],
    /// Of the last entry.
    pub head: Option<Head>,
    pub sources: BTreeMap<String, u64>,
}

impl Chain {
    pub fn new(tenant: &str) -> Chain {
        Chain {
            tenant: tenant.to_owned(),
            next: 1,
            previous: ZERO,
            head: None,
            sources: BTreeMap::new(),
        }
    }

    /// The first line of a segment that begins here.
    pub fn header(&self) -> HeaderLine {
        HeaderLine {
            trail: VERSION,
            tenant: self.tenant.clone(),
            first: self.next,
            previous: hex(&self.previous),
            sources: self.sources.clone(),
            hash: String::new(),
        }
    }

    /// The chain behind a segment's first line, as far as that line alone can say: what was before it is believed.
    pub fn begin(line: &[u8]) -> Result<Chain, Problem> {
        let (text, hash) = split(line).ok_or(Problem::NoLine)?;
        let header: HeaderLine = parse(line)?;
        let message = format!("version {} is not {VERSION}", header.trail);
        if header.trail != VERSION {
            return Err(Problem::Text { message });
        }
        let previous = unhex(&header.previous);
        let previous = previous.ok_or(Problem::Header { what: "previous" })?;
        let expected = hash_of(&previous, text);
        if expected != hash {
            let got = hash;
            return Err(Problem::Hash { expected, got });
        }
        // A segment begins only behind an entry, so the line before it was one.
        let last = header.first.checked_sub(1).filter(|seq| *seq > 0);
        Ok(Chain {
            tenant: header.tenant,
            next: header.first,
            previous: hash,
            head: last.map(|seq| Head {
                seq,
                hash: previous,
            }),
            sources: header.sources,
        })
    }

    /// A segment's first line where the segment before it ends.
    pub fn header_follows(&mut self, line: &[u8]) -> Result<(), Problem> {
        let begun = Chain::begin(line)?;
        let header: HeaderLine = parse(line)?;
        let own = self.header();
        for (same, what) in [
            (header.tenant == own.tenant, "tenant"),
            (header.first == own.first, "first"),
            (header.previous == own.previous, "previous"),
            (header.sources == own.sources, "sources"),
        ] {
            if !same {
                return Err(Problem::Header { what });
            }
        }
        self.previous = begun.previous;
        Ok(())
    }

    /// Checks the next entry. The chain moves on only when it is good.
    pub fn entry(&mut self, line: &[u8]) -> Result<Recorded, Problem> {
        let (text, got) = split(line).ok_or(Problem::NoLine)?;
        let expected = hash_of(&self.previous, text);
        let entry = parse::<EntryLine>(line);
        // A line that is missing or moved breaks the hash as well; the number says more.
        if let Ok(entry) = &entry
            && entry.seq != self.next
        {
            return Err(Problem::Sequence { got: entry.seq });
        }
        if expected != got {
            return Err(Problem::Hash { expected, got });
        }
        let recorded = entry?.recorded();
        let recorded = recorded.map_err(|message| Problem::Text { message })?;
        let source = &recorded.source;
        if let Some(last) = self
            .sources
            .get(&source.name)
            .filter(|it| **it >= source.seq)
        {
            return Err(Problem::SourceOrder {
                name: source.name.clone(),
                last: *last,
                got: source.seq,
            });
        }
        self.wrote(&source.name, source.seq, got);
        Ok(recorded)
    }

    /// The next entry is there.
    pub fn wrote(&mut self, source: &str, place: u64, hash: [u8; 32]) {
        let seq = self.next;
        self.sources.insert(source.to_owned(), place);
        self.next += 1;
        self.previous = hash;
        self.head = Some(Head { seq, hash });
    }
}

/// What is wrong with bytes that no end of line follows; `None`: they are what is left of a batch that was being
/// written, which no one was told of.
pub(crate) fn tail_problem(chain: Option<&Chain>, tail: &[u8]) -> Option<Problem> {
    if tail.contains(&b'\n') || tail.len() > BATCH_BYTES_MAX {
        return Some(Problem::NoLine);
    }
    // A whole line and one byte more: the byte was the end of line.
    let (_, line) = tail.split_last()?;
    let whole = match chain {
        None => Chain::begin(line).is_ok(),
        Some(chain) => chain.clone().entry(line).is_ok(),
    };
    whole.then_some(Problem::LineEnd)
}

fn parse<'a, T: serde::Deserialize<'a>>(line: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(line).map_err(|error| Problem::Text {
        message: error.to_string(),
    })
}
