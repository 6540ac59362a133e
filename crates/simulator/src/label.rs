//! When and how a fraud becomes known, and which legitimate events are taken for one.

use crate::agenda::{Task, Undo};
use crate::params::Labels;
use crate::random::{Dice, Purpose, hash, inverse_normal, unit};
use crate::ring::Ring;
use crate::row::{
    AccountNo, Channel, EventKind, EventNo, EventRow, LabelRow, LabelSource, OutcomeKind,
    OutcomeRow, Reason,
};
use crate::time::{DAY_MS, HOUR_MS, SECOND_MS, Time};
use crate::typology::Typology;
use crate::world::World;

/// How far two frauds on one account are found together: correlation of the normal scores.
const TOGETHER: f64 = 0.92;
const SUSPECTS_MAX: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Suspect {
    event: EventNo,
    time: Time,
    account: AccountNo,
    kind: EventKind,
    channel: Channel,
    banks: (u8, u8),
}

/// Recent events of ordinary life, from which false alarms are drawn.
#[derive(Debug, Default)]
pub struct Suspects {
    recent: Vec<Suspect>,
    seen: u64,
}

impl Suspects {
    /// One event in 16 is kept, the oldest making room.
    pub fn pass_by(&mut self, event: &EventRow) {
        self.seen += 1;
        let spends = event.amount.is_some() && event.channel != Channel::Bank;
        if !self.seen.is_multiple_of(16) || !spends {
            return;
        }
        let EventRow {
            no,
            time,
            account,
            kind,
            channel,
            banks,
            ..
        } = *event;
        let entry = Suspect {
            event: no,
            time,
            account,
            kind,
            channel,
            banks,
        };
        if self.recent.len() < SUSPECTS_MAX {
            self.recent.push(entry);
        } else {
            self.recent[(self.seen / 16) as usize % SUSPECTS_MAX] = entry;
        }
    }
}

/// Lognormal delay with the given correlation within one account of a ring, cut at the maximum.
fn delay_ms(labels: &Labels, account_bits: u64, dice: &mut Dice) -> i64 {
    let shared = inverse_normal(unit(account_bits).clamp(1e-9, 1.0 - 1e-9));
    let score = TOGETHER * shared + libm::sqrt(1.0 - TOGETHER * TOGETHER) * dice.normal();
    let days = labels.delay_median_days * libm::exp(labels.delay_sigma * score);
    SECOND_MS + (days.min(labels.delay_max_days) * DAY_MS as f64) as i64 - 2 * SECOND_MS
}

impl World<'_> {
    pub(crate) fn plan_label(
        &mut self,
        event: &EventRow,
        known_from: Time,
        ring: &Ring,
        undo: Option<Undo>,
        dice: &mut Dice,
    ) {
        let labels = &self.params.labels;
        let key = u64::from(event.account.0);
        let bits = hash(self.params.seed, Purpose::Label, u64::from(ring.no.0), key);
        let delay = delay_ms(labels, bits, dice).max(SECOND_MS);
        let [missed, slip] = [dice.unit(), dice.unit()];
        if missed < labels.never_found {
            return;
        }
        let (source, reason) = finding(ring.typology, event, dice);
        let latest = event.time + ((labels.delay_max_days * DAY_MS as f64) as i64 - SECOND_MS);
        let time = (known_from + delay).min(latest);
        let label = LabelRow {
            event: event.no,
            time,
            fraud: true,
            source,
            reason,
            banks: event.banks,
        };
        let holder_is_offender = matches!(
            reason,
            Reason::MoneyMule | Reason::ApplicationFraud | Reason::CreditAbuse
        );
        let task = Task::Label {
            label,
            account: event.account,
            holder_is_offender,
        };
        self.agenda.push(time, task);
        if let Some(undo) = undo.filter(|_| source == LabelSource::Chargeback) {
            let time = time + dice.between(2 * HOUR_MS, 96 * HOUR_MS);
            let (event, bank) = (event.no, event.banks.0);
            let outcome = OutcomeRow {
                event,
                time,
                kind: OutcomeKind::Refunded,
                bank,
            };
            self.agenda.push(time, Task::Reverse { outcome, undo });
        }
        // false labels are a share of all fraud labels
        if slip < labels.false_share / (1.0 - labels.false_share) {
            self.plan_false_label(event.time);
        }
    }

    fn plan_false_label(&mut self, now: Time) {
        if self.suspects.recent.is_empty() {
            return;
        }
        let mut dice = Dice::new(self.params.seed, Purpose::FalseLabel, now.0 as u64, 0);
        let Suspect {
            event,
            time: at,
            account,
            kind,
            channel,
            banks,
        } = dice.pick(&self.suspects.recent);
        let delay = delay_ms(&self.params.labels, dice.bits(), &mut dice).max(SECOND_MS);
        // the event lies in the past already
        let time = (at + delay).max(now + SECOND_MS);
        let (source, reason) = match (kind, channel) {
            (EventKind::Transfer, _) => (LabelSource::CustomerReport, Reason::UnauthorisedTransfer),
            (_, Channel::Pos | Channel::Atm) => (LabelSource::Chargeback, Reason::CardPresent),
            _ => (LabelSource::Chargeback, Reason::CardNotPresent),
        };
        let label = LabelRow {
            event,
            time,
            fraud: true,
            source,
            reason,
            banks,
        };
        self.agenda.push(
            time,
            Task::Label {
                label,
                account,
                holder_is_offender: false,
            },
        );
        if dice.chance(self.params.labels.corrected) {
            let review = time + (dice.lognormal(9.0, 0.6).min(60.0) * DAY_MS as f64) as i64;
            let label = LabelRow {
                event,
                time: review,
                fraud: false,
                source: LabelSource::Analyst,
                reason: Reason::NotFraudAfterReview,
                banks,
            };
            self.agenda.push(
                review,
                Task::Label {
                    label,
                    account,
                    holder_is_offender: false,
                },
            );
        }
    }

    /// A found offender's account is closed; a found victim gets a new card.
    pub(crate) fn react_to_label(
        &mut self,
        at: Time,
        account: AccountNo,
        holder_is_offender: bool,
    ) {
        let card = self.population.new_card();
        let state = &mut self.population.accounts[account.index()];
        state.card = card;
        if holder_is_offender {
            state.frozen = true;
            let owner = state.owner;
            if let Some(person) = self.population.people.get_mut(owner.index()) {
                person.left_day = person.left_day.min(at.day() as i32 + 1);
            }
        }
    }
}

/// Who reports a fraud of this kind, and what is written down.
fn finding(typology: Typology, event: &EventRow, dice: &mut Dice) -> (LabelSource, Reason) {
    let who = dice.unit();
    let analyst_or = |share: f64, other: LabelSource| {
        if who < share {
            LabelSource::Analyst
        } else {
            other
        }
    };
    if matches!(event.kind, EventKind::Login | EventKind::ProfileChange) {
        return (
            analyst_or(0.6, LabelSource::CustomerReport),
            Reason::AccountAccess,
        );
    }
    match typology {
        Typology::CardTesting | Typology::CompromisedTerminal => {
            let present = matches!(event.channel, Channel::Pos | Channel::Atm);
            let reason = if present {
                Reason::CardPresent
            } else {
                Reason::CardNotPresent
            };
            (analyst_or(0.1, LabelSource::Chargeback), reason)
        }
        Typology::AccountTakeover => (
            analyst_or(0.2, LabelSource::CustomerReport),
            Reason::UnauthorisedTransfer,
        ),
        Typology::AppScam => (
            analyst_or(0.1, LabelSource::CustomerReport),
            Reason::AuthorisedScam,
        ),
        Typology::BustOut => (LabelSource::Analyst, Reason::CreditAbuse),
        Typology::MerchantCollusion => (
            analyst_or(0.6, LabelSource::Chargeback),
            Reason::CreditAbuse,
        ),
        Typology::DeviceFarm | Typology::SyntheticIdentity => {
            (LabelSource::Analyst, Reason::ApplicationFraud)
        }
        Typology::MuleRing
        | Typology::ScatterGather
        | Typology::GatherScatter
        | Typology::Cycle
        | Typology::Layering => (
            analyst_or(0.8, LabelSource::CustomerReport),
            Reason::MoneyMule,
        ),
    }
}
