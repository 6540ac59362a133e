//! Signatures, checked by Python's hmac: a program that shares no line with ours.

use std::io::Write;
use std::process::{Command, Stdio};

use event::Span;
use ringfence_webhooks::error::Invalid;
use ringfence_webhooks::secret::{Secret, VerifyError, verify};
use ringfence_webhooks::store::deliveries::State;
use ringfence_webhooks::{Kind, Notice, WebhookError};
use serde_json::{Value, json};

use crate::receiver::{OK, Receiver, Seen};
use crate::sender::{Sender, by, now, settings};

/// As the scheme's document says it: base64 of HMAC-SHA256 over id, timestamp and body with full stops between.
const PYTHON: &str = r#"
import sys, hmac, hashlib, base64
secret, id, timestamp = sys.argv[1:4]
key = base64.b64decode(secret[len("whsec_"):])
signed = id.encode() + b"." + timestamp.encode() + b"." + sys.stdin.buffer.read()
print("v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode(), end="")
"#;

fn by_python(secret: &Secret, seen: &Seen) -> String {
    let mut child = Command::new("python3")
        .args(["-c", PYTHON, &secret.reveal()])
        .args([seen.header("webhook-id"), seen.header("webhook-timestamp")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&seen.body).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn signatures(seen: &Seen) -> Vec<String> {
    let signatures = seen.header("webhook-signature").split(' ');
    signatures.map(str::to_owned).collect()
}

#[test]
fn python_agrees_with_every_signature_while_secrets_change() {
    let receiver = Receiver::saying(OK);
    let sender = Sender::start(settings());
    let (endpoint, first) = sender.endpoint(&receiver.url());
    let store = sender.tenant.store();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let data = json!({ "text": "naïve \u{1f4b6} \"quoted\"", "amount": "129.90" });
    let notice = Notice::new("log:1".to_owned(), Kind::DecisionCreated, now(), &data).unwrap();
    let notice = notice.traced(parent.to_owned());
    sender.tenant.take_in("log", 1, &[notice], now()).unwrap();
    let seen = receiver.wait_for(1);
    assert_eq!(signatures(&seen[0]), [by_python(&first, &seen[0])]);
    assert_eq!(seen[0].header("traceparent"), parent);
    let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(
        (&body["type"], &body["id"], &body["data"]),
        (&json!("decision.created"), &json!("log:1"), &data)
    );
    let sent: i64 = seen[0].header("webhook-timestamp").parse().unwrap();
    assert!((now().millis() / 1000 - sent).abs() < 60);

    // While one replaces the other, both sign; the newer first.
    let second = Secret::generate().unwrap();
    store.add_secret(&endpoint.id, &second, &by()).unwrap();
    sender.tell(2, 2);
    let seen = receiver.wait_for(2);
    assert_eq!(seen[1].header("traceparent"), "");
    let both = [by_python(&second, &seen[1]), by_python(&first, &seen[1])];
    assert_eq!(signatures(&seen[1]), both);
    for secret in [&first, &second] {
        checks(secret, &seen[1]);
    }

    let id = &endpoint.secrets[0].id;
    store.end_secret(&endpoint.id, id, now(), &by()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2));
    sender.tell(3, 3);
    let seen = receiver.wait_for(3);
    assert_eq!(signatures(&seen[2]), [by_python(&second, &seen[2])]);
    sender.wait_for(State::Delivered, 3);
}

/// Our own check, for receivers in Rust and for the command line, of one that Python has confirmed.
fn checks(secret: &Secret, seen: &Seen) {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let [id, timestamp, signature] = names.map(|name| seen.header(name));
    let sent: i64 = timestamp.parse().unwrap();
    let secrets = [Secret::generate().unwrap(), secret.clone()];
    let check = |id, timestamp, signature, body, now| {
        verify(&secrets, (id, timestamp, signature), body, now, Some(300))
    };
    let body = seen.body.as_slice();
    assert_eq!(check(id, timestamp, signature, body, sent + 300), Ok(()));
    let stale = check(id, timestamp, signature, body, sent + 301);
    assert_eq!(stale, Err(VerifyError::Stale(301)));
    let stale = check(id, timestamp, signature, body, sent - 301);
    assert_eq!(stale, Err(VerifyError::Stale(-301)));
    let wrong = Err(VerifyError::Signature);
    let later = (sent + 1).to_string();
    assert_eq!(check(id, &later, signature, body, sent), wrong);
    assert_eq!(check("log:9", timestamp, signature, body, sent), wrong);
    assert_eq!(check(id, timestamp, "v1,AAAA v2,x", body, sent), wrong);
    let mut altered = body.to_vec();
    altered[20] ^= 1;
    assert_eq!(check(id, timestamp, signature, &altered, sent), wrong);
    let odd = check(id, "soon", signature, body, sent);
    assert_eq!(odd, Err(VerifyError::Timestamp));
    let other = [Secret::generate().unwrap()];
    assert_eq!(
        verify(&other, (id, timestamp, signature), body, sent, None),
        wrong
    );
}

#[test]
fn a_secret_has_at_least_32_bytes_and_is_never_told_again() {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let encoded = |bytes: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]));
    let refused = |text: &str| Secret::parse(text).err();
    assert_eq!(
        refused(&encoded(31)),
        Some(Invalid::SecretTooShort { got: 31 })
    );
    assert_eq!(refused(&encoded(32)), None);
    assert_eq!(refused(&encoded(64)), None);
    assert_eq!(
        refused(&encoded(65)),
        Some(Invalid::SecretTooLong { got: 65 })
    );
    assert_eq!(refused("hunter2"), Some(Invalid::SecretFormat));
    assert_eq!(refused("whsec_???"), Some(Invalid::SecretFormat));

    let sender = Sender::start(settings());
    let (endpoint, secret) = sender.endpoint("http://127.0.0.1:9999/");
    let told = secret.reveal();
    let key = told.strip_prefix("whsec_").unwrap();
    let store = sender.tenant.store();
    let changes = store.changes_after(0, 100).unwrap();
    for text in [
        format!("{:?}", store.endpoints().unwrap()),
        format!("{secret:?} {changes:?}"),
    ] {
        assert!(!text.contains(key), "{text}");
    }
    assert_eq!(endpoint.secrets.len(), 1);
}

#[test]
fn one_secret_without_an_end_always_remains() {
    let sender = Sender::start(settings());
    let (endpoint, _) = sender.endpoint("http://127.0.0.1:9999/");
    let store = sender.tenant.store();
    let only = endpoint.secrets[0].id.clone();
    let later = now().plus(Span::hours(1));
    let refused = store.end_secret(&endpoint.id, &only, later, &by());
    assert!(matches!(refused, Err(WebhookError::LastSecret)));
    for _ in 0..3 {
        let secret = Secret::generate().unwrap();
        store.add_secret(&endpoint.id, &secret, &by()).unwrap();
    }
    let secret = Secret::generate().unwrap();
    let refused = store.add_secret(&endpoint.id, &secret, &by());
    assert!(matches!(
        refused,
        Err(WebhookError::TooManySecrets { max: 4 })
    ));
    let past = now().minus(Span::seconds(1));
    let refused = store.end_secret(&endpoint.id, &only, past, &by());
    assert!(matches!(
        refused,
        Err(WebhookError::Invalid(Invalid::ExpiresInPast { .. }))
    ));
    let ended = store.end_secret(&endpoint.id, &only, later, &by()).unwrap();
    assert_eq!(ended.expires_at, Some(later));
    let refused = store.end_secret(&endpoint.id, "sec_0", later, &by());
    assert!(matches!(refused, Err(WebhookError::Unknown(_))));
}
