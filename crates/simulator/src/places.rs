//! Cities of Zipf-like size on a map, and the addresses of the internet in them.

use crate::random::{Dice, Purpose, hash, unit};
use crate::row::{CityNo, Ip, Point};

const CITIES_MAX: usize = 400;
const CITIES_MIN: usize = 6;
/// Share of screens that sit behind a foreign exit address.
pub const VPN_CITY_COUNT: u32 = 5;

#[derive(Clone, Debug)]
pub struct City {
    pub at: Point,
    pub people: u32,
    spread: f32,
}

#[derive(Clone, Debug)]
pub struct Places {
    pub cities: Vec<City>,
    weights: Vec<f32>,
    seed: u64,
}

impl Places {
    pub fn new(seed: u64, accounts: u32) -> Places {
        let mut dice = Dice::new(seed, Purpose::Places, 0, 0);
        let count = (libm::sqrt(f64::from(accounts)) / 5.0) as usize;
        let count = count.clamp(CITIES_MIN, CITIES_MAX);
        let weights: Vec<f32> = (0..count)
            .map(|rank| 1.0 / libm::powf(rank as f32 + 2.0, 0.9))
            .collect();
        let total: f32 = weights.iter().sum();
        let cities = weights
            .iter()
            .map(|weight| City {
                at: Point {
                    lat: (37.0 + 18.0 * dice.unit()) as f32,
                    lon: (-8.0 + 30.0 * dice.unit()) as f32,
                },
                // a person has 1.6 accounts on average
                people: (weight / total * accounts as f32 / 1.6) as u32 + 1,
                spread: 0.02 + 0.10 * libm::sqrtf(weight / weights[0]),
            })
            .collect();
        Places {
            cities,
            weights,
            seed,
        }
    }

    pub fn pick(&self, dice: &mut Dice) -> CityNo {
        CityNo(dice.weighted(&self.weights) as u16)
    }

    pub fn around(&self, city: CityNo, dice: &mut Dice) -> Point {
        let City { at, spread, .. } = self.cities[city.index()];
        Point {
            lat: at.lat + spread * dice.normal() as f32 * 0.7,
            lon: at.lon + spread * dice.normal() as f32,
        }
    }

    /// Where address registries put a network: one fixed point per network in its city.
    pub fn point_of(&self, ip: Ip) -> (CityNo, Point) {
        let network = u64::from(ip.0 >> 8);
        let city = CityNo((network >> LOCAL_BITS) as u16);
        let City { at, spread, .. } = self.cities[city.index()];
        let bits = hash(self.seed, Purpose::Address, network, 0);
        let (u, v) = (unit(bits) as f32, unit(bits << 32) as f32);
        (
            city,
            Point {
                lat: at.lat + spread * (u - 0.5),
                lon: at.lon + spread * (v - 0.5),
            },
        )
    }

    fn address(&self, city: CityNo, class: Class, host: u64) -> Ip {
        let network = (u32::from(city.0) << LOCAL_BITS) | (class.base() + (host >> 8) as u32);
        Ip((network << 8) | (host & 255) as u32)
    }

    /// The line of a household; the provider renews it about every `LEASE_DAYS`.
    pub fn home_ip(&self, city: CityNo, household: u64, day: i64) -> Ip {
        const LEASE_DAYS: i64 = 40;
        let phase = (household % LEASE_DAYS as u64) as i64;
        let lease = (day + phase) / LEASE_DAYS;
        let room = u64::from(self.cities[city.index()].people).max(64) * 2;
        let bits = hash(self.seed, Purpose::Address, household, lease as u64 + 1);
        self.address(city, Class::Home, bits % room)
    }

    /// A mobile carrier's shared address: some hundred people at a time.
    pub fn mobile_ip(&self, city: CityNo, person: u64, day: i64) -> Ip {
        let carrier = hash(self.seed, Purpose::Address, person, 1 << 40) % 3;
        let room = u64::from(self.cities[city.index()].people / 600 + 1);
        let bits = hash(
            self.seed,
            Purpose::Address,
            person ^ (carrier << 60),
            day as u64 | 1 << 41,
        );
        self.address(city, Class::Mobile, carrier * 512 + bits % room)
    }

    pub fn office_ip(&self, city: CityNo, firm: u32) -> Ip {
        self.address(city, Class::Office, u64::from(firm))
    }

    pub fn wifi_ip(&self, city: CityNo, dice: &mut Dice) -> Ip {
        let spots = self.cities[city.index()].people / 250 + 2;
        self.address(city, Class::Wifi, u64::from(dice.ranked(spots)))
    }

    pub fn vpn_ip(&self, dice: &mut Dice) -> Ip {
        let city = CityNo(dice.below(VPN_CITY_COUNT.min(self.cities.len() as u32)) as u16);
        let exits = (self.cities.iter().map(|c| c.people).sum::<u32>() / 1500 + 3).min(4000);
        self.address(city, Class::Vpn, u64::from(dice.below(exits)))
    }
}

const LOCAL_BITS: u32 = 15;

/// Blocks of networks within a city's 2^15.
#[derive(Clone, Copy)]
enum Class {
    Home,
    Mobile,
    Office,
    Wifi,
    Vpn,
}

impl Class {
    fn base(self) -> u32 {
        match self {
            Class::Home => 0,
            Class::Mobile => 20_000,
            Class::Office => 22_000,
            Class::Wifi => 31_000,
            Class::Vpn => 32_000,
        }
    }
}
