//! Transfers between accounts: to contacts, to sellers, to oneself; wages, rent and the credit bill.

use super::{Deed, Truth};
use crate::agenda::Task;
use crate::market::{raw_price, typed_amount};
use crate::population::{AccountKind, NOBODY, STATE};
use crate::random::{Dice, Purpose, hash};
use crate::row::{AccountNo, Channel, EventKind, Minor, PersonNo};
use crate::screen::Screen;
use crate::time::{DAY_MS, SECOND_MS, Time};
use crate::world::World;

/// The usual transfer, in minor units, before the person's taste.
pub(crate) const TRANSFER_MEDIAN: f64 = 6_500.0;
pub(crate) const TRANSFER_SIGMA: f64 = 1.05;

impl World<'_> {
    /// Most people log in first; some stay logged in.
    pub(crate) fn start_transfer(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let screen = self.screen_of(who, at, dice);
        let wait = dice.between(12 * SECOND_MS, 240 * SECOND_MS);
        // a session does not outlast the day: the span ends with one
        if dice.chance(0.6) && at.ms_of_day() + wait < DAY_MS {
            self.log_in_on(at, who, screen, None, dice);
            self.agenda.push(
                at + wait,
                Task::Transfer {
                    person: who,
                    screen,
                },
            );
        } else {
            self.finish_transfer(at, who, screen);
        }
    }

    pub(crate) fn finish_transfer(&mut self, at: Time, who: PersonNo, screen: Screen) {
        let mut dice = self.dice(Purpose::Act, who, at);
        let person = self.population.people[who.index()];
        let taste = f64::from(person.taste);
        let (payee, sum) = match dice.unit() {
            ..0.10 if person.savings_account().is_some() => {
                let sum = dice.lognormal(15_000.0 * taste, 0.8);
                (person.savings_account(), typed_amount(sum, &mut dice))
            }
            ..0.50 => {
                let sum = dice.lognormal(TRANSFER_MEDIAN * taste * self.level, TRANSFER_SIGMA);
                (
                    self.contact_account(who, &mut dice),
                    typed_amount(sum, &mut dice),
                )
            }
            // a seller, a builder, somebody met once
            _ => {
                let category = person.cohort.profile().category(&mut dice);
                let sum = raw_price(category, taste * 1.8, self.level, &mut dice);
                (self.seller_account(&mut dice), typed_amount(sum, &mut dice))
            }
        };
        let Some(payee) = payee.filter(|&payee| payee != person.account) else {
            return;
        };
        let affordable = self.affordable(person.account, sum, &mut dice);
        if let Some(sum) = affordable {
            self.transfer(at, person.account, payee, sum, screen, None, &mut dice);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "who, what, where and how of one transfer"
    )]
    pub(crate) fn transfer(
        &mut self,
        at: Time,
        account: AccountNo,
        payee: AccountNo,
        sum: Minor,
        screen: Screen,
        truth: Option<Truth>,
        dice: &mut Dice,
    ) -> bool {
        let mut deed = Deed::on(EventKind::Transfer, account, screen, self);
        deed.payee = Some(payee);
        deed.amount = Some(sum);
        self.weigh(&mut deed, screen, at, truth);
        self.perform(at, deed, truth, dice)
    }

    fn contact_account(&self, who: PersonNo, dice: &mut Dice) -> Option<AccountNo> {
        let contacts = &self.population.people[who.index()].contacts;
        // the first contacts are the closest
        let friend = contacts[dice.ranked(contacts.len() as u32) as usize];
        (friend != NOBODY).then(|| self.population.people[friend as usize].account)
    }

    /// Half of the sellers bank here: few sell much, many sell once.
    fn seller_account(&self, dice: &mut Dice) -> Option<AccountNo> {
        if dice.chance(0.5) {
            return Some(dice.pick(&self.population.outside));
        }
        let people = self.population.people.len() as u32;
        let often = dice.chance(0.3);
        let seller = if often {
            dice.ranked(people / 20 + 1) * 19
        } else {
            dice.below(people)
        };
        Some(self.population.people[seller.min(people - 1) as usize].account)
    }

    /// Wages and pensions: a deposit from elsewhere, or a transfer where the firm banks here.
    pub(crate) fn pay_wage(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let person = self.population.people[who.index()];
        let firm = self.population.firms[person.employer as usize];
        let extra = if dice.chance(0.08) {
            dice.lognormal(1.3, 0.2)
        } else {
            1.0
        };
        let mut fixed = Dice::new(self.params.seed, Purpose::Person, u64::from(who.0), 11);
        let sum = typed_amount(person.income.0 as f64 * extra * self.level, &mut fixed);
        if person.employer == STATE || !firm.customer {
            let place = (person.city, self.places.cities[person.city.index()].at);
            let mut deed = Deed::new(EventKind::Deposit, Channel::Bank, person.account, place);
            deed.payee = Some(firm.account);
            deed.amount = Some(sum);
            self.perform(at, deed, None, dice);
            return;
        }
        if self.population.available(firm.account) < sum {
            self.earn(at, firm.account, sum, dice);
        }
        let kind = self.population.device_types[firm.device.index()];
        let ip = self.places.office_ip(firm.city, person.employer);
        let screen = Screen {
            device: firm.device,
            kind,
            ip,
        };
        self.transfer(at, firm.account, person.account, sum, screen, None, dice);
    }

    /// A firm's customers pay from elsewhere.
    fn earn(&mut self, at: Time, account: AccountNo, need: Minor, dice: &mut Dice) {
        let place = self.places.pick(dice);
        let at_place = self.places.cities[place.index()].at;
        let mut deed = Deed::new(
            EventKind::Deposit,
            Channel::Bank,
            account,
            (place, at_place),
        );
        deed.payee = Some(dice.pick(&self.population.outside));
        deed.amount = Some(Minor(
            (need.0 as f64 * dice.lognormal(14.0, 0.4)) as i64 + need.0,
        ));
        self.perform(at, deed, None, dice);
    }

    pub(crate) fn pay_rent(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let person = self.population.people[who.index()];
        let bits = hash(
            self.params.seed,
            Purpose::Household,
            u64::from(person.household),
            9,
        );
        let landlord = if bits & 3 == 0 {
            let people = self.population.people.len() as u64;
            self.population.people[(bits >> 8) as usize % people.min(500) as usize].account
        } else {
            let pool = &self.population.outside;
            pool[(bits >> 8) as usize % (pool.len() / 30 + 1)]
        };
        // the same sum every month
        let mut fixed = Dice::new(self.params.seed, Purpose::Person, u64::from(who.0), 10);
        let sum = typed_amount(person.income.0 as f64 * 0.3, &mut fixed);
        if landlord == person.account || sum > self.population.available(person.account) {
            return;
        }
        let screen = self.screen_of(who, at, dice);
        self.transfer(at, person.account, landlord, sum, screen, None, dice);
    }

    pub(crate) fn repay_credit(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let person = self.population.people[who.index()];
        let Some(credit) = person.credit_account() else {
            return;
        };
        let state = &self.population.accounts[credit.index()];
        debug_assert_eq!(state.kind, AccountKind::Credit);
        let owed = -self.population.ledger.balance(credit).0;
        // most repay all, some the minimum
        let due = if dice.chance(0.7) { owed } else { owed / 5 };
        if state.defaulted || state.frozen || due < 500 {
            return;
        }
        let sum = typed_amount(due as f64, dice);
        if sum <= self.population.available(person.account) {
            let screen = self.screen_of(who, at, dice);
            self.transfer(at, person.account, credit, sum, screen, None, dice);
        }
    }

    /// What a bank sees before it asks back: an unknown device, an amount beyond the usual.
    pub(crate) fn weigh(&self, deed: &mut Deed, screen: Screen, at: Time, truth: Option<Truth>) {
        let owner = self.population.accounts[deed.account.index()].owner;
        let Some(person) = self.population.people.get(owner.index()) else {
            return;
        };
        let known = person.devices.contains(&screen.device)
            && i64::from(person.fresh_device_until_day) < at.day();
        let usual = TRANSFER_MEDIAN * f64::from(person.taste) * 6.0;
        let large = deed.amount.is_some_and(|sum| sum.0 as f64 > usual);
        deed.unusual = if known { 0.0 } else { 0.15 } + if large { 0.10 } else { 0.0 };
        if let Some(truth) = truth {
            deed.passes = self.rings.passes_challenge(truth);
        }
    }
}
