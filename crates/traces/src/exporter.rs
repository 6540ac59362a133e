//! The thread that sends: a bounded queue before it, batches, a few attempts, and what is lost is counted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use meters::Count;
use thiserror::Error;
use ureq::Agent;

use crate::encode;
use crate::span::Request;

#[derive(Clone, Debug)]
pub struct ExporterSettings {
    /// `http://HOST:PORT/v1/traces`.
    pub endpoint: String,
    /// `service.name` and what else says who sends.
    pub resource: Vec<(&'static str, String)>,
    /// Requests that may wait.
    pub queue_max: usize,
    /// One attempt, from connecting to the answer.
    pub timeout: Duration,
}

#[derive(Debug, Error)]
pub enum ExporterError {
    #[error(
        "endpoint must be http://HOST:PORT/PATH, got {0:?}; a collector on this machine speaks TLS to others"
    )]
    Endpoint(String),
    #[error("cannot start the thread that sends spans: {0}")]
    Thread(#[from] std::io::Error),
}

/// Spans since the start.
#[derive(Debug, Default)]
pub struct Counters {
    pub sent: Count,
    /// The queue was full.
    pub dropped: Count,
    /// Every attempt failed, or the collector refused them.
    pub lost: Count,
    pub attempts_failed: Count,
}

pub struct Exporter {
    queue: SyncSender<Request>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    counters: Counters,
    stopping: AtomicBool,
    /// Until when the last ones may be sent.
    until: Mutex<Option<Instant>>,
}

/// Requests of one message: some hundred KiB.
const BATCH: usize = 256;
/// The longest that a request waits for others.
const LINGER: Duration = Duration::from_millis(500);
/// How soon a stop is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Pauses between attempts; after the last the batch is lost.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

impl Exporter {
    pub fn start(settings: ExporterSettings) -> Result<Exporter, ExporterError> {
        let endpoint = &settings.endpoint;
        let authority = endpoint
            .strip_prefix("http://")
            .and_then(|it| it.split('/').next());
        if authority.is_none_or(str::is_empty) {
            return Err(ExporterError::Endpoint(endpoint.clone()));
        }
        let (queue, waiting) = sync_channel(settings.queue_max);
        let shared = Arc::new(Shared::default());
        let sender = Sender {
            agent: Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .into(),
            settings,
            shared: shared.clone(),
        };
        let thread = thread::Builder::new()
            .name("ringfence-traces".to_owned())
            .spawn(move || sender.run(&waiting))?;
        Ok(Exporter {
            queue,
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Never waits.
    pub fn send(&self, request: Request) {
        match self.queue.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(request) | TrySendError::Disconnected(request)) => {
                self.shared.counters.dropped.add(request.spans());
            }
        }
    }

    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Sends what waits, for so long at most. False: some of it was not sent.
    pub fn stop(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        *self
            .shared
            .until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(until);
        self.shared.stopping.store(true, Ordering::Release);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(thread) = thread else { return true };
        // A name server or a connection that hangs is not waited for.
        while !thread.is_finished() {
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
        self.shared.counters.lost.get() == 0
    }
}

struct Sender {
    agent: Agent,
    settings: ExporterSettings,
    shared: Arc<Shared>,
}

/// What became of one attempt.
enum Attempt {
    Taken,
    /// It may be taken later.
    Failed,
    Refused,
}

impl Sender {
    fn run(&self, waiting: &Receiver<Request>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let is_last = self.gather(waiting, &mut batch);
            if !batch.is_empty() {
                self.send(&batch);
                batch.clear();
            } else if is_last {
                return;
            }
        }
    }

    /// Fills the batch; true when no more will come.
    fn gather(&self, waiting: &Receiver<Request>, batch: &mut Vec<Request>) -> bool {
        let mut until: Option<Instant> = None;
        while batch.len() < BATCH && until.is_none_or(|until| Instant::now() < until) {
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            let wait = if stopping { Duration::ZERO } else { LOOK_EVERY };
            match waiting.recv_timeout(wait) {
                Ok(request) => {
                    batch.push(request);
                    until = until.or_else(|| Some(Instant::now() + LINGER));
                }
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) if stopping => return true,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        false
    }

    fn send(&self, batch: &[Request]) {
        let counters = &self.shared.counters;
        let spans = batch.iter().map(Request::spans).sum();
        let message = encode::message(&self.settings.resource, batch);
        for pause in PAUSES.iter().map(Some).chain([None]) {
            match self.attempt(&message) {
                Attempt::Taken => return counters.sent.add(spans),
                Attempt::Refused => break,
                Attempt::Failed => {}
            }
            let ends = Instant::now() + *pause.unwrap_or(&Duration::ZERO);
            while Instant::now() < ends && !self.shared.stopping.load(Ordering::Acquire) {
                thread::sleep(LOOK_EVERY);
            }
            if self.time_left().is_some_and(|left| left.is_zero()) {
                break;
            }
        }
        counters.lost.add(spans);
    }

    fn attempt(&self, message: &[u8]) -> Attempt {
        let left = self.time_left().unwrap_or(Duration::MAX);
        let timeout = self.settings.timeout.min(left);
        if timeout.is_zero() {
            return Attempt::Failed;
        }
        let request = self.agent.post(&self.settings.endpoint);
        let request = request.config().timeout_global(Some(timeout)).build();
        let answer = request.content_type("application/x-protobuf").send(message);
        let status = answer.map(|answer| answer.status().as_u16());
        match status {
            Ok(200..=299) => return Attempt::Taken,
            // Those that the specification lets a sender try again.
            Ok(429 | 502..=504) | Err(_) => {}
            Ok(_) => {
                self.shared.counters.attempts_failed.add(1);
                return Attempt::Refused;
            }
        }
        self.shared.counters.attempts_failed.add(1);
        Attempt::Failed
    }

    /// `None`: as long as it takes.
    fn time_left(&self) -> Option<Duration> {
        let until = *self
            .shared
            .until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }
}
