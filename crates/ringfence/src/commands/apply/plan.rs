//! What a folder of files says, beside what is in force.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use casework::Settings;
use event::record::ConfigSection;
use lists::{Change, Definition, Written};
use node::tenant::documents::shown;
use node::tenant::plan::{Plan, Planned};
use serde_json::{Value, json};

use crate::target::casework::written;
use crate::target::{HeldList, Target, definition};

/// In the order in which they are set, behind lists: rules may name those.
const DOCUMENTS: [ConfigSection; 4] = [
    ConfigSection::Rates,
    ConfigSection::Policy,
    ConfigSection::Rules,
    ConfigSection::Drift,
];

pub enum Step {
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
    /// Settings of alerts and cases, with the version of those that they follow.
    Casework {
        wanted: Box<Settings>,
        held: Box<Settings>,
    },
}

/// What differs.
pub struct Differences {
    pub steps: Vec<Step>,
    pub lists_version: u32,
    /// Lists that the folder does not name.
    pub left: Vec<String>,
}

impl Differences {
    pub fn of(folder: &Path, target: &Target) -> Result<Differences> {
        let mut found = Differences {
            steps: Vec::new(),
            lists_version: 0,
            left: Vec::new(),
        };
        let mut files = found.lists(folder, target)?;
        for section in DOCUMENTS {
            files |= found.document(section, folder, target)?;
        }
        files |= found.casework(folder, target)?;
        if !files {
            bail!(
                "{} holds none of lists.toml, rates.toml, policy.toml, rules.toml, drift.toml and casework.toml",
                folder.display()
            );
        }
        Ok(found)
    }

    /// Whether there is a file.
    fn lists(&mut self, folder: &Path, target: &Target) -> Result<bool> {
        let Some(text) = read(&folder.join("lists.toml"))? else {
            return Ok(false);
        };
        let wanted = definitions(&text).context("lists.toml")?;
        let held = target.lists()?;
        self.lists_version = held.version;
        for wanted in &wanted {
            let is = |it: &&HeldList| it.definition.name == wanted.name;
            match held.lists.iter().find(is) {
                Some(it) if it.definition == *wanted => {}
                held => self.steps.push(Step::List {
                    list: wanted.clone(),
                    is_new: held.is_none(),
                }),
            }
        }
        let named = |it: &&HeldList| !wanted.iter().any(|list| list.name == it.definition.name);
        let left = held.lists.iter().filter(named);
        self.left.extend(left.map(|it| it.definition.name.clone()));
        Ok(true)
    }

    fn document(&mut self, section: ConfigSection, folder: &Path, target: &Target) -> Result<bool> {
        let Some(text) = read(&folder.join(format!("{}.toml", section.name())))? else {
            return Ok(false);
        };
        let held = target.document(section)?;
        // A secret that is not shown is taken for the same.
        let same = held.text == text || held.text == shown(section, &text);
        if !same {
            self.steps.push(Step::Document {
                section,
                text,
                held: held.text,
                version: held.version,
            });
        }
        Ok(true)
    }

    fn casework(&mut self, folder: &Path, target: &Target) -> Result<bool> {
        let Some(text) = read(&folder.join("casework.toml"))? else {
            return Ok(false);
        };
        let mut wanted: Settings = toml::from_str(&text).context("casework.toml")?;
        let held = target.casework()?;
        wanted.version = held.version;
        if wanted != held {
            let (wanted, held) = (Box::new(wanted), Box::new(held));
            self.steps.push(Step::Casework { wanted, held });
        }
        Ok(true)
    }

    /// What goes into the log, all of it or nothing.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan {
            lists_version: Some(self.lists_version),
            ..Plan::default()
        };
        for step in &self.steps {
            match step {
                Step::List { list, is_new } => plan.lists.push(match is_new {
                    true => Change::Create(list.clone()),
                    false => Change::Alter(list.clone()),
                }),
                Step::Document {
                    section,
                    text,
                    version,
                    ..
                } => plan.documents.push(Planned {
                    section: *section,
                    body: text.clone(),
                    expected: Some(*version),
                }),
                Step::Casework { .. } => {}
            }
        }
        plan
    }

    pub fn settings(&self) -> Option<&Settings> {
        self.steps.iter().find_map(|step| match step {
            Step::Casework { wanted, .. } => Some(wanted.as_ref()),
            Step::List { .. } | Step::Document { .. } => None,
        })
    }
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
    pub fn value(&self) -> Result<Value> {
        Ok(match self {
            Step::List { list, is_new } => json!({
                "list": list.name, "change": verb(*is_new), "to": json!(Written::of(list)),
            }),
            Step::Document { .. } | Step::Casework { .. } => {
                let (section, version) = self.section();
                json!({ "section": section, "from_version": version, "diff": self.diff()? })
            }
        })
    }

    pub fn show(&self, out: &mut impl Write) -> Result<()> {
        if let Step::List { list, is_new } = self {
            let (verb, body) = (verb(*is_new), json!(Written::of(list)));
            writeln!(out, "{verb} list {}: {body}", list.name)?;
            return Ok(());
        }
        let (section, version) = self.section();
        writeln!(out, "{section} version {version} to {}:", version + 1)?;
        for line in self.diff()? {
            writeln!(out, "  {line}")?;
        }
        Ok(())
    }

    /// Its name, and the version that is in force.
    fn section(&self) -> (&str, i64) {
        match self {
            Step::List { list, .. } => (&list.name, 0),
            Step::Document {
                section, version, ..
            } => (section.name(), i64::from(*version)),
            Step::Casework { held, .. } => ("casework", held.version),
        }
    }

    /// Lines that go, and lines that come; a plan is shown around, so without a secret.
    fn diff(&self) -> Result<Vec<String>> {
        Ok(match self {
            Step::List { .. } => Vec::new(),
            Step::Document {
                section,
                text,
                held,
                ..
            } => changed(&shown(*section, held), &shown(*section, text)),
            Step::Casework { wanted, held } => changed(&written(held)?, &written(wanted)?),
        })
    }
}

fn verb(is_new: bool) -> &'static str {
    if is_new { "create" } else { "alter" }
}

fn changed(held: &str, wanted: &str) -> Vec<String> {
    let diff = similar::TextDiff::from_lines(held, wanted);
    let lines = diff.iter_all_changes().filter_map(|line| {
        let sign = match line.tag() {
            similar::ChangeTag::Equal => return None,
            similar::ChangeTag::Delete => '-',
            similar::ChangeTag::Insert => '+',
        };
        Some(format!("{sign} {}", line.value().trim_end()))
    });
    lines.collect()
}
