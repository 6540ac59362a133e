//! When a failed delivery is tried again.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure; doubles with each further one.
    pub first: Duration,
    pub max: Duration,
    /// Attempts, the first one too, after which a delivery is dead.
    pub attempts_max: u32,
    /// Age after which a delivery is dead, whatever its attempts.
    pub give_up_after: Duration,
}

impl Retry {
    /// The pause after so many failures (1 and up): between a half and the whole of the doubled pause, so that
    /// deliveries that failed together do not come back together. The part comes from a hash of the delivery's
    /// number and needs no source of randomness.
    pub fn pause(&self, delivery: i64, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
        let whole = doubled
            .and_then(|factor| self.first.checked_mul(factor))
            .map_or(self.max, |pause| pause.min(self.max));
        let part = f64::from(mixed(delivery as u64 ^ u64::from(failures) << 48) >> 8)
            / f64::from(u32::MAX >> 8);
        whole.mul_f64(0.5 + 0.5 * part)
    }
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014), its upper half.
fn mixed(value: u64) -> u32 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound_and_differ_between_deliveries() {
        let retry = Retry {
            first: Duration::from_secs(4),
            max: Duration::from_secs(60),
            attempts_max: 12,
            give_up_after: Duration::from_secs(3600),
        };
        for (failures, whole) in [(1, 4), (2, 8), (4, 32), (5, 60), (33, 60), (u32::MAX, 60)] {
            let pauses: Vec<Duration> = (0..64).map(|it| retry.pause(it, failures)).collect();
            let (low, high) = (pauses.iter().min(), pauses.iter().max());
            let (low, high) = (
                low.copied().unwrap_or_default(),
                high.copied().unwrap_or_default(),
            );
            let whole = Duration::from_secs(whole);
            assert!(
                low >= whole / 2 && high <= whole,
                "{failures}: {low:?} to {high:?}"
            );
            // 64 draws cover most of the range.
            assert!(high - low > whole / 4, "{failures}: {low:?} to {high:?}");
        }
    }
}
