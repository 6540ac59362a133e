//! What the watch over drift of a running tenant says to its retrains: a reason to make a candidate, or not to.

use drift::{Alert, Monitor};
use node::node::TenantHandle;
use serde::{Deserialize, Serialize};

/// Alerts that go on, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occasion {
    /// Events are not what they were: the model may be past its best.
    pub drift: Vec<Sign>,
    /// What comes in is at fault: a candidate would learn the fault.
    pub faults: Vec<Sign>,
}

/// An alert of the watch (`GET /v1/drift` has all of it).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// Its number in the watch of the model that serves.
    pub alert: u64,
    /// Which of the alert's rules held.
    pub rule: String,
    pub feature: String,
    pub segment: String,
    /// Of the log: the first record behind the window.
    pub position: u64,
}

impl Occasion {
    /// As far as the watch has come; it may be busy, and is not waited for.
    pub fn of(tenant: &TenantHandle) -> Occasion {
        let watch = tenant.watch();
        watch.map_or_else(Occasion::default, |watch| watch.glance(Occasion::in_watch))
    }

    fn in_watch(monitor: &Monitor) -> Occasion {
        let sign = |alert: &Alert| {
            let told = alert.told(monitor.reference());
            Sign {
                alert: told.number,
                rule: told.kind.name().to_owned(),
                feature: told.feature.to_owned(),
                segment: told.segment.to_owned(),
                position: alert.position,
            }
        };
        let open = monitor.alerts().rev().filter(|it| it.over_at.is_none());
        let (faults, drift): (Vec<&Alert>, Vec<&Alert>) =
            open.partition(|it| it.reading.kind.is_data_quality());
        Occasion {
            drift: drift.into_iter().map(sign).collect(),
            faults: faults.into_iter().map(sign).collect(),
        }
    }

    /// Drift that nobody has answered with a retrain: the newest alert since a position of the log, and how many more.
    pub fn unanswered(&self, since: u64) -> Option<(&Sign, usize)> {
        let newer = |it: &&Sign| it.position >= since;
        let newest = self.drift.iter().find(newer)?;
        Some((newest, self.drift.iter().filter(newer).count() - 1))
    }
}

/// Why there is no retrain, in one line.
pub fn reason(faults: &[Sign]) -> String {
    let named: Vec<String> = faults
        .iter()
        .take(NAMED)
        .map(|it| format!("{} of {} ({})", it.rule, it.feature, it.segment))
        .collect();
    let more = match faults.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "data are at fault: {}{more}; a candidate would learn that",
        named.join(", ")
    )
}

/// Alerts that a line names.
const NAMED: usize = 3;
