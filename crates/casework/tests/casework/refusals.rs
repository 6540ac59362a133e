use event::Span;
use ringfence_casework::action::{
    ATTACHMENTS_MAX, BULK_MAX, NOTE_BYTES_MAX, NOTES_MAX, PERSON_BYTES_MAX, REASON_BYTES_MAX,
    URI_BYTES_MAX,
};
use ringfence_casework::{Action, FraudType, Settings};

use crate::bench::{Desk, Log, ann, at, bob, refusal, schema, transfer};

/// Two cases that one log has: the first is held by ann, the second is closed.
fn held_and_closed() -> (Desk, i64, i64) {
    let mut log = Log::new();
    let held = log.decided(&transfer("a", "b"));
    let closed = log.decided(&transfer("c", "d"));
    let mut desk = Desk::new();
    desk.set(|settings| settings.checklist = vec!["call".to_owned()]);
    desk.follow(&log);
    for case in [held, closed] {
        desk.act(&ann(), case, Action::Claim, at(1)).unwrap();
    }
    let reason = "seen".to_owned();
    desk.act(&ann(), closed, Action::Close { reason }, at(1))
        .unwrap();
    (desk, held, closed)
}

fn attach(name: &str, uri: &str, sha256: &str) -> Action {
    let [name, uri, sha256] = [name, uri, sha256].map(str::to_owned);
    Action::Attach { name, uri, sha256 }
}

fn note(text: &str) -> Action {
    let text = text.to_owned();
    Action::Note { text }
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let (mut desk, held, closed) = held_and_closed();
    let sha = "0".repeat(64);
    let dispose = |note: String| Action::Dispose {
        fraud_type: FraudType::Mule,
        note,
    };
    let assign = |to: &str, reason: &str| Action::Assign {
        to: Some(to.to_owned()),
        reason: reason.to_owned(),
    };
    let close = |reason: &str| Action::Close {
        reason: reason.to_owned(),
    };
    let reopen = |reason: &str| Action::Reopen {
        reason: reason.to_owned(),
    };
    let snooze = |until| Action::Snooze { until };
    let rows = [
        (ann(), 999, note("x"), "unknown_case", None),
        (ann(), closed, dispose(String::new()), "case_closed", None),
        (ann(), closed, Action::Claim, "case_closed", None),
        (ann(), closed, reopen(""), "field_missing", Some("reason")),
        (ann(), held, reopen("x"), "case_not_closed", None),
        (bob(), held, Action::Claim, "case_held", None),
        (bob(), held, note("x"), "case_held", None),
        (bob(), held, dispose(String::new()), "case_held", None),
        (bob(), held, Action::Release, "case_held", None),
        (bob(), held, assign("bob", "x"), "case_held", None),
        (ann(), held, note(" "), "field_missing", Some("text")),
        (
            ann(),
            held,
            note(&"x".repeat(NOTE_BYTES_MAX + 1)),
            "field_too_long",
            Some("text"),
        ),
        (
            ann(),
            held,
            note("a\u{7}"),
            "control_character",
            Some("text"),
        ),
        (
            ann(),
            held,
            dispose("x".repeat(REASON_BYTES_MAX + 1)),
            "field_too_long",
            Some("note"),
        ),
        (ann(), held, close(""), "field_missing", Some("reason")),
        (
            ann(),
            held,
            Action::Tick {
                item: 2,
                done: true,
            },
            "unknown_value",
            Some("item"),
        ),
        (
            ann(),
            held,
            attach("", "s3://x", &sha),
            "field_missing",
            Some("name"),
        ),
        (
            ann(),
            held,
            attach("x", "nowhere", &sha),
            "out_of_bounds",
            Some("uri"),
        ),
        (
            ann(),
            held,
            attach("x", "s3://a b", &sha),
            "out_of_bounds",
            Some("uri"),
        ),
        (
            ann(),
            held,
            attach("x", &format!("s3:{}", "x".repeat(URI_BYTES_MAX)), &sha),
            "field_too_long",
            Some("uri"),
        ),
        (
            ann(),
            held,
            attach("x", "s3://x", "abc"),
            "out_of_bounds",
            Some("sha256"),
        ),
        (ann(), held, snooze(at(2)), "out_of_bounds", Some("until")),
        (
            ann(),
            held,
            snooze(at(2).plus(Span::days(91))),
            "out_of_bounds",
            Some("until"),
        ),
        (
            ann(),
            held,
            assign(&"x".repeat(PERSON_BYTES_MAX + 1), ""),
            "field_too_long",
            Some("assignee"),
        ),
    ];
    let before = desk.dump();
    for (actor, case, action, code, field) in rows {
        let version = desk.casework.case(case).unwrap().map_or(1, |it| it.version);
        let refused = refusal(desk.casework.act(&actor, case, version, &action, at(2)));
        let refused = refused.expect_err(action.name());
        assert_eq!(
            (refused.code(), refused.field()),
            (code, field),
            "{action:?}: {refused}"
        );
        assert_eq!(desk.dump(), before, "{action:?}");
    }
    let stale = refusal(desk.casework.act(&ann(), held, 1, &note("x"), at(2))).unwrap_err();
    assert_eq!(stale.code(), "version_moved");
    for cases in [vec![], vec![(held, 2); BULK_MAX + 1]] {
        let refused = refusal(desk.casework.bulk(&ann(), &cases, &note("x"), at(2))).unwrap_err();
        assert_eq!(
            (refused.code(), refused.field()),
            ("bulk_size", Some("cases"))
        );
    }
    assert_eq!(desk.dump(), before);
}

#[test]
fn what_is_kept_with_a_case_has_an_end() {
    let (mut desk, held, _) = held_and_closed();
    for _ in 0..NOTES_MAX {
        desk.act(&ann(), held, note("x"), at(2)).unwrap();
    }
    assert_eq!(
        desk.act(&ann(), held, note("x"), at(2)).unwrap_err().code(),
        "case_full"
    );
    let attach = attach("x", "s3://x", &"0".repeat(64));
    for _ in 0..ATTACHMENTS_MAX {
        desk.act(&ann(), held, attach.clone(), at(2)).unwrap();
    }
    assert_eq!(
        desk.act(&ann(), held, attach, at(2)).unwrap_err().code(),
        "case_full"
    );
}

#[test]
fn an_analyst_cannot_hold_the_whole_queue() {
    let mut log = Log::new();
    let ids: Vec<i64> = (0..3)
        .map(|number| log.decided(&transfer(&format!("a{number}"), &format!("b{number}"))))
        .collect();
    let mut desk = Desk::new();
    desk.set(|settings| settings.claims.claims_max = 2);
    desk.follow(&log);
    desk.act(&ann(), ids[0], Action::Claim, at(0)).unwrap();
    desk.act(&ann(), ids[1], Action::Claim, at(1)).unwrap();
    let full = refusal(desk.casework.claim_next(&ann(), &Default::default(), at(2))).unwrap_err();
    assert_eq!(full.code(), "claims_max");
    // The first claim is over after 15 minutes.
    assert!(desk.act(&ann(), ids[2], Action::Claim, at(15)).is_ok());
}

#[test]
fn settings_that_do_not_fit_are_refused_by_their_field() {
    let mut desk = Desk::new();
    let base = desk.casework.settings().unwrap();
    type Change = fn(&mut Settings);
    let rows: [(Change, &str, &str); 8] = [
        (
            |it| it.alerts.decisions.push("approve".to_owned()),
            "unknown_value",
            "alerts.decisions",
        ),
        (
            |it| it.alerts.unscored_ppm = 1_000_001,
            "out_of_bounds",
            "alerts.unscored_ppm",
        ),
        (
            |it| it.alerts.amountless_minor = -1,
            "out_of_bounds",
            "alerts.amountless_minor",
        ),
        (
            |it| it.grouping.alerts_max = 0,
            "out_of_bounds",
            "grouping.alerts_max",
        ),
        (
            |it| it.severity.high = it.severity.critical + 1,
            "out_of_bounds",
            "severity",
        ),
        (
            |it| it.claims.claims_max = 0,
            "out_of_bounds",
            "claims.claims_max",
        ),
        (
            |it| it.checklist = vec![String::new()],
            "field_missing",
            "checklist",
        ),
        (
            |it| {
                it.skills = vec![
                    serde_json::from_str(r#"{"skill":"cards","event_types":["withdrawal2"]}"#)
                        .unwrap(),
                ];
            },
            "unknown_value",
            "skills.event_types",
        ),
    ];
    let before = desk.dump();
    for (change, code, field) in rows {
        let mut settings = base.clone();
        change(&mut settings);
        let set = desk
            .casework
            .set_settings(&ann(), 0, settings, "", &schema(), at(0));
        let refused = refusal(set).unwrap_err();
        assert_eq!((refused.code(), refused.field()), (code, Some(field)));
    }
    assert_eq!(desk.dump(), before);
    let set = desk
        .casework
        .set_settings(&ann(), 0, base.clone(), "", &schema(), at(0))
        .unwrap();
    assert_eq!(set.version, 1);
    let stale = desk
        .casework
        .set_settings(&ann(), 0, base, "", &schema(), at(0));
    assert_eq!(refusal(stale).unwrap_err().code(), "version_moved");
}
