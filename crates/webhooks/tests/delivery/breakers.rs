//! An endpoint that fails is left alone for a while.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringfence_webhooks::breaker::BreakerSettings;
use ringfence_webhooks::store::deliveries::State;

use crate::receiver::{OK, Receiver, until};
use crate::sender::{Sender, settings};

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
    let attempts: u32 = sender
        .deliveries(State::Pending)
        .iter()
        .map(|it| it.attempts)
        .sum();
    assert!(attempts <= 6, "{attempts}");

    well.store(true, Ordering::SeqCst);
    sender.wait_for(State::Delivered, 40);
    // The other endpoint has noticed nothing.
    assert_eq!(healthy.seen().len(), 20);
    state("closed");
    assert_eq!(receiver.seen().len(), 26);
    let counters = sender.deliverer.counters();
    // Once when it opened, and once for each probe that failed.
    assert_eq!(counters.breaker_opened.get(), 3);
    assert_eq!(counters.delivered.get(), 40);
    assert_eq!(counters.failed.get(), 6);
}
