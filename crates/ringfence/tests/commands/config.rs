//! Rules, policy, lists and a folder of them by the binary, for people who keep their configuration in files.

use std::fs;

use serde_json::{Value, json};

use crate::world::Bench;

const RULES: &str = "[[rules]]\nid = \"stolen\"\nwhen = 'on_list(\"stolen\", device.id)'\nstatus = \"active\"\ndecision = \"decline\"\nreason = \"a stolen device\"\n";
const POLICY: &str =
    "fallback = \"approve\"\n\n[thresholds]\nchallenge = 400\nreview = 700\ndecline = 900\n";

fn ready() -> Bench {
    let bench = Bench::new();
    bench.json(&["init"]);
    bench
}

fn error(bench: &Bench, args: &[&str]) -> String {
    let done = bench.run(args);
    assert_eq!(done.status.code(), Some(1), "{args:?}");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn decided(bench: &Bench, id: &str, device: &str) -> Value {
    let line = json!({
        "event_id": id, "event_type": "payment", "event_timestamp": "2026-01-05T10:00:00Z",
        "account": "ann", "merchant": "m", "device": device, "amount": "5.00",
    });
    bench.decide(&[line.to_string()]).remove(0)
}

#[test]
fn a_folder_is_planned_then_applied_and_then_there_is_nothing_to_change() {
    let bench = ready();
    let folder = bench.path("config");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("rules.toml"), RULES).unwrap();
    fs::write(folder.join("policy.toml"), POLICY).unwrap();
    fs::write(folder.join("rates.toml"), "USD = 0.92\n").unwrap();
    let lists = "[stolen]\non = \"device\"\nform = \"text\"\neffect = \"watch\"\n";
    fs::write(folder.join("lists.toml"), lists).unwrap();
    let apply = |more: &[&str]| {
        let mut args = vec!["apply", "-f", "config"];
        args.extend(more);
        bench.json(&args)
    };
    let plan = apply(&[]);
    assert_eq!(plan["applied"], false);
    let changes = plan["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 4, "{plan}");
    assert_eq!(
        (&changes[0]["list"], &changes[0]["change"]),
        (&json!("stolen"), &json!("create"))
    );
    let sections: Vec<_> = changes[1..]
        .iter()
        .map(|it| it["section"].as_str().unwrap())
        .collect();
    assert_eq!(sections, ["rates", "policy", "rules"]);
    assert!(
        changes[2]["diff"]
            .as_array()
            .unwrap()
            .contains(&json!("+ review = 700"))
    );
    assert_eq!(
        bench.json(&["rules", "show"])["version"],
        0,
        "a plan changed something"
    );

    let done = apply(&["--yes", "--why", "first of all"]);
    assert_eq!(done["applied"], true);
    let again = apply(&["--yes"]);
    assert_eq!(again["changes"], json!([]));
    assert_eq!(bench.json(&["policy", "show"])["text"], POLICY);
    let dump = bench.run(&["log", "dump", "--kind", "config"]);
    let dump = String::from_utf8(dump.stdout).unwrap();
    assert_eq!(dump.matches("\"first of all\"").count(), 4, "{dump}");

    bench.json(&["lists", "put", "stolen", "d-1", "--reason", "reported"]);
    let caught = decided(&bench, "c1", "d-1");
    assert_eq!(
        (&caught["decision"], &caught["source"]),
        (&json!("decline"), &json!("rule"))
    );
    assert_eq!(caught["findings"]["rules"][0]["reason"], "a stolen device");
    assert_eq!(decided(&bench, "c2", "d-2")["decision"], "approve");
    fs::write(folder.join("lists.toml"), "").unwrap();
    assert_eq!(apply(&[])["untouched_lists"], json!(["stolen"]));
    assert!(error(&bench, &["lists", "drop", "stolen"]).contains("named by the rules"));
}

#[test]
fn a_broken_file_is_refused_with_line_and_column_and_changes_nothing() {
    let bench = ready();
    let wrong = "[[rules]]\nid = \"r\"\nwhen = 'amount > 1 &&'\nstatus = \"active\"\n[[rules]]\nid = \"s\"\nwhen = 'devise.id == \"x\"'\nstatus = \"activ\"\n";
    fs::write(bench.path("rules.toml"), wrong).unwrap();
    for verb in ["check", "set"] {
        let told = error(&bench, &["rules", verb, "rules.toml"]);
        assert!(
            told.contains("line 3") && told.contains("device.id") && told.contains("line 8"),
            "{told}"
        );
    }
    assert_eq!(bench.json(&["rules", "show"])["version"], 0);
    fs::write(
        bench.path("policy.toml"),
        "[thresholds]\nchallenge = 9\nreview = 5\ndecline = 7\n",
    )
    .unwrap();
    let told = error(&bench, &["policy", "set", "policy.toml"]);
    assert!(told.contains("challenge <= review <= decline"), "{told}");
    assert!(error(&bench, &["apply", "-f", ".", "--yes"]).contains("rules: "));
    // What a record of the log cannot hold is refused, and the log stays readable.
    fs::write(bench.path("policy.toml"), POLICY).unwrap();
    let long = "w".repeat(513);
    assert!(
        error(&bench, &["policy", "set", "policy.toml", "--why", &long])
            .contains("why must be at most 512 bytes")
    );
    fs::write(
        bench.path("huge.toml"),
        format!("{POLICY}# {}", "x".repeat(1 << 20)),
    )
    .unwrap();
    assert!(error(&bench, &["policy", "set", "huge.toml"]).contains("document must be at most"));
    assert_eq!(bench.json(&["policy", "show"])["version"], 0);
    let variables = bench.json(&["rules", "variables"]);
    let names: Vec<_> = variables
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    for name in [
        "amount",
        "score",
        "device.id",
        "device.accounts_24h",
        "features.amount",
        "channel",
    ] {
        assert!(names.contains(&name), "{name}");
    }
}

/// What rules may call is told without a tenant, from the table that the checker goes by.
#[test]
fn every_function_is_told_by_a_command() {
    let bench = Bench::new();
    let told = bench.json(&["rules", "functions"]);
    let told = told.as_array().unwrap().iter();
    let told: Vec<_> = told.map(|it| it["written"].as_str().unwrap()).collect();
    assert_eq!(told.len(), rules::FUNCTIONS.len());
    for written in [
        "has(variable)",
        "size(text)",
        "x.size()",
        "x.getHours(zone)",
    ] {
        assert!(told.contains(&written), "{told:?}");
    }
    let mut command = bench.command(&["rules", "functions"]);
    assert!(
        !bench.path("data").exists(),
        "no tenant is needed: {command:?}"
    );
    assert!(command.output().unwrap().status.success());
}

#[test]
fn a_folder_with_one_bad_file_changes_nothing_of_the_others() {
    let bench = ready();
    let folder = bench.path("config");
    fs::create_dir(&folder).unwrap();
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let lists = "[stolen]\non = \"device\"\nform = \"text\"\neffect = \"watch\"\n";
    put("lists.toml", lists);
    put("rules.toml", RULES);
    put("rates.toml", "USD = 0.92\n");
    put("policy.toml", POLICY);
    let held = || {
        (
            bench.json(&["lists", "ls"]),
            bench.json(&["rules", "show"])["version"].clone(),
            bench.run(&["log", "dump", "--kind", "config"]).stdout,
        )
    };
    let before = held();
    let cases = [
        (
            "policy.toml",
            "[thresholds]\nchallenge = 9\nreview = 5\ndecline = 7\n",
            "policy: ",
        ),
        ("rates.toml", "XYZW = 1.0\n", "rates: "),
        (
            "lists.toml",
            "[stolen]\non = \"amount\"\nform = \"amount\"\neffect = \"watch\"\n",
            "rules: ",
        ),
        (
            "lists.toml",
            "[stolen]\non = \"shoe\"\nform = \"text\"\neffect = \"watch\"\n",
            "list stolen: ",
        ),
        ("drift.toml", "window = \"0s\"\n", "drift: "),
        ("casework.toml", "checklist = []\n", "casework.toml"),
    ];
    for (file, text, part) in cases {
        let good = fs::read_to_string(folder.join(file)).ok();
        put(file, text);
        for more in [&[][..], &["--yes"]] {
            let mut args = vec!["apply", "-f", "config"];
            args.extend(more);
            let told = error(&bench, &args);
            assert!(told.contains(part), "{file}: {told}");
        }
        assert_eq!(held(), before, "{file}");
        match good {
            Some(good) => put(file, &good),
            None => fs::remove_file(folder.join(file)).unwrap(),
        }
    }
    // Without the rest of the rules' lists, and then as a whole.
    fs::remove_file(folder.join("lists.toml")).unwrap();
    assert!(error(&bench, &["apply", "-f", "config", "--yes"]).contains("the list \\\"stolen\\\""));
    put("lists.toml", lists);
    let done = bench.json(&["apply", "-f", "config", "--yes"]);
    assert_eq!(done["changes"].as_array().unwrap().len(), 4);
    put("lists.toml", &lists.replace("text", "prefix"));
    assert!(error(&bench, &["apply", "-f", "config"]).contains("cannot become"));
}

#[test]
fn the_ten_rules_of_the_examples_hold_against_the_simulated_schema() {
    let bench = Bench::new();
    let schema = bench.run(&["simulate", "--print-schema"]);
    fs::write(bench.path("schema.toml"), &schema.stdout).unwrap();
    bench.json(&["init", "--schema", "schema.toml"]);
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/rules/ten.toml");
    assert_eq!(
        bench.json(&["rules", "check", rules]),
        json!({ "valid": true, "warnings": [] })
    );
    let text = fs::read_to_string(rules).unwrap();
    assert_eq!(text.matches("[[rules]]").count(), 10);
}

#[test]
fn a_list_goes_in_and_out_as_csv_and_refused_lines_are_told() {
    let bench = ready();
    bench.json(&[
        "lists", "define", "nets", "--on", "ip", "--form", "cidr", "--effect", "block", "--always",
    ]);
    let mut rows = String::from("value,expires,reason\n");
    for at in 0..2_500 {
        rows.push_str(&format!("10.{}.{}.0/24,,net {at}\n", at / 250, at % 250));
    }
    rows.push_str("10.0.0.1/8,,host bits\nnonsense,,\n192.168.0.0/16,2020-01-01T00:00:00Z,\n172.16.0.0/12,2150-01-01T00:00:00Z,late\n");
    fs::write(bench.path("nets.csv"), &rows).unwrap();
    let done = bench.run(&["lists", "import", "nets", "nets.csv"]);
    assert_eq!(done.status.code(), Some(3));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&told["put"], &told["rejected"]),
        (&json!(2501), &json!(3)),
        "{told}"
    );
    assert_eq!(told["rejects"][0]["line"], 2502);
    let held = bench.json(&["lists", "ls"]);
    assert_eq!(
        (&held[0]["items"], &held[0]["overridable"]),
        (&json!(2501), &json!(false))
    );
    let out = bench.run(&["lists", "export", "nets"]);
    assert!(out.status.success());
    fs::write(bench.path("again.csv"), &out.stdout).unwrap();
    bench.json(&[
        "lists", "define", "copy", "--on", "ip", "--form", "cidr", "--effect", "watch",
    ]);
    let again = bench.json(&["lists", "import", "copy", "again.csv"]);
    assert_eq!(
        (&again["put"], &again["rejected"]),
        (&json!(2501), &json!(0))
    );
    assert_eq!(bench.run(&["lists", "export", "copy"]).stdout, out.stdout);
    fs::write(bench.path("odd.csv"), "when,what\n1,2\n").unwrap();
    assert!(error(&bench, &["lists", "import", "nets", "odd.csv"]).contains("value"));
}

#[test]
fn an_imported_window_is_decided_again_by_other_thresholds_and_rules() {
    let bench = Bench::new();
    bench.import();
    fs::write(
        bench.path("policy.toml"),
        "fallback = \"approve\"\n\n[thresholds]\nchallenge = 1001\nreview = 1001\ndecline = 1001\n",
    )
    .unwrap();
    bench.json(&["policy", "set", "policy.toml"]);
    fs::write(bench.path("rules.toml"), "[[rules]]\nid = \"large\"\nwhen = 'amount > 300_00'\nstatus = \"active\"\ndecision = \"review\"\n").unwrap();
    let report = bench.json(&["backtest", "--rules", "rules.toml", "--last", "30d"]);
    assert_eq!(report["current"]["review"], 0);
    let reviewed = report["candidate"]["review"].as_u64().unwrap();
    assert!(reviewed > 0, "{report}");
    assert_eq!(report["rules"][0]["matched"], reviewed);
    assert_eq!(report["changes"][0]["events"], reviewed);
    assert_eq!(report["full_replay"], false);
    assert_eq!(report["unscored"], report["events"]);
    assert!(error(&bench, &["backtest"]).contains("nothing to try"));
    assert!(
        error(&bench, &["advise", "--alerts-per-day", "5"])
            .contains("no event of the window has a score")
    );
}
