//! `ringfence apply -f folder`: what a folder says against what is in force, as a plan, and then done.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use event::record::ConfigSection;
use lists::{Change, Definition, Written};
use node::tenant::documents::shown;
use serde_json::{Value, json};

use crate::cli::{ApplyArgs, Cli};
use crate::show;
use crate::target::{HeldList, Target, definition};

/// Documents of a folder, in the order in which they are set: rules may name lists that come before them.
const DOCUMENTS: [ConfigSection; 3] = [
    ConfigSection::Rates,
    ConfigSection::Policy,
    ConfigSection::Rules,
];

enum Step {
    List {
        list: Definition,
        is_new: bool,
    },
    Document {
        section: ConfigSection,
        text: String,
        held: String,
        version: u32,
    },
}

pub fn run(cli: &Cli, args: &ApplyArgs) -> Result<ExitCode> {
    let mut target = Target::open(cli, &args.change)?;
    let (steps, left) = plan(&args.folder, &target)?;
    let told: Vec<Value> = steps.iter().map(Step::value).collect();
    if args.yes {
        check(&mut target, &steps)?;
        for (done, step) in steps.iter().enumerate() {
            let taken = step.take(&mut target);
            taken.with_context(|| format!("{done} of {} changes are made; then", steps.len()))?;
        }
    }
    if cli.json {
        show::json(&json!({ "changes": told, "untouched_lists": left, "applied": args.yes }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = show::out();
    for step in &steps {
        step.show(&mut out)?;
    }
    for list in &left {
        writeln!(out, "list {list} is not in lists.toml: it stays")?;
    }
    match (steps.len(), args.yes) {
        (0, _) => writeln!(out, "nothing to change")?,
        (count, true) => writeln!(out, "{count} changes applied")?,
        (count, false) => writeln!(out, "{count} changes; --yes applies them")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses rules before anything is changed; rules that need a list of the plan are refused at their turn.
fn check(target: &mut Target, steps: &[Step]) -> Result<()> {
    let makes_list = |step: &Step| matches!(step, Step::List { is_new: true, .. });
    if steps.iter().any(makes_list) {
        return Ok(());
    }
    for step in steps {
        if let Step::Document {
            section: ConfigSection::Rules,
            text,
            ..
        } = step
        {
            for warning in target.check_rules(text).context("rules.toml")? {
                show::warning(&warning);
            }
        }
    }
    Ok(())
}

/// What differs, and the lists that the folder does not name.
fn plan(folder: &Path, target: &Target) -> Result<(Vec<Step>, Vec<String>)> {
    let mut found = false;
    let mut steps = Vec::new();
    let mut left = Vec::new();
    if let Some(text) = read(&folder.join("lists.toml"))? {
        found = true;
        let wanted = definitions(&text).context("lists.toml")?;
        let held = target.lists()?;
        for wanted in &wanted {
            let is = |it: &&HeldList| it.definition.name == wanted.name;
            match held.iter().find(is) {
                Some(it) if it.definition == *wanted => {}
                held => steps.push(Step::List {
                    list: wanted.clone(),
                    is_new: held.is_none(),
                }),
            }
        }
        let named = |it: &&HeldList| !wanted.iter().any(|list| list.name == it.definition.name);
        left.extend(
            held.iter()
                .filter(named)
                .map(|it| it.definition.name.clone()),
        );
    }
    for section in DOCUMENTS {
        let Some(text) = read(&folder.join(format!("{}.toml", section.name())))? else {
            continue;
        };
        found = true;
        let held = target.document(section)?;
        // A secret that is not shown is taken for the same.
        let same = held.text == text || held.text == shown(section, &text);
        if !same {
            steps.push(Step::Document {
                section,
                text,
                held: held.text,
                version: held.version,
            });
        }
    }
    if !found {
        bail!(
            "{} holds none of lists.toml, rates.toml, policy.toml and rules.toml",
            folder.display()
        );
    }
    Ok((steps, left))
}

fn definitions(text: &str) -> Result<Vec<Definition>> {
    let table: toml::Table = text.parse()?;
    let table = json!(table);
    let lists = table.as_object().into_iter().flatten();
    lists.map(|(name, told)| definition(name, told)).collect()
}

fn read(file: &Path) -> Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

impl Step {
    fn value(&self) -> Value {
        match self {
            Step::List { list, is_new } => json!({
                "list": list.name, "change": verb(*is_new), "to": json!(Written::of(list)),
            }),
            Step::Document {
                section,
                text,
                held,
                version,
            } => json!({
                "section": section.name(), "from_version": version,
                "diff": diff(*section, held, text).collect::<Vec<_>>(),
            }),
        }
    }

    fn show(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Step::List { list, is_new } => {
                let (verb, body) = (verb(*is_new), json!(Written::of(list)));
                writeln!(out, "{verb} list {}: {body}", list.name)
            }
            Step::Document {
                section,
                text,
                held,
                version,
            } => {
                writeln!(
                    out,
                    "{} version {version} to {}:",
                    section.name(),
                    version + 1
                )?;
                diff(*section, held, text).try_for_each(|line| writeln!(out, "  {line}"))
            }
        }
    }

    /// Only if nobody has changed it since the plan was made.
    fn take(&self, target: &mut Target) -> Result<()> {
        match self {
            Step::List { list, is_new } => target.change(&match is_new {
                true => Change::Create(list.clone()),
                false => Change::Alter(list.clone()),
            }),
            Step::Document {
                section,
                text,
                version,
                ..
            } => {
                let done = target.set(*section, text, Some(*version));
                done.map(|_| ())
                    .with_context(|| format!("{}.toml", section.name()))
            }
        }
    }
}

fn verb(is_new: bool) -> &'static str {
    if is_new { "create" } else { "alter" }
}

/// Lines that go, and lines that come; a plan is shown around, so without a secret.
fn diff(section: ConfigSection, held: &str, wanted: &str) -> impl Iterator<Item = String> {
    let (held, wanted) = (shown(section, held), shown(section, wanted));
    let diff = similar::TextDiff::from_lines(held.as_ref(), wanted.as_ref());
    let lines: Vec<String> = diff
        .iter_all_changes()
        .filter_map(|line| {
            let sign = match line.tag() {
                similar::ChangeTag::Equal => return None,
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
            };
            Some(format!("{sign} {}", line.value().trim_end()))
        })
        .collect();
    lines.into_iter()
}
