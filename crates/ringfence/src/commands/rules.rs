//! `ringfence rules` and `ringfence policy`: documents shown, checked, put into force.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use engine::inputs;
use event::record::ConfigSection;
use rules::FUNCTIONS;
use serde_json::{Value, json};

use crate::cli::{Cli, Over, Policy, PolicyArgs, Rules, RulesArgs};
use crate::show;
use crate::target::Target;

pub fn run(cli: &Cli, args: &RulesArgs) -> Result<ExitCode> {
    let section = ConfigSection::Rules;
    match &args.what {
        Rules::Show => tell(cli, &Target::open(cli, &args.change)?, section)?,
        Rules::Check { file } => {
            let mut target = Target::open(cli, &args.change)?;
            let warnings = target.check_rules(&read(file)?)?;
            if cli.json {
                show::json(&json!({ "valid": true, "warnings": warnings }))?;
            } else {
                warnings.iter().for_each(|warning| show::warning(warning));
                writeln!(
                    show::out(),
                    "{}: these rules can be put into force",
                    file.display()
                )?;
            }
        }
        Rules::Set { file, over } => {
            let mut target = Target::open(cli, &args.change)?;
            set(cli, &mut target, section, file, over)?;
        }
        Rules::Functions => functions(cli, args)?,
        Rules::Variables => variables(cli, &Target::open(cli, &args.change)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub fn policy(cli: &Cli, args: &PolicyArgs) -> Result<ExitCode> {
    let mut target = Target::open(cli, &args.change)?;
    let section = ConfigSection::Policy;
    match &args.what {
        Policy::Show => tell(cli, &target, section)?,
        Policy::Set { file, over } => set(cli, &mut target, section, file, over)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(cli: &Cli, target: &Target, section: ConfigSection) -> Result<()> {
    let held = target.document(section)?;
    let counts = match section {
        ConfigSection::Rules => target.rule_counts()?,
        _ => None,
    };
    if cli.json {
        let mut value = json!({ "version": held.version, "text": held.text });
        if let Some(counts) = counts {
            value["rules"] = json!(counts);
        }
        return Ok(show::json(&value)?);
    }
    let mut out = show::out();
    writeln!(out, "# {} version {}", section.name(), held.version)?;
    for rule in counts.iter().flatten() {
        writeln!(out, "# {}", counted(rule))?;
    }
    write!(out, "{}", held.text)?;
    Ok(())
}

/// What became of a rule: by the log in this version of the rules, and what lacked a variable since the start.
fn counted(rule: &Value) -> String {
    let (counts, live) = (&rule["counts"], &rule["live"]);
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let held = match live.is_null() {
        true => number(&counts["matched"]),
        false => number(&live["matched"]) + number(&live["shadow"]),
    };
    let known = number(&live["frauds"]) + number(&live["legitimate"]);
    let precision = match live["precision"].as_f64() {
        None => "no label yet".to_owned(),
        Some(share) => format!("precision {:.1} % of {known} known", share * 100.0),
    };
    let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
    let errors = number(&live["errors"]).max(number(&counts["errors"]));
    let (id, status, missing) = (text("id"), text("status"), number(&counts["missing"]));
    let since = counts["since"].as_str().unwrap_or("the start");
    format!(
        "{id} ({status}): held {held}, {precision}; {errors} errors, {missing} missing since {since}"
    )
}

fn set(
    cli: &Cli,
    target: &mut Target,
    section: ConfigSection,
    file: &Path,
    over: &Over,
) -> Result<()> {
    let version = target.set(section, &read(file)?, over.version)?;
    if cli.json {
        return Ok(show::json(&json!({ "version": version }))?);
    }
    let name = section.name();
    writeln!(
        show::out(),
        "{name} version {version} is in force for the next event"
    )?;
    Ok(())
}

fn variables(cli: &Cli, target: &Target) -> Result<()> {
    let rows: Vec<(String, String, bool, String)> = match target {
        Target::Stopped(tenant, _) => {
            let engine = tenant.engine();
            let all = inputs::explain(tenant.schema(), engine.features());
            let row = |it: inputs::Explained| (it.name, it.of.to_string(), it.optional, it.meaning);
            all.into_iter().map(row).collect()
        }
        Target::Running(remote) => {
            let told = remote.get("/v1/rules/variables")?;
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let all = told["variables"].as_array().into_iter().flatten();
            all.map(|it| {
                let optional = it["optional"] == true;
                (
                    text(&it["name"]),
                    text(&it["type"]),
                    optional,
                    text(&it["meaning"]),
                )
            })
            .collect()
        }
    };
    if cli.json {
        let rows = rows.iter().map(|(name, of, optional, meaning)| {
            json!({ "name": name, "type": of, "optional": optional, "meaning": meaning })
        });
        return Ok(show::json(&rows.collect::<Vec<_>>().into())?);
    }
    let mut out = show::out();
    for (name, of, optional, meaning) in rows {
        let missing = if optional { ", may be missing" } else { "" };
        writeln!(out, "{name:<32} {of:<6} {meaning}{missing}")?;
    }
    Ok(())
}

/// Of this program; with `--to` those of the server, which may be of another version.
fn functions(cli: &Cli, args: &RulesArgs) -> Result<()> {
    let rows: Value = match args.change.to {
        Some(_) => match Target::open(cli, &args.change)? {
            Target::Running(remote) => remote.get("/v1/rules/variables")?["functions"].take(),
            Target::Stopped(..) => Value::Null,
        },
        None => FUNCTIONS
            .iter()
            .map(|it| {
                json!({
                    "name": it.name, "written": it.signature(), "type": it.gives, "meaning": it.meaning,
                })
            })
            .collect(),
    };
    if cli.json {
        return Ok(show::json(&rows)?);
    }
    let mut out = show::out();
    for row in rows.as_array().into_iter().flatten() {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let (written, gives, meaning) = (text("written"), text("type"), text("meaning"));
        writeln!(out, "{written:<34} {gives:<8} {meaning}")?;
    }
    Ok(())
}

pub fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
