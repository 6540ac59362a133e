//! The watch over drift of a running tenant: decided events go to a monitor that works beside the owner.
//!
//! The owner copies each decided event's features; when they are committed they go, in the order of the log, to a
//! queue that a thread of low priority empties. When that lags the owner takes as much as it adds, if the monitor is
//! free, and of a full queue whether or not: nothing is left out, since statistics are a function of the log. What a
//! monitor knows is written down before a snapshot stands for the records it knows of, and a start goes on from there
//! (`replayed.rs`).

pub(crate) mod checkpoint;
mod queue;
pub(crate) mod replayed;
pub(crate) mod settings;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Instant;

use drift::column::of_probability;
use drift::{Kind, Monitor, Reference, Settings};
use event::record::{Decision, ModelVersion};
use event::{EventTime, Position};
use meters::Count;
use meters::Histogram;
use meters::histogram::Latency;

use crate::{NodeError, Place, clock};
use queue::{Batch, Queue, Row};

/// Rows that may wait before the owner helps, and at all; each has some hundreds of bytes.
const ROWS_LAG: usize = 8_192;
const ROWS_MAX: usize = 16_384;

/// What the monitor works with; the owner, the thread and readers share it.
#[derive(Debug)]
pub struct Watched {
    place: Place,
    /// SHA-256 of the model whose reference it is.
    artifact: [u8; 32],
    monitor: Mutex<Monitor>,
    queue: Queue,
    /// Whether the thread has been told.
    is_woken: AtomicBool,
    /// Nobody counts for a tenant without an owner.
    told: OnceLock<Arc<Told>>,
    /// Alerts that go on, by kind, as they stood when the monitor was at work last: who reads them waits for nobody.
    open: [Count; Kind::ALL.len()],
    score: ScoreRead,
}

/// The latest readings of the score over all events, as bits of a double; NaN: there was none.
#[derive(Debug)]
struct ScoreRead {
    psi: Count,
    /// Of the reference's standard deviation.
    spread: Count,
}

/// What the watches of a tenant count, one model's after the other's.
#[derive(Debug, Default)]
pub struct Told {
    /// By kind, in the order of `Kind::ALL`.
    pub alerts: [Count; Kind::ALL.len()],
    /// From the commit of the record that closed a window to its alert.
    pub response: Histogram<Latency>,
    raised: Mutex<VecDeque<Raised>>,
}

/// An alert that was just given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    pub kind: Kind,
    pub feature: String,
    pub segment: String,
    /// The digits of the model that is watched.
    pub model: String,
    /// Since 1970; and how long before that the record which closed its window was committed.
    pub until_ns: u64,
    pub response_ns: u64,
}

/// Where nobody takes them the oldest go.
const RAISED_MAX: usize = 64;

impl Told {
    fn raise(&self, raised: Raised) {
        let mut held = self.raised();
        if held.len() == RAISED_MAX {
            held.pop_front();
        }
        held.push_back(raised);
    }

    /// Alerts since the last call, the latest of them.
    pub fn take_raised(&self) -> VecDeque<Raised> {
        std::mem::take(&mut self.raised())
    }

    fn raised(&self) -> MutexGuard<'_, VecDeque<Raised>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who works for a watch, and where it is counted what came of it.
#[derive(Clone, Debug)]
pub struct Helper {
    pub thread: Sender<Arc<Watched>>,
    pub told: Arc<Told>,
}

/// The owner's end.
#[derive(Debug)]
pub struct Watch {
    beside: Arc<Watched>,
    width: usize,
    /// Applied, and not known to be committed.
    open: Batch,
    thread: Option<Sender<Arc<Watched>>>,
}

impl Watch {
    /// A watch that begins behind the record that put the model into service, or set what it goes by.
    pub fn begin(
        place: &Place,
        artifact: [u8; 32],
        reference: Arc<Reference>,
        settings: Settings,
        next: Position,
    ) -> Result<Watch, NodeError> {
        let monitor = Monitor::new(reference, settings, next.0)?;
        Ok(Watch::over(place, artifact, monitor))
    }

    fn over(place: &Place, artifact: [u8; 32], monitor: Monitor) -> Watch {
        let width = monitor.reference().width() - 1;
        let beside = Watched {
            place: place.clone(),
            artifact,
            monitor: Mutex::new(monitor),
            queue: Queue::default(),
            is_woken: AtomicBool::new(false),
            told: OnceLock::new(),
            open: Default::default(),
            score: ScoreRead::default(),
        };
        // A watch that goes on has those that it had.
        beside.read(|monitor| beside.show(monitor));
        Watch {
            beside: Arc::new(beside),
            width,
            open: Batch::default(),
            thread: None,
        }
    }

    /// From now on the owner waits for nothing here; without a helper it does the work itself.
    pub fn work_with(&mut self, helper: Helper) {
        self.beside.told.get_or_init(|| helper.told);
        self.thread = Some(helper.thread);
    }

    pub fn beside(&self) -> &Arc<Watched> {
        &self.beside
    }

    pub fn decided(
        &mut self,
        position: Position,
        time: EventTime,
        tabular: &[f32],
        decision: &Decision,
    ) {
        debug_assert_eq!(tabular.len(), self.width);
        self.open.rows.push(Row {
            position: position.0,
            time_ms: time.millis(),
            score: Some(score_of(decision, &self.beside.artifact)),
        });
        self.open.values.extend_from_slice(tabular);
    }

    pub fn ticked(&mut self, position: Position, at: EventTime) {
        self.open.rows.push(Row {
            position: position.0,
            time_ms: at.millis(),
            score: None,
        });
    }

    /// Hands on what is committed by now.
    pub fn committed(&mut self, committed: Position) {
        let rows = self
            .open
            .rows
            .partition_point(|it| it.position < committed.0);
        if rows == 0 {
            return;
        }
        let (taken, later) = self.open.rows.split_at(rows);
        let values = self.width * taken.iter().filter(|it| it.score.is_some()).count();
        let mut rest = self.beside.queue.spare();
        rest.rows.extend_from_slice(later);
        rest.values.extend_from_slice(&self.open.values[values..]);
        self.open.rows.truncate(rows);
        self.open.values.truncate(values);
        let mut batch = std::mem::replace(&mut self.open, rest);
        batch.next = committed.0;
        batch.committed_at = Some(Instant::now());
        let waiting = self.beside.queue.push(batch);
        let Some(thread) = &self.thread else {
            return self.beside.work();
        };
        let is_told = self.beside.is_woken.swap(true, Ordering::AcqRel);
        if !is_told && thread.send(self.beside.clone()).is_err() {
            return self.beside.work();
        }
        if waiting > ROWS_LAG {
            self.beside.help();
        }
    }
}

impl Default for ScoreRead {
    fn default() -> ScoreRead {
        let none = || {
            let count = Count::default();
            count.set(f64::NAN.to_bits());
            count
        };
        ScoreRead {
            psi: none(),
            spread: none(),
        }
    }
}

fn read(held: &Count) -> Option<f64> {
    Some(f64::from_bits(held.get())).filter(|it| it.is_finite())
}

/// The score that a monitor takes of a decision: that of its own model, as the log has it.
fn score_of(decision: &Decision, artifact: &[u8; 32]) -> f32 {
    let ModelVersion(version) = decision.model;
    match version[..] == artifact[..version.len()] {
        true => of_probability(decision.probability_ppm),
        false => f32::NAN,
    }
}

impl Watched {
    pub fn artifact(&self) -> [u8; 32] {
        self.artifact
    }

    /// Decided events, and ticks, that wait.
    pub fn lag(&self) -> u64 {
        self.queue.rows() as u64
    }

    fn monitor(&self) -> MutexGuard<'_, Monitor> {
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Alerts that go on, in the order of `Kind::ALL`.
    pub fn open(&self) -> [u64; Kind::ALL.len()] {
        std::array::from_fn(|at| self.open[at].get())
    }

    /// Population stability index of the score in the latest window of all events.
    pub fn score_psi(&self) -> Option<f64> {
        read(&self.score.psi)
    }

    /// Its standard deviation there, of the reference's.
    pub fn score_spread(&self) -> Option<f64> {
        read(&self.score.spread)
    }

    fn show(&self, monitor: &Monitor) {
        let [spread, shape] = monitor.latest(0, monitor.reference().score());
        let ratio = spread.map_or(f64::NAN, |it| it.value / it.baseline);
        self.score.spread.set(ratio.to_bits());
        let psi = shape.map_or(f64::NAN, |it| it.value);
        self.score.psi.set(psi.to_bits());
        let mut open = [0; Kind::ALL.len()];
        for alert in monitor.alerts().filter(|it| it.over_at.is_none()) {
            open[alert.reading.kind as usize] += 1;
        }
        for (count, alerts) in self.open.iter().zip(open) {
            count.set(alerts);
        }
    }

    /// What the monitor knows, with all that is committed and was handed on.
    pub fn read<T>(&self, look: impl FnOnce(&Monitor) -> T) -> T {
        look(&self.caught_up())
    }

    /// What the monitor knows by now, without the work that waits for its thread.
    pub fn glance<T>(&self, look: impl FnOnce(&Monitor) -> T) -> T {
        look(&self.monitor())
    }

    /// Takes what waits, letting go of the monitor after each batch: the owner may wait for it.
    pub(crate) fn work(&self) {
        self.is_woken.store(false, Ordering::Release);
        while self.take_one(&mut self.monitor()) {}
    }

    /// For the owner: takes what is too much. Somebody of low priority may hold the monitor; only at a full queue that
    /// is waited for.
    fn help(&self) {
        let free = match self.monitor.try_lock() {
            Ok(monitor) => Some(monitor),
            Err(TryLockError::Poisoned(monitor)) => Some(monitor.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut monitor) = free {
            while self.queue.rows() > ROWS_LAG && self.take_one(&mut monitor) {}
        }
        while self.queue.rows() > ROWS_MAX && self.take_one(&mut self.monitor()) {}
    }

    fn caught_up(&self) -> MutexGuard<'_, Monitor> {
        let mut monitor = self.monitor();
        while self.take_one(&mut monitor) {}
        monitor
    }

    /// The batch that has waited longest; false: none does. Whoever takes it holds the monitor, so batches keep their
    /// order.
    fn take_one(&self, monitor: &mut Monitor) -> bool {
        let Some(batch) = self.queue.pop() else {
            return false;
        };
        self.take(monitor, &batch);
        self.queue.reuse(batch);
        true
    }

    fn take(&self, monitor: &mut Monitor, batch: &Batch) {
        let width = monitor.reference().width() - 1;
        let mut values = batch.values.chunks_exact(width);
        for row in &batch.rows {
            match row.score.zip(row.score.and_then(|_| values.next())) {
                Some((score, values)) => monitor.feed(row.position, row.time_ms, values, score),
                None => monitor.pass(row.position, Some(row.time_ms)),
            }
        }
        monitor.go_on_from(batch.next);
        self.show(monitor);
        for alert in monitor.take_alerts() {
            let Some(told) = self.told.get() else {
                continue;
            };
            let kind = Kind::ALL.iter().zip(&told.alerts);
            if let Some((_, count)) = kind.into_iter().find(|(it, _)| **it == alert.reading.kind) {
                count.add(1);
            }
            if let Some(committed_at) = batch.committed_at {
                let took = committed_at.elapsed();
                told.response.add_time(took);
                let named = alert.told(monitor.reference());
                told.raise(Raised {
                    kind: named.kind,
                    feature: named.feature.to_owned(),
                    segment: named.segment.to_owned(),
                    model: event::hex(&self.artifact[..6]),
                    until_ns: clock::now().map_or(0, |now| now.millis() as u64 * 1_000_000),
                    response_ns: took.as_nanos() as u64,
                });
            }
        }
    }

    /// Writes down what is known, durably; the position up to which it is.
    pub(crate) fn checkpoint(&self) -> Result<Position, NodeError> {
        let (state, next) = {
            let monitor = self.caught_up();
            (monitor.save()?, monitor.next())
        };
        checkpoint::write(&self.place, &self.artifact, &state)?;
        Ok(Position(next))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]
mod tests {
    use std::path::Path;

    use drift::column::SCORE;
    use drift::reference::SegmentBy;
    use drift::{Builder, Column, Scale};

    use super::*;

    const MINUTE: i64 = 60_000;

    /// Whoever scrapes metrics is told what the monitor read last, without waiting for it.
    #[test]
    fn the_latest_reading_of_the_score_is_at_hand() {
        let columns = ["kind", "x", SCORE].map(|name| Column::plain(name, Scale::Plain));
        let by = SegmentBy {
            event_type: 0,
            channel: None,
        };
        let mut builder = Builder::new(columns.to_vec(), Vec::new(), by);
        let value = |step: i64| (step * 7 % 11) as f32;
        let end = 29 * 24 * 6;
        for step in 0..end {
            builder.push(step * 10 * MINUTE, &[0.0, 1.0], value(step));
        }
        let reference = Arc::new(builder.build(|_| "all".to_owned()).unwrap());
        let place = Place::new(Path::new("unused"), "acme").unwrap();
        let mut monitor = Monitor::by_default(reference.clone(), 0);
        let watch = Watch::over(&place, [7; 32], Monitor::by_default(reference, 0));
        let beside = watch.beside();
        assert_eq!((beside.score_psi(), beside.score_spread()), (None, None));
        for step in 0..6_000 {
            let at = (end * 10 + step) * MINUTE;
            monitor.feed(step as u64, at, &[0.0, 1.0], 3.0 * value(step));
        }
        let [spread, shape] = monitor.latest(0, 2).map(Option::unwrap);
        let watch = Watch::over(&place, [7; 32], monitor);
        let beside = watch.beside();
        assert_eq!(beside.score_psi(), Some(shape.value));
        let ratio = spread.value / spread.baseline;
        assert_eq!(beside.score_spread(), Some(ratio));
        assert!((ratio - 3.0).abs() < 0.1, "{ratio}");
    }
}
