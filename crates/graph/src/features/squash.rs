//! `log2(1 + x)` for inputs of a network: fast, monotone, the same bits on every machine.

/// `log2(1 + x)` for x >= 0 within 1e-4; negative and NaN inputs give 0.
///
/// The exponent is read from the float's bits; the mantissa part is a least-squares polynomial of degree 5
/// on [1, 2), pinned to 0 and 1 at the ends. Only additions and multiplications: no platform function.
/// Free of branches and calls, so that the compiler can work on several values at once.
#[inline]
pub fn squash(x: f32) -> f32 {
    // False for NaN.
    let x = if x > 0.0 { x } else { 0.0 };
    let x = if x < 1e30 { x } else { 1e30 };
    let bits = (1.0 + x).to_bits();
    let exponent = ((bits >> 23) as i32 - 127) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000) - 1.0;
    let tail = C5 * m + C4;
    let tail = tail * m + C3;
    let tail = tail * m + C2;
    let tail = tail * m + C1;
    exponent + tail * m
}

// Fitted to log2(1 + m); the coefficients sum to 1, so the pieces join.
const C1: f32 = 1.442_085_9;
const C2: f32 = -0.709_999;
const C3: f32 = 0.416_840_67;
const C4: f32 = -0.193_801_39;
const C5: f32 = 0.044_873_94;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_bound_and_never_falls() {
        let mut last = -1.0;
        for step in 0..200_000 {
            let x = libm::exp2f(step as f32 / 2000.0 - 20.0);
            let near = squash(x);
            let exact = libm::log2(1.0 + f64::from(x)) as f32;
            assert!((near - exact).abs() < 1e-4, "x {x}: {near} against {exact}");
            assert!(near >= last, "falls at {x}");
            last = near;
        }
        assert_eq!(squash(0.0), 0.0);
        assert_eq!(squash(-3.0), 0.0);
        assert_eq!(squash(f32::NAN), 0.0);
        assert!(squash(f32::INFINITY).is_finite());
    }
}
