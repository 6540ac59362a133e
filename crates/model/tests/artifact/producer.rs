//! A model file with a producer of suspicion, alone or beside a network.

use ringfence_model::artifact::{Artifact, ArtifactError, TrainingWindow};
use ringfence_model::calibration::Calibration;
use ringfence_model::producer::Producer;

use super::random_trees::random_trees;
use super::{artifact, hybrid, replace, reseal};

/// The same with a producer of suspicion, which trained before.
pub fn with_producer() -> Artifact {
    Artifact {
        producer: Some(Producer {
            trees: random_trees(8, 3, 4, 6),
            calibration: Calibration::identity(),
            training_window: TrainingWindow {
                from: -100,
                until: -5,
            },
        }),
        ..artifact()
    }
}

/// All that a file can hold.
pub fn with_producer_and_network() -> Artifact {
    Artifact {
        network: hybrid().network,
        ..with_producer()
    }
}

#[test]
fn a_producer_is_one_with_its_model() {
    let whole = with_producer();
    let file = whole.encode().unwrap();
    let refused = |file: &[u8], expected: &str| {
        let got = Artifact::decode(file).unwrap_err().to_string();
        assert!(got.contains(expected), "{got}");
    };
    refused(
        &replace(&file, r#"format_version\":2"#, r#"format_version\":1"#),
        "model format version is 1, it must be 2",
    );
    refused(
        &replace(&file, r#""producer.gain":"#, r#""producer.gaim":"#),
        "tensor \"producer.gain\" is missing",
    );
    refused(
        &replace(
            &file,
            r#""producer.leaf_value":"#,
            r#""producer.leaf_walue":"#,
        ),
        "tensor \"producer.leaf_value\" is missing",
    );
    refused(
        &replace(&file, r#"\"until\":-5}"#, r#"\"until\":-4}"#),
        "it trained on events until -4, its model from -5 on",
    );
    let mut late = whole.clone();
    late.producer.as_mut().unwrap().training_window.until = -4;
    assert!(matches!(
        late.encode(),
        Err(ArtifactError::ProducerWindow { .. })
    ));
}

fn find(file: &[u8], text: &str) -> usize {
    let mut windows = file.windows(text.len());
    windows.position(|it| it == text.as_bytes()).unwrap()
}

#[test]
fn half_a_producer_is_refused() {
    for artifact in [with_producer(), with_producer_and_network()] {
        let file = artifact.encode().unwrap();
        let mut no_header = file.clone();
        let end = r#"\"until\":-5}}"#;
        let (from, until) = (
            find(&file, r#",\"producer\":{"#),
            find(&file, end) + end.len(),
        );
        no_header[from..until].fill(b' ');
        assert!(matches!(
            Artifact::decode(&reseal(no_header)),
            Err(ArtifactError::ProducerHalf {
                header: false,
                tensors: true
            })
        ));
        let mut no_tensors = file;
        for _ in 0..9 {
            no_tensors = replace(&no_tensors, "\"producer.", "\"consumer.");
        }
        assert!(matches!(
            Artifact::decode(&no_tensors),
            Err(ArtifactError::ProducerHalf {
                header: true,
                tensors: false
            })
        ));
    }
}

#[test]
fn a_producer_of_other_features_is_refused() {
    let mut other = with_producer();
    other.producer.as_mut().unwrap().trees = random_trees(8, 4, 4, 6);
    assert!(matches!(
        other.encode(),
        Err(ArtifactError::ProducerFeatures {
            model: 3,
            producer: 4
        })
    ));
}

/// Activations name a producer by its identity: the digest is of a program that knew no networks.
#[test]
fn a_producer_keeps_its_identity() {
    for artifact in [with_producer(), with_producer_and_network()] {
        let identity = artifact.producer_identity().unwrap();
        let identity: String = identity.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            identity,
            "026de949647021f6af639a8746aa32fae3df54cceb45d34ad4ba1f8bc41108e8"
        );
    }
}

/// Its identity is all that its scores depend on, and nothing of the model that reads them.
#[test]
fn a_producer_has_an_identity_of_its_own() {
    let base = with_producer();
    let identity = base.producer_identity().unwrap();
    let mut other_model = base.clone();
    other_model.trees = random_trees(9, 3, 5, 9);
    other_model.header.seed = 1;
    assert_eq!(other_model.producer_identity(), Some(identity));
    assert_eq!(artifact().producer_identity(), None);
    let changed = |change: fn(&mut Artifact, &mut Producer)| {
        let mut artifact = base.clone();
        let mut producer = artifact.producer.take().unwrap();
        change(&mut artifact, &mut producer);
        artifact.producer = Some(producer);
        artifact.producer_identity().unwrap()
    };
    let others = [
        changed(|_, it| it.trees = random_trees(10, 3, 4, 6)),
        changed(|_, it| it.calibration.prior_shift = 1.0),
        changed(|_, it| it.training_window.until = -6),
        changed(|artifact, _| artifact.header.features.swap(0, 1)),
        changed(|artifact, _| artifact.header.schema_hash = "cd".repeat(32)),
    ];
    for (at, other) in others.iter().enumerate() {
        assert_ne!(*other, identity, "change {at}");
    }
}
