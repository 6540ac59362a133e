//! `tests/cases`: a file is a test. A case runs by the crate, and by the reference too unless it says how it
//! deviates from CEL.

use std::fs;
use std::path::Path;

use ringfence_rules::Cause;

use crate::world::{Lists, Outcome, Value, Values, for_cel, reference, run};

#[derive(Debug)]
struct Case {
    when: String,
    values: Values,
    expect: String,
    deviates: Option<String>,
    /// What the reference says where that deviates.
    cel: Option<String>,
}

fn value(it: &toml::Value) -> Value {
    match it {
        toml::Value::Boolean(it) => Value::Bool(*it),
        toml::Value::Integer(it) => Value::Number(*it as f64),
        toml::Value::Float(it) => Value::Number(*it),
        toml::Value::String(it) => Value::Text(it.clone()),
        toml::Value::Datetime(it) => {
            let time = chrono::DateTime::parse_from_rfc3339(&it.to_string()).unwrap();
            Value::Time(time.timestamp_millis())
        }
        other => panic!("no value of a variable: {other}"),
    }
}

fn values(table: Option<&toml::Value>) -> Values {
    let table = table.and_then(toml::Value::as_table);
    let each = table.into_iter().flatten();
    each.map(|(name, it)| (name.clone(), value(it))).collect()
}

/// Defaults of the file, then what the case says; `"missing"` takes a variable away.
fn read(path: &Path) -> (Lists, Vec<Case>) {
    let file: toml::Table = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let defaults = values(file.get("values"));
    let lists = file.get("lists").and_then(toml::Value::as_table);
    let lists = lists.into_iter().flatten().map(|(name, entries)| {
        let entries = entries.as_array().unwrap().iter().map(value).collect();
        (name.clone(), entries)
    });
    let lists = lists.collect();
    let cases = file["case"].as_array().unwrap().iter().map(|case| {
        let text = |key: &str| case.get(key).map(|it| it.as_str().unwrap().to_owned());
        let mut values_of = defaults.clone();
        for (name, value) in values(case.get("values")) {
            if value == Value::Text("missing".to_owned()) {
                values_of.remove(&name);
            } else {
                values_of.insert(name, value);
            }
        }
        let allowed = ["when", "expect", "deviates", "cel", "values"];
        for key in case.as_table().unwrap().keys() {
            assert!(allowed.contains(&key.as_str()), "{key} in {path:?}");
        }
        Case {
            when: text("when").unwrap(),
            values: values_of,
            expect: text("expect").unwrap(),
            deviates: text("deviates"),
            cel: text("cel"),
        }
    });
    (lists, cases.collect())
}

fn ours(case: &Case, lists: &Lists) -> String {
    match run(&case.when, &case.values, lists) {
        Ok(Outcome::Is(value)) => value.to_string(),
        Ok(Outcome::Missing(name)) => format!("missing {name}"),
        Ok(Outcome::Error(code)) => format!("error {code}"),
        Err(error) => {
            let codes: Vec<&str> = error.problems.iter().map(|it| it.cause.code()).collect();
            format!("refused {}", codes.join(" "))
        }
    }
}

fn theirs(case: &Case, lists: &Lists) -> &'static str {
    match reference(&for_cel(&case.when), &case.values, lists) {
        Ok(true) => "true",
        Ok(false) => "false",
        Err(_) => "error",
    }
}

#[test]
fn every_case_of_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().collect();
    files.sort_by_key(|it| it.as_ref().unwrap().path());
    let mut wrong = Vec::new();
    let mut checked = [0, 0];
    for file in files {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (lists, cases) = read(&path);
        assert!(!cases.is_empty(), "{name} has no cases");
        for case in &cases {
            checked[0] += 1;
            let got = ours(case, &lists);
            if got != case.expect {
                let Case { when, expect, .. } = case;
                wrong.push(format!("{name}: {when}: expected {expect}, got {got}"));
            }
            let theirs = theirs(case, &lists);
            let same = match case.expect.as_str() {
                "true" | "false" => case.expect.as_str(),
                _ => "error",
            };
            let expected = case.cel.as_deref().unwrap_or(same);
            if case.deviates.is_none() || case.cel.is_some() {
                checked[1] += 1;
                if theirs != expected {
                    let when = &case.when;
                    wrong.push(format!("{name}: {when}: the reference says {theirs}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked[0] >= 150 && checked[1] >= 100, "{checked:?}");
}

/// Each function, method and macro that a message can name has a case that comes to a value.
#[test]
fn every_function_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let texts = fs::read_dir(folder).unwrap().map(|file| {
        let (_, cases) = read(&file.unwrap().path());
        let run = cases.into_iter().filter(|it| it.expect == "true");
        run.map(|it| it.when).collect::<Vec<_>>().join("\n")
    });
    let texts = texts.collect::<Vec<_>>().join("\n");
    let documented =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md"))
            .unwrap();
    let names = [
        "has",
        "on_list",
        "size",
        "matches",
        "timestamp",
        "duration",
        "int",
        "double",
        "startsWith",
        "endsWith",
        "contains",
        "exists",
        "all",
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfYear",
        "getDayOfWeek",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
    ];
    for name in names {
        assert!(texts.contains(&format!("{name}(")), "{name} has no case");
        assert!(
            documented.contains(&format!("{name}(")),
            "{name} is not in docs/rules.md"
        );
    }
    // The list above is whole: one letter more is no function, and the nearest one is named.
    for name in names {
        let [when, method] = [format!("{name}x(1)"), format!("channel.{name}x()")];
        let named = [when, method].iter().any(|when| {
            let error = run(when, &Values::new(), &Lists::new()).unwrap_err();
            matches!(&error.problems[0].cause, Cause::UnknownFunction { nearest: Some(it), .. } if it == name)
        });
        assert!(named, "{name}");
    }
}
