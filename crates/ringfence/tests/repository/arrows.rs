//! The house drawn in ARCHITECTURE.md against the dependencies that cargo sees.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Crate name without its prefix, to what it depends on.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Floors from the roof (0) down, and the arrows as drawn.
struct Drawing {
    floors: BTreeMap<String, usize>,
    arrows: Arrows,
}

impl Drawing {
    /// Reads the one ```` ```arrows ```` block: `[FLOOR NAME]  crate -> crate crate`, a new floor starting
    /// where a line does not begin with a space.
    fn parse(document: &str) -> Result<Drawing, String> {
        let (_, rest) = document
            .split_once("```arrows\n")
            .ok_or("no ```arrows block")?;
        let (block, _) = rest.split_once("```").ok_or("the block has no end")?;
        let mut drawing = Drawing {
            floors: BTreeMap::new(),
            arrows: Arrows::new(),
        };
        let mut floor = 0;
        for line in block.lines() {
            floor += usize::from(!line.starts_with(' '));
            let (left, right) = line.split_once("->").ok_or(format!("no arrow: {line}"))?;
            let name = left
                .split_whitespace()
                .last()
                .ok_or(format!("no crate: {line}"))?;
            let below = right.split_whitespace().map(str::to_owned).collect();
            drawing.floors.insert(name.to_owned(), floor);
            if drawing.arrows.insert(name.to_owned(), below).is_some() {
                return Err(format!("{name} is drawn twice"));
            }
        }
        Ok(drawing)
    }

    fn problems(&self, real: &Arrows) -> Vec<String> {
        let mut problems = Vec::new();
        let none = BTreeSet::new();
        let names: BTreeSet<&String> = self.arrows.keys().chain(real.keys()).collect();
        for name in names {
            match (self.arrows.contains_key(name), real.contains_key(name)) {
                (true, false) => problems.push(format!("{name} is drawn but is no crate")),
                (false, true) => problems.push(format!("{name} is a crate but is not drawn")),
                _ => {}
            }
            let drawn = self.arrows.get(name).unwrap_or(&none);
            let found = real.get(name).unwrap_or(&none);
            for below in found.difference(drawn) {
                problems.push(format!("{name} -> {below} is real but not drawn"));
            }
            for below in drawn.difference(found) {
                problems.push(format!("{name} -> {below} is drawn but not real"));
            }
            for below in drawn {
                if self.floors.get(below) <= self.floors.get(name) {
                    problems.push(format!("{name} -> {below} does not point down"));
                }
            }
        }
        problems
    }
}

/// Normal and build dependencies between the crates of this workspace.
fn real_arrows() -> Arrows {
    let output = Command::new(std::env::var("CARGO").unwrap_or("cargo".to_owned()))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(super::root())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {stderr}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &serde_json::Value| {
        let name = value["name"].as_str().unwrap();
        name.strip_prefix("ringfence-").unwrap_or(name).to_owned()
    };
    let packages = metadata["packages"].as_array().unwrap();
    let arrows = packages.iter().map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let ours = dependencies.filter(|it| it["kind"] != "dev" && !it["path"].is_null());
        (name(package), ours.map(name).collect())
    });
    arrows.collect()
}

fn document() -> String {
    std::fs::read_to_string(super::root().join("ARCHITECTURE.md")).unwrap()
}

#[test]
fn the_drawn_arrows_are_the_real_ones_and_point_down() {
    let problems = Drawing::parse(&document())
        .unwrap()
        .problems(&real_arrows());
    assert!(problems.is_empty(), "ARCHITECTURE.md: {problems:#?}");
}

#[test]
fn every_crate_has_one_invariant_paragraph() {
    let document = document();
    for name in real_arrows().keys() {
        let heading = format!("\n### {name}\n");
        let (_, section) = document.split_once(&heading).unwrap_or_else(|| {
            panic!("ARCHITECTURE.md has no section `### {name}`");
        });
        let section = section.split("\n#").next().unwrap_or_default();
        let count = section.matches("\n**Invariant:**").count();
        assert_eq!(count, 1, "**Invariant:** paragraphs of {name}");
    }
}

#[test]
fn a_wrong_drawing_is_told_apart() {
    let cases = [
        ("ROOF a -> b\nGROUND b ->\n", ""),
        ("ROOF a ->\nGROUND b ->\n", "a -> b is real but not drawn"),
        (
            "ROOF a -> b\nGROUND b -> a\n",
            "b -> a is drawn but not real; b -> a does not point down",
        ),
        ("ROOF a -> b\n     b ->\n", "a -> b does not point down"),
        (
            "ROOF a -> b\n",
            "a -> b does not point down; b is a crate but is not drawn",
        ),
        (
            "ROOF a -> b\nGROUND b ->\n       c ->\n",
            "c is drawn but is no crate",
        ),
    ];
    let real = Arrows::from([
        ("a".to_owned(), BTreeSet::from(["b".to_owned()])),
        ("b".to_owned(), BTreeSet::new()),
    ]);
    for (block, expected) in cases {
        let drawing = Drawing::parse(&format!("```arrows\n{block}```\n")).unwrap();
        assert_eq!(drawing.problems(&real).join("; "), expected, "{block}");
    }
}
