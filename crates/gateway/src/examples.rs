//! Events that alerts of drift name by their positions, by the ids that whoever sent them knows.

use std::collections::BTreeMap;

use event::Position;
use node::{History, NodeError, Place};
use serde_json::{Value, json};

/// Alerts whose events are named, the newest: each is a look into the log.
const NAMED: usize = 32;

/// Adds `example_events` to alerts as `drift::Status` has them, in the order of their `examples`; `null` is an event that
/// retention has let go of.
pub fn name(alerts: &mut Value, place: &Place) -> Result<(), NodeError> {
    let Some(alerts) = alerts.as_array_mut().filter(|it| !it.is_empty()) else {
        return Ok(());
    };
    let history = History::open(place)?;
    // Alerts of one window are of the same events, often.
    let mut known: BTreeMap<u64, Value> = BTreeMap::new();
    for alert in alerts.iter_mut().take(NAMED) {
        let examples = alert["examples"].as_array().cloned().unwrap_or_default();
        let mut ids = Vec::with_capacity(examples.len());
        for position in examples.iter().filter_map(Value::as_u64) {
            if let Some(id) = known.get(&position) {
                ids.push(id.clone());
                continue;
            }
            let id = history.event_id(Position(position))?;
            let id = json!(id.as_ref().map(|it| it.as_str()));
            known.insert(position, id.clone());
            ids.push(id);
        }
        alert["example_events"] = Value::Array(ids);
    }
    Ok(())
}
