//! What a tenant counts while it serves; read by whoever shows metrics.

use std::sync::Arc;

use event::record::{Decision, DecisionKind, DecisionSource, degraded};
use meters::Histogram;
use meters::histogram::{Delay, Latency, Number, Size, Stage};

pub use meters::Count;

use crate::Champion;
use crate::guard::Guard;
use crate::timeline::{Step, Timeline};
use crate::watch::Told;

/// Steps that the metrics tell.
pub const TIMED: [Step; 6] = [
    Step::Sampled,
    Step::Applied,
    Step::Scored,
    Step::Judged,
    Step::Recorded,
    Step::Committed,
];

/// Models that decide, as metrics call them.
pub const DECIDING: [&str; 2] = ["champion", "challenger"];

/// Whose score a decision is of: that of a model in the order of [`DECIDING`], or no model's.
pub const SCORED_BY: [&str; 3] = ["champion", "challenger", "none"];

/// Of one model; by part and level.
#[derive(Debug, Default)]
pub struct Breakers {
    /// 1 while calls are kept away.
    pub open: [[Count; 3]; 3],
    pub opened: [[Count; 3]; 3],
}

#[derive(Debug, Default)]
pub struct Counters {
    /// By verdict and source, in the order of their `ALL`.
    pub decisions: [[Count; 4]; 4],
    /// In the order of [`SCORED_BY`].
    pub scored_by: [Count; SCORED_BY.len()],
    /// By cause, in the order of `degraded::NAMES`.
    pub degraded: [Count; degraded::NAMES.len()],
    /// Of the champion and the challenger, in the order of [`DECIDING`].
    pub breakers: [Breakers; DECIDING.len()],
    pub duplicates: Count,
    pub refused: Count,
    /// By level.
    pub queue_full: [Count; 3],
    pub expired: [Count; 3],
    /// Requests whose client went away before their turn.
    pub abandoned: Count,
    pub disk_failures: Count,
    pub snapshots: Count,
    pub snapshot_failures: Count,
    pub index_failures: Count,
    /// Longest time that one took beside the tenant, microseconds.
    pub snapshot_us_max: Count,
    /// Segments that retention let go, and the oldest record that stays.
    pub segments_retired: Count,
    pub bytes_retired: Count,
    pub retire_failures: Count,
    pub log_first: Count,
    /// Models that entered service, and the longest stop of the owner for one, microseconds.
    pub activations: Count,
    pub switch_pause_us_max: Count,
    /// From the call to the switch, of those that had no channel to wait for, microseconds.
    pub swap_us_max: Count,
    /// Rule sets that the owner has read itself: those of its log, when it was opened, and no other.
    pub rules_read: Count,
    /// Of the watches over drift.
    pub drift: Arc<Told>,
    /// What is held, and what may be.
    pub entities: Count,
    pub entities_max: Count,
    pub disk_bytes: Count,
    pub disk_bytes_max: Count,
    /// Refused for want of entities, and of bytes.
    pub quota_refused: [Count; 2],
    /// Group commits: records and bytes of each.
    pub group_records: Histogram<Number>,
    pub group_bytes: Histogram<Size>,
    pub records: Count,
    pub fsync: Histogram<Latency>,
    /// From a request's turn to its answer's release, the commit included.
    pub decide: Histogram<Latency>,
    /// Of the decisions that are timed: sample, apply, score, policy, record, commit.
    pub steps: [Histogram<Stage>; TIMED.len()],
    /// From an event to its label's arrival here.
    pub label_delay: Histogram<Delay>,
    /// First eight bytes of the SHA-256 of the models that decide, in the order of [`DECIDING`]; 0: none.
    pub models: [Count; DECIDING.len()],
}

impl Counters {
    pub fn decided(&self, decision: &Decision) {
        let Decision {
            verdict, source, ..
        } = *decision;
        let at = |found: Option<usize>| found.unwrap_or(0);
        let verdict = at(DecisionKind::ALL.iter().position(|it| *it == verdict));
        let source = at(DecisionSource::ALL.iter().position(|it| *it == source));
        self.decisions[verdict][source].add(1);
        let causes = self.degraded.iter().zip(degraded::NAMES);
        for (count, _) in causes.filter(|(_, (bit, _))| decision.degraded & bit != 0) {
            count.add(1);
        }
    }

    /// Whose score a decision is of, who decide being in the order of [`DECIDING`].
    pub fn scored(&self, decision: &Decision, deciding: [Option<&Champion>; DECIDING.len()]) {
        let own =
            |model: &Option<&Champion>| model.is_some_and(|it| it.version() == decision.model);
        let at = deciding.iter().position(own);
        self.scored_by[at.unwrap_or(DECIDING.len())].add(1);
    }

    /// In the order of [`DECIDING`].
    pub fn serves(&self, deciding: [Option<&Champion>; DECIDING.len()]) {
        for (told, model) in self.models.iter().zip(deciding) {
            let version = model.map(|model| model.version().0);
            told.set(version.map_or(0, u64::from_be_bytes));
        }
    }

    /// Adds the steps of a decision that was taken; a repeated one has none.
    pub fn timed(&self, timeline: &Timeline) {
        if !timeline.steps().any(|(step, ..)| step == Step::Judged) {
            return;
        }
        for (step, began, ended) in timeline.steps() {
            if let Some(at) = TIMED.iter().position(|it| *it == step) {
                self.steps[at].add_time(ended.saturating_sub(began));
            }
        }
    }

    /// In the order of [`DECIDING`]; `None`: no such model serves, and nothing is kept away from it.
    pub fn guarded(&self, guards: [Option<&Guard>; DECIDING.len()]) {
        for (told, guard) in self.breakers.iter().zip(guards) {
            let Some(guard) = guard else {
                told.open.iter().flatten().for_each(|it| it.set(0));
                continue;
            };
            guard.tell(|part, level, is_open, opened| {
                told.open[part][level].set(u64::from(is_open));
                told.opened[part][level].set(opened);
            });
        }
    }
}
