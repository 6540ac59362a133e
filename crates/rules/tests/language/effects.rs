//! What an event makes of a set: order, stops, shadows, snoozes, and what the matched rules ask for.

use ringfence_rules::{
    Evaluation, Key, ListIx, RuleSet, Severity, Slot, Type, Verdict, Vocabulary,
};

use crate::world::vocabulary;

const NOON_MS: i64 = 1_790_000_000_000;

fn set(document: &str) -> RuleSet {
    RuleSet::parse(document, &vocabulary()).unwrap_or_else(|error| panic!("{error}"))
}

/// With a score of 640, and nothing that is optional.
fn evaluate_at(set: &RuleSet, now_ms: i64) -> Evaluation {
    let vocabulary = vocabulary();
    let slots: Vec<Slot<'_>> = set
        .used()
        .iter()
        .map(|ix| match vocabulary.variable(*ix).name.as_str() {
            "score" => Slot::Number(640.0),
            "channel" => Slot::Text("web"),
            _ => Slot::Missing,
        })
        .collect();
    let mut out = Evaluation::default();
    set.evaluate(now_ms, &slots, &mut |_, _| true, &mut out);
    out
}

fn evaluate(set: &RuleSet) -> Evaluation {
    evaluate_at(set, NOON_MS)
}

/// Ids of the matched, `~` before those in shadow.
fn matched(set: &RuleSet, out: &Evaluation) -> String {
    let each = out.matched.iter().map(|it| {
        let shadow = if it.shadow { "~" } else { "" };
        format!("{shadow}{}", set.rule(it.rule).id)
    });
    each.collect::<Vec<_>>().join(" ")
}

fn rule(id: &str, fields: &str) -> String {
    let status = if fields.contains("status") {
        ""
    } else {
        "status = \"active\"\n"
    };
    let when = if fields.contains("when") {
        ""
    } else {
        "when = \"score > 600\"\n"
    };
    format!("[[rules]]\nid = \"{id}\"\n{status}{when}{fields}\n\n")
}

#[test]
fn rules_run_by_priority_then_by_document() {
    let set = set(&[
        rule("third", "priority = 5"),
        rule("fourth", "priority = 5"),
        rule("first", "priority = -1"),
        rule("second", ""),
    ]
    .concat());
    assert_eq!(matched(&set, &evaluate(&set)), "first second third fourth");
    let document: Vec<&str> = set.rules().iter().map(|it| it.id.as_str()).collect();
    assert_eq!(document, ["third", "fourth", "first", "second"]);
}

#[test]
fn the_first_forced_decision_holds_and_the_others_add_up() {
    let set = set(&[
        rule(
            "adds",
            "score_add = 700\ntags = [\"b\", \"a\"]\nalert = true",
        ),
        rule(
            "forces",
            "decision = \"approve\"\nscore_add = -50\ntags = [\"c\", \"a\"]",
        ),
        rule(
            "too-late",
            "decision = \"decline\"\nchallenge = true\nalert = true\nseverity = \"high\"",
        ),
        rule(
            "asks-too",
            "challenge = true\nalert = true\nseverity = \"low\"",
        ),
        rule(
            "no-match",
            "when = \"score > 640\"\ntags = [\"d\"]\nscore_add = 9",
        ),
    ]
    .concat());
    let out = evaluate(&set);
    let (ix, verdict) = out.decision.unwrap();
    assert_eq!(
        (set.rule(ix).id.as_str(), verdict),
        ("forces", Verdict::Approve)
    );
    assert_eq!(out.score_add, 650);
    assert_eq!(set.rule(out.challenge.unwrap()).id, "too-late");
    assert_eq!(out.alert, Some(Severity::High));
    let tags: Vec<&str> = out.tags.iter().map(|it| set.tags()[it].as_str()).collect();
    assert_eq!(tags, ["b", "a", "c"]);
    assert_eq!(set.tags(), ["b", "a", "c", "d"]);
    assert_eq!(matched(&set, &out), "adds forces too-late asks-too");
    assert_eq!(out.stopped_by, None);
}

#[test]
fn an_alert_without_a_severity_is_of_medium_severity() {
    let set = set(&rule("one", "alert = true"));
    assert_eq!(evaluate(&set).alert, Some(Severity::Medium));
}

#[test]
fn a_stop_ends_the_run_if_it_matches_and_is_active() {
    let set = set(&[
        rule(
            "shadow",
            "status = \"shadow\"\nstop = true\nscore_add = 3\ndecision = \"decline\"",
        ),
        rule("no-match", "when = \"score > 640\"\nstop = true"),
        rule("missing", "when = \"amount > 640\"\nstop = true"),
        rule("stops", "stop = true\nscore_add = 5"),
        rule("behind", "score_add = 7"),
        rule("shadow-behind", "status = \"shadow\""),
        rule("before", "priority = -1"),
    ]
    .concat());
    let out = evaluate(&set);
    assert_eq!(matched(&set, &out), "before ~shadow stops");
    assert_eq!(set.rule(out.stopped_by.unwrap()).id, "stops");
    assert_eq!((out.score_add, out.decision), (5, None));
    assert_eq!(out.missing.len(), 1);
}

#[test]
fn a_draft_is_checked_and_not_run() {
    let set = set(&[
        rule(
            "draft",
            "status = \"draft\"\nwhen = \"amount > 1 && on_list('x', channel)\"",
        ),
        rule("active", ""),
    ]
    .concat());
    assert_eq!(matched(&set, &evaluate(&set)), "active");
    assert_eq!((set.used().len(), set.lists().len()), (1, 0));
    assert_eq!(set.rules()[0].when, "amount > 1 && on_list('x', channel)");
}

#[test]
fn a_snoozed_rule_wakes_at_its_time() {
    let snoozed = "status = \"snoozed\"\nsnoozed_until = 2026-09-21T14:13:20Z\nscore_add = 4";
    let set = set(&[rule("snoozed", snoozed), rule("other", "")].concat());
    let before = evaluate_at(&set, NOON_MS - 1);
    assert_eq!(
        (matched(&set, &before).as_str(), before.score_add),
        ("other", 0)
    );
    let then = evaluate_at(&set, NOON_MS);
    assert_eq!(
        (matched(&set, &then).as_str(), then.score_add),
        ("snoozed other", 4)
    );
}

#[test]
fn what_is_missing_and_what_errs_is_told_apart_and_told() {
    let set = set(&[
        rule("missing", "when = \"amount > 1\""),
        rule(
            "errs",
            "when = \"1 / (score - 640) > 1\"\ndecision = \"decline\"",
        ),
        rule(
            "errs-in-shadow",
            "status = \"shadow\"\nwhen = \"1e308 * score > 1\"",
        ),
        rule("matches", "when = \"amount > 1 || score == 640\""),
    ]
    .concat());
    let out = evaluate(&set);
    let missing = out.missing.iter().map(|(rule, variable)| {
        let variable = vocabulary().variable(*variable).name.clone();
        (set.rule(*rule).id.clone(), variable)
    });
    let missing: Vec<_> = missing.collect();
    assert_eq!(missing, [("missing".to_owned(), "amount".to_owned())]);
    let errors = out
        .errors
        .iter()
        .map(|(rule, kind)| (set.rule(*rule).id.as_str(), kind.code()));
    let errors: Vec<_> = errors.collect();
    assert_eq!(
        errors,
        [("errs", "division_by_zero"), ("errs-in-shadow", "overflow")]
    );
    assert_eq!(matched(&set, &out), "matches");
    assert_eq!(out.decision, None);
}

#[test]
fn a_kept_evaluation_holds_nothing_of_the_event_before() {
    let set = set(&[
        rule("all", "stop = true\nscore_add = 9\ndecision = \"review\"\nchallenge = true\ntags = [\"t\"]\nalert = true"),
        rule("missing", "priority = -2\nwhen = \"amount > 1\""),
        rule("errs", "priority = -1\nwhen = \"1 / (score - 640) > 1\""),
    ]
    .concat());
    let mut out = evaluate(&set);
    assert!(out.stopped_by.is_some() && !out.tags.is_empty());
    let slots: Vec<Slot<'_>> = set
        .used()
        .iter()
        .map(|ix| match vocabulary().variable(*ix).name.as_str() {
            "score" => Slot::Number(1.0),
            _ => Slot::Number(0.0),
        })
        .collect();
    set.evaluate(NOON_MS, &slots, &mut |_, _| false, &mut out);
    assert_eq!(out, Evaluation::default());
}

#[test]
fn the_score_saturates() {
    let rules: Vec<String> = (0..200)
        .map(|at| rule(&format!("r{at}"), "score_add = 1000"))
        .collect();
    let set = set(&rules.concat());
    assert_eq!(evaluate(&set).score_add, 200_000);
}

/// The caller fills one slot a variable that is used, and is asked for lists by their places.
#[test]
fn slots_and_lists_are_those_that_running_rules_name() {
    let set = set(&[
        rule(
            "one",
            "when = \"channel == 'web' && on_list('b', channel)\"",
        ),
        rule(
            "two",
            "when = \"on_list('a', score) && on_list('b', channel)\"",
        ),
    ]
    .concat());
    let vocabulary = vocabulary();
    let names: Vec<&str> = set
        .used()
        .iter()
        .map(|ix| vocabulary.variable(*ix).name.as_str())
        .collect();
    assert_eq!(names, ["channel", "score"]);
    assert_eq!(set.lists(), ["b", "a"]);
    let mut asked = Vec::new();
    let mut on_list = |list: ListIx, key: Key<'_>| {
        asked.push(format!("{} {key:?}", set.lists()[usize::from(list.0)]));
        true
    };
    let slots = [Slot::Text("web"), Slot::Number(3.0)];
    set.evaluate(0, &slots, &mut on_list, &mut Evaluation::default());
    assert_eq!(
        asked,
        ["b Text(\"web\")", "a Number(3.0)", "b Text(\"web\")"]
    );
}

/// What the caller owes is checked where it would go wrong, and is never a silent pass.
#[test]
fn a_slot_that_breaks_its_word_is_an_error() {
    let set = set(&[
        rule("text", "when = \"channel.contains('w')\""),
        rule("number", "when = \"score > 1\""),
    ]
    .concat());
    let long = "w".repeat(129);
    for (slots, expected) in [
        ([Slot::Text(&long), Slot::Number(2.0)], "text_too_long"),
        ([Slot::Number(1.0), Slot::Number(2.0)], "slot_type"),
        ([Slot::Text("w"), Slot::Number(f64::NAN)], "overflow"),
        ([Slot::Text("w"), Slot::Number(f64::INFINITY)], "overflow"),
        ([Slot::Text("w"), Slot::Text("2")], "slot_type"),
    ] {
        let mut out = Evaluation::default();
        set.evaluate(0, &slots, &mut |_, _| true, &mut out);
        let codes: Vec<_> = out.errors.iter().map(|(_, kind)| kind.code()).collect();
        assert_eq!(codes, [expected], "{slots:?}");
        assert_eq!(out.matched.len(), 1);
    }
}

#[test]
fn a_vocabulary_refuses_what_cannot_be_named() {
    let mut vocabulary = Vocabulary::new();
    vocabulary.add("a.b_1", Type::Bool, false).unwrap();
    for (name, expected) in [
        ("a.b_1", "the variable \"a.b_1\" is there twice"),
        (
            "a.in",
            "the word \"in\" of the variable \"a.in\" is reserved in CEL",
        ),
        (
            "for",
            "the word \"for\" of the variable \"for\" is reserved in CEL",
        ),
        ("a-b", "a variable's name must be 1 to 96 bytes of words"),
        ("a..b", "a variable's name must be 1 to 96 bytes of words"),
        ("1a", "a variable's name must be 1 to 96 bytes of words"),
        ("", "a variable's name must be 1 to 96 bytes of words"),
    ] {
        let error = vocabulary.add(name, Type::Bool, false).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    assert_eq!(vocabulary.variables().len(), 1);
}
