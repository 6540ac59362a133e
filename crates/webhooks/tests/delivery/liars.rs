//! Receivers that hang, break off, redirect, or say one thing and do another. Each is told apart in the log.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringfence_webhooks::store::deliveries::{Attempt, State};

use crate::receiver::{OK, Receiver, until};
use crate::sender::{Sender, settings};

/// The first attempt at the first delivery, and how many requests the receiver has seen when it was over.
fn first(
    within: Duration,
    answer: impl Fn(usize, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> (Attempt, usize, Sender) {
    let receiver = Receiver::start(answer);
    let mut settings = settings();
    settings.attempt = within;
    settings.retry.first = Duration::from_secs(60);
    settings.retry.max = Duration::from_secs(60);
    let sender = Sender::start(settings);
    sender.endpoint(&receiver.url());
    sender.tell(1, 1);
    let store = sender.tenant.store();
    let attempt = until(|| {
        let (_, mut attempts, _) = store.delivery(1).unwrap();
        attempts.pop()
    });
    (attempt, receiver.seen().len(), sender)
}

fn check(
    expected: (Option<u16>, Option<&str>, State),
    answer: impl Fn(usize, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> Attempt {
    check_within(Duration::from_secs(10), expected, answer)
}

fn check_within(
    within: Duration,
    expected: (Option<u16>, Option<&str>, State),
    answer: impl Fn(usize, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> Attempt {
    let (attempt, seen, sender) = first(within, answer);
    let (delivery, ..) = sender.tenant.store().delivery(1).unwrap();
    let found = (attempt.status, attempt.error.as_deref(), delivery.state);
    assert_eq!(found, expected, "{}", attempt.detail);
    assert_eq!(seen, 1, "one attempt is one request");
    attempt
}

const SHORT: Duration = Duration::from_millis(400);

fn say(text: &'static str) -> impl Fn(usize, &mut TcpStream) -> bool {
    move |_, stream| stream.write_all(text.as_bytes()).is_ok()
}

#[test]
fn a_redirect_is_a_failure_and_is_not_followed() {
    let elsewhere = Receiver::saying(OK);
    let there = elsewhere.url();
    let expected = (Some(307), Some("redirect"), State::Pending);
    check(expected, move |_, stream| {
        let head = format!("HTTP/1.1 307 There\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).is_ok()
    });
    assert_eq!(elsewhere.seen().len(), 0);
}

#[test]
fn one_that_hangs_is_left_after_the_time_of_an_attempt() {
    let expected = (None, Some("timeout"), State::Pending);
    let attempt = check_within(SHORT, expected, |_, _| {
        thread::sleep(Duration::from_secs(30));
        false
    });
    assert!(
        attempt.latency >= Duration::from_millis(395),
        "{:?}",
        attempt.latency
    );
    assert!(
        attempt.latency < Duration::from_secs(5),
        "{:?}",
        attempt.latency
    );
}

#[test]
fn a_200_that_comes_too_late_is_no_success() {
    let expected = (None, Some("timeout"), State::Pending);
    check_within(SHORT, expected, |_, stream| {
        thread::sleep(Duration::from_millis(800));
        // The other side may be gone.
        let _ = stream.write_all(OK.as_bytes());
        false
    });
}

#[test]
fn a_head_without_an_end_is_no_answer() {
    let expected = (None, Some("bad_answer"), State::Pending);
    check(expected, |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream
            .write_all(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")
            .is_ok()
        {}
        false
    });
}

#[test]
fn a_bad_status_line_is_no_answer() {
    let expected = (None, Some("bad_answer"), State::Pending);
    check(expected, say("HTTP/1.1 two hundred\r\n\r\n"));
    check(expected, say("220 mail.example.org ESMTP\r\n"));
    check(expected, say("HTTP/1.1 200 OK\r\nno header\r\n\r\n"));
}

#[test]
fn one_that_closes_before_its_head_is_whole_has_not_answered() {
    let expected = (None, Some("closed_early"), State::Pending);
    check(expected, |_, _| false);
    check(expected, |_, stream| {
        stream.write_all(b"HTTP/1.1 200 O").unwrap();
        false
    });
}

#[test]
fn a_body_without_an_end_is_read_no_further_than_its_bound() {
    let (start, written) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let count = written.clone();
    let attempt = check((Some(200), None, State::Delivered), move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(&[b'x'; 4096]).is_ok() {
            count.fetch_add(4096, Ordering::SeqCst);
        }
        false
    });
    assert_eq!(attempt.detail, "x".repeat(1024));
    assert!(start.elapsed() < Duration::from_secs(10));
    // 16 KiB, and what the system's buffers on both sides hold.
    let written = written.load(Ordering::SeqCst);
    assert!(written < 16 << 20, "{written} bytes");
}

#[test]
fn a_body_that_drips_keeps_nobody() {
    let attempt = check(
        (Some(204), None, State::Delivered),
        say("HTTP/1.1 204 No\r\n\r\n"),
    );
    assert_eq!(attempt.detail, "");
    let attempt = check((Some(503), Some("status"), State::Pending), |_, stream| {
        let head = "HTTP/1.1 503 No\r\nContent-Length: 1000\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(b".").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
        false
    });
    assert!(
        attempt.latency < Duration::from_secs(3),
        "{:?}",
        attempt.latency
    );
    assert!(attempt.detail.starts_with(".."), "{}", attempt.detail);
}

#[test]
fn a_request_that_meets_its_connection_s_end_is_sent_once_more_at_once() {
    // The second request of the first connection gets no answer.
    let receiver =
        Receiver::start(|number, stream| number != 1 && stream.write_all(OK.as_bytes()).is_ok());
    let sender = Sender::start(settings());
    sender.endpoint(&receiver.url());
    sender.tell(1, 1);
    sender.wait_for(State::Delivered, 1);
    sender.tell(2, 2);
    let delivered = sender.wait_for(State::Delivered, 2);
    assert!(delivered.iter().all(|it| it.attempts == 1), "{delivered:?}");
    assert_eq!(receiver.seen().len(), 3);
}

#[test]
fn a_connection_that_was_closed_between_two_requests_costs_no_attempt() {
    // Keeps the connection after the first answer, and drops it a moment later.
    let receiver = Receiver::start(|_, stream| {
        stream.write_all(OK.as_bytes()).unwrap();
        false
    });
    let sender = Sender::start(settings());
    sender.endpoint(&receiver.url());
    for number in 1..=5 {
        sender.tell(number, number);
        let delivered = sender.wait_for(State::Delivered, number as usize);
        assert!(delivered.iter().all(|it| it.attempts == 1), "{delivered:?}");
    }
}
