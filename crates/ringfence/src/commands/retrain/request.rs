//! What is asked of a retrain: the part of its order that the child reads.

use anyhow::{Context, Result, bail};
use event::{EventTime, Span};
use learning::gate::Bounds;
use learning::gate::window::Wish;
use serde::{Deserialize, Serialize};
use steward::child::Allowance;
use steward::job::Job;

use crate::cli::RetrainRun;
use crate::config::Config;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Length of the learned window; from the first event on without it.
    pub window_ms: Option<i64>,
    pub exam_frauds: usize,
    pub rounds: usize,
    pub seed: u64,
    pub rows_max: usize,
    pub allowance: Allowance,
    pub bounds: Bounds,
}

/// Below it no training begins: the allocator alone takes some tens of megabytes.
const MEMORY_MIN: u64 = 128 << 20;

impl Request {
    /// As the configuration has it, but for what the command line says.
    pub fn of(args: &RetrainRun) -> Result<Request> {
        let held = Config::load(args.config.as_deref())?.retrain.request();
        let memory_mib = args
            .memory_mib
            .map(|it| (it as u64).saturating_mul(1 << 20));
        Ok(Request {
            window_ms: args.window.map(Span::millis).or(held.window_ms),
            exam_frauds: args.exam_frauds.unwrap_or(held.exam_frauds),
            rounds: args.rounds.unwrap_or(held.rounds),
            seed: args.seed.unwrap_or(held.seed),
            allowance: Allowance {
                memory_bytes: memory_mib.unwrap_or(held.allowance.memory_bytes),
                threads: args.threads.unwrap_or(held.allowance.threads),
                priority: args.priority.map_or(held.allowance.priority, Into::into),
            },
            ..held
        })
    }

    pub fn read(job: &Job) -> Result<Request> {
        let order = job.order()?;
        let request = serde_json::from_value(order.request);
        request.with_context(|| format!("the order of retrain {} asks for something else", job.id))
    }

    pub fn check(&self) -> Result<()> {
        self.bounds.check()?;
        if self.exam_frauds == 0 || self.rounds == 0 || self.rows_max == 0 {
            bail!("exam frauds, rounds and rows must be above 0");
        }
        if self.allowance.memory_bytes < MEMORY_MIN {
            bail!(
                "a retrain needs at least {} MiB of memory",
                MEMORY_MIN >> 20
            );
        }
        if self.allowance.threads == 0 {
            bail!("a retrain needs a thread");
        }
        Ok(())
    }

    /// With the end of what the champion learned from.
    pub fn wish(&self, after: EventTime) -> Wish {
        Wish {
            train: self.window_ms.map(Span::from_millis),
            exam_frauds: self.exam_frauds,
            after,
        }
    }
}
