//! What the watch of a tenant goes by, set from a terminal: checked before it is recorded.

use std::fs;

use serde_json::{Value, json};

use crate::world::{Bench, world_files};

#[test]
fn a_document_is_taken_whole_or_refused_with_nothing_changed() {
    let bench = Bench::new();
    bench.json(&["init", "--schema", &world_files().0]);
    let set = |text: &str| {
        fs::write(bench.path("drift.toml"), text).unwrap();
        bench.run(&["drift", "settings", "drift.toml"])
    };
    let good = "# ours\nwindow = \"15min\"\n[rules.amount]\nwatch = false\n";
    let taken = set(good);
    assert!(taken.status.success(), "{taken:?}");
    for (text, code) in [
        ("[rules.colour]\nspread = 0.3\n", "drift_feature_unknown"),
        ("window = \"0s\"\n", "drift_window_invalid"),
        ("colour = 1\n", "drift_document_invalid"),
    ] {
        let refused = set(text);
        assert!(!refused.status.success(), "{text}");
        let told: Value = serde_json::from_slice(&refused.stderr).unwrap();
        assert_eq!(told["error"]["code"], code, "{told}");
    }
    let held = bench.json(&["drift", "settings"]);
    assert_eq!(held, json!({ "version": 1, "text": good }));
    let status = bench.json(&["drift", "status"]);
    assert_eq!(status, json!({ "watched": null, "alerts": [] }));
}
