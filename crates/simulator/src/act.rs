//! How anything happens: a deed becomes an event, is authorised or not, moves money, and leaves what is
//! to follow on the agenda. Good and bad deeds go through the same door.

mod life;
mod pay;
mod send;
mod step;

use crate::agenda::{Task, Undo};
use crate::ledger::Purse;
use crate::random::Dice;
use crate::row::{
    AccountNo, Change, Channel, CityNo, DeviceType, EventKind, EventNo, EventRow, MerchantNo,
    Minor, OutcomeKind, OutcomeRow, Point, Row, TerminalNo,
};
use crate::screen::Screen;
use crate::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};
use crate::world::World;

/// What somebody tries to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed {
    pub kind: EventKind,
    pub channel: Channel,
    pub account: AccountNo,
    pub payee: Option<AccountNo>,
    pub with_card: bool,
    pub merchant: Option<MerchantNo>,
    pub terminal: Option<TerminalNo>,
    pub screen: Option<Screen>,
    pub change: Option<Change>,
    pub place: (CityNo, Point),
    pub amount: Option<Minor>,
    /// Signs that make a bank ask back: an unknown device, an unusual amount.
    pub unusual: f64,
    /// Chance that whoever acts passes a challenge.
    pub passes: f64,
}

/// The ring and the step a deed belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth {
    pub slot: u32,
    pub index: u32,
}

impl Deed {
    pub fn new(
        kind: EventKind,
        channel: Channel,
        account: AccountNo,
        place: (CityNo, Point),
    ) -> Deed {
        Deed {
            kind,
            channel,
            account,
            payee: None,
            with_card: false,
            merchant: None,
            terminal: None,
            screen: None,
            change: None,
            place,
            amount: None,
            unusual: 0.0,
            passes: 0.96,
        }
    }

    /// On a screen; the place is the address's.
    pub fn on(kind: EventKind, account: AccountNo, screen: Screen, world: &World<'_>) -> Deed {
        let channel = match screen.kind {
            DeviceType::Desktop => Channel::Web,
            _ => Channel::App,
        };
        let mut deed = Deed::new(kind, channel, account, world.places.point_of(screen.ip));
        deed.screen = Some(screen);
        deed
    }
}

impl World<'_> {
    /// Records the deed and, where it is authorised, moves the money. Returns whether money moved.
    pub(crate) fn perform(
        &mut self,
        at: Time,
        deed: Deed,
        truth: Option<Truth>,
        dice: &mut Dice,
    ) -> bool {
        let no = EventNo(self.counts.events);
        self.counts.events += 1;
        let mut event = self.row_of(no, at, &deed);
        let verdict = self.authorise(&deed, dice);
        let moves = matches!(verdict, None | Some(OutcomeKind::ChallengePassed));
        if !moves {
            // what is stopped never reaches the other bank
            event.banks.1 = event.banks.0;
        }
        self.rows.push(Row::Event(event));
        if let Some(kind) = verdict {
            let wait = match kind {
                OutcomeKind::Declined | OutcomeKind::Failed => dice.between(40, 900),
                _ => dice.between(4 * SECOND_MS, 150 * SECOND_MS),
            };
            let outcome = OutcomeRow {
                event: no,
                time: at + wait,
                kind,
                bank: event.banks.0,
            };
            self.agenda.push(outcome.time, Task::Outcome(outcome));
        }
        let mut undo = None;
        if moves && let Some(amount) = deed.amount {
            undo = self.move_money(&event, &deed, amount, dice);
        }
        match truth {
            Some(truth) => self.note_truth(&event, truth, undo, dice),
            None => self.suspects.pass_by(&event),
        }
        moves
    }

    fn row_of(&self, no: EventNo, at: Time, deed: &Deed) -> EventRow {
        let account = &self.population.accounts[deed.account.index()];
        let payee_bank = deed
            .payee
            .map(|payee| self.population.accounts[payee.index()].bank);
        EventRow {
            no,
            time: at,
            kind: deed.kind,
            channel: deed.channel,
            account: deed.account,
            payee: deed.payee,
            card: deed.with_card.then_some(account.card),
            merchant: deed
                .merchant
                .map(|merchant| (merchant, self.market.merchants[merchant.index()].category)),
            terminal: deed.terminal,
            screen: deed
                .screen
                .map(|screen| (screen.device, screen.kind, screen.ip)),
            change: deed.change,
            city: deed.place.0,
            at: deed.place.1,
            amount: deed.amount,
            balance_before: self.population.ledger.balance(deed.account),
            payee_balance_before: deed
                .payee
                .map(|payee| self.population.ledger.balance(payee)),
            banks: (account.bank, payee_bank.unwrap_or(account.bank)),
        }
    }

    /// None: authorised without a word.
    fn authorise(&self, deed: &Deed, dice: &mut Dice) -> Option<OutcomeKind> {
        let [whim, asked, answer] = [dice.unit(), dice.unit(), dice.unit()];
        let incoming = matches!(deed.kind, EventKind::Deposit | EventKind::Refund);
        if incoming || deed.channel == Channel::Bank && deed.kind == EventKind::Transfer {
            return None;
        }
        let account = &self.population.accounts[deed.account.index()];
        let spends = deed.amount.is_some();
        let short = deed
            .amount
            .is_some_and(|sum| sum > self.population.available(deed.account));
        if short || account.frozen || spends && whim < self.params.outcomes.declined {
            return Some(OutcomeKind::Declined);
        }
        let failed = self.params.outcomes.declined + self.params.outcomes.failed;
        if spends && whim < failed {
            return Some(OutcomeKind::Failed);
        }
        // merchant-initiated payments and openings have nobody to ask
        if deed.screen.is_none() || deed.kind == EventKind::AccountOpening {
            return None;
        }
        if asked < self.params.outcomes.challenged + deed.unusual {
            let passed = answer < deed.passes;
            return Some(if passed {
                OutcomeKind::ChallengePassed
            } else {
                OutcomeKind::ChallengeFailed
            });
        }
        None
    }

    /// Posts the amount; returns what a chargeback would take back, unless it comes back by itself.
    fn move_money(
        &mut self,
        event: &EventRow,
        deed: &Deed,
        amount: Minor,
        dice: &mut Dice,
    ) -> Option<Undo> {
        let own = Purse::Account(deed.account);
        let other = match (deed.payee, deed.merchant) {
            (Some(payee), _) => Purse::Account(payee),
            (_, Some(merchant)) => Purse::Merchant(merchant),
            _ => Purse::Cash,
        };
        let incoming = matches!(deed.kind, EventKind::Deposit | EventKind::Refund);
        let (from, to) = if incoming { (other, own) } else { (own, other) };
        self.population.ledger.post(from, to, amount);
        // what a payee has spent meanwhile cannot be taken back, what a shop has received can
        let Purse::Merchant(merchant) = to else {
            return None;
        };
        let undo = Undo {
            from: to,
            to: from,
            amount,
        };
        let (reversed, refunded) = (dice.unit(), dice.unit());
        if reversed < self.params.outcomes.reversed {
            let wait = (dice.lognormal(90.0, 1.2).min(2_000.0) * MINUTE_MS as f64) as i64;
            let time = event.time + SECOND_MS + wait;
            let outcome = OutcomeRow {
                event: event.no,
                time,
                kind: OutcomeKind::Reversed,
                bank: event.banks.0,
            };
            self.agenda.push(time, Task::Reverse { outcome, undo });
            return None;
        }
        if refunded < self.params.outcomes.refunded {
            let wait = (dice.lognormal(120.0, 0.7).min(1_000.0) * HOUR_MS as f64) as i64;
            let task = Task::Refund {
                account: deed.account,
                merchant,
                amount,
            };
            self.agenda.push(event.time + HOUR_MS + wait, task);
            return None;
        }
        Some(undo)
    }

    pub(crate) fn refund(
        &mut self,
        at: Time,
        account: AccountNo,
        merchant: MerchantNo,
        amount: Minor,
    ) {
        let shop = self.market.merchants[merchant.index()];
        let mut deed = Deed::new(
            EventKind::Refund,
            Channel::Bank,
            account,
            (shop.city, shop.at),
        );
        let owner = self.population.accounts[account.index()].owner;
        let mut dice = self.dice(crate::random::Purpose::Act, owner, at);
        // one in four sends back a part
        let part = if dice.chance(0.25) {
            0.2 + 0.6 * dice.unit()
        } else {
            1.0
        };
        deed.merchant = Some(merchant);
        deed.with_card = true;
        deed.amount = Some(Minor(((amount.0 as f64 * part) as i64).max(1)));
        self.perform(at, deed, None, &mut dice);
    }
}
