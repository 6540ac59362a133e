//! The owner's end of the queue: a copy of the sample into a box that came back, or nothing.
//!
//! As many boxes as the queue holds are made at the start and go round, so that handing over allocates nothing once
//! their arrays have grown, and memory is bounded. The thread at the other end looks for itself now and then: the
//! owner wakes nobody, which would cost more than the copy.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread;

use event::{Event, EventTime, Position};
use graph::Sample;
use graph::sample::SampleParts;

use super::Ground;
use super::board::Board;
use super::scorer::Scorer;
use super::store::check_of;

/// A sample on its way to the shadows.
#[derive(Debug, Default)]
pub struct Handed {
    pub sample: Sample,
    pub position: Position,
    pub at: EventTime,
    pub check: u32,
    /// Whether somebody's suspicion is in the sample.
    pub channel: bool,
    pub deciding_nanos: u32,
}

/// What the owner knows of a decision that it hands over.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub event: &'a Event,
    pub position: Position,
    pub sample: &'a Sample,
    pub channel: bool,
    /// What the deciding model's score took; 0: nobody measured.
    pub deciding_nanos: u32,
}

#[derive(Debug)]
pub struct HandOver {
    empty: Receiver<Box<Handed>>,
    full: SyncSender<Box<Handed>>,
    board: Arc<Board>,
    closed: Arc<AtomicBool>,
}

impl Drop for HandOver {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// The other end.
#[derive(Debug)]
pub struct Intake {
    pub full: Receiver<Box<Handed>>,
    pub empty: SyncSender<Box<Handed>>,
    /// The owner has let go: what still waits is not scored any more.
    pub closed: Arc<AtomicBool>,
}

/// Both ends of a queue, and as many boxes as it holds.
pub fn queue(boxes: usize, board: Arc<Board>) -> (HandOver, Intake) {
    let (full, taken) = sync_channel(boxes);
    let (back, empty) = sync_channel(boxes);
    for _ in 0..boxes {
        // There is room for each.
        let _ = back.try_send(Box::default());
    }
    let closed = Arc::new(AtomicBool::new(false));
    let hand_over = HandOver {
        empty,
        full,
        board,
        closed: closed.clone(),
    };
    let intake = Intake {
        full: taken,
        empty: back,
        closed,
    };
    (hand_over, intake)
}

impl HandOver {
    /// A queue with a thread at its end that scores with the shadows that the board names.
    pub fn start(ground: Ground, board: Arc<Board>) -> io::Result<HandOver> {
        let (hand_over, intake) = queue(ground.settings.queue, board.clone());
        let mut held = board.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.take();
        let for_thread = board.clone();
        let thread = thread::Builder::new()
            .name("ringfence-shadow".to_owned())
            .spawn(move || {
                // One thread writes a file: the one before may still be at its last block. Should it have ended by
                // a defect, what it held is lost.
                if before.is_some_and(|before| before.join().is_err()) {
                    for_thread.taken.set(for_thread.handed.get());
                }
                crate::background::step_back(crate::background::Priority::Low);
                Scorer::new(ground, for_thread, intake).run();
            })?;
        *held = Some(thread);
        drop(held);
        Ok(hand_over)
    }

    /// Never waits: without a box the sample is dropped and counted.
    pub fn hand_over(&self, moment: &Moment<'_>) {
        let Ok(mut it) = self.empty.try_recv() else {
            self.board.dropped.add(1);
            return;
        };
        let parts = match self.board.tabular_only() {
            true => SampleParts::Tabular,
            false => SampleParts::Full,
        };
        it.sample.copy_from(moment.sample, parts);
        it.position = moment.position;
        it.at = moment.event.event_timestamp;
        it.check = check_of(&moment.event.event_id);
        it.channel = moment.channel;
        it.deciding_nanos = moment.deciding_nanos;
        match self.full.try_send(it) {
            Ok(()) => self.board.handed.add(1),
            // The thread has ended by a defect; there is room for every box.
            Err(_) => self.board.dropped.add(1),
        }
    }
}
