//! Requests a second for each tenant: a bucket that fills at its rate and holds its burst.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::settings::{Rate, Rates};

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Only names of existing tenants come here, so there are as many buckets as tenants at most.
pub struct Limiter<C: Clock = DefaultClock> {
    rates: Rates,
    clock: C,
    buckets: RwLock<HashMap<String, Arc<Bucket<C>>>>,
}

impl Limiter {
    pub fn new(rates: Rates) -> Limiter {
        Limiter::with_clock(rates, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limiter<C> {
    pub fn with_clock(rates: Rates, clock: C) -> Limiter<C> {
        Limiter {
            rates,
            clock,
            buckets: RwLock::new(HashMap::new()),
        }
    }

    /// Takes one request from the tenant's bucket, or says how long until there is one.
    pub fn take(&self, tenant: &str) -> Result<(), Duration> {
        let bucket = {
            let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
            buckets.get(tenant).cloned()
        };
        let bucket = bucket.unwrap_or_else(|| self.add(tenant));
        bucket
            .check()
            .map_err(|until| until.wait_time_from(self.clock.now()))
    }

    fn add(&self, tenant: &str) -> Arc<Bucket<C>> {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(tenant.to_owned()).or_insert_with(|| {
            let Rate { per_second, burst } = self.rates.of(tenant);
            let at_least_one = |value: u32| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_second(at_least_one(per_second));
            let quota = quota.allow_burst(at_least_one(burst));
            Arc::new(RateLimiter::direct_with_clock(quota, self.clock.clone()))
        });
        bucket.clone()
    }

    /// An erased tenant's bucket; its name may come back with another rate.
    pub fn forget(&self, tenant: &str) {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        buckets.remove(tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Over any span a tenant gets its burst and its rate and no more, and never less than it asked for
        /// within them; the other tenant's bucket is untouched.
        #[test]
        fn a_bucket_gives_its_burst_and_its_rate(
            per_second in 1_u32..50, burst in 1_u32..50,
            pauses in prop::collection::vec(0_u64..200, 1..200),
        ) {
            let rate = Rate { per_second, burst };
            let rates = Rates { default: rate, tenants: BTreeMap::new() };
            let clock = FakeRelativeClock::default();
            let limiter = Limiter::with_clock(rates, clock.clone());
            let (mut passed, mut gone_ms) = (0_u64, 0_u64);
            for pause_ms in pauses {
                clock.advance(Duration::from_millis(pause_ms));
                gone_ms += pause_ms;
                let filled = u64::from(burst) + u64::from(per_second) * gone_ms / 1000;
                match limiter.take("busy") {
                    Ok(()) => {
                        passed += 1;
                        prop_assert!(passed <= filled, "{passed} of {filled}");
                    }
                    Err(wait) => {
                        prop_assert!(wait <= Duration::from_millis(1000 / u64::from(per_second) + 1));
                        clock.advance(wait);
                        gone_ms += wait.as_millis() as u64 + 1;
                        prop_assert!(limiter.take("busy").is_ok(), "after the wait it was told");
                        passed += 1;
                    }
                }
            }
            for _ in 0..burst {
                prop_assert!(limiter.take("quiet").is_ok());
            }
            prop_assert!(limiter.take("quiet").is_err());
        }
    }
}
