//! The codec: golden bytes of every kind, one encoding per record, and no byte string that misleads it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod golden;
mod refusals;
mod strategies;

use proptest::prelude::*;
use ringfence_event::codec::{RECORD_BYTES_MAX, decode, encode, event_body};
use ringfence_event::record::{Record, Tick};

use strategies::record;

fn encoded(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_record_comes_back_as_it_was(record in record()) {
        let bytes = encoded(&record);
        prop_assert!(bytes.len() <= RECORD_BYTES_MAX);
        prop_assert_eq!(decode(&bytes), Ok(record));
    }

    #[test]
    fn every_truncation_and_every_extension_is_refused(record in record()) {
        let mut bytes = encoded(&record);
        for len in 0..bytes.len() {
            prop_assert!(decode(&bytes[..len]).is_err(), "cut at {}", len);
        }
        bytes.push(0);
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_changed_byte_is_refused_or_is_another_record(
        record in record(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut bytes = encoded(&record);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = decode(&bytes) {
            prop_assert_ne!(&other, &record);
            prop_assert_eq!(encoded(&other), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_decode_only_as_their_own_encoding(
        kind in 0_u8..9,
        rest in prop::collection::vec(any::<u8>(), 0..96),
    ) {
        let bytes = [&[kind, 1], &rest[..]].concat();
        if let Ok(record) = decode(&bytes) {
            prop_assert_eq!(encoded(&record), bytes);
        }
    }

    #[test]
    fn encoding_appends(record in record(), before in prop::collection::vec(any::<u8>(), 0..9)) {
        let mut bytes = before.clone();
        encode(&record, &mut bytes);
        prop_assert_eq!(bytes, [before, encoded(&record)].concat());
    }

    #[test]
    fn the_body_is_the_event_without_received_at(event in strategies::event()) {
        let mut body = Vec::new();
        event_body(&event, &mut body);
        // A tick is a frame of two bytes and one time.
        let received_at = encoded(&Record::Tick(Tick { at: event.received_at }));
        prop_assert_eq!(encoded(&Record::Event(event)), [&body[..], &received_at[2..]].concat());
    }
}
