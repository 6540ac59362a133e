//! Payments to merchants, at counters and on screens, and cash.

use super::{Deed, Truth};
use crate::market::{Category, price};
use crate::population::Person;
use crate::random::{Dice, Purpose, hash, unit};
use crate::row::{
    AccountNo, Channel, CityNo, EventKind, MerchantNo, Minor, PersonNo, Point, TerminalNo,
};
use crate::screen::{Screen, own_screen, whereabouts};
use crate::time::Time;
use crate::world::World;

/// A person has this many usual shops per category.
const HAUNTS: u32 = 3;

impl World<'_> {
    pub(crate) fn pay_at_counter(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let city = self.city_of(who, at);
        let person = self.population.people[who.index()];
        // commuters shop where they work one time in three
        let city = if city == person.city && dice.chance(0.33) {
            person.work_city
        } else {
            city
        };
        let category = person.cohort.profile().category(dice);
        let merchant = self
            .market
            .local(city, category, self.taste(who, category, dice));
        let account = paying_account(&person, dice);
        let sum = price(category, f64::from(person.taste), self.level, dice);
        if let Some(sum) = self.affordable(account, sum, dice) {
            self.counter_payment(at, account, merchant, sum, None, dice);
        }
    }

    pub(crate) fn pay_on_screen(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let person = self.population.people[who.index()];
        let category = person.cohort.profile().category(dice);
        let merchant = self
            .market
            .online(category, self.taste(who, category, dice));
        let account = paying_account(&person, dice);
        let sum = price(category, f64::from(person.taste), self.level, dice);
        if let Some(sum) = self.affordable(account, sum, dice) {
            let screen = self.screen_of(who, at, dice);
            self.screen_payment(at, account, merchant, sum, screen, None, dice);
        }
    }

    pub(crate) fn counter_payment(
        &mut self,
        at: Time,
        account: AccountNo,
        merchant: MerchantNo,
        sum: Minor,
        truth: Option<Truth>,
        dice: &mut Dice,
    ) -> bool {
        let shop = self.market.merchants[merchant.index()];
        let terminal = TerminalNo(shop.first_terminal.0 + dice.ranked(u32::from(shop.terminals)));
        let mut deed = Deed::new(
            EventKind::Payment,
            Channel::Pos,
            account,
            (shop.city, shop.at),
        );
        deed.with_card = true;
        deed.merchant = Some(merchant);
        deed.terminal = Some(terminal);
        deed.amount = Some(sum);
        if truth.is_none() {
            let card = self.population.accounts[account.index()].card;
            self.rings.see_card(terminal, account, card);
        }
        self.perform(at, deed, truth, dice)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "who, what, where and how of one payment"
    )]
    pub(crate) fn screen_payment(
        &mut self,
        at: Time,
        account: AccountNo,
        merchant: MerchantNo,
        sum: Minor,
        screen: Screen,
        truth: Option<Truth>,
        dice: &mut Dice,
    ) -> bool {
        let mut deed = Deed::on(EventKind::Payment, account, screen, self);
        deed.with_card = true;
        deed.merchant = Some(merchant);
        deed.amount = Some(sum);
        self.weigh(&mut deed, screen, at, truth);
        self.perform(at, deed, truth, dice)
    }

    pub(crate) fn pay_subscription(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let person = self.population.people[who.index()];
        let bits = hash(self.params.seed, Purpose::Person, u64::from(who.0), 7);
        let kinds = [
            Category::Digital,
            Category::Utilities,
            Category::Entertainment,
        ];
        let category = kinds[(bits % 3) as usize];
        let merchant = self.market.online(category, unit(bits));
        // the same amount every month
        let mut fixed = Dice::new(self.params.seed, Purpose::Person, u64::from(who.0), 8);
        let sum = price(category, 0.8, 1.0, &mut fixed);
        if sum > self.population.available(person.account) && dice.chance(0.6) {
            return;
        }
        let shop = self.market.merchants[merchant.index()];
        let place = (shop.city, shop.at);
        let mut deed = Deed::new(EventKind::Payment, Channel::Bank, person.account, place);
        deed.with_card = true;
        deed.merchant = Some(merchant);
        deed.amount = Some(sum);
        self.perform(at, deed, None, dice);
    }

    pub(crate) fn draw_cash(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let person = self.population.people[who.index()];
        let city = self.city_of(who, at);
        let sum = cash_amount(7_000.0 * f64::from(person.taste), dice);
        if let Some(sum) = self.affordable(person.account, sum, dice) {
            let sum = Minor((sum.0 / 1_000 * 1_000).max(1_000));
            self.cash_withdrawal(at, person.account, city, sum, None, dice);
        }
    }

    pub(crate) fn cash_withdrawal(
        &mut self,
        at: Time,
        account: AccountNo,
        city: CityNo,
        sum: Minor,
        truth: Option<Truth>,
        dice: &mut Dice,
    ) -> bool {
        let place = self.machine_place(city, dice);
        let mut deed = Deed::new(
            EventKind::CashWithdrawal,
            Channel::Atm,
            account,
            (city, place.1),
        );
        deed.with_card = true;
        deed.terminal = Some(place.0);
        deed.amount = Some(sum);
        self.perform(at, deed, truth, dice)
    }

    pub(crate) fn deposit_cash(&mut self, at: Time, who: PersonNo, dice: &mut Dice) {
        let person = self.population.people[who.index()];
        let city = self.city_of(who, at);
        let place = self.machine_place(city, dice);
        let mut deed = Deed::new(
            EventKind::Deposit,
            Channel::Atm,
            person.account,
            (city, place.1),
        );
        deed.with_card = true;
        deed.terminal = Some(place.0);
        deed.amount = Some(cash_amount(11_000.0 * f64::from(person.taste), dice));
        self.perform(at, deed, None, dice);
    }

    fn machine_place(&self, city: CityNo, dice: &mut Dice) -> (TerminalNo, Point) {
        let machine = self.market.cash_machine(city, dice);
        // a machine stands where it stands: its place is a function of its number
        let mut fixed = Dice::new(self.params.seed, Purpose::Market, 2, u64::from(machine.0));
        (machine, self.places.around(city, &mut fixed))
    }

    /// A number in [0, 1) that picks a shop: mostly one of the person's own few, else any.
    fn taste(&self, who: PersonNo, category: Category, dice: &mut Dice) -> f64 {
        if dice.chance(0.7) {
            let haunt = u64::from(dice.ranked(HAUNTS)) << 8 | category as u64;
            return unit(hash(
                self.params.seed,
                Purpose::Person,
                u64::from(who.0),
                haunt << 4 | 1,
            ));
        }
        dice.unit()
    }

    pub(crate) fn city_of(&self, who: PersonNo, at: Time) -> CityNo {
        whereabouts(
            self.params.seed,
            &self.population,
            &self.places,
            who,
            at.day(),
        )
    }

    pub(crate) fn screen_of(&self, who: PersonNo, at: Time, dice: &mut Dice) -> Screen {
        own_screen(
            self.params.seed,
            &self.population,
            &self.places,
            who,
            at,
            dice,
        )
    }

    /// People know about what they have: mostly they buy less or not at all, at times they try.
    pub(crate) fn affordable(
        &self,
        account: AccountNo,
        sum: Minor,
        dice: &mut Dice,
    ) -> Option<Minor> {
        let available = self.population.available(account);
        let mood = dice.unit();
        let (tries, less) = (mood < 0.08, 0.1 + 0.4 * dice.unit());
        if sum <= available || tries {
            return Some(sum);
        }
        let reduced = Minor((available.0 as f64 * less) as i64);
        (reduced.0 >= 300).then_some(reduced)
    }
}

fn paying_account(person: &Person, dice: &mut Dice) -> AccountNo {
    let credit = dice.chance(0.4);
    person
        .credit_account()
        .filter(|_| credit)
        .unwrap_or(person.account)
}

/// Machines give tens.
pub(crate) fn cash_amount(median: f64, dice: &mut Dice) -> Minor {
    let raw = dice.lognormal(median, 0.6).clamp(1_000.0, 200_000.0) as i64;
    Minor((raw + 500) / 1_000 * 1_000)
}
