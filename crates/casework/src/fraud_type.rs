//! What a case turned out to be. Each word is a label's reason and says which verdict it is.

use event::record::Verdict;

/// The vocabulary of dispositions; docs/cases.md says when to use which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FraudType {
    AccountTakeover,
    CardNotPresent,
    CardPresent,
    Mule,
    AppScam,
    SyntheticIdentity,
    IdentityTheft,
    ApplicationFraud,
    MerchantFraud,
    FriendlyFraud,
    PromotionAbuse,
    MoneyLaundering,
    OtherFraud,
    Legitimate,
    Inconclusive,
}

macro_rules! fraud_types {
    ($($variant:ident $name:literal $verdict:expr),+ $(,)?) => {
        impl FraudType {
            pub const ALL: &'static [FraudType] = &[$(FraudType::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $(FraudType::$variant => $name),+ }
            }

            pub fn parse(text: &str) -> Option<FraudType> {
                match text { $($name => Some(FraudType::$variant),)+ _ => None }
            }

            /// What it says of the case's events; `None`: nothing, and no label is written.
            pub fn verdict(self) -> Option<Verdict> {
                match self { $(FraudType::$variant => $verdict),+ }
            }
        }
    };
}

fraud_types! {
    AccountTakeover "account_takeover" Some(Verdict::Fraud),
    CardNotPresent "card_not_present" Some(Verdict::Fraud),
    CardPresent "card_present" Some(Verdict::Fraud),
    Mule "mule" Some(Verdict::Fraud),
    AppScam "app_scam" Some(Verdict::Fraud),
    SyntheticIdentity "synthetic_identity" Some(Verdict::Fraud),
    IdentityTheft "identity_theft" Some(Verdict::Fraud),
    ApplicationFraud "application_fraud" Some(Verdict::Fraud),
    MerchantFraud "merchant_fraud" Some(Verdict::Fraud),
    FriendlyFraud "friendly_fraud" Some(Verdict::Fraud),
    PromotionAbuse "promotion_abuse" Some(Verdict::Fraud),
    MoneyLaundering "money_laundering" Some(Verdict::Fraud),
    OtherFraud "other_fraud" Some(Verdict::Fraud),
    Legitimate "legitimate" Some(Verdict::Legitimate),
    Inconclusive "inconclusive" None,
}
