//! The program of docs/audit-trail.md, which knows nothing of this crate, checks what it writes.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{entry, home, written};

#[test]
fn the_documented_check_agrees() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/audit-trail.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page
        .split_once("```python\n")
        .expect("a program in the page");
    let (program, _) = rest.split_once("```").unwrap();
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no python3, which checks an exported trail independently");
        return;
    }
    let dir = home();
    let entries: Vec<_> = (1..=9).map(|seq| entry("log", seq)).collect();
    let trail = written(&dir.path().join("trail"), &entries);
    let mut out = Vec::new();
    trail.view().export(&mut out).unwrap();
    let file = dir.path().join("export.jsonl");
    let run = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let output = Command::new("python3")
            .args(["-c", program])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success(), said)
    };
    assert_eq!(run(&out), (true, trail.head().unwrap().to_string()));
    out[800] ^= 4;
    assert!(!run(&out).0);
}
