//! One retraining as a directory of small JSON files, `<tenant>/retrain/NNNNNN/`: a file is a step that was taken.

pub mod changes;
mod paper;

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use node::Place;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use paper::Attempts;
pub use paper::{
    Answer, Ended, Failure, Order, Outcome, Plan, Shadow, Trained, Trigger, Verdict, Window,
};

use crate::StewardError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: u64,
    folder: PathBuf,
}

/// Held by whoever works on a job; the system lets go of it with the process.
#[derive(Debug)]
pub struct Alone {
    _lock: File,
}

/// Steps, in the order in which they are taken.
const ORDER: &str = "order.json";
const PLAN: &str = "plan.json";
const TRAINED: &str = "trained.json";
const SHADOW: &str = "shadow.json";
const ANSWER: &str = "answer.json";
const OUTCOME: &str = "outcome.json";
const ATTEMPTS: &str = "attempt.json";
/// Beside the jobs: when a tenant without any was first seen.
const SINCE: &str = "since.json";
const LOCK: &str = "lock";
/// What the child of the latest attempt said.
const PROGRESS: &str = "progress.jsonl";
pub(crate) const ERRORS: &str = "errors.txt";
/// Why that attempt failed, in words that may leave the machine.
const FAILURE: &str = "failure.json";
/// Jobs that are kept, the newest.
const KEPT: usize = 32;
/// Examinations of one candidate, the first and those after it has been in shadow.
pub const EXAMS_MAX: usize = 64;

/// A tenant's jobs, oldest first. A directory without an order is one that is being made, or what a crash left of it.
pub fn all(place: &Place) -> Result<Vec<Job>, StewardError> {
    let mut jobs = folders(place)?;
    jobs.retain(Job::is_ordered);
    Ok(jobs)
}

fn folders(place: &Place) -> Result<Vec<Job>, StewardError> {
    let root = root(place);
    let entries = match fs::read_dir(&root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StewardError::io("read", &root)(error)),
    };
    let mut jobs = Vec::new();
    for entry in entries {
        let folder = entry.map_err(StewardError::io("read", &root))?.path();
        let name = folder.file_name().and_then(|name| name.to_str());
        if let Some(id) = name.and_then(|name| name.parse().ok())
            && folder.is_dir()
        {
            jobs.push(Job { id, folder });
        }
    }
    jobs.sort_unstable_by_key(|job| job.id);
    Ok(jobs)
}

/// The newest that a server sees to, or that none does.
pub fn newest(place: &Place, attended: bool) -> Result<Option<Job>, StewardError> {
    for job in all(place)?.into_iter().rev() {
        if job.order()?.attended == attended {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

pub fn one(place: &Place, id: u64) -> Result<Job, StewardError> {
    let found = all(place)?.into_iter().find(|job| job.id == id);
    found.ok_or(StewardError::Unknown(id))
}

/// Makes a job of an order, and forgets the oldest ones that are over.
pub fn begin(place: &Place, order: &Order) -> Result<Job, StewardError> {
    let root = root(place);
    fs::create_dir_all(&root).map_err(StewardError::io("make", &root))?;
    let before = folders(place)?;
    let job = claim(&root, before.last().map_or(1, |job| job.id + 1))?;
    job.write(ORDER, order)?;
    sync(&root)?;
    let (ordered, left): (Vec<&Job>, Vec<&Job>) = before.iter().partition(|it| it.is_ordered());
    for old in ordered.iter().rev().skip(KEPT - 1) {
        if old.outcome()?.is_some() {
            old.remove()?;
        }
    }
    // Nobody takes so long to write an order.
    for old in left.iter().filter(|it| it.id + KEPT as u64 <= job.id) {
        old.remove()?;
    }
    Ok(job)
}

/// The first number from this one on that nobody has: a command line and a server may begin at once.
fn claim(root: &Path, from: u64) -> Result<Job, StewardError> {
    let mut id = from;
    loop {
        let folder = root.join(format!("{id:06}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(Job { id, folder }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => id += 1,
            Err(error) => return Err(StewardError::io("make", &folder)(error)),
        }
    }
}

/// When a candidate last entered service, of the jobs that are kept.
pub(crate) fn last_promoted(place: &Place) -> Result<Option<i64>, StewardError> {
    for job in all(place)?.into_iter().rev() {
        if let Some(outcome) = job.outcome()?
            && outcome.ended == Ended::Promoted
        {
            return Ok(Some(outcome.at));
        }
    }
    Ok(None)
}

/// When a tenant without a job was first seen, which is now if it was not yet; its schedule counts from there.
pub(crate) fn waiting_since(place: &Place, now: i64) -> Result<i64, StewardError> {
    let root = root(place);
    if let Some(since) = read(&root, SINCE)? {
        return Ok(since);
    }
    fs::create_dir_all(&root).map_err(StewardError::io("make", &root))?;
    write(&root, SINCE, &now)?;
    Ok(now)
}

fn root(place: &Place) -> PathBuf {
    place.root().join("retrain")
}

fn sync(folder: &Path) -> Result<(), StewardError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StewardError::io("sync", folder))
}

impl Job {
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn is_ordered(&self) -> bool {
        self.folder.join(ORDER).exists()
    }

    fn remove(&self) -> Result<(), StewardError> {
        match fs::remove_dir_all(&self.folder) {
            // Somebody else begins a job too.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(StewardError::io("remove", &self.folder)),
        }
    }

    pub fn order(&self) -> Result<Order, StewardError> {
        let missing = StewardError::Unknown(self.id);
        self.read(ORDER)?.ok_or(missing)
    }

    pub fn plan(&self) -> Result<Option<Plan>, StewardError> {
        self.read(PLAN)
    }

    pub fn trained(&self) -> Result<Option<Trained>, StewardError> {
        self.read(TRAINED)
    }

    /// Of the examination with this number, the first is 0.
    pub fn verdict(&self, exam: usize) -> Result<Option<Verdict>, StewardError> {
        self.read(&verdict(exam))
    }

    pub fn verdicts(&self) -> Result<Vec<Verdict>, StewardError> {
        let mut found = Vec::new();
        while found.len() < EXAMS_MAX
            && let Some(verdict) = self.verdict(found.len())?
        {
            found.push(verdict);
        }
        Ok(found)
    }

    pub fn shadow(&self) -> Result<Option<Shadow>, StewardError> {
        self.read(SHADOW)
    }

    pub fn answer(&self) -> Result<Option<Answer>, StewardError> {
        self.read(ANSWER)
    }

    pub fn outcome(&self) -> Result<Option<Outcome>, StewardError> {
        self.read(OUTCOME)
    }

    /// Of the part that is under way: whoever comes further has all of them again, whenever it is killed.
    pub fn attempts(&self) -> Result<u32, StewardError> {
        let latest: Option<Attempts> = self.read(ATTEMPTS)?;
        let part = self.part()?;
        Ok(latest.filter(|it| it.part == part).map_or(0, |it| it.count))
    }

    /// Parts of a child's work that are on disk.
    fn part(&self) -> Result<usize, StewardError> {
        let (plan, trained) = (self.plan()?, self.trained()?);
        Ok(usize::from(plan.is_some()) + usize::from(trained.is_some()) + self.verdicts()?.len())
    }

    pub fn record_plan(&self, plan: &Plan) -> Result<(), StewardError> {
        self.write(PLAN, plan)
    }

    pub fn record_trained(&self, trained: &Trained) -> Result<(), StewardError> {
        self.write(TRAINED, trained)
    }

    pub fn record_verdict(&self, exam: usize, found: &Verdict) -> Result<(), StewardError> {
        self.write(&verdict(exam), found)
    }

    pub fn record_shadow(&self, shadow: &Shadow) -> Result<(), StewardError> {
        self.write(SHADOW, shadow)
    }

    pub fn record_answer(&self, answer: &Answer) -> Result<(), StewardError> {
        self.write(ANSWER, answer)
    }

    pub fn record_outcome(&self, outcome: &Outcome) -> Result<(), StewardError> {
        self.write(OUTCOME, outcome)
    }

    pub fn record_attempts(&self, count: u32) -> Result<(), StewardError> {
        let part = self.part()?;
        self.write(ATTEMPTS, &Attempts { part, count })
    }

    pub fn failure(&self) -> Result<Option<Failure>, StewardError> {
        self.read(FAILURE)
    }

    pub fn record_failure(&self, failure: &Failure) -> Result<(), StewardError> {
        self.write(FAILURE, failure)
    }

    pub(crate) fn forget_failure(&self) -> Result<(), StewardError> {
        let path = self.folder.join(FAILURE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StewardError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// The right to work on it.
    pub fn lock(&self) -> Result<Alone, StewardError> {
        let path = self.folder.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(StewardError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Alone { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(StewardError::Busy(self.id)),
            Err(TryLockError::Error(error)) => Err(StewardError::io("lock", &path)(error)),
        }
    }

    /// Whether somebody has that right just now.
    pub fn is_worked_on(&self) -> Result<bool, StewardError> {
        match self.lock() {
            Ok(_) => Ok(false),
            Err(StewardError::Busy(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Where the child says what it does, and what went wrong.
    pub fn progress(&self) -> PathBuf {
        self.folder.join(PROGRESS)
    }

    pub fn errors(&self) -> PathBuf {
        self.folder.join(ERRORS)
    }

    /// All of it, for people.
    pub fn value(&self) -> Result<Value, StewardError> {
        let order = self.order()?;
        Ok(json!({
            "id": self.id,
            "at": event::EventTime::from_millis(order.at).to_string(),
            "by": order.by,
            "why": order.why,
            "trigger": order.trigger,
            "plan": self.plan()?.map(|plan| plan.value()),
            "trained": self.trained()?,
            "verdicts": self.verdicts()?,
            "shadow": self.shadow()?.map(|it| it.value()),
            "answer": self.answer()?.map(|it| it.value()),
            "failure": self.failure()?,
            "outcome": self.outcome()?.map(|it| it.value()),
        }))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StewardError> {
        read(&self.folder, name).map_err(|error| match error {
            StewardError::Unreadable { path, source } => StewardError::Damaged {
                retrain: self.id,
                path,
                source,
            },
            error => error,
        })
    }

    fn write<T: Serialize>(&self, name: &str, what: &T) -> Result<(), StewardError> {
        write(&self.folder, name, what)
    }
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, StewardError> {
    let path = folder.join(name);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StewardError::io("read", &path)(error)),
    };
    let read = serde_json::from_slice(&bytes);
    read.map(Some)
        .map_err(|source| StewardError::Unreadable { path, source })
}

/// The file is there whole, and stays, or it is not there.
fn write<T: Serialize>(folder: &Path, name: &str, what: &T) -> Result<(), StewardError> {
    let path = folder.join(name);
    let unreadable = |source| StewardError::Unreadable {
        path: path.clone(),
        source,
    };
    let bytes = serde_json::to_vec_pretty(what).map_err(unreadable)?;
    let draft = folder.join(format!("{name}.draft"));
    File::create(&draft)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, &path))
        .map_err(StewardError::io("write", &path))?;
    sync(folder)
}

fn verdict(exam: usize) -> String {
    format!("verdict-{exam}.json")
}
