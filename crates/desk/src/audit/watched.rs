//! Alerts of the watch over drift: derived from the log, and as lasting as that.

use std::sync::Arc;

use casework::changes::SYSTEM;
use event::hex;
use node::node::TenantHandle;
use node::watch::Watched;
use serde_json::{Value, json};
use trail::{ActorKind, Entry, Source};

use super::entries::DRIFT;

/// Alerts that one record may bring: a watch remembers fewer.
const OF_RECORD: u64 = 4_096;

/// How far a tenant's watches have been looked at.
#[derive(Default)]
pub(super) struct Watches {
    /// The one that was looked at last: an alert may come to it until another one takes its place.
    held: Option<Arc<Watched>>,
    /// Alerts that the process had counted then.
    counted: Option<u64>,
}

impl Watches {
    /// Entries of the alerts there are, in the order of the log, places counted from `base`; `None`: none came since
    /// the last call.
    pub fn entries(&mut self, tenant: &TenantHandle, base: u64) -> Option<Vec<Entry>> {
        // Before the watches are looked at: what is counted meanwhile is looked for again.
        let alerts = &tenant.counters().drift.alerts;
        let counted = alerts.iter().map(|it| it.get()).sum();
        let watch = tenant.watch();
        let held = |it: &Option<Arc<Watched>>| it.as_ref().map(Arc::as_ptr);
        let is_same = held(&watch) == held(&self.held);
        if is_same && self.counted == Some(counted) {
            return None;
        }
        let former = self.held.iter().filter(|_| !is_same);
        let mut found: Vec<Entry> = former
            .chain(&watch)
            .flat_map(|it| entries(it, base))
            .collect();
        found.sort_by_key(|it| it.source.seq);
        (self.held, self.counted) = (watch, Some(counted));
        Some(found)
    }
}

fn entries(watch: &Watched, base: u64) -> Vec<Entry> {
    let model = hex(&watch.artifact());
    watch.glance(|monitor| {
        let (mut found, mut last) = (Vec::new(), None);
        for alert in monitor.alerts() {
            // Those of one record in their order.
            let number = match last {
                Some((position, number)) if position == alert.position => number + 1,
                _ => 0,
            };
            last = Some((alert.position, number));
            let mut after = json!(alert.told(monitor.reference()));
            let target = after["feature"].as_str().unwrap_or_default().to_owned();
            after["model"] = json!(model);
            after["position"] = json!(alert.position);
            if let Some(told) = after.as_object_mut() {
                // What becomes of it later, and where else it is found, is not the same at each look.
                told.retain(|name, _| name != "over_at" && name != "also_in");
            }
            let place = (base + alert.position) * OF_RECORD + number;
            found.push(entry(alert.at, target, after, place));
        }
        found
    })
}

fn entry(at: i64, target: String, after: Value, place: u64) -> Entry {
    Entry {
        at,
        actor: SYSTEM.to_owned(),
        actor_kind: ActorKind::System,
        action: "drift.alert".to_owned(),
        target,
        before: None,
        after: Some(after),
        why: String::new(),
        source: Source {
            name: DRIFT.to_owned(),
            seq: place,
        },
    }
}
