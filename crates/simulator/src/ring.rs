//! Rings and their hard negatives: when they are planned, who plays in them, what they have received.

use std::collections::{BTreeMap, VecDeque};

use crate::act::Truth;
use crate::agenda::Task;
use crate::modus::Modus;
use crate::population::Population;
use crate::random::{Dice, Purpose};
use crate::row::{AccountNo, CardNo, CityNo, DeviceNo, MerchantNo, PersonNo, RingNo, TerminalNo};
use crate::secret::{Belief, Secret};
use crate::time::{DAY_MS, Time};
use crate::typology::{Manner, Script, Typology};
use crate::world::World;

/// Share of planned steps that happen, before any has been counted, and the steps that this counts for.
const YIELD: f64 = 0.9;
const YIELD_WEIGHT: f64 = 100.0;

/// A script being played.
#[derive(Clone, Debug)]
pub struct Ring {
    pub no: RingNo,
    pub typology: Typology,
    pub fraud: bool,
    pub modus: Modus,
    pub script: Script,
    /// The account of each part; visitors are unknown until the terminal has seen them.
    pub cast: Vec<Option<AccountNo>>,
    /// The card of each part as it was stolen; a replaced one is of no more use.
    pub cards: Vec<Option<CardNo>>,
    /// Received within the ring and not yet passed on, by part.
    pub received: Vec<i64>,
    pub devices: Vec<DeviceNo>,
    pub city: CityNo,
    pub merchant: MerchantNo,
    pub steps_left: u32,
    pub secrets: Vec<Secret>,
    pub belief: Belief,
    /// Devices and shops used so far, with the account that used them.
    pub used_devices: Vec<(DeviceNo, AccountNo)>,
    pub used_shops: Vec<(MerchantNo, AccountNo)>,
}

#[derive(Debug)]
pub struct Rings {
    pub slots: Vec<Option<Box<Ring>>>,
    free: Vec<u32>,
    /// Slot of the ring that watches a terminal, plus one.
    watch: Vec<u32>,
    /// Accounts that have been in a fraud; they are not drawn again.
    tainted: Vec<bool>,
    pub(crate) mules: Vec<AccountNo>,
    /// Devices of the latest rings.
    pub(crate) machines: VecDeque<DeviceNo>,
    /// Fraudulent steps planned by week of the span.
    planned: BTreeMap<i64, u32>,
    /// Fraudulent steps that were due before this week, and those of this week.
    due: f64,
    due_this_week: f64,
    events_at_week: u64,
    pub(crate) borrowers: Vec<PersonNo>,
    turn: Turn,
    next_no: u32,
}

/// Whose turn it is: typologies come in an order of chance, but in the long run as often as their weights
/// say. Drawn freely, a world of a few hundred rings has half or twice as many of the rare ones.
#[derive(Debug, Default)]
struct Turn {
    /// Rings that each typology is behind its share; negative, ahead.
    owed: [f32; 13],
}

impl Turn {
    /// One weight at least must be positive.
    fn draw(&mut self, weights: &[f32; 13], dice: &mut Dice) -> usize {
        let total: f32 = weights.iter().sum();
        for (owed, weight) in self.owed.iter_mut().zip(weights) {
            *owed += weight / total;
        }
        let mut open = *weights;
        for (open, owed) in open.iter_mut().zip(self.owed) {
            *open = if *open > 0.0 { owed.max(0.0) } else { 0.0 };
        }
        let known = open.iter().any(|&it| it > 0.0);
        dice.weighted(if known { &open } else { weights })
    }

    /// A draw that is not played stays owed.
    fn took(&mut self, kind: usize) {
        self.owed[kind] -= 1.0;
    }
}

impl Rings {
    pub fn new(terminals: u32, population: &Population) -> Rings {
        let borrows = |index: &u32| {
            population.people[*index as usize]
                .credit_account()
                .is_some()
        };
        let everybody = 0..population.people.len() as u32;
        Rings {
            slots: Vec::new(),
            free: Vec::new(),
            watch: vec![0; terminals as usize],
            tainted: Vec::new(),
            mules: Vec::new(),
            machines: VecDeque::new(),
            planned: BTreeMap::new(),
            due: 0.0,
            due_this_week: 0.0,
            events_at_week: 0,
            borrowers: everybody.filter(borrows).map(PersonNo).collect(),
            turn: Turn::default(),
            next_no: 0,
        }
    }

    /// A card went through a terminal; a ring that watches it takes note.
    pub fn see_card(&mut self, terminal: TerminalNo, account: AccountNo, card: CardNo) {
        let watcher = self.watch[terminal.index()];
        if watcher == 0 {
            return;
        }
        let tainted = self.is_tainted(account);
        let Some(ring) = &mut self.slots[watcher as usize - 1] else {
            return;
        };
        let known = ring.cast.contains(&Some(account));
        let fraud = ring.fraud;
        match ring.cast.iter().position(Option::is_none) {
            Some(part) if !known && !tainted => {
                ring.cast[part] = Some(account);
                ring.cards[part] = Some(card);
                if fraud {
                    self.taint(account);
                }
            }
            Some(_) => {}
            None => self.watch[terminal.index()] = 0,
        }
    }

    pub fn watch(&mut self, slot: u32, terminal: TerminalNo) {
        self.watch[terminal.index()] = slot + 1;
    }

    pub fn unwatch(&mut self, slot: u32, terminal: TerminalNo) {
        if self.watch[terminal.index()] == slot + 1 {
            self.watch[terminal.index()] = 0;
        }
    }

    /// Friends pass as anybody would; a thief without the second factor mostly fails; a victim who is
    /// being talked into it passes.
    pub fn passes_challenge(&self, truth: Truth) -> f64 {
        let Some(ring) = &self.slots[truth.slot as usize] else {
            return 0.96;
        };
        let step = &ring.script.steps[truth.index as usize];
        match (ring.fraud, step.via) {
            (false, _) | (true, crate::typology::Via::Owner) => 0.96,
            (true, crate::typology::Via::Ring(_)) => match ring.typology {
                Typology::CardTesting | Typology::AccountTakeover => 0.5,
                // own accounts of the ring answer their own phones
                _ => 0.93,
            },
        }
    }

    pub(crate) fn is_tainted(&self, account: AccountNo) -> bool {
        self.tainted.get(account.index()).copied().unwrap_or(false)
    }

    pub(crate) fn taint(&mut self, account: AccountNo) {
        if self.tainted.len() <= account.index() {
            self.tainted.resize(account.index() + 1, false);
        }
        self.tainted[account.index()] = true;
    }

    pub(crate) fn take(&mut self, slot: u32) -> Option<Box<Ring>> {
        self.free.push(slot);
        self.slots[slot as usize].take()
    }
}

impl World<'_> {
    /// Fills the week's share of frauds with rings that start in it, after what earlier rings will still
    /// do in it, and adds the hard negatives.
    pub(crate) fn schedule_week(&mut self, day: i64) {
        let week = (day - self.first_day) / 7;
        let days_left = self.first_day + i64::from(self.params.days) - day;
        let days = days_left.min(7) as f64;
        let emitted = self.counts.events - self.rings.events_at_week;
        self.rings.events_at_week = self.counts.events;
        let per_day = if week == 0 {
            self.expected_per_day()
        } else {
            emitted as f64 / 7.0
        };
        let budget = self.params.prevalence * per_day * days;
        let cap = ((self.params.fraud.ring_share_max * budget) as u32).max(4);
        // some steps find an account closed or a card replaced: plan as many more
        self.rings.due += self.rings.due_this_week;
        let played =
            (self.counts.frauds as f64 + YIELD * YIELD_WEIGHT) / (self.rings.due + YIELD_WEIGHT);
        let wanted = budget / played.clamp(0.5, 1.0);
        let mut open = wanted - f64::from(self.rings.planned.remove(&week).unwrap_or(0));
        self.rings.due_this_week = wanted - open;
        let mut dice = Dice::new(self.params.seed, Purpose::Schedule, week as u64, 0);
        let weights = self.weights(day);
        // each round plans at least one fraudulent step in some week; the bound is for safety of time
        for _ in 0..100_000 {
            if open <= 0.0 || weights.iter().all(|&weight| weight == 0.0) {
                break;
            }
            let kind = self.rings.turn.draw(&weights, &mut dice);
            let typology = Typology::ALL[kind];
            let start = Time::of_day(day) + (dice.unit() * days * DAY_MS as f64) as i64;
            let shape = Dice::new(self.params.seed, Purpose::Shape, dice.bits(), 0);
            let modus = self.modus(typology, start);
            let manner = self.manner(true, modus, &mut dice);
            let script = typology.script(start, cap, shape.clone(), manner);
            let end = Time::of_day(day + days_left.min(7));
            let now = script
                .steps
                .iter()
                .filter(|step| step.fraud && step.at < end);
            let now = now.count() as f64;
            if now > open && dice.chance(1.0 - open / now) {
                break;
            }
            open -= now;
            self.rings.due_this_week += now;
            for step in script.steps.iter().filter(|step| step.fraud) {
                let of = self.week(step.at);
                if of > week {
                    *self.rings.planned.entry(of).or_default() += 1;
                }
            }
            self.counts.rings += 1;
            self.rings.turn.took(kind);
            self.raise(typology, true, modus, script);
            for _ in 0..self.params.fraud.hard_negatives_per_ring {
                let start = Time::of_day(day) + (dice.unit() * days * DAY_MS as f64) as i64;
                let manner = self.manner(false, modus, &mut dice);
                let script = typology.script(start, cap, shape.clone(), manner);
                self.counts.hard_negatives += 1;
                self.raise(typology, false, modus, script);
            }
        }
    }

    fn week(&self, at: Time) -> i64 {
        (at.day() - self.first_day) / 7
    }

    fn weights(&self, day: i64) -> [f32; 13] {
        let late = self.params.late_typology();
        let into = day - self.first_day;
        Typology::ALL.map(|typology| {
            let unknown =
                Some(typology) == late && into < i64::from(self.params.drift.late_from_day);
            let modus = Modus::of(self.params.seed, &self.params.drift, typology, into as f64);
            if unknown {
                0.0
            } else {
                self.params.typologies.of(typology) * modus.rate
            }
        })
    }

    fn manner(&self, fraud: bool, modus: Modus, dice: &mut Dice) -> Manner {
        let camouflage = if fraud { self.params.camouflage } else { 1.0 };
        let dice = Dice::new(self.params.seed, Purpose::Step, dice.bits(), 0);
        Manner {
            camouflage,
            modus,
            dice,
        }
    }

    /// Of the ring that is raised next.
    fn modus(&self, typology: Typology, start: Time) -> Modus {
        let day = (start - Time::of_day(self.first_day)) as f64 / DAY_MS as f64;
        let (seed, drift) = (self.params.seed, &self.params.drift);
        Modus::of_ring(seed, drift, typology, day, self.rings.next_no)
    }

    /// Before anything was counted: what the profiles promise.
    fn expected_per_day(&self) -> f64 {
        let rate = |person: &crate::population::Person| {
            let profile = person.cohort.profile();
            let screens = profile.logins + profile.transfers * 1.5;
            f64::from(person.pace) * (profile.payments + screens + profile.cash * 1.15) + 0.1
        };
        self.population.people.iter().map(rate).sum::<f64>() * self.params.activity.pace
    }

    /// Casts a script and puts its steps on the agenda.
    fn raise(&mut self, typology: Typology, fraud: bool, modus: Modus, script: Script) {
        let no = RingNo(self.rings.next_no);
        self.rings.next_no += 1;
        let dice = &mut Dice::new(self.params.seed, Purpose::Cast, u64::from(no.0), 0);
        let Some(first) = script.steps.first().map(|step| step.at) else {
            return;
        };
        let anchor = self.somebody(first.day(), dice);
        let cast = if fraud {
            self.cast_ring(&script, first.day(), dice)
        } else {
            self.cast_circle(&script, anchor, first.day(), dice)
        };
        let city = if fraud || dice.chance(0.7) {
            self.places.pick(dice)
        } else {
            self.population.people[anchor.index()].city
        };
        let devices =
            self.ring_devices(&script, &cast, fraud.then_some(modus), anchor, first, dice);
        let merchant = self.ring_merchant(typology, city, dice);
        let card = |account: &Option<AccountNo>| {
            account.map(|account| self.population.accounts[account.index()].card)
        };
        let cards = cast.iter().map(card).collect();
        let ring = Ring {
            no,
            typology,
            fraud,
            modus,
            received: vec![0; cast.len()],
            cards,
            cast,
            devices,
            city,
            merchant,
            steps_left: script.steps.len() as u32,
            script,
            secrets: Vec::new(),
            belief: Belief::default(),
            used_devices: Vec::new(),
            used_shops: Vec::new(),
        };
        let slot = self
            .rings
            .free
            .pop()
            .unwrap_or(self.rings.slots.len() as u32);
        for (index, step) in ring.script.steps.iter().enumerate() {
            self.agenda.push(
                step.at,
                Task::Step {
                    slot,
                    index: index as u32,
                },
            );
        }
        if slot as usize == self.rings.slots.len() {
            self.rings.slots.push(None);
        }
        self.rings.slots[slot as usize] = Some(Box::new(ring));
    }

    /// A ring is over: its secrets go out with the evidence that was found.
    pub(crate) fn disclose(&mut self, ring: Ring) {
        let earliest_evidence = ring.belief.first;
        let told = ring.secrets.into_iter().map(|secret| Secret {
            earliest_evidence,
            ..secret
        });
        self.secrets.extend(told);
    }

    /// The span ends in the middle of some.
    pub(crate) fn disclose_all(&mut self) {
        for slot in 0..self.rings.slots.len() {
            if let Some(ring) = self.rings.slots[slot].take() {
                self.disclose(*ring);
            }
        }
    }
}
