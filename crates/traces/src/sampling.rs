//! Which requests are told: a share by level, and all that somebody will ask about.

/// A share of each level.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Below this the low 56 bits of a trace id are in.
    below: [u64; 3],
}

/// Trace ids are random in their low 56 bits (W3C Trace Context, level 2), so that every service that goes by them
/// keeps the same traces.
const RANDOM_BITS: u32 = 56;
const RANDOM: u64 = (1 << RANDOM_BITS) - 1;

/// What is known of a request when it has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// L1, L2, L3: 0, 1, 2.
    pub level: usize,
    /// Its caller keeps this trace.
    pub asked_for: bool,
    /// It was declined, it failed here, or it was decided with less than all.
    pub remarkable: bool,
}

impl Sampling {
    /// Shares from 0 to 1, in the order of the levels; what lies outside is taken as the nearest of these.
    pub fn new(shares: [f64; 3]) -> Sampling {
        let below = |share: f64| (share.clamp(0.0, 1.0) * (1_u64 << RANDOM_BITS) as f64) as u64;
        Sampling {
            below: shares.map(below),
        }
    }

    pub fn keeps(&self, trace: u128, it: Outcome) -> bool {
        let low = trace as u64 & RANDOM;
        it.remarkable || it.asked_for || low < self.below[it.level]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_by_the_trace_id_and_what_is_remarkable_or_asked_for_always() {
        let sampling = Sampling::new([0.25, 0.0, 1.0]);
        let of = |level| Outcome {
            level,
            ..Outcome::default()
        };
        let (first, last) = (0x3f_ffff_ffff_ffff_u128, 0x40_0000_0000_0000_u128);
        assert!(sampling.keeps(first, of(0)) && !sampling.keeps(last, of(0)));
        // What stands above the random part changes nothing.
        assert!(sampling.keeps(first | 0xab << 56, of(0)));
        assert!(!sampling.keeps(0, of(1)) && sampling.keeps(u128::MAX, of(2)));
        for (asked_for, remarkable) in [(true, false), (false, true)] {
            let it = Outcome {
                level: 1,
                asked_for,
                remarkable,
            };
            assert!(sampling.keeps(u128::MAX, it), "{it:?}");
        }
    }
}
