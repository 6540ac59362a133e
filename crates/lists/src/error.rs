//! Every way in which a change is refused, with the field and the number of the item.

use thiserror::Error;

use crate::cidr::Cidr;
use crate::{
    AMOUNT_MINOR_MAX, ITEMS_MAX, LISTS_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, VALUE_BYTES_MAX,
};

/// A change that is refused as a whole; nothing of it was applied.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ListsError {
    #[error("{field} must be 1 to {NAME_BYTES_MAX} of a-z, 0-9, '.', '_', '-', got {got:?}")]
    Name { field: &'static str, got: String },
    #[error("list {list:?} exists already")]
    Exists { list: String },
    #[error("there is no list {list:?}; known: {known}")]
    Unknown { list: String, known: String },
    #[error("a tenant has at most {LISTS_MAX} lists")]
    TooManyLists,
    #[error("a tenant has at most {ITEMS_MAX} list items; {held} are held and {adding} would come")]
    TooManyItems { held: usize, adding: usize },
    #[error(
        "list {list:?} compares by {held}, which cannot become {got}: drop it and create another"
    )]
    FormFixed {
        list: String,
        held: String,
        got: String,
    },
    #[error("{} of the change's items are refused; {}", .0.len(), first(.0))]
    Items(Vec<Fault>),
}

/// What is wrong with one item; `item` counts from 1 within the change.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("item {item}: {}: {error}", .error.field())]
pub struct Fault {
    pub item: usize,
    pub error: ItemError,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ItemError {
    #[error("the list holds values of form {form}, got {got}")]
    WrongForm {
        form: &'static str,
        got: &'static str,
    },
    #[error("must not be empty")]
    EmptyValue,
    #[error("must be at most {VALUE_BYTES_MAX} bytes, got {len}")]
    LongValue { len: usize },
    #[error("must have no control characters, got one at byte {at}")]
    ControlInValue { at: usize },
    #[error("expected an address or a network such as 10.0.0.0/8 or 2001:db8::/32, got {value:?}")]
    NotNetwork { value: String },
    #[error("the length behind '/' must be 0 to {max} without leading zeros, got {value:?}")]
    PrefixLength { value: String, max: u8 },
    #[error("{value:?} has bits set behind its length; the network is {meant}")]
    HostBits { value: String, meant: Cidr },
    #[error("{value:?} is an IPv4 network written as IPv6; write {meant}")]
    MappedV4 { value: String, meant: Cidr },
    #[error("must not be less than \"from\": {from} to {to}")]
    BandOrder { from: i64, to: i64 },
    #[error("must be >= 0 and <= {AMOUNT_MINOR_MAX} minor units, got {got}")]
    BandRange { field: &'static str, got: i64 },
    #[error("expected an ISO 4217 currency code such as EUR, got {value:?}")]
    Currency { value: String },
    #[error("must be later than the change ({at} ms), got {expires} ms")]
    ExpiresInPast { expires: i64, at: i64 },
    #[error("must be before the year 2200, got {expires} ms")]
    ExpiresTooLate { expires: i64 },
    #[error("must be at most {REASON_BYTES_MAX} bytes, got {len}")]
    LongReason { len: usize },
    #[error("must have no control characters, got one at byte {at}")]
    ControlInReason { at: usize },
    #[error("is the same as item {first}")]
    Duplicate { first: usize },
    #[error("the band meets {from} to {to} {currency} of item {first}")]
    MeetsItem {
        from: i64,
        to: i64,
        currency: String,
        first: usize,
    },
    #[error("the band meets {from} to {to} {currency} in the list: remove that first")]
    MeetsHeld {
        from: i64,
        to: i64,
        currency: String,
    },
}

impl ListsError {
    /// Stable, for an API.
    pub fn code(&self) -> &'static str {
        match self {
            ListsError::Name { .. } => "list_name",
            ListsError::Exists { .. } => "list_exists",
            ListsError::Unknown { .. } => "unknown_list",
            ListsError::TooManyLists => "too_many_lists",
            ListsError::TooManyItems { .. } => "too_many_items",
            ListsError::FormFixed { .. } => "list_form_fixed",
            ListsError::Items(_) => "list_items_refused",
        }
    }
}

impl ListsError {
    /// What of the request is wrong; items have theirs each.
    pub fn field(&self) -> &'static str {
        match self {
            ListsError::Name { field, .. } => field,
            ListsError::Exists { .. } | ListsError::Unknown { .. } | ListsError::TooManyLists => {
                "list"
            }
            ListsError::FormFixed { .. } => "form",
            ListsError::TooManyItems { .. } | ListsError::Items(_) => "items",
        }
    }
}

impl ItemError {
    /// Stable, for an API and for a report of rejects.
    pub fn code(&self) -> &'static str {
        match self {
            ItemError::WrongForm { .. } => "wrong_form",
            ItemError::EmptyValue => "empty",
            ItemError::LongValue { .. } | ItemError::LongReason { .. } => "too_long",
            ItemError::ControlInValue { .. } | ItemError::ControlInReason { .. } => {
                "control_character"
            }
            ItemError::NotNetwork { .. } => "not_a_network",
            ItemError::PrefixLength { .. } => "prefix_length",
            ItemError::HostBits { .. } => "host_bits",
            ItemError::MappedV4 { .. } => "mapped_ipv4",
            ItemError::BandOrder { .. } => "band_order",
            ItemError::BandRange { .. } => "amount_range",
            ItemError::Currency { .. } => "unknown_currency",
            ItemError::ExpiresInPast { .. } => "expires_in_past",
            ItemError::ExpiresTooLate { .. } => "expires_too_late",
            ItemError::Duplicate { .. } => "duplicate",
            ItemError::MeetsItem { .. } | ItemError::MeetsHeld { .. } => "bands_meet",
        }
    }

    pub fn field(&self) -> &'static str {
        match self {
            ItemError::BandOrder { .. } => "to",
            ItemError::BandRange { field, .. } => field,
            ItemError::Currency { .. } => "currency",
            ItemError::ExpiresInPast { .. } | ItemError::ExpiresTooLate { .. } => "expires",
            ItemError::LongReason { .. } | ItemError::ControlInReason { .. } => "reason",
            ItemError::MeetsItem { .. } | ItemError::MeetsHeld { .. } => "from",
            _ => "value",
        }
    }
}

fn first(faults: &[Fault]) -> String {
    faults.first().map(Fault::to_string).unwrap_or_default()
}

/// A value for an error message: at most 64 characters of it.
pub(crate) fn shortened(text: &str) -> String {
    const KEPT: usize = 64;
    match text.char_indices().nth(KEPT) {
        Some((cut, _)) => format!("{}... ({} bytes)", &text[..cut], text.len()),
        None => text.to_owned(),
    }
}
