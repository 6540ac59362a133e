//! People, their households, accounts, cards and devices. The memory of a world is this table's.

use crate::cohort::{COHORTS, Cohort, cohort_shares};
use crate::ledger::Ledger;
use crate::places::Places;
use crate::random::{Dice, Purpose};
use crate::row::{AccountNo, CardNo, CityNo, DeviceNo, DeviceType, Minor, PersonNo, Point};

pub const CONTACTS: usize = 6;
pub const DEVICES_MAX: usize = 3;
pub const NOBODY: u32 = u32::MAX;
/// Number of the firm that pays pensions and the like.
pub const STATE: u32 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    Current,
    Savings,
    Credit,
    /// A firm's account at this bank.
    Firm,
    /// Held at another bank: money comes from and goes to it, nothing more is seen.
    Elsewhere,
}

#[derive(Clone, Copy, Debug)]
pub struct Account {
    pub owner: PersonNo,
    pub card: CardNo,
    pub limit: Minor,
    pub kind: AccountKind,
    pub bank: u8,
    /// No more money moves: closed by the bank after a fraud label on its holder.
    pub frozen: bool,
    /// Stopped repaying credit.
    pub defaulted: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub home: Point,
    pub household: u32,
    pub city: CityNo,
    pub work_city: CityNo,
    pub employer: u32,
    /// First of `accounts` consecutive ones: current, then savings or credit.
    pub account: AccountNo,
    pub accounts: u8,
    pub cohort: Cohort,
    pub device_count: u8,
    pub devices: [DeviceNo; DEVICES_MAX],
    pub contacts: [u32; CONTACTS],
    /// Multiplier of prices paid.
    pub taste: f32,
    /// Multiplier of the number of things done.
    pub pace: f32,
    pub income: Minor,
    pub joined_day: i32,
    pub left_day: i32,
    /// Until when the newest device counts as new to the bank.
    pub fresh_device_until_day: i32,
    /// On a journey to `away_city` until that day, beside the journeys everybody makes.
    pub away_city: CityNo,
    pub away_until_day: i32,
}

impl Person {
    pub fn credit_account(&self) -> Option<AccountNo> {
        // order of `open_accounts`: current, credit, savings
        (self.accounts >= 2).then(|| AccountNo(self.account.0 + 1))
    }

    pub fn savings_account(&self) -> Option<AccountNo> {
        (self.accounts >= 3).then(|| AccountNo(self.account.0 + 2))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Household {
    pub city: CityNo,
    pub home: Point,
}

#[derive(Clone, Debug, Default)]
pub struct Population {
    pub people: Vec<Person>,
    pub accounts: Vec<Account>,
    pub ledger: Ledger,
    pub households: Vec<Household>,
    pub device_types: Vec<DeviceType>,
    pub firms: Vec<Firm>,
    /// Accounts at other banks: landlords, sellers, builders, and mules.
    pub outside: Vec<AccountNo>,
    next_card: u32,
    banks: u8,
}

/// An employer. Those with a customer's account pay wages by transfers that the bank sees.
#[derive(Clone, Copy, Debug)]
pub struct Firm {
    pub city: CityNo,
    pub account: AccountNo,
    pub customer: bool,
    pub device: DeviceNo,
}

/// What a newcomer brings.
pub struct Arrival {
    pub household: u32,
    pub cohort: Cohort,
    pub day: i32,
    /// Thin files start with little money and no credit.
    pub thin: bool,
}

impl Population {
    pub fn new(seed: u64, target: u32, banks: u8, first_day: i32, places: &Places) -> Population {
        let mut population = Population {
            banks,
            ..Population::default()
        };
        population.found_firms(seed, target, places);
        let shares = cohort_shares();
        let mut count = 0_u64;
        let elsewhere = population.accounts.len() as u32;
        while (population.accounts.len() as u32) < elsewhere + target {
            let mut dice = Dice::new(seed, Purpose::Household, count, 0);
            count += 1;
            let city = places.pick(&mut dice);
            let household = population.settle(city, places.around(city, &mut dice));
            // households of the EU: mostly one and two, a tail of five and more (shared flats, dorms)
            let dorm = dice.chance(0.004);
            let people = 1 + dice.weighted(&[0.36, 0.33, 0.14, 0.11, 0.04, 0.02]);
            let size = if dorm {
                10 + dice.below(30) as usize
            } else {
                people
            };
            for _ in 0..size {
                let drawn = Cohort::ALL[dice.weighted(&shares)];
                let cohort = if dorm { Cohort::Student } else { drawn };
                let arrival = Arrival {
                    household,
                    cohort,
                    day: first_day - 1,
                    thin: false,
                };
                population.arrive(arrival, places, &mut dice);
            }
        }
        population.befriend_all(seed);
        population
    }

    fn found_firms(&mut self, seed: u64, target: u32, places: &Places) {
        let mut dice = Dice::new(seed, Purpose::Market, 1, 0);
        for _ in 0..target / 60 + 4 {
            let city = places.pick(&mut dice);
            // the first stands for the state, which pays pensions and takings
            let customer = !self.firms.is_empty() && dice.chance(0.3);
            let kind = if customer {
                AccountKind::Firm
            } else {
                AccountKind::Elsewhere
            };
            let account = self.open(PersonNo(NOBODY), kind, Minor(0), Minor(0), &mut dice);
            let device = self.add_device(DeviceType::Desktop);
            self.firms.push(Firm {
                city,
                account,
                customer,
                device,
            });
        }
        for _ in 0..target {
            let account = self.open(
                PersonNo(NOBODY),
                AccountKind::Elsewhere,
                Minor(0),
                Minor(0),
                &mut dice,
            );
            self.outside.push(account);
        }
    }

    pub fn settle(&mut self, city: CityNo, home: Point) -> u32 {
        self.households.push(Household { city, home });
        self.households.len() as u32 - 1
    }

    /// A new customer with accounts, cards and devices; contacts are found by `befriend`.
    pub fn arrive(&mut self, arrival: Arrival, places: &Places, dice: &mut Dice) -> PersonNo {
        let no = PersonNo(self.people.len() as u32);
        let Household { city, home } = self.households[arrival.household as usize];
        let profile = &COHORTS[arrival.cohort as usize];
        let wealth = dice.lognormal(1.0, profile.income_sigma);
        let income = Minor((profile.income * wealth) as i64);
        let limit = if arrival.thin { 0.5 } else { 1.0 } * profile.income * wealth;
        let kinds = match (arrival.thin, dice.unit()) {
            (true, _) | (_, 0.60..) => 1,
            (_, 0.25..) => 2,
            _ => 3,
        };
        let start = income.0 as f64 * dice.lognormal(if arrival.thin { 0.25 } else { 1.1 }, 0.9);
        let account = self.open(
            no,
            AccountKind::Current,
            Minor(0),
            Minor(start as i64),
            dice,
        );
        if kinds >= 2 {
            let limit = Minor((limit * dice.lognormal(1.0, 0.4)) as i64 / 10_000 * 10_000 + 50_000);
            self.open(no, AccountKind::Credit, limit, Minor(0), dice);
        }
        if kinds >= 3 {
            self.open(no, AccountKind::Savings, Minor(0), Minor(0), dice);
        }
        let device_count = 1 + dice.weighted(&profile.devices) as u8;
        let mut devices = [DeviceNo(NOBODY); DEVICES_MAX];
        for slot in devices.iter_mut().take(usize::from(device_count)) {
            *slot = self.add_device(profile.device_type(dice));
        }
        let commutes = dice.chance(0.12);
        self.people.push(Person {
            home,
            household: arrival.household,
            city,
            work_city: if commutes { places.pick(dice) } else { city },
            employer: if profile.employed {
                self.employer(dice)
            } else {
                STATE
            },
            account,
            accounts: kinds,
            cohort: arrival.cohort,
            device_count,
            devices,
            contacts: [NOBODY; CONTACTS],
            taste: libm::pow(wealth, 0.6) as f32 * profile.taste,
            pace: dice.lognormal(1.0, 0.45) as f32,
            income,
            joined_day: arrival.day,
            left_day: i32::MAX,
            fresh_device_until_day: arrival.day,
            away_city: city,
            away_until_day: i32::MIN,
        });
        no
    }

    fn employer(&self, dice: &mut Dice) -> u32 {
        1 + dice.ranked(self.firms.len() as u32 - 1)
    }

    fn open(
        &mut self,
        owner: PersonNo,
        kind: AccountKind,
        limit: Minor,
        brought: Minor,
        dice: &mut Dice,
    ) -> AccountNo {
        let bank = dice.below(u32::from(self.banks.max(1))) as u8;
        let card = self.new_card();
        self.accounts.push(Account {
            owner,
            card,
            limit,
            kind,
            bank,
            frozen: false,
            defaulted: false,
        });
        self.ledger.open(brought);
        AccountNo(self.accounts.len() as u32 - 1)
    }

    pub fn new_card(&mut self) -> CardNo {
        self.next_card += 1;
        CardNo(self.next_card)
    }

    pub fn add_device(&mut self, kind: DeviceType) -> DeviceNo {
        self.device_types.push(kind);
        DeviceNo(self.device_types.len() as u32 - 1)
    }

    /// Contacts grow by copying an end of somebody's edge half of the time (preferential attachment,
    /// Barabasi and Albert 1999) and by neighbourhood otherwise.
    fn befriend_all(&mut self, seed: u64) {
        for index in 0..self.people.len() as u32 {
            let mut dice = Dice::new(seed, Purpose::Contacts, u64::from(index), 0);
            self.befriend(PersonNo(index), &mut dice);
        }
    }

    pub fn befriend(&mut self, person: PersonNo, dice: &mut Dice) {
        let reach = person.0.clamp(1, 400);
        for slot in 0..CONTACTS {
            // people near in number arrived together: household, street, school
            let near = (person.0 - person.0.min(dice.below(reach + 1))) % self.people.len() as u32;
            let mut friend = near;
            if dice.chance(0.55) {
                let edge = self.people[dice.below(person.0.max(1)) as usize].contacts;
                friend = edge[dice.below(CONTACTS as u32) as usize];
            }
            if friend == NOBODY || friend == person.0 {
                friend = near;
            }
            if friend != person.0 {
                self.people[person.index()].contacts[slot] = friend;
            }
        }
    }

    pub fn is_active(&self, person: PersonNo, day: i64) -> bool {
        let person = &self.people[person.index()];
        i64::from(person.joined_day) <= day && day < i64::from(person.left_day)
    }

    /// Balance and what credit is left.
    pub fn available(&self, account: AccountNo) -> Minor {
        let limit = self.accounts[account.index()].limit;
        Minor(self.ledger.balance(account).0 + limit.0)
    }
}
