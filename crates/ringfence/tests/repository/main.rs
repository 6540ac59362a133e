//! Tests of the repository itself: the drawn architecture is the real one, and no document has a dead link.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod arrows;
mod links;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}
