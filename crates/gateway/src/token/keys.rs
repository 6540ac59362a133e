//! Keys that verify tokens: one development secret, or the public keys of a JWKS file.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use thiserror::Error;

/// Where the keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file with a secret of at least 32 bytes; tokens are HS256. For development.
    Secret(PathBuf),
    /// A JWKS file with public keys (RS256, ES256, EdDSA); read again when it changes.
    Jwks(PathBuf),
}

#[derive(Debug, Error)]
pub enum KeyError {
    #[error("cannot read {}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: the secret must be at least {SECRET_BYTES_MIN} bytes, got {got}", path.display())]
    Short { path: PathBuf, got: usize },
    #[error("{}: no key set: {why}", path.display())]
    Set { path: PathBuf, why: String },
}

const SECRET_BYTES_MIN: usize = 32;
const KEYS_MAX: usize = 64;
const FILE_BYTES_MAX: usize = 1 << 20;

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

pub struct Keys {
    keys: Vec<Key>,
}

impl KeySource {
    pub fn path(&self) -> &Path {
        match self {
            KeySource::Secret(path) | KeySource::Jwks(path) => path,
        }
    }

    pub fn read(&self) -> Result<Keys, KeyError> {
        let path = self.path();
        let bytes = std::fs::read(path).map_err(|source| KeyError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        match self {
            KeySource::Secret(_) => Keys::secret(&bytes).ok_or_else(|| KeyError::Short {
                path: path.to_path_buf(),
                got: bytes.len(),
            }),
            KeySource::Jwks(_) => Keys::jwks(&bytes).map_err(|why| KeyError::Set {
                path: path.to_path_buf(),
                why,
            }),
        }
    }
}

impl Keys {
    /// `None` when the secret is too short to be one.
    pub fn secret(bytes: &[u8]) -> Option<Keys> {
        (bytes.len() >= SECRET_BYTES_MIN).then(|| Keys {
            keys: vec![Key {
                id: None,
                algorithm: Algorithm::HS256,
                key: DecodingKey::from_secret(bytes),
            }],
        })
    }

    /// Public keys alone: a secret in a key set would turn a file that is handed around into one that signs.
    pub fn jwks(bytes: &[u8]) -> Result<Keys, String> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(format!("longer than {FILE_BYTES_MAX} bytes"));
        }
        let set: JwkSet = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if set.keys.is_empty() || set.keys.len() > KEYS_MAX {
            return Err(format!(
                "must hold 1 to {KEYS_MAX} keys, got {}",
                set.keys.len()
            ));
        }
        let mut keys = Vec::with_capacity(set.keys.len());
        for (at, jwk) in set.keys.iter().enumerate() {
            let fits = match &jwk.algorithm {
                AlgorithmParameters::RSA(_) => Algorithm::RS256,
                AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                    Algorithm::ES256
                }
                AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
                _ => return Err(format!("key {at} must be RSA, EC (P-256) or OKP")),
            };
            let stated = jwk.common.key_algorithm.map(|it| it.to_string());
            if let Some(stated) = stated
                && Algorithm::from_str(&stated).ok() != Some(fits)
            {
                return Err(format!("key {at} must be for {fits:?}, got {stated}"));
            }
            let key = DecodingKey::from_jwk(jwk).map_err(|error| format!("key {at}: {error}"))?;
            keys.push(Key {
                id: jwk.common.key_id.clone(),
                algorithm: fits,
                key,
            });
        }
        Ok(Keys { keys })
    }

    /// Keys that may have signed a token with this header: of its algorithm and, where it names one, its id.
    pub fn fitting(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = (Algorithm, &DecodingKey)> {
        self.keys
            .iter()
            .filter(move |key| key.algorithm == algorithm)
            .filter(move |key| id.is_none() || key.id.is_none() || key.id.as_deref() == id)
            .map(|key| (key.algorithm, &key.key))
    }
}
