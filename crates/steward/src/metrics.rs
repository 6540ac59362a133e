//! What retrains are told as. Names and help texts stand here and nowhere else.

use std::collections::BTreeMap;

use meters::row::Group;
use meters::{Exposition, Family};

use crate::job::{Ended, Trigger};

static RETRAINS: Family = Family::counter(
    "ringfence_retrains_total",
    "Retrains that ended, by what became of the candidate.",
)
.by(&["tenant", "result"]);
static BEGUN: Family = Family::counter(
    "ringfence_retrains_begun_total",
    "Retrains that began, by what asked for them: a command, the schedule, or drift.",
)
.by(&["tenant", "trigger"]);
static BLOCKED: Family = Family::gauge(
    "ringfence_retrain_blocked",
    "1 while alerts of data quality keep retrains from beginning; of several tenants, of how many.",
)
.by(&["tenant"]);
static LAST: Family = Family::gauge(
    "ringfence_model_last_retrain_timestamp_seconds",
    "When a candidate last entered service, seconds since 1970; of several tenants the oldest.",
)
.seconds()
.by(&["tenant"]);

/// What of a tenant is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Since this process began.
    pub ended: BTreeMap<Ended, u64>,
    pub begun: BTreeMap<&'static str, u64>,
    /// Of the wall clock, ms; `None`: never, of the jobs that are kept.
    pub promoted_at: Option<i64>,
    pub is_blocked: bool,
    /// What keeps its retrains waiting, in words that may leave the machine.
    pub trouble: Option<String>,
    /// Whether its files were asked for what was before this process.
    pub is_recalled: bool,
}

pub fn families() -> Vec<&'static Family> {
    vec![&BEGUN, &RETRAINS, &BLOCKED, &LAST]
}

pub fn write(out: &mut Exposition, groups: &[Group<'_, Tally>]) {
    let mut series = out.family(&BEGUN);
    for (tenant, members) in groups {
        for trigger in Trigger::NAMES {
            let counts = members.iter().filter_map(|it| it.begun.get(trigger));
            series.value(&[tenant, trigger], counts.sum());
        }
    }
    let mut series = out.family(&RETRAINS);
    for (tenant, members) in groups {
        for ended in Ended::ALL {
            let counts = members.iter().filter_map(|it| it.ended.get(&ended));
            series.value(&[tenant, ended.name()], counts.sum());
        }
    }
    let mut series = out.family(&BLOCKED);
    for (tenant, members) in groups {
        let blocked = members.iter().filter(|it| it.is_blocked).count();
        series.value(&[tenant], blocked as u64);
    }
    let mut series = out.family(&LAST);
    for (tenant, members) in groups {
        if let Some(oldest) = members.iter().filter_map(|it| it.promoted_at).min() {
            series.float(&[tenant], oldest as f64 / 1e3);
        }
    }
}
