//! `ringfence lists`: allow, watch and block lists.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use event::EventTime;
use lists::{Change, Definition, Effect, Form, NewItem, Value};
use serde_json::json;

use crate::cli::{Cli, EffectName, ListFormName as FormName, Lists, ListsArgs};
use crate::show;
use crate::target::{Target, definition_body};

pub fn run(cli: &Cli, args: &ListsArgs) -> Result<ExitCode> {
    let mut target = Target::open(cli, &args.change)?;
    match &args.what {
        Lists::Ls => ls(cli, &target),
        Lists::Define {
            name,
            on,
            form,
            effect,
            fold,
            always,
        } => {
            let wanted = Definition {
                name: name.clone(),
                on: on.clone(),
                form: match form {
                    FormName::Text => Form::Text { fold: *fold },
                    FormName::Prefix => Form::Prefix { fold: *fold },
                    FormName::Cidr => Form::Cidr,
                    FormName::Amount => Form::Amount,
                },
                effect: match effect {
                    EffectName::Allow => Effect::Allow,
                    EffectName::Watch => Effect::Watch,
                    EffectName::Block => Effect::Block {
                        overridable: !always,
                    },
                },
            };
            let held = target.lists()?;
            let there = held.iter().any(|it| it.definition.name == *name);
            target.change(&match there {
                true => Change::Alter(wanted),
                false => Change::Create(wanted),
            })?;
            done(cli, name, if there { "altered" } else { "created" })
        }
        Lists::Drop { name } => {
            target.change(&Change::Drop { list: name.clone() })?;
            done(cli, name, "dropped")
        }
        Lists::Put {
            name,
            value,
            expires,
            reason,
        } => {
            let expires = expires.as_deref().map(EventTime::parse_iso).transpose();
            let item = NewItem {
                value: value_of(value)?,
                expires: expires.context("--expires")?.map(EventTime::millis),
                reason: reason.clone(),
            };
            let (list, items) = (name.clone(), vec![item]);
            target.change(&Change::Put { list, items })?;
            done(cli, name, "has the item")
        }
        Lists::Remove { name, value } => {
            let (list, values) = (name.clone(), vec![value_of(value)?]);
            target.change(&Change::Remove { list, values })?;
            done(cli, name, "has the item no more")
        }
    }
}

/// A band is written `500.00-700.00 EUR` nowhere: minor units, `50000..70000 EUR`.
fn value_of(text: &str) -> Result<Value> {
    let band = text.split_once(' ').and_then(|(ends, currency)| {
        let (from, to) = ends.split_once("..")?;
        Some((from.parse().ok()?, to.parse().ok()?, currency))
    });
    Ok(match band {
        Some((from, to, currency)) => Value::Band {
            from,
            to,
            currency: currency.to_owned(),
        },
        None => Value::Text(text.to_owned()),
    })
}

fn ls(cli: &Cli, target: &Target) -> Result<ExitCode> {
    let lists = target.lists()?;
    if cli.json {
        let rows = lists.iter().map(|it| {
            let mut row = definition_body(&it.definition);
            row["name"] = json!(it.definition.name);
            row["items"] = json!(it.items);
            row
        });
        show::json(&rows.collect::<Vec<_>>().into())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = show::out();
    for it in &lists {
        let Definition {
            name,
            on,
            form,
            effect,
        } = &it.definition;
        let always = matches!(effect, Effect::Block { overridable: false });
        let always = if always { " always" } else { "" };
        let items = show::grouped(it.items);
        writeln!(
            out,
            "{name:<24} {}{always:<8} on {on:<16} {form:<22} {items} items",
            effect.as_str()
        )?;
    }
    if lists.is_empty() {
        writeln!(out, "no lists: `ringfence lists define` makes one")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn done(cli: &Cli, list: &str, what: &str) -> Result<ExitCode> {
    if cli.json {
        show::json(&json!({ "list": list, "done": what }))?;
    } else {
        writeln!(
            show::out(),
            "list {list} {what}; in force for the next event"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
