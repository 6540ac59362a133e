//! The bytes of a model file: safetensors (a little-endian u64 header length, a JSON table of tensors, their
//! data). What the tensors mean is for [`super::sections`].

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::hex;

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
    Missing { name: String },
    #[error("unknown tensor {name:?}")]
    Unknown { name: String },
    #[error("tensor {name:?} must have dtype {expected}, got {got}")]
    Dtype {
        name: String,
        expected: &'static str,
        got: String,
    },
    #[error("tensor {name:?}: offsets and shape must be {expected}, got {got}")]
    Offsets {
        name: String,
        expected: String,
        got: String,
    },
    #[error("{bytes} bytes follow the last tensor")]
    Trailing { bytes: usize },
    #[error("tensor {name:?} must have {expected} values, got {got}")]
    Length {
        name: String,
        expected: usize,
        got: usize,
    },
    #[error("tensor {name:?} must rise by at least 1 per tree, tree {tree} does not")]
    LeafStart { name: String, tree: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    F64,
    F32,
    U32,
    I32,
    U8,
}

impl Dtype {
    fn name(self) -> &'static str {
        match self {
            Dtype::F64 => "F64",
            Dtype::F32 => "F32",
            Dtype::U32 => "U32",
            Dtype::I32 => "I32",
            Dtype::U8 => "U8",
        }
    }

    fn width(self) -> usize {
        match self {
            Dtype::F64 => 8,
            Dtype::F32 | Dtype::U32 | Dtype::I32 => 4,
            Dtype::U8 => 1,
        }
    }
}

/// A tensor on its way into a file.
#[derive(Debug)]
pub struct Tensor {
    pub name: String,
    pub dtype: Dtype,
    pub dims: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// Tensors stand in the order given, but for wide values, which go first, so that all are aligned.
pub fn write(content: &str, mut tensors: Vec<Tensor>) -> Result<Vec<u8>, ContainerError> {
    tensors.sort_by_key(|it| std::cmp::Reverse(it.dtype.width()));
    let mut table = Map::new();
    let digest = "0".repeat(DIGEST_LEN);
    table.insert(
        "__metadata__".into(),
        json!({ "digest": digest, "content": content }),
    );
    let mut at = 0;
    for tensor in &tensors {
        let end = at + tensor.bytes.len();
        let entry = json!({
            "dtype": tensor.dtype.name(),
            "shape": tensor.dims,
            "data_offsets": [at, end],
        });
        table.insert(tensor.name.clone(), entry);
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
    file.extend(tensors.iter().flat_map(|it| &it.bytes));
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

/// The content (JSON) and the tensors, which follow each other without gaps.
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
    let metadata = table.shift_remove("__metadata__").unwrap_or_default();
    let content = metadata
        .get("content")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    Ok((content, Tensors::of(table, data)?))
}

/// sha256 of the file with zeros in the digest's place.
fn digest_of(file: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(&file[..DIGEST_AT]);
    hash.update([b'0'; DIGEST_LEN]);
    hash.update(&file[DIGEST_AT + DIGEST_LEN..]);
    hex(&hash.finalize())
}

/// The tensors of a file, until each has been taken.
pub struct Tensors<'a> {
    held: BTreeMap<String, (Value, &'a [u8])>,
}

impl<'a> Tensors<'a> {
    /// `table` in file order.
    fn of(table: Map<String, Value>, data: &'a [u8]) -> Result<Tensors<'a>, ContainerError> {
        let mut held = BTreeMap::new();
        let mut at = 0;
        for (name, entry) in table {
            let end = entry["data_offsets"][1]
                .as_u64()
                .and_then(|end| usize::try_from(end).ok())
                .filter(|end| (at..=data.len()).contains(end));
            let Some(end) = end.filter(|end| entry["data_offsets"] == json!([at, end])) else {
                return Err(offsets(
                    &name,
                    format!("from {at}, within {} bytes", data.len()),
                    &entry,
                ));
            };
            held.insert(name, (entry, &data[at..end]));
            at = end;
        }
        if at != data.len() {
            return Err(ContainerError::Trailing {
                bytes: data.len() - at,
            });
        }
        Ok(Tensors { held })
    }

    /// Whether a name that begins so is still held.
    pub fn any(&self, prefix: &str) -> bool {
        self.held.keys().any(|name| name.starts_with(prefix))
    }

    /// Bytes of the tensor, which must have this type and these dimensions.
    pub fn take(
        &mut self,
        name: &str,
        dtype: Dtype,
        dims: &[usize],
    ) -> Result<&'a [u8], ContainerError> {
        let (entry, bytes) = self.remove(name, dtype)?;
        let values = dims
            .iter()
            .try_fold(dtype.width(), |all, it| all.checked_mul(*it));
        if entry["shape"] != json!(dims) || values != Some(bytes.len()) {
            return Err(offsets(
                name,
                format!("{dims:?}, {} bytes a value", dtype.width()),
                &entry,
            ));
        }
        Ok(bytes)
    }

    /// Bytes of a tensor of one dimension and any length.
    pub fn take_list(&mut self, name: &str, dtype: Dtype) -> Result<&'a [u8], ContainerError> {
        let (entry, bytes) = self.remove(name, dtype)?;
        if entry["shape"] != json!([bytes.len() / dtype.width()])
            || !bytes.len().is_multiple_of(dtype.width())
        {
            return Err(offsets(
                name,
                format!("one dimension, {} bytes a value", dtype.width()),
                &entry,
            ));
        }
        Ok(bytes)
    }

    fn remove(&mut self, name: &str, dtype: Dtype) -> Result<(Value, &'a [u8]), ContainerError> {
        let (entry, bytes) = self
            .held
            .remove(name)
            .ok_or_else(|| ContainerError::Missing {
                name: name.to_owned(),
            })?;
        if entry["dtype"] != dtype.name() {
            return Err(ContainerError::Dtype {
                name: name.to_owned(),
                expected: dtype.name(),
                got: entry["dtype"].to_string(),
            });
        }
        Ok((entry, bytes))
    }

    /// Refuses what nobody took.
    pub fn end(self) -> Result<(), ContainerError> {
        match self.held.into_keys().next() {
            Some(name) => Err(ContainerError::Unknown { name }),
            None => Ok(()),
        }
    }
}

fn offsets(name: &str, expected: String, entry: &Value) -> ContainerError {
    ContainerError::Offsets {
        name: name.to_owned(),
        expected,
        got: format!("{} {}", entry["shape"], entry["data_offsets"]),
    }
}
