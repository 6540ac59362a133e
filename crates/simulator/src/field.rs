//! A row as named fields: what every file format of the stream is written from, so that none can say more
//! than another.

use crate::name::Names;
use crate::row::{EventRow, LabelRow, Minor, OutcomeRow, Row};
use crate::time::Time;
use crate::words::{
    category_name, change_name, channel_name, device_name, kind_name, outcome_name, reason_name,
    source_name,
};

macro_rules! columns {
    ($($column:ident $name:literal $form:ident;)*) => {
        /// The columns of the observable stream; a row leaves most of them empty.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Column { $($column,)* }

        impl Column {
            pub const ALL: &[Column] = &[$(Column::$column,)*];

            pub fn name(self) -> &'static str {
                match self { $(Column::$column => $name,)* }
            }

            pub fn form(self) -> Form {
                match self { $(Column::$column => Form::$form,)* }
            }
        }
    };
}

columns! {
    EventId "event_id" Text;
    EventType "event_type" Text;
    EventTimestamp "event_timestamp" Time;
    Account "account" Text;
    Card "card" Text;
    Counterparty "counterparty" Text;
    Merchant "merchant" Text;
    MerchantCategory "merchant_category" Text;
    Terminal "terminal" Text;
    Device "device" Text;
    DeviceType "device_type" Text;
    Ip "ip" Text;
    Change "change" Text;
    Channel "channel" Text;
    Amount "amount" Money;
    Currency "currency" Text;
    Location "location" Text;
    BalanceBefore "balance_before" Number;
    Lat "lat" Number;
    Lon "lon" Number;
    Outcome "outcome" Text;
    OutcomeTimestamp "outcome_timestamp" Time;
    Label "label" Text;
    LabelTimestamp "label_timestamp" Time;
    Source "source" Text;
    Reason "reason" Text;
}

/// What a column holds in every row that fills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Time,
    /// Two decimal places, exact.
    Money,
    Number,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// ASCII.
    Text(&'a [u8]),
    Time(Time),
    Money(Minor),
    /// `value / 10^places`.
    Number {
        value: i64,
        places: u32,
    },
}

/// Hands every filled field of the row, as `bank` sees it, to `put`; false where the bank sees nothing.
/// `scratch` is a buffer that lives across rows.
pub fn for_each_field(
    names: &Names,
    row: &Row,
    bank: u8,
    scratch: &mut Vec<u8>,
    put: impl FnMut(Column, Value<'_>),
) -> bool {
    let banks = match row {
        Row::Event(event) => event.banks,
        Row::Outcome(outcome) => (outcome.bank, outcome.bank),
        Row::Label(label) => label.banks,
    };
    if bank != banks.0 && bank != banks.1 {
        return false;
    }
    let mut put = Put { scratch, put };
    match row {
        Row::Event(event) if bank == banks.0 => event_fields(names, event, &mut put),
        Row::Event(event) => arrival_fields(names, event, &mut put),
        Row::Outcome(outcome) => outcome_fields(names, outcome, &mut put),
        Row::Label(label) => label_fields(names, label, &mut put),
    }
    true
}

struct Put<'s, F> {
    scratch: &'s mut Vec<u8>,
    put: F,
}

impl<F: FnMut(Column, Value<'_>)> Put<'_, F> {
    fn id(&mut self, column: Column, write: impl FnOnce(&mut Vec<u8>)) {
        self.scratch.clear();
        write(self.scratch);
        (self.put)(column, Value::Text(self.scratch));
    }

    fn word(&mut self, column: Column, word: &'static str) {
        (self.put)(column, Value::Text(word.as_bytes()));
    }

    fn time(&mut self, column: Column, time: Time) {
        (self.put)(column, Value::Time(time));
    }

    fn amount(&mut self, amount: Option<Minor>) {
        if let Some(amount) = amount {
            (self.put)(Column::Amount, Value::Money(amount));
            self.word(Column::Currency, "EUR");
        }
    }

    fn number(&mut self, column: Column, value: i64, places: u32) {
        (self.put)(column, Value::Number { value, places });
    }
}

fn event_fields<F: FnMut(Column, Value<'_>)>(
    names: &Names,
    event: &EventRow,
    put: &mut Put<'_, F>,
) {
    put.id(Column::EventId, |out| names.event(event.no, out));
    put.word(Column::EventType, kind_name(event.kind));
    put.time(Column::EventTimestamp, event.time);
    put.id(Column::Account, |out| names.account(event.account, out));
    if let Some(card) = event.card {
        put.id(Column::Card, |out| names.card(card, out));
    }
    if let Some(payee) = event.payee {
        put.id(Column::Counterparty, |out| names.account(payee, out));
    }
    if let Some((merchant, category)) = event.merchant {
        put.id(Column::Merchant, |out| names.merchant(merchant, out));
        put.word(Column::MerchantCategory, category_name(category));
    }
    if let Some(terminal) = event.terminal {
        put.id(Column::Terminal, |out| names.terminal(terminal, out));
    }
    if let Some((device, kind, ip)) = event.screen {
        put.id(Column::Device, |out| names.device(device, out));
        put.word(Column::DeviceType, device_name(kind));
        put.id(Column::Ip, |out| names.ip(ip, out));
    }
    if let Some(change) = event.change {
        put.word(Column::Change, change_name(change));
    }
    put.word(Column::Channel, channel_name(event.channel));
    put.amount(event.amount);
    put.id(Column::Location, |out| names.city(event.city, out));
    put.number(Column::BalanceBefore, event.balance_before.0, 2);
    // degrees to four decimals, about ten metres
    let degrees = |value: f32| libm::round(f64::from(value) * 1e4) as i64;
    put.number(Column::Lat, degrees(event.at.lat), 4);
    put.number(Column::Lon, degrees(event.at.lon), 4);
}

/// A transfer as the payee's bank sees it: money that comes in, without the payer's screen or place.
fn arrival_fields<F: FnMut(Column, Value<'_>)>(
    names: &Names,
    event: &EventRow,
    put: &mut Put<'_, F>,
) {
    put.id(Column::EventId, |out| names.event(event.no, out));
    put.word(Column::EventType, "deposit");
    put.time(Column::EventTimestamp, event.time);
    if let Some(payee) = event.payee {
        put.id(Column::Account, |out| names.account(payee, out));
    }
    put.id(Column::Counterparty, |out| {
        names.account(event.account, out)
    });
    put.word(Column::Channel, "bank");
    put.amount(event.amount);
    let balance = event.payee_balance_before.unwrap_or_default();
    put.number(Column::BalanceBefore, balance.0, 2);
}

fn outcome_fields<F: FnMut(Column, Value<'_>)>(
    names: &Names,
    outcome: &OutcomeRow,
    put: &mut Put<'_, F>,
) {
    put.word(Column::Outcome, outcome_name(outcome.kind));
    put.id(Column::EventId, |out| names.event(outcome.event, out));
    put.time(Column::OutcomeTimestamp, outcome.time);
}

fn label_fields<F: FnMut(Column, Value<'_>)>(
    names: &Names,
    label: &LabelRow,
    put: &mut Put<'_, F>,
) {
    let verdict = if label.fraud { "fraud" } else { "legitimate" };
    put.word(Column::Label, verdict);
    put.id(Column::EventId, |out| names.event(label.event, out));
    put.time(Column::LabelTimestamp, label.time);
    put.word(Column::Source, source_name(label.source));
    put.word(Column::Reason, reason_name(label.reason));
}
