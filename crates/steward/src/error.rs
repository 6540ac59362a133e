use std::io;
use std::path::{Path, PathBuf};

use node::request::Failed;
use node::tenant::lineup::LineupError;
use thiserror::Error;

use crate::occasion::{self, Sign};

#[derive(Debug, Error)]
pub enum StewardError {
    #[error("cannot {what} {path}: {source}")]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{path} is no file of this version's: {source}")]
    Unreadable {
        path: PathBuf,
        source: serde_json::Error,
    },
    /// A file of a job: it holds up all that come later, until somebody moves its directory away.
    #[error("{path} is no file of this version's: {source}")]
    Damaged {
        retrain: u64,
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("there is no retrain {0}")]
    Unknown(u64),
    #[error("retrain {0} is worked on by another process")]
    Busy(u64),
    #[error("the clock cannot be read: {0}")]
    Clock(String),
    #[error("no child can be started: {0}")]
    NoChild(String),
    #[error("the tenant does not answer: {0}")]
    Tenant(Failed),
    /// Until another one leaves.
    #[error("the candidate cannot enter shadow: {0}")]
    NoRoom(LineupError),
    /// Until it has judged a window.
    #[error(
        "the watch over drift has begun and judged no window yet: whether data are at fault is not known"
    )]
    Blind,
    /// Until it scores, or is given up.
    #[error("the candidate is not promoted unwatched: {0}")]
    Unwatched(String),
    #[error("somebody else changes which models serve")]
    Changing,
    /// Until the alerts are over.
    #[error("{}", occasion::reason(.0))]
    Faults(Vec<Sign>),
}

/// Why nothing was begun or answered.
#[derive(Debug, Error)]
pub enum Refused {
    #[error("this server makes no candidates (retrain.enabled)")]
    Off,
    #[error("retrain {0} is not over")]
    Running(u64),
    #[error("only a candidate that waits for approval is approved or rejected; this one is {0}")]
    NotWaiting(&'static str),
    #[error("{}", occasion::reason(.0))]
    Faults(Vec<Sign>),
    #[error("the tenant is being erased")]
    Leaving,
    #[error(transparent)]
    Failed(#[from] StewardError),
}

impl StewardError {
    /// For whoever asks the server: of a file its name, and not where on the machine it is.
    pub fn without_paths(&self) -> String {
        let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
        match self {
            StewardError::Io { what, path, source } => {
                format!("cannot {what} {}: {}", name(path), source.kind())
            }
            StewardError::Unreadable { path, source }
            | StewardError::Damaged { path, source, .. } => {
                format!("{} is no file of this version's: {source}", name(path))
            }
            // A configuration's words, or a system's.
            StewardError::NoChild(_) => "no child can be started".to_owned(),
            StewardError::Tenant(Failed::Refused(error)) => {
                format!("the tenant does not answer: {}", error.code())
            }
            StewardError::Tenant(Failed::Storage(_)) => "the tenant's disk failed".to_owned(),
            error => error.to_string(),
        }
    }

    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StewardError {
        let path = path.to_path_buf();
        move |source| StewardError::Io { what, path, source }
    }
}
