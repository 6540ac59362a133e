//! The parts of a model as tensors: trees under their arrays' names, a producer's behind `producer.`, the
//! network's under `network.`.

use super::container::{ContainerError, Dtype, Tensor, Tensors};
use crate::hybrid::knots::Knots;
use crate::hybrid::shape::{Layout, Shape};
use crate::hybrid::{Hybrid, HybridError};
use crate::trees::{Child, Leaf, Split, Tree, Trees};

fn list<T: Copy, const N: usize>(
    name: String,
    dtype: Dtype,
    values: &[T],
    bytes: fn(T) -> [u8; N],
) -> Tensor {
    Tensor {
        name,
        dtype,
        dims: vec![values.len()],
        bytes: values.iter().flat_map(|value| bytes(*value)).collect(),
    }
}

/// One tensor per array; `prefix` stands before each name.
pub fn write_trees(prefix: &str, trees: &Trees, out: &mut Vec<Tensor>) {
    let name = |name: &str| format!("{prefix}{name}");
    let (u32s, f32s, i32s) = (u32::to_le_bytes, f32::to_le_bytes, i32::to_le_bytes);
    let t = trees;
    out.extend([
        list(
            name("leaf_value"),
            Dtype::F64,
            &t.leaf_value,
            f64::to_le_bytes,
        ),
        list(name("leaf_cover"), Dtype::U32, &t.leaf_cover, u32s),
        list(name("leaf_start"), Dtype::U32, &t.leaf_start, u32s),
        list(name("feature"), Dtype::U32, &t.feature, u32s),
        list(name("threshold"), Dtype::F32, &t.threshold, f32s),
        list(name("left"), Dtype::I32, &t.left, i32s),
        list(name("right"), Dtype::I32, &t.right, i32s),
        list(name("gain"), Dtype::F32, &t.gain, f32s),
        list(name("flags"), Dtype::U8, &t.flags, u8::to_le_bytes),
    ]);
}

const REFERENCE: &str = "drift.reference";

pub fn reference(bytes: &[u8]) -> Tensor {
    list(REFERENCE.to_owned(), Dtype::U8, bytes, u8::to_le_bytes)
}

pub fn read_reference(tensors: &mut Tensors<'_>) -> Result<Option<Vec<u8>>, ContainerError> {
    match tensors.any(REFERENCE) {
        true => Ok(Some(tensors.take_list(REFERENCE, Dtype::U8)?.to_vec())),
        false => Ok(None),
    }
}

/// The arrays of trees as bytes, in the order of [`write_trees`]; a producer's identity is a digest over them.
pub fn arrays(trees: &Trees) -> impl Iterator<Item = Vec<u8>> {
    let mut tensors = Vec::new();
    write_trees("", trees, &mut tensors);
    tensors.into_iter().map(|it| it.bytes)
}

/// Cuts the arrays into trees; what is in them is for [`Trees::new`] to judge.
pub fn read_trees(prefix: &str, tensors: &mut Tensors<'_>) -> Result<Vec<Tree>, ContainerError> {
    let name = |name: &str| format!("{prefix}{name}");
    let mut take = |it: &str, dtype| tensors.take_list(&name(it), dtype);
    let value = numbers(take("leaf_value", Dtype::F64)?, f64::from_le_bytes);
    let cover = u32s(take("leaf_cover", Dtype::U32)?);
    let start = u32s(take("leaf_start", Dtype::U32)?);
    let feature = u32s(take("feature", Dtype::U32)?);
    let threshold = f32s(take("threshold", Dtype::F32)?);
    let left = i32s(take("left", Dtype::I32)?);
    let right = i32s(take("right", Dtype::I32)?);
    let gain = f32s(take("gain", Dtype::F32)?);
    let flags = take("flags", Dtype::U8)?;
    let trees = start.len().saturating_sub(1);
    let leaves = *start.last().unwrap_or(&0) as usize;
    let splits = leaves.saturating_sub(trees);
    let lengths = [
        ("leaf_value", leaves, value.len()),
        ("leaf_cover", leaves, cover.len()),
        ("feature", splits, feature.len()),
        ("threshold", splits, threshold.len()),
        ("left", splits, left.len()),
        ("right", splits, right.len()),
        ("gain", splits, gain.len()),
        ("flags", splits, flags.len()),
        // Begins at 0: then it says one thing about where each tree lies.
        (
            "leaf_start",
            1,
            usize::from(start.first().is_some_and(|&first| first == 0)),
        ),
    ];
    for (of, expected, got) in lengths {
        if expected != got {
            let name = name(of);
            return Err(ContainerError::Length {
                name,
                expected,
                got,
            });
        }
    }
    if let Some(tree) = start.windows(2).position(|w| w[1] <= w[0]) {
        let name = name("leaf_start");
        return Err(ContainerError::LeafStart { name, tree });
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

const NETWORK: &str = "network.";
const KNOT_START: &str = "network.knot_start";
const KNOTS: &str = "network.knots";

pub fn write_network(hybrid: &Hybrid, out: &mut Vec<Tensor>) {
    let (start, at) = (&hybrid.knots().start, &hybrid.knots().at);
    out.push(list(KNOT_START.into(), Dtype::U32, start, u32::to_le_bytes));
    out.push(list(KNOTS.into(), Dtype::F32, at, f32::to_le_bytes));
    for tensor in hybrid.layout().tensors(hybrid.shape(), at.len()) {
        let values = &hybrid.weights()[tensor.range];
        out.push(Tensor {
            name: format!("{NETWORK}{}", tensor.name),
            dtype: Dtype::F32,
            dims: tensor.dims,
            bytes: values.iter().flat_map(|it| it.to_le_bytes()).collect(),
        });
    }
}

/// The tensors that a network of this shape has, each of the size that it must have.
pub fn read_network(
    shape: Shape,
    tensors: &mut Tensors<'_>,
) -> Result<Result<Hybrid, HybridError>, ContainerError> {
    // Sizes are multiplied from here on: the shape is checked first.
    if let Err(error) = shape.check() {
        return Ok(Err(error.into()));
    }
    let start = u32s(tensors.take(KNOT_START, Dtype::U32, &[shape.features + 1])?);
    let at = f32s(tensors.take_list(KNOTS, Dtype::F32)?);
    let knots = Knots { start, at };
    if let Err(error) = knots.check(shape.features) {
        return Ok(Err(error.into()));
    }
    let layout = Layout::new(&shape, knots.total());
    let mut weights = Vec::new();
    for tensor in layout.tensors(&shape, knots.total()) {
        let name = format!("{NETWORK}{}", tensor.name);
        weights.extend(f32s(tensors.take(&name, Dtype::F32, &tensor.dims)?));
    }
    Ok(Hybrid::new(shape, knots, weights))
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
