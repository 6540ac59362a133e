//! What ordinary people mean to do on a day. A pure function of (seed, person, day) and of what is known
//! about the person at the day's beginning, so that any number of threads plans the same day.

use crate::cohort::Rhythm;
use crate::params::Params;
use crate::population::{Population, STATE};
use crate::random::{Dice, Purpose, hash, mix, unit};
use crate::row::PersonNo;
use crate::time::{Date, HOUR_MS, MINUTE_MS, is_weekend};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Doing {
    PayAtCounter,
    PayOnScreen,
    Transfer,
    Login,
    Cash,
    DepositCash,
    ChangeProfile,
    NewDevice,
    MoveHouse,
    Wage,
    Rent,
    Subscription,
    RepayCredit,
}

/// Sorted by time within the day, ties by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Intent {
    key: u64,
    pub who: PersonNo,
    pub doing: Doing,
}

impl Intent {
    fn new(ms_of_day: i64, who: PersonNo, doing: Doing) -> Intent {
        let tie = mix(u64::from(who.0) << 8 | doing as u64) >> 32;
        Intent {
            key: (ms_of_day as u64) << 32 | tie,
            who,
            doing,
        }
    }

    pub fn ms_of_day(self) -> i64 {
        (self.key >> 32) as i64
    }
}

/// Everything planning reads.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub params: &'a Params,
    pub population: &'a Population,
}

/// People are planned in blocks of this many, whatever the number of threads.
const BLOCK: usize = 8192;

/// All intents of the day, sorted.
pub fn plan_day(view: View<'_>, day: i64, threads: usize, out: &mut Vec<Intent>) {
    out.clear();
    let people = view.population.people.len();
    let season = season(view.params, day);
    let plan = |range: std::ops::Range<usize>| {
        let mut intents = Vec::with_capacity(range.len() * 2);
        for who in range {
            plan_person(view, PersonNo(who as u32), day, season, &mut intents);
        }
        intents
    };
    let blocks: Vec<_> = (0..people)
        .step_by(BLOCK)
        .map(|start| start..(start + BLOCK).min(people))
        .collect();
    if threads <= 1 || blocks.len() == 1 {
        for block in blocks {
            out.append(&mut plan(block));
        }
    } else {
        std::thread::scope(|scope| {
            let shares = blocks.chunks(blocks.len().div_ceil(threads));
            let plan = &plan;
            let workers: Vec<_> = shares
                .map(|share| {
                    scope.spawn(move || share.iter().cloned().map(plan).collect::<Vec<_>>())
                })
                .collect();
            for worker in workers {
                match worker.join() {
                    Ok(planned) => planned
                        .into_iter()
                        .for_each(|mut part| out.append(&mut part)),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
    }
    // keys are followed by who and what, so the order is total and the threads leave no trace
    out.sort_unstable();
}

/// Volume of the day relative to an ordinary one: the yearly swing peaks in December.
pub fn season(params: &Params, day: i64) -> f64 {
    let date = Date::of_day(day);
    let of_year = (day
        - Date {
            month: 1,
            day: 1,
            ..date
        }
        .to_day()) as f64
        / 365.25;
    let swing = libm::cos(2.0 * std::f64::consts::PI * (of_year - 0.95));
    let weekday = [0.92, 0.92, 0.95, 1.0, 1.15, 1.18, 0.88][crate::time::weekday(day) as usize];
    (1.0 + params.drift.seasonality * swing) * weekday * params.activity.pace
}

fn plan_person(view: View<'_>, who: PersonNo, day: i64, season: f64, out: &mut Vec<Intent>) {
    if !view.population.is_active(who, day) {
        return;
    }
    let person = &view.population.people[who.index()];
    let profile = person.cohort.profile();
    let mut dice = Dice::new(
        view.params.seed,
        Purpose::Routine,
        u64::from(who.0),
        day as u64,
    );
    let pace = f64::from(person.pace) * season;
    for _ in 0..dice.poisson(profile.payments * pace) {
        let screen = dice.chance(profile.online);
        let rhythm = if screen {
            evening_of(profile.hours)
        } else {
            profile.hours
        };
        let doing = if screen {
            Doing::PayOnScreen
        } else {
            Doing::PayAtCounter
        };
        out.push(Intent::new(rhythm.moment(&mut dice), who, doing));
    }
    let rates = [
        (Doing::Transfer, profile.transfers),
        (Doing::Login, profile.logins),
        (Doing::Cash, profile.cash),
        (Doing::DepositCash, profile.cash * 0.15),
    ];
    for (doing, rate) in rates {
        for _ in 0..dice.poisson(rate * pace) {
            out.push(Intent::new(profile.hours.moment(&mut dice), who, doing));
        }
    }
    let life = [
        (Doing::ChangeProfile, 0.004),
        (Doing::NewDevice, view.params.activity.new_device_per_day),
        (Doing::MoveHouse, view.params.activity.move_per_day),
    ];
    for (doing, rate) in life {
        if dice.chance(rate) {
            out.push(Intent::new(profile.hours.moment(&mut dice), who, doing));
        }
    }
    plan_month(view, who, day, out);
}

fn evening_of(rhythm: Rhythm) -> Rhythm {
    match rhythm {
        Rhythm::Late => Rhythm::Late,
        _ => Rhythm::Evening,
    }
}

/// What comes round with the month: wages, rent, subscriptions, the credit bill.
fn plan_month(view: View<'_>, who: PersonNo, day: i64, out: &mut Vec<Intent>) {
    let person = &view.population.people[who.index()];
    let seed = view.params.seed;
    let today = u64::from(Date::of_day(day).day);
    let fixed = hash(seed, Purpose::Routine, u64::from(who.0), u64::MAX);
    let firm = hash(
        seed,
        Purpose::Routine,
        u64::from(person.employer),
        u64::MAX - 1,
    );
    let jitter = (hash(
        seed,
        Purpose::Routine,
        u64::from(who.0),
        day as u64 ^ 1 << 40,
    ) % 1_700_000) as i64;
    // the state pays on every working day of the first three weeks, a firm on its one day
    let payday = if person.employer == STATE {
        1 + fixed % 21
    } else {
        1 + firm % 28
    };
    if today == payday {
        let batch = (5 + (firm >> 8 & 7) as i64) * HOUR_MS + (firm >> 16 & 31) as i64 * MINUTE_MS;
        out.push(Intent::new(batch + jitter, who, Doing::Wage));
    }
    if unit(fixed) < 0.45 && today == 1 + (fixed >> 8) % 5 {
        out.push(Intent::new(8 * HOUR_MS + jitter * 14, who, Doing::Rent));
    }
    if !is_weekend(day) && today == 1 + (fixed >> 16) % 28 {
        out.push(Intent::new(
            3 * HOUR_MS + jitter * 3,
            who,
            Doing::Subscription,
        ));
    }
    let owes = person.credit_account().is_some();
    if owes && today == 1 + (fixed >> 24) % 28 {
        out.push(Intent::new(
            7 * HOUR_MS + jitter * 20,
            who,
            Doing::RepayCredit,
        ));
    }
}
