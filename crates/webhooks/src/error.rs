//! What can go wrong, told apart by who can mend it.

use thiserror::Error;

use crate::secret::SECRET_BYTES_MIN;

#[derive(Debug, Error)]
pub enum WebhookError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("{0} is unknown")]
    Unknown(What),
    #[error("the tenant has {max} endpoints, which is its limit (webhooks.endpoints_max)")]
    TooManyEndpoints { max: usize },
    #[error("the endpoint has {max} secrets that are valid, which is the limit")]
    TooManySecrets { max: usize },
    #[error("it is the only secret without an end: add another one first")]
    LastSecret,
    #[error("the endpoint is disabled: nothing is sent to it")]
    Disabled,
    #[error("webhooks of this tenant are closed")]
    Closed,
    #[error("webhooks.db is of version {found}, this program knows up to {known}")]
    Newer { found: i64, known: i64 },
    #[error("webhooks.db: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("webhooks.db: {0}")]
    Io(#[from] std::io::Error),
    #[error("cannot trust certificates: {0}")]
    Roots(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Endpoint,
    Secret,
    Delivery,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            What::Endpoint => "the endpoint",
            What::Secret => "the secret",
            What::Delivery => "the delivery",
        })
    }
}

/// What was handed in and is not taken. Nothing has changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Invalid {
    #[error("url must be {expected}, got {got:?}")]
    Url { expected: String, got: String },
    #[error("url: its address {address} is {range}, and webhooks.allow does not have it")]
    Address {
        address: String,
        range: &'static str,
    },
    #[error("kinds must name at least one of {known}, or be [\"*\"]")]
    NoKinds { known: String },
    #[error("unknown kind {got:?}; known: {known}")]
    Kind { got: String, known: String },
    #[error("{field} must be at most {max} characters, got {got}")]
    TooLong {
        field: &'static str,
        max: usize,
        got: usize,
    },
    #[error("secret must be whsec_ and base64, or absent: then one is made")]
    SecretFormat,
    #[error("secret too short: expected {SECRET_BYTES_MIN} to 64 bytes in base64, got {got}")]
    SecretTooShort { got: usize },
    #[error("secret too long: expected {SECRET_BYTES_MIN} to 64 bytes in base64, got {got}")]
    SecretTooLong { got: usize },
    #[error("expires_at must not be in the past, got {got}")]
    ExpiresInPast { got: String },
    #[error("a notice's id must be 1 to 128 of A-Z a-z 0-9 : _ -, got {0:?}")]
    NoticeId(String),
    #[error("a notice's data cannot be written as JSON: {0}")]
    NoticeData(String),
}

impl Invalid {
    /// Stable, for answers.
    pub fn code(&self) -> &'static str {
        match self {
            Invalid::Url { .. } => "webhook_url",
            Invalid::Address { .. } => "webhook_address",
            Invalid::NoKinds { .. } | Invalid::Kind { .. } => "webhook_kind",
            Invalid::TooLong { .. } => "too_long",
            Invalid::SecretFormat => "secret_format",
            Invalid::SecretTooShort { .. } => "secret_too_short",
            Invalid::SecretTooLong { .. } => "secret_too_long",
            Invalid::ExpiresInPast { .. } => "expires_in_past",
            Invalid::NoticeId(_) | Invalid::NoticeData(_) => "notice",
        }
    }

    pub fn field(&self) -> &'static str {
        match self {
            Invalid::Url { .. } | Invalid::Address { .. } => "url",
            Invalid::NoKinds { .. } | Invalid::Kind { .. } => "kinds",
            Invalid::TooLong { field, .. } => field,
            Invalid::SecretFormat
            | Invalid::SecretTooShort { .. }
            | Invalid::SecretTooLong { .. } => "secret",
            Invalid::ExpiresInPast { .. } => "expires_at",
            Invalid::NoticeId(_) => "id",
            Invalid::NoticeData(_) => "data",
        }
    }
}
