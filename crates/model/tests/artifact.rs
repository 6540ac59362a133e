//! The model file: same bytes for the same model, and a typed refusal for every kind of damage.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "artifact/lineage.rs"]
mod lineage;
#[path = "artifact/producer.rs"]
mod producer;
#[path = "support/random_networks.rs"]
mod random_networks;
#[path = "support/random_samples.rs"]
mod random_samples;
#[path = "support/random_trees.rs"]
mod random_trees;

use std::collections::BTreeMap;

use producer::{with_producer, with_producer_and_network};
use random_networks::{Dice, random_network};
use random_samples::sample_of;
use random_trees::{Random, random_row, random_trees};
use ringfence_model::artifact::{
    Artifact, ArtifactError, Blend, Header, Network, Thresholds, TrainingWindow,
};
use ringfence_model::calibration::{Calibration, CalibrationMap};
use ringfence_model::hybrid::kernel::Kernel;
use ringfence_model::hybrid::knots::Knots;
use ringfence_model::hybrid::shape::Shape;
use ringfence_model::producer::Speaker;
use sha2::{Digest, Sha256};

fn artifact() -> Artifact {
    let thresholds = Thresholds {
        challenge: 300,
        review: 500,
        decline: 900,
    };
    Artifact {
        lineage: None,
        header: Header {
            schema_hash: "ab".repeat(32),
            features: ["amount", "hour", "degree"].map(str::to_owned).to_vec(),
            calibration: Calibration {
                map: CalibrationMap::Platt {
                    slope: 0.1 + 0.2,
                    intercept: -1.0 / 3.0,
                },
                prior_shift: -2.5,
            },
            thresholds: BTreeMap::from([("payment".to_owned(), thresholds)]),
            training_window: TrainingWindow {
                from: -5,
                until: 1_700_000_000_000,
            },
            metrics: BTreeMap::from([("ap".to_owned(), 0.1 + 0.7)]),
            parent: Some("cd".repeat(32)),
            seed: u64::MAX,
            created_by: "ringfence 0.1.0".to_owned(),
        },
        trees: random_trees(7, 3, 5, 9),
        producer: None,
        network: None,
        reference: None,
    }
}

/// The same with a network.
fn hybrid() -> Artifact {
    let shape = Shape {
        features: 3,
        roles: 2,
        event_types: 2,
        hidden: 32,
        wide: 16,
        graph: true,
        sequence: true,
    };
    let knots = Knots {
        start: vec![0, 2, 2, 5],
        at: vec![-1.0, 1.0, -2.0, 0.1, 3.0],
    };
    Artifact {
        network: Some(Network {
            hybrid: random_network(&mut Dice(4), shape, knots, 1.0),
            blend: Blend {
                network: 0.75,
                trees: 1.0 / 3.0,
                constant: -0.1,
            },
            trees_calibration: Calibration::identity(),
        }),
        ..artifact()
    }
}

/// Makes the digest true again after a deliberate change.
fn reseal(mut file: Vec<u8>) -> Vec<u8> {
    let at = 8 + br#"{"__metadata__":{"digest":""#.len();
    file[at..at + 64].fill(b'0');
    let digest: String = Sha256::digest(&file)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    file[at..at + 64].copy_from_slice(digest.as_bytes());
    file
}

/// Replaces text of equal length in the table.
fn replace(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = file
        .windows(from.len())
        .position(|w| w == from.as_bytes())
        .unwrap();
    let mut file = file.to_vec();
    file[at..at + to.len()].copy_from_slice(to.as_bytes());
    reseal(file)
}

fn table_len(file: &[u8]) -> usize {
    u64::from_le_bytes(file[..8].try_into().unwrap()) as usize
}

fn tensor_at(file: &[u8], name: &str) -> usize {
    let table: serde_json::Value = serde_json::from_slice(&file[8..8 + table_len(file)]).unwrap();
    8 + table_len(file) + table[name]["data_offsets"][0].as_u64().unwrap() as usize
}

fn put(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    reseal(file)
}

#[test]
fn comes_back_whole_and_writes_the_same_bytes() {
    let parts = [with_producer(), hybrid(), with_producer_and_network()];
    for artifact in parts.into_iter().chain([artifact()]) {
        let file = artifact.encode().unwrap();
        assert_eq!(file, artifact.encode().unwrap());
        let (back, identity) = Artifact::decode(&file).unwrap();
        assert_eq!(back, artifact);
        let sha: String = Sha256::digest(&file)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            (identity.as_str(), identity.short()),
            (sha.as_str(), &sha[..12])
        );
        // the tensors start aligned to 8 bytes
        assert_eq!(table_len(&file) % 8, 0);
    }
}

/// A file of trees is what it was before there were networks and producers: the digest is of a file written then.
#[test]
fn trees_alone_keep_their_bytes() {
    let file = artifact().encode().unwrap();
    let sha: String = Sha256::digest(&file)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(
        sha,
        "24cc62ec0aa73c8ddbe02ef0c2e2a4ba0cd7783cd26df27a01dc74668bc179e3"
    );
}

#[test]
fn a_reference_takes_a_version_of_its_own_and_comes_back() {
    for without in [artifact(), hybrid()] {
        let with = Artifact {
            reference: Some(vec![1, 2, 3]),
            ..without.clone()
        };
        let file = with.encode().unwrap();
        assert!(String::from_utf8_lossy(&file).contains(r#"format_version\":3"#));
        assert_eq!(Artifact::decode(&file).unwrap().0, with);
        // Of a file that holds none nothing changes.
        let file = without.encode().unwrap();
        assert!(!String::from_utf8_lossy(&file).contains(r#"format_version\":3"#));
    }
}

#[test]
fn saving_replaces_the_file_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("champion.safetensors");
    std::fs::write(&path, "an older model").unwrap();
    let saved = artifact().save(&path).unwrap();
    let (loaded, identity) = Artifact::load(&path).unwrap();
    assert_eq!((loaded, identity), (artifact(), saved));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn every_flipped_byte_is_refused() {
    let mut random = Random(1);
    let hybrid = with_producer_and_network().encode().unwrap();
    for _ in 0..500 {
        let at = random.below(hybrid.len());
        let mut damaged = hybrid.clone();
        damaged[at] ^= 1 << random.below(8);
        assert!(Artifact::decode(&damaged).is_err(), "byte {at} of a hybrid");
        assert!(Artifact::decode(&hybrid[..at]).is_err(), "cut to {at}");
    }
    for artifact in [artifact(), with_producer()] {
        let file = artifact.encode().unwrap();
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << random.below(8);
            assert!(Artifact::decode(&damaged).is_err(), "byte {at}");
        }
        for len in 0..file.len() {
            assert!(Artifact::decode(&file[..len]).is_err(), "cut to {len}");
        }
    }
}

/// Behind a true digest (a malicious file): refused, or a model that predicts finite numbers.
#[test]
fn resealed_damage_never_panics() {
    let file = with_producer().encode().unwrap();
    let mut random = Random(2);
    let mut loaded = 0;
    for _ in 0..20_000 {
        let at = random.below(file.len());
        let mut damaged = file.clone();
        damaged[at] ^= 1 << random.below(8);
        if damaged.len() > 200 && table_len(&damaged) < damaged.len() {
            damaged = reseal(damaged);
        }
        if let Ok((model, _)) = Artifact::decode(&damaged) {
            let row = random_row(&mut random, 3);
            assert!(model.trees.predict_raw(&row).is_finite());
            let mut speaker = Speaker::new(model.producer.as_ref().unwrap());
            assert_ne!(speaker.score(&row), 0);
            loaded += 1;
        }
    }
    assert!(
        loaded > 100,
        "{loaded} files loaded: the check above has no force"
    );
}

/// The same of a network: refused, or a kernel that reads only what is there.
#[test]
fn resealed_damage_of_a_network_never_panics() {
    let file = hybrid().encode().unwrap();
    let mut random = Random(3);
    let mut loaded = 0;
    for round in 0..600 {
        // Half of the rounds in the table, which is small beside the weights.
        let at = random.below(if round % 2 == 0 {
            table_len(&file)
        } else {
            file.len()
        });
        let mut damaged = file.clone();
        damaged[at] ^= 1 << random.below(8);
        if table_len(&damaged) < damaged.len() {
            damaged = reseal(damaged);
        }
        if let Ok((model, _)) = Artifact::decode(&damaged)
            && let Some(network) = &model.network
        {
            let shape = network.hybrid.shape();
            let sample = sample_of(&mut Dice(round), shape, 9, vec![3; shape.roles]);
            let kernel = Kernel::new(&network.hybrid);
            let mut out = [0.0; 2];
            kernel.score_batch(&[sample.input(); 2], &mut kernel.scratch(), &mut out);
            loaded += 1;
        }
    }
    assert!(
        loaded > 100,
        "{loaded} files loaded: the check above has no force"
    );
}

#[test]
fn damage_of_a_network_is_named() {
    let file = hybrid().encode().unwrap();
    let tensor = |name| tensor_at(&file, name);
    let nan = f32::NAN.to_le_bytes();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            replace(&file, r#"format_version\":2"#, r#"format_version\":1"#),
            "model format version is 1, it must be 2",
        ),
        (
            replace(&file, r#"kind\":\"hybrid\",\""#, r#"kind\":\"trees\", \""#),
            "model kind is \"trees\": its header must not hold a network",
        ),
        (
            replace(&file, r#""network.gate":"#, r#""network.gaze":"#),
            "tensor \"network.gate\" is missing",
        ),
        (
            put(&file, tensor("network.recurrent") + 40, &nan),
            "tensor \"recurrent\" must be finite, got NaN at 10",
        ),
        (
            put(&file, tensor("network.knots") + 4, &nan),
            "knots of feature 0 must be",
        ),
        (
            put(&file, tensor("network.knot_start") + 4, &9u32.to_le_bytes()),
            "knots of feature 0 must be",
        ),
        (
            replace(&file, r#"\"hidden\":32"#, r#"\"hidden\":64"#),
            "tensor \"network.tabular\": offsets and shape must be [16, 64]",
        ),
        (
            replace(&file, r#"\"hidden\":32"#, r#"\"hidden\":33"#),
            "network hidden must be 32 or 64, got 33",
        ),
        (
            replace(&file, r#"\"roles\":2"#, r#"\"roles\":1"#),
            "tensor \"network.message\": offsets and shape must be [1, 16, 32]",
        ),
        (
            replace(&file, r#"\"network\":0.75"#, r#"\"network\":-0.5"#),
            "blend must be finite, its weights >= 0",
        ),
    ];
    for (index, (damaged, expected)) in cases.iter().enumerate() {
        let got = Artifact::decode(damaged).unwrap_err().to_string();
        assert!(
            got.contains(expected),
            "case {index}: expected {expected:?}, got {got:?}"
        );
    }
    let mut other = hybrid();
    other.header.features.push("fourth".to_owned());
    other.trees = random_trees(7, 4, 5, 9);
    assert!(matches!(
        other.encode(),
        Err(ArtifactError::NetworkFeatures {
            header: 4,
            network: 3
        })
    ));
}

#[test]
fn damage_is_named() {
    let file = artifact().encode().unwrap();
    let tensor = |name| tensor_at(&file, name);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            replace(&file, r#"format_version\":1"#, r#"format_version\":2"#),
            "model format version is 2, it must be 1",
        ),
        (
            replace(&file, r#"format_version\":1"#, r#"format_version\":4"#),
            "model format version must be 1 to 3, got 4",
        ),
        (
            replace(&file, r#"\"trees\""#, r#"\"treez\""#),
            "model kind must be \"trees\" or \"hybrid\", got \"treez\"",
        ),
        (
            replace(&file, r#"\"amount\""#, r#"\"amoumt\""#),
            "feature list hash must be",
        ),
        (
            replace(&file, r#""threshold":"#, r#""thresholt":"#),
            "tensor \"threshold\" is missing",
        ),
        (
            replace(&file, r#""dtype":"F64""#, r#""dtype":"I64""#),
            "tensor \"leaf_value\" must have dtype F64, got \"I64\"",
        ),
        (
            replace(&file, r#""data_offsets":[0,"#, r#""data_offsets":[1,"#),
            "tensor \"leaf_value\": offsets and shape",
        ),
        (
            put(&file, tensor("leaf_value"), &f64::NAN.to_le_bytes()),
            "tree 0 leaf 0: value must be finite, got NaN",
        ),
        (
            put(&file, tensor("leaf_cover"), &0u32.to_le_bytes()),
            "tree 0 leaf 0: cover must be at least 1",
        ),
        (
            put(&file, tensor("leaf_start") + 4, &0u32.to_le_bytes()),
            "tensor \"leaf_start\" must rise",
        ),
        (
            put(&file, tensor("threshold"), &f32::INFINITY.to_le_bytes()),
            "threshold must be finite, got inf",
        ),
        (
            put(&file, tensor("feature"), &3u32.to_le_bytes()),
            "feature must be below 3, got 3",
        ),
        (
            put(&file, tensor("left"), &99i32.to_le_bytes()),
            "left child Split(99) does not exist",
        ),
        (
            put(&file, tensor("left"), &i32::MIN.to_le_bytes()),
            "left child Leaf(2147483647) does not exist",
        ),
        (
            put(&file, tensor("left"), &0i32.to_le_bytes()),
            "Split(0) is reached twice",
        ),
        (put(&file, tensor("flags"), &[4]), "unknown flag bits 0x04"),
        (
            put(&file, 0, &(9u64 << 20).to_le_bytes()),
            "table of tensors must be at most",
        ),
        (
            reseal([file.clone(), vec![0; 8]].concat()),
            "8 bytes follow the last tensor",
        ),
        (file[..100].to_vec(), "ends early"),
    ];
    for (index, (damaged, expected)) in cases.iter().enumerate() {
        let got = Artifact::decode(damaged).unwrap_err().to_string();
        assert!(
            got.contains(expected),
            "case {index}: expected {expected:?}, got {got:?}"
        );
    }
}

#[test]
fn a_model_of_another_schema_is_refused() {
    let artifact = artifact();
    let features = artifact.header.features.clone();
    let schema = artifact.header.schema_hash.clone();
    artifact.fits(&schema, &features, 5).unwrap();
    hybrid().fits(&schema, &features, 2).unwrap();
    let roles = hybrid().fits(&schema, &features, 5).unwrap_err();
    assert!(matches!(
        roles,
        ArtifactError::Roles {
            expected: 5,
            got: 2
        }
    ));
    let check = |schema: &str, features: &[String], expected: &str| {
        let got = artifact.fits(schema, features, 5).unwrap_err().to_string();
        assert!(got.contains(expected), "{got}");
    };
    check("ee", &features, "this tenant runs ee");
    let mut renamed = features.clone();
    renamed[1] = "minute".to_owned();
    check(
        &schema,
        &renamed,
        "model feature 1 must be \"minute\", got \"hour\"",
    );
    check(
        &schema,
        &features[..2],
        "model has 3 features, the schema gives 2",
    );
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let mut nan_metric = artifact();
    nan_metric.header.metrics.insert("auc".to_owned(), f64::NAN);
    assert!(
        matches!(nan_metric.encode(), Err(ArtifactError::Metric { name, .. }) if name == "auc")
    );
    let mut falling = artifact();
    let thresholds = Thresholds {
        challenge: 600,
        review: 500,
        decline: 900,
    };
    falling
        .header
        .thresholds
        .insert("login".to_owned(), thresholds);
    assert!(
        matches!(falling.encode(), Err(ArtifactError::Thresholds { event_type, .. }) if event_type == "login")
    );
    let mut short = artifact();
    short.header.features.pop();
    assert!(matches!(
        short.encode(),
        Err(ArtifactError::HeaderFeatures {
            header: 2,
            trees: 3
        })
    ));
}
