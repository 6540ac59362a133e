//! Another schema for a tenant that has no events yet: it is built anew beside, and takes the old one's place in one
//! step.
//!
//! `<data>/.schema-<tenant>/` is where it is built. Exchanging two directories is one operation of the file system:
//! at every moment the whole old tenant or the whole new one has the name. What lies in `.schema-<tenant>` after a
//! crash is the other one, or a part of it: the next start removes it.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use event::Schema;
use event::record::{Config, Record};
use event::schema::SchemaHash;
use log::LogOptions;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::kept::{Fates, keep};
use super::{ManageError, Node};
use crate::request::Failed;
use crate::{History, Journal, NodeError, Place, Tenant};

/// What the directory is called in which a tenant is built anew; no tenant's name starts so.
pub const STAGING: &str = ".schema-";

/// What came of a schema that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reschemed {
    pub hash: SchemaHash,
    /// False: the tenant has this schema already.
    pub changed: bool,
    pub fates: Fates,
}

impl Node {
    /// Gives a tenant another schema, as long as it has no events. It keeps its policy, rates, lists and rules
    /// where they fit; models are of one schema and go with the old one. `furnish` as in [`Node::create`].
    pub fn set_schema(
        &self,
        name: &str,
        text: &str,
        furnish: impl FnOnce(&Place) -> Result<(), NodeError>,
        deadline: Instant,
    ) -> Result<Reschemed, ManageError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || ManageError::Unknown(name.to_owned());
        let handle = self.tenant(name).ok_or_else(unknown)?;
        if let Some(status) = handle.status() {
            return Err(Failed::NotServing(status).into());
        }
        let given = Schema::parse(text).map_err(NodeError::from)?;
        let serving = handle.serving(deadline)?;
        let unseen = || Failed::Internal("a tenant that serves has a schema");
        let held = &handle.shape().ok_or_else(unseen)?.schema;
        if held.hash() == given.hash() {
            return Ok(Reschemed {
                hash: held.hash(),
                changed: false,
                fates: Fates::KEPT,
            });
        }
        if serving.newest_event.is_some() {
            return Err(fixed(held, &given).into());
        }
        // Its last requests are answered; an event among them is found in the log.
        handle.replaced.store(true, Ordering::SeqCst);
        handle.shared.mailbox.close();
        handle.join();
        let options = self.settings.owner.log.clone();
        let place = handle.place().clone();
        let done = match blank(&place) {
            Ok(Some(configs)) => replace(&self.data, name, text, &configs, options, furnish),
            Ok(None) => Err(fixed(held, &given)),
            Err(error) => Err(error),
        };
        // Whatever came of it, one of the two is there to be served.
        self.seat(name, place)?;
        self.opened(name)?;
        Ok(Reschemed {
            hash: given.hash(),
            changed: true,
            fates: done?,
        })
    }
}

fn fixed(held: &Schema, given: &Schema) -> NodeError {
    NodeError::SchemaFixed {
        held: held.hash().hex(),
        given: given.hash().hex(),
        differences: held.differences(given),
    }
}

/// The configuration of a tenant that never had an event; `None`: it had one. What a repair cut off its log is kept
/// beside it and was history too.
fn blank(place: &Place) -> Result<Option<Vec<Config>>, NodeError> {
    for entry in fs::read_dir(place.root()).map_err(io("read", place.root()))? {
        let name = entry.map_err(io("read", place.root()))?.file_name();
        if name.to_string_lossy().starts_with("log.cut-") {
            return Ok(None);
        }
    }
    let history = History::open(place)?;
    if history.first().0 > 0 {
        return Ok(None);
    }
    let mut records = history.iter_from(history.first())?;
    let mut configs = Vec::new();
    while let Some((_, record)) = records.next_record()? {
        match record {
            Record::Config(config) => configs.push(config),
            Record::Activation(_) => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(configs))
}

/// Nobody has the tenant open.
fn replace(
    data: &Path,
    name: &str,
    text: &str,
    configs: &[Config],
    options: LogOptions,
    furnish: impl FnOnce(&Place) -> Result<(), NodeError>,
) -> Result<Fates, NodeError> {
    let staging = data.join(format!("{STAGING}{name}"));
    if staging.exists() {
        clear(data, &staging)?;
    }
    let (place, staged) = (Place::new(data, name)?, Place::new(&staging, name)?);
    let built = build(&staged, text, configs, options, furnish).and_then(|fates| {
        for folder in [staged.root(), &staging, data] {
            sync(folder)?;
        }
        renameat_with(CWD, staged.root(), CWD, place.root(), RenameFlags::EXCHANGE)
            .map_err(|error| io("exchange", staged.root())(error.into()))?;
        sync(&staging)?;
        Ok(fates)
    });
    // The old one, or what could not be finished.
    let cleared = clear(data, &staging);
    let fates = built?;
    cleared?;
    Ok(fates)
}

/// A tenant as [`Node::create`] makes it, with what was in force where it fits.
fn build(
    staged: &Place,
    text: &str,
    configs: &[Config],
    options: LogOptions,
    furnish: impl FnOnce(&Place) -> Result<(), NodeError>,
) -> Result<Fates, NodeError> {
    drop(Journal::create(staged, text, options.clone())?);
    furnish(staged)?;
    let (mut tenant, _) = Tenant::open(staged, options, |_, _| {})?;
    keep(&mut tenant, configs)
}

/// Removes what an exchange left, once the exchange is sure to last.
pub(super) fn clear(data: &Path, staging: &Path) -> Result<(), NodeError> {
    sync(data)?;
    fs::remove_dir_all(staging).map_err(io("remove", staging))?;
    sync(data)
}

fn sync(folder: &Path) -> Result<(), NodeError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io("sync", folder))
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NodeError {
    let path = path.to_path_buf();
    move |source| NodeError::Io { what, path, source }
}
