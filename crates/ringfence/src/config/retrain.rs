//! `[retrain]`: whether and when models are made anew, what that may take, and how a candidate gets into service.

use anyhow::{Result, bail};
use learning::gate::Bounds;
use node::background::Priority;
use serde::Deserialize;
use steward::Settings;
use steward::child::Allowance;
use steward::course::Rules;

use super::units::{Bytes, Keep, Time};
use crate::commands::retrain::Request;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrainSection {
    enabled: bool,
    every: Every,
    on_drift: bool,
    cool_down: Time,
    window: Keep,
    exam_frauds: usize,
    rows_max: usize,
    rounds: usize,
    seed: u64,
    shadow: Time,
    shadow_max: Time,
    promote: Promote,
    memory: Bytes,
    threads: usize,
    priority: Priority,
    gate: Bounds,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Promote {
    Approval,
    Automatic,
}

/// "off", or a time.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Every {
    Off(Off),
    Time(Time),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Off {
    Off,
}

impl RetrainSection {
    pub fn check(&self) -> Result<()> {
        self.request().check()?;
        for (key, time) in [
            ("retrain.shadow", self.shadow),
            ("retrain.shadow_max", self.shadow_max),
            ("retrain.cool_down", self.cool_down),
        ] {
            if time.0.is_zero() {
                bail!("{key} must be above 0");
            }
        }
        if matches!(self.every, Every::Time(every) if every.0.is_zero()) {
            bail!("retrain.every must be above 0, or \"off\"");
        }
        if self.shadow_max.0 < self.shadow.0 {
            bail!("retrain.shadow_max must be at least retrain.shadow");
        }
        Ok(())
    }

    /// What the child is asked for.
    pub fn request(&self) -> Request {
        Request {
            window_ms: self.window.0.map(event::Span::millis),
            exam_frauds: self.exam_frauds,
            rounds: self.rounds,
            seed: self.seed,
            rows_max: self.rows_max,
            allowance: Allowance {
                memory_bytes: self.memory.0 as u64,
                threads: self.threads,
                priority: self.priority,
            },
            bounds: self.gate,
        }
    }

    pub fn settings(&self) -> Result<Settings> {
        let millis = |time: Time| i64::try_from(time.0.as_millis()).unwrap_or(i64::MAX);
        Ok(Settings {
            enabled: self.enabled,
            every: match self.every {
                Every::Off(Off::Off) => None,
                Every::Time(every) => Some(every.0),
            },
            on_drift: self.on_drift,
            cool_down: self.cool_down.0,
            rules: Rules {
                shadow_ms: millis(self.shadow),
                shadow_max_ms: millis(self.shadow_max),
                approval: matches!(self.promote, Promote::Approval),
            },
            request: serde_json::to_value(self.request())?,
        })
    }
}
