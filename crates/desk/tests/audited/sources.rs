//! What log, casework, webhooks and retrains hold is told once each, over restarts and failures of the trail.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use steward::job::{self, Answer, Ended, Job, Order, Outcome, Trigger};
use tempfile::TempDir;
use trail::{ActorKind, Content, Recorded};
use webhooks::secret::Secret;

use crate::served::{actions, all, body, by, draft, serve, text, wait};

#[test]
fn what_came_while_the_trail_could_not_be_written_is_made_up_for() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    served.wait_for(1);
    served.end();
    let (trail, away) = (dir.path().join("acme/trail"), dir.path().join("away"));
    fs::rename(&trail, &away).unwrap();
    fs::write(&trail, "no directory").unwrap();

    // Casework and decisions go on, the trail falls behind and says so.
    let served = serve(dir.path());
    served.rate(91);
    served.checklist("call");
    served.rate(92);
    let seat = served.desk.seat(&served.tenant()).unwrap();
    wait(|| seat.counters.behind.get() == 0 && seat.counters.audit_behind.get() >= 2);
    assert!(seat.counters.audit_failures.get() > 0);
    assert_eq!(seat.trouble(), None);
    // Told behind the count.
    wait(|| {
        let told = served.told.lock().unwrap().join("\n");
        told.contains("audit trail of tenant acme")
    });
    fs::remove_file(&trail).unwrap();
    fs::rename(&away, &trail).unwrap();
    served.wait_for(4);
    served.end();
    let entries = all(dir.path());
    let mut held = actions(&entries);
    assert_eq!(held[0], "schema.set");
    held.sort_unstable();
    let wanted = ["rates.set", "rates.set", "schema.set", "settings.changed"];
    assert_eq!(held, wanted);
    let rates: Vec<&Recorded> = entries
        .iter()
        .filter(|it| it.action == "rates.set")
        .collect();
    assert_eq!(
        (&rates[0].before, &rates[0].after),
        (&Content::Nothing, &text(&body(91)))
    );
    assert_eq!(
        (&rates[1].before, &rates[1].after),
        (&text(&body(91)), &text(&body(92)))
    );
    assert_eq!(
        (rates[1].actor.as_str(), rates[1].why.as_str()),
        ("ann", "it is 92")
    );
}

#[test]
fn a_start_goes_on_behind_what_is_there_with_and_without_its_cursor() {
    let dir = TempDir::new().unwrap();
    let followed = dir.path().join("acme/trail/followed");
    let mut entries = 1;
    for round in 0..4 {
        let served = serve(dir.path());
        served.wait_for(entries);
        served.rate(round * 10 + 11);
        served.checklist(&format!("item {round}"));
        entries += 2;
        served.wait_for(entries);
        if round == 1 {
            // It is saved now and then.
            wait(|| followed.exists());
        }
        served.end();
        if round == 2 {
            fs::remove_file(&followed).unwrap();
        }
    }
    let entries = all(dir.path());
    let sources: BTreeSet<String> = entries.iter().map(|it| it.source.to_string()).collect();
    assert_eq!(sources.len(), entries.len(), "none is there twice");
    let rates: Vec<&Recorded> = entries
        .iter()
        .filter(|it| it.action == "rates.set")
        .collect();
    for (round, pair) in rates.windows(2).enumerate() {
        assert_eq!(pair[1].before, pair[0].after, "after round {round}");
    }
}

#[test]
fn casework_that_was_removed_is_told_and_followed_from_its_beginning() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    served.checklist("one");
    served.checklist("two");
    served.wait_for(3);
    served.end();
    for name in ["casework.db", "casework.db-wal", "casework.db-shm"] {
        let file = dir.path().join("acme").join(name);
        assert!(fs::remove_file(&file).is_ok() || name != "casework.db");
    }
    let served = serve(dir.path());
    served.wait_for(4);
    served.rate(50);
    served.checklist("three");
    served.wait_for(6);
    served.end();
    let entries = all(dir.path());
    assert_eq!(
        actions(&entries)[..4],
        [
            "schema.set",
            "settings.changed",
            "settings.changed",
            "casework.anew"
        ]
    );
    let rest: BTreeSet<&str> = actions(&entries)[4..].iter().copied().collect();
    assert_eq!(rest, BTreeSet::from(["rates.set", "settings.changed"]));
}

#[test]
fn changes_of_webhooks_are_told_once_each_over_restarts_and_without_their_secrets() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    let (id, first) = served.endpoint("https://a.example.org/in");
    served.wait_for(2);
    served.end();

    // Made, but not told of before the end.
    let served = serve(dir.path());
    let store = served.hooks();
    let store = store.store();
    store
        .change(&id, &draft("https://b.example.org/in"), &by("moved"))
        .unwrap();
    let second = Secret::generate().unwrap();
    let made = store.add_secret(&id, &second, &by("rotation")).unwrap();
    served.end();

    let served = serve(dir.path());
    served.wait_for(4);
    served.hooks().store().remove(&id, &by("gone")).unwrap();
    served.wait_for(5);
    served.end();

    let entries = all(dir.path());
    let told: Vec<_> = entries[1..]
        .iter()
        .map(|it| {
            (
                it.action.as_str(),
                it.target.as_str(),
                it.why.as_str(),
                it.actor.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("webhook.endpoint.created", id.as_str(), "new", "eve"),
            ("webhook.endpoint.changed", id.as_str(), "moved", "eve"),
            ("webhook.secret.added", made.id.as_str(), "rotation", "eve"),
            ("webhook.endpoint.removed", id.as_str(), "gone", "eve"),
        ]
    );
    let url = |content: &Content| match content {
        Content::Value(value) => value["url"].as_str().map(str::to_owned),
        _ => None,
    };
    let changed = &entries[2];
    assert_eq!(
        url(&changed.before).as_deref(),
        Some("https://a.example.org/in")
    );
    assert_eq!(
        url(&changed.after).as_deref(),
        Some("https://b.example.org/in")
    );
    assert_eq!(changed.at, by("").at.millis());
    let trail = fs::read_to_string(dir.path().join("acme/trail/00000000000000000001.jsonl"));
    let trail = trail.unwrap();
    for secret in [first, second] {
        assert!(!trail.contains(secret.reveal().trim_start_matches("whsec_")));
    }
}

#[test]
fn webhooks_whose_file_was_removed_are_told_as_new_ones() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    served.endpoint("https://a.example.org/in");
    served.endpoint("https://b.example.org/in");
    served.wait_for(3);
    served.end();
    fs::remove_file(dir.path().join("acme/webhooks.db")).unwrap();

    let served = serve(dir.path());
    served.wait_for(4);
    served.endpoint("https://c.example.org/in");
    served.wait_for(5);
    served.end();
    let entries = all(dir.path());
    assert_eq!(
        actions(&entries)[3..],
        ["webhooks.anew", "webhook.endpoint.created"]
    );
}

fn order(by: &str, attended: bool) -> Order {
    Order {
        at: 1_767_607_200_000,
        by: by.to_owned(),
        why: "new card fraud".to_owned(),
        trigger: Trigger::Command,
        seen: 0,
        attended,
        request: Value::Null,
    }
}

fn outcome(job: &Job, ended: Ended, says: &str) {
    job.record_outcome(&Outcome {
        ended,
        says: says.to_owned(),
        at: 1_767_607_300_000,
    })
    .unwrap();
}

/// Also those that came while no server ran, and not those of the command line.
#[test]
fn steps_of_retrains_are_told_once_each_over_restarts() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    served.wait_for(1);
    let place = served.tenant().place().clone();
    outcome(
        &job::begin(&place, &order("ann", false)).unwrap(),
        Ended::Judged,
        "",
    );
    let first = job::begin(&place, &order("ann", true)).unwrap();
    served.wait_for(2);
    first
        .record_answer(&Answer {
            approved: false,
            by: "bob".to_owned(),
            why: "not this week".to_owned(),
            at: 1_767_607_250_000,
        })
        .unwrap();
    served.wait_for(3);
    served.end();
    outcome(&first, Ended::Rejected, "bob: not this week");
    let second = job::begin(&place, &order("retrain", true)).unwrap();
    let served = serve(dir.path());
    served.wait_for(5);
    outcome(&second, Ended::Refused, "too_good: better by 0.5");
    served.wait_for(6);
    served.end();
    let entries = all(dir.path());
    let told = |it: &Recorded| {
        let kind = match it.actor_kind {
            ActorKind::System => "system",
            _ => "token",
        };
        let what = (it.action.clone(), it.target.clone());
        (what, it.actor.clone(), kind, it.why.clone())
    };
    let told: Vec<_> = entries[1..].iter().map(told).collect();
    let step = |action: &str, id: &str, actor: &str, kind: &'static str, why: &str| {
        let what = (action.to_owned(), id.to_owned());
        (what, actor.to_owned(), kind, why.to_owned())
    };
    assert_eq!(
        told,
        [
            step("retrain.order", "2", "ann", "token", "new card fraud"),
            step("retrain.reject", "2", "bob", "token", "not this week"),
            step("retrain.end", "2", "retrain 2", "system", ""),
            step("retrain.order", "3", "retrain", "system", "new card fraud"),
            step("retrain.end", "3", "retrain 3", "system", ""),
        ]
    );
    let Content::Value(after) = &entries[5].after else {
        panic!("nothing after");
    };
    assert_eq!(after["ended"], "refused");
    assert_eq!(after["says"], "too_good: better by 0.5");
}
