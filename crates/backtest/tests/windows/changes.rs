//! Windows in which lists and rules change, and logs that begin behind such a change.

use std::collections::BTreeSet;

use event::Event;
use event::record::{ConfigSection, Decision, DecisionKind, DecisionSource};
use lists::{Change, Definition, Effect, Form, NewItem, Value};

use crate::past::{POLICY, Past, Payment, at, book, kinds, plan};

const RULES: &str = r#"
[[rules]]
id = "watched"
when = 'on_list("watched", device.id)'
status = "active"
score_add = 300
"#;
/// Minutes between two payments, and payments between two changes.
const STEP: u64 = 10;
const PHASE: u64 = 90;

fn decide(past: &mut Past, numbers: std::ops::Range<u64>) {
    for number in numbers {
        past.decide(Payment::nth(number));
    }
    past.commit();
}

fn list(past: &mut Past, name: &str, on: &str, effect: Effect) {
    past.change(&Change::Create(Definition {
        name: name.to_owned(),
        on: on.to_owned(),
        form: Form::Text { fold: false },
        effect,
    }));
}

fn put(past: &mut Past, list: &str, value: &str) {
    past.change(&Change::Put {
        list: list.to_owned(),
        items: vec![NewItem {
            value: Value::Text(value.to_owned()),
            expires: None,
            reason: String::new(),
        }],
    });
}

fn remove(past: &mut Past, list: &str, value: &str) {
    past.change(&Change::Remove {
        list: list.to_owned(),
        values: vec![Value::Text(value.to_owned())],
    });
}

/// Nothing listed, then a device watched and one blocked, then the block taken back and an account allowed.
fn with_lists(mut past: Past) -> Past {
    list(&mut past, "watched", "device", Effect::Watch);
    past.set(ConfigSection::Rules, RULES);
    decide(&mut past, 0..PHASE);
    list(
        &mut past,
        "stolen",
        "device",
        Effect::Block { overridable: true },
    );
    put(&mut past, "stolen", "d1");
    put(&mut past, "watched", "d2");
    decide(&mut past, PHASE..2 * PHASE);
    remove(&mut past, "stolen", "d1");
    list(&mut past, "known", "account", Effect::Allow);
    put(&mut past, "known", "a3");
    decide(&mut past, 2 * PHASE..3 * PHASE);
    past
}

/// By whom, and by which rules: what a phase looks like from outside.
fn look(of: &[&(Event, Decision)]) -> (usize, usize) {
    let listed = of
        .iter()
        .filter(|(_, it)| it.source == DecisionSource::List);
    let ruled = of.iter().filter(|(_, it)| !it.findings.rules.is_empty());
    (listed.count(), ruled.count())
}

/// Decided again by the rules in force now, each stretch between two changes gives what the log has.
fn check_phases(past: &Past, phases: &[u64]) {
    for phase in phases {
        let window = [phase * PHASE * STEP, (phase + 1) * PHASE * STEP];
        let live = kinds(past.between(window[0], window[1]));
        let of: Vec<_> = past.between(window[0], window[1]).collect();
        let (listed, ruled) = look(&of);
        assert_eq!(
            (listed > 3, ruled > 3),
            (*phase > 0, *phase > 0),
            "phase {phase}"
        );
        let now = book(RULES, POLICY);
        let told = past.report(&plan(window, now.clone(), now));
        for side in [&told.current, &told.candidate] {
            let again = [side.approve, side.challenge, side.review, side.decline];
            assert_eq!(again, live, "phase {phase}");
        }
        assert_eq!(told.rules[0].matched, ruled as u64, "phase {phase}");
    }
}

#[test]
fn lists_that_change_within_a_window_hold_from_their_change_on() {
    let past = with_lists(Past::new(POLICY, ""));
    check_phases(&past, &[0, 1, 2]);
    let of = |phase: u64| {
        let window = [phase * PHASE * STEP, (phase + 1) * PHASE * STEP];
        kinds(past.between(window[0], window[1]))
    };
    assert!(
        of(1)[3] > of(0)[3] && of(2)[3] < of(1)[3],
        "{:?}",
        [of(0), of(1), of(2)]
    );
    // All of it at once as well.
    let now = book(RULES, POLICY);
    let window = [0, 3 * PHASE * STEP];
    let told = past.report(&plan(window, now.clone(), now));
    let side = &told.current;
    let again = [side.approve, side.challenge, side.review, side.decline];
    assert_eq!(again, kinds(past.between(window[0], window[1])));
}

#[test]
fn a_log_without_its_beginning_starts_with_the_lists_that_were_in_force() {
    let mut past = with_lists(Past::forgetful(POLICY, ""));
    past.snapshot();
    decide(&mut past, 3 * PHASE..3 * PHASE + 5);
    past.snapshot();
    decide(&mut past, 3 * PHASE + 5..6 * PHASE);
    let first = past.cut();
    let gone = past
        .decisions
        .iter()
        .filter(|(_, it)| it.event_position < first)
        .count() as u64;
    // The last change of a list is among it, and the windows are not.
    assert!((2 * PHASE..4 * PHASE).contains(&gone), "{gone} are gone");
    check_phases(&past, &[4, 5]);
}

/// What the device's accounts of a day are is counted here, from the payments alone.
#[test]
fn a_candidate_that_reads_features_decides_as_a_count_of_the_payments_says() {
    let past = with_lists(Past::new(POLICY, ""));
    let crowd = "[[rules]]\nid = \"crowd\"\nwhen = 'device.accounts_24h >= 9 && amount > 20_00'\nstatus = \"active\"\ndecision = \"decline\"\n";
    let window = [2 * PHASE * STEP, 3 * PHASE * STEP];
    let candidate = book(&format!("{RULES}{crowd}"), POLICY);
    let told = past.report(&plan(window, book(RULES, POLICY), candidate));
    assert!(told.full_replay);
    let number = |event: &Event| event.event_id.as_str()[1..].parse::<u64>().unwrap();
    let accounts = |event: &Event| {
        let of = number(event);
        let before = past.decisions.iter().map(|(it, _)| it);
        let day = before.filter(|it| {
            let ago = event.event_timestamp.since(it.event_timestamp).millis();
            (1..86_400_000).contains(&ago) && number(it) % 7 == of % 7
        });
        day.map(|it| number(it) % 13).collect::<BTreeSet<_>>().len()
    };
    let held = |event: &Event| accounts(event) >= 9 && event.amount.unwrap().minor > 2000;
    let mut wanted = [0; 4];
    let (mut met, mut kept, mut changed) = (0, 0, [0; 4]);
    for (event, decision) in past.between(window[0], window[1]) {
        let mut verdict = decision.verdict as usize;
        met += u64::from(held(event));
        // A list goes before every rule.
        if held(event) && decision.source != DecisionSource::List {
            changed[verdict] += u64::from(decision.verdict != DecisionKind::Decline);
            verdict = DecisionKind::Decline as usize;
        } else {
            kept += u64::from(decision.verdict != DecisionKind::Decline);
        }
        wanted[verdict] += 1;
    }
    assert!(met > 20 && kept > 20, "{met} were met, {kept} kept");
    let side = &told.candidate;
    assert_eq!(
        [side.approve, side.challenge, side.review, side.decline],
        wanted
    );
    assert_eq!(told.rules[1].matched, met);
    for change in &told.changes {
        assert_eq!(change.to, DecisionKind::Decline);
        assert_eq!(change.events, changed[change.from as usize], "{change:?}");
    }
    let all: u64 = told.changes.iter().map(|it| it.events).sum();
    assert_eq!(all, changed.iter().sum::<u64>());
    let side = &told.current;
    let live = kinds(past.between(window[0], window[1]));
    assert_eq!(
        [side.approve, side.challenge, side.review, side.decline],
        live
    );
}

/// The candidate of a window in which rules changed is decided by one set from its beginning to its end.
#[test]
fn rules_that_changed_within_a_window_are_tried_over_all_of_it() {
    let mut past = Past::new(POLICY, "");
    decide(&mut past, 0..PHASE);
    let tenth = "[[rules]]\nid = \"tenth\"\nwhen = 'event_id.endsWith(\"0\")'\nstatus = \"active\"\ndecision = \"review\"\n";
    past.set(ConfigSection::Rules, tenth);
    decide(&mut past, PHASE..2 * PHASE);
    let now = book(tenth, POLICY);
    let behind = [PHASE * STEP, 2 * PHASE * STEP];
    let told = past.report(&plan(behind, now.clone(), now.clone()));
    let live = kinds(past.between(behind[0], behind[1]));
    let side = &told.current;
    assert_eq!(
        [side.approve, side.challenge, side.review, side.decline],
        live
    );
    assert_eq!(told.rules[0].matched, PHASE / 10);

    let before = [0, PHASE * STEP];
    let told = past.report(&plan(before, book("", POLICY), now));
    let live = kinds(past.between(before[0], before[1]));
    let side = &told.current;
    assert_eq!(
        [side.approve, side.challenge, side.review, side.decline],
        live
    );
    assert_eq!(told.rules[0].matched, PHASE / 10);
    let tens = past
        .between(before[0], before[1])
        .filter(|(event, decision)| {
            let is_tenth = event.event_id.as_str().ends_with('0');
            is_tenth && decision.verdict != DecisionKind::Review
        });
    let changed: u64 = told.changes.iter().map(|it| it.events).sum();
    assert_eq!(changed, tens.count() as u64);
    assert!(told.from == at(before[0]) && changed > 3, "{changed}");
}
