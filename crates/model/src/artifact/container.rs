//! The bytes of a model file: safetensors (a little-endian u64 header length, a JSON table of
//! tensors, their data) holding one tensor per array of [`Trees`].

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::hex;
use crate::trees::{Child, Leaf, Split, Tree, Trees};

const FILE_BYTES_MAX: u64 = 256 << 20;
const TABLE_BYTES_MAX: usize = 8 << 20;
/// The digest stands first, at a fixed place: all other bytes can be hashed without parsing.
const PREFIX: &[u8] = br#"{"__metadata__":{"digest":""#;
const DIGEST_AT: usize = 8 + PREFIX.len();
const DIGEST_LEN: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContainerError {
    #[error("must be at most {FILE_BYTES_MAX} bytes, got {got}")]
    TooLarge { got: u64 },
    #[error("ends early: {expected} bytes expected, got {got}")]
    Truncated { expected: u64, got: u64 },
    #[error("table of tensors must be at most {TABLE_BYTES_MAX} bytes, got {got}")]
    TableTooLarge { got: u64 },
    #[error("does not begin as a model file of this program does")]
    Prefix,
    #[error("digest must be {expected}, got {got}: the file is damaged")]
    Digest { expected: String, got: String },
    #[error("table of tensors is not valid JSON: {message}")]
    Table { message: String },
    #[error("tensor {name:?} is missing")]
    Missing { name: &'static str },
    #[error("unknown tensor {name:?}")]
    Unknown { name: String },
    #[error("tensor {name:?} must have dtype {expected}, got {got}")]
    Dtype {
        name: &'static str,
        expected: &'static str,
        got: String,
    },
    #[error("tensor {name:?}: offsets and shape must be {expected}, got {got}")]
    Offsets {
        name: &'static str,
        expected: String,
        got: String,
    },
    #[error("{bytes} bytes follow the last tensor")]
    Trailing { bytes: usize },
    #[error("tensor {name:?} must have {expected} values, got {got}")]
    Length {
        name: &'static str,
        expected: usize,
        got: usize,
    },
    #[error("tensor \"leaf_start\" must rise by at least 1 per tree, tree {tree} does not")]
    LeafStart { tree: usize },
}

/// Name, name of the producer's, dtype and size of each tensor, in file order: wide values first, so that
/// all are aligned, the producer's behind the model's own.
const TENSORS: [(&str, &str, &str, usize); 9] = [
    ("leaf_value", "producer.leaf_value", "F64", 8),
    ("leaf_cover", "producer.leaf_cover", "U32", 4),
    ("leaf_start", "producer.leaf_start", "U32", 4),
    ("feature", "producer.feature", "U32", 4),
    ("threshold", "producer.threshold", "F32", 4),
    ("left", "producer.left", "I32", 4),
    ("right", "producer.right", "I32", 4),
    ("gain", "producer.gain", "F32", 4),
    ("flags", "producer.flags", "U8", 1),
];

fn bytes_of<T: Copy, const N: usize>(values: &[T], to: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| to(*value)).collect()
}

/// The arrays of trees as bytes, in the order of [`TENSORS`].
pub fn arrays(trees: &Trees) -> [Vec<u8>; 9] {
    [
        bytes_of(&trees.leaf_value, f64::to_le_bytes),
        bytes_of(&trees.leaf_cover, u32::to_le_bytes),
        bytes_of(&trees.leaf_start, u32::to_le_bytes),
        bytes_of(&trees.feature, u32::to_le_bytes),
        bytes_of(&trees.threshold, f32::to_le_bytes),
        bytes_of(&trees.left, i32::to_le_bytes),
        bytes_of(&trees.right, i32::to_le_bytes),
        bytes_of(&trees.gain, f32::to_le_bytes),
        trees.flags.clone(),
    ]
}

pub fn write(
    content: &str,
    trees: &Trees,
    producer: Option<&Trees>,
) -> Result<Vec<u8>, ContainerError> {
    let (own, producers) = (arrays(trees), producer.map(arrays));
    let mut data: Vec<(&str, &str, usize, &[u8])> = Vec::new();
    for (at, (name, producer_name, dtype, width)) in TENSORS.iter().enumerate() {
        data.push((name, dtype, *width, &own[at]));
        if let Some(producers) = &producers {
            data.push((producer_name, dtype, *width, &producers[at]));
        }
    }
    let mut table = Map::new();
    let digest = "0".repeat(DIGEST_LEN);
    table.insert(
        "__metadata__".into(),
        json!({ "digest": digest, "content": content }),
    );
    let mut at = 0;
    for (name, dtype, width, data) in &data {
        let end = at + data.len();
        let entry =
            json!({ "dtype": dtype, "shape": [data.len() / width], "data_offsets": [at, end] });
        table.insert((*name).into(), entry);
        at = end;
    }
    let mut table = Value::Object(table).to_string().into_bytes();
    table.resize(table.len().next_multiple_of(8), b' ');
    if table.len() > TABLE_BYTES_MAX {
        return Err(ContainerError::TableTooLarge {
            got: table.len() as u64,
        });
    }
    let mut file = (table.len() as u64).to_le_bytes().to_vec();
    file.extend(table);
    for (_, _, _, data) in &data {
        file.extend_from_slice(data);
    }
    check_size(file.len() as u64)?;
    let digest = digest_of(&file);
    file[DIGEST_AT..DIGEST_AT + DIGEST_LEN].copy_from_slice(digest.as_bytes());
    Ok(file)
}

pub fn check_size(got: u64) -> Result<(), ContainerError> {
    if got > FILE_BYTES_MAX {
        Err(ContainerError::TooLarge { got })
    } else {
        Ok(())
    }
}

/// The content (JSON) and the tensors, all offsets checked.
pub fn read(file: &[u8]) -> Result<(String, Tensors<'_>), ContainerError> {
    check_size(file.len() as u64)?;
    let truncated = |expected| ContainerError::Truncated {
        expected,
        got: file.len() as u64,
    };
    let (length, rest) = file.split_first_chunk::<8>().ok_or(truncated(8))?;
    let length = u64::from_le_bytes(*length);
    if length > TABLE_BYTES_MAX as u64 {
        return Err(ContainerError::TableTooLarge { got: length });
    }
    let (table, data) = rest
        .split_at_checked(length as usize)
        .ok_or(truncated(8 + length))?;
    if !table.starts_with(PREFIX) || table.len() < PREFIX.len() + DIGEST_LEN {
        return Err(ContainerError::Prefix);
    }
    let stated = &file[DIGEST_AT..DIGEST_AT + DIGEST_LEN];
    let computed = digest_of(file);
    if stated != computed.as_bytes() {
        let got = String::from_utf8_lossy(stated).into_owned();
        return Err(ContainerError::Digest {
            expected: computed,
            got,
        });
    }
    let mut table: Map<String, Value> =
        serde_json::from_slice(table).map_err(|error| ContainerError::Table {
            message: error.to_string(),
        })?;
    let metadata = table.remove("__metadata__").unwrap_or_default();
    let has_producer = table.contains_key(TENSORS[0].1);
    let content = metadata
        .get("content")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let mut at = 0;
    let mut take = |name, dtype, width| {
        let entry = table.remove(name).ok_or(ContainerError::Missing { name })?;
        let len = tensor_len(&entry, name, dtype, width, at, data.len())?;
        at += len;
        Ok(&data[at - len..at])
    };
    let mut parts = Vec::with_capacity(TENSORS.len());
    let mut producer = Vec::new();
    for (name, producer_name, dtype, width) in TENSORS {
        parts.push(take(name, dtype, width)?);
        if has_producer {
            producer.push(take(producer_name, dtype, width)?);
        }
    }
    if let Some((name, _)) = table.into_iter().next() {
        return Err(ContainerError::Unknown { name });
    }
    if at != data.len() {
        return Err(ContainerError::Trailing {
            bytes: data.len() - at,
        });
    }
    let producer = has_producer.then_some(producer);
    Ok((content, Tensors { parts, producer }))
}

/// Tensors must follow each other without gaps, each as long as its shape says.
fn tensor_len(
    entry: &Value,
    name: &'static str,
    dtype: &'static str,
    width: usize,
    at: usize,
    limit: usize,
) -> Result<usize, ContainerError> {
    if entry["dtype"] != dtype {
        let got = entry["dtype"].to_string();
        return Err(ContainerError::Dtype {
            name,
            expected: dtype,
            got,
        });
    }
    let values = entry["shape"][0]
        .as_u64()
        .and_then(|n| usize::try_from(n).ok());
    let end = values
        .and_then(|n| n.checked_mul(width))
        .and_then(|len| at.checked_add(len));
    let fits = end.filter(|&end| end <= limit);
    match (values, fits) {
        (Some(values), Some(end))
            if entry["shape"] == json!([values]) && entry["data_offsets"] == json!([at, end]) =>
        {
            Ok(end - at)
        }
        _ => Err(ContainerError::Offsets {
            name,
            expected: format!("one dimension, from {at}, within {limit} bytes"),
            got: format!("{} {}", entry["shape"], entry["data_offsets"]),
        }),
    }
}

/// sha256 of the file with zeros in the digest's place.
fn digest_of(file: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(&file[..DIGEST_AT]);
    hash.update([b'0'; DIGEST_LEN]);
    hash.update(&file[DIGEST_AT + DIGEST_LEN..]);
    hex(&hash.finalize())
}

pub struct Tensors<'a> {
    /// In the order of [`TENSORS`].
    parts: Vec<&'a [u8]>,
    producer: Option<Vec<&'a [u8]>>,
}

impl Tensors<'_> {
    pub fn trees(&self) -> Result<Vec<Tree>, ContainerError> {
        cut(&self.parts, TENSORS.map(|it| it.0))
    }

    pub fn producer(&self) -> Result<Option<Vec<Tree>>, ContainerError> {
        let parts = self.producer.as_ref();
        parts
            .map(|parts| cut(parts, TENSORS.map(|it| it.1)))
            .transpose()
    }
}

/// Cuts the arrays into trees; what is in them is for [`Trees::new`] to judge.
fn cut(parts: &[&[u8]], names: [&'static str; 9]) -> Result<Vec<Tree>, ContainerError> {
    let [
        value,
        cover,
        start,
        feature,
        threshold,
        left,
        right,
        gain,
        flags,
    ] = parts
    else {
        return Err(ContainerError::Missing { name: names[0] });
    };
    let (value, cover, start) = (numbers(value, f64::from_le_bytes), u32s(cover), u32s(start));
    let (feature, threshold, gain) = (u32s(feature), f32s(threshold), f32s(gain));
    let (left, right) = (i32s(left), i32s(right));
    let trees = start.len().saturating_sub(1);
    let leaves = *start.last().unwrap_or(&0) as usize;
    let splits = leaves.saturating_sub(trees);
    let lengths = [
        (names[0], leaves, value.len()),
        (names[1], leaves, cover.len()),
        (names[3], splits, feature.len()),
        (names[4], splits, threshold.len()),
        (names[5], splits, left.len()),
        (names[6], splits, right.len()),
        (names[7], splits, gain.len()),
        (names[8], splits, flags.len()),
    ];
    for (name, expected, got) in lengths {
        if expected != got {
            return Err(ContainerError::Length {
                name,
                expected,
                got,
            });
        }
    }
    if start.first().is_none_or(|&first| first != 0) {
        return Err(ContainerError::Length {
            name: names[2],
            expected: 1,
            got: 0,
        });
    }
    if let Some(tree) = start.windows(2).position(|w| w[1] <= w[0]) {
        return Err(ContainerError::LeafStart { tree });
    }
    let split = |i: usize| Split {
        feature: feature[i],
        threshold: threshold[i],
        flags: flags[i],
        left: Child::decode(left[i]),
        right: Child::decode(right[i]),
        gain: gain[i],
    };
    let leaf = |i: usize| Leaf {
        value: value[i],
        cover: cover[i],
    };
    Ok((0..trees)
        .map(|tree| {
            // Each tree has one leaf more than splits, so tree t's splits begin t earlier.
            let (from, until) = (start[tree] as usize, start[tree + 1] as usize);
            Tree {
                splits: (from - tree..until - tree - 1).map(split).collect(),
                leaves: (from..until).map(leaf).collect(),
            }
        })
        .collect())
}

fn numbers<const N: usize, T>(bytes: &[u8], convert: fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|&chunk| convert(chunk))
        .collect()
}

fn u32s(bytes: &[u8]) -> Vec<u32> {
    numbers(bytes, u32::from_le_bytes)
}

fn i32s(bytes: &[u8]) -> Vec<i32> {
    numbers(bytes, i32::from_le_bytes)
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    numbers(bytes, f32::from_le_bytes)
}
