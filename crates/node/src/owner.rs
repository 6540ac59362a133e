//! The thread that owns a tenant: takes letters, applies them in order, hands groups to the committer, and
//! releases answers when what they tell is on disk.
//!
//! The owner goes on applying while a group is on its way to the disk, so memory runs ahead of it. Every
//! answer, of a question or a refusal too, waits until the position up to which it could see is committed
//! (invariant I4). When the disk fails, memory is thrown away and rebuilt from the log; until the disk takes
//! writes again the tenant answers questions only.

mod health;
pub(crate) mod held;
pub mod progress;
mod retention;
mod shared;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SendError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use event::{EventTime, Position, Span};
use log::{LogOptions, Unsynced};

use crate::background::snapshot::Snapshot;
use crate::background::{self, Background, Chore};
use crate::clock::Clock;
use crate::guard::GuardSettings;
use crate::mailbox::{BoxLimits, Found, Wanted};
use crate::quota::Quota;
use crate::request::{Answer, Failed, NotServing, Reply};
use crate::retention::Retirement;
use crate::shadow::ShadowSettings;
use crate::timeline::{Step, Timeline};
use crate::{NodeError, Place, Tenant};
use held::Held;
use progress::Doing;
pub use shared::{Shape, Shared};

/// When what is acknowledged is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before the answer.
    Always,
    /// At most this long after it: a crash loses what was answered within it.
    Interval(Duration),
}

#[derive(Clone, Debug)]
pub struct OwnerSettings {
    pub mailbox: BoxLimits,
    pub fsync: Fsync,
    /// Letters after which a group is written although more wait.
    pub group_letters: u32,
    /// Records after which the state is written down in the background.
    pub snapshot_records: u64,
    /// Quiet time after which the log notes that time goes on.
    pub tick: Duration,
    /// First pause before a failed disk is tried again; doubles up to a minute.
    pub retry: Duration,
    /// Event time after which records may go; `None`: never.
    pub keep: Option<Span>,
    pub guard: GuardSettings,
    pub shadow: ShadowSettings,
    pub clock: Clock,
    pub log: LogOptions,
}

/// An answer on its way.
struct Waiting {
    reply: Reply,
    answer: Result<Answer, Failed>,
    timed: Timed,
}

#[derive(Default)]
struct Timed {
    /// When its turn came, of a decision.
    since: Option<Instant>,
    timeline: Option<Arc<Timeline>>,
}

struct Owner {
    place: Place,
    quota: Quota,
    settings: OwnerSettings,
    shared: Arc<Shared>,
    background: Background,
    committer: SyncSender<Unsynced>,
    /// `None` while it cannot be opened.
    tenant: Option<Tenant>,
    waiting: Held<Waiting>,
    in_flight: bool,
    /// Letters since the last group was written.
    letters: u32,
    /// With `Fsync::Interval`, when the group is due.
    commit_at: Instant,
    tick_at: Instant,
    /// When the log's newest record was written, or found.
    quiet_since: Instant,
    /// What the latest event or report was stamped with: no later one is stamped earlier.
    received: EventTime,
    /// While writes are refused: when the disk is tried again, and the pause after that.
    retry_at: Option<(Instant, Duration)>,
    /// Position of the snapshot that was loaded, or wanted, last.
    snapshot_at: Position,
    /// Forgotten, but not yet handed to the background.
    retirement: Option<Box<Retirement>>,
    /// Decisions, so that some are timed although nobody asked.
    decisions: u64,
}

/// Why the loop was left.
enum Left {
    Closed,
    Disk(NodeError),
}

impl From<NodeError> for Left {
    fn from(error: NodeError) -> Left {
        Left::Disk(error)
    }
}

/// Starts the owner and its committer. The tenant is opened by its thread: `Shared::status` tells when.
pub fn start(
    place: Place,
    settings: OwnerSettings,
    quota: Quota,
    background: Background,
) -> std::io::Result<(Arc<Shared>, JoinHandle<()>)> {
    let shared = Arc::new(Shared::new(settings.mailbox));
    let (committer, groups) = sync_channel(1);
    let (for_committer, log) = (shared.clone(), place.log());
    let committing = thread::Builder::new()
        .name("ringfence-commit".to_owned())
        .spawn(move || commit(&groups, &for_committer, &log))?;
    let for_owner = shared.clone();
    let owner = thread::Builder::new()
        .name("ringfence-owner".to_owned())
        .spawn(move || {
            let now = Instant::now();
            let owner = Owner {
                place,
                quota,
                shared: for_owner,
                background,
                committer,
                tenant: None,
                waiting: Held::new(),
                in_flight: false,
                letters: 0,
                commit_at: now,
                tick_at: now + settings.tick,
                quiet_since: now,
                received: EventTime::MIN,
                retry_at: Some((now, settings.retry)),
                snapshot_at: Position(0),
                retirement: None,
                decisions: 0,
                settings,
            };
            owner.run();
            // The committer ends with the channel, which the owner has just dropped.
            if let Err(panic) = committing.join() {
                std::panic::resume_unwind(panic);
            }
        })?;
    Ok((shared, owner))
}

/// Waits for the disk, group by group, until the owner is gone.
fn commit(groups: &Receiver<Unsynced>, shared: &Shared, log: &Path) {
    let mut measured_at: Option<Instant> = None;
    while let Ok(group) = groups.recv() {
        shared.committer.begin(Doing::Syncing);
        let started = Instant::now();
        let synced = group.sync();
        shared.counters.fsync.add_time(started.elapsed());
        shared.committer.begin(Doing::Waiting);
        shared.mailbox.post_synced(synced);
        // Here, because it looks at the disk and nobody waits for this thread now.
        if measured_at.is_none_or(|at| at.elapsed() >= MEASURED_EVERY) {
            shared.measure(log);
            measured_at = Some(Instant::now());
        }
    }
}

/// How often a tenant that is written to has its bytes on disk counted.
const MEASURED_EVERY: Duration = Duration::from_secs(1);

impl Owner {
    fn run(mut self) {
        loop {
            match self.serve() {
                Left::Closed => break,
                Left::Disk(error) => self.give_up_memory(&error),
            }
        }
        self.shared.owner.begin(Doing::Finishing);
        self.finish();
        // Their thread ends with the tenant.
        self.tenant = None;
        self.shared.shadows.join();
        self.shared.owner.begin(Doing::Waiting);
        self.shared.set_status(Some(NotServing::Draining));
    }

    fn serve(&mut self) -> Left {
        loop {
            if let Err(left) = self.step() {
                return left;
            }
        }
    }

    fn step(&mut self) -> Result<(), Left> {
        if self.retry_at.is_some_and(|(at, _)| at <= Instant::now()) {
            self.try_again();
        }
        let wanted = match &self.tenant {
            Some(tenant) if self.in_flight && tenant.is_nearly_full() => Wanted::SyncedOnly,
            _ => Wanted::All,
        };
        let mailbox = &self.shared.mailbox;
        let mut found = mailbox.take(wanted, None);
        if matches!(found, Found::Nothing) {
            // All that had come is applied: now it can go to the disk, and then there is time to wait.
            self.write_if_due()?;
            let until = self.wake_at();
            self.shared.owner.begin(match wanted {
                Wanted::All => Doing::Waiting,
                Wanted::SyncedOnly => Doing::AwaitingDisk,
            });
            found = self.shared.mailbox.take(wanted, Some(until));
        }
        match found {
            Found::Letter(letter) => {
                self.handle(letter)?;
                self.letters += 1;
                if self.letters >= self.settings.group_letters {
                    self.write_if_due()?;
                }
            }
            Found::Synced(synced) => {
                self.in_flight = false;
                if let Some(tenant) = &mut self.tenant {
                    let committed = tenant.synced(synced)?;
                    self.release(committed);
                }
            }
            Found::Nothing => self.idle()?,
            Found::Closed => return Err(Left::Closed),
        }
        Ok(())
    }

    fn wake_at(&self) -> Instant {
        let retry = self.retry_at.map(|(at, _)| at);
        let due = match self.settings.fsync {
            Fsync::Interval(_) if !self.in_flight => Some(self.commit_at),
            _ => None,
        };
        let pending = self.tenant.as_ref().is_some_and(Tenant::has_pending);
        let due = due.filter(|_| pending);
        [retry, due]
            .into_iter()
            .flatten()
            .fold(self.tick_at, Instant::min)
    }

    /// Writes the pending group unless one is on its way, or its time has not come.
    fn write_if_due(&mut self) -> Result<(), NodeError> {
        let Some(tenant) = &mut self.tenant else {
            return Ok(());
        };
        if self.in_flight || !tenant.has_pending() {
            return Ok(());
        }
        let now = Instant::now();
        if let Fsync::Interval(interval) = self.settings.fsync {
            if now < self.commit_at && !tenant.is_nearly_full() {
                return Ok(());
            }
            self.commit_at = now + interval;
        }
        self.letters = 0;
        self.shared.owner.begin(Doing::Writing);
        let (records, bytes) = tenant.pending();
        self.shared.counters.group_records.add(records);
        self.shared.counters.group_bytes.add(bytes);
        let unsynced = tenant.write_behind()?;
        let committed = tenant.committed();
        match unsynced.map(|unsynced| self.committer.send(unsynced)) {
            Some(Ok(())) => self.in_flight = true,
            // Without a committer the owner waits itself.
            Some(Err(SendError(unsynced))) => {
                let committed = tenant.synced(unsynced.sync())?;
                self.release(committed);
            }
            None => self.release(committed),
        }
        self.index_in_background();
        Ok(())
    }

    /// Sends the answers that may be shown by now.
    fn release(&mut self, committed: Position) {
        self.shared.set_committed(committed);
        while let Some(held) = self.waiting.next(committed) {
            self.send(held);
        }
        self.snapshot_if_due(committed);
        self.retire_if_due();
    }

    fn send(&self, held: Waiting) {
        if let Some(since) = held.timed.since {
            self.shared.counters.decide.add_time(since.elapsed());
        }
        if let Some(timeline) = &held.timed.timeline {
            timeline.mark(Step::Committed);
            self.shared.counters.timed(timeline);
        }
        if let Err(unheard) = held.reply.send(held.answer) {
            self.shared.counters.abandoned.add(1);
            let left = unheard.map_or(Vec::new(), Answer::into_left);
            self.background.let_go(left);
        }
    }

    fn index_in_background(&mut self) {
        let Some(tenant) = &mut self.tenant else {
            return;
        };
        if let Some(job) = tenant.journal().log().take_index_job() {
            let counters = self.shared.counters.clone();
            // Should the thread be busy, the index is rebuilt when it is first needed.
            if self
                .background
                .hand_over(Chore::Index { job, counters })
                .is_err()
            {
                self.shared.counters.index_failures.add(1);
            }
        }
    }

    /// Says that a snapshot is wanted when enough has happened; another thread makes it.
    fn snapshot_if_due(&mut self, committed: Position) {
        let Some(tenant) = &mut self.tenant else {
            return;
        };
        let due = self.snapshot_at.0 + self.settings.snapshot_records;
        if committed.0 < due || self.shared.snapshots.have_ended() {
            return;
        }
        let keeps_all = self.settings.keep.is_none();
        let wanted = tenant.snapshot_job(committed).map(|job| Snapshot {
            place: self.place.clone(),
            position: committed,
            job,
            shared: self.shared.clone(),
            watch: tenant.watch().cloned(),
            coverage: (!keeps_all).then(|| tenant.coverage()),
        });
        match wanted.map(|wanted| self.background.want(wanted)) {
            Ok(background::Wanted::Queued) => self.snapshot_at = committed,
            // After the next commit.
            Ok(background::Wanted::Later) => {}
            Ok(background::Wanted::Never) | Err(_) => {
                self.shared.counters.snapshot_failures.add(1);
                self.snapshot_at = committed;
            }
        }
    }

    fn idle(&mut self) -> Result<(), NodeError> {
        let now = Instant::now();
        if now >= self.tick_at {
            self.tick_at = now + self.settings.tick;
            // A clock that says nothing sensible stamps no tick, as it lets no event in.
            if let (None, Some(tenant), Ok(at)) =
                (self.retry_at, &mut self.tenant, self.settings.clock.now())
            {
                // The log knows a time too: no more of it ends than has passed here since its last record,
                // whatever the wall clock says.
                let newest = tenant.newest();
                let quiet = now.saturating_duration_since(self.quiet_since);
                let at = at.min(EventTime::from_millis(
                    newest.millis() + quiet.as_millis() as i64,
                ));
                self.quiet_since = now;
                if at > newest && newest > EventTime::MIN {
                    tenant.tick(at)?;
                }
            }
        }
        Ok(())
    }
}
