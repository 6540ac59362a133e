//! What a watch knows, in names and times: for people, over HTTP and in a terminal.

use event::EventTime;
use serde::Serialize;

use crate::alert::Told;
use crate::{Monitor, Settings};

#[derive(Clone, Debug, Serialize)]
pub struct Status<'a> {
    /// `None`: no model serves, or it has no reference.
    pub watched: Option<Watching<'a>>,
    /// Newest first.
    pub alerts: Vec<Told<'a>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Watching<'a> {
    /// SHA-256 of the model file.
    pub model: &'a str,
    pub reference_from: EventTime,
    pub reference_until: EventTime,
    pub segments: Vec<&'a str>,
    pub events: u64,
    pub windows: u64,
    /// Decided events that are in no window.
    pub missed: u64,
    pub settings: &'a Settings,
}

impl<'a> Status<'a> {
    pub fn of(model: &'a str, monitor: &'a Monitor) -> Status<'a> {
        let reference = monitor.reference();
        let segments = reference.segments.iter().map(|it| it.name.as_str());
        Status {
            watched: Some(Watching {
                model,
                reference_from: EventTime::from_millis(reference.from),
                reference_until: EventTime::from_millis(reference.until),
                segments: segments.collect(),
                events: monitor.rows(),
                windows: monitor.windows(),
                missed: monitor.missed(),
                settings: monitor.settings(),
            }),
            alerts: (monitor.alerts().rev())
                .map(|it| it.told(reference))
                .collect(),
        }
    }

    /// Nothing is watched.
    pub fn nothing() -> Status<'a> {
        Status {
            watched: None,
            alerts: Vec::new(),
        }
    }
}
