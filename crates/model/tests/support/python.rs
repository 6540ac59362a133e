//! A Python with LightGBM and ONNX Runtime, installed into `python-peers` under cargo's target directory, once.
//! Without a network the tests say so and skip; with RINGFENCE_REQUIRE_PYTHON=1 that is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// An interpreter that imports both, or `None`; tests run at once, one of them installs.
pub fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(find_or_install).clone();
    if python.is_none() {
        println!(
            "SKIPPED: pip cannot install lightgbm and onnxruntime, nothing was compared with Python"
        );
    }
    python
}

fn find_or_install() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python-peers");
    let python = home.join("bin/python");
    let runs = |program: &Path, args: &[&str]| {
        Command::new(program)
            .args(args)
            .output()
            .is_ok_and(|out| out.status.success())
    };
    let ready = || runs(&python, &["-c", "import lightgbm, numpy, onnxruntime"]);
    let install = || {
        runs(
            Path::new("python3"),
            &["-m", "venv", home.to_str().unwrap()],
        ) && runs(
            &python,
            &[
                "-m",
                "pip",
                "install",
                "--quiet",
                "lightgbm",
                "numpy",
                "onnxruntime",
            ],
        )
    };
    if ready() || (install() && ready()) {
        return Some(python);
    }
    let required = std::env::var("RINGFENCE_REQUIRE_PYTHON").is_ok_and(|v| v == "1");
    assert!(
        !required,
        "RINGFENCE_REQUIRE_PYTHON=1, but pip cannot install lightgbm and onnxruntime"
    );
    None
}
