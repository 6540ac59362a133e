//! Reads `key=value` sections; what cannot be served exactly is refused with its line.

use std::collections::BTreeMap;

use super::{
    CATEGORICAL, DEFAULT_LEFT, LightgbmError, LightgbmModel, MISSING_NAN, MISSING_SHIFT,
    MISSING_ZERO,
};
use crate::trees::{
    Child, FEATURES_MAX, LEAVES_PER_TREE_MAX, Leaf, MISSING_LEFT, Split, Tree, Trees,
    ZERO_IS_MISSING,
};

pub fn read(text: &str) -> Result<LightgbmModel, LightgbmError> {
    let mut lines = text
        .lines()
        .map(str::trim_end)
        .enumerate()
        .map(|(i, l)| (i + 1, l));
    let first = lines.next().map_or("", |(_, line)| line);
    if first != "tree" {
        return Err(LightgbmError::NotAModel {
            got: first.chars().take(40).collect(),
        });
    }
    let mut sections = vec![Section {
        line: 1,
        values: BTreeMap::new(),
    }];
    let mut complete = false;
    for (line, text) in lines {
        if text == "end of trees" {
            complete = true;
            break;
        }
        if text == "average_output" {
            let (key, expected) = (
                "average_output",
                "absent (random forests are not supported)",
            );
            return Err(LightgbmError::Value {
                line,
                key,
                expected,
                got: text.to_owned(),
            });
        }
        let Some((key, value)) = text.split_once('=') else {
            continue;
        };
        if key == "Tree" {
            sections.push(Section {
                line,
                values: BTreeMap::new(),
            });
        }
        if let Some(section) = sections.last_mut() {
            section.values.insert(key, (line, value));
        }
    }
    if !complete {
        return Err(LightgbmError::CutShort {
            trees: sections.len() - 1,
        });
    }
    let feature_names = read_header(&sections[0])?;
    let trees: Vec<Tree> = sections[1..]
        .iter()
        .map(read_tree)
        .collect::<Result<_, _>>()?;
    Ok(LightgbmModel {
        trees: Trees::new(feature_names.len(), &trees)?,
        feature_names,
    })
}

/// The keys of the header or of one tree, each with its line.
struct Section<'a> {
    line: usize,
    values: BTreeMap<&'a str, (usize, &'a str)>,
}

impl<'a> Section<'a> {
    fn get(&self, key: &'static str) -> Result<(usize, &'a str), LightgbmError> {
        self.values.get(key).copied().ok_or(LightgbmError::Missing {
            line: self.line,
            key,
        })
    }

    fn number(&self, key: &'static str, max: usize) -> Result<usize, LightgbmError> {
        let (line, value) = self.get(key)?;
        value
            .parse()
            .ok()
            .filter(|&n| n <= max)
            .ok_or_else(|| LightgbmError::Value {
                line,
                key,
                expected: "a whole number within the supported limits",
                got: value.to_owned(),
            })
    }

    /// Refuses every value but one; an absent key counts as that value when `or_absent`.
    fn require(
        &self,
        key: &'static str,
        value: &str,
        or_absent: bool,
        expected: &'static str,
    ) -> Result<(), LightgbmError> {
        match self.values.get(key) {
            None if or_absent => Ok(()),
            None => Err(LightgbmError::Missing {
                line: self.line,
                key,
            }),
            Some((_, got)) if *got == value => Ok(()),
            Some(&(line, got)) => Err(LightgbmError::Value {
                line,
                key,
                expected,
                got: got.to_owned(),
            }),
        }
    }

    fn list<T: std::str::FromStr>(
        &self,
        key: &'static str,
        expected: usize,
    ) -> Result<Vec<T>, LightgbmError> {
        let (line, text) = self.get(key)?;
        let mut values = Vec::with_capacity(expected);
        for part in text.split_ascii_whitespace() {
            values.push(part.parse().map_err(|_| LightgbmError::Value {
                line,
                key,
                expected: "a list of numbers",
                got: part.chars().take(40).collect(),
            })?);
        }
        if values.len() != expected {
            return Err(LightgbmError::Length {
                line,
                key,
                expected,
                got: values.len(),
            });
        }
        Ok(values)
    }
}

/// Returns the feature names.
fn read_header(header: &Section<'_>) -> Result<Vec<String>, LightgbmError> {
    header.require("num_class", "1", false, "1 (multiclass is not supported)")?;
    header.require(
        "num_tree_per_iteration",
        "1",
        false,
        "1 (multiclass is not supported)",
    )?;
    let (line, objective) = header.get("objective")?;
    if objective != "binary sigmoid:1" && objective != "binary" {
        return Err(LightgbmError::Value {
            line,
            key: "objective",
            expected: "binary sigmoid:1 (train with objective=binary)",
            got: objective.to_owned(),
        });
    }
    let features = header.number("max_feature_idx", FEATURES_MAX - 1)? + 1;
    header.list("feature_names", features)
}

fn read_tree(section: &Section<'_>) -> Result<Tree, LightgbmError> {
    let leaves = section.number("num_leaves", LEAVES_PER_TREE_MAX)?;
    section.require(
        "num_cat",
        "0",
        true,
        "0 (categorical splits are not supported)",
    )?;
    section.require("is_linear", "0", true, "0 (linear trees are not supported)")?;
    let value: Vec<f64> = section.list("leaf_value", leaves)?;
    if leaves < 2 {
        // The count of a constant tree may be absent or 0, and does not matter.
        let leaves = value
            .into_iter()
            .map(|value| Leaf { value, cover: 1 })
            .collect();
        return Ok(Tree {
            splits: Vec::new(),
            leaves,
        });
    }
    let cover: Vec<u32> = section.list("leaf_count", leaves)?;
    let splits = leaves - 1;
    let feature: Vec<u32> = section.list("split_feature", splits)?;
    let threshold: Vec<f64> = section.list("threshold", splits)?;
    let decision: Vec<u8> = section.list("decision_type", splits)?;
    let left: Vec<i32> = section.list("left_child", splits)?;
    let right: Vec<i32> = section.list("right_child", splits)?;
    let gain: Vec<f32> = match section.values.contains_key("split_gain") {
        true => section.list("split_gain", splits)?,
        false => vec![0.0; splits],
    };
    let line = section.get("decision_type")?.0;
    let splits = (0..splits)
        .map(|i| {
            Ok(Split {
                feature: feature[i],
                threshold: round_down(threshold[i]),
                flags: flags(decision[i], threshold[i], line)?,
                left: Child::decode(left[i]),
                right: Child::decode(right[i]),
                gain: gain[i],
            })
        })
        .collect::<Result<_, LightgbmError>>()?;
    let leaves = value
        .into_iter()
        .zip(cover)
        .map(|(value, cover)| Leaf { value, cover })
        .collect();
    Ok(Tree { splits, leaves })
}

fn flags(decision: u8, threshold: f64, line: usize) -> Result<u8, LightgbmError> {
    let refuse = |expected| {
        let (key, got) = ("decision_type", decision.to_string());
        Err(LightgbmError::Value {
            line,
            key,
            expected,
            got,
        })
    };
    if decision & CATEGORICAL != 0 {
        return refuse("even (categorical splits are not supported)");
    }
    let default = if decision & DEFAULT_LEFT != 0 {
        MISSING_LEFT
    } else {
        0
    };
    match decision >> MISSING_SHIFT {
        0 if 0.0 <= threshold => Ok(MISSING_LEFT),
        0 => Ok(0),
        MISSING_ZERO => Ok(default | ZERO_IS_MISSING),
        MISSING_NAN => Ok(default),
        _ => refuse("at most 11"),
    }
}

/// The largest finite f32 that is not above `threshold`. LightGBM writes `inf` where all present
/// values go left; no feature is infinite, so the largest number does the same.
fn round_down(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) > threshold || threshold == f64::INFINITY {
        nearest.next_down()
    } else {
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_round_down_to_f32() {
        for (threshold, expected) in [
            (0.1, 0.1f32.next_down()), // 0.1f32 is above 0.1
            (0.3, 0.3f32.next_down()),
            (0.7, 0.7f32), // 0.7f32 is below 0.7
            (1e300, f32::MAX),
            (f64::INFINITY, f32::MAX),
            (-0.1, -0.1f32),
            (1.000_000_018_002_509_5e-35, 1e-35),
        ] {
            assert_eq!(round_down(threshold), expected, "{threshold}");
        }
    }
}
