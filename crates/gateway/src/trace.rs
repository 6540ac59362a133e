//! `traceparent` in and out (W3C Trace Context): an answer carries the caller's trace, or a new one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use std::hash::{BuildHasher, RandomState};

/// A trace and this request's span within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    pub trace: u128,
    pub span: u64,
    /// The caller's span.
    pub caller: Option<u64>,
    pub sampled: bool,
}

/// Ids that do not repeat: a counter under a keyed hash whose key is drawn when the process starts.
pub struct Traces {
    key: RandomState,
    next: AtomicU64,
}

impl Traces {
    pub fn new() -> Traces {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let start = since.map_or(0, |since| since.as_nanos() as u64);
        Traces {
            key: RandomState::new(),
            next: AtomicU64::new(start),
        }
    }

    /// Continues the caller's trace; what is no valid header starts a new one.
    pub fn of(&self, traceparent: Option<&str>) -> Trace {
        let span = self.draw();
        match traceparent.and_then(parse) {
            Some((trace, caller, sampled)) => Trace {
                trace,
                span,
                caller: Some(caller),
                sampled,
            },
            None => Trace {
                trace: u128::from(self.draw()) << 64 | u128::from(self.draw()),
                span,
                caller: None,
                sampled: false,
            },
        }
    }

    /// An id for a span.
    pub fn draw(&self) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.key.hash_one(number).max(1)
    }
}

impl Default for Traces {
    fn default() -> Traces {
        Traces::new()
    }
}

impl Trace {
    pub fn id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    pub fn header(&self) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{:032x}-{:016x}-{flags:02x}", self.trace, self.span)
    }
}

/// Trace, span, and whether it is sampled.
fn parse(text: &str) -> Option<(u128, u64, bool)> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lower_hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let shape = lower_hex(version, 2) && lower_hex(trace, 32) && lower_hex(span, 16);
    // A later version may say more behind the flags; version 00 may not, and ff is none.
    let ends = version != "00" || parts.next().is_none();
    if !shape || !lower_hex(flags, 2) || version == "ff" || !ends {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|it| *it != 0)?;
    let span = u64::from_str_radix(span, 16).ok().filter(|it| *it != 0)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((trace, span, flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_continued_and_nonsense_starts_a_new_one() {
        let traces = Traces::new();
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = traces.of(Some(given));
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(
            trace
                .header()
                .starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-")
        );
        assert!(trace.header().ends_with("-01") && trace.header() != given);
        for nonsense in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let (one, two) = (traces.of(Some(nonsense)), traces.of(Some(nonsense)));
            assert_ne!(one.id(), two.id(), "{nonsense}");
            assert_ne!(one.id(), trace.id(), "{nonsense}");
        }
    }
}
