//! A model as an ONNX file, for whoever scores elsewhere. Not on the way of a decision.
//!
//! The file holds the whole model: network, trees where they count, blend, calibration. Inputs are the arrays of a
//! sample with a batch in front (docs/onnx.md); outputs are raw log-odds and calibrated probability.

mod network;

mod calibration;
mod trees;

mod build;
mod proto;

use graph::sample::{NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_WIDTH, STEPS};
use model::artifact::{Artifact, Blend, Identity};
use prost::Message;

use build::{Builder, Value};
use proto::{Graph, Model, OperatorSet, Property, data_type};

/// Operators as of ONNX 1.12 (2022): every runtime of today reads them.
const OPERATORS: i64 = 17;
const IR_VERSION: i64 = 8;

/// Names of the arrays of a batch of samples.
struct Inputs {
    tabular: Value,
    sequence: Value,
    steps: Value,
    entities: Value,
    neighbourhood: Value,
    neighbours: Value,
}

/// The file's bytes; equal models give equal bytes.
pub fn export(artifact: &Artifact, identity: &Identity) -> Vec<u8> {
    let property = |key: &str, value: &str| Property {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let header = &artifact.header;
    let set = |domain: &str, version| OperatorSet {
        domain: domain.to_owned(),
        version,
    };
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "ringfence".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: format!("{} model {}", artifact.kind(), identity.short()),
        graph: Some(graph(artifact)),
        opset_import: vec![set("", OPERATORS), set(trees::DOMAIN, trees::VERSION)],
        metadata_props: vec![
            property("model", identity.as_str()),
            property("schema_hash", &header.schema_hash),
            property("created_by", &header.created_by),
            property("features", &header.features.join("\n")),
        ],
    };
    model.encode_to_vec()
}

fn graph(artifact: &Artifact) -> Graph {
    let mut b = Builder::default();
    let features = artifact.header.features.len();
    let about = "one value per feature, NaN where it is missing";
    let tabular = b.input("tabular", data_type::FLOAT, &[features], about);
    let raw = match &artifact.network {
        None => trees::trees(&artifact.trees, &tabular, &mut b),
        Some(network) => {
            let inputs = arrays(tabular, network.hybrid.shape().roles, &mut b);
            let output = network::network(&network.hybrid, &inputs, &mut b);
            blend(artifact, network.blend, &output, &inputs.tabular, &mut b)
        }
    };
    let raw = b.reshape(&raw, &[-1]);
    let probability = calibration::probability(&artifact.header.calibration, &raw, &mut b);
    b.output(&raw, "log_odds", "raw, before calibration");
    b.output(&probability, "probability", "calibrated");
    b.finish(artifact.kind())
}

fn arrays(tabular: Value, roles: usize, b: &mut Builder) -> Inputs {
    let mut floats =
        |name: &str, dims: &[usize], about: &str| b.input(name, data_type::FLOAT, dims, about);
    let sequence = floats(
        "sequence",
        &[STEPS, STEP_WIDTH],
        "the account's events, oldest first, zeros behind the last",
    );
    let entities = floats(
        "entities",
        &[roles, NODE_WIDTH],
        "summary of each role's entity",
    );
    let neighbourhood = floats(
        "neighbourhood",
        &[roles, NEIGHBOURS, NEIGHBOUR_WIDTH],
        "interactions of each role's entity, zeros behind the last",
    );
    let mut counts =
        |name: &str, dims: &[usize], about: &str| b.input(name, data_type::INT64, dims, about);
    Inputs {
        steps: counts("steps", &[], "used steps of the sequence"),
        neighbours: counts("neighbours", &[roles], "used interactions of each role"),
        tabular,
        sequence,
        entities,
        neighbourhood,
    }
}

fn blend(
    artifact: &Artifact,
    blend: Blend,
    network: &Value,
    tabular: &Value,
    b: &mut Builder,
) -> Value {
    let weight = b.scalar(blend.network as f32);
    let mut sum = b.node("Mul", &[network, &weight], Vec::new());
    if blend.trees > 0.0 {
        let output = trees::trees(&artifact.trees, tabular, b);
        let weight = b.scalar(blend.trees as f32);
        let weighted = b.node("Mul", &[&output, &weight], Vec::new());
        sum = b.node("Add", &[&sum, &weighted], Vec::new());
    }
    let constant = b.scalar(blend.constant as f32);
    b.node("Add", &[&sum, &constant], Vec::new())
}
