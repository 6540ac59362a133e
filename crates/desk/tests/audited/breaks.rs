//! Logs that are not what they were: cut by a repair, or let go by retention before they were read.

use std::fs;
use std::path::Path;

use event::json::{Line, parse_line};
use event::{Event, EventTime, Schema, Span};
use node::request::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use trail::Content;

use crate::served::{SCHEMA, actions, all, body, serve, serve_with, settings, text, wait};

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// One every half hour.
fn payment(schema: &Schema, at: i64) -> Event {
    let when = EventTime::from_millis(1_767_607_200_000 + at * 1_800_000);
    let text = json!({
        "event_id": format!("e{at}"),
        "event_type": "payment",
        "event_timestamp": when.to_string(),
        "account": format!("a{}", at % 7),
        "merchant": "m",
        "device": "d",
        "amount": "9.50",
    });
    match parse_line(&text.to_string(), schema, None).unwrap() {
        Line::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn value(content: &Content) -> Value {
    match content {
        Content::Value(value) => value.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_that_was_cut_is_told_and_its_new_end_is_followed() {
    let dir = TempDir::new().unwrap();
    let (log, kept) = (dir.path().join("acme/log"), dir.path().join("kept"));
    let served = serve(dir.path());
    served.rate(10);
    served.wait_for(2);
    served.end();
    copy(&log, &kept);
    let served = serve(dir.path());
    served.rate(20);
    served.rate(30);
    served.wait_for(4);
    served.end();
    // What a repair leaves: the log as it was two records ago.
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&kept, &log).unwrap();

    let served = serve(dir.path());
    served.wait_for(5);
    served.rate(40);
    served.wait_for(6);
    served.end();
    let entries = all(dir.path());
    let told = [
        "schema.set",
        "rates.set",
        "rates.set",
        "rates.set",
        "log.cut",
        "rates.set",
    ];
    assert_eq!(actions(&entries), told);
    let cut = value(&entries[4].after);
    assert_eq!(cut, json!({ "log_ends": 2, "entries_up_to": 3 }));
    // As the log has it now: what was cut is no longer what the next change replaces.
    let last = &entries[5];
    assert_eq!(
        (&last.before, &last.after),
        (&text(&body(10)), &text(&body(40)))
    );
    let sources: Vec<String> = entries.iter().map(|it| it.source.to_string()).collect();
    for (at, source) in sources.iter().enumerate() {
        assert!(!sources[..at].contains(source), "{source} twice");
    }
}

#[test]
fn records_that_retention_let_go_unread_are_told_as_a_gap() {
    let schema = SCHEMA
        .replace("horizon = \"180d\"", "horizon = \"2d\"")
        .replace("maturity = \"14d\"", "maturity = \"1d\"")
        .replace("dedup_window = \"7d\"", "dedup_window = \"1d\"");
    let with = || {
        let mut settings = settings();
        settings.owner.snapshot_records = 100;
        settings.owner.keep = Some(Span::days(3));
        settings.owner.log.segment_bytes = 8 << 10;
        settings
    };
    let dir = TempDir::new().unwrap();
    let served = serve_with(dir.path(), with(), &schema);
    served.wait_for(1);
    served.end();
    let (trail, away) = (dir.path().join("acme/trail"), dir.path().join("away"));
    fs::rename(&trail, &away).unwrap();
    fs::write(&trail, "no directory").unwrap();

    let served = serve_with(dir.path(), with(), &schema);
    let read = Schema::parse(&schema).unwrap();
    let mut at = 0;
    let counters = served.tenant();
    let counters = counters.counters();
    wait(|| {
        for _ in 0..200 {
            served.ask(Request::Ingest(Box::new(payment(&read, at))));
            at += 1;
        }
        counters.log_first.get() > 100
    });
    fs::remove_file(&trail).unwrap();
    fs::rename(&away, &trail).unwrap();
    served.rate(20);
    served.wait_for(3);
    let seat = served.desk.seat(&served.tenant()).unwrap();
    assert!(seat.counters.audit_skipped.get() > 100);
    served.end();
    let entries = all(dir.path());
    assert_eq!(actions(&entries), ["schema.set", "log.gap", "rates.set"]);
    let gap = value(&entries[1].after);
    assert_eq!(gap["from"], 1, "behind the schema");
    assert!(gap["to"].as_u64() > Some(100), "{gap}");
    assert_eq!(entries[2].after, text(&body(20)));
}

#[test]
fn webhooks_that_cannot_be_read_hold_up_nothing_else() {
    let dir = TempDir::new().unwrap();
    let served = serve(dir.path());
    served.endpoint("https://a.example.org/in");
    served.wait_for(2);
    served.end();
    let (file, away) = (
        dir.path().join("acme/webhooks.db"),
        dir.path().join("webhooks.away"),
    );
    fs::rename(&file, &away).unwrap();
    fs::write(&file, vec![b'x'; 8192]).unwrap();

    let served = serve(dir.path());
    let schema = Schema::parse(SCHEMA).unwrap();
    // More than the trail reads at once.
    for at in 0..1_100 {
        served.ask(Request::Ingest(Box::new(payment(&schema, at))));
    }
    served.rate(20);
    served.checklist("call");
    served.wait_for(4);
    let seat = served.desk.seat(&served.tenant()).unwrap();
    assert!(seat.counters.audit_failures.get() > 0);
    let told = served.told.lock().unwrap().join("\n");
    let lines = told.matches("audit trail of tenant acme: webhooks").count();
    assert_eq!(lines, 1, "{told}");

    // Mended beside the running server.
    fs::remove_file(&file).unwrap();
    fs::rename(&away, &file).unwrap();
    served.endpoint("https://b.example.org/in");
    served.wait_for(5);
    served.end();
}
