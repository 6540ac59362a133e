//! What the watches over drift are told as.

use drift::Kind;
use meters::row::{Group, TENANT};
use meters::{Exposition, Family};

use super::{Handles, sum};
use crate::counters::Counters;
use crate::watch::Watched;

static DRIFT_ALERTS: Family = Family::counter(
    "ringfence_drift_alerts_total",
    "Alerts of the watch over drift, by what was found.",
)
.by(&["tenant", "kind"]);
static DRIFT_OPEN: Family = Family::gauge(
    "ringfence_drift_alerts_open",
    "Alerts of the watch over drift that go on, by what was found.",
)
.by(&["tenant", "kind"]);
static DRIFT_RESPONSE: Family = Family::histogram(
    "ringfence_drift_alert_response_seconds",
    "From the commit of the record that closed a window to the alert of it.",
)
.seconds()
.by(TENANT);
static DRIFT_LAG: Family = Family::gauge(
    "ringfence_drift_lag",
    "Decided events that wait for the watch over drift.",
)
.by(TENANT);
static SCORE_PSI: Family = Family::gauge(
    "ringfence_drift_score_psi",
    "Population stability index of the score in the latest window of all events; of several tenants the largest.",
)
.by(TENANT);
static SCORE_SPREAD: Family = Family::gauge(
    "ringfence_drift_score_spread_ratio",
    "Standard deviation of the score in the latest window of all events, of the reference's; of several tenants the furthest from 1.",
)
.by(TENANT);
pub(super) fn families() -> [&'static Family; 6] {
    [
        &DRIFT_ALERTS,
        &DRIFT_OPEN,
        &DRIFT_RESPONSE,
        &DRIFT_LAG,
        &SCORE_PSI,
        &SCORE_SPREAD,
    ]
}

pub(super) fn write(out: &mut Exposition, tenants: &[Handles], groups: &[Group<'_, Counters>]) {
    let mut series = out.family(&DRIFT_ALERTS);
    for (name, members) in groups {
        for (at, kind) in Kind::ALL.iter().enumerate() {
            let value = sum(members, |it| &it.drift.alerts[at]);
            series.value(&[name, kind.name()], value);
        }
    }
    let mut series = out.family(&DRIFT_OPEN);
    for (name, members) in tenants {
        let open: Vec<_> = members.iter().filter_map(|it| it.watch()).collect();
        let open: Vec<_> = open.iter().map(|it| it.open()).collect();
        for (at, kind) in Kind::ALL.iter().enumerate() {
            series.value(&[name, kind.name()], open.iter().map(|it| it[at]).sum());
        }
    }
    let mut series = out.family(&DRIFT_RESPONSE);
    for (name, members) in groups {
        series.histogram(&[name], members.iter().map(|it| &it.drift.response));
    }
    let mut series = out.family(&DRIFT_LAG);
    for (name, members) in tenants {
        let watches = members.iter().filter_map(|it| it.watch());
        series.value(&[name], watches.map(|it| it.lag()).sum());
    }
    // Of who has a reading: 0 would say that there is one.
    type Read = fn(&Watched) -> Option<f64>;
    type Distance = fn(f64) -> f64;
    let scores: [(_, Read, Distance); 2] = [
        (&SCORE_PSI, |it| it.score_psi(), |it| it),
        (&SCORE_SPREAD, |it| it.score_spread(), |it| (it - 1.0).abs()),
    ];
    for (family, read, distance) in scores {
        let mut series = out.family(family);
        for (name, members) in tenants {
            let watches = members.iter().filter_map(|it| it.watch());
            let values = watches.filter_map(|it| read(&it));
            let worst = values.max_by(|a, b| distance(*a).total_cmp(&distance(*b)));
            if let Some(worst) = worst {
                series.float(&[name], worst);
            }
        }
    }
}
