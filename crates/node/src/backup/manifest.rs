//! What a copy of a tenant holds: a line for each file with its SHA-256, and one over all lines before it.
//!
//! ```text
//! ringfence backup 1
//! tenant acme
//! taken 2026-01-05T10:00:00Z
//! log 0 120000
//! file <sha256> <bytes> log/00000000000000000000.seg
//! ...
//! end <sha256>
//! ```

use event::{EventTime, Position, hex};
use sha2::{Digest, Sha256};

const HEAD: &str = "ringfence backup 1";

#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    pub tenant: String,
    pub taken_at: EventTime,
    /// Of the log: oldest record, and end.
    pub first: Position,
    pub end: Position,
    pub files: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Below the tenant's directory.
    pub name: String,
    pub bytes: u64,
    pub sha256: [u8; 32],
}

impl Manifest {
    pub fn encode(&self) -> String {
        let mut text = format!(
            "{HEAD}\ntenant {}\ntaken {}\nlog {} {}\n",
            self.tenant, self.taken_at, self.first.0, self.end.0
        );
        for Entry {
            name,
            bytes,
            sha256,
        } in &self.files
        {
            text.push_str(&format!("file {} {bytes} {name}\n", hex(sha256)));
        }
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        text.push_str(&format!("end {}\n", hex(&digest)));
        text
    }

    /// The error is the number of the first line that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, usize> {
        let text = std::str::from_utf8(bytes).map_err(|_| 1_usize)?;
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.len();
        let body = text.len()
            - lines
                .last()
                .map_or(0, |line| line.len() + 1)
                .min(text.len());
        let digest: [u8; 32] = Sha256::digest(&bytes[..body]).into();
        let sealed = lines
            .last()
            .is_some_and(|it| *it == format!("end {}", hex(&digest)));
        if !sealed || !text.ends_with('\n') {
            return Err(last);
        }
        let field = |at: usize, name: &str| {
            let line = lines.get(at).and_then(|line| line.strip_prefix(name));
            line.ok_or(at + 1)
        };
        if !field(0, HEAD)?.is_empty() {
            return Err(1);
        }
        let taken_at = EventTime::parse_iso(field(2, "taken ")?).map_err(|_| 3_usize)?;
        let ends = field(3, "log ")?.split_once(' ');
        let ends = ends.and_then(|(first, end)| Some((first.parse().ok()?, end.parse().ok()?)));
        let (first, end) = ends.ok_or(4_usize)?;
        let mut files = Vec::new();
        for at in 4..last - 1 {
            files.push(entry(field(at, "file ")?).ok_or(at + 1)?);
        }
        Ok(Manifest {
            tenant: field(1, "tenant ")?.to_owned(),
            taken_at,
            first: Position(first),
            end: Position(end),
            files,
        })
    }
}

fn entry(line: &str) -> Option<Entry> {
    let (digest, rest) = line.split_once(' ')?;
    let (bytes, name) = rest.split_once(' ')?;
    let sha256 = event::hex::digest(digest)?;
    // A name leads into the tenant's directory and nowhere else.
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.split('/').all(plain).then_some(Entry {
        name: name.to_owned(),
        bytes: bytes.parse().ok()?,
        sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let entry = |name: &str, byte| Entry {
            name: name.to_owned(),
            bytes: 7,
            sha256: [byte; 32],
        };
        Manifest {
            tenant: "acme".to_owned(),
            taken_at: EventTime::from_millis(1_767_607_200_000),
            first: Position(3),
            end: Position(120_000),
            files: vec![entry("log/1.seg", 0xab), entry("models/x y.model", 1)],
        }
    }

    #[test]
    fn a_manifest_is_read_back_and_a_torn_or_altered_one_is_not() {
        let text = manifest().encode();
        assert_eq!(Manifest::decode(text.as_bytes()), Ok(manifest()));
        for cut in 0..text.len() {
            assert!(
                Manifest::decode(&text.as_bytes()[..cut]).is_err(),
                "cut at {cut}"
            );
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Manifest::decode(&bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for name in ["../x", "/etc/x", "log/../../x", "log//x", "."] {
            let mut odd = manifest();
            odd.files[0].name = name.to_owned();
            assert_eq!(Manifest::decode(odd.encode().as_bytes()), Err(5), "{name}");
        }
    }
}
