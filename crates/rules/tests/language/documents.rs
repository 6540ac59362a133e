//! Documents with problems: all of them, each at its place.

use expect_test::{Expect, expect};
use ringfence_rules::{PROBLEMS_MAX, RULES_MAX, RuleSet, RuleSetError, Values};

use crate::world::vocabulary;

fn refused(document: &str) -> RuleSetError {
    match RuleSet::parse(document, &vocabulary()) {
        Err(error) => error,
        Ok(_) => panic!("it was taken"),
    }
}

fn check(document: &str, expected: Expect) {
    expected.assert_eq(&refused(document).to_string());
}

#[test]
fn all_problems_of_a_document_at_once() {
    check(
        r#"
version = 1

[[rules]]
id = "Big One"
when = "amont > 500_00 && device.account_72h >= 4"
status = "activ"
priority = 1.5
stop = "yes"
score_add = 1001
decision = "deny"
colour = "red"

[[rules]]
id = "same"
when = "score > 'high' || channel == 3"
status = "active"
severity = "high"
snoozed_until = 2026-01-01T00:00:00Z
tags = ["ok", "Not Ok", 3]

[[rules]]
id = "same"
when = ""
status = "snoozed"
desciption = "twice"
reason = ""

[[rules]]
"#,
        expect![[r#"
            line 2, column 1: unknown field "version"
            line 5, column 6, rule "Big One": id must be 1 to 64 of a-z 0-9 . _ -, got "Big One"
            line 6, column 9, rule "Big One", column 1 of when: unknown variable "amont", did you mean "amount"?
            line 6, column 27, rule "Big One", column 19 of when: unknown variable "device.account_72h", did you mean "device.accounts_72h"?
            line 7, column 10, rule "Big One": status must be draft, shadow, active, snoozed, got "activ"
            line 8, column 12, rule "Big One": priority must be an integer, got float
            line 9, column 8, rule "Big One": stop must be true or false, got string
            line 10, column 13, rule "Big One": score_add must be from -1000 to 1000, got 1001
            line 11, column 12, rule "Big One": decision must be approve, challenge, review, decline, got "deny"
            line 12, column 1, rule "Big One": unknown field "colour"
            line 16, column 9, rule "same", column 1 of when: `>` does not take number and text
            line 16, column 27, rule "same", column 19 of when: `==` does not take text and number
            line 18, column 12, rule "same": severity must be there with alert = true only, got no alert
            line 19, column 17, rule "same": snoozed_until must be there with status = "snoozed" and only then, got another status
            line 20, column 15, rule "same": tags must be of 1 to 32 of a-z 0-9 . _ - each, got "Not Ok"
            line 20, column 25, rule "same": a tag must be a string, got integer
            line 23, column 6, rule "same": the id "same" is taken by the rule of line 15
            line 24, column 8, rule "same": when must be an expression, got ""
            line 25, column 10, rule "same": snoozed_until must be there with status = "snoozed" and only then, got nothing
            line 26, column 1, rule "same": unknown field "desciption", did you mean "description"?
            line 27, column 10, rule "same": reason must be 1 to 256 bytes without control characters, got ""
            line 29, column 1: the field id is missing
            line 29, column 1: the field when is missing
            line 29, column 1: the field status is missing"#]],
    );
}

#[test]
fn a_place_is_the_same_however_the_text_is_quoted() {
    let expected_columns = [
        ("when = \"true && amuont > 1\"", 1, 17),
        ("when = 'true && amuont > 1'", 1, 17),
        ("when = \"\"\"true && amuont > 1\"\"\"", 1, 19),
        ("when = '''\ntrue &&\n  amuont > 1'''", 3, 3),
        ("when = \"\"\"\r\ntrue &&\r\n  amuont > 1\"\"\"", 3, 3),
        (
            "when = \"channel == \\\"a\\u00e4\\\" && amuont > 1\"",
            1,
            35,
        ),
        ("when = \"\"\"true && \\\n    amuont > 1\"\"\"", 2, 5),
        ("when = 'channel == \"äöü\" && amuont > 1'", 1, 29),
    ];
    for (field, line, column) in expected_columns {
        let document = format!("{field}\nid = \"r\"\nstatus = \"active\"\n");
        let document = format!("[[rules]]\n{document}");
        let error = refused(&document);
        let place = error.problems[0].place;
        assert_eq!(
            (place.line, place.column),
            (line + 1, column),
            "{field}\n{error}"
        );
    }
}

#[test]
fn messages_of_expressions() {
    let expressions = [
        "amount >",
        "amount = 5",
        "amount > 1 && devise.id == \"x\"",
        "zzz.qqq > 1",
        "amount + \"x\" > 1",
        "amount && recurring",
        "recurring ? 1 : \"x\"",
        "channel.startWith(\"x\")",
        "channel.startsWith(\"x\", \"y\")",
        "channel.matches(\"[\")",
        "channel.matches(\"(a|b)*a(a|b){20}\")",
        "event_timestamp.getHours(\"Europe/Rome\") > 1",
        "event_timestamp > timestamp(\"tomorrow\")",
        "amount in [1, \"x\"]",
        "amount > 12345678901234567890",
        "[1, 2].map(x, x > 1)",
        "on_list(\"VIP\", device.id)",
        "amount > 1 && §",
        "amount",
    ];
    let messages = expressions.map(|when| {
        let document = format!("[[rules]]\nid = \"r\"\nstatus = \"active\"\nwhen = '{when}'\n");
        format!("{when}\n  {}\n", refused(&document))
    });
    expect![[r#"
        amount >
          line 4, column 17, rule "r", column 9 of when: expected a value, got the end
        amount = 5
          line 4, column 16, rule "r", column 8 of when: expected `==` to compare, got `=`
        amount > 1 && devise.id == "x"
          line 4, column 23, rule "r", column 15 of when: unknown variable "devise.id", did you mean "device.id"?
        zzz.qqq > 1
          line 4, column 9, rule "r", column 1 of when: unknown variable "zzz.qqq"
        amount + "x" > 1
          line 4, column 9, rule "r", column 1 of when: `+` does not take number and text
        amount && recurring
          line 4, column 9, rule "r", column 1 of when: an operand of `&&` must be bool, got number
        recurring ? 1 : "x"
          line 4, column 21, rule "r", column 13 of when: `? :` does not take number and text
        channel.startWith("x")
          line 4, column 9, rule "r", column 1 of when: unknown function "startWith", did you mean "startsWith"?
        channel.startsWith("x", "y")
          line 4, column 9, rule "r", column 1 of when: `startsWith` takes one argument, got 2
        channel.matches("[")
          line 4, column 25, rule "r", column 17 of when: bad pattern: unclosed character class
        channel.matches("(a|b)*a(a|b){20}")
          line 4, column 25, rule "r", column 17 of when: bad pattern: it needs more than 131072 bytes of states: repeat less, or anchor it by ^
        event_timestamp.getHours("Europe/Rome") > 1
          line 4, column 34, rule "r", column 26 of when: this zone is not supported: "UTC" or a fixed offset as "+02:00": the rules of named zones change
        event_timestamp > timestamp("tomorrow")
          line 4, column 37, rule "r", column 29 of when: bad literal "tomorrow": it must be a constant text as 2026-01-31T12:00:00Z
        amount in [1, "x"]
          line 4, column 23, rule "r", column 15 of when: an element must be number, got text
        amount > 12345678901234567890
          line 4, column 18, rule "r", column 10 of when: bad literal 12345678901234567890: integers are exact up to 2^53 = 9007199254740992 only
        [1, 2].map(x, x > 1)
          line 4, column 9, rule "r", column 1 of when: `map` of CEL is not supported: docs/rules.md has the functions there are
        on_list("VIP", device.id)
          line 4, column 17, rule "r", column 9 of when: bad literal "VIP": a list has a constant name of 1 to 64 of a-z 0-9 . _ -
        amount > 1 && §
          line 4, column 23, rule "r", column 15 of when: expected a value or an operator, got '§'
        amount
          line 4, column 9, rule "r", column 1 of when: a rule's expression must be bool, got number
    "#]].assert_eq(&messages.concat());
}

#[test]
fn no_document_of_rules() {
    check(
        "[[rules]\nid = ",
        expect!["line 1, column 9: the document is no TOML: unclosed array table, expected `]`"],
    );
    check(
        "rules = 3",
        expect!["line 1, column 9: rules must be an array of tables, [[rules]], got integer"],
    );
    check(
        "rules = [3]",
        expect!["line 1, column 10: an entry of rules must be a table, got integer"],
    );
    check(
        "[[rule]]\nid = \"x\"",
        expect![[r#"line 1, column 3: unknown field "rule", did you mean "rules"?"#]],
    );
}

#[test]
fn an_empty_set_is_a_set() {
    let set = RuleSet::parse("", &vocabulary()).unwrap();
    assert!(set.rules().is_empty() && set.used().is_empty() && set.cost() == 0);
}

fn rules(count: usize, fields: &str) -> String {
    (0..count)
        .map(|at| format!("[[rules]]\nid = \"r{at}\"\nstatus = \"active\"\n{fields}\n"))
        .collect()
}

#[test]
fn limits_of_a_set() {
    let when = "when = 'score > 1'";
    let full = RuleSet::parse(&rules(RULES_MAX, when), &vocabulary()).unwrap();
    assert_eq!(full.order().len(), RULES_MAX);
    let code_of = |document: &str| refused(document).problems[0].cause.to_string();
    assert_eq!(
        code_of(&rules(RULES_MAX + 1, when)),
        "at most 200 rules in a set, got 201"
    );
    let tags = |per_rule: usize, rules: usize| {
        let rule = |at: usize| {
            let tags: Vec<String> = (0..per_rule).map(|it| format!("\"t{at}-{it}\"")).collect();
            let tags = tags.join(",");
            format!("[[rules]]\nid=\"r{at}\"\nstatus=\"active\"\n{when}\ntags=[{tags}]\n")
        };
        (0..rules).map(rule).collect::<String>()
    };
    assert!(RuleSet::parse(&tags(8, 16), &vocabulary()).is_ok());
    assert_eq!(code_of(&tags(9, 1)), "at most 8 tags of a rule, got 9");
    assert_eq!(
        code_of(&tags(8, 17)),
        "at most 128 different tags in a set, got 129"
    );
    let lists = |count: usize| {
        let rule = |at: usize| {
            format!(
                "[[rules]]\nid=\"r{at}\"\nstatus=\"active\"\nwhen=\"on_list('l{at}', channel)\"\n"
            )
        };
        (0..count).map(rule).collect::<String>()
    };
    assert!(RuleSet::parse(&lists(64), &vocabulary()).is_ok());
    assert_eq!(code_of(&lists(65)), "at most 64 lists in a set, got 65");
}

/// Problems are cut where nobody reads on, and never taken for none.
#[test]
fn a_flood_of_problems_is_cut() {
    let document = rules(RULES_MAX, "when = 'a + b + c'\nx = 1\ny = 2");
    let error = refused(&document);
    assert!(error.cut);
    assert_eq!(error.problems.len(), 100);
    assert!(error.to_string().ends_with("and more than these 100"));
    let many = vec!["zz"; 40].join(" + ");
    let error = refused(&rules(1, &format!("when = '{many}'")));
    assert_eq!((error.problems.len(), error.cut), (8, false));
}

/// `event_type` is told, `channel` is not.
fn taken(document: &str) -> RuleSet {
    let mut vocabulary = vocabulary();
    let types = vec!["payment".to_owned(), "login".to_owned()];
    let event_type = vocabulary.find("event_type").unwrap();
    vocabulary.declare(event_type, Values::These(types));
    let channel = vocabulary.find("channel").unwrap();
    vocabulary.declare(channel, Values::Untold);
    RuleSet::parse(document, &vocabulary).unwrap()
}

#[test]
fn what_cannot_be_checked_hides_no_value_that_never_comes() {
    let rule = |id: usize, when: &str| {
        format!("[[rules]]\nid = \"r{id}\"\nstatus = \"active\"\nwhen = '{when}'\n")
    };
    let channels = |count: usize| {
        let each = (0..count).map(|it| format!("channel == \"c{it}\""));
        each.collect::<Vec<_>>().join(" || ")
    };
    let unknown = |set: &RuleSet| {
        let refused = set.refuse_unknown_values();
        let problems = refused.map_or_else(|error| error.problems, |()| Vec::new());
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // Of one expression.
    let set = taken(&rule(
        1,
        &format!("{} || event_type == \"paymnt\"", channels(9)),
    ));
    assert_eq!(set.warnings().count(), 8);
    let told = unknown(&set);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("did you mean \"payment\""), "{told:?}");
    // Of a document.
    let mut document: String = (0..20).map(|it| rule(it, &channels(8))).collect();
    document.push_str(&rule(20, "event_type == \"gift\""));
    let set = taken(&document);
    assert_eq!(set.warnings().count(), PROBLEMS_MAX);
    assert_eq!(unknown(&set).len(), 1);
    // Each literal once, however often its expression is unrolled.
    let twice = "[1, 2].exists(x, score > x && event_type in [\"gift\", \"theft\"])";
    assert_eq!(unknown(&taken(&rule(1, twice))).len(), 2);
}
