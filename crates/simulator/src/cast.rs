//! Who plays: strangers and accomplices in a ring, one circle of friends and family in its hard negative.

use crate::cohort::Cohort;
use crate::market::Category;
use crate::modus::Modus;
use crate::population::{NOBODY, Population};
use crate::random::{Dice, Purpose, hash};
use crate::ring::Ring;
use crate::row::{AccountNo, CityNo, DeviceNo, MerchantNo, PersonNo};
use crate::screen::{Screen, housemate};
use crate::time::Time;
use crate::typology::{Part, Script, Typology, Via};
use crate::world::World;

/// Draws before an account that was in a fraud before is taken after all.
const TRIES: u32 = 60;
/// Machines of late rings that a new ring may go on using.
const MACHINES_MAX: usize = 48;
/// Not yet a customer: the opening sets the day.
const LATER: i64 = i32::MAX as i64 - 1;

impl World<'_> {
    pub(crate) fn somebody(&self, day: i64, dice: &mut Dice) -> PersonNo {
        let people = self.population.people.len() as u32;
        let mut person = PersonNo(dice.below(people));
        for _ in 0..TRIES {
            let account = self.population.people[person.index()].account;
            if self.population.is_active(person, day) && !self.rings.is_tainted(account) {
                break;
            }
            person = PersonNo(dice.below(people));
        }
        person
    }

    pub(crate) fn cast_ring(
        &mut self,
        script: &Script,
        day: i64,
        dice: &mut Dice,
    ) -> Vec<Option<AccountNo>> {
        let city = self.places.pick(dice);
        let home = self.places.around(city, dice);
        let household = self.population.settle(city, home);
        let mut cast: Vec<Option<AccountNo>> = Vec::with_capacity(script.parts.len());
        for &part in &script.parts {
            let mut account = self.draw(part, household, day, dice);
            for _ in 0..TRIES {
                if account.is_none_or(|account| !cast.contains(&Some(account))) {
                    break;
                }
                account = self.draw(part, household, day, dice);
            }
            if let Some(account) = account {
                if part == Part::Mule {
                    self.rings.mules.push(account);
                }
                self.taint_holder(account);
            }
            cast.push(account);
        }
        cast
    }

    fn draw(&mut self, part: Part, household: u32, day: i64, dice: &mut Dice) -> Option<AccountNo> {
        match part {
            Part::Victim => Some(self.account_of(self.somebody(day, dice))),
            Part::Mule => Some(self.recruit(day, dice)),
            Part::Fresh => {
                let person = self.join(household, true, LATER, dice);
                Some(self.account_of(person))
            }
            Part::Borrower => Some(self.borrower(day, dice)),
            Part::Outside => Some(self.outsider(dice)),
            Part::Visitor => None,
        }
    }

    /// Logins and limits go by the holder's current account, whichever of them a ring uses.
    fn taint_holder(&mut self, account: AccountNo) {
        self.rings.taint(account);
        let owner = self.population.accounts[account.index()].owner;
        if let Some(person) = self.population.people.get(owner.index()) {
            let current = person.account;
            self.rings.taint(current);
        }
    }

    /// An account elsewhere that no ring has used.
    fn outsider(&self, dice: &mut Dice) -> AccountNo {
        let pool = &self.population.outside;
        let mut account = dice.pick(pool);
        for _ in 0..TRIES {
            if !self.rings.is_tainted(account) {
                break;
            }
            account = dice.pick(pool);
        }
        account
    }

    fn account_of(&self, person: PersonNo) -> AccountNo {
        self.population.people[person.index()].account
    }

    /// Some served before; the others are more often young or new than the average customer.
    fn recruit(&self, day: i64, dice: &mut Dice) -> AccountNo {
        if !self.rings.mules.is_empty() && dice.chance(self.params.fraud.recurrent_mules) {
            let veteran = dice.pick(&self.rings.mules);
            if !self.population.accounts[veteran.index()].frozen {
                return veteran;
            }
        }
        let picky = dice.chance(0.4);
        let mut person = self.somebody(day, dice);
        for _ in 0..8 {
            if !picky || self.population.people[person.index()].cohort == Cohort::Student {
                break;
            }
            person = self.somebody(day, dice);
        }
        self.account_of(person)
    }

    fn borrower(&self, day: i64, dice: &mut Dice) -> AccountNo {
        for _ in 0..TRIES {
            if self.rings.borrowers.is_empty() {
                break;
            }
            let person = dice.pick(&self.rings.borrowers);
            let credit = self.population.people[person.index()].credit_account();
            let current = self.account_of(person);
            let clean =
                credit.filter(|&it| ![it, current].iter().any(|&it| self.rings.is_tainted(it)));
            if let (Some(account), true) = (clean, self.population.is_active(person, day)) {
                return account;
            }
        }
        // a world of few borrowers: somebody pays what there is
        self.account_of(self.somebody(day, dice))
    }

    /// The household first, then the anchor's contacts, then theirs; strangers only where these run out.
    pub(crate) fn cast_circle(
        &mut self,
        script: &Script,
        anchor: PersonNo,
        day: i64,
        dice: &mut Dice,
    ) -> Vec<Option<AccountNo>> {
        let mut circle = circle_of(&self.population, anchor);
        circle.retain(|&person| self.population.is_active(person, day));
        circle.reverse();
        let household = self.population.people[anchor.index()].household;
        let mut cast: Vec<Option<AccountNo>> = Vec::with_capacity(script.parts.len());
        for &part in &script.parts {
            let account = match part {
                Part::Visitor => None,
                Part::Outside => Some(dice.pick(&self.population.outside)),
                Part::Fresh => {
                    let person = self.join(household, true, LATER, dice);
                    Some(self.account_of(person))
                }
                Part::Borrower => {
                    let friend = circle.iter().rposition(|friend| {
                        self.population.people[friend.index()]
                            .credit_account()
                            .is_some()
                    });
                    let friend = friend.map(|place| circle.remove(place));
                    let credit =
                        friend.and_then(|f| self.population.people[f.index()].credit_account());
                    Some(credit.unwrap_or_else(|| self.borrower(day, dice)))
                }
                Part::Victim | Part::Mule => {
                    let person = circle.pop().unwrap_or_else(|| self.somebody(day, dice));
                    Some(self.account_of(person))
                }
            };
            let twice = account.is_some() && cast.contains(&account);
            let other = self.account_of(self.somebody(day, dice));
            cast.push(if twice { Some(other) } else { account });
        }
        cast
    }

    /// A ring, which has a modus, has machines of its own; among friends a screen is of the first of them who acts on it.
    pub(crate) fn ring_devices(
        &mut self,
        script: &Script,
        cast: &[Option<AccountNo>],
        modus: Option<Modus>,
        anchor: PersonNo,
        start: Time,
        dice: &mut Dice,
    ) -> Vec<DeviceNo> {
        let mut devices = Vec::new();
        for number in 0..script.devices {
            let device = if let Some(modus) = &modus {
                self.machine(modus, anchor, dice)
            } else {
                let host = self.host(script, cast, number).unwrap_or(anchor);
                if dice.chance(0.6) {
                    self.buy_device(start, host, dice);
                    self.population.people[host.index()].devices[0]
                } else {
                    let person = &self.population.people[host.index()];
                    person.devices[dice.below(u32::from(person.device_count)) as usize]
                }
            };
            devices.push(device);
        }
        devices
    }

    fn machine(&mut self, modus: &Modus, like: PersonNo, dice: &mut Dice) -> DeviceNo {
        let profile = self.population.people[like.index()].cohort.profile();
        let blends = dice.chance(self.params.camouflage);
        let own = dice.pick(&modus.machines);
        let kind = if blends {
            profile.device_type(dice)
        } else {
            own
        };
        let keeps = dice.chance(self.params.fraud.recurrent_devices * modus.keeps);
        let known = self.rings.machines.len() as u32;
        if keeps && known > 0 {
            return self.rings.machines[dice.below(known) as usize];
        }
        let device = self.population.add_device(kind);
        self.rings.machines.push_back(device);
        if self.rings.machines.len() > MACHINES_MAX {
            self.rings.machines.pop_front();
        }
        device
    }

    /// Whoever of the circle acts first on a screen: it serves nobody whom the ring's does not serve.
    /// Newcomers come to a screen of the house.
    fn host(&self, script: &Script, cast: &[Option<AccountNo>], device: u8) -> Option<PersonNo> {
        let first = script
            .steps
            .iter()
            .find(|step| step.via == Via::Ring(device))?;
        if script.parts[usize::from(first.actor)] == Part::Fresh {
            return None;
        }
        let owner = self.population.accounts[cast[usize::from(first.actor)]?.index()].owner;
        (owner.index() < self.population.people.len()).then_some(owner)
    }

    pub(crate) fn ring_merchant(
        &self,
        typology: Typology,
        city: CityNo,
        dice: &mut Dice,
    ) -> MerchantNo {
        let daily = [Category::Grocery, Category::Restaurant, Category::Fuel];
        match typology {
            // where small sums are common
            Typology::CardTesting => {
                let small = [
                    Category::Digital,
                    Category::Restaurant,
                    Category::Entertainment,
                ];
                self.market.online(dice.pick(&small), dice.unit())
            }
            // where many cards pass
            Typology::CompromisedTerminal => {
                let city = self.places.pick(dice);
                self.market
                    .local(city, dice.pick(&daily), 0.3 * dice.unit())
            }
            _ => self
                .market
                .local(city, dice.pick(&crate::market::ALL_CATEGORIES), dice.unit()),
        }
    }

    /// The ring's own screen: its machine behind an exit, a mobile carrier or a rented line; among
    /// friends, the line of the house.
    pub(crate) fn ring_screen(
        &self,
        ring: &Ring,
        device: u8,
        actor: AccountNo,
        at: Time,
        dice: &mut Dice,
    ) -> Screen {
        let device = ring.devices[usize::from(device) % ring.devices.len()];
        let kind = self.population.device_types[device.index()];
        let owner = self.population.accounts[actor.index()].owner;
        if !ring.fraud {
            let host = if owner.0 == NOBODY {
                PersonNo(0)
            } else {
                owner
            };
            let ip = self.screen_of(host, at, dice).ip;
            return Screen { device, kind, ip };
        }
        // a machine stays with one line for a day
        let bits = hash(
            self.params.seed,
            Purpose::Cast,
            u64::from(device.0) | 1 << 40,
            at.day() as u64,
        );
        let mut line = Dice::new(bits, Purpose::Cast, 0, 0);
        let near = dice.chance(0.7 * self.params.camouflage);
        let city = match self.population.people.get(owner.index()) {
            Some(person) if near => person.city,
            _ => ring.city,
        };
        let [exit, mobile, wifi] = ring.modus.lines;
        let ip = match line.unit() {
            u if u < exit => self.places.vpn_ip(&mut line),
            u if u < mobile => self.places.mobile_ip(city, u64::from(device.0), at.day()),
            u if u < wifi => self.places.wifi_ip(city, &mut line),
            _ => self
                .places
                .home_ip(city, 1 << 33 | u64::from(device.0), at.day()),
        };
        Screen { device, kind, ip }
    }
}

fn circle_of(population: &Population, anchor: PersonNo) -> Vec<PersonNo> {
    let mut circle = vec![anchor];
    let mate = housemate(population, anchor);
    let mut reach = vec![mate, housemate(population, mate), anchor];
    let contacts = |person: PersonNo| population.people[person.index()].contacts;
    for friend in contacts(anchor)
        .into_iter()
        .filter(|&friend| friend != NOBODY)
    {
        reach.push(PersonNo(friend));
    }
    for place in 0..reach.len() {
        for friend in contacts(reach[place])
            .into_iter()
            .filter(|&friend| friend != NOBODY)
        {
            reach.push(PersonNo(friend));
        }
    }
    for person in reach {
        if !circle.contains(&person) {
            circle.push(person);
        }
    }
    circle
}
