//! Who is asking: a bearer token, checked once and remembered until it expires or the keys change.
//!
//! A key verifies with its own algorithm and no other, whatever a token's header claims: `none`, or a public
//! key used as an HMAC secret, finds no key.

mod keys;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use node::mailbox::Level;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use keys::{KeyError, KeySource, Keys};

/// What a token may do; a route names one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Send events and have them decided.
    Decide,
    /// Report labels and outcomes.
    Label,
    /// Look at decisions, entities and what is around them.
    Analyst,
    /// Read and change policy, read the schema, hand in models and put them into service.
    Engineer,
    /// Make, suspend and erase tenants; read metrics.
    Admin,
}

impl Role {
    pub const ALL: [Role; 5] = [
        Role::Decide,
        Role::Label,
        Role::Analyst,
        Role::Engineer,
        Role::Admin,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Role::Decide => "decide",
            Role::Label => "label",
            Role::Analyst => "analyst",
            Role::Engineer => "engineer",
            Role::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == text)
    }
}

/// The tenant of a token that is for every tenant; only `admin` may hold it.
pub const EVERY_TENANT: &str = "*";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whom the token stands for; named as the author of a change.
    pub sub: String,
    pub tenant: String,
    pub roles: Vec<Role>,
    /// Most urgent level the token may ask for; L1 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    pub aud: String,
    /// Seconds since 1970.
    pub exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
}

impl Claims {
    pub fn may(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    pub fn level(&self) -> Level {
        // An unknown level is refused when the token is read.
        let level = self.level.as_deref().and_then(Level::parse);
        level.unwrap_or(Level::L1)
    }
}

/// Why a token was refused. The words say nothing that helps to forge one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    #[error("an Authorization header with a bearer token is missing")]
    Missing,
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("the token is no signed token with an algorithm that is accepted here")]
    Malformed,
    #[error("no key that is accepted here has signed the token")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token's claims are not those expected: {0}")]
    Claims(&'static str),
}

impl TokenError {
    pub fn code(&self) -> &'static str {
        match self {
            TokenError::Missing => "token_missing",
            TokenError::TooLong | TokenError::Malformed => "token_malformed",
            TokenError::Signature => "token_signature",
            TokenError::Expired => "token_expired",
            TokenError::NotYet => "token_not_yet_valid",
            TokenError::Audience => "token_audience",
            TokenError::Claims(_) => "token_claims",
        }
    }
}

#[derive(Clone, Debug)]
pub struct TokenSettings {
    pub audience: String,
    /// How far this clock and the issuer's may differ.
    pub leeway: Duration,
}

/// Tokens held as verified. A full memory is emptied: the next use of each verifies again.
const HELD_MAX: usize = 4096;
const TOKEN_BYTES_MAX: usize = 8192;

pub struct Verifier {
    settings: TokenSettings,
    keys: RwLock<Arc<Keys>>,
    held: RwLock<HashMap<Box<str>, Arc<Claims>>>,
}

impl Verifier {
    pub fn new(settings: TokenSettings, keys: Keys) -> Verifier {
        Verifier {
            settings,
            keys: RwLock::new(Arc::new(keys)),
            held: RwLock::new(HashMap::new()),
        }
    }

    /// Verified tokens that are remembered.
    pub fn held(&self) -> usize {
        self.held
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// New keys; what the old ones had verified is verified again.
    pub fn replace_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.clear();
    }

    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_err(|_| TokenError::NotYet)?.as_secs();
        let known = {
            let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
            held.get(token).cloned()
        };
        if let Some(claims) = known {
            if claims.exp + self.settings.leeway.as_secs() <= now {
                return Err(TokenError::Expired);
            }
            return Ok(claims);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        // Taken before verifying: keys that are replaced meanwhile empty the memory after this is put there.
        let keys = self
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let claims = Arc::new(self.check(token, &keys)?);
        let current = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, &keys) {
            let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
            if held.len() >= HELD_MAX {
                held.clear();
            }
            held.insert(token.into(), claims.clone());
        }
        Ok(claims)
    }

    fn check(&self, token: &str, keys: &Keys) -> Result<Claims, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        let mut failed = TokenError::Signature;
        for (algorithm, key) in keys.fitting(header.kid.as_deref(), header.alg) {
            match decode::<Claims>(token, key, &self.validation(algorithm)) {
                Ok(data) => return sound(data.claims),
                Err(error) => failed = told(&error),
            }
        }
        Err(failed)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.leeway = self.settings.leeway.as_secs();
        validation.validate_nbf = true;
        validation
    }
}

fn sound(claims: Claims) -> Result<Claims, TokenError> {
    if claims
        .level
        .as_deref()
        .is_some_and(|it| Level::parse(it).is_none())
    {
        return Err(TokenError::Claims("level must be L1, L2 or L3"));
    }
    if claims.tenant == EVERY_TENANT && claims.roles != [Role::Admin] {
        return Err(TokenError::Claims(
            "only a token with the one role admin may be for every tenant",
        ));
    }
    Ok(claims)
}

fn told(error: &jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYet,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::MissingRequiredClaim(_) => TokenError::Claims("exp and aud are required"),
        ErrorKind::Json(_) => {
            TokenError::Claims("sub, tenant, roles, aud and exp are required, in their types")
        }
        ErrorKind::InvalidSignature => TokenError::Signature,
        _ => TokenError::Malformed,
    }
}

/// A token signed with the development secret.
pub fn issue(secret: &[u8], claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
    let header = jsonwebtoken::Header::new(Algorithm::HS256);
    jsonwebtoken::encode(
        &header,
        claims,
        &jsonwebtoken::EncodingKey::from_secret(secret),
    )
}
