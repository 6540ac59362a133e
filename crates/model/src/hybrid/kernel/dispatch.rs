//! The only unsafe code of the workspace: calling a function compiled for instructions that the machine has.
#![allow(unsafe_code)]

use super::network::score;
use super::pack::Packed;
use super::{Isa, Scratch};
use crate::hybrid::Input;

/// Scores at most [`super::network::BATCH`] rows.
pub fn run(
    isa: Isa,
    packed: &Packed,
    inputs: &[Input<'_>],
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    match isa {
        Isa::Portable => portable(packed, inputs, scratch, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Isa` of this machine is only made by `Isa::detect`, which asked for these instructions.
        Isa::Avx2 => unsafe { avx2(packed, inputs, scratch, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx512 => unsafe { avx512(packed, inputs, scratch, out) },
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => portable(packed, inputs, scratch, out),
    }
}

fn portable(packed: &Packed, inputs: &[Input<'_>], scratch: &mut Scratch, out: &mut [f32]) {
    const FMA: bool = cfg!(target_arch = "aarch64");
    match packed.shape.hidden {
        32 => score::<FMA, 32, 32, 16>(packed, inputs, scratch, out),
        _ => score::<FMA, 64, 32, 16>(packed, inputs, scratch, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(packed: &Packed, inputs: &[Input<'_>], scratch: &mut Scratch, out: &mut [f32]) {
    match packed.shape.hidden {
        32 => score::<true, 32, 64, 16>(packed, inputs, scratch, out),
        _ => score::<true, 64, 64, 16>(packed, inputs, scratch, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma")]
fn avx512(packed: &Packed, inputs: &[Input<'_>], scratch: &mut Scratch, out: &mut [f32]) {
    match packed.shape.hidden {
        32 => score::<true, 32, 128, 64>(packed, inputs, scratch, out),
        _ => score::<true, 64, 128, 64>(packed, inputs, scratch, out),
    }
}

impl Isa {
    /// Widest panel that [`run`] reads.
    pub(super) fn panel(self) -> usize {
        match self {
            Isa::Portable => 32,
            Isa::Avx2 => 64,
            Isa::Avx512 => 128,
        }
    }
}
