//! Pages of entries, and what they hold.

use ringfence_trail::{Content, Entry, Options, Query, Trail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{SMALL, entry, home, written};

fn seqs(
    view: &ringfence_trail::View,
    from: u64,
    query: &Query,
    limit: usize,
) -> (Vec<u64>, Option<u64>) {
    let page = view.read(from, query, limit).unwrap();
    (page.entries.iter().map(|it| it.seq).collect(), page.next)
}

#[test]
fn an_entry_comes_back_as_it_was_given() {
    let dir = home();
    let given: Vec<Entry> = (1..=8).map(|seq| entry("log", seq)).collect();
    let trail = written(dir.path(), &given);
    let page = trail.view().read(1, &Query::default(), 100).unwrap();
    assert_eq!(page.next, None);
    let content = |value: &Option<Value>| value.clone().map_or(Content::Nothing, Content::Value);
    for (held, given) in page.entries.iter().zip(&given) {
        assert_eq!(
            (held.at, &held.actor, held.actor_kind),
            (given.at, &given.actor, given.actor_kind)
        );
        assert_eq!((&held.action, &held.target), (&given.action, &given.target));
        assert_eq!(held.before, content(&given.before));
        assert_eq!(held.after, content(&given.after));
        assert_eq!((&held.why, &held.source), (&given.why, &given.source));
    }
    assert_eq!(page.entries.len(), 8);
    assert_eq!(page.entries[7].hash, trail.head().unwrap().hash);
}

#[test]
fn a_long_value_is_kept_as_its_digest() {
    let dir = home();
    let mut trail = Trail::open(dir.path(), "bank", Options::default()).unwrap();
    let texts = [64 << 10, (64 << 10) + 1].map(|len| json!("x".repeat(len - 2)));
    let long = Entry {
        before: Some(texts[0].clone()),
        after: Some(texts[1].clone()),
        ..entry("log", 1)
    };
    let null = Entry {
        before: Some(Value::Null),
        ..entry("log", 2)
    };
    trail.append(&[long, null]).unwrap();
    let held = trail.view().read(1, &Query::default(), 9).unwrap().entries;
    assert_eq!(held[0].before, Content::Value(texts[0].clone()));
    let sha256 = Sha256::digest(texts[1].to_string().as_bytes()).into();
    assert_eq!(
        held[0].after,
        Content::Digest {
            sha256,
            bytes: (64 << 10) + 1
        }
    );
    assert_eq!(held[1].before, Content::Nothing);
}

#[test]
fn pages_go_on_where_they_ended_and_filters_hold_together() {
    let dir = home();
    let entries: Vec<Entry> = (1..=12).map(|seq| entry("log", seq)).collect();
    let mut trail = written(dir.path(), &entries);
    let view = trail.view();
    let all = Query::default();
    assert_eq!(seqs(&view, 0, &all, 5), (vec![1, 2, 3, 4, 5], Some(6)));
    assert_eq!(seqs(&view, 6, &all, 5), (vec![6, 7, 8, 9, 10], Some(11)));
    assert_eq!(seqs(&view, 11, &all, 5), (vec![11, 12], None));
    assert_eq!(seqs(&view, 13, &all, 5), (vec![], None));
    let with = |change: fn(&mut Query)| {
        let mut query = Query::default();
        change(&mut query);
        seqs(&view, 1, &query, 100).0
    };
    assert_eq!(
        with(|it| it.actor = Some("ann".to_owned())),
        [2, 4, 6, 8, 10, 12]
    );
    assert_eq!(
        with(|it| it.action = Some("list.put".to_owned())),
        [1, 3, 5, 7, 9, 11]
    );
    assert_eq!(
        with(|it| it.target = Some("target-0".to_owned())),
        [3, 6, 9, 12]
    );
    assert_eq!(with(|it| it.since = Some(1_790_000_000_010)), [10, 11, 12]);
    assert_eq!(with(|it| it.until = Some(1_790_000_000_003)), [1, 2]);
    let both = with(|it| {
        it.actor = Some("ann".to_owned());
        it.target = Some("target-0".to_owned());
    });
    assert_eq!(both, [6, 12]);
    // A view ends where it was taken.
    trail.append(&[entry("log", 13)]).unwrap();
    assert_eq!(seqs(&view, 11, &all, 5), (vec![11, 12], None));
    assert_eq!(seqs(&trail.view(), 11, &all, 5), (vec![11, 12, 13], None));
}

#[test]
fn an_empty_trail_has_nothing_to_read_and_is_sound() {
    let dir = home();
    let trail = Trail::open(dir.path(), "bank", SMALL).unwrap();
    assert_eq!(seqs(&trail.view(), 1, &Query::default(), 5), (vec![], None));
    assert_eq!(trail.view().export(Vec::new()).unwrap(), 0);
    let report = ringfence_trail::verify(dir.path(), None).unwrap();
    assert!(report.is_sound() && report.entries == 0 && report.head.is_none());
}
