//! The network as it is served: the same numbers as [`Hybrid::forward`] within 1e-5, some fifty times faster.
//!
//! Plain loops over arrays that the compiler turns into vector code, compiled once for each instruction set;
//! which one runs is chosen when a network is loaded. The fused kinds compute the same bits as each other.

mod network;

mod past;

mod activation;
mod matrix;
mod pack;

mod dispatch;

use super::shape::BRANCHES;
use super::{Hybrid, Input};
use network::{BATCH, Place, TOGETHER};
use pack::Packed;
use past::Memory;

/// Instruction sets that a kernel can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, CD, DQ, VL (x86-64-v4).
    Avx512,
}

impl Isa {
    /// Those that this machine has, the fastest last.
    pub fn detect() -> Vec<Isa> {
        let mut found = vec![Isa::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Isa::Avx2);
                let rest = is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512cd")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl");
                if rest && is_x86_feature_detected!("avx512f") {
                    found.push(Isa::Avx512);
                }
            }
        }
        found
    }
}

/// Inner values of the row that was scored last, alone.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    kernel: &'a Kernel,
    scratch: &'a Scratch,
    steps: usize,
}

/// Where a feature's value lies in the first tabular layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeenPlace {
    pub feature: usize,
    /// Of all knots, then of missing values by feature.
    pub row: usize,
    /// Of the way to the next row.
    pub share: f32,
}

impl<'a> Seen<'a> {
    pub fn places(&self) -> impl Iterator<Item = SeenPlace> + 'a {
        let looked = self.kernel.packed.looked.iter();
        looked
            .zip(&self.scratch.places)
            .map(|(looked, place)| SeenPlace {
                feature: looked.feature as usize,
                row: place.row as usize,
                share: place.share,
            })
    }

    /// Roles x hidden.
    pub fn entities(&self) -> &'a [f32] {
        &self.scratch.nodes[self.kernel.packed.shape.hidden..]
    }

    /// Steps x hidden.
    pub fn states(&self) -> &'a [f32] {
        self.scratch.memories[0].states(self.steps)
    }
}

/// A network, ready to score.
#[derive(Debug)]
pub struct Kernel {
    packed: Packed,
    isa: Isa,
}

/// Working memory of one thread, for kernels of one network; scoring allocates nothing.
#[derive(Debug)]
pub struct Scratch {
    places: Vec<Place>,
    wide: Vec<f32>,
    /// The event and its entities.
    nodes: Vec<f32>,
    /// Rows x 3 hidden.
    branches: Vec<f32>,
    queries: Vec<f32>,
    order: Vec<usize>,
    memories: Vec<Memory>,
}

impl Kernel {
    pub fn new(hybrid: &Hybrid) -> Kernel {
        let isa = Isa::detect().pop().unwrap_or(Isa::Portable);
        Kernel::of(hybrid, isa)
    }

    /// `None`: this machine has not these instructions.
    pub fn with(hybrid: &Hybrid, isa: Isa) -> Option<Kernel> {
        Isa::detect()
            .contains(&isa)
            .then(|| Kernel::of(hybrid, isa))
    }

    fn of(hybrid: &Hybrid, isa: Isa) -> Kernel {
        let packed = Packed::new(hybrid, isa.panel());
        Kernel { packed, isa }
    }

    /// Name, version and instruction set: kernels of one id compute the same bits.
    pub fn id(&self) -> &'static str {
        match self.isa {
            Isa::Portable => "hybrid-f32/1 portable",
            Isa::Avx2 => "hybrid-f32/1 avx2+fma",
            Isa::Avx512 => "hybrid-f32/1 avx512",
        }
    }

    pub fn scratch(&self) -> Scratch {
        let shape = &self.packed.shape;
        let h = shape.hidden;
        Scratch {
            places: vec![Place::default(); self.packed.looked.len()],
            wide: vec![0.0; shape.wide],
            nodes: vec![0.0; (shape.roles + 1) * h],
            branches: vec![0.0; BATCH * BRANCHES * h],
            queries: vec![0.0; BATCH * h],
            order: vec![0; BATCH],
            memories: vec![Memory::new(h); TOGETHER],
        }
    }

    /// Raw log-odds.
    pub fn score(&self, input: &Input<'_>, scratch: &mut Scratch) -> f32 {
        let mut out = [0.0];
        self.score_batch(std::slice::from_ref(input), scratch, &mut out);
        out[0]
    }

    /// What [`Kernel::score`] computed on the way: `scratch` must come from it, and nothing else have used it since.
    pub fn seen<'a>(&'a self, input: &Input<'_>, scratch: &'a Scratch) -> Seen<'a> {
        let steps = input.steps;
        Seen {
            kernel: self,
            scratch,
            steps,
        }
    }

    /// Raw log-odds of each row.
    pub fn score_batch(&self, inputs: &[Input<'_>], scratch: &mut Scratch, out: &mut [f32]) {
        assert_eq!(inputs.len(), out.len(), "one output per row");
        for (inputs, out) in inputs.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
            dispatch::run(self.isa, &self.packed, inputs, scratch, out);
        }
    }
}
