//! `ringfence token`: a token of the development key, for trying the service out.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use gateway::token::{Claims, Role, issue};

use crate::cli::{Cli, TokenArgs};
use crate::config::{Config, DEVELOPMENT_KEY};
use crate::show;

pub fn run(cli: &Cli, args: &TokenArgs) -> Result<ExitCode> {
    let config = Config::load(args.config.as_deref())?;
    let path = cli.data.join(DEVELOPMENT_KEY);
    let secret = fs::read(&path).with_context(|| {
        format!(
            "cannot read {}: `ringfence serve` makes it at its first start",
            path.display()
        )
    })?;
    let every = args.role.is_empty();
    let roles = if every {
        vec![Role::Decide, Role::Label, Role::Analyst, Role::Engineer]
    } else {
        args.role.iter().map(|role| role.0).collect()
    };
    let tenant = if roles == [Role::Admin] {
        "*"
    } else {
        &cli.tenant
    };
    let token = sign(&secret, &config, tenant, roles, args.hours)?;
    if cli.json {
        show::json(&serde_json::json!({ "token": token, "tenant": tenant }))?;
    } else {
        writeln!(show::out(), "{token}")?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn sign(
    secret: &[u8],
    config: &Config,
    tenant: &str,
    roles: Vec<Role>,
    hours: u64,
) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = Claims {
        sub: "development".to_owned(),
        tenant: tenant.to_owned(),
        roles,
        level: None,
        aud: config.auth.audience.clone(),
        exp: now + hours * 3600,
        nbf: None,
    };
    Ok(issue(secret, &claims)?)
}

/// Draws the development secret unless there is one; readable by its owner alone. True: it was drawn now.
pub fn ensure_key(data: &Path) -> Result<bool> {
    let path = data.join(DEVELOPMENT_KEY);
    if path.exists() {
        return Ok(false);
    }
    let mut random = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .context("cannot draw a key from /dev/urandom")?;
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(show::hex(&random).as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(true)
}
