//! `ringfence lists`: allow, watch and block lists.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use engine::config::currency_places;
use event::EventTime;
use event::record::ConfigSection;
use gateway::routes::CSV_WITHIN;
use lists::csv::{Import, Slice};
use lists::{Change, Definition, Effect, Form, ListsError, NewItem, Value, Written, is_name};
use node::Tenant;
use node::tenant::documents::Author;
use serde_json::json;
use ureq::http::Method;

use crate::cli::{Cli, EXIT_REJECTS, EffectName, ListFormName as FormName, Lists, ListsArgs};
use crate::show;
use crate::target::Target;

/// The server's bound, and time for the file to get there.
const IMPORTED_WITHIN: Duration = Duration::from_secs(240);
const _: () = assert!(IMPORTED_WITHIN.as_secs() >= CSV_WITHIN.as_secs() + 60);

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
            let held = target.lists()?.lists;
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
        Lists::Import { name, file } => import(cli, &mut target, name, file),
        Lists::Export { name } => export(&target, name),
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

fn import(cli: &Cli, target: &mut Target, name: &str, file: &Path) -> Result<ExitCode> {
    let cannot = || format!("cannot read {}", file.display());
    let told = match target {
        Target::Running(_) if !is_name(name) => bail!("there is no list {name:?}"),
        Target::Running(remote) => {
            let bytes = fs::read(file).with_context(cannot)?;
            let path = format!("/v1/lists/{name}/csv");
            remote.patient(IMPORTED_WITHIN);
            remote.send(Method::POST, &path, "text/csv", &bytes)?
        }
        Target::Stopped(tenant, author) => {
            let rows = File::open(file).with_context(cannot)?;
            let bytes = rows.metadata().with_context(cannot)?.len();
            let bar = show::bar(bytes, "import", "bytes", cli.quiet);
            let told = take(tenant, author, name, bar.wrap_read(rows))?;
            bar.finish_and_clear();
            told
        }
    };
    if cli.json {
        show::json(&told)?;
    } else {
        let mut out = show::out();
        for reject in told["rejects"].as_array().into_iter().flatten() {
            let text = |field: &str| reject[field].as_str().unwrap_or_default().to_owned();
            let (line, field) = (&reject["line"], text("field"));
            writeln!(
                out,
                "line {line}: {field} {:?}: {}",
                text("value"),
                text("reason")
            )?;
        }
        writeln!(
            out,
            "list {name}: {} items put, {} lines refused",
            told["put"], told["rejected"]
        )?;
    }
    let clean = told["rejected"].as_u64() == Some(0);
    Ok(ExitCode::from(if clean { 0 } else { EXIT_REJECTS }))
}

/// Slice by slice into a tenant that no server has open; each is on disk before the next.
fn take(
    tenant: &mut Tenant,
    author: &Author,
    list: &str,
    rows: impl Read,
) -> Result<serde_json::Value> {
    let held = tenant.lists();
    let definition = held.lists.definition(list);
    let form = definition
        .with_context(|| format!("there is no list {list:?}"))?
        .form;
    let at = author.at.max(held.at).millis();
    let mut rows = Import::new(rows, form, currency_places, at)?;
    let (mut put, mut rejects, mut reached) = (0, Vec::new(), 1);
    loop {
        let so_far = || {
            let rejected = rejects.len();
            format!("{put} items are put and {rejected} lines refused, up to line {reached}; then")
        };
        let Some(mut slice) = rows.next_slice().with_context(so_far)? else {
            break;
        };
        if let Err(ListsError::Items(faults)) =
            tenant.engine().lists().check(&slice.change(list), at)
        {
            slice.refuse(&faults);
        }
        if !slice.items.is_empty() {
            put_slice(tenant, author, list, &slice).with_context(so_far)?;
        }
        let lines = slice
            .lines
            .iter()
            .chain(slice.rejects.iter().map(|it| &it.line));
        reached = lines.max().copied().unwrap_or(reached);
        put += slice.items.len();
        rejects.append(&mut slice.rejects);
    }
    let told = rejects.iter().map(|it| {
        json!({ "line": it.line, "field": it.field, "value": it.value, "code": it.code, "reason": it.reason })
    });
    let told: Vec<_> = told.collect();
    Ok(json!({ "put": put, "rejected": told.len(), "rejects": told }))
}

fn put_slice(tenant: &mut Tenant, author: &Author, list: &str, slice: &Slice) -> Result<()> {
    let body = slice.change(list).encode()?;
    tenant.set_document(ConfigSection::Lists, &body, author, None)?;
    tenant.commit()?;
    Ok(())
}

fn export(target: &Target, name: &str) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match target {
        Target::Running(_) if !is_name(name) => bail!("there is no list {name:?}"),
        Target::Running(remote) => {
            let text = remote.text(&format!("/v1/lists/{name}/csv"))?;
            out.write_all(text.as_bytes())?;
        }
        Target::Stopped(tenant, _) => {
            let held = tenant.lists();
            let written = lists::csv::export(&held.lists, name, held.at.millis(), &mut out)?;
            written.with_context(|| format!("there is no list {name:?}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ls(cli: &Cli, target: &Target) -> Result<ExitCode> {
    let lists = target.lists()?.lists;
    if cli.json {
        let rows = lists.iter().map(|it| {
            let mut row = json!(Written::of(&it.definition));
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
