//! The demo a newcomer runs first.

use crate::world::Bench;

#[test]
fn the_demo_catches_frauds_and_leaves_almost_everybody_alone() {
    let bench = Bench::new();
    let shown = bench.json(&["demo", "--out", "shown"]);
    let number = |name: &str| shown[name].as_u64().unwrap();
    assert!(number("events") > 1_000, "{shown}");
    assert!(number("frauds_stopped") >= 1, "{shown}");
    // The budgets of a new model add up to 1 %; a day may be busier than the weeks they were set on.
    assert!(number("stopped") * 33 < number("events"), "{shown}");
    let by_decision = shown["by_decision"].as_object().unwrap();
    let decided = by_decision
        .values()
        .map(|it| it["events"].as_u64().unwrap());
    assert_eq!(decided.sum::<u64>(), number("events"));
    std::fs::rename(bench.path("shown/data"), bench.path("data")).unwrap();
    let log = bench.json(&["inspect", "log"]);
    assert_eq!(log["by_kind"]["decision"], shown["events"]);
    assert_eq!(
        bench.run(&["demo", "--out", "shown"]).status.code(),
        Some(1)
    );
}
