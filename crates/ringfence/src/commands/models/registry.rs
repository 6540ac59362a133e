//! Model files: what there is, what each says of itself, and files as they are taken out and in.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use engine::Lineup;
use event::EventTime;
use event::record::ServingPart;
use graph::FeatureList;
use node::models::{self, ModelFile, Stored};
use node::owner::Shape;
use node::{History, Place};
use serde_json::{Value, json};

use super::remote::{BYTES, resolve};
use super::the_one;
use crate::cli::{Change, Cli};
use crate::commands::output::Output;
use crate::remote::Remote;
use crate::show;

/// A file longer than this is no model file of any version.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// What a tenant's models must fit.
fn shape(history: &History) -> Shape {
    let schema = history.schema().clone();
    let features = FeatureList::new(&schema);
    Shape { schema, features }
}

pub fn ls(cli: &Cli, place: &Place, change: &Change) -> Result<()> {
    if let Some(to) = &change.to {
        let remote = Remote::new(to, &cli.tenant, change.token.as_deref())?;
        let told = remote.get("/v1/models")?;
        if cli.json {
            return Ok(show::json(&told)?);
        }
        let rows = told["models"]
            .as_array()
            .context("an answer without models")?;
        return table(rows, &told["unreadable"], &told["activation"]);
    }
    let history = History::open(place)?;
    let lineup = history.lineup()?;
    let (files, unreadable) = models::list(place, &shape(&history))?;
    let rows: Vec<Value> = files.iter().map(|file| row(file, &lineup)).collect();
    if cli.json {
        return Ok(show::json(&Value::Array(rows))?);
    }
    let unreadable: Value = unreadable
        .iter()
        .map(|it| json!({ "name": it.name, "reason": it.reason }))
        .collect();
    table(&rows, &unreadable, &Value::Null)
}

fn row(file: &ModelFile, lineup: &Lineup) -> Value {
    let (header, lineage) = (&file.header, file.lineage.as_ref());
    let time = |millis| EventTime::from_millis(millis).to_string();
    json!({
        "model": show::hex(&file.artifact),
        "serving": lineup.champion() == Some(file.artifact),
        "status": lineup.part_of(&file.artifact).map_or("candidate", ServingPart::name),
        "kind": file.kind,
        "created_by": header.created_by,
        "trees": file.trees,
        "features": header.features.len(),
        "bytes": file.bytes,
        "producer": file.producer.map(|it| show::hex(&it)),
        "metrics": header.metrics,
        "lineage": {
            "parent": header.parent,
            "trained_from": time(header.training_window.from),
            "trained_until": time(header.training_window.until),
            "seed": header.seed,
            "data_digest": lineage.map(|it| &it.data_digest),
            "samples": lineage.map(|it| it.samples),
            "frauds": lineage.map(|it| it.frauds),
            "code_version": lineage.map(|it| &it.code_version),
        },
        "unfit": file.unfit,
    })
}

fn table(rows: &[Value], unreadable: &Value, activation: &Value) -> Result<()> {
    let mut out = show::out();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let short = |value: &Value| text(value).chars().take(12).collect::<String>();
    for row in rows {
        let producer = match &row["producer"] {
            Value::Null => "no producer".to_owned(),
            producer => format!("producer {}", short(producer)),
        };
        let unfit = match &row["unfit"] {
            Value::Null => String::new(),
            reason => format!("  unfit: {}", text(reason)),
        };
        writeln!(
            out,
            "{}  {:<10} {:<6} {:>5} trees  {producer}  {}{unfit}",
            short(&row["model"]),
            text(&row["status"]),
            text(&row["kind"]),
            row["trees"],
            text(&row["created_by"]),
        )?;
    }
    for file in unreadable.as_array().into_iter().flatten() {
        writeln!(
            out,
            "{}  unreadable: {}",
            text(&file["name"]),
            text(&file["reason"])
        )?;
    }
    if let (Some(took), Some(pause)) = (
        activation["took_us"].as_u64(),
        activation["pause_us"].as_u64(),
    ) {
        writeln!(
            out,
            "latest update: {} in service {:.1} ms after the call; decisions waited {:.2} ms",
            short(&activation["model"]),
            took as f64 / 1e3,
            pause as f64 / 1e3,
        )?;
    }
    Ok(())
}

pub fn show(cli: &Cli, place: &Place, change: &Change, wanted: &str) -> Result<()> {
    let told = match &change.to {
        Some(to) => {
            let remote = Remote::new(to, &cli.tenant, change.token.as_deref())?;
            let hash = resolve(&remote, wanted)?;
            remote.get(&format!("/v1/models/{hash}"))?
        }
        None => {
            let history = History::open(place)?;
            let (hash, _) = the_one(place, wanted)?;
            let found = models::describe_one(place, &digest(&hash)?, &shape(&history))?;
            let file = found.context("the model file has gone")?;
            let mut value = row(&file, &history.lineup()?);
            value["thresholds"] = json!(file.header.thresholds);
            value["calibration"] = json!(file.header.calibration);
            value
        }
    };
    if cli.json {
        return Ok(show::json(&told)?);
    }
    let mut out = show::out();
    for (name, value) in told.as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) => {
                writeln!(out, "{name}")?;
                for (name, value) in fields {
                    writeln!(out, "  {name:<16} {}", plain(value))?;
                }
            }
            value => writeln!(out, "{name:<18} {}", plain(value))?,
        }
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        value => value.to_string(),
    }
}

/// A model's SHA-256 from the digits that name its file.
pub fn digest(hash: &str) -> Result<[u8; 32]> {
    event::hex::digest(hash)
        .with_context(|| format!("a model is named by 64 hexadecimal digits, got {hash:?}"))
}

pub fn export(
    cli: &Cli,
    place: &Place,
    change: &Change,
    file: &Path,
    wanted: Option<&str>,
) -> Result<()> {
    let none = "no model serves: train one, or name one with --model";
    let (hash, bytes) = match &change.to {
        Some(to) => {
            let remote = Remote::new(to, &cli.tenant, change.token.as_deref())?;
            let hash = match wanted {
                Some(wanted) => resolve(&remote, wanted)?,
                None => {
                    let told = remote.get("/v1/models")?;
                    let champion = told["lineup"]["champion"]["model"].as_str();
                    champion.context(none)?.to_owned()
                }
            };
            let bytes = remote.bytes(&format!("/v1/models/{hash}/file"))?;
            (hash, bytes)
        }
        None => {
            let hash = match wanted {
                Some(wanted) => the_one(place, wanted)?.0,
                None => {
                    let champion = History::open(place)?.lineup()?.champion();
                    show::hex(&champion.context(none)?)
                }
            };
            let bytes = models::bytes(place, &digest(&hash)?)?;
            (hash, bytes.context("the model file has gone")?)
        }
    };
    Output::begin(file)?.write_whole(&bytes)?;
    if cli.json {
        return Ok(show::json(
            &json!({ "model": hash, "file": file, "format": "artifact", "bytes": bytes.len() }),
        )?);
    }
    let shown = file.display();
    writeln!(
        show::out(),
        "model {} in {shown}: the file itself",
        &hash[..12]
    )?;
    Ok(())
}

/// A text model is text from its first byte; a model file begins with a length.
pub fn is_artifact(file: &Path) -> Result<bool> {
    let shown = file.display();
    let mut opened = fs::File::open(file).with_context(|| format!("cannot read {shown}"))?;
    let mut head = [0; 9];
    let held = match opened.read_exact(&mut head) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    Ok(held && head[8] == b'{' && head[4..8] == [0; 4])
}

pub fn import(cli: &Cli, place: &Place, change: &Change, file: &Path) -> Result<()> {
    let shown = file.display();
    let length = fs::metadata(file)
        .with_context(|| format!("cannot read {shown}"))?
        .len();
    if length > FILE_BYTES_MAX {
        bail!("{shown} has {length} bytes: no model file has more than {FILE_BYTES_MAX}");
    }
    let bytes = fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let (hash, is_new) = match &change.to {
        Some(to) => {
            let remote = Remote::new(to, &cli.tenant, change.token.as_deref())?;
            let (is_new, told) = remote.send_in_turn("/v1/models", BYTES, &bytes)?;
            let hash = told["model"].as_str().context("an answer without model")?;
            (hash.to_owned(), is_new)
        }
        None => {
            let history = History::open(place)?;
            match models::store(place, &bytes, &shape(&history), usize::MAX)? {
                Stored::New(held) => (show::hex(&held.artifact), true),
                Stored::Held(held) => (show::hex(&held.artifact), false),
                Stored::Full => bail!("the folder of models is full"),
            }
        }
    };
    if cli.json {
        return Ok(show::json(
            &json!({ "model": hash, "new": is_new, "activated": false }),
        )?);
    }
    let what = match is_new {
        true => "taken in, not in service",
        false => "held already",
    };
    writeln!(show::out(), "model {} {what}", &hash[..12])?;
    Ok(())
}
