//! `ringfence backup` and `ringfence restore`.

use std::fs;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use log::LogOptions;
use node::backup;
use serde_json::json;

use crate::cli::{BackupArgs, Cli, RestoreArgs};
use crate::show;

pub fn take(cli: &Cli, args: &BackupArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let bar = show::bar(0, "backup", "bytes", cli.quiet);
    let (to, config) = (args.to.as_path(), args.config.as_deref());
    let manifest = backup::take(&place, &cli.tenant, to, config, |done, total| {
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
