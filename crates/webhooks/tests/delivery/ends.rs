//! Ends: a crash, a stop, a tenant that is erased.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringfence_webhooks::store::FILE;
use ringfence_webhooks::store::deliveries::State;
use ringfence_webhooks::{Store, WebhookError};

use crate::receiver::{OK, Receiver};
use crate::sender::{Sender, mode, now, settings};

#[test]
fn a_crash_in_the_middle_of_attempts_loses_nothing() {
    let well = Arc::new(AtomicBool::new(false));
    let asked = well.clone();
    let receiver = Receiver::start(move |number, stream| {
        if !asked.load(Ordering::SeqCst) && number >= 3 {
            thread::sleep(Duration::from_secs(60));
        }
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let mut settings = settings();
    settings.attempt = Duration::from_secs(60);
    let sender = Sender::start(settings.clone());
    sender.endpoint(&receiver.url());
    sender.tell(1, 10);
    // Three are delivered, four hang on their sockets, three have not been tried.
    receiver.wait_for(7);
    sender.wait_for(State::Delivered, 3);
    let folder = sender.crash();

    well.store(true, Ordering::SeqCst);
    let sender = Sender::over(folder, settings);
    sender.wait_for(State::Delivered, 10);
    let mut ids: Vec<String> = receiver
        .seen()
        .iter()
        .map(|it| it.header("webhook-id").to_owned())
        .collect();
    assert_eq!(ids.len(), 14, "the four that hung came twice");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
    // The source goes on where it was.
    assert_eq!(sender.tenant.store().cursor("log").unwrap(), Some(10));
}

#[test]
fn a_stop_lets_attempts_end_and_leaves_the_rest_on_disk() {
    let receiver = Receiver::start(|_, stream| {
        thread::sleep(Duration::from_millis(200));
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let sender = Sender::start(settings());
    sender.endpoint(&receiver.url());
    sender.tell(1, 12);
    receiver.wait_for(4);
    sender.deliverer.stop(Duration::from_secs(20));
    let seen = receiver.seen().len();
    assert!(seen < 12, "{seen}");
    let refused = sender.deliverer.open("acme", sender.folder.path());
    assert!(matches!(refused, Err(WebhookError::Closed)));
    // Each that was begun is written down as delivered.
    let store = Store::open(sender.folder.path(), settings()).unwrap();
    let delivered = store
        .deliveries(
            &ringfence_webhooks::store::deliveries::Filter {
                state: Some(State::Delivered),
                ..Default::default()
            },
            100,
        )
        .unwrap();
    assert_eq!(delivered.len(), seen);
}

#[test]
fn a_stop_does_not_wait_longer_than_it_may() {
    let receiver = Receiver::start(|_, _| {
        thread::sleep(Duration::from_secs(60));
        false
    });
    let mut settings = settings();
    settings.attempt = Duration::from_secs(60);
    let sender = Sender::start(settings);
    sender.endpoint(&receiver.url());
    sender.tell(1, 1);
    receiver.wait_for(1);
    let start = Instant::now();
    sender.deliverer.stop(Duration::from_millis(100));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_barred_tenant_is_closed_until_it_is_admitted() {
    let receiver = Receiver::start(|_, _| {
        thread::sleep(Duration::from_secs(60));
        false
    });
    let sender = Sender::start(settings());
    let path = sender.folder.path();
    assert_eq!(mode(&path.join(FILE)), 0o600);
    sender.endpoint(&receiver.url());
    sender.tell(1, 1);
    receiver.wait_for(1);
    sender.deliverer.bar("acme");
    let told = sender.tenant.take_in("log", 2, &[], now());
    assert!(matches!(told, Err(WebhookError::Closed)));
    // The last connection has taken the side files with it.
    assert!(!path.join("webhooks.db-wal").exists());
    for entry in path.read_dir().unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let refused = sender.deliverer.open("acme", path);
    assert!(matches!(refused, Err(WebhookError::Closed)));
    assert_eq!(path.read_dir().unwrap().count(), 0);
    sender.deliverer.admit("acme");
    assert!(sender.deliverer.open_used("acme", path).unwrap().is_none());
    let fresh = sender.deliverer.open("acme", path).unwrap();
    assert!(fresh.store().endpoints().unwrap().is_empty());
}
