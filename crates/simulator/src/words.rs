//! The words that stand for the world's enumerations in every file; the schema declares the same ones.

use crate::market::Category;
use crate::row::{Change, Channel, DeviceType, EventKind, LabelSource, OutcomeKind, Reason};

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
