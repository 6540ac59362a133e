//! The artefact audit: silent on a fair stream, and loud on each of twelve planted artefacts.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::OnceLock;

use event::json::{Line, parse_line};
use event::{Position, Schema};
use ringfence_learning::fairness::{Artefacts, Tape, artefacts};
use ringfence_learning::oracle::Oracle;
use serde_json::{Map, Value};
use simulator::{LineBuffer, Names, Params, SCHEMA, simulate, write_oracle_line};

/// Event lines in the order of the stream, with the truth.
#[derive(Clone)]
struct Shown {
    fields: Map<String, Value>,
    fraud: bool,
}

struct World {
    lines: Vec<Shown>,
    oracle: String,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let params =
            Params::from_toml("seed = 3\ndays = 28\naccounts = 1800\nprevalence = 0.03").unwrap();
        let names = Names::new(params.seed);
        let (mut lines, mut buffer, mut oracle) = (Vec::new(), LineBuffer::default(), Vec::new());
        let observe = |row: &simulator::Row| {
            lines.push(buffer.write(&names, row, 0).unwrap().to_vec());
            Ok::<(), Infallible>(())
        };
        let confide = |secret: &simulator::Secret| {
            write_oracle_line(&names, secret, &mut oracle);
            Ok(())
        };
        simulate(&params, 1, observe, confide).unwrap();
        let oracle = String::from_utf8(oracle).unwrap();
        let known = Oracle::read(oracle.as_bytes()).unwrap();
        let parsed = lines.iter().filter_map(|line| {
            let fields: Map<String, Value> = serde_json::from_slice(line).unwrap();
            let fraud = known.is_fraud(fields["event_id"].as_str()?);
            fields
                .contains_key("event_type")
                .then_some(Shown { fields, fraud })
        });
        World {
            lines: parsed.collect(),
            oracle,
        }
    })
}

fn tape(lines: &[Shown]) -> Tape {
    let schema = Schema::parse(SCHEMA).unwrap();
    // the truth by whatever id the line has now
    let frauds = lines.iter().filter(|line| line.fraud).map(|line| {
        format!(
            "{{\"event_id\":{},\"role\":\"fraud\",\"typology\":\"any\",\"ring\":\"r\",\"part\":\"mule\",\"stage\":\"move\"}}\n",
            line.fields["event_id"]
        )
    });
    let oracle = Oracle::read(frauds.collect::<String>().as_bytes()).unwrap();
    let mut tape = Tape::new(&schema);
    for (row, line) in lines.iter().enumerate() {
        let text = Value::Object(line.fields.clone()).to_string();
        let Line::Event(event) = parse_line(&text, &schema, None).unwrap() else {
            panic!("no event: {text}");
        };
        tape.push(&event, Position(row as u64), &schema, &oracle);
    }
    tape.forms.finish();
    tape
}

fn audit(lines: &[Shown]) -> Artefacts {
    artefacts(&tape(lines)).unwrap()
}

fn text<'a>(line: &'a Shown, field: &str) -> &'a str {
    line.fields[field].as_str().unwrap()
}

fn set(line: &mut Shown, field: &str, value: String) {
    line.fields.insert(field.to_owned(), Value::String(value));
}

fn ms(line: &mut Shown, digits: &str) {
    let time = text(line, "event_timestamp").to_owned();
    set(line, "event_timestamp", format!("{}{digits}Z", &time[..20]));
}

type Plant = fn(&mut Vec<Shown>);

fn each(lines: &mut [Shown], fraud: bool, change: impl Fn(&mut Shown)) {
    lines
        .iter_mut()
        .filter(|it| it.fraud == fraud)
        .for_each(change);
}

const PLANTED: [(&str, Plant); 12] = [
    ("fraud on whole seconds", |lines| {
        each(lines, true, |line| ms(line, "000"));
    }),
    ("ordinary events on whole seconds", |lines| {
        each(lines, false, |line| ms(line, "000"));
    }),
    ("address only on fraud", |lines| {
        each(lines, false, |line| {
            if matches!(text(line, "event_type"), "payment" | "transfer") {
                line.fields.remove("ip");
            }
        });
    }),
    ("fraud without a place", |lines| {
        each(lines, true, |line| {
            line.fields.remove("location");
        });
    }),
    ("fraud last within its second", |lines| {
        for at in 1..lines.len() {
            if lines[at].fraud {
                let before = text(&lines[at - 1], "event_timestamp")[..20].to_owned();
                set(&mut lines[at], "event_timestamp", before + "999Z");
            }
        }
    }),
    ("round amounts of fraud", |lines| {
        each(lines, true, |line| {
            if line.fields.contains_key("amount") {
                let whole = text(line, "amount").split('.').next().unwrap().to_owned();
                let whole = if whole == "0" { "1".to_owned() } else { whole };
                set(line, "amount", whole + ".00");
            }
        });
    }),
    ("event ids of fraud in a range", |lines| {
        each(lines, true, |line| {
            let id = format!("e00{}", &text(line, "event_id")[3..]);
            set(line, "event_id", id + "z");
        });
        // of the same length, so that only the range tells
        each(lines, false, |line| {
            let id = format!("{}z", text(line, "event_id"));
            set(line, "event_id", id);
        });
    }),
    ("longer event ids of fraud", |lines| {
        each(lines, true, |line| {
            let id = format!("{}x", text(line, "event_id"));
            set(line, "event_id", id);
        });
    }),
    ("fraud put in later, out of the order of ids", |lines| {
        for (row, line) in lines.iter_mut().enumerate() {
            if !line.fraud {
                set(line, "event_id", format!("e{row:08}"));
            }
        }
    }),
    ("fraud first in its batch", |lines| {
        for batch in lines.chunks_mut(100) {
            batch.sort_by_key(|line| !line.fraud);
        }
    }),
    ("devices of rings in a range", |lines| {
        let mut met = BTreeSet::new();
        let mut ring = BTreeSet::new();
        for line in &*lines {
            let Some(device) = line.fields.get("device").and_then(Value::as_str) else {
                continue;
            };
            if met.insert(device.to_owned()) && line.fraud {
                ring.insert(device.to_owned());
            }
        }
        for line in lines {
            let Some(device) = line.fields.get("device").and_then(Value::as_str) else {
                continue;
            };
            if ring.contains(device) {
                let id = format!("d00{}", &device[1..7]);
                set(line, "device", id);
            }
        }
    }),
    ("payees of fraud by another kind of id", |lines| {
        each(lines, true, |line| {
            if line.fields.contains_key("counterparty") {
                let id = format!("{}-2", text(line, "counterparty"));
                set(line, "counterparty", id);
            }
        });
    }),
];

#[test]
fn a_fair_stream_is_clean() {
    let world = world();
    let frauds = world.lines.iter().filter(|line| line.fraud).count();
    assert!(frauds > 1_000, "{frauds} frauds");
    assert!(world.oracle.lines().count() > frauds);
    let found = audit(&world.lines);
    assert!(found.is_clean(), "{found:?}");
}

/// That an id has appeared before is history: nothing of its form may tell.
#[test]
fn an_id_that_was_met_before_looks_like_any_other() {
    let lines = &world().lines[..20_000];
    let forms = tape(lines).forms;
    for field in ["account", "device", "merchant", "terminal"] {
        let name = format!("{field}_value");
        let column = forms.names.iter().position(|it| *it == name).unwrap();
        let cells = forms.values.iter().skip(column).step_by(forms.width());
        let values: BTreeSet<u32> = cells
            .filter(|it| !it.is_nan())
            .map(|it| it.to_bits())
            .collect();
        let held = lines.iter().filter_map(|line| line.fields.get(field));
        let ids: BTreeSet<&str> = held.map(|id| id.as_str().unwrap()).collect();
        assert!(ids.len() > 100, "{field}");
        let (values, ids) = (values.len(), ids.len());
        assert!(values <= ids, "{values} values of {ids} ids in {field}");
    }
}

#[test]
fn every_planted_artefact_is_caught() {
    for (name, plant) in PLANTED {
        let mut lines = world().lines.clone();
        plant(&mut lines);
        let found = audit(&lines);
        println!("{name}: {:.3} above {:.3}", found.auc, found.high);
        assert!(found.auc > found.high, "{name} is not caught: {found:?}");
    }
}
