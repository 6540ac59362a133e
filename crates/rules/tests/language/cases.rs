//! `tests/cases`: a file is a test. A case runs by the crate, and by the reference too unless it says how it
//! deviates from CEL.

use std::fs;
use std::path::Path;

use ringfence_rules::{Cause, FUNCTIONS, Form, Function};

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

/// Each function, method and macro of the table has a case that comes to a value, and stands in the document.
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
    for function in &FUNCTIONS {
        let name = function.name;
        let written = match function.form {
            Form::Function => format!("{name}("),
            Form::Method => format!(".{name}("),
        };
        let standing = |text: &str| match function.form {
            Form::Method => text.contains(&written),
            // Not behind a dot or a letter.
            Form::Function => text.match_indices(&written).any(|(at, _)| {
                let before = text[..at].chars().next_back();
                !before.is_some_and(|c| c == '.' || c == '_' || c.is_alphanumeric())
            }),
        };
        assert!(standing(&texts), "{} has no case", function.signature());
        assert!(
            standing(&documented),
            "{} is not in docs/rules.md",
            function.signature()
        );
        // The checker knows it by the table: with arguments that it never takes, it is no unknown name.
        let wrong = match function.form {
            Form::Function => format!("{name}(1, 2, 3, 4)"),
            Form::Method => format!("channel.{name}(1, 2, 3, 4)"),
        };
        let error = run(&wrong, &Values::new(), &Lists::new()).unwrap_err();
        let cause = &error.problems[0].cause;
        assert!(
            matches!(cause, Cause::Arguments { .. }),
            "{wrong}: {cause:?}"
        );
    }
    // One letter more is no function, and the nearest one is named.
    for Function { name, form, .. } in &FUNCTIONS {
        let when = match form {
            Form::Function => format!("{name}x(1)"),
            Form::Method => format!("channel.{name}x()"),
        };
        let error = run(&when, &Values::new(), &Lists::new()).unwrap_err();
        let cause = &error.problems[0].cause;
        assert!(
            matches!(cause, Cause::UnknownFunction { nearest: Some(it), .. } if it == name),
            "{when}: {cause:?}"
        );
    }
}

/// What the checker takes is in the table: calls of the checker's own match, which the table has not, are told here.
#[test]
fn every_call_that_a_case_makes_is_in_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for file in fs::read_dir(folder).unwrap() {
        for case in read(&file.unwrap().path()).1 {
            if !["true", "false"].contains(&case.expect.as_str()) {
                continue;
            }
            for (at, _) in case.when.match_indices('(') {
                let before = &case.when[..at];
                let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
                let name = &before[before.trim_end_matches(word).len()..];
                let literal = before.matches(['"', '\'']).count() % 2 == 1;
                let none = name.is_empty() || literal || name == "in";
                let known = FUNCTIONS.iter().any(|it| it.name == name);
                assert!(none || known, "{name} of {}", case.when);
            }
        }
    }
}
