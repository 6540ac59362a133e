//! The settings of alerts and cases: of a server by its routes, else in the tenant's file of casework.

use anyhow::Result;
use casework::{Actor, Casework, Settings};
use node::Tenant;
use ureq::http::Method;

use super::{JSON, Target};

const PATH: &str = "/v1/casework";

impl Target {
    pub fn casework(&self) -> Result<Settings> {
        match self {
            // A file is made when something is set, not by looking.
            Target::Stopped(tenant, _) if !tenant.place().casework().exists() => {
                Ok(Settings::initial(tenant.schema().base_currency))
            }
            Target::Stopped(tenant, _) => Ok(open(tenant)?.settings()?),
            Target::Running(remote) => Ok(serde_json::from_value(remote.get(PATH)?)?),
        }
    }

    /// Whether these settings would be taken; nothing is changed.
    pub fn check_casework(&self, settings: &Settings) -> Result<()> {
        match self {
            Target::Stopped(tenant, _) => settings.check(tenant.schema())?,
            Target::Running(remote) => {
                let (path, body) = (format!("{PATH}/validate"), serde_json::to_vec(settings)?);
                remote.send(Method::POST, &path, JSON, &body)?;
            }
        }
        Ok(())
    }

    /// Only if they still have the version that these settings name.
    pub fn set_casework(&mut self, settings: Settings) -> Result<Settings> {
        let version = settings.version;
        match self {
            Target::Stopped(tenant, author) => {
                let actor = Actor {
                    name: author.name.clone(),
                    is_admin: true,
                };
                let (mut casework, schema) = (open(tenant)?, tenant.schema());
                let (why, now) = (&author.why, author.at);
                Ok(casework.set_settings(&actor, version, settings, why, schema, now)?)
            }
            Target::Running(remote) => {
                let body = serde_json::to_vec(&settings)?;
                let set = remote.send_if(PATH, JSON, &body, version.try_into()?)?;
                Ok(serde_json::from_value(set)?)
            }
        }
    }
}

fn open(tenant: &Tenant) -> Result<Casework> {
    let base = tenant.schema().base_currency;
    Ok(Casework::open(&tenant.place().casework(), base)?)
}

/// As people keep settings in a file; the version counts for nothing there.
pub fn written(settings: &Settings) -> Result<String> {
    let mut table = toml::Table::try_from(settings)?;
    table.remove("version");
    Ok(toml::to_string(&table)?)
}
