//! Steps of a job that are over, for whoever draws where its time went.

use serde::Deserialize;
use serde_json::Value;

use crate::StewardError;
use crate::job::{Ended, Job};

/// Times are of the wall clock, ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// `plan`, `train`, `judge`, `shadow`, then what became of it; [`WHOLE`]: the job, from its order to its end.
    pub name: &'static str,
    pub from: i64,
    pub until: i64,
    /// SHA-256 of the candidate, once there is one.
    pub model: Option<String>,
    /// How the job ended, of its last step and of the whole.
    pub ended: Option<Ended>,
}

pub const WHOLE: &str = "job";
/// What a child does.
const OF_CHILD: [&str; 3] = ["plan", "train", "judge"];

/// A line of what a child said.
#[derive(Deserialize)]
struct Said {
    step: String,
    at: i64,
}

impl Job {
    /// What the child that has just ended did, in its order; each step lasted until the next began.
    pub(crate) fn stepped(&self, now: i64) -> Result<Vec<Stepped>, StewardError> {
        let path = self.progress();
        let said = std::fs::read_to_string(&path);
        let said = said.map_err(StewardError::io("read", &path))?;
        // A child that was killed may have left half a line.
        let lines: Vec<Said> = said
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let model = self.trained()?.map(|it| it.model);
        let ends = lines.iter().skip(1).map(|it| it.at).chain([now]);
        let steps = lines.iter().zip(ends).filter_map(|(it, until)| {
            let name = OF_CHILD.into_iter().find(|name| *name == it.step)?;
            Some(Stepped {
                name,
                from: it.at,
                until,
                model: model.clone(),
                ended: None,
            })
        });
        Ok(steps.collect())
    }

    /// What is over when the job is.
    pub(crate) fn ended(&self, ended: Ended, at: i64) -> Result<Vec<Stepped>, StewardError> {
        let model = self.trained()?.map(|it| it.model);
        let step = |name, from, ended| Stepped {
            name,
            from,
            until: at,
            model: model.clone(),
            ended,
        };
        let shadow = self.shadow()?.map(|it| step("shadow", it.since, None));
        let last = match ended {
            Ended::Promoted => "promote",
            Ended::Refused => "refuse",
            Ended::Rejected => "reject",
            Ended::Abandoned => "abandon",
            Ended::Failed => "fail",
            Ended::Judged => "judged",
        };
        let mut all: Vec<Stepped> = shadow.into_iter().collect();
        all.push(step(last, at, Some(ended)));
        all.push(step(WHOLE, self.order()?.at, Some(ended)));
        Ok(all)
    }
}

/// A line for whoever looks at what a child does, which begins a step of it now.
pub fn begun(step: &str, now: i64) -> Value {
    serde_json::json!({ "step": step, "at": now })
}
