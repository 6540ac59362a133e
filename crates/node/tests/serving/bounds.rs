//! Invariant I6 at the door: a full box refuses at once, the back office first.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use ringfence_node::mailbox::{BoxLimits, Found, Level, Mailbox, Refused, Wanted};
use ringfence_node::request::{Answer, Failed, Request};

use crate::desk::{Desk, SOON, payment};

proptest! {
    /// Whatever is posted and taken: the box never holds more than its limits, letters leave in order, and a
    /// level is never refused where a lower one would have entered.
    #[test]
    fn the_box_is_bounded_and_sheds_from_below(
        ops in prop::collection::vec(prop::option::of((0_usize..3, 1_usize..40)), 1..300)
    ) {
        let limits = BoxLimits { letters_max: 20, bytes_max: 400 };
        let mailbox: Mailbox<usize> = Mailbox::new(limits);
        let mut model = std::collections::VecDeque::new();
        for (number, op) in ops.into_iter().enumerate() {
            match op {
                None => match mailbox.take(Wanted::All, None) {
                    Found::Letter(letter) => prop_assert_eq!(Some(letter), model.pop_front().map(|it: (usize, usize)| it.0)),
                    Found::Nothing => prop_assert!(model.is_empty()),
                    other => prop_assert!(false, "{other:?}"),
                },
                Some((level, bytes)) => {
                    let held: usize = model.iter().map(|it| it.1).sum();
                    let fits = |level: Level| {
                        let share = level.share_percent();
                        model.len() < 20 * share / 100 && held + bytes <= 400 * share / 100
                    };
                    let level = Level::ALL[level];
                    match mailbox.post(number, bytes, level) {
                        Ok(()) => {
                            prop_assert!(fits(level));
                            prop_assert!(Level::ALL.into_iter().filter(|it| *it < level).all(fits));
                            model.push_back((number, bytes));
                        }
                        Err((back, why)) => {
                            prop_assert_eq!((back, why), (number, Refused::Full));
                            prop_assert!(!fits(level));
                            prop_assert!(!Level::ALL.into_iter().filter(|it| *it > level).any(fits));
                        }
                    }
                }
            }
            let load = mailbox.load();
            prop_assert_eq!(load, (model.len(), model.iter().map(|it| it.1).sum()));
        }
    }
}

#[test]
fn a_closed_box_gives_out_what_it_holds_and_takes_no_more() {
    let mailbox: Mailbox<i32> = Mailbox::new(BoxLimits {
        letters_max: 4,
        bytes_max: 100,
    });
    mailbox.post(1, 1, Level::L1).unwrap();
    mailbox.close();
    assert_eq!(mailbox.post(2, 1, Level::L1), Err((2, Refused::Closed)));
    assert!(matches!(mailbox.take(Wanted::All, None), Found::Letter(1)));
    let until = Some(Instant::now() + SOON);
    assert!(matches!(mailbox.take(Wanted::All, until), Found::Closed));
}

#[test]
fn an_empty_box_waits_for_the_first_letter_from_another_thread() {
    let mailbox = std::sync::Arc::new(Mailbox::<i32>::new(BoxLimits {
        letters_max: 4,
        bytes_max: 100,
    }));
    let sender = mailbox.clone();
    let poster = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        sender.post(7, 1, Level::L3).unwrap();
    });
    let until = Some(Instant::now() + SOON);
    assert!(matches!(mailbox.take(Wanted::All, until), Found::Letter(7)));
    poster.join().unwrap();
}

#[test]
fn what_is_past_its_deadline_or_left_by_its_client_is_not_decided() {
    let desk = Desk::new();
    let tenant = desk.tenant("acme");
    let decide = |number| Request::Decide {
        event: Box::new(payment(number)),
        explain: false,
    };
    let late = tenant
        .ask(decide(1), 10, Level::L2, Instant::now())
        .unwrap()
        .blocking_recv()
        .unwrap();
    assert!(matches!(late, Err(Failed::Expired)), "{late:?}");
    // While the owner is busy with a commit nobody looks at the second letter.
    let gone = (2..200)
        .map(|number| tenant.ask(decide(number), 10, Level::L1, Instant::now() + SOON))
        .filter(Result::is_ok)
        .count();
    assert_eq!(gone, 198);
    let last = tenant.ask(decide(200), 10, Level::L1, Instant::now() + SOON);
    let last = last.unwrap().blocking_recv().unwrap();
    assert!(matches!(last, Ok(Answer::Decided(..))), "{last:?}");
    let counters = tenant.counters();
    assert_eq!(counters.expired.each_ref().map(|it| it.get()), [0, 1, 0]);
    let decided: u64 = counters.decisions.iter().flatten().map(|it| it.get()).sum();
    // Those that the owner reached before their client let go are decided; the others cost nothing.
    assert!(
        decided < 190,
        "{decided} decided of 198 that nobody waits for"
    );
    let abandoned = counters.abandoned.get();
    assert!(
        abandoned + decided >= 199,
        "{abandoned} abandoned, {decided} decided"
    );
}
