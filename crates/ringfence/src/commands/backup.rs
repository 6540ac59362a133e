//! `ringfence backup` and `ringfence restore`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use log::LogOptions;
use node::backup::{self, Beside};
use node::place::{CASEWORK, WEBHOOKS};
use serde_json::json;
use tempfile::TempDir;
use webhooks::store::copy;

use crate::cli::{BackupArgs, Cli, RestoreArgs};
use crate::show;

pub fn take(cli: &Cli, args: &BackupArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let bar = show::bar(0, "backup", "bytes", cli.quiet);
    let to = args.to.as_path();
    // Before casework and webhooks, and those before the log: what one has seen of another is in what is copied
    // after it.
    let trail = backup::trail_files(&place)?;
    let home = beside(to)?;
    let (casework, webhooks) = (home.path().join(CASEWORK), home.path().join(WEBHOOKS));
    let has_casework = copied(&place.casework(), |from| casework::copy(from, &casework))?;
    let has_webhooks = copied(&place.webhooks(), |from| copy::copy(from, &webhooks))?;
    let beside = Beside {
        config: args.config.as_deref(),
        casework: has_casework.then_some(casework.as_path()),
        webhooks: has_webhooks.then_some(webhooks.as_path()),
        trail: &trail,
    };
    let manifest = backup::take(&place, &cli.tenant, to, beside, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let bytes: u64 = manifest.files.iter().map(|it| it.bytes).sum();
    if cli.json {
        show::json(&json!({
            "tenant": manifest.tenant,
            "first": manifest.first.0,
            "end": manifest.end.0,
            "files": manifest.files.len(),
            "bytes": bytes,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        show::out(),
        "tenant {} up to position {} in {}: {} files, {} bytes",
        manifest.tenant,
        manifest.end.0,
        to.display(),
        manifest.files.len(),
        show::grouped(bytes)
    )?;
    Ok(ExitCode::SUCCESS)
}

/// A directory for copies that are finished before the backup begins, on its disk.
fn beside(to: &Path) -> Result<TempDir> {
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    TempDir::with_prefix_in(".backup-", parent)
        .with_context(|| format!("cannot write in {}", parent.display()))
}

/// Whether there was such a file to be copied.
fn copied<E>(from: &Path, copy: impl FnOnce(&Path) -> Result<(), E>) -> Result<bool>
where
    Result<(), E>: Context<(), E>,
{
    if !from.exists() {
        return Ok(false);
    }
    copy(from).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(true)
}

pub fn restore(cli: &Cli, args: &RestoreArgs) -> Result<ExitCode> {
    fs::create_dir_all(&cli.data).with_context(|| format!("cannot make {}", cli.data.display()))?;
    let bar = show::bar(0, "restore", "bytes", cli.quiet);
    let (from, options) = (args.from.as_path(), LogOptions::default());
    let restored = backup::restore(from, &cli.data, &cli.tenant, options, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    for text in &restored.recovered.warnings {
        show::warning(text);
    }
    let (manifest, digest) = (&restored.manifest, show::hex(&restored.digest));
    if cli.json {
        show::json(&json!({
            "tenant": cli.tenant,
            "backup_of": manifest.tenant,
            "taken": manifest.taken_at.to_string(),
            "first": manifest.first.0,
            "end": manifest.end.0,
            "digest": digest,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = show::out();
    writeln!(
        out,
        "tenant {} up to position {}, from a backup of {} taken {}",
        cli.tenant, manifest.end.0, manifest.tenant, manifest.taken_at
    )?;
    writeln!(out, "state   {digest}")?;
    Ok(ExitCode::SUCCESS)
}
