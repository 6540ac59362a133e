//! The world's state and its clockwork: weeks plan rings, days plan people, and what is due is done in
//! time order. Rows leave as they happen; nothing of the past is kept but what is still pending.

use crate::agenda::{Agenda, Entry, Task};
use crate::label::Suspects;
use crate::market::Market;
use crate::params::{ParamError, Params};
use crate::places::Places;
use crate::population::Population;
use crate::random::{Dice, Purpose};
use crate::ring::Rings;
use crate::routine::{Doing, Intent, View, plan_day};
use crate::row::{OutcomeRow, PersonNo, Row};
use crate::secret::Secret;
use crate::time::Time;

pub struct World<'a> {
    pub(crate) params: &'a Params,
    pub(crate) places: Places,
    pub(crate) market: Market,
    pub(crate) population: Population,
    pub(crate) agenda: Agenda,
    pub(crate) rings: Rings,
    pub(crate) suspects: Suspects,
    pub(crate) first_day: i64,
    /// Price level of the day.
    pub(crate) level: f64,
    pub(crate) counts: Counts,
    pub(crate) rows: Vec<Row>,
    pub(crate) secrets: Vec<Secret>,
}

/// What came out of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    pub frauds: u64,
    pub labels: u64,
    pub outcomes: u64,
    pub rings: u32,
    pub hard_negatives: u32,
    /// Money held less money endowed, in minor units: 0, or the ledger is broken.
    pub ledger_excess: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum SimulateError<E> {
    #[error(transparent)]
    Params(#[from] ParamError),
    #[error("writing the stream: {0}")]
    Sink(E),
}

/// Runs the world and hands every observable row to `observe`, in time order, and every secret to
/// `confide`. `threads` changes the speed and nothing else.
pub fn simulate<E>(
    params: &Params,
    threads: usize,
    mut observe: impl FnMut(&Row) -> Result<(), E>,
    mut confide: impl FnMut(&Secret) -> Result<(), E>,
) -> Result<Counts, SimulateError<E>> {
    params.validate()?;
    let mut world = World::new(params)?;
    let mut flush = |world: &mut World<'_>| {
        for row in world.rows.drain(..) {
            observe(&row)?;
        }
        world
            .secrets
            .drain(..)
            .try_for_each(|secret| confide(&secret))
    };
    let last = world.first_day + i64::from(params.days);
    let mut intents = Vec::new();
    for day in world.first_day..last {
        world.begin_day(day);
        plan_day(world.view(), day, threads, &mut intents);
        for &intent in &intents {
            let at = Time::of_day(day) + intent.ms_of_day();
            while let Some(entry) = world.agenda.next_before(at) {
                world.run(entry);
            }
            world.carry_out(at, intent);
            if !world.rows.is_empty() {
                flush(&mut world).map_err(SimulateError::Sink)?;
            }
        }
        while let Some(entry) = world.agenda.next_before(Time::of_day(day + 1)) {
            world.run(entry);
        }
        flush(&mut world).map_err(SimulateError::Sink)?;
    }
    // what became known after the span is still told; nothing new is done
    while let Some(day) = world.agenda.next_day() {
        world.agenda.begin(day);
        while let Some(entry) = world.agenda.next_before(Time::of_day(day + 1)) {
            if matches!(
                entry.task,
                Task::Outcome(_) | Task::Label { .. } | Task::Reverse { .. }
            ) {
                world.run(entry);
            }
        }
        flush(&mut world).map_err(SimulateError::Sink)?;
    }
    world.disclose_all();
    flush(&mut world).map_err(SimulateError::Sink)?;
    world.counts.ledger_excess = world.population.ledger.excess();
    Ok(world.counts)
}

impl<'a> World<'a> {
    fn new(params: &'a Params) -> Result<World<'a>, ParamError> {
        let first_day = params.start_day()?;
        let places = Places::new(params.seed, params.accounts);
        let market = Market::new(params.seed, &places);
        let mut population = Population::new(
            params.seed,
            params.accounts,
            params.banks,
            first_day as i32,
            &places,
        );
        population.ledger.add_merchants(market.merchants.len());
        let rings = Rings::new(market.terminal_count(), &population);
        Ok(World {
            params,
            places,
            market,
            population,
            agenda: Agenda::default(),
            rings,
            suspects: Suspects::default(),
            first_day,
            level: 1.0,
            counts: Counts::default(),
            rows: Vec::new(),
            secrets: Vec::new(),
        })
    }

    fn view(&self) -> View<'_> {
        View {
            params: self.params,
            population: &self.population,
        }
    }

    fn begin_day(&mut self, day: i64) {
        let into = day - self.first_day;
        self.agenda.begin(day);
        let years = into as f64 / 365.25;
        self.level = libm::pow(1.0 + self.params.drift.price_level_per_year, years);
        if into % 7 == 0 {
            self.schedule_week(day);
        }
        self.welcome(day);
    }

    /// Newcomers come one by one and in households; they open their account on a screen.
    fn welcome(&mut self, day: i64) {
        let mut dice = Dice::new(self.params.seed, Purpose::Join, day as u64, 0);
        let rate = self.params.activity.newcomers_per_day * self.population.people.len() as f64;
        // Knuth's method needs a small mean
        let whole = rate as u32;
        let arrivals = whole + dice.poisson(rate - f64::from(whole));
        let mut household = None;
        for _ in 0..arrivals {
            let city = self.places.pick(&mut dice);
            let shared = household.filter(|_| dice.chance(0.4));
            let home = shared.unwrap_or_else(|| {
                let at = self.places.around(city, &mut dice);
                self.population.settle(city, at)
            });
            household = Some(home);
            let at = Time::of_day(day) + crate::cohort::Rhythm::Evening.moment(&mut dice);
            let person = self.join(home, false, day, &mut dice);
            self.agenda.push(at, Task::Open { person });
        }
    }

    fn carry_out(&mut self, at: Time, intent: Intent) {
        let who = intent.who;
        let salt = (intent.doing as u64) << 56;
        let mut dice = Dice::new(
            self.params.seed,
            Purpose::Act,
            u64::from(who.0) | salt,
            at.0 as u64,
        );
        let dice = &mut dice;
        match intent.doing {
            Doing::PayAtCounter => self.pay_at_counter(at, who, dice),
            Doing::PayOnScreen => self.pay_on_screen(at, who, dice),
            Doing::Transfer => self.start_transfer(at, who, dice),
            Doing::Login => self.log_in(at, who, dice),
            Doing::Cash => self.draw_cash(at, who, dice),
            Doing::DepositCash => self.deposit_cash(at, who, dice),
            Doing::ChangeProfile => self.change_profile(at, who, dice),
            Doing::NewDevice => self.new_device(at, who, dice),
            Doing::MoveHouse => self.move_house(at, who, dice),
            Doing::Wage => self.pay_wage(at, who, dice),
            Doing::Rent => self.pay_rent(at, who, dice),
            Doing::Subscription => self.pay_subscription(at, who, dice),
            Doing::RepayCredit => self.repay_credit(at, who, dice),
        }
    }

    fn run(&mut self, entry: Entry) {
        let at = entry.at;
        match entry.task {
            Task::Outcome(outcome) => self.tell(outcome),
            Task::Label {
                label,
                account,
                holder_is_offender,
            } => {
                self.counts.labels += 1;
                self.rows.push(Row::Label(label));
                if label.fraud {
                    self.react_to_label(at, account, holder_is_offender);
                }
            }
            Task::Reverse { outcome, undo } => {
                self.population.ledger.post(undo.from, undo.to, undo.amount);
                self.tell(outcome);
            }
            Task::Refund {
                account,
                merchant,
                amount,
            } => {
                self.refund(at, account, merchant, amount);
            }
            Task::Transfer { person, screen } => self.finish_transfer(at, person, screen),
            Task::Change { person, screen } => {
                let mut dice = self.dice(Purpose::Act, person, at);
                self.change_on(at, person, screen, None, &mut dice);
            }
            Task::Open { person } => {
                self.open_account(at, person, None, None);
            }
            Task::Step { slot, index } => self.play_step(at, slot, index),
        }
    }

    fn tell(&mut self, outcome: OutcomeRow) {
        self.counts.outcomes += 1;
        self.rows.push(Row::Outcome(outcome));
    }

    pub(crate) fn dice(&self, purpose: Purpose, who: PersonNo, at: Time) -> Dice {
        Dice::new(self.params.seed, purpose, u64::from(who.0), at.0 as u64)
    }
}
