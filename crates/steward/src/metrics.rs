//! What retrains are told as. Names and help texts stand here and nowhere else.

use std::collections::BTreeMap;

use meters::row::Group;
use meters::{Exposition, Family};

use crate::job::Ended;

static RETRAINS: Family = Family::counter(
    "ringfence_retrains_total",
    "Retrains that ended, by what became of the candidate.",
)
.by(&["tenant", "result"]);
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
    /// Of the wall clock, ms; `None`: never, of the jobs that are kept.
    pub promoted_at: Option<i64>,
}

pub fn families() -> Vec<&'static Family> {
    vec![&RETRAINS, &LAST]
}

pub fn write(out: &mut Exposition, groups: &[Group<'_, Tally>]) {
    let mut series = out.family(&RETRAINS);
    for (tenant, members) in groups {
        for ended in Ended::ALL {
            let counts = members.iter().filter_map(|it| it.ended.get(&ended));
            series.value(&[tenant, ended.name()], counts.sum());
        }
    }
    let mut series = out.family(&LAST);
    for (tenant, members) in groups {
        if let Some(oldest) = members.iter().filter_map(|it| it.promoted_at).min() {
            series.float(&[tenant], oldest as f64 / 1e3);
        }
    }
}
