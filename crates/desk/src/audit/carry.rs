//! A tenant without events gets another schema, and with it a new log: the trail and webhooks go along, and casework
//! where it fits the new schema.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use casework::Casework;
use event::{Position, Schema};
use node::tenant::documents::Author;
use node::{History, NodeError, Place};
use serde_json::json;
use trail::{ActorKind, Entry, Source};
use webhooks::store::copy;

use super::writer::{LOG_BASE, Writer};
use crate::error::Trouble;

/// One tenant's directory in place of another. Nobody has either open.
pub struct Exchange<'a> {
    pub tenant: &'a str,
    pub old: &'a Place,
    pub new: &'a Place,
    /// Of the new one.
    pub schema: &'a Schema,
    pub author: &'a Author,
}

/// Leaves the trail in the new directory, durable, with everything that the old log and casework had, and who gave
/// them up. The old directory is not changed: until the exchange it is the tenant.
pub fn carry(exchange: &Exchange) -> Result<(), NodeError> {
    let path = exchange.old.trail();
    carried(exchange).map_err(|trouble| match trouble {
        Trouble::Node(error) => error,
        trouble => NodeError::Io {
            what: "carry over",
            path,
            source: io::Error::other(trouble.to_string()),
        },
    })
}

fn carried(exchange: &Exchange) -> Result<(), Trouble> {
    let (old, new, now) = (exchange.old, exchange.new, exchange.author.at);
    copy_trail(&old.trail(), &new.trail())?;
    let history = History::open(old)?;
    let mut writer = Writer::open(&new.trail(), exchange.tenant, history.end(), now)?;
    // An empty tenant's log is a few changes of configuration.
    let mut records = history.iter_from(history.first())?;
    let mut all = Vec::new();
    while let Some(record) = records.next_record()? {
        all.push(record);
    }
    writer.records(&all)?;
    let casework = match old.casework().exists() {
        true => Some(Casework::open(
            &old.casework(),
            history.schema().base_currency,
        )?),
        false => None,
    };
    if let Some(casework) = &casework {
        while writer.casework(casework, now)? {}
    }
    writer.log_replaced(replaced(exchange, history.schema(), history.end()))?;
    if let Some(casework) = casework.filter(|it| it.last_change().is_ok_and(|last| last > 0)) {
        let held = history.schema().base_currency;
        let fits = casework.settings()?.check(exchange.schema).is_ok();
        if held == exchange.schema.base_currency && fits {
            drop(casework);
            casework::copy_for_new_log(&old.casework(), &new.casework())?;
        } else {
            writer.casework_anew(now)?;
        }
    }
    if old.webhooks().exists() {
        // Nothing in it is of a schema; its changes go on as they are numbered.
        copy::copy_for_new_log(&old.webhooks(), &new.webhooks())?;
    }
    Ok(())
}

fn replaced(exchange: &Exchange, held: &Schema, end: Position) -> Entry {
    let author = exchange.author;
    let named = |schema: &Schema| json!({ "schema": schema.hash().hex() });
    let mut before = named(held);
    before["log_ended"] = json!(end.0);
    let actor = match author.name.as_str() {
        "" => "unnamed",
        name => name,
    };
    Entry {
        at: author.at.millis(),
        actor: actor.to_owned(),
        actor_kind: ActorKind::Token,
        action: "log.replaced".to_owned(),
        target: LOG_BASE.to_owned(),
        before: Some(before),
        after: Some(named(exchange.schema)),
        why: author.why.clone(),
        source: Source {
            name: LOG_BASE.to_owned(),
            seq: 0,
        },
    }
}

/// Segments alone: lock and cursor are of the old log.
fn copy_trail(from: &Path, to: &Path) -> Result<(), NodeError> {
    fs::create_dir_all(to).map_err(io("create", to))?;
    if !from.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(from).map_err(io("read", from))? {
        let path = entry.map_err(io("read", from))?.path();
        if path.extension().is_none_or(|it| it != "jsonl") {
            continue;
        }
        let target = to.join(path.file_name().unwrap_or_default());
        fs::copy(&path, &target)
            .and_then(|_| File::open(&target)?.sync_all())
            .map_err(io("copy", &path))?;
    }
    File::open(to)
        .and_then(|folder| folder.sync_all())
        .map_err(io("sync", to))
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NodeError {
    let path = path.to_path_buf();
    move |source| NodeError::Io { what, path, source }
}
