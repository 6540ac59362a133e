//! Where somebody is, and through which device and address they are seen.

use crate::places::Places;
use crate::population::Population;
use crate::random::{Dice, Purpose, hash, unit};
use crate::row::{CityNo, DeviceNo, DeviceType, Ip, PersonNo};
use crate::time::{HOUR_MS, Time, is_weekend};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Screen {
    pub device: DeviceNo,
    pub kind: DeviceType,
    pub ip: Ip,
}

/// The city somebody is in on a day: a pure function but for journeys that were decided on.
pub fn whereabouts(
    seed: u64,
    population: &Population,
    places: &Places,
    who: PersonNo,
    day: i64,
) -> CityNo {
    const SEASON_DAYS: i64 = 50;
    let person = &population.people[who.index()];
    if day <= i64::from(person.away_until_day) {
        return person.away_city;
    }
    let phase = i64::from(who.0 % 50);
    let (season, into) = ((day + phase) / SEASON_DAYS, (day + phase) % SEASON_DAYS);
    let bits = hash(seed, Purpose::Trip, u64::from(who.0), season as u64);
    // a journey of 2 to 9 days in about a third of the seasons
    let (start, length) = ((bits & 31) as i64, 2 + (bits >> 5 & 7) as i64);
    if unit(bits) < 0.35 && (start..start + length).contains(&into) {
        let mut dice = Dice::new(seed, Purpose::Trip, u64::from(who.0), (season as u64) << 32);
        return places.pick(&mut dice);
    }
    person.city
}

/// One of the person's own devices, or another one of the household, on the line they would use now.
pub fn own_screen(
    seed: u64,
    population: &Population,
    places: &Places,
    who: PersonNo,
    time: Time,
    dice: &mut Dice,
) -> Screen {
    let person = &population.people[who.index()];
    let owner = if dice.chance(0.03) {
        housemate(population, who)
    } else {
        who
    };
    let owned = &population.people[owner.index()];
    let first = dice.chance(0.68) && owner == who;
    let slot = if first {
        0
    } else {
        dice.below(u32::from(owned.device_count))
    };
    let device = owned.devices[slot as usize];
    let kind = population.device_types[device.index()];
    let city = whereabouts(seed, population, places, who, time.day());
    let ip = own_ip(places, population, who, kind, city, time, dice);
    debug_assert!(person.device_count > 0);
    Screen { device, kind, ip }
}

fn own_ip(
    places: &Places,
    population: &Population,
    who: PersonNo,
    kind: DeviceType,
    city: CityNo,
    time: Time,
    dice: &mut Dice,
) -> Ip {
    let person = &population.people[who.index()];
    let (key, day) = (u64::from(who.0), time.day());
    // one in fourteen hides behind an exit address as a habit, the others now and then
    let vpn = if who.0.is_multiple_of(14) { 0.55 } else { 0.02 };
    if dice.chance(vpn) {
        return places.vpn_ip(dice);
    }
    let mobile = matches!(kind, DeviceType::Android | DeviceType::Ios);
    if city != person.city {
        return match dice.unit() {
            0.55.. => places.wifi_ip(city, dice),
            _ => places.mobile_ip(city, key, day),
        };
    }
    let hour = time.ms_of_day() / HOUR_MS;
    let at_work = (8..17).contains(&hour) && !is_weekend(day);
    match (mobile, at_work, dice.unit()) {
        (_, true, 0.80..) if person.employer != crate::population::STATE => {
            places.office_ip(person.work_city, person.employer)
        }
        (true, _, 0.40..0.76) => places.mobile_ip(person.city, key, day),
        (true, _, 0.36..0.40) => places.wifi_ip(person.city, dice),
        _ => places.home_ip(person.city, u64::from(person.household), day),
    }
}

/// Somebody of the same household, or the person where they live alone.
pub fn housemate(population: &Population, who: PersonNo) -> PersonNo {
    let household = population.people[who.index()].household;
    let lives_there = |index: u32| {
        population
            .people
            .get(index as usize)
            .is_some_and(|p| p.household == household)
    };
    match who.0 {
        after if after > 0 && lives_there(after - 1) => PersonNo(after - 1),
        before if lives_there(before + 1) => PersonNo(before + 1),
        _ => who,
    }
}
