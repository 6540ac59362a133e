//! What the decoder refuses, by one changed part of a golden file.

use ringfence_event::codec::{CodecError, RECORD_BYTES_MAX, decode, encode};
use ringfence_event::record::{Config, ConfigSection, Record};
use ringfence_event::{EventTime, codec::VERSION};

use super::golden;

/// A golden file with one line of hex replaced, decoded.
fn refused(golden: &str, from: &str, to: &str) -> String {
    assert!(golden.contains(from), "{from}");
    decode(&golden::bytes(&golden.replacen(from, to, 1)))
        .unwrap_err()
        .to_string()
}

const EVENT: &str = include_str!("../golden/event.hex");
const LABEL: &str = include_str!("../golden/label.hex");
const DECISION: &str = include_str!("../golden/decision.hex");
const FINDINGS: &str = include_str!("../golden/decision_findings.hex");
const REASON: &str = include_str!("../golden/config_reason.hex");
const TICK: &str = include_str!("../golden/tick.hex");
const ACTIVATION: &str = include_str!("../golden/activation.hex");
const CHANNEL: &str = include_str!("../golden/activation_channel.hex");

const AUTHORED: &str = include_str!("../golden/activation_author.hex");
const SHARED: &str = include_str!("../golden/decision_shared.hex");
const RETIRED: &str = include_str!("../golden/activation_retired.hex");

#[test]
fn one_changed_part_is_refused_with_its_name() {
    let cases = [
        (EVENT, "01 01  #", "00 01  #", "unknown record kind 0"),
        (EVENT, "01 01  #", "08 01  #", "unknown record kind 8"),
        (
            EVENT,
            "01 01  #",
            "01 02  #",
            "record kind 1 has layout version 2, this build reads 1",
        ),
        (EVENT, "07 74", "87 00 74", "event_id is not canonical"),
        (EVENT, "07 74", "00 74", "event_id is not canonical"),
        (EVENT, "07 74", "07 1f", "event_id is not canonical"),
        (EVENT, "07 74", "07 ff", "event_id is not canonical"),
        (EVENT, "07 74", "81 01 74", "event_id is not canonical"),
        (
            EVENT,
            "01  # event_type",
            "10 #",
            "event_type is not canonical",
        ),
        (EVENT, "f4 fb e4 be 82 67", "01", "time is not canonical"),
        (
            TICK,
            "f4 fb e4 be 82 67",
            "80 e0 e9 99 bd a6 03",
            "time is not canonical",
        ),
        (EVENT, "02  # entities", "09 #", "entity count is not"),
        (EVENT, "03 06 63", "08 06 63", "role is not canonical"),
        (EVENT, "03 06 63", "00 06 63", "role order is not canonical"),
        (EVENT, "01 45 55 52", "02 45 55 52", "amount flag is not"),
        (EVENT, "01 45 55 52", "01 45 55 58", "currency is not"),
        (EVENT, "01 45 55 52", "01 ff 55 52", "currency is not"),
        (EVENT, "e2 09", "81 c0 ca f3 84 a3 02", "amount is not"),
        (EVENT, "03  # attributes", "21 #", "attribute count is not"),
        (EVENT, "02 00 00", "00 00 00", "attribute order is not"),
        (EVENT, "02 00 00", "20 00 00", "attribute is not canonical"),
        (EVENT, "05 02 08", "05 03 08", "attribute form is not"),
        (EVENT, "f8 bf", "f0 7f", "number is not canonical"),
        (EVENT, "f8 bf", "00 80", "number is not canonical"),
        (EVENT, "00 01 03 77", "00 01 03 0a", "category is not"),
        (LABEL, "01  # verdict", "02 #", "verdict is not canonical"),
        (LABEL, "00  # source", "06 #", "label source is not"),
        (LABEL, "5f  #", "65 #", "confidence is not canonical"),
        (
            LABEL,
            "01 00 f0 a2 04",
            "02 00 f0 a2 04",
            "prior flag is not",
        ),
        (
            DECISION,
            "80 80 80 80 80 80 80 80 80 01",
            "80 80 80 80 80 80 80 80 80 02",
            "event position is not",
        ),
        (
            DECISION,
            "02  # suspicion",
            "09 #",
            "suspicion count is not",
        ),
        (DECISION, "e8 07", "e9 07", "score is not canonical"),
        (DECISION, "bf 84 3d", "c1 84 3d", "probability is not"),
        (
            DECISION,
            "ff ff ff ff 0f",
            "ff ff ff ff 1f",
            "rules version is not",
        ),
        (DECISION, "c0 84 3d", "c1 84 3d", "propensity is not"),
        (DECISION, "02  # reasons", "21 #", "reason count is not"),
        (DECISION, "ff ff 03 ff", "80 80 04 ff", "feature is not"),
        (
            DECISION,
            "ff ff 03 ff ff ff ff 0f",
            "ff ff 03 80 80 80 80 10",
            "contribution is not",
        ),
        (DECISION, "03  # evidence", "11 #", "evidence count is not"),
        (FINDINGS, "eb 03  #", "ea 07  #", "model score is not"),
        (
            FINDINGS,
            "04  # explored",
            "05  #",
            "explored decision is not",
        ),
        (FINDINGS, "02  # rules", "c9 01  #", "rule count is not"),
        (
            FINDINGS,
            "67 00 04 72",
            "67 03 04 72",
            "rule outcome is not",
        ),
        (FINDINGS, "67 03  #", "67 04  #", "alert is not"),
        (FINDINGS, "70 00  #", "70 04  #", "list effect is not"),
        (FINDINGS, "01  # lists", "41  #", "list count is not"),
        (
            FINDINGS,
            "04 6d 75 6c 65",
            "04 7a 75 6c 65",
            "tag order is not",
        ),
        (FINDINGS, "04 6d 75 6c 65", "00", "tag is not"),
        (DECISION, "04 01", "04 04", "layout version 4, this"),
        (
            SHARED,
            "d0 86 03  # model",
            "c1 84 3d #",
            "model propensity is not",
        ),
        (SHARED, "04 03  #", "04 02  #", "findings is not"),
        (REASON, "05 6d 75 6c 65 73", "00", "reason is not"),
        (ACTIVATION, "01  # part", "04 #", "serving part is not"),
        (ACTIVATION, "01  # part", "03 #", "layout version is not"),
        (ACTIVATION, "d0 86 03", "c1 84 3d", "share is not canonical"),
        (ACTIVATION, "07 01  #", "07 02  #", "channel expected"),
        (ACTIVATION, "07 01  #", "07 03  #", "channel expected"),
        (ACTIVATION, "07 01  #", "07 04  #", "layout version 4, this"),
        (CHANNEL, "01  # channel", "02  #", "channel is not"),
        (CHANNEL, "01  # channel", "00  #", "32 bytes past its end"),
        (AUTHORED, "01  # channel", "03  #", "channel is not"),
        (AUTHORED, "07  # levels", "00  #", "levels is not"),
        (AUTHORED, "07  # levels", "08  #", "levels is not"),
        (AUTHORED, "61 6e 6e  #", "61 6e ff  #", "author is not"),
        (AUTHORED, "05 70", "81 04 70", "why is not"),
        (RETIRED, "03  # part", "02  #", "layout version is not"),
        (
            TICK,
            "82 67",
            "82 67 00",
            "record has 1 bytes past its end at byte 8",
        ),
        (TICK, "82 67", "82", "record ends at byte 7, time expected"),
    ];
    for (golden, from, to, expected) in cases {
        let error = refused(golden, from, to);
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}

#[test]
fn a_config_body_ends_at_one_mebibyte() {
    let config = |len: usize| {
        let config = Config {
            at: EventTime::from_millis(0),
            section: ConfigSection::Lists,
            version: 1,
            author: "a".repeat(128).into(),
            why: "w".repeat(512).into(),
            body: "b".repeat(len),
        };
        let mut bytes = Vec::new();
        encode(&Record::Config(config), &mut bytes);
        bytes
    };
    let largest = config(1 << 20);
    assert!(largest.len() <= RECORD_BYTES_MAX);
    assert!(decode(&largest).is_ok());
    // Kind, version, time, section, version author and reason stand before the body's length of three bytes.
    let at = 2 + 1 + 1 + 1 + 2 + 128 + 2 + 512 + 3;
    assert_eq!(
        decode(&config((1 << 20) + 1)),
        Err(CodecError::Malformed { at, what: "body" })
    );
    assert_eq!(VERSION, 1, "a new version needs golden files of its own");
}
