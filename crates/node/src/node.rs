//! All tenants of one process: opened, asked, made, suspended, erased, drained.

pub mod activation;
mod erase;
pub mod kept;
pub mod lineup;
pub mod schema;
pub mod shadows;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use event::{Position, Span};
use log::{LogError, LogOptions};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::background::Background;
use crate::clock::Clock;
use crate::follower::Follower;
use crate::mailbox::{BoxLimits, Level, Refused};
use crate::owner::progress::Progress;
use crate::owner::{self, OwnerSettings, Shape, Shared};
use crate::quota::Quotas;
use crate::request::{Answer, Failed, Letter, NotServing, Request};
use crate::timeline::Timeline;
use crate::watch::Watched;
use crate::{Journal, NodeError, Place};

pub use activation::Activation;
pub use erase::Erased;

#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Of every tenant; `keep` where `keep_of` names another for one.
    pub owner: OwnerSettings,
    pub keep_of: BTreeMap<String, Option<Span>>,
    pub quotas: Quotas,
    pub tenants_max: usize,
}

#[derive(Debug)]
pub struct Node {
    data: PathBuf,
    settings: NodeSettings,
    background: Background,
    tenants: RwLock<BTreeMap<String, Arc<TenantHandle>>>,
    /// Held while tenants are made and erased, which touches the disk.
    changing: Mutex<()>,
}

/// What a request needs to reach a tenant. Cheap to share.
#[derive(Debug)]
pub struct TenantHandle {
    pub name: String,
    place: Place,
    shared: Arc<Shared>,
    suspended: AtomicBool,
    /// Another handle is taking this one's place: it serves nothing any more.
    replaced: AtomicBool,
    /// The activation asked for last; and held while one begins.
    activation: Mutex<Option<Activation>>,
    activating: Mutex<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where the answer to an accepted request arrives.
pub type Pending = oneshot::Receiver<Result<Answer, Failed>>;

#[derive(Debug, Error)]
pub enum ManageError {
    #[error("tenant {0:?} is unknown")]
    Unknown(String),
    #[error("this node holds {0} tenants, which is its limit (tenants.max)")]
    TooMany(usize),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// How long a new tenant is waited for, and how often it is looked at.
const OPENED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Marks a tenant that is kept but not served.
const SUSPENDED: &str = "suspended";

impl Node {
    /// Opens every tenant of a data directory; each replays its log on its own thread.
    pub fn open(data: &Path, settings: NodeSettings) -> Result<Node, ManageError> {
        fs::create_dir_all(data).map_err(io("create", data))?;
        let background = Background::start().map_err(ManageError::Thread)?;
        let node = Node {
            data: data.to_path_buf(),
            settings,
            background,
            tenants: RwLock::new(BTreeMap::new()),
            changing: Mutex::new(()),
        };
        for entry in fs::read_dir(data).map_err(io("read", data))? {
            let entry = entry.map_err(io("read", data))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(name) = name.strip_prefix(erase::DOOMED) {
                erase::finish(data, name)?;
                continue;
            }
            if name.starts_with(schema::STAGING) {
                schema::clear(data, &entry.path())?;
                continue;
            }
            // What is no tenant's name or holds no log belongs to somebody else.
            if let Ok(place) = Place::new(data, &name)
                && place.exists()
            {
                node.seat(&name, place)?;
            }
        }
        Ok(node)
    }

    fn seat(&self, name: &str, place: Place) -> Result<(), ManageError> {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        if !tenants.contains_key(name) && tenants.len() >= self.settings.tenants_max {
            return Err(ManageError::TooMany(tenants.len()));
        }
        let suspended = place.root().join(SUSPENDED).exists();
        let mut settings = self.settings.owner.clone();
        if let Some(keep) = self.settings.keep_of.get(name) {
            settings.keep = *keep;
        }
        let quota = self.settings.quotas.of(name);
        let (shared, thread) =
            owner::start(place.clone(), settings, quota, self.background.clone())
                .map_err(ManageError::Thread)?;
        let handle = TenantHandle {
            name: name.to_owned(),
            place,
            shared,
            suspended: AtomicBool::new(suspended),
            replaced: AtomicBool::new(false),
            activation: Mutex::new(None),
            activating: Mutex::new(()),
            thread: Mutex::new(Some(thread)),
        };
        tenants.insert(name.to_owned(), Arc::new(handle));
        Ok(())
    }

    pub fn clock(&self) -> &Clock {
        &self.settings.owner.clock
    }

    /// The directory of all tenants.
    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn tenant(&self, name: &str) -> Option<Arc<TenantHandle>> {
        let tenants = self.tenants.read();
        let tenants = tenants.unwrap_or_else(PoisonError::into_inner);
        tenants.get(name).cloned()
    }

    pub fn tenants(&self) -> Vec<Arc<TenantHandle>> {
        let tenants = self.tenants.read();
        let tenants = tenants.unwrap_or_else(PoisonError::into_inner);
        tenants.values().cloned().collect()
    }

    /// Makes a tenant with a schema; `furnish` may add to it before it is served.
    pub fn create(
        &self,
        name: &str,
        schema: &str,
        furnish: impl FnOnce(&Place) -> Result<(), NodeError>,
    ) -> Result<Arc<TenantHandle>, ManageError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.tenants().len();
        if held >= self.settings.tenants_max {
            return Err(ManageError::TooMany(held));
        }
        let place = Place::new(&self.data, name)?;
        if self.tenant(name).is_some() {
            // Its log is locked by its owner here.
            let path = place.root().to_path_buf();
            return Err(NodeError::TenantExists { path }.into());
        }
        drop(Journal::create(
            &place,
            schema,
            self.settings.owner.log.clone(),
        )?);
        furnish(&place)?;
        self.seat(name, place)?;
        self.opened(name)
    }

    /// A tenant that was seated just now. It has a few records: whoever asked for it may use it at once.
    fn opened(&self, name: &str) -> Result<Arc<TenantHandle>, ManageError> {
        let handle = self.tenant(name);
        let handle = handle.ok_or_else(|| ManageError::Unknown(name.to_owned()))?;
        let until = Instant::now() + OPENED_WITHIN;
        while handle.status() == Some(NotServing::Starting) && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(handle)
    }

    /// Takes a tenant out of service, or back into it; remembered on disk.
    pub fn suspend(&self, name: &str, suspended: bool) -> Result<(), ManageError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || ManageError::Unknown(name.to_owned());
        let handle = self.tenant(name).ok_or_else(unknown)?;
        mark_suspended(&Place::new(&self.data, name)?, suspended)?;
        handle.suspended.store(suspended, Ordering::SeqCst);
        Ok(())
    }

    /// Ends a tenant and destroys its files; see [`Erased`].
    pub fn erase(&self, name: &str) -> Result<Erased, ManageError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || ManageError::Unknown(name.to_owned());
        let handle = self.tenant(name).ok_or_else(unknown)?;
        handle.suspended.store(true, Ordering::SeqCst);
        handle.shared.mailbox.close();
        handle.join();
        self.tenants
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        Ok(erase::erase(&self.data, name)?)
    }

    /// Takes no more requests, finishes those accepted, writes snapshots. False: not all of it was done in
    /// time; what was acknowledged is on disk all the same.
    pub fn drain(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let tenants = self.tenants();
        for tenant in &tenants {
            tenant.shared.mailbox.close();
        }
        tenants.iter().all(|tenant| tenant.join_until(until))
    }
}

impl TenantHandle {
    /// `None` until the tenant has been opened once.
    pub fn shape(&self) -> Option<&Shape> {
        self.shared.shape.get()
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn counters(&self) -> &crate::counters::Counters {
        &self.shared.counters
    }

    /// End of what is on disk and may be shown, exclusive; 0 until the tenant has been opened once.
    pub fn committed(&self) -> Position {
        self.shared.committed()
    }

    /// Reads behind the owner, from a position on.
    pub fn follower(&self, from: Position) -> Follower {
        Follower::new(self.place.clone(), self.shared.clone(), from)
    }

    /// The watch over drift; `None` where the model that serves has no reference.
    pub fn watch(&self) -> Option<Arc<Watched>> {
        self.shared.watch()
    }

    pub fn limits(&self) -> BoxLimits {
        self.shared.mailbox.limits()
    }

    /// What the owner thread is doing.
    pub fn owner(&self) -> &Progress {
        &self.shared.owner
    }

    /// What the thread that waits for the disk is doing.
    pub fn committer(&self) -> &Progress {
        &self.shared.committer
    }

    /// Letters and bytes that wait for the owner.
    pub fn load(&self) -> (usize, usize) {
        self.shared.mailbox.load()
    }

    /// What the latest opening found amiss, for the operator; told once.
    pub fn take_warnings(&self) -> Vec<String> {
        self.shared.take_warnings()
    }

    /// `None`: it serves everything.
    pub fn status(&self) -> Option<NotServing> {
        if self.suspended.load(Ordering::SeqCst) {
            return Some(NotServing::Suspended);
        }
        if self.replaced.load(Ordering::SeqCst) {
            return Some(NotServing::Starting);
        }
        self.shared.status()
    }

    /// Hands a request to the owner thread, or says at once why not. `bytes` is what it weighs in the queue.
    pub fn ask(
        &self,
        request: Request,
        bytes: usize,
        level: Level,
        deadline: Instant,
    ) -> Result<Pending, Failed> {
        self.ask_timed(request, bytes, (level, deadline), None)
    }

    /// The same, and the owner notes when the steps of it ended.
    pub fn ask_timed(
        &self,
        request: Request,
        bytes: usize,
        (level, deadline): (Level, Instant),
        timeline: Option<Arc<Timeline>>,
    ) -> Result<Pending, Failed> {
        match self.status() {
            None => {}
            Some(NotServing::ReadOnly(_)) if !request.writes() => {}
            Some(status) => return Err(Failed::NotServing(status)),
        }
        let (reply, pending) = oneshot::channel();
        let letter = Letter {
            request,
            reply,
            level,
            deadline,
            timeline,
        };
        match self.shared.mailbox.post(letter, bytes, level) {
            Ok(()) => Ok(pending),
            Err((_, Refused::Closed)) => {
                let status = self.status().unwrap_or(NotServing::Draining);
                Err(Failed::NotServing(status))
            }
            Err((_, Refused::Full)) => {
                self.shared.counters.queue_full[level as usize].add(1);
                Err(Failed::Full)
            }
        }
    }

    fn join(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Err(panic)) = thread.map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }

    fn join_until(&self, until: Instant) -> bool {
        // The owner says that it is done by ending; there is no wait with a bound for that.
        loop {
            let done = {
                let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
                thread.as_ref().is_none_or(JoinHandle::is_finished)
            };
            if done {
                self.join();
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn mark_suspended(place: &Place, suspended: bool) -> Result<(), ManageError> {
    let mark = place.root().join(SUSPENDED);
    let marked = if suspended {
        File::create(&mark).and_then(|file| file.sync_all())
    } else if mark.exists() {
        fs::remove_file(&mark)
    } else {
        Ok(())
    };
    marked.map_err(io("mark", &mark))?;
    File::open(place.root())
        .and_then(|root| root.sync_all())
        .map_err(io("sync", place.root()))
}

/// [`Node::suspend`] of a tenant that no process has open.
pub fn suspend_closed(place: &Place, suspended: bool) -> Result<(), ManageError> {
    let (_alone, _) = Journal::open(place, LogOptions::default())?;
    mark_suspended(place, suspended)
}

/// [`Node::erase`] of a tenant that no process has open.
pub fn erase_closed(data: &Path, name: &str) -> Result<Erased, ManageError> {
    let place = Place::new(data, name)?;
    if !place.exists() {
        let path = place.root().to_path_buf();
        return Err(NodeError::NoTenant { path }.into());
    }
    // A damaged log is erased like a sound one; a log that somebody writes is not.
    match Journal::open(&place, LogOptions::default()) {
        Err(error @ NodeError::Log(LogError::Locked { .. })) => Err(error.into()),
        _ => Ok(erase::erase(data, name)?),
    }
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ManageError {
    move |source| {
        let path = path.to_path_buf();
        ManageError::Node(NodeError::Io { what, path, source })
    }
}
