//! What the decay of models is told as. Names and help texts stand here and nowhere else.

use meters::row::{Group, TENANT};
use meters::{Exposition, Family};

use crate::decay::{Judged, Told};

static AP: Family = Family::gauge(
    "ringfence_model_ap",
    "Average precision of a model on the latest day whose labels are mature; not told of tenants without a name of their own, as all of one model.",
)
.by(MODEL);
static CALIBRATION: Family = Family::gauge(
    "ringfence_model_calibration_error",
    "Expected calibration error of a model on that day.",
)
.by(MODEL);
static FRAUDS: Family = Family::gauge(
    "ringfence_model_matured_frauds",
    "Known frauds of that day among what a model decided.",
)
.by(MODEL);
static DAY: Family = Family::gauge(
    "ringfence_model_matured_day_timestamp_seconds",
    "Beginning of that day, seconds since 1970.",
)
.seconds()
.by(MODEL);
static BEHIND: Family = Family::gauge(
    "ringfence_decay_lag_records",
    "Committed records that the thread which judges models by labels has not read yet.",
)
.by(TENANT);
const MODEL: &[&str] = &["tenant", "model_version"];

pub fn families() -> Vec<&'static Family> {
    vec![&AP, &CALIBRATION, &FRAUDS, &DAY, &BEHIND]
}

pub fn write(out: &mut Exposition, groups: &[Group<'_, Told>]) {
    let mut series = out.family(&BEHIND);
    for (name, members) in groups {
        series.value(&[name], members.iter().map(|it| it.behind).sum());
    }
    let alone = groups
        .iter()
        .filter_map(|(name, members)| match members[..] {
            [only] => Some((name.as_str(), only)),
            _ => None,
        });
    let latest: Vec<(&str, String, &Judged)> = alone
        .flat_map(|(name, told)| {
            let newest = told.days.first().map(|it| it.day);
            let of_day = told
                .days
                .iter()
                .take_while(move |it| Some(it.day) == newest);
            of_day.map(move |it| (name, it.model.digits(), it))
        })
        .collect();
    type Read = fn(&Judged) -> Option<f64>;
    let gauges: [(_, Read); 4] = [
        (&AP, |it| it.worth.ap.map(|ap| ap.value)),
        (&CALIBRATION, |it| it.worth.calibration_error),
        (&FRAUDS, |it| Some(it.worth.frauds as f64)),
        (&DAY, |it| Some(it.day.millis() as f64 / 1e3)),
    ];
    for (family, read) in gauges {
        let mut series = out.family(family);
        for (name, version, judged) in &latest {
            if let Some(value) = read(judged) {
                series.float(&[name, version], value);
            }
        }
    }
}
