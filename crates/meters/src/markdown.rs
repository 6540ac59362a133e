//! The families as a table for people.

use std::fmt::Write;

use crate::Family;

/// A row for each family, in the order given.
pub fn markdown<'a>(families: impl IntoIterator<Item = &'a Family>) -> String {
    let mut out = String::from("| name | kind | labels | meaning |\n|---|---|---|---|\n");
    for family in families {
        let labels: Vec<String> = family.labels.iter().map(|it| format!("`{it}`")).collect();
        let (name, kind, help) = (family.name, family.kind.name(), family.help);
        let labels = labels.join(" ");
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "| `{name}` | {kind} | {labels} | {} |",
            help.replace('|', "\\|")
        );
    }
    out
}
