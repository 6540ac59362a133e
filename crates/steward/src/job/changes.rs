//! What was ordered, said and come to, as numbered changes for whoever keeps an account of them.

use node::Place;
use serde_json::{Value, json};

use super::{Job, all};
use crate::StewardError;

/// A step of a job that somebody answers for.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Greater than that of every step before.
    pub seq: u64,
    /// Of the wall clock, ms.
    pub at: i64,
    pub actor: String,
    pub action: &'static str,
    /// Number of the job.
    pub target: String,
    pub after: Value,
    pub why: String,
}

/// Steps of a job that are told: order, answer, outcome. One that is not taken leaves its number empty.
const STEPS: u64 = 3;

/// Behind a number, in order. Of jobs that a server sees to: of those one is over before the next begins, and so no
/// number comes behind a greater one.
pub fn changes_after(place: &Place, after: u64) -> Result<Vec<Change>, StewardError> {
    let mut found = Vec::new();
    // Listed first: whoever has a successor here was over by then.
    for job in all(place)?.into_iter().filter(|it| last_of(it) > after) {
        job.tell(&mut found)?;
    }
    found.retain(|it| it.seq > after);
    Ok(found)
}

/// The number of the latest change; 0: there is none.
pub fn last_change(place: &Place) -> Result<u64, StewardError> {
    for job in all(place)?.iter().rev() {
        let mut found = Vec::new();
        job.tell(&mut found)?;
        if let Some(last) = found.last() {
            return Ok(last.seq);
        }
    }
    Ok(0)
}

fn last_of(job: &Job) -> u64 {
    job.id * STEPS + STEPS
}

impl Job {
    fn tell(&self, found: &mut Vec<Change>) -> Result<(), StewardError> {
        let order = self.order()?;
        if !order.attended {
            return Ok(());
        }
        // Before the answer: behind an outcome none comes.
        let outcome = self.outcome()?;
        let model = self.trained()?.map(|it| it.model);
        let change = |step: u64, action| Change {
            seq: self.id * STEPS + step,
            at: order.at,
            actor: order.by.clone(),
            action,
            target: self.id.to_string(),
            after: json!({ "trigger": order.trigger }),
            why: order.why.clone(),
        };
        found.push(change(1, "retrain.order"));
        if let Some(answer) = self.answer()? {
            let action = match answer.approved {
                true => "retrain.approve",
                false => "retrain.reject",
            };
            found.push(Change {
                at: answer.at,
                actor: answer.by,
                after: json!({ "model": model }),
                why: answer.why,
                ..change(2, action)
            });
        }
        if let Some(outcome) = outcome {
            let says = &outcome.says;
            found.push(Change {
                at: outcome.at,
                actor: format!("retrain {}", self.id),
                after: json!({ "ended": outcome.ended, "says": says, "model": model }),
                why: String::new(),
                ..change(3, "retrain.end")
            });
        }
        Ok(())
    }
}
