//! What is told: one notice for one thing that happened.

use event::EventTime;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{Invalid, WebhookError};

/// What happened. An endpoint subscribes to kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    DecisionCreated,
    LabelRecorded,
    AlertCreated,
    CaseUpdated,
    RulesChanged,
    ListsChanged,
    PolicyChanged,
    ModelChanged,
    /// Events are no longer like those that a model was trained on, or have a fault.
    DriftAlert,
    RetrainChanged,
    /// Asked for by a person, to try an endpoint out; no subscription is needed.
    Ping,
}

impl Kind {
    /// What an endpoint can subscribe to.
    pub const ALL: [Kind; 10] = [
        Kind::DecisionCreated,
        Kind::LabelRecorded,
        Kind::AlertCreated,
        Kind::CaseUpdated,
        Kind::RulesChanged,
        Kind::ListsChanged,
        Kind::PolicyChanged,
        Kind::ModelChanged,
        Kind::DriftAlert,
        Kind::RetrainChanged,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::DecisionCreated => "decision.created",
            Kind::LabelRecorded => "label.recorded",
            Kind::AlertCreated => "alert.created",
            Kind::CaseUpdated => "case.updated",
            Kind::RulesChanged => "rules.changed",
            Kind::ListsChanged => "lists.changed",
            Kind::PolicyChanged => "policy.changed",
            Kind::ModelChanged => "model.changed",
            Kind::DriftAlert => "drift.alert",
            Kind::RetrainChanged => "retrain.changed",
            Kind::Ping => "webhook.ping",
        }
    }

    pub fn parse(name: &str) -> Option<Kind> {
        let all = Kind::ALL.into_iter().chain([Kind::Ping]);
        all.into_iter().find(|kind| kind.name() == name)
    }
}

/// One notice. Its id is what a receiver tells repetitions by, so it must be the same whenever the same thing is
/// handed in again.
#[derive(Clone, Debug)]
pub struct Notice {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) at: EventTime,
    pub(crate) data: Box<RawValue>,
    pub(crate) traceparent: Option<String>,
}

const ID_BYTES_MAX: usize = 128;

impl Notice {
    /// `id` is 1 to 128 characters of `A-Z a-z 0-9 : _ -`. No full stop: the signature has it between its parts.
    pub fn new(
        id: String,
        kind: Kind,
        at: EventTime,
        data: &impl Serialize,
    ) -> Result<Notice, WebhookError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
        if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(is_plain) {
            return Err(Invalid::NoticeId(id).into());
        }
        let data = serde_json::value::to_raw_value(data)
            .map_err(|error| Invalid::NoticeData(error.to_string()))?;
        Ok(Notice {
            id,
            kind,
            at,
            data,
            traceparent: None,
        })
    }

    /// The trace that this belongs to, as a `traceparent` header says it (W3C Trace Context).
    pub fn traced(mut self, traceparent: String) -> Notice {
        let is_header = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        let holds = traceparent.len() == 55 && traceparent.bytes().all(is_header);
        self.traceparent = holds.then_some(traceparent);
        self
    }

    /// The body that is sent and signed: the same bytes at every attempt. Data that are larger than `max` are left
    /// out, and the body says so.
    pub(crate) fn body(&self, max: usize) -> Result<String, WebhookError> {
        let (id, kind, timestamp) = (&*self.id, self.kind.name(), self.at.to_string());
        let bytes = self.data.get().len();
        let (data, omitted_bytes) = if bytes > max {
            (None, Some(bytes))
        } else {
            (Some(&*self.data), None)
        };
        let body = Body {
            id,
            kind,
            timestamp,
            data,
            omitted_bytes,
        };
        serde_json::to_string(&body).map_err(|error| Invalid::NoticeData(error.to_string()).into())
    }
}

/// `type`, `timestamp` and `data` as <https://www.standardwebhooks.com> recommends.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted_bytes: Option<usize>,
}
