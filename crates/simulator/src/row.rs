//! What the world gives out: compact rows with internal numbers. Text forms of ids are made at the edge
//! (`name`), by one keyed permutation for everybody, so that no id tells when or by whom it was created.

use crate::market::Category;
use crate::time::Time;

/// Amounts in minor units of the one currency of the world (EUR, exponent 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minor(pub i64);

macro_rules! number {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);
        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

number! {
    /// Number of an event in the stream, from 0 in time order.
    EventNo(u64);
    AccountNo(u32);
    PersonNo(u32);
    CardNo(u32);
    DeviceNo(u32);
    MerchantNo(u32);
    TerminalNo(u32);
    CityNo(u16);
    RingNo(u32);
    /// 24 bits of network, 8 bits of host.
    Ip(u32);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    Payment,
    Transfer,
    Login,
    ProfileChange,
    Refund,
    CashWithdrawal,
    Deposit,
    AccountOpening,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    App,
    Web,
    Pos,
    Atm,
    /// Between banks, with nobody in front of a screen: salaries, direct debits.
    Bank,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceType {
    Android,
    Ios,
    Desktop,
    Tablet,
}

/// What a profile change changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Address,
    Phone,
    Email,
    Password,
    Limit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub lat: f32,
    pub lon: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventRow {
    pub no: EventNo,
    pub time: Time,
    pub kind: EventKind,
    pub channel: Channel,
    pub account: AccountNo,
    pub payee: Option<AccountNo>,
    pub card: Option<CardNo>,
    pub merchant: Option<(MerchantNo, Category)>,
    pub terminal: Option<TerminalNo>,
    /// Device and address come together: a screen was in front of somebody.
    pub screen: Option<(DeviceNo, DeviceType, Ip)>,
    pub change: Option<Change>,
    pub city: CityNo,
    pub at: Point,
    pub amount: Option<Minor>,
    pub balance_before: Minor,
    /// Needed by the payee's bank in a world of several; never in the payer's stream.
    pub payee_balance_before: Option<Minor>,
    /// The banks of the account and of the payee: the same where no money reaches another bank.
    pub banks: (u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    Declined,
    /// A technical fault.
    Failed,
    Reversed,
    Refunded,
    ChallengePassed,
    ChallengeFailed,
}

/// What became of an event's money. An event without an outcome was authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeRow {
    pub event: EventNo,
    pub time: Time,
    pub kind: OutcomeKind,
    /// The account's bank; the payee's learns nothing of how a payment was authorised.
    pub bank: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSource {
    Chargeback,
    CustomerReport,
    Analyst,
}

/// What became known about an event, at the time it became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelRow {
    pub event: EventNo,
    pub time: Time,
    /// False corrects an earlier fraud label.
    pub fraud: bool,
    pub source: LabelSource,
    pub reason: Reason,
    pub banks: (u8, u8),
}

/// Why a label was given: what a bank's back office writes, coarser than the typology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    CardNotPresent,
    CardPresent,
    UnauthorisedTransfer,
    AuthorisedScam,
    MoneyMule,
    ApplicationFraud,
    CreditAbuse,
    AccountAccess,
    NotFraudAfterReview,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Row {
    Event(EventRow),
    Outcome(OutcomeRow),
    Label(LabelRow),
}

impl Row {
    pub fn time(&self) -> Time {
        match self {
            Row::Event(event) => event.time,
            Row::Outcome(outcome) => outcome.time,
            Row::Label(label) => label.time,
        }
    }
}
