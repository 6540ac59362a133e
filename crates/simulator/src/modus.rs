//! The ways of crews at a time. Each typology's crews change theirs every `drift.modus_days`, from a phase
//! of their own on; the first ways are those that the scripts were written with, so that a world in which
//! nobody changes is what it was before this file.
//!
//! **Invariant**: hours, gaps and amounts are those of a ring and of its hard negatives alike; only who
//! does not hide, and whose screens and lines are used, tells them apart, as before.

use crate::market::{ALL_CATEGORIES, Category};
use crate::params::Drift;
use crate::random::{Dice, Purpose};
use crate::row::DeviceType;
use crate::typology::Typology;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Modus {
    /// Multiplies the typology's weight.
    pub rate: f32,
    /// Multiplies the waits between steps.
    pub pace: f64,
    /// Multiplies what is taken, where it is not a share of what there is.
    pub greed: f64,
    /// Victims' screens are steered from afar: what would come from a machine of the ring comes from the
    /// victim's own.
    pub remote: bool,
    /// Multiplies the share of machines that crews keep.
    pub keeps: f64,
    /// Kinds of the ring's own machines.
    pub machines: [DeviceType; 2],
    /// Chances of an exit address, a mobile carrier and public Wi-Fi, added up; else a rented line.
    pub lines: [f64; 3],
    /// Hour of who does not hide, and what such a one buys.
    pub hour: i64,
    pub liked: [Category; 4],
    /// Sums of who does not hide lie below a thousand of these, in minor units.
    pub split: i64,
}

impl Modus {
    pub const FIRST: Modus = Modus {
        rate: 1.0,
        pace: 1.0,
        greed: 1.0,
        remote: false,
        keeps: 1.0,
        machines: [DeviceType::Android, DeviceType::Desktop],
        lines: [0.22, 0.56, 0.64],
        hour: 3,
        liked: [
            Category::Electronics,
            Category::Digital,
            Category::Luxury,
            Category::Travel,
        ],
        split: 100,
    };

    /// What is the way of a typology on a day, counted from the span's first.
    pub fn of(seed: u64, drift: &Drift, typology: Typology, day: f64) -> Modus {
        if drift.modus_days == 0 {
            return Modus::FIRST;
        }
        let days = f64::from(drift.modus_days);
        let kind = typology as u64;
        let phase = days * Dice::new(seed, Purpose::Modus, kind, 0).unit();
        let change = ((day + phase) / days).floor();
        if change < 1.0 {
            return Modus::FIRST;
        }
        Modus::draw(&mut Dice::new(seed, Purpose::Modus, kind, change as u64))
    }

    /// The way that one ring has: crews take a new one up over `drift.modus_adoption_days`.
    pub fn of_ring(seed: u64, drift: &Drift, typology: Typology, day: f64, ring: u32) -> Modus {
        let late = Dice::new(seed, Purpose::Adoption, u64::from(ring), 0).unit();
        let lag = late * f64::from(drift.modus_adoption_days);
        Modus::of(seed, drift, typology, day - lag)
    }

    fn draw(dice: &mut Dice) -> Modus {
        let kinds = [
            DeviceType::Android,
            DeviceType::Ios,
            DeviceType::Desktop,
            DeviceType::Tablet,
        ];
        Modus {
            rate: dice.lognormal(1.0, 0.7) as f32,
            pace: dice.lognormal(1.0, 0.6),
            greed: dice.lognormal(1.0, 0.35),
            remote: dice.chance(0.35),
            keeps: 2.0 * dice.unit(),
            machines: [dice.pick(&kinds), dice.pick(&kinds)],
            lines: lines(dice),
            hour: i64::from(dice.below(24)),
            liked: [0; 4].map(|_| dice.pick(&ALL_CATEGORIES)),
            split: dice.pick(&[20, 50, 100, 250]),
        }
    }
}

/// One of the four kinds of line is mostly preferred.
fn lines(dice: &mut Dice) -> [f64; 3] {
    let weights = [0; 4].map(|_| {
        let u = dice.unit();
        u * u * u + 0.01
    });
    let total: f64 = weights.iter().sum();
    let first = weights[0] / total;
    let second = first + weights[1] / total;
    [first, second, second + weights[2] / total]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(modus_days: u32) -> Drift {
        Drift {
            seasonality: 0.0,
            price_level_per_year: 0.0,
            late_typology: String::new(),
            late_from_day: 0,
            modus_days,
            modus_adoption_days: 10,
        }
    }

    /// Days on which the ways of a typology differ from those of the day before.
    fn changes(seed: u64, typology: Typology) -> Vec<i64> {
        let on = |day: i64| Modus::of(seed, &drift(40), typology, day as f64);
        (1..160).filter(|day| on(*day) != on(day - 1)).collect()
    }

    #[test]
    fn each_typology_changes_at_its_own_time_every_so_many_days() {
        let mut firsts = Vec::new();
        for typology in Typology::ALL {
            let days = changes(5, typology);
            assert!((3..=4).contains(&days.len()), "{typology:?}: {days:?}");
            assert!(days.windows(2).all(|pair| pair[1] - pair[0] == 40));
            firsts.push(days[0]);
        }
        firsts.sort_unstable();
        firsts.dedup();
        assert!(firsts.len() > 6, "{firsts:?}");
        assert_ne!(changes(5, Typology::Cycle), changes(6, Typology::Cycle));
    }

    #[test]
    fn crews_take_new_ways_up_one_after_the_other() {
        let day = changes(5, Typology::Cycle)[0] as f64;
        let (old, new) = (day - 1.0, day);
        let of = |at| Modus::of(5, &drift(40), Typology::Cycle, at);
        let taken = |after: f64| {
            let rings = (0..200).filter(|ring| {
                let modus = Modus::of_ring(5, &drift(40), Typology::Cycle, day + after, *ring);
                assert!(modus == of(old) || modus == of(new));
                modus == of(new)
            });
            rings.count()
        };
        assert!((60..140).contains(&taken(5.0)), "{}", taken(5.0));
        assert_eq!(taken(11.0), 200);
    }

    #[test]
    fn chances_of_lines_add_up_to_less_than_one() {
        for seed in 0..200 {
            let [first, second, third] = lines(&mut Dice::new(seed, Purpose::Modus, 0, 1));
            assert!(0.0 < first && first < second && second < third && third < 1.0);
        }
    }
}
