//! Counter-based randomness: every stream is a pure function of (seed, purpose, a, b), so that what one
//! person does never depends on the order in which people are visited or on the number of threads.
//! Uses only IEEE arithmetic and the libm crate; the platform's exp and ln differ between machines.

/// What a stream is for; part of its key, so that two uses of one entity never share numbers.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Purpose {
    Places = 1,
    Market,
    Household,
    Person,
    Contacts,
    Routine,
    Act,
    Trip,
    Address,
    Schedule,
    Shape,
    Cast,
    Step,
    Label,
    FalseLabel,
    Name,
    Join,
    Modus,
    Adoption,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// One 64-bit number for a key, where no stream is needed.
pub fn hash(seed: u64, purpose: Purpose, a: u64, b: u64) -> u64 {
    let key = mix(seed ^ (purpose as u64).wrapping_mul(GOLDEN));
    mix(mix(key ^ a.wrapping_mul(GOLDEN)).wrapping_add(b.wrapping_mul(0xD6E8_FEB8_6659_FD93)))
}

/// A hash as a number in [0, 1).
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    pub fn new(seed: u64, purpose: Purpose, a: u64, b: u64) -> Dice {
        Dice {
            state: hash(seed, purpose, a, b),
        }
    }

    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    pub fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// Uniform in 0..n; n must not be 0. The bias of the multiply-shift is below 2^-32.
    pub fn below(&mut self, n: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// Uniform in low..=high.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::from(self.below((high - low + 1) as u32))
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize]
    }

    /// Index drawn in proportion to non-negative weights, of which one at least is positive.
    pub fn weighted(&mut self, weights: &[f32]) -> usize {
        let total: f32 = weights.iter().sum();
        let mut left = self.unit() as f32 * total;
        let mut last = 0;
        for (index, &weight) in weights.iter().enumerate() {
            if weight > 0.0 {
                last = index;
                left -= weight;
                if left < 0.0 {
                    break;
                }
            }
        }
        last
    }

    pub fn normal(&mut self) -> f64 {
        // the half-ulp shift keeps 0 out of the inverse's domain
        inverse_normal(self.unit() + 0.5 / 9_007_199_254_740_992.0)
    }

    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// Knuth's product method: one draw per event, right for the small daily rates used here.
    pub fn poisson(&mut self, lambda: f64) -> u32 {
        if lambda <= 0.0 {
            return 0;
        }
        let floor = libm::exp(-lambda);
        let mut product = self.unit();
        let mut count = 0;
        while product > floor && count < 1000 {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Position in 0..n, heavy-tailed: rank r is drawn with density ~ r^(-2/3).
    pub fn ranked(&mut self, n: u32) -> u32 {
        ranked(self.unit(), n)
    }
}

pub fn ranked(u: f64, n: u32) -> u32 {
    ((u * u * u * f64::from(n)) as u32).min(n.saturating_sub(1))
}

/// Acklam's rational approximation of the normal quantile, relative error below 1.2e-9.
pub fn inverse_normal(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 5] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] = [
        7.784695709041462e-3,
        3.224671290700398e-1,
        2.445134137142996,
        3.754408661907416,
    ];
    const LOW: f64 = 0.02425;
    let tail = |q: f64| {
        (((((C[0] * q + C[1]) * q + C[2]) * q + C[3]) * q + C[4]) * q + C[5])
            / ((((D[0] * q + D[1]) * q + D[2]) * q + D[3]) * q + 1.0)
    };
    if p < LOW {
        return tail(libm::sqrt(-2.0 * libm::log(p)));
    }
    if p > 1.0 - LOW {
        return -tail(libm::sqrt(-2.0 * libm::log(1.0 - p)));
    }
    let q = p - 0.5;
    let r = q * q;
    (((((A[0] * r + A[1]) * r + A[2]) * r + A[3]) * r + A[4]) * r + A[5]) * q
        / (((((B[0] * r + B[1]) * r + B[2]) * r + B[3]) * r + B[4]) * r + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_match_published_values() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959963985),
            (0.001, -3.090232306),
            (0.9, 1.281551566),
        ] {
            assert!(
                (inverse_normal(p) - z).abs() < 1e-7,
                "quantile of {p}: {}",
                inverse_normal(p)
            );
        }
    }

    #[test]
    fn poisson_has_the_mean_and_variance_asked_for() {
        let mut dice = Dice::new(1, Purpose::Act, 0, 0);
        let draws: Vec<f64> = (0..40_000).map(|_| f64::from(dice.poisson(1.7))).collect();
        let mean = draws.iter().sum::<f64>() / 40_000.0;
        let variance = draws.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / 40_000.0;
        assert!((mean - 1.7).abs() < 0.03, "mean {mean}");
        assert!((variance - 1.7).abs() < 0.08, "variance {variance}");
    }

    #[test]
    fn streams_of_neighbouring_keys_are_unrelated() {
        let mut agree = 0;
        for a in 0..1000_u64 {
            let left = hash(7, Purpose::Act, a, 0);
            let right = hash(7, Purpose::Act, a + 1, 0);
            agree += 64 - (left ^ right).count_ones();
        }
        assert!(
            (31_000..33_000).contains(&agree),
            "{agree} of 64000 bits agree"
        );
    }
}
