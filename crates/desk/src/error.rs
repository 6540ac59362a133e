use casework::{CaseworkError, Refused};
use event::Position;
use node::NodeError;
use steward::StewardError;
use thiserror::Error;
use trail::TrailError;
use webhooks::WebhookError;

/// Why casework was not done. Nothing was changed.
#[derive(Debug, Error)]
pub enum DeskError {
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The tenant has not been opened yet.
    #[error("the tenant's log is being replayed")]
    Starting,
    /// More are waiting for this tenant's file than may.
    #[error("too many wait for this tenant's casework")]
    Busy,
    /// The tenant is being erased.
    #[error("the tenant is being erased")]
    Leaving,
    /// Its log cannot be followed, which the operator has been told.
    #[error("casework of the tenant cannot be used: {0}")]
    Unavailable(String),
    /// This request alone failed at the store.
    #[error("{0}")]
    Failed(String),
}

/// Why a tenant's log cannot be followed now.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Casework(#[from] CaseworkError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Trail(#[from] TrailError),
    #[error("webhooks: {0}")]
    Webhooks(#[from] WebhookError),
    #[error("retrains: {0}")]
    Retrains(#[from] StewardError),
    #[error(
        "casework has seen the log up to position {}, which now ends at {}: the log was cut; without \
         casework.db it is made again from the log, and loses what analysts did", cursor.0, end.0
    )]
    Ahead { cursor: Position, end: Position },
}

impl From<CaseworkError> for DeskError {
    fn from(error: CaseworkError) -> DeskError {
        match error {
            CaseworkError::Refused(refused) => DeskError::Refused(refused),
            error => DeskError::Failed(error.to_string()),
        }
    }
}
