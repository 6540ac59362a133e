//! How values are distributed over fixed buckets, and for each bucket one request that fell into it.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::Count;

/// Which buckets there are, and in what unit values come.
pub trait Scale: Debug + Default + 'static {
    /// Upper bounds, inclusive and rising; what is above all of them is counted too.
    const BOUNDS: &'static [u64];
    /// How many of the values' units make one of those told: nanoseconds are told as seconds.
    const PER_UNIT: f64;
}

const NANOS: f64 = 1e9;
const US: u64 = 1_000;
const MS: u64 = 1_000_000;

/// Requests and fsyncs.
#[derive(Debug, Default)]
pub struct Latency;

impl Scale for Latency {
    const BOUNDS: &'static [u64] = &[
        50 * US,
        100 * US,
        250 * US,
        500 * US,
        MS,
        2_500 * US,
        5 * MS,
        10 * MS,
        25 * MS,
        50 * MS,
        100 * MS,
        250 * MS,
        1_000 * MS,
        5_000 * MS,
    ];
    const PER_UNIT: f64 = NANOS;
}

/// Steps of a computation: a sample, a score.
#[derive(Debug, Default)]
pub struct Stage;

impl Scale for Stage {
    const BOUNDS: &'static [u64] = &[
        500,
        US,
        2 * US,
        4 * US,
        8 * US,
        16 * US,
        32 * US,
        64 * US,
        128 * US,
        256 * US,
        512 * US,
        MS,
        4 * MS,
        16 * MS,
        100 * MS,
    ];
    const PER_UNIT: f64 = NANOS;
}

/// Hours to months, in milliseconds.
#[derive(Debug, Default)]
pub struct Delay;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

impl Scale for Delay {
    const BOUNDS: &'static [u64] = &[
        HOUR_MS,
        6 * HOUR_MS,
        DAY_MS,
        3 * DAY_MS,
        7 * DAY_MS,
        14 * DAY_MS,
        30 * DAY_MS,
        60 * DAY_MS,
        90 * DAY_MS,
        180 * DAY_MS,
    ];
    const PER_UNIT: f64 = 1e3;
}

/// How many there are of something.
#[derive(Debug, Default)]
pub struct Number;

impl Scale for Number {
    const BOUNDS: &'static [u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];
    const PER_UNIT: f64 = 1.0;
}

/// Bytes of something that is written or sent.
#[derive(Debug, Default)]
pub struct Size;

impl Scale for Size {
    const BOUNDS: &'static [u64] = &[
        256,
        1 << 10,
        4 << 10,
        16 << 10,
        64 << 10,
        256 << 10,
        1 << 20,
        4 << 20,
    ];
    const PER_UNIT: f64 = 1.0;
}

/// A request that a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    pub trace: u128,
    pub value: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

/// More buckets than any scale has bounds.
const BUCKETS: usize = 16;

#[derive(Debug)]
pub struct Histogram<S: Scale> {
    buckets: [Count; BUCKETS],
    sum: Count,
    /// There once one was given; the latest of each bucket.
    exemplars: OnceLock<Box<[Mutex<Option<Exemplar>>; BUCKETS]>>,
    scale: PhantomData<S>,
}

impl<S: Scale> Default for Histogram<S> {
    fn default() -> Histogram<S> {
        const { assert!(S::BOUNDS.len() < BUCKETS) };
        Histogram {
            buckets: Default::default(),
            sum: Count::default(),
            exemplars: OnceLock::new(),
            scale: PhantomData,
        }
    }
}

impl<S: Scale> Histogram<S> {
    pub fn add(&self, value: u64) {
        self.buckets[bucket::<S>(value)].add(1);
        self.sum.add(value);
    }

    /// Of a scale of nanoseconds.
    pub fn add_time(&self, time: Duration) {
        self.add(nanos(time));
    }

    /// Adds the exemplar's value, and keeps the exemplar unless somebody is at it: then an older one stays.
    pub fn add_traced(&self, exemplar: Exemplar) {
        self.add(exemplar.value);
        let kept = self.exemplars.get_or_init(Box::default);
        if let Ok(mut place) = kept[bucket::<S>(exemplar.value)].try_lock() {
            *place = Some(exemplar);
        }
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Count::get).sum()
    }

    pub(crate) fn told(&self) -> Told {
        let mut told = Told {
            buckets: self.buckets.each_ref().map(Count::get),
            sum: self.sum.get(),
            exemplars: [None; BUCKETS],
        };
        if let Some(kept) = self.exemplars.get() {
            told.exemplars = kept
                .each_ref()
                .map(|place| *place.lock().unwrap_or_else(PoisonError::into_inner));
        }
        told
    }
}

pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn bucket<S: Scale>(value: u64) -> usize {
    let found = S::BOUNDS.iter().position(|bound| value <= *bound);
    found.unwrap_or(S::BOUNDS.len())
}

/// A histogram at one moment; of several, what they hold together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub buckets: [u64; BUCKETS],
    pub sum: u64,
    pub exemplars: [Option<Exemplar>; BUCKETS],
}

impl Told {
    pub fn join(&mut self, other: &Told) {
        for (held, more) in self.buckets.iter_mut().zip(other.buckets) {
            *held += more;
        }
        self.sum += other.sum;
        for (held, more) in self.exemplars.iter_mut().zip(other.exemplars) {
            let newer = |held: Exemplar| more.is_some_and(|more| more.at_ms > held.at_ms);
            if held.is_none_or(newer) && more.is_some() {
                *held = more;
            }
        }
    }
}
