//! The file: what is taken in once, what a person changes, what is kept and what is removed.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::time::Duration;

use event::{EventTime, Span};
use proptest::prelude::*;
use ringfence_webhooks::address::Reach;
use ringfence_webhooks::backoff::Retry;
use ringfence_webhooks::breaker::BreakerSettings;
use ringfence_webhooks::endpoint::{By, Draft, Kinds};
use ringfence_webhooks::error::Invalid;
use ringfence_webhooks::secret::Secret;
use ringfence_webhooks::settings::AtOnce;
use ringfence_webhooks::store::deliveries::{Filter, State};
use ringfence_webhooks::store::outbox::{Attempted, Next, Taken};
use ringfence_webhooks::{Kind, Notice, Settings, Store, WebhookError};
use serde_json::{Value, json};
use tempfile::TempDir;

const NOW: EventTime = EventTime::from_millis(1_790_000_000_000);

fn settings() -> Settings {
    Settings {
        reach: Reach::default(),
        authorities: None,
        connect: Duration::from_secs(1),
        attempt: Duration::from_secs(1),
        retry: Retry {
            first: Duration::from_secs(5),
            max: Duration::from_secs(3600),
            attempts_max: 5,
            give_up_after: Duration::from_secs(3 * 86_400),
        },
        breaker: BreakerSettings {
            failures: 5,
            pause: Duration::from_secs(10),
            pause_max: Duration::from_secs(600),
        },
        at_once: AtOnce {
            endpoint: 4,
            tenant: 16,
            all: 64,
        },
        endpoints_max: 3,
        data_bytes_max: 200,
        rows_max: 4,
        keep: Duration::from_secs(7 * 86_400),
    }
}

fn by(at: EventTime) -> By {
    By {
        actor: "ann".to_owned(),
        why: "because".to_owned(),
        at,
    }
}

fn draft(kinds: &[&str]) -> Draft {
    Draft {
        url: "https://hooks.example.org/in".to_owned(),
        kinds: Kinds::parse(kinds).unwrap(),
        description: "the team's".to_owned(),
        enabled: true,
    }
}

fn notice(number: u64, kind: Kind) -> Notice {
    let data = json!({ "number": number });
    Notice::new(format!("log:{number}"), kind, NOW, &data).unwrap()
}

fn open(folder: &TempDir) -> Store {
    Store::open(folder.path(), settings()).unwrap()
}

fn endpoint(store: &Store, kinds: &[&str]) -> String {
    let secret = Secret::generate().unwrap();
    store.create(&draft(kinds), &secret, &by(NOW)).unwrap().id
}

fn told(store: &Store, endpoint: &str) -> Vec<String> {
    let filter = Filter {
        endpoint: Some(endpoint.to_owned()),
        ..Filter::default()
    };
    let found = store.deliveries(&filter, 1000).unwrap();
    found.into_iter().map(|it| it.notice).collect()
}

#[test]
fn an_endpoint_gets_the_kinds_it_wants_from_when_it_is_made() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let take = |upto, notices: &[Notice]| store.take_in("log", upto, notices, NOW).unwrap();
    assert_eq!(store.cursor("log").unwrap(), None);
    take(0, &[notice(0, Kind::DecisionCreated)]);
    assert_eq!(store.cursor("log").unwrap(), Some(0));
    let every = endpoint(&store, &["*"]);
    let alerts = endpoint(&store, &["case.updated", "alert.created", "alert.created"]);
    let taken = take(
        3,
        &[
            notice(1, Kind::DecisionCreated),
            notice(3, Kind::AlertCreated),
        ],
    );
    assert_eq!(
        taken,
        Taken {
            pending: 3,
            refused: 0
        }
    );
    assert_eq!(told(&store, &every), ["log:3", "log:1"]);
    assert_eq!(told(&store, &alerts), ["log:3"]);
    let mut off = draft(&["*"]);
    off.enabled = false;
    store.change(&every, &off, &by(NOW)).unwrap();
    assert_eq!(take(4, &[notice(4, Kind::ModelChanged)]), Taken::default());
    assert_eq!(store.cursor("log").unwrap(), Some(4));
    let ping = store.ping(&every, &by(NOW));
    assert!(matches!(ping, Err(WebhookError::Disabled)));
    // An endpoint that wants no decision is pinged all the same.
    let ping = store.ping(&alerts, &by(NOW)).unwrap();
    assert_eq!(store.delivery(ping).unwrap().0.kind, "webhook.ping");
    assert_eq!(told(&store, &every).len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// However often a source is read again from wherever, and the file is closed in between: each notice once, and
    /// none is passed over.
    #[test]
    fn each_notice_becomes_one_delivery(steps in prop::collection::vec((0_u64..12, 0_u64..5, any::<bool>()), 1..12)) {
        let folder = TempDir::new().unwrap();
        let settings = Settings { rows_max: 1000, ..settings() };
        let mut store = Store::open(folder.path(), settings.clone()).unwrap();
        let endpoint = endpoint(&store, &["*"]);
        for (back, ahead, again) in steps {
            let next = store.cursor("log").unwrap().map_or(0, |it| it + 1);
            let from = next.saturating_sub(back);
            let upto = next + ahead;
            let notices: Vec<Notice> = (from..=upto).map(|it| notice(it, Kind::LabelRecorded)).collect();
            store.take_in("log", upto, &notices, NOW).unwrap();
            // What is behind the cursor is not looked at.
            store.take_in("log", from, &[notice(999, Kind::LabelRecorded)], NOW).unwrap();
            if again {
                drop(store);
                store = Store::open(folder.path(), settings.clone()).unwrap();
            }
        }
        let upto = store.cursor("log").unwrap().unwrap();
        let expected: Vec<String> = (0..=upto).rev().map(|it| format!("log:{it}")).collect();
        prop_assert_eq!(told(&store, &endpoint), expected);
    }
}

#[test]
fn sources_do_not_hear_of_each_other() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    store.take_in("log", 70, &[], NOW).unwrap();
    store.take_in("cases", 3, &[], NOW).unwrap();
    assert_eq!(store.cursor("log").unwrap(), Some(70));
    assert_eq!(store.cursor("cases").unwrap(), Some(3));
    // The log was cut: what comes at its old places is new. It never goes ahead so.
    store.go_back("log", 50).unwrap();
    store.go_back("cases", 50).unwrap();
    let id = endpoint(&store, &["*"]);
    store
        .take_in("log", 60, &[notice(60, Kind::LabelRecorded)], NOW)
        .unwrap();
    assert_eq!(store.cursor("log").unwrap(), Some(60));
    assert_eq!(store.cursor("cases").unwrap(), Some(3));
    assert_eq!(told(&store, &id), ["log:60"]);
}

#[test]
fn a_full_queue_makes_dead_letters_and_data_that_are_too_large_are_left_out() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let id = endpoint(&store, &["*"]);
    let notices: Vec<Notice> = (1..=6).map(|it| notice(it, Kind::LabelRecorded)).collect();
    let taken = store.take_in("log", 6, &notices, NOW).unwrap();
    assert_eq!(
        taken,
        Taken {
            pending: 4,
            refused: 2
        }
    );
    let found = store.deliveries(&Filter::default(), 10).unwrap();
    let dead = |it: &&ringfence_webhooks::store::deliveries::Delivery| it.state == State::Dead;
    let dead: Vec<_> = found.iter().filter(dead).collect();
    assert_eq!(dead.len(), 2);
    assert!(
        dead.iter()
            .all(|it| it.error.as_deref() == Some("queue_full"))
    );
    // No room yet.
    assert_eq!(store.redeliver_dead(&id, &by(NOW)).unwrap(), 0);

    let other = endpoint(&store, &["*"]);
    let large = json!({ "text": "x".repeat(200) });
    let large = Notice::new("log:7".to_owned(), Kind::LabelRecorded, NOW, &large).unwrap();
    store.take_in("log", 7, &[large], NOW).unwrap();
    let filter = Filter {
        endpoint: Some(other),
        ..Filter::default()
    };
    let found = store.deliveries(&filter, 10).unwrap();
    let (.., body) = store.delivery(found[0].id).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["data"], Value::Null);
    assert_eq!(body["omitted_bytes"], 211);
}

#[test]
fn every_change_has_a_row_with_what_was_before_and_after() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let id = endpoint(&store, &["alert.created"]);
    let secret = Secret::generate().unwrap();
    let added = store.add_secret(&id, &secret, &by(NOW)).unwrap();
    let mut changed = draft(&["*"]);
    changed.description = String::new();
    store.change(&id, &changed, &by(NOW)).unwrap();
    let first = store.endpoint(&id).unwrap().secrets[0].id.clone();
    let end = NOW.plus(Span::hours(24));
    store.end_secret(&id, &first, end, &by(NOW)).unwrap();
    store.ping(&id, &by(NOW)).unwrap();
    store.redeliver_dead(&id, &by(NOW)).unwrap();
    store.remove(&id, &by(NOW)).unwrap();
    // What is refused leaves none.
    assert!(store.remove(&id, &by(NOW)).is_err());
    let long = By {
        why: "x".repeat(513),
        ..by(NOW)
    };
    let secret = Secret::generate().unwrap();
    let refused = store.create(&draft(&["*"]), &secret, &long);
    let too_long = Invalid::TooLong {
        field: "why",
        max: 512,
        got: 513,
    };
    assert!(matches!(refused, Err(WebhookError::Invalid(it)) if it == too_long));

    let changes = store.changes_after(0, 100).unwrap();
    let actions: Vec<(&str, &str)> = changes
        .iter()
        .map(|it| (&*it.action, &*it.target))
        .collect();
    assert_eq!(
        actions,
        [
            ("endpoint.created", &*id),
            ("secret.added", &added.id),
            ("endpoint.changed", &id),
            ("secret.ended", &first),
            ("endpoint.pinged", &id),
            ("endpoint.redelivered", &id),
            ("endpoint.removed", &id),
        ]
    );
    let value = |text: &Option<String>| -> Value {
        let text = text.as_deref().unwrap_or("null");
        serde_json::from_str(text).unwrap()
    };
    let (before, after) = (value(&changes[2].before), value(&changes[2].after));
    assert_eq!(before["kinds"], json!(["alert.created"]));
    assert_eq!(after["kinds"], json!(["*"]));
    assert_eq!(
        (&before["description"], &after["description"]),
        (&json!("the team's"), &json!(""))
    );
    let (before, after) = (value(&changes[3].before), value(&changes[3].after));
    assert_eq!(before["expires_at"], Value::Null);
    assert_eq!(after["expires_at"], end.to_string());
    assert_eq!(value(&changes[6].after), Value::Null);
    for change in &changes {
        assert_eq!(
            (&*change.actor, &*change.why, change.at),
            ("ann", "because", NOW)
        );
    }
    let rest = store.changes_after(changes[4].seq, 1).unwrap();
    assert_eq!(rest, changes[5..6]);
}

#[test]
fn endpoints_have_limits() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    for _ in 0..3 {
        endpoint(&store, &["*"]);
    }
    let secret = Secret::generate().unwrap();
    let refused = store.create(&draft(&["*"]), &secret, &by(NOW));
    assert!(matches!(
        refused,
        Err(WebhookError::TooManyEndpoints { max: 3 })
    ));
    let mut long = draft(&["*"]);
    long.description = "x".repeat(257);
    let id = store.endpoints().unwrap()[0].id.clone();
    let refused = store.change(&id, &long, &by(NOW)).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "description must be at most 256 characters, got 257"
    );
    for names in [&["decision"][..], &["webhook.ping"], &["*", "case.updated"]] {
        assert_eq!(
            Kinds::parse(names).err().unwrap().field(),
            "kinds",
            "{names:?}"
        );
    }
    let none: [&str; 0] = [];
    assert!(matches!(Kinds::parse(&none), Err(Invalid::NoKinds { .. })));
    for id in ["", "a.b", "a b", &"x".repeat(129)] {
        let refused = Notice::new(id.to_owned(), Kind::Ping, NOW, &json!({}));
        assert!(refused.is_err(), "{id}");
    }
}

/// Settles a delivery at a time.
fn settle(store: &Store, delivery: i64, at: EventTime, next: Next) {
    let error = (next != Next::Delivered).then_some("status");
    let attempted = Attempted {
        delivery,
        at,
        latency: Duration::from_millis(5),
        status: Some(500),
        error,
        detail: String::new(),
        next,
    };
    store.record(&[attempted]).unwrap();
}

#[test]
fn what_is_old_or_too_much_is_removed_and_the_loss_is_told() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let id = endpoint(&store, &["*"]);
    // Ten, of which each is settled before the next is taken in: the even ones dead.
    for number in 1..=10 {
        let at = NOW.plus(Span::minutes(number));
        let notices = [notice(number as u64, Kind::LabelRecorded)];
        store.take_in("log", number as u64, &notices, at).unwrap();
        let next = if number % 2 == 0 {
            Next::Dead
        } else {
            Next::Delivered
        };
        settle(&store, number, at, next);
    }
    // Settled ones beyond four: six, three of them dead.
    let swept = store.sweep(NOW.plus(Span::minutes(11))).unwrap();
    assert_eq!((swept.removed, swept.expired), (6, 0));
    assert_eq!(told(&store, &id), ["log:10", "log:9", "log:8", "log:7"]);
    assert_eq!(store.endpoint(&id).unwrap().lost, 3);
    assert!(matches!(store.delivery(1), Err(WebhookError::Unknown(_))));

    // One that waits is no younger for it.
    let at = NOW.plus(Span::minutes(20));
    store
        .take_in("log", 11, &[notice(11, Kind::LabelRecorded)], at)
        .unwrap();
    let just = at.plus(Span::days(3));
    assert_eq!(
        store
            .sweep(just.minus(Span::from_millis(1)))
            .unwrap()
            .expired,
        0
    );
    assert_eq!(store.sweep(just).unwrap().expired, 1);
    let (delivery, attempts, _) = store.delivery(11).unwrap();
    assert_eq!(
        (delivery.state, delivery.error.as_deref()),
        (State::Dead, Some("too_old"))
    );
    assert!(attempts.is_empty());

    let swept = store.sweep(NOW.plus(Span::days(30))).unwrap();
    assert_eq!(swept.removed, 4);
    assert!(told(&store, &id).is_empty());
    // Taken in once is for good, also when nothing of it is left.
    store
        .take_in("log", 11, &[notice(11, Kind::LabelRecorded)], NOW)
        .unwrap();
    assert!(told(&store, &id).is_empty());
}

#[test]
fn pages_are_disjoint_and_whole() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(
        folder.path(),
        Settings {
            rows_max: 100,
            ..settings()
        },
    )
    .unwrap();
    let (one, two) = (endpoint(&store, &["*"]), endpoint(&store, &["*"]));
    let notices: Vec<Notice> = (1..=10).map(|it| notice(it, Kind::LabelRecorded)).collect();
    store.take_in("log", 10, &notices, NOW).unwrap();
    settle(&store, 5, NOW, Next::Delivered);
    let mut filter = Filter {
        endpoint: Some(one.clone()),
        state: Some(State::Pending),
        before: None,
    };
    let mut seen = Vec::new();
    loop {
        let page = store.deliveries(&filter, 4).unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        seen.extend(page);
    }
    assert!(
        seen.iter()
            .all(|it| it.endpoint == one && it.state == State::Pending)
    );
    let ids: Vec<i64> = seen.iter().map(|it| it.id).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    let of = |endpoint: &str, state| {
        let filter = Filter {
            endpoint: Some(endpoint.to_owned()),
            state: Some(state),
            before: None,
        };
        store.deliveries(&filter, 100).unwrap().len()
    };
    assert_eq!(seen.len(), of(&one, State::Pending));
    assert_eq!(of(&one, State::Delivered) + of(&two, State::Delivered), 1);
    // An endpoint takes its deliveries with it, and no other's.
    store.remove(&one, &by(NOW)).unwrap();
    assert_eq!(told(&store, &one).len() + told(&store, &two).len(), 10);
    store.record(&[]).unwrap();
}

#[test]
fn of_many_attempts_the_last_are_kept() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    endpoint(&store, &["*"]);
    store
        .take_in("log", 1, &[notice(1, Kind::LabelRecorded)], NOW)
        .unwrap();
    for _ in 0..40 {
        settle(&store, 1, NOW, Next::Again(NOW));
    }
    let (delivery, attempts, _) = store.delivery(1).unwrap();
    assert_eq!((delivery.attempts, attempts.len()), (40, 32));
    assert_eq!((attempts[0].number, attempts[31].number), (9, 40));
    let due = store.due(&delivery.endpoint, NOW, 10).unwrap();
    assert_eq!((due.len(), due[0].failures), (1, 40));
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(open(&folder));
    let connection = rusqlite::Connection::open(folder.path().join("webhooks.db")).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    let refused = Store::open(folder.path(), settings()).err().unwrap();
    assert!(matches!(
        refused,
        WebhookError::Newer { found: 2, known: 1 }
    ));
}
