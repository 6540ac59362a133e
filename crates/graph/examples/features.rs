//! Prints the feature list of a schema as Markdown: `features [SCHEMA.toml]`, the default schema without one.

#![allow(clippy::print_stdout)]

use std::error::Error;

use event::Schema;
use ringfence_graph::FeatureList;

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => include_str!("../../../schemas/default.toml").to_owned(),
    };
    let schema = Schema::parse(&text)?;
    print!("{}", FeatureList::new(&schema).to_markdown(&schema));
    Ok(())
}
