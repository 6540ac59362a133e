//! Where a change of configuration goes: a tenant's directory that no server has open, or a running server.

pub mod casework;
mod plan;

use anyhow::{Context, Result, bail};
use engine::ReadRules;
use event::record::ConfigSection;
use lists::{Change, Definition, Written, is_name};
use node::Tenant;
use node::tenant::documents::Author;
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::cli::{self, Cli};
use crate::commands;
use crate::remote::Remote;

const JSON: &str = "application/json";
const TOML: &str = "application/toml";

pub enum Target {
    Stopped(Box<Tenant>, Author),
    Running(Remote),
}

/// A section as it stands.
pub struct Held {
    pub version: u32,
    pub text: String,
}

/// All lists, and how often any of them has been changed.
pub struct HeldLists {
    pub version: u32,
    pub lists: Vec<HeldList>,
}

/// A list and how many items it has.
pub struct HeldList {
    pub definition: Definition,
    pub items: u64,
}

impl Target {
    pub fn open(cli: &Cli, change: &cli::Change) -> Result<Target> {
        let why = change.why.as_deref();
        if let Some(to) = &change.to {
            let remote = Remote::new(to, &cli.tenant, change.token.as_deref())?;
            return Ok(Target::Running(remote.because(why)));
        }
        let place = commands::place(cli)?;
        let tenant = commands::open_tenant(cli, &place)?;
        let author = Author {
            name: "command line".to_owned(),
            at: node::clock::now()?,
            why: why.unwrap_or_default().to_owned(),
        };
        Ok(Target::Stopped(Box::new(tenant), author))
    }

    pub fn document(&self, section: ConfigSection) -> Result<Held> {
        match self {
            Target::Stopped(tenant, _) => {
                let held = tenant.document(section);
                let (version, text) = (held.version, held.body);
                Ok(Held { version, text })
            }
            Target::Running(remote) => {
                let told = remote.get(&path(section))?;
                Ok(Held {
                    version: version(&told)?,
                    text: told["text"].as_str().unwrap_or_default().to_owned(),
                })
            }
        }
    }

    /// The rules in force with what became of each; `None` without a server, which counts.
    pub fn rule_counts(&self) -> Result<Option<Vec<Value>>> {
        match self {
            Target::Stopped(..) => Ok(None),
            Target::Running(remote) => {
                let told = remote.get(&path(ConfigSection::Rules))?;
                Ok(Some(told["rules"].as_array().cloned().unwrap_or_default()))
            }
        }
    }

    /// What cannot be checked of rules that would be taken.
    pub fn check_rules(&mut self, text: &str) -> Result<Vec<String>> {
        match self {
            Target::Stopped(tenant, _) => {
                let (schema, features) = (tenant.schema(), tenant.engine().features());
                let read = ReadRules::read(text.to_owned(), schema, features)?;
                let warnings = read.warnings().map(ToString::to_string).collect();
                tenant.check_rules(read, node::clock::now()?)?;
                Ok(warnings)
            }
            Target::Running(remote) => {
                let body = text.as_bytes();
                let told = remote.send(Method::POST, "/v1/rules/validate", TOML, body)?;
                Ok(warnings(&told))
            }
        }
    }

    /// Sets a section, and tells its new version. With `expected` only if it still has that one.
    pub fn set(
        &mut self,
        section: ConfigSection,
        text: &str,
        expected: Option<u32>,
    ) -> Result<u32> {
        match self {
            Target::Stopped(tenant, author) => {
                tenant.set_document(section, text, author, expected)?;
                tenant.commit()?;
                Ok(tenant.document(section).version)
            }
            Target::Running(remote) => {
                let (path, body) = (path(section), text.as_bytes());
                let told = match expected {
                    None => remote.send(Method::PUT, &path, TOML, body)?,
                    Some(version) => remote.send_if(&path, TOML, body, u64::from(version))?,
                };
                version(&told)
            }
        }
    }

    pub fn lists(&self) -> Result<HeldLists> {
        match self {
            Target::Stopped(tenant, _) => {
                let engine = tenant.engine();
                let lists = engine.lists();
                let held = lists.definitions().map(|definition| HeldList {
                    items: lists.items_of(&definition.name).unwrap_or(0) as u64,
                    definition: definition.clone(),
                });
                Ok(HeldLists {
                    version: engine.version_of(ConfigSection::Lists),
                    lists: held.collect(),
                })
            }
            Target::Running(remote) => {
                let told = remote.get("/v1/lists")?;
                let lists = told["lists"]
                    .as_array()
                    .context("an answer without lists")?;
                Ok(HeldLists {
                    version: version(&told)?,
                    lists: lists.iter().map(held_list).collect::<Result<_>>()?,
                })
            }
        }
    }

    pub fn change(&mut self, change: &Change) -> Result<()> {
        match self {
            Target::Stopped(tenant, author) => {
                let body = change.encode()?;
                tenant.set_document(ConfigSection::Lists, &body, author, None)?;
                tenant.commit()?;
                Ok(())
            }
            Target::Running(remote) => send_change(remote, change),
        }
    }
}

fn version(told: &Value) -> Result<u32> {
    let version = told["version"].as_u64();
    Ok(version.context("an answer without version")?.try_into()?)
}

fn warnings(told: &Value) -> Vec<String> {
    let warnings = told["warnings"].as_array().into_iter().flatten();
    warnings.map(warning).collect()
}

/// As the library writes one.
fn warning(told: &Value) -> String {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let (line, rule, message) = (&told["line"], text("rule"), text("message"));
    format!("line {line}, rule {rule:?}: {message}")
}

fn path(section: ConfigSection) -> String {
    match section {
        ConfigSection::Drift => "/v1/drift/settings".to_owned(),
        _ => format!("/v1/{}", section.name()),
    }
}

fn send_change(remote: &Remote, change: &Change) -> Result<()> {
    let list = change.list();
    // It becomes a part of a path.
    if !is_name(list) {
        bail!("list {list:?}: a name is 1 to 64 of a-z, 0-9, '.', '_', '-'");
    }
    let (path, body) = match change {
        Change::Create(definition) | Change::Alter(definition) => {
            let body = json!(Written::of(definition)).to_string();
            remote.send(
                Method::PUT,
                &format!("/v1/lists/{list}"),
                JSON,
                body.as_bytes(),
            )?;
            return Ok(());
        }
        Change::Drop { .. } => {
            remote.delete(&format!("/v1/lists/{list}"))?;
            return Ok(());
        }
        Change::Put { items, .. } => {
            let items = items.iter().map(|item| {
                let mut value = value_body(&item.value);
                value["reason"] = json!(item.reason);
                if let Some(expires) = item.expires {
                    value["expires"] = json!(event::EventTime::from_millis(expires).to_string());
                }
                value
            });
            ("items", items.collect::<Vec<_>>())
        }
        Change::Remove { values, .. } => ("remove", values.iter().map(value_body).collect()),
    };
    let path = format!("/v1/lists/{list}/{path}");
    let body = json!({ "items": body }).to_string();
    remote.send(Method::POST, &path, JSON, body.as_bytes())?;
    Ok(())
}

fn value_body(value: &lists::Value) -> Value {
    match value {
        lists::Value::Text(text) => json!({ "value": text }),
        lists::Value::Band { from, to, currency } => {
            json!({ "from": from, "to": to, "currency": currency })
        }
    }
}

/// A definition from the words that the API and files of lists use.
pub fn definition(name: &str, told: &Value) -> Result<Definition> {
    let written = Written::deserialize(told).with_context(|| format!("list {name}"))?;
    written.named(name).with_context(|| format!("list {name}"))
}

fn held_list(told: &Value) -> Result<HeldList> {
    let name = told["name"].as_str().context("a list without name")?;
    let mut words = told.clone();
    if let Some(words) = words.as_object_mut() {
        words.retain(|key, _| key != "name" && key != "items");
    }
    Ok(HeldList {
        definition: definition(name, &words)?,
        items: told["items"].as_u64().unwrap_or(0),
    })
}
