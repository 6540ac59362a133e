//! `ringfence backup` and `ringfence restore`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use log::LogOptions;
use node::Place;
use node::backup::{self, Beside};
use serde_json::json;
use tempfile::TempDir;

use crate::cli::{BackupArgs, Cli, RestoreArgs};
use crate::show;

pub fn take(cli: &Cli, args: &BackupArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let bar = show::bar(0, "backup", "bytes", cli.quiet);
    let to = args.to.as_path();
    // Before casework, and that before the log: what one has seen of the other is in what is copied after it.
    let trail = backup::trail_files(&place)?;
    let casework = casework_of(&place, to)?;
    let beside = Beside {
        config: args.config.as_deref(),
        casework: casework.as_ref().map(|(_, file)| file.as_path()),
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

/// A copy of the tenant's casework in a directory of its own beside the backup, where it has any.
fn casework_of(place: &Place, to: &Path) -> Result<Option<(TempDir, PathBuf)>> {
    let from = place.casework();
    if !from.exists() {
        return Ok(None);
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let home = TempDir::with_prefix_in(".casework-", parent)
        .with_context(|| format!("cannot write in {}", parent.display()))?;
    let file = home.path().join("casework.db");
    casework::copy(&from, &file).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(Some((home, file)))
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
