//! The audit trail of a node: tenants that were made, suspended, resumed, erased. It outlives them, in a directory beside
//! theirs.
//!
//! An entry is written before what it tells is done, so that nothing is done without one; where that fails, a second one
//! says so.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use node::tenant::documents::Author;
use serde_json::{Value, json};
use trail::{Entry, Options, Source, TARGET_BYTES_MAX, Trail, TrailError, WHY_BYTES_MAX};

use super::entries::{actor, clipped, kind_of};

/// No tenant's name begins so.
const DIRECTORY: &str = ".trail";
/// Stands where a trail of a tenant has its name.
const NODE: &str = "*";
const SOURCE: &str = "node";
/// Another process may be writing: a server, or a command beside it.
const LOCKED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Create,
    Suspend,
    Resume,
    Erase,
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Deed::Create => "create",
            Deed::Suspend => "suspend",
            Deed::Resume => "resume",
            Deed::Erase => "erase",
        }
    }

    /// What the tenant is before and after.
    fn states(self) -> (Option<Value>, Option<Value>) {
        let status = |of: &str| Some(json!({ "status": of }));
        match self {
            Deed::Create => (None, status("serving")),
            Deed::Suspend => (status("serving"), status("suspended")),
            Deed::Resume => (status("suspended"), status("serving")),
            Deed::Erase => (status("there"), None),
        }
    }
}

/// Where the trail of a data directory is.
pub fn directory(data: &Path) -> PathBuf {
    data.join(DIRECTORY)
}

/// Before it is done.
pub fn begin(data: &Path, deed: Deed, tenant: &str, author: &Author) -> Result<(), TrailError> {
    let (before, after) = deed.states();
    let action = format!("tenant.{}", deed.name());
    write(data, &action, tenant, author, (before, after))
}

/// What was told is not so: it failed for this reason.
pub fn failed(
    data: &Path,
    deed: Deed,
    tenant: &str,
    author: &Author,
    code: &str,
) -> Result<(), TrailError> {
    let after = json!({ "failed": deed.name(), "code": code });
    write(data, "tenant.failed", tenant, author, (None, Some(after)))
}

fn write(
    data: &Path,
    action: &str,
    tenant: &str,
    author: &Author,
    (before, after): (Option<Value>, Option<Value>),
) -> Result<(), TrailError> {
    let mut trail = open(&directory(data))?;
    let seq = trail.last(SOURCE).map_or(1, |last| last + 1);
    trail.append(&[Entry {
        at: author.at.millis(),
        actor: actor(&author.name),
        actor_kind: kind_of(&author.name),
        action: action.to_owned(),
        target: clipped(tenant, TARGET_BYTES_MAX),
        before,
        after,
        why: clipped(&author.why, WHY_BYTES_MAX),
        source: Source {
            name: SOURCE.to_owned(),
            seq,
        },
    }])
}

/// Opened anew for each entry: there are few, and no process keeps others out for longer.
fn open(directory: &Path) -> Result<Trail, TrailError> {
    let until = Instant::now() + LOCKED_WITHIN;
    loop {
        match Trail::open(directory, NODE, Options::default()) {
            Err(TrailError::Locked { .. }) if Instant::now() < until => sleep(LOOK_AGAIN),
            opened => return opened,
        }
    }
}
