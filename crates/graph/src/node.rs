//! One entity: a hot part that neighbours read, and what only its own events need.

use event::{EventTime, Position};

use crate::interner::NameRef;
use crate::ring::RingRef;
use crate::slab::NONE;

/// 128 bytes; the first half is what a neighbour's summary reads.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Node {
    pub first_seen: EventTime,
    pub last_seen: EventTime,
    /// The graph's clock when the node was last touched; expiry counts from here.
    pub touched: EventTime,
    pub events: u32,
    pub fraud_known: u16,
    pub kind: u8,
    pub ring: RingRef,
    pub hub: u32,
    pub known: u32,
    /// Money in and out, decayed with the third window as half-life, as of `last_seen`.
    pub flow: [f32; 2],
    /// Amount statistics, see [`Amounts`].
    pub amounts: Amounts,
    pub profile: u32,
    pub name: NameRef,
    /// Lowest position among the events of this life: a label of an earlier one is not its own.
    pub born: Position,
}

/// Running mean and variance of clipped amounts (base currency, major units).
///
/// Exponentially weighted with at most 1/100 for a new value; a value is clipped to mean + 3 sd before it
/// enters, so that one large fraud does not become normal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Amounts {
    pub count: u32,
    pub mean: f32,
    pub variance: f32,
    pub max: f32,
}

/// What only a subject has: when things about it last changed, and where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Profile {
    pub last_login: Option<EventTime>,
    pub last_change: Option<EventTime>,
    pub last_new_device: Option<EventTime>,
    pub last_new_payee: Option<EventTime>,
    pub last_declined: Option<EventTime>,
    /// Latitude, longitude in degrees, and when.
    pub place: Option<(f32, f32, EventTime)>,
    pub own: OwnEvents,
}

/// Events of a life in which the node was the subject, all of them and by class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OwnEvents {
    pub events: u32,
    pub payments: u32,
    pub transfers: u32,
    pub deposits: u32,
}

impl Default for Node {
    fn default() -> Node {
        Node {
            first_seen: EventTime::MIN,
            last_seen: EventTime::MIN,
            touched: EventTime::MIN,
            events: 0,
            fraud_known: 0,
            kind: 0,
            ring: RingRef::default(),
            hub: NONE,
            known: NONE,
            flow: [0.0; 2],
            amounts: Amounts::default(),
            profile: NONE,
            name: NameRef::default(),
            born: Position(u64::MAX),
        }
    }
}

/// Weight of a new amount once the history is long.
const AMOUNT_WEIGHT_MIN: f32 = 0.01;
const CLIP_AFTER: u32 = 5;
const CLIP_SD: f32 = 3.0;

impl Amounts {
    pub fn sd(&self) -> f32 {
        self.variance.max(0.0).sqrt()
    }

    /// Standard score against the history; `None` until there are two amounts that differ.
    pub fn z(&self, amount: f32) -> Option<f32> {
        let sd = self.sd();
        if self.count < 2 || sd <= 0.0 {
            None
        } else {
            Some((amount - self.mean) / sd)
        }
    }

    pub fn add(&mut self, amount: f32) {
        let mut value = amount;
        if self.count >= CLIP_AFTER {
            let room = (CLIP_SD * self.sd()).max(0.1 * self.mean.abs());
            // A history of nothing but zeros sets no scale to clip by.
            if room > 0.0 {
                value = value.min(self.mean + room);
            }
        }
        self.count = self.count.saturating_add(1);
        let weight = (1.0 / self.count as f32).max(AMOUNT_WEIGHT_MIN);
        let away = value - self.mean;
        self.mean += weight * away;
        self.variance = (1.0 - weight) * (self.variance + weight * away * away);
        self.max = self.max.max(amount);
    }
}

const _: () = assert!(std::mem::size_of::<Node>() == 128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_of_zeros_does_not_clip_for_ever() {
        let mut amounts = Amounts::default();
        (0..10).for_each(|_| amounts.add(0.0));
        amounts.add(110.0);
        assert_eq!(amounts.mean, 10.0);
        assert!(amounts.z(110.0).is_some());
    }

    #[test]
    fn one_large_amount_does_not_become_normal() {
        let mut amounts = Amounts::default();
        (0..20).for_each(|n| amounts.add(if n % 2 == 0 { 9.0 } else { 11.0 }));
        amounts.add(10_000.0);
        assert!(amounts.mean < 10.5 && amounts.max == 10_000.0);
        assert!(amounts.z(10_000.0).is_some_and(|z| z > 1000.0));
    }
}
