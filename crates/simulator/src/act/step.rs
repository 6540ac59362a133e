//! Plays one step of a script in the world as it is at that moment.

use super::pay::cash_amount;
use super::send::{TRANSFER_MEDIAN, TRANSFER_SIGMA};
use super::{Deed, Truth};
use crate::agenda::Undo;
use crate::market::{Category, price, price_point, typed_amount};
use crate::modus::Modus;
use crate::population::Person;
use crate::random::{Dice, Purpose};
use crate::ring::Ring;
use crate::row::{AccountNo, Change, Channel, EventKind, EventRow, Minor, PersonNo};
use crate::screen::Screen;
use crate::secret::{Role, Secret, Signs};
use crate::time::{HOUR_MS, Time};
use crate::typology::{Action, Shop, Stage, Step, Sum, Via};
use crate::world::World;

/// One step with everything it needs resolved.
struct Scene {
    at: Time,
    step: Step,
    account: AccountNo,
    person: PersonNo,
    truth: Truth,
    blends: bool,
}

impl World<'_> {
    pub(crate) fn play_step(&mut self, at: Time, slot: u32, index: u32) {
        // taken out while it is played, so that the world can be changed beside it
        let Some(mut ring) = self.rings.slots[slot as usize].take() else {
            return;
        };
        let step = ring.script.steps[index as usize];
        let key = u64::from(ring.no.0) << 20 | u64::from(index);
        let mut dice = Dice::new(self.params.seed, Purpose::Step, key, 1);
        ring.steps_left -= 1;
        let last = ring.steps_left == 0;
        let part = usize::from(step.actor);
        let scene = ring.cast.get(part).copied().flatten().and_then(|account| {
            let person = self.population.accounts[account.index()].owner;
            let lives = (person.index()) < self.population.people.len();
            let state = &self.population.accounts[account.index()];
            let stolen = ring.fraud && step.via != Via::Owner;
            let pays = matches!(step.action, Action::Pay(..) | Action::Cash(_));
            // the holder has been sent another card
            let useless = stolen && pays && ring.cards[part] != Some(state.card);
            let open = !state.frozen && !useless;
            let blends = step.blends;
            let truth = Truth { slot, index };
            let scene = Scene {
                at,
                step,
                account,
                person,
                truth,
                blends,
            };
            (lives && open).then_some(scene)
        });
        if step.action == Action::Watch {
            let shop = self.market.merchants[ring.merchant.index()];
            self.rings.watch(slot, shop.first_terminal);
        }
        self.rings.slots[slot as usize] = Some(ring);
        if let Some(scene) = scene {
            self.play(&scene, &mut dice);
        }
        if last && let Some(ring) = self.rings.take(slot) {
            let shop = self.market.merchants[ring.merchant.index()];
            self.rings.unwatch(slot, shop.first_terminal);
            self.disclose(*ring);
        }
    }

    fn play(&mut self, scene: &Scene, dice: &mut Dice) {
        let (at, person) = (scene.at, scene.person);
        let truth = Some(scene.truth);
        match scene.step.action {
            Action::Open => {
                let screen = self.scene_screen(scene, dice);
                self.open_account(at, person, Some(screen), truth);
            }
            Action::Login => {
                let screen = self.scene_screen(scene, dice);
                self.log_in_on(at, person, screen, truth, dice);
            }
            Action::ChangeProfile => {
                let screen = self.scene_screen(scene, dice);
                self.change_on(at, person, screen, truth, dice);
            }
            Action::RaiseLimit => {
                let screen = self.scene_screen(scene, dice);
                if self.change(at, person, Change::Limit, screen, truth, dice) {
                    let income = self.population.people[person.index()].income;
                    self.population.accounts[scene.account.index()].limit.0 += income.0;
                }
            }
            Action::Fund(sum) => self.fund(scene, sum, dice),
            Action::Pay(shop, sum) => self.pay_step(scene, shop, sum, dice),
            Action::Send(to, sum) => self.send_step(scene, to, sum, dice),
            Action::Cash(sum) => self.cash_step(scene, sum, dice),
            Action::Default => {
                let fraud = self.ring(scene).is_some_and(|ring| ring.fraud);
                self.population.accounts[scene.account.index()].defaulted = fraud;
            }
            // done for the whole ring already
            Action::Watch => {}
        }
    }

    fn ring(&self, scene: &Scene) -> Option<&Ring> {
        self.rings.slots[scene.truth.slot as usize].as_deref()
    }

    fn scene_screen(&self, scene: &Scene, dice: &mut Dice) -> Screen {
        match (scene.step.via, self.ring(scene)) {
            (Via::Ring(device), Some(ring)) => {
                self.ring_screen(ring, device, scene.account, scene.at, dice)
            }
            _ => self.screen_of(scene.person, scene.at, dice),
        }
    }

    fn fund(&mut self, scene: &Scene, sum: Sum, dice: &mut Dice) {
        let Some(sum) = self.resolve(scene, sum, None, dice) else {
            return;
        };
        let person = &self.population.people[scene.person.index()];
        let place = (person.city, self.places.cities[person.city.index()].at);
        let mut deed = Deed::new(EventKind::Deposit, Channel::Bank, scene.account, place);
        deed.payee = Some(dice.pick(&self.population.outside));
        deed.amount = Some(sum);
        if self.perform(scene.at, deed, Some(scene.truth), dice) {
            self.receive(scene, usize::from(scene.step.actor), sum);
        }
    }

    fn pay_step(&mut self, scene: &Scene, shop: Shop, sum: Sum, dice: &mut Dice) {
        let Some(ring) = self.ring(scene) else { return };
        let (fraud, ring_city, ring_shop) = (ring.fraud, ring.city, ring.merchant);
        let liked = ring.modus.liked;
        let person = self.population.people[scene.person.index()];
        let usual = person.cohort.profile().category(dice);
        let own = dice.pick(&liked);
        let category = if scene.blends { usual } else { own };
        let merchant = match shop {
            Shop::Ring => ring_shop,
            Shop::Online => self.market.online(category, dice.unit()),
            Shop::Counter if scene.step.via == Via::Owner => {
                self.market
                    .local(self.city_of(scene.person, scene.at), category, dice.unit())
            }
            Shop::Counter => self.market.local(ring_city, category, dice.unit()),
        };
        let category = self.market.merchants[merchant.index()].category;
        let Some(sum) = self.resolve(scene, sum, Some(category), dice) else {
            return;
        };
        let Some(sum) = self.affordable(scene.account, sum, dice) else {
            return;
        };
        let truth = Some(scene.truth);
        let at_counter = match shop {
            Shop::Counter => true,
            Shop::Online => false,
            Shop::Ring => !self.market.merchants[merchant.index()].online,
        };
        if at_counter {
            self.travel(scene, fraud);
            self.counter_payment(scene.at, scene.account, merchant, sum, truth, dice);
        } else {
            let screen = self.scene_screen(scene, dice);
            self.screen_payment(scene.at, scene.account, merchant, sum, screen, truth, dice);
        }
    }

    /// Friends who pay in the ring's city are really there; a copied card is alone.
    fn travel(&mut self, scene: &Scene, fraud: bool) {
        let Some(city) = self.ring(scene).map(|ring| ring.city) else {
            return;
        };
        if !fraud && scene.step.via != Via::Owner {
            let person = &mut self.population.people[scene.person.index()];
            person.away_city = city;
            person.away_until_day = scene.at.day() as i32 + 1;
        }
    }

    fn send_step(&mut self, scene: &Scene, to: u16, sum: Sum, dice: &mut Dice) {
        let payee = self.ring(scene).and_then(|ring| ring.cast[usize::from(to)]);
        let Some(payee) = payee.filter(|&payee| payee != scene.account) else {
            return;
        };
        let Some(sum) = self.resolve(scene, sum, None, dice) else {
            return;
        };
        let Some(sum) = self.affordable(scene.account, sum, dice) else {
            return;
        };
        let screen = self.scene_screen(scene, dice);
        let truth = Some(scene.truth);
        if self.transfer(scene.at, scene.account, payee, sum, screen, truth, dice) {
            self.receive(scene, usize::from(scene.step.actor), Minor(-sum.0));
            self.receive(scene, usize::from(to), sum);
        }
    }

    fn cash_step(&mut self, scene: &Scene, sum: Sum, dice: &mut Dice) {
        let Some(sum) = self.resolve(scene, sum, Some(Category::Grocery), dice) else {
            return;
        };
        let usual = cash_amount(14_000.0, dice);
        let sum = if scene.blends {
            Minor(sum.0.min(usual.0))
        } else {
            sum
        };
        let Some(sum) = self.affordable(scene.account, sum, dice) else {
            return;
        };
        let sum = Minor((sum.0 / 1_000 * 1_000).clamp(1_000, 200_000));
        let fraud = self.ring(scene).is_some_and(|ring| ring.fraud);
        let city = match (scene.step.via, self.ring(scene)) {
            (Via::Ring(_), Some(ring)) => ring.city,
            _ => self.city_of(scene.person, scene.at),
        };
        self.travel(scene, fraud);
        let truth = Some(scene.truth);
        if self.cash_withdrawal(scene.at, scene.account, city, sum, truth, dice) {
            self.receive(scene, usize::from(scene.step.actor), Minor(-sum.0));
        }
    }

    fn receive(&mut self, scene: &Scene, part: usize, sum: Minor) {
        if let Some(ring) = &mut self.rings.slots[scene.truth.slot as usize] {
            ring.received[part] = (ring.received[part] + sum.0).max(0);
        }
    }

    /// The amount of a step; None when there is nothing to pass on.
    fn resolve(
        &self,
        scene: &Scene,
        sum: Sum,
        category: Option<Category>,
        dice: &mut Dice,
    ) -> Option<Minor> {
        let person = &self.population.people[scene.person.index()];
        let taste = f64::from(person.taste);
        let blends = scene.blends;
        let Modus { greed, split, .. } = self.ring(scene)?.modus;
        let usual = usual_transfer(person, self.level, dice);
        Some(match sum {
            Sum::Probe if blends => price(Category::Digital, 0.5 * taste, self.level, dice),
            Sum::Probe => price_point(dice.lognormal(180.0, 0.6), dice),
            Sum::Price(times) => {
                let times = if blends { 1.0 } else { 3.0 * times };
                price(
                    category.unwrap_or(Category::Grocery),
                    taste * times * greed,
                    self.level,
                    dice,
                )
            }
            Sum::Usual(times) => {
                if !blends && dice.chance(0.8) {
                    return Some(just_under(split, dice));
                }
                // even who hides wants it to be worth the trouble
                let times = if blends {
                    1.0 + 0.12 * times
                } else {
                    1.5 * times
                };
                typed_amount(usual * times * greed, dice)
            }
            Sum::Drain(share) => {
                let all = self.population.available(scene.account).0 as f64 * share;
                let split = just_under(split, dice);
                if !blends && all > split.0 as f64 {
                    return Some(split);
                }
                let hidden = all.min(usual * 1.6 * greed);
                typed_amount(if blends { hidden } else { all }, dice)
            }
            Sum::Pass(share) => {
                let ring = self.ring(scene)?;
                let received = ring.received[usize::from(scene.step.actor)];
                let sum = received as f64 * share;
                if sum < 500.0 {
                    return None;
                }
                typed_amount(sum, dice)
            }
        })
    }

    /// Keeps what only the oracle may know, and plans what will become known.
    pub(super) fn note_truth(
        &mut self,
        event: &EventRow,
        truth: Truth,
        undo: Option<Undo>,
        dice: &mut Dice,
    ) {
        let Some(mut ring) = self.rings.slots[truth.slot as usize].take() else {
            return;
        };
        let step = ring.script.steps[truth.index as usize];
        let signs = self.signs(&ring, event);
        ring.belief
            .see(event.no, signs, self.params.prevalence.max(1e-6));
        ring.used_devices
            .extend(event.screen.map(|(device, ..)| (device, event.account)));
        ring.used_shops
            .extend(event.merchant.map(|(shop, _)| (shop, event.account)));
        let role = match (ring.fraud, step.fraud) {
            (true, true) => Role::Fraud,
            (true, false) => Role::Cover,
            (false, _) => Role::HardNegative,
        };
        ring.secrets.push(Secret {
            event: event.no,
            ring: ring.no,
            typology: ring.typology,
            part: ring.script.parts[usize::from(step.actor)],
            stage: step.stage,
            role,
            earliest_evidence: None,
        });
        if role == Role::Fraud {
            self.counts.frauds += 1;
            let known_from = knowable(&ring, &step, event.time);
            self.plan_label(event, known_from, &ring, undo, dice);
        } else {
            self.suspects.pass_by(event);
        }
        self.rings.slots[truth.slot as usize] = Some(ring);
    }

    fn signs(&self, ring: &Ring, event: &EventRow) -> Signs {
        let account = event.account;
        let event_owner = self.population.accounts[account.index()].owner;
        let Some(person) = self.population.people.get(event_owner.index()) else {
            return Signs::default();
        };
        let friend = event.payee.is_some_and(|payee| {
            let owner = self.population.accounts[payee.index()].owner;
            owner == event_owner || person.contacts.contains(&owner.0)
        });
        let part = ring.cast.iter().position(|&cast| cast == Some(account));
        let received = part.map_or(0, |part| ring.received[part]);
        let sum = event.amount.map_or(0, |sum| sum.0);
        let hour = event.time.ms_of_day() / HOUR_MS;
        let usual = TRANSFER_MEDIAN * f64::from(person.taste);
        Signs {
            foreign_screen: event
                .screen
                .is_some_and(|(d, ..)| !person.devices.contains(&d)),
            shared_screen: event.screen.is_some_and(|(device, ..)| {
                ring.used_devices
                    .iter()
                    .any(|&(used, by)| used == device && by != account)
            }),
            large: event.amount.is_some_and(|sum| sum.0 as f64 > 3.0 * usual),
            stranger: event.payee.is_some() && !friend,
            night: !(6..23).contains(&hour),
            passes_on: received > 0 && sum * 10 > received * 7,
            same_shop: event.merchant.is_some_and(|(shop, _)| {
                ring.used_shops
                    .iter()
                    .any(|&(used, by)| used == shop && by != account)
            }),
        }
    }
}

/// Preparation is found out with what it was for: an opened account shows nothing until it is used.
fn knowable(ring: &Ring, step: &Step, time: Time) -> Time {
    let own = ring
        .script
        .steps
        .iter()
        .filter(|it| it.actor == step.actor && it.fraud);
    match step.stage {
        Stage::Prepare => own.map(|it| it.at).max().unwrap_or(time).max(time),
        _ => time,
    }
}

/// Who does not hide splits what he wants: below what is reported, at first.
fn just_under(split: i64, dice: &mut Dice) -> Minor {
    Minor(dice.between(930, 998) * split)
}

/// A usual transfer of this person, before rounding.
fn usual_transfer(person: &Person, level: f64, dice: &mut Dice) -> f64 {
    dice.lognormal(
        TRANSFER_MEDIAN * f64::from(person.taste) * level,
        TRANSFER_SIGMA,
    )
}
