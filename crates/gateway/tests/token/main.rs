//! Tokens: each algorithm by its key, rotation, and every way in which a token must not be believed.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use ringfence_gateway::token::{Claims, Keys, Role, TokenError, TokenSettings, Verifier, issue};
use serde_json::json;

const SECRET: &[u8] = b"a secret of more than thirty-two bytes";
const LEEWAY: u64 = 30;

fn settings() -> TokenSettings {
    TokenSettings {
        audience: "ringfence".to_owned(),
        leeway: Duration::from_secs(LEEWAY),
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn claims() -> Claims {
    Claims {
        sub: "tester".to_owned(),
        tenant: "acme".to_owned(),
        roles: vec![Role::Decide],
        level: None,
        aud: "ringfence".to_owned(),
        exp: now() + 600,
        nbf: None,
    }
}

/// A private key in PKCS#8: a fixed head, and 32 bytes that make it.
fn private_key(algorithm: Algorithm, fill: u8) -> EncodingKey {
    let with_head = |head: &[u8]| [head, &[fill; 32]].concat();
    match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_der(&with_head(&[
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ])),
        Algorithm::ES256 => EncodingKey::from_ec_der(&with_head(&[
            0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
            0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27,
            0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
        ])),
        _ => EncodingKey::from_rsa_der(include_bytes!("test-only-rsa.der")),
    }
}

fn set(keys: &[(&str, Algorithm, u8)]) -> Keys {
    let keys = keys.iter().map(|(id, algorithm, fill)| {
        let mut jwk = Jwk::from_encoding_key(&private_key(*algorithm, *fill), *algorithm).unwrap();
        jwk.common.key_id = Some((*id).to_owned());
        jwk
    });
    let keys = JwkSet {
        keys: keys.collect(),
    };
    Keys::jwks(&serde_json::to_vec(&keys).unwrap()).unwrap()
}

fn signed(id: &str, algorithm: Algorithm, fill: u8, claims: &Claims) -> String {
    let mut header = Header::new(algorithm);
    header.kid = Some(id.to_owned());
    encode(&header, claims, &private_key(algorithm, fill)).unwrap()
}

#[test]
fn each_key_of_a_set_verifies_its_own_algorithm() {
    let all = [
        ("ed", Algorithm::EdDSA, 1),
        ("ec", Algorithm::ES256, 2),
        ("rsa", Algorithm::RS256, 0),
    ];
    let verifier = Verifier::new(settings(), set(&all));
    for (id, algorithm, fill) in all {
        let token = signed(id, algorithm, fill, &claims());
        // The second time it comes from memory.
        for _ in 0..2 {
            assert_eq!(verifier.verify(&token).unwrap().tenant, "acme", "{id}");
        }
        let other = if algorithm == Algorithm::RS256 {
            continue;
        } else {
            signed(id, algorithm, fill + 7, &claims())
        };
        assert_eq!(verifier.verify(&other), Err(TokenError::Signature), "{id}");
    }
}

#[test]
fn a_public_key_is_no_hmac_secret_and_a_kid_of_another_key_finds_none() {
    let verifier = Verifier::new(settings(), set(&[("ed", Algorithm::EdDSA, 1)]));
    let jwk = Jwk::from_encoding_key(&private_key(Algorithm::EdDSA, 1), Algorithm::EdDSA).unwrap();
    let public = serde_json::to_vec(&jwk).unwrap();
    let confused = issue(&public, &claims()).unwrap();
    assert_eq!(verifier.verify(&confused), Err(TokenError::Signature));
    let elsewhere = signed("other", Algorithm::EdDSA, 1, &claims());
    assert_eq!(verifier.verify(&elsewhere), Err(TokenError::Signature));
    // And the other way round: a secret verifies HS256 and nothing else.
    let secret = Verifier::new(settings(), Keys::secret(SECRET).unwrap());
    let token = signed("ed", Algorithm::EdDSA, 1, &claims());
    assert_eq!(secret.verify(&token), Err(TokenError::Signature));
}

#[test]
fn a_key_that_is_taken_away_verifies_nothing_any_more_also_what_was_remembered() {
    let verifier = Verifier::new(settings(), set(&[("old", Algorithm::EdDSA, 1)]));
    let old = signed("old", Algorithm::EdDSA, 1, &claims());
    let new = signed("new", Algorithm::EdDSA, 2, &claims());
    assert!(verifier.verify(&old).is_ok() && verifier.verify(&new).is_err());
    let both = [("old", Algorithm::EdDSA, 1), ("new", Algorithm::EdDSA, 2)];
    verifier.replace_keys(set(&both));
    assert!(verifier.verify(&old).is_ok() && verifier.verify(&new).is_ok());
    verifier.replace_keys(set(&both[1..]));
    assert_eq!(verifier.verify(&old), Err(TokenError::Signature));
    assert!(verifier.verify(&new).is_ok());
}

#[test]
fn claims_are_held_against_the_clock_the_audience_and_each_other() {
    let verifier = Verifier::new(settings(), Keys::secret(SECRET).unwrap());
    let outcome = |change: fn(&mut Claims)| {
        let mut claims = claims();
        change(&mut claims);
        verifier
            .verify(&issue(SECRET, &claims).unwrap())
            .map(|_| ())
    };
    assert_eq!(outcome(|_| {}), Ok(()));
    assert_eq!(outcome(|it| it.exp = now() - LEEWAY / 2), Ok(()));
    assert_eq!(
        outcome(|it| it.exp = now() - 2 * LEEWAY),
        Err(TokenError::Expired)
    );
    assert_eq!(outcome(|it| it.nbf = Some(now() + LEEWAY / 2)), Ok(()));
    assert_eq!(
        outcome(|it| it.nbf = Some(now() + 2 * LEEWAY)),
        Err(TokenError::NotYet)
    );
    assert_eq!(
        outcome(|it| it.aud = "other".to_owned()),
        Err(TokenError::Audience)
    );
    let claims_error =
        |result: Result<(), TokenError>| matches!(result, Err(TokenError::Claims(_)));
    assert!(claims_error(outcome(|it| it.level = Some("L4".to_owned()))));
    assert!(claims_error(outcome(|it| it.tenant = "*".to_owned())));
    assert_eq!(
        outcome(|it| (it.tenant, it.roles) = ("*".to_owned(), vec![Role::Admin])),
        Ok(())
    );
    // What lacks a claim, or has a role that does not exist.
    let key = EncodingKey::from_secret(SECRET);
    for body in [
        json!({ "sub": "x", "tenant": "acme", "roles": ["decide"], "aud": "ringfence" }),
        json!({ "sub": "x", "tenant": "acme", "roles": ["decide"], "exp": now() + 60 }),
        json!({ "sub": "x", "roles": ["decide"], "aud": "ringfence", "exp": now() + 60 }),
        json!({ "sub": "x", "tenant": "acme", "roles": ["root"], "aud": "ringfence", "exp": now() + 60 }),
    ] {
        let token = encode(&Header::new(Algorithm::HS256), &body, &key).unwrap();
        let refused = verifier.verify(&token).map(|_| ());
        assert!(claims_error(refused.clone()), "{body}: {refused:?}");
    }
}

#[test]
fn a_remembered_token_expires_too() {
    let short = TokenSettings {
        leeway: Duration::ZERO,
        ..settings()
    };
    let verifier = Verifier::new(short, Keys::secret(SECRET).unwrap());
    let mut claims = claims();
    claims.exp = now() + 2;
    let token = issue(SECRET, &claims).unwrap();
    assert!(verifier.verify(&token).is_ok());
    std::thread::sleep(Duration::from_millis(3_100));
    assert_eq!(verifier.verify(&token), Err(TokenError::Expired));
}

#[test]
fn a_key_set_with_a_secret_or_with_nothing_is_refused() {
    for (text, named) in [
        (r#"{"keys":[]}"#, "1 to 64 keys"),
        (
            r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#,
            "must be RSA, EC (P-256) or OKP",
        ),
        ("[]", "invalid length 0"),
    ] {
        let error = Keys::jwks(text.as_bytes()).err().unwrap_or_default();
        assert!(error.contains(named), "{text}: {error}");
    }
    assert!(Keys::secret(b"short").is_none());
}

proptest! {
    /// Whatever is sent as a token: it is refused, and nothing panics.
    #[test]
    fn nothing_but_a_signed_token_is_one(text in ".{0,300}", flipped in 0_usize..200, to in any::<u8>()) {
        let verifier = Verifier::new(settings(), Keys::secret(SECRET).unwrap());
        prop_assert!(verifier.verify(&text).is_err());
        let token = issue(SECRET, &claims()).unwrap();
        let mut bytes = token.clone().into_bytes();
        let at = flipped % bytes.len();
        bytes[at] = to;
        let altered = String::from_utf8_lossy(&bytes).into_owned();
        // The last sign of the signature carries two bits that mean nothing.
        if altered != token && at + 1 != token.len() {
            prop_assert!(verifier.verify(&altered).is_err(), "{at}");
        }
    }
}
