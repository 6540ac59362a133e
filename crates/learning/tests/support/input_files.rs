//! Samples as the Python peers read them.

use std::fs;
use std::path::Path;

use crate::random_samples::Arrays;

/// One raw file per input: f32, counts as i64, rows one after the other.
pub fn write_inputs(folder: &Path, samples: &[Arrays]) {
    let write = |name: &str, bytes: Vec<u8>| fs::write(folder.join(name), bytes).unwrap();
    let floats = |name: &str, of: fn(&Arrays) -> &Vec<f32>| {
        let values = samples.iter().flat_map(of);
        write(name, values.flat_map(|it| it.to_le_bytes()).collect());
    };
    floats("tabular", |it| &it.tabular);
    floats("sequence", |it| &it.sequence);
    floats("entities", |it| &it.entities);
    floats("neighbourhood", |it| &it.neighbourhood);
    let steps = samples.iter().map(|it| it.steps as i64);
    write("steps", steps.flat_map(i64::to_le_bytes).collect());
    let neighbours = samples.iter().flat_map(|it| &it.neighbours);
    let neighbours = neighbours.map(|it| i64::from(*it));
    write(
        "neighbours",
        neighbours.flat_map(i64::to_le_bytes).collect(),
    );
}
