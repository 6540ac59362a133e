//! Exponentials of the gates, as powers of 2 and without branches, so that loops over them become vector code.

use super::matrix::multiply_add;

/// Powers beyond 2^±28 change no sigmoid by more than 4e-9, and keep a product of three of them finite.
const POWER_MAX: f32 = 28.0;

/// 2^x for x clamped to ±28; relative error below 3e-7 (minimax polynomial of degree 5 on [-1/2, 1/2]).
#[inline(always)]
pub fn power<const FMA: bool>(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the lowest bits.
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-POWER_MAX, POWER_MAX);
    let shifted = x + MAGIC;
    let r = x - (shifted - MAGIC);
    let mut p = 1.327_793_9e-3;
    p = multiply_add::<FMA>(p, r, 9.675_758e-3);
    p = multiply_add::<FMA>(p, r, 5.550_709_7e-2);
    p = multiply_add::<FMA>(p, r, 0.240_221_14);
    p = multiply_add::<FMA>(p, r, 0.693_146_94);
    p = multiply_add::<FMA>(p, r, 1.000_000_1);
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// One step of an LSTM cell from its scaled gates: e^-i, e^-f, e^-2g and e^-o as powers of 2.
///
/// `c' = c / (1 + e^-f) + (1 - e^-2g) / ((1 + e^-i) (1 + e^-2g))` over one denominator, and likewise
/// `h = (1 - e^-2c') / ((1 + e^-o) (1 + e^-2c'))`: two divisions instead of five.
#[inline(always)]
pub fn cell<const FMA: bool>([i, f, g, o]: [f32; 4], c: f32) -> (f32, f32) {
    const FROM_CELL: f32 = -2.0 * std::f32::consts::LOG2_E;
    let (i, f) = (1.0 + power::<FMA>(i), 1.0 + power::<FMA>(f));
    let (g, o) = (power::<FMA>(g), 1.0 + power::<FMA>(o));
    let fresh = i * (1.0 + g);
    let kept = multiply_add::<FMA>(c, fresh, (1.0 - g) * f);
    let c = kept / (f * fresh);
    let shown = power::<FMA>(c * FROM_CELL);
    (c, (1.0 - shown) / (o * (1.0 + shown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_as_libm() {
        let mut worst = 0.0_f32;
        for step in -280_000..=280_000 {
            let x = step as f32 * 1e-4;
            let want = libm::exp2f(x);
            worst = worst.max((power::<false>(x) - want).abs() / want);
        }
        assert!(worst < 4e-7, "relative error {worst:e}");
        assert_eq!(power::<false>(1e9), power::<false>(28.0));
        assert_eq!(power::<false>(-1e9), power::<false>(-28.0));
    }

    #[test]
    fn cell_as_written() {
        let sigmoid = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        let steps = [-40.0, -9.0, -1.5, -0.01, 0.0, 0.3, 2.0, 11.0, 40.0];
        let scale = f64::from(-std::f32::consts::LOG2_E);
        for (i, f) in steps.iter().flat_map(|i| steps.map(|f| (*i, f))) {
            for (g, o) in steps.iter().flat_map(|g| steps.map(|o| (*g, o))) {
                for c in [-6.0, -0.2, 0.0, 0.7, 64.0] {
                    let want_c = sigmoid(f) * c + sigmoid(i) * libm::tanh(g);
                    let want_h = sigmoid(o) * libm::tanh(want_c);
                    let gates = [i, f, 2.0 * g, o].map(|x| (scale * x) as f32);
                    let (got_c, got_h) = cell::<false>(gates, c as f32);
                    let error = (f64::from(got_c) - want_c).abs() / (1.0 + want_c.abs());
                    assert!(error < 1e-6, "{i} {f} {g} {c}: {got_c} {want_c}");
                    let error = (f64::from(got_h) - want_h).abs();
                    assert!(error < 3e-6, "{i} {f} {g} {o} {c}: {got_h} {want_h}");
                }
            }
        }
    }
}
