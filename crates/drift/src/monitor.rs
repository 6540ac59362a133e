//! Rows in, alerts out: what happens to one row, and where a window ends.
//!
//! A row counts in the window that is open when it comes: windows end by event time, and a late event is one of the
//! next window. Late or not, it is the same window whenever the log is read.

mod close;
mod example;
mod latest;
pub mod statistics;
mod verdict;
mod window;

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alert::{Alert, Reading};
use crate::column::Scale;
use crate::reference::{HOUR_MS, Reference};
use crate::settings::{Settings, SettingsError};
use example::Recent;
use latest::{Counts, Latest, Sketched};
use window::Watched;

/// Alerts that are remembered; the oldest goes first.
pub const ALERTS_MAX: usize = 256;
/// Of the encoded state, in its first byte.
const VERSION: u8 = 3;

#[derive(Debug)]
pub struct Monitor {
    reference: Arc<Reference>,
    settings: Settings,
    /// By column.
    limits: Vec<Limits>,
    sketched: Sketched,
    state: State,
    /// Given, but not yet taken.
    fresh: Vec<Alert>,
    readings: Option<Vec<Observation>>,
}

/// A reading of all events, for whoever draws it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    pub column: u16,
    pub reading: Reading,
}

/// What a column is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limits {
    is_watched: bool,
    spread: f64,
    psi: f64,
    distance: f64,
}

/// All that goes on when a process ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    /// Behind the last record that was taken.
    next: u64,
    /// Latest event time, ms.
    now: i64,
    /// Start of the open hour, or of the window where that is shorter; `None` before the first row.
    open_from: Option<i64>,
    rows: u64,
    windows: u64,
    missed: u64,
    /// Of the open piece.
    open: Counts,
    /// The latest piece that had rows.
    latest: Option<Latest>,
    recent: Vec<Recent>,
    /// Segment by segment, a column after the other.
    watched: Vec<Option<Watched>>,
    alerts: VecDeque<Alert>,
    /// Alerts given so far.
    given: u64,
}

impl State {
    fn new(reference: &Reference, next: u64) -> State {
        let segments = reference.segments.len();
        let sketched = Sketched::of(reference);
        State {
            next,
            now: i64::MIN,
            open_from: None,
            rows: 0,
            windows: 0,
            missed: 0,
            open: Counts::new(reference, &sketched),
            latest: None,
            recent: vec![Recent::default(); segments],
            watched: (reference.baselines.iter())
                .map(|baseline| baseline.as_ref().map(|_| Watched::default()))
                .collect(),
            alerts: VecDeque::new(),
            given: 0,
        }
    }
}

#[derive(Debug, Error)]
pub enum MonitorError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("state of version {got}, this program reads {VERSION}")]
    Version { got: u8 },
    #[error("state cannot be read: {0}")]
    Encoding(#[from] postcard::Error),
    #[error("state is of another reference")]
    OtherShape,
}

impl Monitor {
    /// Begins with the record at `next`.
    pub fn new(
        reference: Arc<Reference>,
        settings: Settings,
        next: u64,
    ) -> Result<Monitor, MonitorError> {
        settings.check(reference.columns.iter().map(|it| it.name.as_str()))?;
        let state = State::new(&reference, next);
        Ok(Monitor::over(reference, settings, state))
    }

    /// The same under the default settings, which name no feature.
    pub fn by_default(reference: Arc<Reference>, next: u64) -> Monitor {
        let state = State::new(&reference, next);
        Monitor::over(reference, Settings::default(), state)
    }

    fn over(reference: Arc<Reference>, settings: Settings, state: State) -> Monitor {
        let limits = (reference.columns.iter())
            .map(|column| {
                let rule = settings.rules.get(&column.name);
                let rule = rule.cloned().unwrap_or_default();
                Limits {
                    is_watched: rule.watch.unwrap_or(true) && column.scale != Scale::Clock,
                    spread: rule.spread.unwrap_or(settings.spread),
                    psi: rule.psi.unwrap_or(settings.psi),
                    distance: rule.distance.unwrap_or(settings.distance),
                }
            })
            .collect();
        Monitor {
            sketched: Sketched::of(&reference),
            reference,
            settings,
            limits,
            state,
            fresh: Vec::new(),
            readings: None,
        }
    }

    /// The settings and the state, for [`Monitor::restore`].
    pub fn save(&self) -> Result<Vec<u8>, MonitorError> {
        let known = (self.settings.text()?, &self.state);
        Ok(postcard::to_extend(&known, vec![VERSION])?)
    }

    /// Goes on from a state that was saved under the same reference, under the settings that it was saved with.
    pub fn restore(reference: Arc<Reference>, bytes: &[u8]) -> Result<Monitor, MonitorError> {
        let (version, body) = bytes.split_first().unwrap_or((&0, &[]));
        if *version != VERSION {
            return Err(MonitorError::Version { got: *version });
        }
        let (settings, state): (String, State) = postcard::from_bytes(body)?;
        let settings = Settings::read(&settings)?;
        let (width, segments) = (reference.width(), reference.segments.len());
        let watched = state.watched.iter().zip(&reference.baselines);
        let sketched = Sketched::of(&reference);
        let mut counts = state.latest.iter();
        let fits = state.open.fits(&reference, &sketched)
            && counts.all(|it| it.fits(&reference, &sketched))
            && state.recent.len() == segments
            && state.watched.len() == reference.baselines.len()
            && watched.fold(true, |fits, (a, b)| fits && a.is_some() == b.is_some())
            && state.recent.iter().all(|it| it.fits(width));
        if !fits {
            return Err(MonitorError::OtherShape);
        }
        settings.check(reference.columns.iter().map(|it| it.name.as_str()))?;
        Ok(Monitor::over(reference, settings, state))
    }

    /// Keeps every reading of all events from now on, for [`Monitor::take_readings`].
    pub fn keep_readings(&mut self) {
        self.readings = Some(Vec::new());
    }

    pub fn take_readings(&mut self) -> Vec<Observation> {
        self.readings
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// One decided event: its features and its score, NaN when it has none of this model.
    pub fn feed(&mut self, position: u64, time_ms: i64, values: &[f32], score: f32) {
        self.reach(time_ms);
        debug_assert_eq!(values.len() + 1, self.reference.width());
        let segment = self.reference.segment_of(values).unwrap_or(0);
        if self.state.recent[segment].push(position, values, score) {
            self.count(segment);
        }
        self.state.rows += 1;
        self.state.next = position + 1;
    }

    /// Rows that wait to be a block.
    fn count(&mut self, segment: usize) {
        let (reference, sketched) = (&self.reference, &self.sketched);
        let (recent, open) = (&mut self.state.recent[segment], &mut self.state.open);
        recent.take_uncounted(reference.width(), |rows| {
            open.add(reference, sketched, segment, rows);
        });
    }

    /// A record that is no decided event, but may say that time goes on.
    pub fn pass(&mut self, position: u64, time_ms: Option<i64>) {
        if let Some(time) = time_ms {
            self.reach(time);
        }
        self.state.next = position + 1;
    }

    /// All records before this position have been seen.
    pub fn go_on_from(&mut self, next: u64) {
        self.state.next = self.state.next.max(next);
    }

    /// Decided events that will never come: their windows are not whole.
    pub fn miss(&mut self, rows: u64, next: u64) {
        self.state.missed += rows;
        self.state.next = next;
    }

    fn reach(&mut self, time_ms: i64) {
        let step = HOUR_MS.min(self.settings.window.millis());
        self.state.now = self.state.now.max(time_ms);
        let open = self.state.now - self.state.now.rem_euclid(step);
        match self.state.open_from {
            Some(from) if open > from => {
                self.close(from, from + step);
                self.state.open_from = Some(open);
            }
            Some(_) => {}
            None => self.state.open_from = Some(open),
        }
    }

    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Behind the last record that was taken.
    pub fn next(&self) -> u64 {
        self.state.next
    }

    pub fn rows(&self) -> u64 {
        self.state.rows
    }

    pub fn windows(&self) -> u64 {
        self.state.windows
    }

    /// Decided events that were not seen.
    pub fn missed(&self) -> u64 {
        self.state.missed
    }

    /// Latest event time, ms; `None` before the first row.
    pub fn now(&self) -> Option<i64> {
        self.state.open_from.map(|_| self.state.now)
    }

    /// Oldest first.
    pub fn alerts(&self) -> impl DoubleEndedIterator<Item = &Alert> {
        self.state.alerts.iter()
    }

    /// Those given since the last call.
    pub fn take_alerts(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.fresh)
    }

    /// The latest reading of the standard deviation and of the distribution.
    pub fn latest(&self, segment: usize, column: usize) -> [Option<Reading>; 2] {
        let watched = &self.state.watched[segment * self.reference.width() + column];
        watched.as_ref().map_or([None; 2], Watched::latest)
    }
}
