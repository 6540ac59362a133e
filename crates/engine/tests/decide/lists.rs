use event::record::{ConfigSection, DecisionKind, DecisionSource, ListEffect, RuleOutcome};
use lists::{Change, Definition, Effect, Form, Value};

use crate::world::{BLOCK, BLOCK_ALWAYS, POLICY, TEXT, World, scored, taken, text};

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
