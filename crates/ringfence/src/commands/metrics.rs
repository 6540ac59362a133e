//! `ringfence metrics`: every metric of the service, as the document or as JSON.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::{metrics, show};

const HEAD: &str = "# Metrics

`GET /metrics` with an administrator's token for every tenant (`ringfence token --role admin`). Written by
`ringfence metrics`, and held against it by `crates/ringfence/tests/service/metrics.rs`.

The text format 0.0.4 by default; OpenMetrics 1.0, with units and exemplars, for whoever asks for
`application/openmetrics-text`, as Prometheus does. An exemplar of a latency is a request that fell into that bucket:
its `trace_id` is in its answer and in its log lines. Prometheus keeps exemplars with
`--enable-feature=exemplar-storage`.

Tenants have a label each up to `metrics.tenants_max`, those that came first; the others are told together as
`tenant=\"other\"`, and stay there. An erased tenant's series end; one of `other` takes its counts out of the sum, which
Prometheus takes for a restart of the counter. Counters begin at 0 with the process.

";

pub fn run(cli: &Cli) -> Result<ExitCode> {
    let families = metrics::families();
    if cli.json {
        let all: Vec<Value> = families
            .iter()
            .map(|it| {
                json!({
                    "name": it.name,
                    "kind": it.kind.name(),
                    "unit": it.unit,
                    "labels": it.labels,
                    "help": it.help,
                })
            })
            .collect();
        show::json(&Value::Array(all))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{HEAD}{}", meters::markdown(families))?;
    Ok(ExitCode::SUCCESS)
}
