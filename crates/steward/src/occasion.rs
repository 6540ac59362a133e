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
    /// The watch has begun, with a model or other settings, and judged no window since: a fault that went on before
    /// may go on.
    pub is_blind: bool,
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
            // A shape asks for as many rows as the rules of data quality do.
            is_blind: (0..monitor.reference().width())
                .all(|column| monitor.latest(0, column)[1].is_none()),
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]
mod tests {
    use std::sync::Arc;

    use drift::column::SCORE;
    use drift::reference::SegmentBy;
    use drift::{Builder, Column, Scale};

    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_watch_that_has_begun_is_blind_until_a_window_had_rows_enough() {
        let columns = ["kind", "x", SCORE].map(|name| Column::plain(name, Scale::Plain));
        let by = SegmentBy {
            event_type: 0,
            channel: None,
        };
        let mut builder = Builder::new(columns.to_vec(), Vec::new(), by);
        let value = |step: i64| (step * 7 % 11) as f32;
        let end = 29 * 24 * 6;
        for step in 0..end {
            builder.push(step * 10 * MINUTE, &[0.0, value(step)], -8.0);
        }
        let reference = Arc::new(builder.build(|_| "all".to_owned()).unwrap());
        let mut monitor = Monitor::by_default(reference, 0);
        assert!(Occasion::in_watch(&monitor).is_blind);
        // An hour's rows are too few.
        let feed = |monitor: &mut Monitor, steps: std::ops::Range<i64>| {
            for step in steps {
                let at = (end * 10 + step) * MINUTE;
                monitor.feed(step as u64, at, &[0.0, value(step)], -8.0);
            }
        };
        feed(&mut monitor, 0..70);
        assert!(Occasion::in_watch(&monitor).is_blind);
        feed(&mut monitor, 70..6_000);
        assert!(!Occasion::in_watch(&monitor).is_blind);
    }
}
