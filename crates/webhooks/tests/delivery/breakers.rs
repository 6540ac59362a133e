//! An endpoint that fails is left alone for a while.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringfence_webhooks::breaker::BreakerSettings;
use ringfence_webhooks::store::deliveries::State;

use crate::receiver::{OK, Receiver, Seen, until};
use crate::sender::{Sender, by, settings};

#[test]
fn a_probe_runs_alone() {
    let receiver = Receiver::saying("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let mut settings = settings();
    settings.retry.attempts_max = 1000;
    settings.breaker = BreakerSettings {
        failures: 4,
        pause: Duration::from_secs(1),
        pause_max: Duration::from_secs(1),
    };
    let sender = Sender::start(settings);
    sender.endpoint(&receiver.url());
    sender.tell(1, 20);
    // Some at once until it opens; then, a pause apart, one and one.
    let groups = until(|| {
        let seen = receiver.seen();
        let apart = |a: &Seen, b: &Seen| b.at - a.at < Duration::from_millis(900);
        let groups: Vec<usize> = seen.chunk_by(apart).map(<[Seen]>::len).collect();
        (groups.len() >= 3).then_some(groups)
    });
    assert!((4..=7).contains(&groups[0]), "{groups:?}");
    assert_eq!(groups[1], 1, "{groups:?}");
}

#[test]
fn another_url_is_another_receiver() {
    let ill = Receiver::saying("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let mut settings = settings();
    settings.breaker = BreakerSettings {
        failures: 1,
        pause: Duration::from_secs(3600),
        pause_max: Duration::from_secs(3600),
    };
    let sender = Sender::start(settings);
    let (endpoint, _) = sender.endpoint(&ill.url());
    sender.tell(1, 1);
    until(|| (sender.tenant.breaker(&endpoint.id) == "open").then_some(()));
    let well = Receiver::saying(OK);
    let mut draft = endpoint.draft.clone();
    draft.url = well.url();
    let store = sender.tenant.store();
    store.change(&endpoint.id, &draft, &by()).unwrap();
    sender.tenant.wake();
    sender.wait_for(State::Delivered, 1);
}

#[test]
fn it_opens_lets_one_probe_through_and_closes_when_the_receiver_is_back() {
    let well = Arc::new(AtomicBool::new(false));
    let asked = well.clone();
    let receiver = Receiver::start(move |_, stream| {
        let no = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
        let answer = if asked.load(Ordering::SeqCst) { OK } else { no };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let mut settings = settings();
    settings.at_once.endpoint = 1;
    settings.retry.first = Duration::from_millis(1);
    settings.retry.max = Duration::from_millis(2);
    settings.retry.attempts_max = 1000;
    settings.breaker = BreakerSettings {
        failures: 4,
        pause: Duration::from_millis(300),
        pause_max: Duration::from_secs(2),
    };
    let sender = Sender::start(settings);
    let (endpoint, _) = sender.endpoint(&receiver.url());
    let healthy = Receiver::saying(OK);
    sender.endpoint(&healthy.url());
    sender.tell(1, 20);
    let state = |wanted: &'static str| {
        until(|| (sender.tenant.breaker(&endpoint.id) == wanted).then_some(()));
    };
    state("open");
    // Six requests: four until it opened, then a probe after 300 ms, then one 600 ms later.
    let seen = receiver.wait_for(6);
    assert!(seen[4].at - seen[3].at >= Duration::from_millis(290));
    assert!(seen[5].at - seen[4].at >= Duration::from_millis(590));
    // What waits has paid for no attempt.
    let pending = sender.deliveries(State::Pending);
    let untried = pending
        .iter()
        .filter(|it| it.endpoint == endpoint.id && it.attempts == 0);
    assert!(untried.count() >= 20 - receiver.seen().len());

    well.store(true, Ordering::SeqCst);
    sender.wait_for(State::Delivered, 40);
    // The other endpoint has noticed nothing.
    assert_eq!(healthy.seen().len(), 20);
    state("closed");
    let failed = receiver.seen().len() as u64 - 20;
    let counters = sender.deliverer.counters();
    assert_eq!(counters.delivered.get(), 40);
    assert_eq!(counters.failed.get(), failed);
    // Once after the fourth failure, and once for each probe that failed.
    assert_eq!(counters.breaker_opened.get(), failed - 3);
}
