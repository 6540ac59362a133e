//! One body of the network, compiled once per instruction set and hidden width.

use super::Scratch;
use super::activation::power;
use super::matrix::{add, add_tile, multiply_add, rectify_all};
use super::pack::{GROUP, Packed};
use super::past::{Row, past};
use crate::hybrid::Input;
use crate::hybrid::mathematics::rectify;
use crate::hybrid::shape::{BRANCHES, NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH};

/// Rows that share the working memory.
pub const BATCH: usize = 32;
/// Rows, and neighbours, that share each load of a weight.
pub const TOGETHER: usize = 4;

/// Where a value lies: a spline row, and the share of the way to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    pub row: u32,
    pub share: f32,
}

/// `P` and `T`: widths of panels and of tiles; at most [`BATCH`] rows.
#[inline(always)]
pub fn score<const FMA: bool, const H: usize, const P: usize, const T: usize>(
    packed: &Packed,
    inputs: &[Input<'_>],
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    for (row, input) in inputs.iter().enumerate() {
        let branches = &mut scratch.branches[row * BRANCHES * H..(row + 1) * BRANCHES * H];
        let (tabular, rest) = branches.split_at_mut(H);
        let (graph, sequence) = rest.split_at_mut(H);
        places(packed, input.tabular, &mut scratch.places);
        out[row] = wide::<FMA, P>(packed, &scratch.places, &mut scratch.wide);
        tabular.copy_from_slice(packed.get(&packed.tabular_bias));
        add::<FMA, P>(&scratch.wide, packed.get(&packed.tabular), tabular);
        rectify_all(tabular);
        if packed.shape.graph {
            event::<FMA, H, P, T>(packed, input, tabular, &mut scratch.nodes, graph);
        } else {
            graph.fill(0.0);
        }
        sequence.fill(0.0);
        let query = &mut scratch.queries[row * H..(row + 1) * H];
        query.fill(0.0);
        if packed.shape.sequence {
            add::<FMA, P>(tabular, packed.get(&packed.query), query);
        }
    }
    if packed.shape.sequence {
        sequences::<FMA, H, P, T>(packed, inputs, scratch);
    }
    let rows = scratch.branches.chunks_exact(BRANCHES * H);
    for (out, branches) in out.iter_mut().zip(rows) {
        *out += fuse::<FMA, H, P>(packed, branches);
    }
}

/// Places of all values, a group of features at once.
#[inline(always)]
fn places(packed: &Packed, tabular: &[f32], places: &mut [Place]) {
    let groups = packed.looked.chunks(GROUP).zip(&packed.groups);
    for ((looked, lines), places) in groups.zip(places.chunks_mut(GROUP)) {
        let mut values = [0.0; GROUP];
        for (value, looked) in values.iter_mut().zip(looked) {
            *value = tabular[looked.feature as usize];
        }
        let mut above = [0_u32; GROUP];
        for line in lines {
            for at in 0..GROUP {
                above[at] += u32::from(line[at] <= values[at]);
            }
        }
        let found = looked.iter().zip(values.iter().zip(above));
        for (place, (looked, (value, above))) in places.iter_mut().zip(found) {
            let row = match value.is_nan() {
                true => looked.missing,
                false => looked.first + above.max(1) - 1,
            };
            let (at, span) = (packed.at[row as usize], packed.span[row as usize]);
            // Below the first knot the share would be negative, beyond the last it is 0 (or inf / inf).
            let share = ((value - at) / span).max(0.0);
            *place = Place { row, share };
        }
    }
}

/// The first tabular layer; returns what goes from the features straight to the output.
#[inline(always)]
fn wide<const FMA: bool, const P: usize>(
    packed: &Packed,
    places: &[Place],
    wide: &mut [f32],
) -> f32 {
    let width = wide.len();
    let spline = packed.get(&packed.spline);
    let mut from = 0;
    if P >= 64 {
        while width - from >= 64 {
            gather::<FMA, 64>(packed, spline, places, from, wide);
            from += 64;
        }
    }
    while width - from >= 32 {
        gather::<FMA, 32>(packed, spline, places, from, wide);
        from += 32;
    }
    if width - from >= 16 {
        gather::<FMA, 16>(packed, spline, places, from, wide);
    }
    let mut skip = [0.0; 4];
    for (at, place) in places.iter().enumerate() {
        let row = place.row as usize;
        let (low, high) = (packed.skip[row], packed.skip[row + 1]);
        skip[at % 4] += multiply_add::<FMA>(place.share, high - low, low);
    }
    (skip[0] + skip[1]) + (skip[2] + skip[3])
}

#[inline(always)]
fn gather<const FMA: bool, const W: usize>(
    packed: &Packed,
    spline: &[f32],
    places: &[Place],
    from: usize,
    wide: &mut [f32],
) {
    let mut held = [0.0; W];
    held.copy_from_slice(&packed.get(&packed.wide_bias)[from..from + W]);
    for place in places {
        let row = &spline[place.row as usize * wide.len() + from..];
        let (low, high) = (&row[..W], &row[wide.len()..][..W]);
        let kept = 1.0 - place.share;
        for at in 0..W {
            held[at] = multiply_add::<FMA>(kept, low[at], held[at]);
            held[at] = multiply_add::<FMA>(place.share, high[at], held[at]);
        }
    }
    rectify_all(&mut held);
    wide[from..from + W].copy_from_slice(&held);
}

/// Two hops: entities from their interactions, the event from its entities.
#[inline(always)]
fn event<const FMA: bool, const H: usize, const P: usize, const T: usize>(
    packed: &Packed,
    input: &Input<'_>,
    tabular: &[f32],
    nodes: &mut [f32],
    out: &mut [f32],
) {
    let roles = packed.shape.roles;
    nodes[..H].copy_from_slice(tabular);
    for role in 0..roles {
        let used = usize::from(input.neighbours[role]).min(NEIGHBOURS);
        let width = NEIGHBOURS * NEIGHBOUR_WIDTH;
        let block = &input.neighbourhood[role * width..(role + 1) * width];
        let neighbours = &block.as_chunks::<NEIGHBOUR_WIDTH>().0[..used];
        let mut entity = [[0.0; H]; 3];
        let [mean, max, own] = &mut entity;
        if T >= 32 {
            messages::<FMA, H, 32>(packed, role, neighbours, mean, max);
        } else {
            messages::<FMA, H, 16>(packed, role, neighbours, mean, max);
        }
        own[..NODE_WIDTH]
            .copy_from_slice(&input.entities[role * NODE_WIDTH..(role + 1) * NODE_WIDTH]);
        let node = &mut nodes[(role + 1) * H..(role + 2) * H];
        node.copy_from_slice(packed.get(&packed.entity_bias[role]));
        let x = &entity.as_flattened()[..2 * H + NODE_WIDTH];
        add::<FMA, P>(x, packed.get(&packed.entity[role]), node);
        rectify_all(node);
    }
    out.copy_from_slice(packed.get(&packed.event_bias));
    add::<FMA, P>(&nodes[..(roles + 1) * H], packed.get(&packed.event), out);
    rectify_all(out);
}

/// Mean and maximum over the messages of the neighbours.
#[inline(always)]
fn messages<const FMA: bool, const H: usize, const T: usize>(
    packed: &Packed,
    role: usize,
    neighbours: &[[f32; NEIGHBOUR_WIDTH]],
    mean: &mut [f32; H],
    max: &mut [f32; H],
) {
    let panel = packed.get(&packed.message[role]).as_chunks::<H>().0;
    let bias = packed.get(&packed.message_bias[role]).as_chunks::<T>().0;
    let (together, alone) = neighbours.as_chunks::<TOGETHER>();
    let sums = mean.as_chunks_mut::<T>().0.iter_mut();
    let most = max.as_chunks_mut::<T>().0.iter_mut();
    for (tile, (sum, most)) in sums.zip(most).enumerate() {
        for four in together {
            let mut held = [bias[tile]; TOGETHER];
            let x = [&four[0][..], &four[1][..], &four[2][..], &four[3][..]];
            add_tile::<FMA, H, T, TOGETHER>(x, panel, tile, &mut held);
            for message in &held {
                collect(message, sum, most);
            }
        }
        for one in alone {
            let mut held = [bias[tile]];
            add_tile::<FMA, H, T, 1>([one], panel, tile, &mut held);
            collect(&held[0], sum, most);
        }
        if !neighbours.is_empty() {
            let share = 1.0 / neighbours.len() as f32;
            for value in sum {
                *value *= share;
            }
        }
    }
}

/// Messages are never negative, so 0 is the maximum of none.
#[inline(always)]
fn collect<const T: usize>(message: &[f32; T], sum: &mut [f32; T], most: &mut [f32; T]) {
    for at in 0..T {
        sum[at] += rectify(message[at]);
        most[at] = most[at].max(message[at]);
    }
}

/// The sequence branch of all rows, those of like length together.
#[inline(always)]
fn sequences<const FMA: bool, const H: usize, const P: usize, const T: usize>(
    packed: &Packed,
    inputs: &[Input<'_>],
    scratch: &mut Scratch,
) {
    let order = &mut scratch.order[..inputs.len()];
    for (at, place) in order.iter_mut().enumerate() {
        *place = at;
    }
    order.sort_unstable_by_key(|row| std::cmp::Reverse(inputs[*row].steps));
    let queries = scratch.queries.as_chunks::<H>().0;
    let row = |at: usize| Row {
        sequence: inputs[at].sequence,
        steps: inputs[at].steps,
        query: &queries[at],
    };
    let (together, alone) = order.as_chunks::<TOGETHER>();
    for four in together {
        let found = past::<FMA, H, P, T, TOGETHER>(packed, four.map(row), &mut scratch.memories);
        for (at, found) in four.iter().zip(&found) {
            branch::<FMA, H, P>(packed, found, *at, &mut scratch.branches);
        }
    }
    for at in alone {
        let [found] = past::<FMA, H, P, P, 1>(packed, [row(*at)], &mut scratch.memories);
        branch::<FMA, H, P>(packed, &found, *at, &mut scratch.branches);
    }
}

/// No closure: it would not be compiled for the instruction set of its function, and a fused multiplication
/// would be a call.
#[inline(always)]
fn branch<const FMA: bool, const H: usize, const P: usize>(
    packed: &Packed,
    found: &[[f32; H]; 2],
    row: usize,
    branches: &mut [f32],
) {
    let from = (row * BRANCHES + 2) * H;
    let branch = &mut branches[from..from + H];
    branch.copy_from_slice(packed.get(&packed.past_bias));
    add::<FMA, P>(found.as_flattened(), packed.get(&packed.past), branch);
    rectify_all(branch);
}

#[inline(always)]
fn fuse<const FMA: bool, const H: usize, const P: usize>(packed: &Packed, branches: &[f32]) -> f32 {
    let mut gated = [[0.0; H]; BRANCHES];
    let gated = gated.as_flattened_mut();
    gated.copy_from_slice(packed.get(&packed.gate_bias));
    add::<FMA, P>(branches, packed.get(&packed.gate), gated);
    for (gate, value) in gated.iter_mut().zip(branches) {
        *gate = value / (1.0 + power::<FMA>(*gate));
    }
    let mut fused = [0.0; H];
    fused.copy_from_slice(packed.get(&packed.fusion_bias));
    add::<FMA, P>(gated, packed.get(&packed.fusion), &mut fused);
    rectify_all(&mut fused);
    let mut lanes = [0.0; 16];
    let output = packed.output.as_chunks::<16>().0;
    for (output, fused) in output.iter().zip(fused.as_chunks::<16>().0) {
        for at in 0..16 {
            lanes[at] = multiply_add::<FMA>(output[at], fused[at], lanes[at]);
        }
    }
    lanes.iter().sum::<f32>() + packed.output_bias
}
