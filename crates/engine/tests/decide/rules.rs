use event::json::{Line, parse_line};
use event::record::{
    Config, ConfigSection, Decision, DecisionKind, DecisionSource, RuleOutcome, Severity,
};
use event::{EventTime, Position, Record};
use ringfence_engine::{ConfigError, Effect as Done, NoScore, ReadRules};

use crate::world::{World, scored, taken};

#[test]
fn a_rule_over_the_graph_holds_when_the_graph_says_so() {
    let mut world = World::new();
    let rules = r#"
[[rules]]
id = "shared-device"
when = 'amount > 500_00 && device.accounts_24h >= 2.0'
status = "active"
decision = "review"
tags = ["mule", "device"]
alert = true
severity = "high"
reason = "a device that several accounts use"
"#;
    let rules = rules.replace("2.0", "2");
    world.set(ConfigSection::Rules, &rules).unwrap();
    let first = world.decide("1", "", scored(10));
    assert_eq!(
        taken(&first),
        (DecisionKind::Approve, DecisionSource::Model)
    );
    assert!(first.findings.is_empty());
    world.decide(
        "2",
        r#","device":"d1""#.replace("device", "card").as_str(),
        scored(10),
    );
    let other = r#"{"event_id":"3","event_type":"payment","event_timestamp":"2026-03-01T12:00:00Z","received_at":"2026-03-01T12:00:00Z","account":"a2","merchant":"m1","device":"d1","amount":"1.00"}"#;
    let Line::Event(other) = parse_line(other, &world.schema, None).unwrap() else {
        panic!("no event");
    };
    world
        .engine
        .apply(Position(world.next), &Record::Event(*other));
    world.next += 1;
    let caught = world.decide("4", "", scored(10));
    assert_eq!(taken(&caught), (DecisionKind::Review, DecisionSource::Rule));
    assert_eq!((caught.rules_version, caught.score), (1, 10));
    let hit = &caught.findings.rules[0];
    assert_eq!(
        (hit.rule.as_str(), hit.outcome),
        ("shared-device", RuleOutcome::Matched)
    );
    assert_eq!(hit.reason, "a device that several accounts use");
    assert_eq!(hit.alert, Some(Severity::High));
    assert_eq!(caught.findings.tags, ["device", "mule"]);
    assert_eq!(caught.evidence.as_slice(), [Position(3)]);
    let tallies: Vec<_> = world
        .engine
        .judge()
        .rule_tallies()
        .map(|(rule, tally)| (rule.id.as_str(), tally.matched))
        .collect();
    assert_eq!(tallies, [("shared-device", 1)]);
}

#[test]
fn modifiers_move_the_score_before_its_thresholds_and_shadows_move_nothing() {
    let mut world = World::new();
    let rules = r#"
[[rules]]
id = "up"
when = 'score >= 250 && score < 300'
status = "active"
score_add = 400
[[rules]]
id = "quiet"
when = 'true'
status = "shadow"
decision = "decline"
score_add = 1000
[[rules]]
id = "step-up"
when = 'probability > 0.2 && account.id == "a1"'
status = "active"
challenge = true
"#;
    world.set(ConfigSection::Rules, rules).unwrap();
    let moved = world.decide("1", "", scored(280));
    assert_eq!(taken(&moved), (DecisionKind::Review, DecisionSource::Model));
    assert_eq!((moved.score, moved.findings.model_score), (680, Some(280)));
    let outcomes: Vec<_> = moved
        .findings
        .rules
        .iter()
        .map(|it| (it.rule.as_str(), it.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("up", RuleOutcome::Matched),
            ("step-up", RuleOutcome::Matched),
            ("quiet", RuleOutcome::Shadow),
        ]
    );
    let challenged = world.decide("2", "", scored(10));
    assert_eq!(
        taken(&challenged),
        (DecisionKind::Challenge, DecisionSource::Rule)
    );
    assert_eq!(
        (challenged.score, challenged.findings.model_score),
        (10, None)
    );
    // Without a score a rule that names it is missing something; the others run.
    let fallen = world.decide("3", "", Err(NoScore::NoModel));
    assert_eq!(
        taken(&fallen),
        (DecisionKind::Review, DecisionSource::Fallback)
    );
    let tallies: Vec<_> = world
        .engine
        .judge()
        .rule_tallies()
        .map(|(_, it)| (it.matched, it.missing))
        .collect();
    assert_eq!(tallies, [(1, 1), (3, 0), (2, 1)]);
}

#[test]
fn an_unknown_name_in_a_rule_is_told_with_its_place_and_the_nearest_one() {
    let mut world = World::new();
    let rules = "[[rules]]\nid = \"r\"\nwhen = 'device.account_24h > 3'\nstatus = \"active\"\ndecision = \"review\"\n";
    let refused = world
        .set(ConfigSection::Rules, rules)
        .unwrap_err()
        .to_string();
    assert!(refused.starts_with("line 3"), "{refused}");
    assert!(refused.contains("device.accounts_24h"), "{refused}");
    assert_eq!(world.engine.version_of(ConfigSection::Rules), 0);
}

/// However many rules in shadow hold before it, a rule with effect is told, and so is its alert.
#[test]
fn rules_in_shadow_crowd_out_no_rule_with_effect() {
    let mut world = World::new();
    let mut rules = String::new();
    for number in 0..60 {
        rules.push_str(&format!(
            "[[rules]]\nid = \"s{number}\"\nwhen = 'true'\nstatus = \"shadow\"\n"
        ));
    }
    rules.push_str("[[rules]]\nid = \"last\"\nwhen = 'true'\nstatus = \"active\"\npriority = 10\nalert = true\nseverity = \"high\"\n");
    world.set(ConfigSection::Rules, &rules).unwrap();
    let decided = world.decide("1", "", scored(10));
    assert_eq!(decided.findings.rules.len(), 61);
    assert_eq!(decided.findings.rules[0].rule, "last");
    assert_eq!(decided.findings.rules[0].alert, Some(Severity::High));
}

#[test]
fn a_value_that_never_comes_is_refused_of_whom_hands_it_in_and_run_where_the_log_has_it() {
    let mut world = World::new();
    let rules = |when: &str| {
        format!(
            "[[rules]]\nid = \"a\"\nstatus = \"active\"\ndecision = \"review\"\nwhen = '{when}'\n"
        )
    };
    for (when, code) in [
        (r#"event_type == "paymnt""#, "unknown_value"),
        (r#"!(event_type in ["payment", "gift"])"#, "unknown_value"),
        (r#""gift" != event_type"#, "unknown_value"),
    ] {
        let Err(ConfigError::Rules(error)) = world.set(ConfigSection::Rules, &rules(when)) else {
            panic!("{when} was taken")
        };
        assert_eq!(error.problems.len(), 1, "{error}");
        assert_eq!(error.problems[0].cause.code(), code, "{error}");
        assert!(error.problems[0].in_expression.is_some());
    }
    assert_eq!(world.engine.version_of(ConfigSection::Rules), 0);
    world
        .set(
            ConfigSection::Rules,
            &rules(r#"event_type in ["payment", "login"]"#),
        )
        .unwrap();

    let features = world.engine.features().clone();
    let read = |when: &str| ReadRules::read(rules(when), &world.schema, &features);
    let open = read(r#"channel == "mobil" && event_type == "payment""#).unwrap();
    let warnings: Vec<String> = open.warnings().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("whether channel is ever \"mobil\""),
        "{warnings:?}"
    );
    assert!(read(r#"event_type == "gift""#).is_err());

    // An older log may hold one: it decides by it as it did.
    let config = Config {
        at: EventTime::parse_iso("2026-03-01T00:00:00Z").unwrap(),
        section: ConfigSection::Rules,
        version: 2,
        author: "ann".into(),
        why: Default::default(),
        body: rules(r#"event_type != "gift""#),
    };
    let effect = world
        .engine
        .apply(Position(world.next), &Record::Config(config));
    world.next += 1;
    assert_eq!(effect, Done::Configured(ConfigSection::Rules, 2));
    let decided = world.decide("e1", "", Err(NoScore::NoModel));
    assert_eq!(decided.source, DecisionSource::Rule);
}

/// A rule with an error is no rule that does not hold: what it said nothing of is decided by the others, and told.
#[test]
fn a_rule_that_errs_at_run_time_is_told_and_counted_and_decides_nothing() {
    let mut world = World::new();
    let rules = r#"
[[rules]]
id = "ratio"
when = '1 / (score - 640) > 0'
status = "active"
decision = "decline"
stop = true
reason = "far above the middle"
alert = true
[[rules]]
id = "shy"
when = '1 / (score - 640) > 0'
status = "shadow"
score_add = 100
"#;
    world.set(ConfigSection::Rules, rules).unwrap();
    let told = |decision: &Decision| {
        let rules = decision.findings.rules.iter();
        let told = rules.map(|it| (it.rule.to_string(), it.outcome, it.alert));
        told.collect::<Vec<_>>()
    };
    let erred = world.decide("1", "", scored(640));
    assert_eq!(taken(&erred), (DecisionKind::Review, DecisionSource::Model));
    assert_eq!(
        told(&erred),
        ["ratio", "shy"].map(|id| (id.to_owned(), RuleOutcome::Error, None))
    );
    assert_eq!(erred.findings.rules[0].reason, "far above the middle");
    let held = world.decide("2", "", scored(641));
    assert_eq!(taken(&held), (DecisionKind::Decline, DecisionSource::Rule));
    let alert = Some(Severity::Medium);
    assert_eq!(
        told(&held),
        [("ratio".to_owned(), RuleOutcome::Matched, alert)]
    );
    let below = world.decide("3", "", scored(639));
    assert_eq!(taken(&below), (DecisionKind::Review, DecisionSource::Model));
    assert!(below.findings.is_empty());
    let tallies: Vec<_> = world
        .engine
        .judge()
        .rule_tallies()
        .map(|(_, it)| (it.matched, it.missing, it.errors))
        .collect();
    assert_eq!(tallies, [(1, 0, 1), (0, 0, 1)]);
}
