//! What a tenant without events keeps under another schema: policy, rates, lists, rules and what drift is watched by, each as
//! far as it fits.

use std::collections::BTreeMap;

use drift::monitor::MonitorError;
use engine::config::currency_places;
use engine::{ConfigError, Policy};
use event::EventTime;
use event::record::{Config, ConfigSection};
use lists::{CHANGE_ITEMS_MAX, Change, Definition, Lists, NewItem};

use crate::tenant::documents::Author;
use crate::{NodeError, Tenant};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// What was in force is; or there was nothing.
    Kept,
    /// The tenant has what a new one has.
    Reset { reason: String },
}

/// What became of each section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fates {
    pub policy: Fate,
    pub rates: Fate,
    pub rules: Fate,
    pub drift: Fate,
    /// Lists that are not there any more, with the reason.
    pub lists_dropped: Vec<(String, String)>,
}

impl Fates {
    pub const KEPT: Fates = Fates {
        policy: Fate::Kept,
        rates: Fate::Kept,
        rules: Fate::Kept,
        drift: Fate::Kept,
        lists_dropped: Vec::new(),
    };
}

/// What stands before the reason that somebody once gave.
const WHY: &str = "kept under another schema";

/// Writes into a fresh tenant what the changes of the one before it left in force. What does not fit is told, and
/// nothing of it is taken.
pub(super) fn keep(tenant: &mut Tenant, configs: &[Config]) -> Result<Fates, NodeError> {
    let of = |section| configs.iter().rev().find(move |it| it.section == section);
    let policy = keep_policy(tenant, of(ConfigSection::Policy))?;
    let rates = keep_document(tenant, of(ConfigSection::Rates))?;
    let lists_dropped = keep_lists(tenant, configs)?;
    // Behind the lists that they may name.
    let rules = keep_document(tenant, of(ConfigSection::Rules))?;
    let drift = keep_document(tenant, of(ConfigSection::Drift))?;
    tenant.commit()?;
    Ok(Fates {
        policy,
        rates,
        rules,
        drift,
        lists_dropped,
    })
}

fn keep_policy(tenant: &mut Tenant, held: Option<&Config>) -> Result<Fate, NodeError> {
    let fresh = tenant.engine().body_of(ConfigSection::Policy).to_owned();
    let Some(held) = held else {
        return Ok(match fresh.is_empty() {
            true => Fate::Kept,
            false => Fate::Reset {
                reason: "none had been set, and the new tenant's model has one".to_owned(),
            },
        });
    };
    if let Err(error) = Policy::parse(&held.body, tenant.schema()) {
        let reason = error.to_string();
        return Ok(Fate::Reset { reason });
    }
    match fresh == held.body {
        true => Ok(Fate::Kept),
        false => keep_document(tenant, Some(held)),
    }
}

fn keep_document(tenant: &mut Tenant, held: Option<&Config>) -> Result<Fate, NodeError> {
    let Some(held) = held else {
        return Ok(Fate::Kept);
    };
    let author = author(&held.author, held.at, &held.why);
    match tenant.set_document(held.section, &held.body, &author, None) {
        Ok(_) => Ok(Fate::Kept),
        Err(error @ (NodeError::Config(_) | NodeError::Watch(MonitorError::Settings(_)))) => {
            let reason = error.to_string();
            Ok(Fate::Reset { reason })
        }
        Err(error) => Err(error),
    }
}

/// As they stand, not as they became so: an item that has expired meanwhile would refuse its whole change.
fn keep_lists(tenant: &mut Tenant, configs: &[Config]) -> Result<Vec<(String, String)>, NodeError> {
    let mut lists = Lists::new(currency_places);
    let mut newest = EventTime::MIN;
    for config in configs {
        newest = newest.max(config.at);
        if config.section == ConfigSection::Lists {
            let (change, _) = lists::was::split(&config.body);
            let change = Change::parse(change).map_err(ConfigError::from)?;
            let applied = lists.apply(&change, config.at.millis(), &config.author);
            applied.map_err(ConfigError::from)?;
        }
    }
    let now = newest.max(tenant.journal().newest());
    let mut dropped = Vec::new();
    for definition in lists.definitions() {
        match keep_list(tenant, &lists, definition, now) {
            Ok(()) => {}
            Err(NodeError::Config(error)) => {
                dropped.push((definition.name.clone(), error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(dropped)
}

/// Refused by its definition alone: what its items must be follows from the form, which stays.
fn keep_list(
    tenant: &mut Tenant,
    lists: &Lists,
    definition: &Definition,
    now: EventTime,
) -> Result<(), NodeError> {
    let mut set = |name: &str, change: Change| {
        let body = change.encode().map_err(ConfigError::from)?;
        let author = author(name, now, "");
        tenant.set_document(ConfigSection::Lists, &body, &author, None)
    };
    let mut by_author: BTreeMap<String, Vec<NewItem>> = BTreeMap::new();
    for item in lists.iter(&definition.name, now.millis()) {
        let items = by_author.entry(item.author().to_owned()).or_default();
        items.push(NewItem {
            value: item.value.to_value(),
            expires: item.expires,
            reason: item.reason().to_owned(),
        });
    }
    let first = by_author.keys().next().map_or("system", String::as_str);
    set(first, Change::Create(definition.clone()))?;
    for (name, items) in &by_author {
        for part in items.chunks(CHANGE_ITEMS_MAX) {
            let (list, items) = (definition.name.clone(), part.to_vec());
            set(name, Change::Put { list, items })?;
        }
    }
    Ok(())
}

fn author(name: &str, at: EventTime, why: &str) -> Author {
    let mut why = match why {
        "" => WHY.to_owned(),
        why => format!("{WHY}: {why}"),
    };
    why.truncate(why.floor_char_boundary(Config::WHY_BYTES_MAX));
    Author {
        name: name.to_owned(),
        at,
        why,
    }
}
