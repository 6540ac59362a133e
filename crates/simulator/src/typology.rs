//! What frauds look like: for each typology a script of actors, stages and money, drawn from a stream of
//! numbers and independent of the world it is played in. The same script, played by friends and family
//! on their own screens, is the typology's hard negative.

mod cards;
mod flows;
mod identities;
#[cfg(test)]
mod tests;

use crate::cohort::Rhythm;
use crate::modus::Modus;
use crate::random::Dice;
use crate::time::{HOUR_MS, MINUTE_MS, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Typology {
    CardTesting,
    AccountTakeover,
    DeviceFarm,
    BustOut,
    MuleRing,
    ScatterGather,
    GatherScatter,
    Cycle,
    Layering,
    MerchantCollusion,
    CompromisedTerminal,
    AppScam,
    SyntheticIdentity,
}

impl Typology {
    pub const ALL: [Typology; 13] = [
        Typology::CardTesting,
        Typology::AccountTakeover,
        Typology::DeviceFarm,
        Typology::BustOut,
        Typology::MuleRing,
        Typology::ScatterGather,
        Typology::GatherScatter,
        Typology::Cycle,
        Typology::Layering,
        Typology::MerchantCollusion,
        Typology::CompromisedTerminal,
        Typology::AppScam,
        Typology::SyntheticIdentity,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Typology::CardTesting => "card_testing",
            Typology::AccountTakeover => "account_takeover",
            Typology::DeviceFarm => "device_farm",
            Typology::BustOut => "bust_out",
            Typology::MuleRing => "mule_ring",
            Typology::ScatterGather => "scatter_gather",
            Typology::GatherScatter => "gather_scatter",
            Typology::Cycle => "cycle",
            Typology::Layering => "layering",
            Typology::MerchantCollusion => "merchant_collusion",
            Typology::CompromisedTerminal => "compromised_terminal",
            Typology::AppScam => "app_scam",
            Typology::SyntheticIdentity => "synthetic_identity",
        }
    }

    /// Draws one script. `cap` bounds its fraudulent events, so that no ring dominates a small world.
    pub fn script(self, start: Time, cap: u32, mut shape: Dice, manner: Manner) -> Script {
        let mut draft = Draft {
            rhythm: shape.pick(&[Rhythm::Evening, Rhythm::Late, Rhythm::Day]),
            shape,
            manner,
            cap,
            clock: start,
            blends: true,
            script: Script::default(),
        };
        draft.hide_or_not();
        match self {
            Typology::CardTesting => cards::card_testing(&mut draft),
            Typology::MerchantCollusion => cards::merchant_collusion(&mut draft),
            Typology::CompromisedTerminal => cards::compromised_terminal(&mut draft),
            Typology::AccountTakeover => identities::account_takeover(&mut draft),
            Typology::AppScam => identities::app_scam(&mut draft),
            Typology::DeviceFarm => identities::device_farm(&mut draft),
            Typology::BustOut => identities::bust_out(&mut draft),
            Typology::SyntheticIdentity => identities::synthetic_identity(&mut draft),
            Typology::MuleRing => flows::mule_ring(&mut draft),
            Typology::ScatterGather => flows::scatter_gather(&mut draft),
            Typology::GatherScatter => flows::gather_scatter(&mut draft),
            Typology::Cycle => flows::cycle(&mut draft),
            Typology::Layering => flows::layering(&mut draft),
        }
        if draft.manner.modus.remote {
            draft.script.steer();
        }
        draft.script.steps.sort_by_key(|step| step.at);
        draft.script
    }
}

/// Where an actor comes from. Among friends (a hard negative) the same parts are played by one circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A customer whose card or account is abused.
    Victim,
    /// A customer who lends an account: recruited, recurrent, or joined for it.
    Mule,
    /// An account opened for the purpose.
    Fresh,
    /// A customer with a credit line.
    Borrower,
    /// An account at another bank.
    Outside,
    /// A card seen at the watched terminal, unknown until then.
    Visitor,
}

impl Part {
    pub fn name(self) -> &'static str {
        match self {
            Part::Victim => "victim",
            Part::Mule => "mule",
            Part::Fresh => "fresh",
            Part::Borrower => "borrower",
            Part::Outside => "outside",
            Part::Visitor => "visitor",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Prepare,
    Probe,
    Enter,
    Collect,
    Move,
    Spend,
    CashOut,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::Prepare => "prepare",
            Stage::Probe => "probe",
            Stage::Enter => "enter",
            Stage::Collect => "collect",
            Stage::Move => "move",
            Stage::Spend => "spend",
            Stage::CashOut => "cash_out",
        }
    }
}

/// Who holds the screen or the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Owner,
    /// Device `n` of the ring; among friends, a shared or a new device of theirs.
    Ring(u8),
}

/// An amount, resolved when the step is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sum {
    /// A card check: small.
    Probe,
    /// A price of the shop, this many times the usual when not camouflaged.
    Price(f64),
    /// The actor's usual transfer, this many times when not camouflaged.
    Usual(f64),
    /// Share of what is available.
    Drain(f64),
    /// Share of what the actor received in this ring and still has.
    Pass(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shop {
    /// The one merchant of the ring.
    Ring,
    /// Any shop on a screen.
    Online,
    /// Any shop at a counter, in the ring's city.
    Counter,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    Open,
    Login,
    ChangeProfile,
    /// A higher limit, granted.
    RaiseLimit,
    /// Money from another bank.
    Fund(Sum),
    Pay(Shop, Sum),
    Send(u16, Sum),
    Cash(Sum),
    /// From now on no credit is repaid; no event.
    Default,
    /// From now on the terminal notes the cards it sees; no event.
    Watch,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub at: Time,
    /// Amount and category are drawn as the actor's cohort would.
    pub blends: bool,
    pub actor: u16,
    pub action: Action,
    pub via: Via,
    pub stage: Stage,
    /// Part of the offence; the other steps are its preparation and cover.
    pub fraud: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    pub parts: Vec<Part>,
    pub devices: u8,
    pub steps: Vec<Step>,
}

impl Script {
    pub fn fraud_count(&self) -> u32 {
        self.steps.iter().filter(|step| step.fraud).count() as u32
    }

    /// From the victim's own screen, whoever's hand it is. A card is copied or not: payments stay.
    fn steer(&mut self) {
        for step in &mut self.steps {
            let on_screen = matches!(
                step.action,
                Action::Login | Action::ChangeProfile | Action::Send(..)
            );
            if on_screen && self.parts[usize::from(step.actor)] == Part::Victim {
                step.via = Via::Owner;
            }
        }
    }
}

/// How well it is hidden: at the victim's cohort's hours, or at the fraudster's own.
#[derive(Clone, Debug)]
pub struct Manner {
    pub camouflage: f64,
    pub modus: Modus,
    pub dice: Dice,
}

pub(crate) struct Draft {
    /// Sizes, gaps and usual hours: equal for a fraud and its hard negatives.
    shape: Dice,
    rhythm: Rhythm,
    manner: Manner,
    cap: u32,
    clock: Time,
    blends: bool,
    script: Script,
}

impl Draft {
    fn part(&mut self, part: Part) -> u16 {
        self.script.parts.push(part);
        self.script.parts.len() as u16 - 1
    }

    fn parts(&mut self, part: Part, count: u32) -> Vec<u16> {
        (0..count).map(|_| self.part(part)).collect()
    }

    /// A size in low..=high that leaves room for `events` fraudulent events each under the cap.
    fn size(&mut self, low: u32, high: u32, events: u32) -> u32 {
        let drawn = self.shape.between(i64::from(low), i64::from(high)) as u32;
        drawn.min(self.cap / events.max(1)).max(low)
    }

    fn wait(&mut self, median_minutes: f64, sigma: f64) {
        let median_minutes = median_minutes * self.manner.modus.pace;
        let minutes = self
            .shape
            .lognormal(median_minutes, sigma)
            .min(median_minutes * 20.0);
        self.clock =
            self.clock + (minutes * MINUTE_MS as f64) as i64 + self.shape.between(0, 59_999);
    }

    /// Moves on to an hour at which such things are done, a day later if it has passed.
    fn at_an_hour(&mut self) {
        self.hide_or_not();
        let blends = self.blends;
        let usual = self.rhythm.moment(&mut self.shape) / HOUR_MS;
        let hour = if blends {
            usual
        } else {
            self.manner.modus.hour
        };
        // the hour is the shape's, the minute is not: plays of one shape must not fall on one second
        let moment = hour * HOUR_MS + self.manner.dice.between(0, HOUR_MS - 1);
        let today = Time::of_day(self.clock.day()) + moment;
        self.clock = if today >= self.clock {
            today
        } else {
            Time::of_day(self.clock.day() + 1) + moment
        };
    }

    /// One draw for all that is done at a time: who is careless about the hour is careless about the amount.
    fn hide_or_not(&mut self) {
        let Manner {
            camouflage, dice, ..
        } = &mut self.manner;
        self.blends = dice.chance(*camouflage);
    }

    fn fraud(&mut self, actor: u16, action: Action, via: Via, stage: Stage) {
        self.push(actor, action, via, stage, true);
    }

    fn cover(&mut self, actor: u16, action: Action, via: Via, stage: Stage) {
        self.push(actor, action, via, stage, false);
    }

    /// A transfer, as everybody makes them: mostly with a login some moments before. The login to
    /// somebody else's account is part of the offence.
    fn send(&mut self, actor: u16, to: u16, sum: Sum, via: Via, stage: Stage) {
        let (first, wait) = (self.shape.chance(0.6), self.shape.between(12_000, 240_000));
        if first {
            let stolen = self.script.parts[usize::from(actor)] == Part::Victim && via != Via::Owner;
            self.push(actor, Action::Login, via, Stage::Enter, stolen);
            self.clock = self.clock + wait;
        }
        self.fraud(actor, Action::Send(to, sum), via, stage);
    }

    fn push(&mut self, actor: u16, action: Action, via: Via, stage: Stage, fraud: bool) {
        let (at, blends) = (self.clock, self.blends);
        self.script.steps.push(Step {
            at,
            blends,
            actor,
            action,
            via,
            stage,
            fraud,
        });
    }
}
