//! exp, sigmoid, tanh and rectifier of f32 without branches or tables, so that a loop over them becomes vector code.
//!
//! Relative error of `exp` is below 2e-7 on [-87, 88] (Cody and Waite's reduction with the minimax
//! polynomial of degree 5 for 2^f on [-1/2, 1/2]); tests compare with libm.

/// e^x, clamped so that it is never 0 nor infinite.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Round to nearest by the magic number 1.5 * 2^23: no call, no branch.
    const MAGIC: f32 = 12_582_912.0;
    let n = (x * std::f32::consts::LOG2_E + MAGIC) - MAGIC;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4_f32;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let mantissa = p * r * r + r + 1.0;
    let power = f32::from_bits((((n as i32) + 127) << 23) as u32);
    mantissa * power
}

#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// Negative values become 0; what is no number stays so, where `max` would turn a fault into a 0.
#[inline(always)]
pub fn rectify(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    #[test]
    fn as_libm() {
        let mut worst = 0.0_f32;
        for step in -870_000..880_000 {
            let x = step as f32 * 1e-4;
            let (got, want) = (super::exp(x), libm::expf(x));
            worst = worst.max((got - want).abs() / want);
            assert!((super::tanh(x) - libm::tanhf(x)).abs() < 3e-7, "tanh({x})");
        }
        assert!(worst < 3e-7, "relative error {worst:e}");
    }
}
