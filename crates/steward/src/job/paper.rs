//! What the files of a job say. Times are milliseconds since 1970, of the clock that their doc names.

use event::EventTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::occasion::Sign;

/// Why a retraining began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trigger {
    Command,
    Schedule,
    /// An alert of the watch, and how many more went on.
    Drift {
        #[serde(flatten)]
        sign: Sign,
        others: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Of the wall clock.
    pub at: i64,
    pub by: String,
    pub why: String,
    pub trigger: Trigger,
    /// End of the log by then: alerts of before are answered by this retrain.
    #[serde(default)]
    pub seen: u64,
    /// Whether a server sees to it: shadow, promotion. Else it ends with the verdict.
    pub attended: bool,
    /// For the child: windows, bounds, seed.
    pub request: Value,
}

/// Half-open, in event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub from: i64,
    pub until: i64,
}

/// What is learned from and judged on, frozen: the log is read as if it ended at `log_end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub log_end: u64,
    pub train: Window,
    pub exam: Window,
    pub train_frauds: usize,
    pub exam_frauds: usize,
    /// SHA-256 of the model that served: the candidate's parent, and its measure.
    pub champion: String,
    pub seed: u64,
    /// Program and version.
    pub code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trained {
    /// SHA-256 of its file in the tenant's models/.
    pub model: String,
    /// SHA-256 over the rows it learned from.
    pub data_digest: String,
    pub rows: usize,
    pub frauds: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// `pass`, `hold` or `refuse`.
    pub verdict: String,
    /// The gates that did not let it pass, and by how much.
    pub reasons: Vec<String>,
    pub log_end: u64,
    pub report: Value,
}

/// At the next part of a child's work, with so many on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempts {
    pub part: usize,
    pub count: u32,
}

/// Why the latest attempt of a child failed. Names no path of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable, machine-readable.
    pub code: String,
    pub says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// Of the wall clock.
    pub since: i64,
}

/// Of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub approved: bool,
    pub by: String,
    pub why: String,
    /// Of the wall clock.
    pub at: i64,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It serves.
    Promoted,
    /// By a gate.
    Refused,
    /// By a person.
    Rejected,
    /// Another model entered service meanwhile, or the labels never told.
    Abandoned,
    /// No candidate was made.
    Failed,
    /// With the verdict: nobody attends to it.
    Judged,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub ended: Ended,
    pub says: String,
    /// Of the wall clock.
    pub at: i64,
}

impl Ended {
    pub const ALL: [Ended; 6] = [
        Ended::Promoted,
        Ended::Refused,
        Ended::Rejected,
        Ended::Abandoned,
        Ended::Failed,
        Ended::Judged,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Ended::Promoted => "promoted",
            Ended::Refused => "refused",
            Ended::Rejected => "rejected",
            Ended::Abandoned => "abandoned",
            Ended::Failed => "failed",
            Ended::Judged => "judged",
        }
    }
}

impl Trigger {
    pub const NAMES: [&str; 3] = ["command", "schedule", "drift"];

    pub fn name(&self) -> &'static str {
        match self {
            Trigger::Command => "command",
            Trigger::Schedule => "schedule",
            Trigger::Drift { .. } => "drift",
        }
    }
}

impl Window {
    fn value(self) -> Value {
        json!({ "from": iso(self.from), "until": iso(self.until) })
    }
}

impl Plan {
    pub(super) fn value(&self) -> Value {
        json!({
            "log_end": self.log_end,
            "train": self.train.value(),
            "exam": self.exam.value(),
            "train_frauds": self.train_frauds,
            "exam_frauds": self.exam_frauds,
            "champion": self.champion,
            "seed": self.seed,
            "code": self.code,
        })
    }
}

impl Shadow {
    pub(super) fn value(self) -> Value {
        json!({ "since": iso(self.since) })
    }
}

impl Answer {
    pub(super) fn value(&self) -> Value {
        json!({
            "approved": self.approved,
            "by": self.by,
            "why": self.why,
            "at": iso(self.at),
        })
    }
}

impl Outcome {
    pub(super) fn value(&self) -> Value {
        json!({ "ended": self.ended, "says": self.says, "at": iso(self.at) })
    }
}

/// `null` for the beginning of all time.
fn iso(millis: i64) -> Option<String> {
    (millis > EventTime::MIN.millis()).then(|| EventTime::from_millis(millis).to_string())
}
