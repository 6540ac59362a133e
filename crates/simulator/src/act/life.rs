//! Logins, changed profiles, new devices, moves, new customers.

use super::{Deed, Truth};
use crate::agenda::Task;
use crate::cohort::{Cohort, cohort_shares};
use crate::population::{Arrival, DEVICES_MAX};
use crate::random::Dice;
use crate::row::{Change, EventKind, PersonNo};
use crate::screen::Screen;
use crate::time::{MINUTE_MS, Time};
use crate::world::World;

/// Days for which a bank treats a device as new.
const FRESH_DAYS: i32 = 3;

impl World<'_> {
    pub(crate) fn log_in(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let screen = self.screen_of(who, at, dice);
        self.log_in_on(at, who, screen, None, dice);
    }

    pub(crate) fn log_in_on(
        &mut self,
        at: Time,
        who: PersonNo,
        screen: Screen,
        truth: Option<Truth>,
        dice: &mut Dice,
    ) -> bool {
        let account = self.population.people[who.index()].account;
        let mut deed = Deed::on(EventKind::Login, account, screen, self);
        self.weigh(&mut deed, screen, at, truth);
        self.perform(at, deed, truth, dice)
    }

    pub(crate) fn change_profile(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let screen = self.screen_of(who, at, dice);
        self.change_on(at, who, screen, None, dice);
    }

    pub(crate) fn change_on(
        &mut self,
        at: Time,
        who: PersonNo,
        screen: Screen,
        truth: Option<Truth>,
        dice: &mut Dice,
    ) -> bool {
        let kinds = [
            Change::Address,
            Change::Phone,
            Change::Email,
            Change::Password,
            Change::Limit,
        ];
        let change = kinds[dice.weighted(&[1.0, 1.6, 1.2, 3.0, 1.6])];
        self.change(at, who, change, screen, truth, dice)
    }

    pub(crate) fn change(
        &mut self,
        at: Time,
        who: PersonNo,
        change: Change,
        screen: Screen,
        truth: Option<Truth>,
        dice: &mut Dice,
    ) -> bool {
        let account = self.population.people[who.index()].account;
        let mut deed = Deed::on(EventKind::ProfileChange, account, screen, self);
        deed.change = Some(change);
        self.weigh(&mut deed, screen, at, truth);
        self.perform(at, deed, truth, dice)
    }

    /// A replacement for the oldest device, or one more; the first thing done on it is a login.
    pub(crate) fn new_device(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        self.buy_device(at, who, dice);
        let screen = self.screen_of(who, at, dice);
        self.log_in_on(at, who, screen, None, dice);
        if dice.chance(0.25) {
            let soon = at + dice.between(MINUTE_MS / 3, 9 * MINUTE_MS);
            self.agenda.push(
                soon,
                Task::Change {
                    person: who,
                    screen,
                },
            );
        }
    }

    pub(crate) fn buy_device(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let kind = self.population.people[who.index()]
            .cohort
            .profile()
            .device_type(dice);
        let device = self.population.add_device(kind);
        let person = &mut self.population.people[who.index()];
        let grows = usize::from(person.device_count) < DEVICES_MAX && dice.chance(0.3);
        person.device_count += u8::from(grows);
        // the newest is the one used most
        person.devices.copy_within(0..DEVICES_MAX - 1, 1);
        person.devices[0] = device;
        person.fresh_device_until_day = at.day() as i32 + FRESH_DAYS;
    }

    pub(crate) fn move_house(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let city = if dice.chance(0.7) {
            self.population.people[who.index()].city
        } else {
            self.places.pick(dice)
        };
        let home = self.places.around(city, dice);
        let household = self.population.settle(city, home);
        let person = &mut self.population.people[who.index()];
        person.household = household;
        person.city = city;
        person.home = home;
        let screen = self.screen_of(who, at, dice);
        self.change(at, who, Change::Address, screen, None, dice);
    }

    pub(crate) fn join(
        &mut self,
        household: u32,
        thin: bool,
        day: i64,
        dice: &mut Dice,
    ) -> PersonNo {
        let cohort = Cohort::ALL[dice.weighted(&cohort_shares())];
        let arrival = Arrival {
            household,
            cohort,
            day: day as i32,
            thin,
        };
        let person = self.population.arrive(arrival, &self.places, dice);
        self.population.befriend(person, dice);
        person
    }

    /// The opening itself; from the next day on the customer lives an ordinary life beside it.
    pub(crate) fn open_account(
        &mut self,
        at: Time,
        who: PersonNo,
        screen: Option<Screen>,
        truth: Option<Truth>,
    ) -> bool {
        let mut dice = self.dice(crate::random::Purpose::Act, who, at);
        self.population.people[who.index()].joined_day = at.day() as i32 + 1;
        let screen = screen.unwrap_or_else(|| self.screen_of(who, at, &mut dice));
        let account = self.population.people[who.index()].account;
        let deed = Deed::on(EventKind::AccountOpening, account, screen, self);
        self.perform(at, deed, truth, &mut dice)
    }
}
