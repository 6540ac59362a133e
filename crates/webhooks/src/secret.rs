//! Secrets and signatures, by the Standard Webhooks scheme (<https://www.standardwebhooks.com>): HMAC-SHA256 over
//! `id.timestamp.body`, base64, one signature for each secret that is valid, so that a secret can be replaced
//! without a delivery that the receiver refuses.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use thiserror::Error;

use crate::error::Invalid;

pub const SECRET_BYTES_MIN: usize = 32;
const SECRET_BYTES_MAX: usize = 64;
const PREFIX: &str = "whsec_";

pub const ID: &str = "webhook-id";
pub const TIMESTAMP: &str = "webhook-timestamp";
pub const SIGNATURE: &str = "webhook-signature";

/// Key of an HMAC. Never printed but on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VerifyError {
    #[error("the timestamp is no whole number of seconds")]
    Timestamp,
    #[error("the timestamp is {0} s from now, more than the tolerance")]
    Stale(i64),
    #[error("no signature is of this secret, id, timestamp and body")]
    Signature,
}

impl Secret {
    pub fn generate() -> Result<Secret, std::io::Error> {
        let mut bytes = vec![0; SECRET_BYTES_MIN];
        getrandom::fill(&mut bytes)?;
        Ok(Secret(bytes))
    }

    /// As receivers keep it: `whsec_` and the key in base64.
    pub fn parse(text: &str) -> Result<Secret, Invalid> {
        let encoded = text.strip_prefix(PREFIX).ok_or(Invalid::SecretFormat)?;
        let bytes = BASE64_STANDARD
            .decode(encoded)
            .map_err(|_| Invalid::SecretFormat)?;
        Secret::from_bytes(bytes)
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Result<Secret, Invalid> {
        match bytes.len() {
            got @ 0..SECRET_BYTES_MIN => Err(Invalid::SecretTooShort { got }),
            got if got > SECRET_BYTES_MAX => Err(Invalid::SecretTooLong { got }),
            _ => Ok(Secret(bytes)),
        }
    }

    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        // Any length of key is fine for an HMAC.
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("an HMAC takes a key of any length"));
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }

    fn signed(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let tag = self.mac(id, &timestamp.to_string(), body).finalize();
        format!("v1,{}", BASE64_STANDARD.encode(tag.into_bytes()))
    }
}

/// The value of `webhook-signature`: a signature for each secret, with spaces between.
pub fn sign(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signed = secrets.iter().map(|it| it.signed(id, timestamp, body));
    signed.collect::<Vec<_>>().join(" ")
}

/// What a receiver does: one signature of one of its secrets is enough, compared in constant time.
/// `tolerance` in seconds, either way; `None` does not look at the time.
pub fn verify(
    secrets: &[Secret],
    (id, timestamp, signatures): (&str, &str, &str),
    body: &[u8],
    now: i64,
    tolerance: Option<i64>,
) -> Result<(), VerifyError> {
    let sent: i64 = timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    if let Some(tolerance) = tolerance
        && sent.abs_diff(now) > tolerance.unsigned_abs()
    {
        return Err(VerifyError::Stale(now.saturating_sub(sent)));
    }
    let given = signatures
        .split(' ')
        .filter_map(|it| it.strip_prefix("v1,"))
        .filter_map(|it| BASE64_STANDARD.decode(it).ok());
    for tag in given {
        let is_of = |secret: &Secret| {
            let mac = secret.mac(id, timestamp, body);
            mac.verify_slice(&tag).is_ok()
        };
        if secrets.iter().any(is_of) {
            return Ok(());
        }
    }
    Err(VerifyError::Signature)
}
