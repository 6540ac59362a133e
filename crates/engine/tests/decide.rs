//! Lists, rules, thresholds and the draw: who decides, and what is told of it.

// Helpers of tests lie outside the `#[test]` functions that clippy exempts.
#![allow(clippy::unwrap_used)]

use event::json::{Line, parse_line};
use event::record::{
    Config, ConfigSection, Decision, DecisionKind, DecisionSource, ListEffect, ModelVersion,
    Record, RuleOutcome, Severity,
};
use event::{Event, EventTime, Position, Schema};
use graph::Sample;
use graph::sample::SampleParts;
use lists::{Change, Definition, Effect, Form, NewItem, Value};
use ringfence_engine::{ConfigError, Effect as Done, Engine, NoScore, ReadRules, Scored};

const POLICY: &str = "[thresholds]\nchallenge = 300\nreview = 600\ndecline = 900\n";
const NOW: &str = "2026-03-01T12:00:00Z";

const TEXT: Form = Form::Text { fold: false };
const BLOCK: Effect = Effect::Block { overridable: true };
const BLOCK_ALWAYS: Effect = Effect::Block { overridable: false };

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

struct World {
    schema: Schema,
    engine: Engine,
    next: u64,
}

impl World {
    fn new() -> World {
        let schema = Schema::parse(include_str!("../../../schemas/default.toml")).unwrap();
        let engine = Engine::new(&schema);
        let mut world = World {
            schema,
            engine,
            next: 0,
        };
        world.set(ConfigSection::Policy, POLICY).unwrap();
        world
    }

    /// As a shell does: checked, then written.
    fn set(&mut self, section: ConfigSection, body: &str) -> Result<(), ConfigError> {
        let at = EventTime::parse_iso("2026-03-01T00:00:00Z").unwrap();
        self.engine.check_config(section, body, at)?;
        let version = self.engine.version_of(section) + 1;
        let config = Config {
            at,
            section,
            version,
            author: "ann".into(),
            why: Default::default(),
            body: body.to_owned(),
        };
        let effect = self
            .engine
            .apply(Position(self.next), &Record::Config(config));
        self.next += 1;
        assert_eq!(effect, Done::Configured(section, version));
        Ok(())
    }

    fn change(&mut self, change: &Change) -> Result<(), ConfigError> {
        self.set(ConfigSection::Lists, &change.encode().unwrap())
    }

    fn list(&mut self, name: &str, on: &str, form: Form, effect: Effect, value: Value) {
        let (name, on) = (name.to_owned(), on.to_owned());
        let item = NewItem {
            value,
            expires: None,
            reason: String::new(),
        };
        let list = name.clone();
        let definition = Definition {
            name,
            on,
            form,
            effect,
        };
        self.change(&Change::Create(definition)).unwrap();
        let items = vec![item];
        self.change(&Change::Put { list, items }).unwrap();
    }

    fn event(&self, id: &str, more: &str) -> Event {
        let text = format!(
            r#"{{"event_id":"{id}","event_type":"payment","event_timestamp":"{NOW}","received_at":"{NOW}","account":"a1","merchant":"m1","device":"d1","ip":"10.1.2.3","amount":"600.00"{more}}}"#
        );
        match parse_line(&text, &self.schema, None).unwrap() {
            Line::Event(event) => *event,
            other => panic!("{other:?}"),
        }
    }

    fn decide(&mut self, id: &str, more: &str, scored: Result<Scored, NoScore>) -> Decision {
        let event = self.event(id, more);
        let mut sample = Sample::default();
        self.engine
            .sample(&event, SampleParts::Tabular, &mut sample);
        let position = Position(self.next);
        self.engine.apply(position, &Record::Event(event.clone()));
        let decision = self.engine.decide(&event, position, &sample, scored);
        self.engine
            .apply(Position(self.next + 1), &Record::Decision(decision.clone()));
        self.next += 2;
        decision
    }
}

fn scored(score: u16) -> Result<Scored, NoScore> {
    Ok(Scored {
        score,
        probability_ppm: 250_000,
        model: ModelVersion([1; 8]),
        reasons: Default::default(),
        evidence: [Position(3)].into_iter().collect(),
    })
}

fn taken(decision: &Decision) -> (DecisionKind, DecisionSource) {
    (decision.verdict, decision.source)
}

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
fn the_strongest_list_decides_over_rules_and_score() {
    let mut world = World::new();
    world.list("watched", "device", TEXT, Effect::Watch, text("d1"));
    let watched = world.decide("1", "", scored(10));
    assert_eq!(
        taken(&watched),
        (DecisionKind::Approve, DecisionSource::Model)
    );
    assert_eq!(watched.findings.lists[0].list, "watched");
    assert_eq!(watched.findings.lists[0].effect, ListEffect::Watch);
    world.list("bad-net", "ip", Form::Cidr, BLOCK, text("10.0.0.0/8"));
    let blocked = world.decide("2", "", scored(10));
    assert_eq!(
        taken(&blocked),
        (DecisionKind::Decline, DecisionSource::List)
    );
    world.list("vip", "account", TEXT, Effect::Allow, text("a1"));
    world
        .set(
            ConfigSection::Rules,
            "[[rules]]\nid = \"no\"\nwhen = 'true'\nstatus = \"active\"\ndecision = \"decline\"\n",
        )
        .unwrap();
    let allowed = world.decide("3", "", scored(1000));
    assert_eq!(
        taken(&allowed),
        (DecisionKind::Approve, DecisionSource::List)
    );
    assert_eq!(allowed.findings.rules[0].outcome, RuleOutcome::Matched);
    world.list("sanctions", "merchant", TEXT, BLOCK_ALWAYS, text("m1"));
    let sanctioned = world.decide("4", "", scored(10));
    assert_eq!(
        taken(&sanctioned),
        (DecisionKind::Decline, DecisionSource::List)
    );
    let names: Vec<_> = sanctioned
        .findings
        .lists
        .iter()
        .map(|it| it.list.as_str())
        .collect();
    assert_eq!(names, ["sanctions", "vip", "bad-net", "watched"]);
}

#[test]
fn rules_ask_lists_and_lists_that_rules_ask_stay() {
    let mut world = World::new();
    let rules = "[[rules]]\nid = \"big\"\nwhen = 'on_list(\"bands\", amount) && !on_list(\"known\", device.id)'\nstatus = \"active\"\ndecision = \"review\"\n";
    let refused = world.set(ConfigSection::Rules, rules).unwrap_err();
    assert_eq!(refused.code(), "rules");
    assert!(refused.to_string().contains("\"bands\""), "{refused}");
    world.list(
        "bands",
        "amount",
        Form::Amount,
        Effect::Watch,
        Value::Band {
            from: 50_000,
            to: 70_000,
            currency: "EUR".to_owned(),
        },
    );
    world.list("known", "device", TEXT, Effect::Watch, text("d9"));
    world.set(ConfigSection::Rules, rules).unwrap();
    let decided = world.decide("1", "", scored(10));
    assert_eq!(
        taken(&decided),
        (DecisionKind::Review, DecisionSource::Rule)
    );
    let other_currency = world.decide("2", r#","currency":"USD""#, scored(10));
    assert_eq!(
        taken(&other_currency),
        (DecisionKind::Approve, DecisionSource::Model)
    );
    for (list, value) in [("bands", "device.id"), ("known", "amount")] {
        let wrong = format!(
            "[[rules]]\nid = \"w\"\nwhen = 'on_list(\"{list}\", {value})'\nstatus = \"draft\"\n"
        );
        let active = wrong.replace("draft", "active");
        let refused = world
            .set(ConfigSection::Rules, &active)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(list) && refused.contains("form"),
            "{refused}"
        );
    }
    let list = "bands".to_owned();
    let dropped = world.change(&Change::Drop { list });
    assert_eq!(dropped.unwrap_err().code(), "list_in_use");
    for (on, form, code) in [
        ("nothing", TEXT, "list_field"),
        ("amount", TEXT, "list_form"),
        ("device", Form::Amount, "list_form"),
    ] {
        let (name, on) = ("x".to_owned(), on.to_owned());
        let effect = Effect::Watch;
        let definition = Definition {
            name,
            on,
            form,
            effect,
        };
        let refused = world.change(&Change::Create(definition)).unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
}

#[test]
fn a_share_of_small_declines_passes_and_says_with_which_chance() {
    let mut world = World::new();
    let policy = format!(
        "{POLICY}\n[random_approve]\nshare = 0.1\namount_max = 1000.0\nsecret = \"0123456789abcdef\"\n"
    );
    world.set(ConfigSection::Policy, &policy).unwrap();
    let mut passed = Vec::new();
    for number in 0..1000 {
        let decision = world.decide(&format!("n{number}"), "", scored(950));
        match decision.verdict {
            DecisionKind::Approve => {
                assert_eq!(decision.findings.explored, Some(DecisionKind::Decline));
                assert_eq!(decision.propensity_ppm, 100_000);
                passed.push(number);
            }
            DecisionKind::Decline => {
                assert_eq!(decision.findings.explored, None);
                assert_eq!(decision.propensity_ppm, 900_000);
            }
            other => panic!("{other:?}"),
        }
    }
    // Four standard deviations of a binomial of 1,000 at .1.
    assert!(
        (62..=138).contains(&passed.len()),
        "{} passed",
        passed.len()
    );
    // Drawn by id: the same ones again.
    let event = format!("n{}", passed[0]);
    assert_eq!(
        world.decide(&event, "", scored(950)).verdict,
        DecisionKind::Approve
    );
    // What the score only reviews, what is large, what a rule or a list declines: never drawn.
    let number = passed[0];
    let id = format!("n{number}");
    let reviewed = world.decide(&id, "", scored(700));
    assert_eq!(
        (reviewed.verdict, reviewed.propensity_ppm),
        (DecisionKind::Review, 1_000_000)
    );
    world
        .set(
            ConfigSection::Rules,
            "[[rules]]\nid = \"no\"\nwhen = 'true'\nstatus = \"active\"\ndecision = \"decline\"\n",
        )
        .unwrap();
    let ruled = world.decide(&id, "", scored(950));
    assert_eq!(
        (ruled.verdict, ruled.propensity_ppm),
        (DecisionKind::Decline, 1_000_000)
    );
    world.set(ConfigSection::Rules, "").unwrap();
    let capped = policy.replace("1000.0", "599.99");
    world.set(ConfigSection::Policy, &capped).unwrap();
    let large = world.decide(&id, "", scored(950));
    assert_eq!(
        (large.verdict, large.propensity_ppm),
        (DecisionKind::Decline, 1_000_000)
    );
}

#[test]
fn a_draw_that_is_no_probe_is_refused_with_its_field() {
    let mut world = World::new();
    for (draw, wanted) in [
        (
            "share = 0.2\namount_max = 1.0\nsecret = \"0123456789abcdef\"",
            "random_approve.share must be above 0 and at most 0.1",
        ),
        (
            "share = 0.0\namount_max = 1.0\nsecret = \"0123456789abcdef\"",
            "random_approve.share must be",
        ),
        (
            "share = 0.1\namount_max = -1.0\nsecret = \"0123456789abcdef\"",
            "random_approve.amount_max must be",
        ),
        (
            "share = 0.1\namount_max = 1.0\nsecret = \"short\"",
            "random_approve.secret must be of 16 to 128 bytes, got 5",
        ),
    ] {
        let policy = format!("{POLICY}\n[random_approve]\n{draw}\n");
        let refused = world.set(ConfigSection::Policy, &policy).unwrap_err();
        assert!(refused.to_string().contains(wanted), "{refused}");
    }
    assert_eq!(world.engine.version_of(ConfigSection::Policy), 1);
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
