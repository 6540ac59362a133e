//! The edge: rows as JSON lines. The observable stream and the oracle are two files; both are written
//! under a temporary name and renamed when the last byte is on disk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::market::Category;
use crate::name::{Names, write_number};
use crate::params::Params;
use crate::row::{
    Change, Channel, DeviceType, EventKind, EventRow, LabelRow, LabelSource, Minor, OutcomeKind,
    OutcomeRow, Reason, Row,
};
use crate::secret::Secret;
use crate::time::Time;
use crate::world::{Counts, SimulateError, simulate};

/// Schema and import mapping of every simulated stream, written beside it.
pub const SCHEMA: &str = include_str!("../schema.toml");

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Params(#[from] crate::params::ParamError),
}

/// Writes a world into `directory`: `stream.jsonl` and `schema.toml` (of several banks in `bank-N/` each),
/// and `oracle.jsonl`. `progress` is called with the time reached, about once per 4096 rows.
pub fn write_world(
    params: &Params,
    threads: usize,
    directory: &Path,
    mut progress: impl FnMut(Time),
) -> Result<Counts, WriteError> {
    // refuse before the first byte
    params.validate()?;
    let names = Names::new(params.seed);
    let mut streams = Vec::new();
    for bank in 0..params.banks {
        let folder = if params.banks == 1 {
            directory.to_owned()
        } else {
            directory.join(format!("bank-{bank}"))
        };
        let mut schema = Draft::create(&folder, "schema.toml")?;
        schema.write(SCHEMA.as_bytes())?;
        schema.finish()?;
        streams.push(Draft::create(&folder, "stream.jsonl")?);
    }
    let mut oracle = Draft::create(directory, "oracle.jsonl")?;
    let mut line = Vec::with_capacity(512);
    let mut oracle_line = Vec::with_capacity(256);
    let mut rows = 0_u64;
    let observe = |row: &Row| {
        rows += 1;
        if rows.is_multiple_of(4096) {
            progress(row.time());
        }
        for (bank, stream) in streams.iter_mut().enumerate() {
            line.clear();
            if write_row_line(&names, row, bank as u8, &mut line) {
                stream.write(&line)?;
            }
        }
        Ok(())
    };
    let confide = |secret: &Secret| {
        oracle_line.clear();
        write_oracle_line(&names, secret, &mut oracle_line);
        oracle.write(&oracle_line)
    };
    let counts = simulate(params, threads, observe, confide).map_err(|error| match error {
        SimulateError::Params(error) => WriteError::Params(error),
        SimulateError::Sink(error) => error,
    })?;
    for stream in streams {
        stream.finish()?;
    }
    oracle.finish()?;
    Ok(counts)
}

/// A file that exists under its name only when it is complete.
struct Draft {
    file: BufWriter<File>,
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    fn create(folder: &Path, name: &str) -> Result<Draft, WriteError> {
        let path = folder.join(name);
        let draft = folder.join(format!("{name}.partial"));
        fs::create_dir_all(folder).map_err(at(folder))?;
        let file = File::create(&draft).map_err(at(&draft))?;
        Ok(Draft {
            file: BufWriter::with_capacity(1 << 18, file),
            draft,
            path,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.write_all(bytes).map_err(at(&self.draft))
    }

    fn finish(mut self) -> Result<(), WriteError> {
        self.file.flush().map_err(at(&self.draft))?;
        self.file.get_ref().sync_all().map_err(at(&self.draft))?;
        fs::rename(&self.draft, &self.path).map_err(at(&self.path))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io { path, source }
}

/// Appends the row as `bank` sees it, with its newline; false where the bank sees nothing.
pub fn write_row_line(names: &Names, row: &Row, bank: u8, out: &mut Vec<u8>) -> bool {
    let banks = match row {
        Row::Event(event) => event.banks,
        Row::Outcome(outcome) => (outcome.bank, outcome.bank),
        Row::Label(label) => label.banks,
    };
    if bank != banks.0 && bank != banks.1 {
        return false;
    }
    match row {
        Row::Event(event) if bank == banks.0 => write_event(names, event, out),
        Row::Event(event) => write_arrival(names, event, out),
        Row::Outcome(outcome) => write_outcome(names, outcome, out),
        Row::Label(label) => write_label(names, label, out),
    }
    out.extend_from_slice(b"}\n");
    true
}

fn write_event(names: &Names, event: &EventRow, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"event_id\":\"");
    names.event(event.no, out);
    text(out, "event_type", kind_name(event.kind));
    time(out, "event_timestamp", event.time);
    id(out, "account", |out| names.account(event.account, out));
    if let Some(card) = event.card {
        id(out, "card", |out| names.card(card, out));
    }
    if let Some(payee) = event.payee {
        id(out, "counterparty", |out| names.account(payee, out));
    }
    if let Some((merchant, category)) = event.merchant {
        id(out, "merchant", |out| names.merchant(merchant, out));
        text(out, "merchant_category", category_name(category));
    }
    if let Some(terminal) = event.terminal {
        id(out, "terminal", |out| names.terminal(terminal, out));
    }
    if let Some((device, kind, ip)) = event.screen {
        id(out, "device", |out| names.device(device, out));
        text(out, "device_type", device_name(kind));
        id(out, "ip", |out| names.ip(ip, out));
    }
    if let Some(change) = event.change {
        text(out, "change", change_name(change));
    }
    text(out, "channel", channel_name(event.channel));
    if let Some(amount) = event.amount {
        money(out, "amount", amount);
        text(out, "currency", "EUR");
    }
    id(out, "location", |out| names.city(event.city, out));
    out.push(b'"');
    number(out, "balance_before", event.balance_before.0, 2);
    // degrees to four decimals, about ten metres
    number(
        out,
        "lat",
        libm::round(f64::from(event.at.lat) * 1e4) as i64,
        4,
    );
    number(
        out,
        "lon",
        libm::round(f64::from(event.at.lon) * 1e4) as i64,
        4,
    );
}

/// A transfer as the payee's bank sees it: money that comes in, without the payer's screen or place.
fn write_arrival(names: &Names, event: &EventRow, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"event_id\":\"");
    names.event(event.no, out);
    text(out, "event_type", "deposit");
    time(out, "event_timestamp", event.time);
    if let Some(payee) = event.payee {
        id(out, "account", |out| names.account(payee, out));
    }
    id(out, "counterparty", |out| names.account(event.account, out));
    text(out, "channel", "bank");
    if let Some(amount) = event.amount {
        money(out, "amount", amount);
        text(out, "currency", "EUR");
    }
    money(
        out,
        "balance_before",
        event.payee_balance_before.unwrap_or_default(),
    );
    out.push(b'"');
}

fn write_outcome(names: &Names, outcome: &OutcomeRow, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"outcome\":\"");
    out.extend_from_slice(outcome_name(outcome.kind).as_bytes());
    id(out, "event_id", |out| names.event(outcome.event, out));
    time(out, "outcome_timestamp", outcome.time);
    out.push(b'"');
}

fn write_label(names: &Names, label: &LabelRow, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"label\":\"");
    out.extend_from_slice(if label.fraud { b"fraud" } else { b"legitimate" });
    id(out, "event_id", |out| names.event(label.event, out));
    time(out, "label_timestamp", label.time);
    text(out, "source", source_name(label.source));
    text(out, "reason", reason_name(label.reason));
    out.push(b'"');
}

/// Appends one line of the oracle file.
pub fn write_oracle_line(names: &Names, secret: &Secret, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"event_id\":\"");
    names.event(secret.event, out);
    text(out, "role", secret.role.name());
    text(out, "typology", secret.typology.name());
    id(out, "ring", |out| names.ring(secret.ring, out));
    text(out, "stage", secret.stage.name());
    if let Some(event) = secret.earliest_evidence {
        id(out, "earliest_evidence", |out| names.event(event, out));
    }
    out.extend_from_slice(b"\"}\n");
}

// every field after the first closes the string before it: `","name":"value`
fn id(out: &mut Vec<u8>, field: &str, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"\",\"");
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b"\":\"");
    value(out);
}

fn text(out: &mut Vec<u8>, field: &str, value: &str) {
    id(out, field, |out| out.extend_from_slice(value.as_bytes()));
}

fn time(out: &mut Vec<u8>, field: &str, value: Time) {
    id(out, field, |out| value.write_iso(out));
}

fn money(out: &mut Vec<u8>, field: &str, value: Minor) {
    id(out, field, |out| write_decimal(value.0, 2, out));
}

/// Numbers come last: they close no string and open none.
fn number(out: &mut Vec<u8>, field: &str, value: i64, places: u32) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b"\":");
    write_decimal(value, places, out);
}

fn write_decimal(value: i64, places: u32, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let unit = 10_u64.pow(places);
    let size = value.unsigned_abs();
    write_number(size / unit, out);
    out.push(b'.');
    let mut scale = unit / 10;
    while scale > 0 {
        out.push(b'0' + (size / scale % 10) as u8);
        scale /= 10;
    }
}

pub(crate) fn kind_name(value: EventKind) -> &'static str {
    match value {
        EventKind::Payment => "payment",
        EventKind::Transfer => "transfer",
        EventKind::Login => "login",
        EventKind::ProfileChange => "profile_change",
        EventKind::Refund => "refund",
        EventKind::CashWithdrawal => "cash_withdrawal",
        EventKind::Deposit => "deposit",
        EventKind::AccountOpening => "account_opening",
    }
}

pub(crate) fn channel_name(value: Channel) -> &'static str {
    match value {
        Channel::App => "app",
        Channel::Web => "web",
        Channel::Pos => "pos",
        Channel::Atm => "atm",
        Channel::Bank => "bank",
    }
}

pub(crate) fn device_name(value: DeviceType) -> &'static str {
    match value {
        DeviceType::Android => "android",
        DeviceType::Ios => "ios",
        DeviceType::Desktop => "desktop",
        DeviceType::Tablet => "tablet",
    }
}

pub(crate) fn change_name(value: Change) -> &'static str {
    match value {
        Change::Address => "address",
        Change::Phone => "phone",
        Change::Email => "email",
        Change::Password => "password",
        Change::Limit => "limit",
    }
}

pub(crate) fn outcome_name(value: OutcomeKind) -> &'static str {
    match value {
        OutcomeKind::Declined => "declined",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Reversed => "reversed",
        OutcomeKind::Refunded => "refunded",
        OutcomeKind::ChallengePassed => "challenge_passed",
        OutcomeKind::ChallengeFailed => "challenge_failed",
    }
}

pub(crate) fn source_name(value: LabelSource) -> &'static str {
    match value {
        LabelSource::Chargeback => "chargeback",
        LabelSource::CustomerReport => "customer_report",
        LabelSource::Analyst => "analyst",
    }
}

pub(crate) fn reason_name(value: Reason) -> &'static str {
    match value {
        Reason::CardNotPresent => "card_not_present",
        Reason::CardPresent => "card_present",
        Reason::UnauthorisedTransfer => "unauthorised_transfer",
        Reason::AuthorisedScam => "authorised_scam",
        Reason::MoneyMule => "money_mule",
        Reason::ApplicationFraud => "application_fraud",
        Reason::CreditAbuse => "credit_abuse",
        Reason::AccountAccess => "account_access",
        Reason::NotFraudAfterReview => "not_fraud_after_review",
    }
}

pub(crate) fn category_name(value: Category) -> &'static str {
    match value {
        Category::Grocery => "grocery",
        Category::Fuel => "fuel",
        Category::Restaurant => "restaurant",
        Category::Clothing => "clothing",
        Category::Electronics => "electronics",
        Category::Travel => "travel",
        Category::Entertainment => "entertainment",
        Category::Health => "health",
        Category::Utilities => "utilities",
        Category::Digital => "digital",
        Category::Home => "home",
        Category::Luxury => "luxury",
    }
}
