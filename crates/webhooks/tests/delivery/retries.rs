//! Failures and what follows: again, later, given up, once more by hand.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringfence_webhooks::WebhookError;
use ringfence_webhooks::settings::Settings;
use ringfence_webhooks::store::deliveries::State;

use crate::receiver::{OK, Receiver, until};
use crate::sender::{Sender, by, settings};

const NO: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nnope";

#[test]
fn a_receiver_that_fails_is_tried_again_until_it_accepts() {
    let receiver = Receiver::start(|number, stream| {
        let answer = if number < 3 { NO } else { OK };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let sender = Sender::start(settings());
    sender.endpoint(&receiver.url());
    sender.tell(1, 1);
    let delivered = sender.wait_for(State::Delivered, 1);
    let seen = receiver.seen();
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[0].line, "POST /hook?of=test HTTP/1.1");
    assert_eq!(seen[0].header("content-type"), "application/json");
    assert_eq!(seen[0].header("host"), receiver.address.to_string());
    // The same notice every time, to the byte, under the same id.
    for it in &seen {
        assert_eq!(it.header("webhook-id"), "log:1");
        assert_eq!(it.body, seen[0].body);
    }
    // At least half of 20, 40, 80 ms.
    for (pair, pause) in seen.windows(2).zip([10, 20, 40]) {
        let waited = pair[1].at - pair[0].at;
        assert!(waited >= Duration::from_millis(pause), "{waited:?}");
    }
    let store = sender.tenant.store();
    let (delivery, attempts, body) = store.delivery(delivered[0].id).unwrap();
    assert_eq!((delivery.attempts, delivery.error), (4, None));
    assert_eq!(body.as_bytes(), seen[0].body);
    let told: Vec<_> = attempts
        .iter()
        .map(|it| (it.number, it.status, it.error.as_deref(), &*it.detail))
        .collect();
    assert_eq!(
        told,
        [
            (1, Some(500), Some("status"), "nope"),
            (2, Some(500), Some("status"), "nope"),
            (3, Some(500), Some("status"), "nope"),
            (4, Some(200), None, "ok"),
        ]
    );
}

#[test]
fn what_is_given_up_waits_for_somebody_who_sends_it_again() {
    let receiver = Receiver::start(|number, stream| {
        let answer = if number < 10 { NO } else { OK };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let sender = Sender::start(settings());
    let (endpoint, _) = sender.endpoint(&receiver.url());
    sender.tell(1, 2);
    let dead = sender.wait_for(State::Dead, 2);
    assert_eq!(receiver.seen().len(), 10);
    assert!(dead.iter().all(|it| it.attempts == 5));
    let store = sender.tenant.store();
    assert_eq!(store.endpoint(&endpoint.id).unwrap().dead, 2);

    let again = store.redeliver(dead[0].id, &by()).unwrap();
    assert_eq!(again.state, State::Pending);
    sender.tenant.wake();
    sender.wait_for(State::Delivered, 1);
    assert_eq!(store.redeliver_dead(&endpoint.id, &by()).unwrap(), 1);
    sender.tenant.wake();
    let delivered = sender.wait_for(State::Delivered, 2);
    assert_eq!(receiver.seen().len(), 12);
    // The log goes on where it was.
    assert!(delivered.iter().all(|it| it.attempts == 6));

    // A receiver that has lost what it took.
    store.redeliver(dead[0].id, &by()).unwrap();
    sender.tenant.wake();
    receiver.wait_for(13);
    sender.wait_for(State::Delivered, 2);
    let (_, attempts, _) = store.delivery(dead[0].id).unwrap();
    assert_eq!(attempts.last().unwrap().number, 7);
    let gone = store.redeliver(99, &by());
    assert!(matches!(gone, Err(WebhookError::Unknown(_))));
}

#[test]
fn a_delivery_is_given_up_by_its_age_too() {
    let mut settings = settings();
    settings.retry.attempts_max = 1000;
    settings.retry.give_up_after = Duration::from_millis(300);
    let receiver = Receiver::saying(NO);
    let sender = Sender::start(settings);
    sender.endpoint(&receiver.url());
    sender.tell(1, 1);
    let dead = sender.wait_for(State::Dead, 1);
    // By its last attempt, and not by a look at what is old.
    assert_eq!(dead[0].error.as_deref(), Some("status"));
    assert!(dead[0].attempts >= 3, "{dead:?}");
}

#[test]
fn a_disabled_endpoint_is_sent_nothing_until_it_is_enabled() {
    let receiver = Receiver::start(|number, stream| {
        let answer = if number < 2 { NO } else { OK };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let mut settings = settings();
    settings.retry.first = Duration::from_millis(400);
    settings.retry.max = Duration::from_millis(400);
    let sender = Sender::start(settings);
    let (endpoint, _) = sender.endpoint(&receiver.url());
    let store = sender.tenant.store();
    sender.tell(1, 2);
    until(|| {
        let pending = sender.deliveries(State::Pending);
        pending.iter().all(|it| it.attempts == 1).then_some(())
    });
    let mut draft = endpoint.draft.clone();
    draft.enabled = false;
    store.change(&endpoint.id, &draft, &by()).unwrap();
    sender.tenant.wake();
    // Both are due by then.
    thread::sleep(Duration::from_millis(600));
    sender.tenant.wake();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(receiver.seen().len(), 2);
    draft.enabled = true;
    store.change(&endpoint.id, &draft, &by()).unwrap();
    sender.tenant.wake();
    sender.wait_for(State::Delivered, 2);
}

#[test]
fn a_receiver_cannot_put_a_delivery_off_for_longer_than_the_longest_pause() {
    let receiver = Receiver::start(|number, stream| {
        let busy = "HTTP/1.1 503 No\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n";
        let answer = if number == 0 { busy } else { OK };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let sender = Sender::start(settings());
    sender.endpoint(&receiver.url());
    sender.tell(1, 1);
    sender.wait_for(State::Delivered, 1);
}

#[test]
fn a_receiver_says_when_it_wants_to_be_asked_again() {
    let receiver = Receiver::start(|number, stream| {
        let busy = "HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
        let answer = if number == 0 { busy } else { OK };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let mut settings = settings();
    settings.retry.max = Duration::from_secs(2);
    let sender = Sender::start(settings);
    sender.endpoint(&receiver.url());
    sender.tell(1, 1);
    let seen = receiver.wait_for(2);
    let waited = seen[1].at - seen[0].at;
    assert!(waited >= Duration::from_millis(950), "{waited:?}");
}

/// A receiver that takes a moment, and the most requests it had at once: one is over before its answer is on its way.
fn counting() -> (Receiver, Arc<AtomicUsize>) {
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let receiver = Receiver::start(move |_, stream| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(30));
        now.fetch_sub(1, Ordering::SeqCst);
        stream.write_all(OK.as_bytes()).is_ok()
    });
    (receiver, seen)
}

#[test]
fn attempts_at_once_are_bounded_and_connections_are_used_again() {
    let (receiver, most) = counting();
    let sender = Sender::start(settings());
    sender.endpoint(&receiver.url());
    sender.tell(1, 60);
    sender.wait_for(State::Delivered, 60);
    assert_eq!(most.load(Ordering::SeqCst), 4);
    let connections = receiver.connections.load(Ordering::SeqCst);
    assert!(connections <= 8, "{connections} connections");
}

#[test]
fn a_tenant_and_the_process_have_bounds_of_their_own() {
    use ringfence_webhooks::settings::AtOnce;
    for (tenant, all, most) in [(5, 64, 5), (16, 2, 2)] {
        let (receiver, seen) = counting();
        let endpoint = 4;
        let at_once = AtOnce {
            endpoint,
            tenant,
            all,
        };
        let sender = Sender::start(Settings {
            at_once,
            ..settings()
        });
        for _ in 0..2 {
            sender.endpoint(&receiver.url());
        }
        sender.tell(1, 20);
        sender.wait_for(State::Delivered, 40);
        assert_eq!(seen.load(Ordering::SeqCst), most, "{at_once:?}");
    }
}

#[test]
fn a_slow_tenant_does_not_keep_another_waiting() {
    let hanging = Receiver::start(|_, _| {
        thread::sleep(Duration::from_secs(60));
        false
    });
    let quick = Receiver::saying(OK);
    let sender = Sender::start(Settings {
        attempt: Duration::from_secs(20),
        ..settings()
    });
    sender.endpoint(&hanging.url());
    let other_folder = tempfile::TempDir::new().unwrap();
    let other = sender.deliverer.open("other", other_folder.path()).unwrap();
    let secret = ringfence_webhooks::secret::Secret::generate().unwrap();
    let draft = crate::sender::draft(&quick.url());
    other.store().create(&draft, &secret, &by()).unwrap();

    sender.tell(1, 100);
    hanging.wait_for(4);
    let start = Instant::now();
    let notices = crate::sender::notices(7..=7);
    other
        .take_in("log", 7, &notices, crate::sender::now())
        .unwrap();
    let seen = quick.wait_for(1);
    assert!(start.elapsed() < Duration::from_secs(10));
    // What is one tenant's reaches only its endpoints.
    assert_eq!(seen[0].header("webhook-id"), "log:7");
    until(|| (hanging.seen().len() == 4).then_some(()));
    assert!(
        hanging
            .seen()
            .iter()
            .all(|it| it.header("webhook-id") != "log:7")
    );
    assert_eq!(other.store().cursor("log").unwrap(), Some(7));
    assert_eq!(sender.tenant.store().cursor("log").unwrap(), Some(100));
}
