//! Every answer that is no success: a status and `{code, message, detail, retryable}`.
//!
//! Messages speak of what was handed in. What went wrong inside is told by its code alone: a path, a cause or
//! another tenant's name never leaves the process.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use drift::monitor::MonitorError;
use engine::ConfigError;
use event::Invalid;
use event::schema::SchemaError;
use lists::ListsError;
use node::NodeError;
use node::request::{Failed, NotServing};
use serde_json::{Map, Value, json};
use webhooks::WebhookError;

#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub detail: Option<Box<Value>>,
    /// The same request may succeed later, or did already and will say so.
    pub retryable: bool,
    pub retry_after_seconds: Option<u32>,
    /// For the operator's log, never for the answer.
    pub cause: Option<Box<str>>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Problem {
        Problem {
            status,
            code,
            message: message.into(),
            detail: None,
            retryable: false,
            retry_after_seconds: None,
            cause: None,
        }
    }

    pub fn bad(code: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Of the query or the path: it is not what it must be.
    pub fn parameter(name: &str, message: impl Into<String>) -> Problem {
        Problem::bad("parameter_format", message).with_detail(json!({ "field": name }))
    }

    pub fn with_detail(mut self, detail: Value) -> Problem {
        self.detail = Some(Box::new(detail));
        self
    }

    pub fn after(mut self, seconds: u32) -> Problem {
        self.retryable = true;
        self.retry_after_seconds = Some(seconds);
        self
    }

    pub fn not_found(what: &str) -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("{what} is unknown"),
        )
    }

    /// Of what is wrong with one of several changes that are made all or none.
    pub fn of_part(self, part: &str) -> Problem {
        let mut detail = match self.detail.as_deref() {
            Some(Value::Object(detail)) => detail.clone(),
            _ => Map::new(),
        };
        detail.insert("part".to_owned(), json!(part));
        let message = format!("{part}: {}", self.message);
        Problem { message, ..self }.with_detail(detail.into())
    }

    pub fn internal(cause: impl ToString) -> Problem {
        let told = "the request could not be done; standard error has the cause under the trace id";
        Problem {
            cause: Some(cause.to_string().into()),
            ..Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", told)
        }
    }

    pub fn value(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "detail": self.detail,
            "retryable": self.retryable,
        })
    }

    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.value().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Problem {
        let field = invalid.field().map(str::to_owned);
        Problem::bad(invalid.code(), invalid.to_string()).with_detail(json!({ "field": field }))
    }
}

impl From<SchemaError> for Problem {
    fn from(error: SchemaError) -> Problem {
        Problem::bad("schema", error.to_string())
            .with_detail(json!({ "field": error.field(), "line": error.line() }))
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Problem {
        let code = failed.code();
        let unavailable = |message: &str, after: u32| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, message).after(after)
        };
        match failed {
            Failed::Refused(error) => refused(error),
            Failed::Full => unavailable("the tenant's queue is full for this level", 1),
            Failed::NotServing(NotServing::Starting) => {
                unavailable("the tenant's log is being replayed", 1)
            }
            Failed::NotServing(NotServing::ReadOnly(_)) => unavailable(
                "the tenant is read-only until its disk takes writes again",
                5,
            ),
            Failed::NotServing(NotServing::Unavailable(_)) => {
                unavailable("the tenant cannot be opened", 30)
            }
            Failed::NotServing(NotServing::Draining) => unavailable("the server stops", 5),
            Failed::NotServing(NotServing::Suspended) => {
                Problem::new(StatusCode::FORBIDDEN, code, "the tenant is suspended")
            }
            Failed::Expired => Problem {
                retryable: true,
                ..Problem::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    code,
                    "the deadline passed before an answer was ready; asking again with the same id is safe",
                )
            },
            Failed::Internal(cause) => Problem::internal(cause),
            Failed::Storage(_) => unavailable(
                "the disk failed; whether this was recorded is unknown: ask again with the same id",
                5,
            ),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Problem {
        let message = error.to_string();
        let conflict = |code| Problem::new(StatusCode::CONFLICT, code, message.clone());
        match error {
            WebhookError::Invalid(invalid) => {
                let detail = json!({ "field": invalid.field() });
                Problem::bad(invalid.code(), message).with_detail(detail)
            }
            WebhookError::Unknown(_) => Problem::new(StatusCode::NOT_FOUND, "not_found", message),
            WebhookError::TooManyEndpoints { .. } => conflict("webhooks_max"),
            WebhookError::TooManySecrets { .. } => conflict("secrets_max"),
            WebhookError::LastSecret => conflict("last_secret"),
            WebhookError::Disabled => conflict("webhook_disabled"),
            WebhookError::Closed => Failed::NotServing(NotServing::Draining).into(),
            WebhookError::Newer { .. }
            | WebhookError::Store(_)
            | WebhookError::Io(_)
            | WebhookError::Roots(_) => Problem::internal(message),
        }
    }
}

fn refused(error: NodeError) -> Problem {
    let (code, message) = (error.code(), error.to_string());
    match error {
        NodeError::Invalid(invalid) => invalid.into(),
        NodeError::Conflict { position, .. } | NodeError::Undecided { position, .. } => {
            Problem::new(StatusCode::CONFLICT, code, message)
                .with_detail(json!({ "field": "event_id", "position": position.0 }))
        }
        NodeError::Lineup(error) => match error.field() {
            Some(field) => Problem::bad(code, message).with_detail(json!({ "field": field })),
            None => Problem::new(StatusCode::CONFLICT, code, message),
        },
        // What is wrong with a model file: of its content, and with no path.
        NodeError::Model(_) | NodeError::Reference(_) | NodeError::EchoingProducer { .. } => {
            Problem::bad(code, message)
        }
        NodeError::OtherModel { held, .. } => {
            Problem::bad(code, format!("the file of this name holds model {held}"))
        }
        NodeError::HistoryRemoved { .. } => Problem::new(StatusCode::CONFLICT, code, message),
        NodeError::ChannelBehind { .. } => Problem {
            retryable: true,
            ..Problem::new(StatusCode::CONFLICT, code, message)
        },
        NodeError::UnknownEvent { .. } => Problem::new(StatusCode::NOT_FOUND, code, message)
            .with_detail(json!({ "field": "event_id" })),
        NodeError::Quota { quota, held, limit } => {
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, code, message)
                .with_detail(json!({ "quota": quota, "held": held, "limit": limit }))
        }
        NodeError::OfPlan { part, source } => refused(*source).of_part(&part),
        NodeError::VersionMoved { held, .. } => {
            Problem::new(StatusCode::PRECONDITION_FAILED, code, message)
                .with_detail(json!({ "version": held }))
        }
        NodeError::TooLong { field, .. } => {
            Problem::bad(code, message).with_detail(json!({ "field": field }))
        }
        NodeError::Config(error) => refused_config(code, message, &error),
        NodeError::Watch(MonitorError::Settings(error)) => {
            Problem::bad(code, message).with_detail(json!({ "field": error.field() }))
        }
        NodeError::Schema(error) => error.into(),
        NodeError::TenantName(_) => Problem::bad(code, message),
        _ => Problem::internal(message),
    }
}

/// A problem of rules with its place.
pub fn problem_value(problem: &rules::Problem) -> Value {
    let within = problem.in_expression;
    json!({
        "rule": problem.rule,
        "line": problem.place.line,
        "column": problem.place.column,
        "line_of_when": within.map(|place| place.line),
        "column_of_when": within.map(|place| place.column),
        "code": problem.cause.code(),
        "message": problem.cause.to_string(),
    })
}

fn refused_config(code: &'static str, message: String, error: &ConfigError) -> Problem {
    let field = json!({ "field": error.field() });
    match error {
        ConfigError::Rules(error) => {
            let problems = error.problems.iter().map(problem_value);
            let detail = json!({ "problems": problems.collect::<Vec<_>>() });
            Problem::bad(code, message).with_detail(detail)
        }
        ConfigError::Lists(ListsError::Unknown { .. }) => {
            Problem::new(StatusCode::NOT_FOUND, code, message).with_detail(field)
        }
        ConfigError::Lists(ListsError::Items(faults)) => {
            let items = faults.iter().map(|fault| {
                json!({
                    "item": fault.item,
                    "field": fault.error.field(),
                    "message": fault.error.to_string(),
                })
            });
            let detail = json!({ "items": items.collect::<Vec<_>>() });
            Problem::bad(code, message).with_detail(detail)
        }
        ConfigError::ListInUse { .. } | ConfigError::Lists(ListsError::Exists { .. }) => {
            Problem::new(StatusCode::CONFLICT, code, message).with_detail(field)
        }
        _ => Problem::bad(code, message).with_detail(field),
    }
}
