//! What can be asked of a tenant's owner thread, and what comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Lineup, ReadRules};
use event::json::{LabelLine, OutcomeLine};
use event::record::ConfigSection;
use event::{Event, EventId, EventTime, KindIx, Position};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::guard::Urgency;
use crate::journal::lookup::Found;
use crate::mailbox::Level;
use crate::tenant::Left;
use crate::tenant::activation::{ReadyModel, Serving};
use crate::tenant::around::{EntityView, Neighbourhood, Page};
use crate::tenant::documents::{Author, Document, ListsView, RulesView};
use crate::tenant::lineup::Move;
use crate::tenant::plan::Plan;
use crate::tenant::serving::Linked;
use crate::timeline::Timeline;
use crate::{Accepted, Decided, NodeError};

#[derive(Debug)]
pub enum Request {
    Decide {
        event: Box<Event>,
        /// Reasons of an approval too; they are told once and not kept.
        explain: bool,
    },
    /// Take in without deciding.
    Ingest(Box<Event>),
    Label(LabelLine, EventTime),
    Outcome(OutcomeLine, EventTime),
    SetDocument {
        section: ConfigSection,
        body: String,
        author: Author,
        /// Only if the section still has this version.
        expected: Option<u32>,
    },
    /// The same of rules that whoever asks has read: it takes long, and the owner must not.
    SetRules {
        rules: Box<ReadRules>,
        author: Author,
        expected: Option<u32>,
    },
    Document(ConfigSection),
    /// Whether a section would be taken.
    Check {
        section: ConfigSection,
        body: String,
        at: EventTime,
    },
    CheckRules {
        rules: Box<ReadRules>,
        at: EventTime,
    },
    /// All that it holds, or none.
    TakePlan(Box<Plan>, Author),
    CheckPlan {
        plan: Box<Plan>,
        at: EventTime,
    },
    /// The rules in force, and what became of each.
    Rules,
    Lists,
    /// Which model serves, and what one that is to follow it must know.
    Serving,
    Activate(Box<ReadyModel>),
    /// Who serves beside the champion changes.
    Move(Move, Author),
    Decision(EventId),
    Decisions {
        account: String,
        from: EventTime,
        before: Option<Position>,
        limit: usize,
    },
    Entity {
        kind: KindIx,
        id: String,
    },
    Neighbours {
        kind: KindIx,
        id: String,
        depth: u8,
    },
}

#[derive(Debug)]
pub enum Answer {
    Decided(Box<Decided>, Vec<Linked>),
    Accepted(Accepted),
    Document(Document),
    /// It would.
    Good,
    /// The sections that were set, with the version each has now.
    Planned(Vec<(ConfigSection, u32)>),
    Rules(Box<RulesView>),
    Lists(Box<ListsView>),
    Serving(Serving),
    Activated {
        position: Position,
        policy_version: u32,
        /// How long no decision was taken for it.
        pause: Duration,
        /// Whoever asked drops it, and not the thread that decides.
        left: Vec<Left>,
    },
    Moved {
        position: Position,
        lineup: Lineup,
        left: Vec<Left>,
    },
    Decision(Box<Found>, Vec<Linked>),
    Decisions(Page),
    Entity(Box<EntityView>),
    Neighbours(Box<Neighbourhood>),
    /// What was asked for is not there.
    Unknown,
}

/// Why a request was not done. Nothing was written unless `Storage` says that it may have been.
#[derive(Debug, Error)]
pub enum Failed {
    /// What was handed in is wrong.
    #[error(transparent)]
    Refused(NodeError),
    #[error("the queue of this tenant is full for this level")]
    Full,
    #[error("the tenant is {0}")]
    NotServing(NotServing),
    #[error("the deadline passed before the request's turn came")]
    Expired,
    /// Written, but whether it is on disk is not known: ask again with the same id.
    #[error("the disk failed while this was written: {0}")]
    Storage(String),
    #[error("{0}")]
    Internal(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotServing {
    #[error("starting: its log is being replayed")]
    Starting,
    #[error("read-only: {0}")]
    ReadOnly(String),
    #[error("unavailable: {0}")]
    Unavailable(String),
    #[error("suspended")]
    Suspended,
    #[error("draining: the server stops")]
    Draining,
}

impl Request {
    pub fn writes(&self) -> bool {
        matches!(
            self,
            Request::Decide { .. }
                | Request::Ingest(_)
                | Request::Label(..)
                | Request::Outcome(..)
                | Request::SetDocument { .. }
                | Request::SetRules { .. }
                | Request::TakePlan(..)
                | Request::Activate(_)
                | Request::Move(..)
        )
    }
}

impl Request {
    /// What is long to free, of a request that nobody answers.
    pub fn into_left(self) -> Vec<Left> {
        match self {
            Request::Activate(ready) => ready.into_left(),
            Request::Move(Move::Challenge { model, .. }, _) => vec![Left::Model(model)],
            _ => Vec::new(),
        }
    }

    /// The stamp of what becomes a record.
    pub fn received_at(&mut self) -> Option<&mut EventTime> {
        match self {
            Request::Decide { event, .. } | Request::Ingest(event) => Some(&mut event.received_at),
            Request::Label(_, at) | Request::Outcome(_, at) | Request::Check { at, .. } => Some(at),
            Request::CheckRules { at, .. } | Request::CheckPlan { at, .. } => Some(at),
            Request::TakePlan(_, author) => Some(&mut author.at),
            Request::SetDocument { author, .. } | Request::SetRules { author, .. } => {
                Some(&mut author.at)
            }
            _ => None,
        }
    }
}

impl Answer {
    /// The same of an answer that nobody waits for.
    pub fn into_left(self) -> Vec<Left> {
        match self {
            Answer::Activated { left, .. } | Answer::Moved { left, .. } => left,
            _ => Vec::new(),
        }
    }
}

impl Failed {
    /// Stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            Failed::Refused(error) => error.code(),
            Failed::Full => "queue_full",
            Failed::NotServing(NotServing::Starting) => "starting",
            Failed::NotServing(NotServing::ReadOnly(_)) => "read_only",
            Failed::NotServing(NotServing::Unavailable(_)) => "tenant_unavailable",
            Failed::NotServing(NotServing::Suspended) => "tenant_suspended",
            Failed::NotServing(NotServing::Draining) => "draining",
            Failed::Expired => "deadline_exceeded",
            Failed::Storage(_) => "storage_failed",
            Failed::Internal(_) => "internal",
        }
    }
}

/// A request on its way, with the way back.
#[derive(Debug)]
pub struct Letter {
    pub request: Request,
    pub reply: Reply,
    pub level: Level,
    /// After this nobody waits for the answer.
    pub deadline: Instant,
    /// Where somebody wants to know how long its steps took.
    pub timeline: Option<Arc<Timeline>>,
}

impl Letter {
    pub fn urgency(&self) -> Urgency {
        Urgency {
            level: self.level,
            deadline: Some(self.deadline),
        }
    }
}

pub type Reply = oneshot::Sender<Result<Answer, Failed>>;
