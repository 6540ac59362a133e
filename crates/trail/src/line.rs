//! The two kinds of line, as they are written and read: an entry, and the head line of a segment.
//!
//! A line's hash is SHA-256 over the hash before (32 bytes) and the line's text up to, and without, `,"hash":`. So
//! the check needs the bytes alone, and whatever is changed in them shows.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::CONTENT_BYTES_MAX;
use crate::entry::{ActorKind, Content, Entry, Recorded, Source, hex, unhex};

pub(crate) const VERSION: u32 = 1;
pub(crate) const ZERO: [u8; 32] = [0; 32];
const HASH_FIELD: &str = ",\"hash\":\"";
/// `,"hash":"`, 64 digits, `"}`.
const TAIL: usize = HASH_FIELD.len() + 64 + 2;

/// First line of a segment: what is before it, so that the last segment can be opened without the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeaderLine {
    pub trail: u32,
    pub tenant: String,
    /// Entry that comes next.
    pub first: u64,
    /// Hash of the line before; zeros for the first segment.
    pub previous: String,
    /// Last place of each source before.
    pub sources: BTreeMap<String, u64>,
    #[serde(skip_serializing, default)]
    pub hash: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryLine {
    pub seq: u64,
    at: String,
    actor: String,
    actor_kind: ActorKind,
    action: String,
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before_digest: Option<DigestLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_digest: Option<DigestLine>,
    why: String,
    source: String,
    #[serde(skip_serializing, default)]
    hash: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DigestLine {
    sha256: String,
    bytes: u64,
}

/// A line without its end, cut into text and hash; `None`: it has none.
pub(crate) fn split(line: &[u8]) -> Option<(&[u8], [u8; 32])> {
    let (text, tail) = line.split_at_checked(line.len().checked_sub(TAIL)?)?;
    let tail = std::str::from_utf8(tail).ok()?;
    let digits = tail.strip_prefix(HASH_FIELD)?.strip_suffix("\"}")?;
    Some((text, unhex(digits)?))
}

pub(crate) fn hash_of(previous: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(text);
    hasher.finalize().into()
}

/// Adds the line to `out`, with its end, and returns its hash.
pub(crate) fn put(out: &mut Vec<u8>, previous: &[u8; 32], line: &impl Serialize) -> [u8; 32] {
    let from = out.len();
    // Texts, numbers and values of serde_json: writing them to memory has no way to fail.
    let written = serde_json::to_writer(&mut *out, line);
    debug_assert!(written.is_ok());
    out.pop();
    let hash = hash_of(previous, &out[from..]);
    out.extend_from_slice(HASH_FIELD.as_bytes());
    out.extend_from_slice(hex(&hash).as_bytes());
    out.extend_from_slice(b"\"}\n");
    hash
}

impl EntryLine {
    pub fn new(seq: u64, entry: &Entry) -> EntryLine {
        let (before, before_digest) = content(&entry.before);
        let (after, after_digest) = content(&entry.after);
        EntryLine {
            seq,
            at: time(entry.at),
            actor: entry.actor.clone(),
            actor_kind: entry.actor_kind,
            action: entry.action.clone(),
            target: entry.target.clone(),
            before,
            before_digest,
            after,
            after_digest,
            why: entry.why.clone(),
            source: entry.source.to_string(),
            hash: String::new(),
        }
    }

    pub fn recorded(self) -> Result<Recorded, String> {
        let stamp: Result<jiff::Timestamp, _> = self.at.parse();
        let source = Source::parse(&self.source);
        Ok(Recorded {
            seq: self.seq,
            at: stamp.map_err(|error| error.to_string())?.as_millisecond(),
            actor: self.actor,
            actor_kind: self.actor_kind,
            action: self.action,
            target: self.target,
            before: whole(self.before, self.before_digest)?,
            after: whole(self.after, self.after_digest)?,
            why: self.why,
            source: source.ok_or_else(|| format!("source {:?}", self.source))?,
            hash: unhex(&self.hash).ok_or("no hash")?,
        })
    }
}

/// As its line has it.
impl Serialize for Recorded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("at", &time(self.at))?;
        map.serialize_entry("actor", &self.actor)?;
        map.serialize_entry("actor_kind", &self.actor_kind)?;
        map.serialize_entry("action", &self.action)?;
        map.serialize_entry("target", &self.target)?;
        for (content, plain, digested) in [
            (&self.before, "before", "before_digest"),
            (&self.after, "after", "after_digest"),
        ] {
            match content {
                Content::Nothing => {}
                Content::Value(value) => map.serialize_entry(plain, value)?,
                Content::Digest { sha256, bytes } => {
                    let (sha256, bytes) = (hex(sha256), *bytes);
                    map.serialize_entry(digested, &DigestLine { sha256, bytes })?;
                }
            }
        }
        map.serialize_entry("why", &self.why)?;
        map.serialize_entry("source", &self.source.to_string())?;
        map.serialize_entry("hash", &hex(&self.hash))?;
        map.end()
    }
}

fn time(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(stamp) => format!("{stamp:.3}"),
        // Checked before; a line that nobody can read as a time is better than none.
        Err(_) => format!("{ms} ms"),
    }
}

fn content(value: &Option<Value>) -> (Option<Value>, Option<DigestLine>) {
    // Null is written as nothing, because it is read as nothing.
    let Some(value) = value.as_ref().filter(|it| !it.is_null()) else {
        return (None, None);
    };
    let text = value.to_string();
    if text.len() <= CONTENT_BYTES_MAX {
        return (Some(value.clone()), None);
    }
    let digest = DigestLine {
        sha256: hex(&Sha256::digest(text.as_bytes()).into()),
        bytes: text.len() as u64,
    };
    (None, Some(digest))
}

fn whole(value: Option<Value>, digest: Option<DigestLine>) -> Result<Content, String> {
    match (value, digest) {
        (None, None) => Ok(Content::Nothing),
        (Some(value), None) => Ok(Content::Value(value)),
        (None, Some(digest)) => Ok(Content::Digest {
            sha256: unhex(&digest.sha256).ok_or("sha256")?,
            bytes: digest.bytes,
        }),
        (Some(_), Some(_)) => Err("a value and a digest of it".to_owned()),
    }
}
