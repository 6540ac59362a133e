//! The committed page says what the code does.

use event::Schema;
use ringfence_graph::FeatureList;

#[test]
fn the_page_of_the_default_schema_is_current() {
    let schema = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
    let page = FeatureList::new(&schema).to_markdown(&schema);
    assert!(
        page == include_str!("../../../docs/features.md"),
        "run: cargo run -p ringfence-graph --example features > docs/features.md"
    );
}
