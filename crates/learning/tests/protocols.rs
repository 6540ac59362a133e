//! Committed protocols parse; what could leak or mean nothing is refused before any work.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use event::Schema;
use ringfence_learning::evaluate::protocol::{Protocol, ProtocolError};

const GOOD: &str = r#"
name = "small"
schema = "handbook"
label_delay = "7d"
event_types = ["payment"]
seeds = [1]
candidates = [{ rounds = [10, 20], leaves = 4 }]
validation = [{ train = ["2018-04-01", "2018-04-08"], test = ["2018-04-15", "2018-04-22"] }]
test = [{ train = ["2018-04-08", "2018-04-15"], test = ["2018-04-22", "2018-04-29"] }]
"#;

fn refusal(change: &str, to: &str) -> String {
    assert!(GOOD.contains(change), "{change:?} is not in the protocol");
    Protocol::parse(&GOOD.replace(change, to))
        .unwrap_err()
        .to_string()
}

#[test]
fn committed_protocols_fit_their_schemas() {
    let texts = [
        (
            include_str!("../../../protocols/handbook_ch3.toml"),
            include_str!("../../../schemas/handbook.toml"),
        ),
        (
            include_str!("../../../protocols/handbook_prequential.toml"),
            include_str!("../../../schemas/handbook.toml"),
        ),
        (
            include_str!("../../../protocols/s_ffsd.toml"),
            include_str!("../../../schemas/s_ffsd.toml"),
        ),
        (
            include_str!("../../../protocols/amlgentex.toml"),
            include_str!("../../../schemas/amlgentex.toml"),
        ),
    ];
    for (protocol, schema) in texts {
        let protocol = Protocol::parse(protocol).unwrap();
        let schema = Schema::parse(schema).unwrap();
        protocol.resolve(&schema).unwrap();
    }
}

#[test]
fn what_would_leak_is_refused() {
    for (change, to, wanted) in [
        (
            r#"["2018-04-08", "2018-04-15"]"#,
            r#"["2018-04-08", "2018-04-23"]"#,
            "test fold 0: the test begins at 2018-04-22",
        ),
        (
            r#"["2018-04-08", "2018-04-15"]"#,
            r#"["2018-04-08", "2018-04-16"]"#,
            "test fold 0: the gap between training and test is 6d, shorter than the label delay 7d",
        ),
        (
            r#"["2018-04-15", "2018-04-22"]"#,
            r#"["2018-04-15", "2018-04-23"]"#,
            "validation fold 0 reaches until 2018-04-23",
        ),
    ] {
        let found = refusal(change, to);
        assert!(found.contains(wanted), "{found}");
    }
}

/// GOOD with a producer in both folds.
const STAGED: &str = r#"
name = "small"
schema = "handbook"
label_delay = "7d"
seeds = [1]
candidates = [{ rounds = [10, 20], leaves = 4 }]
producer = { rounds = [10], leaves = 4 }
validation = [{ train = ["2018-04-01", "2018-04-08"], test = ["2018-04-15", "2018-04-22"], producer = ["2018-04-01", "2018-04-04"], consumer = ["2018-04-04", "2018-04-08"] }]
test = [{ train = ["2018-04-08", "2018-04-15"], test = ["2018-04-22", "2018-04-29"], producer = ["2018-04-08", "2018-04-12"], consumer = ["2018-04-12", "2018-04-15"] }]
"#;

#[test]
fn stages_that_would_teach_trust_are_refused() {
    Protocol::parse(STAGED).unwrap();
    for (change, to, wanted) in [
        (
            r#"["2018-04-01", "2018-04-04"]"#,
            r#"["2018-04-01", "2018-04-05"]"#,
            "validation fold 0: the producer trains until 2018-04-05",
        ),
        (
            r#"["2018-04-12", "2018-04-15"]"#,
            r#"["2018-04-12", "2018-04-16"]"#,
            "test fold 0: the gap between training and test is 6d, shorter than the label delay 7d",
        ),
        (
            r#", producer = ["2018-04-08", "2018-04-12"]"#,
            "",
            "test fold 0: `producer` and `consumer` belong together",
        ),
        (
            "producer = { rounds = [10], leaves = 4 }",
            "",
            "validation fold 0: `producer` and `consumer` belong together",
        ),
        (
            "producer = { rounds = [10], leaves = 4 }",
            "producer = { rounds = [10, 20], leaves = 4 }",
            "with one entry in `rounds`",
        ),
        (
            r#", producer = ["2018-04-01", "2018-04-04"], consumer = ["2018-04-04", "2018-04-08"]"#,
            "",
            "validation fold 0: `producer` and `consumer` belong together",
        ),
    ] {
        assert!(STAGED.contains(change), "{change:?} is not in the protocol");
        let found = Protocol::parse(&STAGED.replacen(change, to, 1)).unwrap_err();
        let found = found.to_string();
        assert!(found.contains(wanted), "{found}");
    }
}

#[test]
fn what_means_nothing_is_refused() {
    for (change, to, wanted) in [
        (
            "seeds = [1]",
            "seeds = []",
            "seeds must hold at least one entry",
        ),
        (
            "seeds = [1]",
            "seeds = [1]\nsees = 2",
            "unknown field `sees`",
        ),
        (
            "seeds = [1]",
            "seeds = [1]\nnegative_rate = 0.0",
            "negative_rate must be above 0 and at most 1",
        ),
        (
            "[10, 20]",
            "[20, 10]",
            "candidates.rounds must be ascending",
        ),
        (
            "leaves = 4",
            "leaves = 4, bags = 0",
            "candidates.bags must be in 1..=16",
        ),
        (
            r#""2018-04-01""#,
            r#""2018-13-01""#,
            "validation[0].train[0] must be a date",
        ),
        (
            r#"["2018-04-01", "2018-04-08"]"#,
            r#"["2018-04-08", "2018-04-08"]"#,
            "validation fold 0: train must end after it begins",
        ),
    ] {
        let found = refusal(change, to);
        assert!(found.contains(wanted), "{found}");
    }
}

#[test]
fn a_protocol_for_another_tenant_is_refused() {
    let handbook = Schema::parse(include_str!("../../../schemas/handbook.toml")).unwrap();
    let other = Schema::parse(include_str!("../../../schemas/amlgentex.toml")).unwrap();
    let good = Protocol::parse(GOOD).unwrap();
    assert_eq!(good.resolve(&handbook).unwrap().len(), 1);
    assert!(matches!(
        good.resolve(&other),
        Err(ProtocolError::OtherSchema { .. })
    ));
    let short = Protocol::parse(&GOOD.replace(r#""7d""#, r#""6d""#)).unwrap();
    assert!(matches!(
        short.resolve(&handbook),
        Err(ProtocolError::DelayShort { .. })
    ));
    let unknown = Protocol::parse(&GOOD.replace("payment", "transfer")).unwrap();
    assert!(matches!(
        unknown.resolve(&handbook),
        Err(ProtocolError::EventType(_))
    ));
}
