//! Rules that are made to hurt: refused, or bounded, on a small stack and in a short time.

use std::time::{Duration, Instant};

use ringfence_rules::{Evaluation, RULE_COST_MAX, RuleSet, SET_COST_MAX, SOURCE_BYTES_MAX, Slot};

use crate::world::{document, vocabulary};

/// What a thread of a server has at least; a quarter of what it has by default.
const STACK_BYTES: usize = 512 << 10;

/// The code of the first problem, or `ok`.
fn parsed(document: String) -> String {
    let run = move || match RuleSet::parse(&document, &vocabulary()) {
        Ok(set) => {
            let slots = vec![Slot::Missing; set.used().len()];
            let mut out = Evaluation::default();
            set.evaluate(0, &slots, &mut |_, _| true, &mut out);
            "ok".to_owned()
        }
        Err(error) => {
            assert!(error.to_string().len() < 40_000, "it grows with what came");
            error.problems[0].cause.code().to_owned()
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    thread.spawn(run).unwrap().join().unwrap()
}

fn when(expression: &str) -> String {
    parsed(document(expression))
}

#[test]
fn nesting_is_bounded() {
    let deep = |open: &str, close: &str, levels: usize| {
        let expression = format!("{}true{}", open.repeat(levels), close.repeat(levels));
        when(&expression)
    };
    // CEL asks for 12.
    assert_eq!(deep("(", ")", 60), "ok");
    assert_eq!(deep("(", ")", 70), "over_limit");
    assert_eq!(deep("(", ")", 2000), "over_limit");
    assert_eq!(deep("!", "", 60), "ok");
    assert_eq!(deep("!", "", 4000), "over_limit");
    assert_eq!(deep("!(", ")", 1000), "over_limit");
    assert_eq!(deep("true ? true : ", "", 60), "ok");
    assert_eq!(deep("true ? true : ", "", 280), "over_limit");
    assert_eq!(deep("true ? (", ") : false", 200), "over_limit");
    assert_eq!(deep("[", "]", 2000), "over_limit");
    assert_eq!(deep("f(", ")", 1000), "over_limit");
    assert_eq!(when(&"(".repeat(4000)), "over_limit");
    assert_eq!(when(&"-".repeat(4000)), "over_limit");
    assert_eq!(
        when(&format!("channel{} == ''", ".size()".repeat(500))),
        "over_limit"
    );
    assert_eq!(
        when(&format!("channel{}", ".a".repeat(2000))),
        "unknown_variable"
    );
}

/// Rows are wide and not deep, as far as the length allows; arithmetic stands to the left, level by level.
#[test]
fn rows_are_no_levels() {
    let row =
        |operator: &str, operand: &str, count: usize| when(&vec![operand; count].join(operator));
    assert_eq!(row("||", "recurring", 372), "ok");
    assert_eq!(row("&&", "recurring", 372), "ok");
    let sum = |count: usize| format!("{} > 1", vec!["score"; count].join("+"));
    assert_eq!(when(&sum(60)), "ok");
    assert_eq!(when(&sum(600)), "over_limit");
    assert_eq!(row("==", "true", 600), "over_limit");
}

#[test]
fn sizes_are_bounded() {
    let long = format!("channel == '{}'", "x".repeat(SOURCE_BYTES_MAX));
    assert_eq!(when(&long), "over_limit");
    let fits = format!("channel == '{}'", "x".repeat(SOURCE_BYTES_MAX - 13));
    assert_eq!(when(&fits), "ok");
    let list = |count: usize| format!("score in [{}]", vec!["1"; count].join(","));
    assert_eq!(when(&list(2000)), "ok");
    assert_eq!(parsed(" ".repeat((1 << 20) + 1)), "over_limit");
    let rule = |at| format!("[[rules]]\nid='a{at}'\nstatus='draft'\nwhen='true'\n");
    assert_eq!(parsed((0..15_000).map(rule).collect()), "over_limit");
    assert_eq!(parsed("[[rules]]\n".repeat(100_000)), "missing_field");
    assert_eq!(parsed(format!("x = {}", "[".repeat(500_000))), "not_toml");
    assert_eq!(
        parsed(format!("{} = 1", "a.".repeat(300_000) + "a")),
        "not_toml"
    );
    assert_eq!(parsed("a=1\n".repeat(200_000)), "not_toml");
}

/// A body in a list in a body in a list: counted before it is built.
#[test]
fn what_unrolls_is_bounded() {
    let list = format!("[{}]", vec!["1"; 300].join(","));
    let thrice = format!("{list}.exists(a, {list}.exists(b, {list}.exists(c, a + b + c > score)))");
    assert_eq!(when(&thrice), "over_cost");
    let names = format!("[{}]", vec!["''"; 600].join(","));
    let lists = format!("{names}.all(a, a in {names})");
    assert_eq!(when(&lists), "over_cost");
}

#[test]
fn patterns_are_bounded() {
    let pattern = |pattern: &str| when(&format!("channel.matches(r'{pattern}')"));
    assert_eq!(pattern("^(a+)+$"), "ok");
    assert_eq!(pattern("(a|aa)+b"), "ok");
    assert_eq!(pattern("(a|b)*a(a|b){20}"), "bad_pattern");
    assert_eq!(pattern("a{1000}{1000}"), "bad_pattern");
    assert_eq!(pattern("(((a{30}){30}){30}){30}"), "bad_pattern");
    assert_eq!(pattern(&"(".repeat(120)), "bad_pattern");
    assert_eq!(
        pattern(&format!("{}a{}", "(".repeat(40), ")".repeat(40))),
        "bad_pattern"
    );
    assert_eq!(pattern(&"x".repeat(257)), "bad_pattern");
    assert_eq!(pattern(&".*".repeat(100)), "ok");
    assert_eq!(pattern("[^x]{200}y"), "bad_pattern");
    let rule = |at: usize, pattern: &str| {
        let when = format!("when = \"channel.matches('{pattern}{at}')\"");
        format!("[[rules]]\nid = \"r{at}\"\nstatus = \"draft\"\n{when}\n")
    };
    let many = |pattern: &str, count: usize| (0..count).map(|at| rule(at, pattern)).collect();
    assert_eq!(parsed(many("x", 64)), "ok");
    assert_eq!(parsed(many("x", 65)), "over_limit");
}

/// The worst that the bounds on patterns let through in one set takes seconds at most, on a slow machine too.
#[test]
#[allow(clippy::disallowed_methods, reason = "the time is what is tested")]
fn a_set_of_hostile_patterns_is_refused_in_time() {
    let rule = |at: usize| {
        let pattern = format!("(a|b)*a(a|b){{{at}}}");
        format!(
            "[[rules]]\nid = \"r{at}\"\nstatus = \"draft\"\nwhen = \"channel.matches('{pattern}')\"\n"
        )
    };
    let document: String = (20..200).map(rule).collect();
    let start = Instant::now();
    assert_eq!(parsed(document), "bad_pattern");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn cost_is_bounded_before_it_is_paid() {
    let search = |count: usize| vec!["note.contains('x')"; count].join(" && ");
    // 4,096 bytes are 2,048 units.
    assert_eq!(when(&search(4)), "ok");
    assert_eq!(when(&search(5)), "over_cost");
    let rules = |count: usize, status: &str| {
        let rule = |at: usize| {
            let search = search(4);
            format!("[[rules]]\nid = \"r{at}\"\nstatus = \"{status}\"\nwhen = \"{search}\"\n")
        };
        (0..count).map(rule).collect::<String>()
    };
    let one = RuleSet::parse(&rules(1, "active"), &vocabulary())
        .unwrap()
        .cost();
    assert!(one > RULE_COST_MAX / 2 && one <= RULE_COST_MAX, "{one}");
    let fit = (SET_COST_MAX / one) as usize;
    assert_eq!(parsed(rules(fit, "active")), "ok");
    assert_eq!(parsed(rules(fit + 1, "active")), "over_cost");
    // What does not run costs nothing.
    assert_eq!(parsed(rules(fit + 1, "draft")), "ok");
}

#[test]
fn odd_characters() {
    for odd in ["\u{0}", "\u{feff}", "\u{202e}", "é", "\u{1f600}", "\u{7f}"] {
        assert_eq!(when(&format!("{odd}true")), "syntax", "{odd:?}");
        assert_eq!(when(&format!("true{odd}")), "syntax", "{odd:?}");
        assert_eq!(when(&format!("channel == '{odd}'")), "ok", "{odd:?}");
    }
    assert_eq!(when("channel == '\\u00'"), "syntax");
    assert_eq!(when("channel == '\\"), "syntax");
    assert_eq!(when("channel == '''\\"), "syntax");
    assert_eq!(when("channel == '\\U0011ffff'"), "syntax");
    assert_eq!(when("1"), "wrong_type");
    assert_eq!(when("1e"), "bad_literal");
    assert_eq!(when("1."), "syntax");
    assert_eq!(when("0x"), "bad_literal");
    assert_eq!(when("_"), "unknown_variable");
    assert_eq!(when("// only a comment"), "syntax");
}
