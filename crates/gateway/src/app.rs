//! The way of one request: route, gate, body, handler, answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{RequestExt, http::request::Parts};
use backtest::decay::Decay;
use desk::Desk;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use meters::Registry;
use node::Node;
use node::mailbox::Level;
use node::node::{Pending, TenantHandle};
use node::request::Failed;
use node::timeline::{Step, Timeline};
use serde_json::json;
use steward::Steward;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};
use webhooks::Deliverer;

use crate::backtests::Backtests;
use crate::gate::{self, Admitted};
use crate::limiter::Limiter;
use crate::metrics::{Answered, Traffic};
use crate::notes::{Field, Note, NoteLevel, Notes};
use crate::problem::Problem;
use crate::profile::Profiler;
use crate::readers::Readers;
use crate::recent::Recent;
use crate::render::micros;
use crate::routes::{self, Accepts, Route};
use crate::settings::GatewaySettings;
use crate::spans::{Batch, Ended, Tracing, Verdict};
use crate::token::Verifier;
use crate::trace::{Trace, Traces};

/// What every request sees. There is one for the process.
pub struct App {
    pub node: Arc<Node>,
    pub desk: Arc<Desk>,
    pub verifier: Verifier,
    pub settings: GatewaySettings,
    pub limiter: Limiter,
    pub traffic: Traffic,
    pub schemas: Schemas,
    pub process: Process,
    pub backtests: Backtests,
    pub profiler: Profiler,
    traces: Traces,
    /// Model files and CSV are large: one is read at a time.
    pub uploads: Arc<Semaphore>,
    pub readers: Readers,
    draining: AtomicBool,
}

/// What the edge knows of the process it is part of.
pub struct Process {
    /// The cause of a failure inside is told here and not to the client.
    pub notes: Arc<Notes>,
    /// Told of endpoints; it delivers on its own.
    pub webhooks: Arc<Deliverer>,
    /// Sees to retrains.
    pub steward: Arc<Steward>,
    /// Judges models by the labels of what they decided.
    pub decay: Arc<Decay>,
    /// What the allocator counts, as JSON.
    pub allocator: fn() -> Option<String>,
    /// `None`: no spans are made.
    pub tracing: Option<Tracing>,
    /// Traces of what webhooks will tell of.
    pub recent: Arc<Recent>,
    /// What else is told by `GET /metrics`.
    pub meters: Registry,
}

/// What a new tenant gets that names no schema, and how it is furnished.
pub struct Schemas {
    pub default: String,
    pub furnish: fn(&node::Place) -> Result<(), node::NodeError>,
}

/// A request that has passed the gate.
pub struct Call {
    pub app: Arc<App>,
    pub admitted: Admitted,
    pub params: Vec<(String, String)>,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The right to have a large body in memory, of a request that brings one.
    pub upload: Option<OwnedSemaphorePermit>,
    pub trace: Trace,
    pub started: Instant,
    /// Where its steps are noted; without traces there is none.
    pub timeline: Option<Arc<Timeline>>,
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const LOSS_WINDOW: HeaderName = HeaderName::from_static("x-ringfence-loss-window");

impl App {
    pub fn new(
        node: Arc<Node>,
        desk: Arc<Desk>,
        verifier: Verifier,
        settings: GatewaySettings,
        schemas: Schemas,
        process: Process,
    ) -> App {
        App {
            node,
            desk,
            verifier,
            limiter: Limiter::new(settings.rates.clone()),
            traffic: Traffic::new(settings.metrics_tenants_max),
            backtests: Backtests::new(settings.backtests),
            settings,
            schemas,
            process,
            profiler: Profiler::default(),
            traces: Traces::new(),
            uploads: Arc::new(Semaphore::new(1)),
            readers: Readers::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on `/readyz` says no; requests are still served until the node closes its boxes.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.backtests.cancel_all();
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}

/// All routes of a table; what is in none of them is refused in the same form.
pub fn router(app: &Arc<App>, table: &'static [Route]) -> Router {
    let mut router = Router::new();
    for route in table {
        let app = app.clone();
        let handler = move |request: Request| handle(app.clone(), route, request);
        let by_method: MethodRouter = on(filter(&route.method), handler);
        router = router.route(route.path, by_method);
    }
    router
        .fallback(async || Problem::not_found("this path").response())
        .method_not_allowed_fallback(async || {
            let what = "this path has no such method";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", what).response()
        })
}

fn filter(method: &Method) -> MethodFilter {
    // The table has no others; a further one fails to start rather than to answer.
    MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE)
}

/// What is known of a request besides its answer.
#[derive(Default)]
pub struct Seen {
    /// Whose token it had, also where it was refused after that.
    pub tenant: Option<Arc<TenantHandle>>,
    level: Option<Level>,
}

/// A request as it came.
struct Arrived {
    started: Instant,
    trace: Trace,
    timeline: Option<Arc<Timeline>>,
}

async fn handle(app: Arc<App>, route: &'static Route, request: Request) -> Response<Body> {
    let started = Instant::now();
    let given = request.headers().get(TRACEPARENT);
    let mut trace = app.traces.of(given.and_then(|value| value.to_str().ok()));
    let tracing = app.process.tracing.as_ref();
    let timeline = tracing.map(|_| Arc::new(Timeline::from(started)));
    let arrived = Arrived {
        started,
        trace,
        timeline: timeline.clone(),
    };
    let mut seen = Seen::default();
    let answered = serve(&app, route, request, arrived, &mut seen).await;
    let (mut response, code) = match answered {
        Ok(response) => (response, None),
        Err(problem) => {
            tell_cause(&app, route, trace, &problem);
            let code = problem.code;
            (problem.response(), Some(code))
        }
    };
    let ended = Ended {
        route,
        trace,
        tenant: seen.tenant.as_ref().map(|tenant| &*tenant.name),
        level: seen.level,
        status: response.status().as_u16(),
        code,
        verdict: response.extensions_mut().remove::<Verdict>(),
        batch: response.extensions_mut().remove::<Batch>(),
        time: started.elapsed(),
        timeline: timeline.as_deref(),
    };
    let kept = tracing.filter(|tracing| tracing.keeps(&ended));
    if let Some(tracing) = kept {
        tracing.send(&ended, &app.traces);
        trace.sampled = true;
    }
    app.traffic.add(&Answered {
        route,
        tenant: ended.tenant,
        status: ended.status,
        time: ended.time,
        // One that is in no collector leads nowhere; without a collector it leads to the log's lines.
        trace: (kept.is_some() || tracing.is_none()).then(|| (trace.trace, now_ms())),
    });
    tell_request(&app, &ended);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&trace.header()) {
        headers.insert(TRACEPARENT, value);
    }
    if let Some(window) = app.settings.loss_window
        && let Ok(value) = HeaderValue::from_str(&format!("{}ms", window.as_millis()))
    {
        headers.insert(LOSS_WINDOW, value);
    }
    response
}

/// Why a request failed inside: for the operator, not for the client.
fn tell_cause(app: &App, route: &Route, trace: Trace, problem: &Problem) {
    let Some(cause) = &problem.cause else {
        return;
    };
    app.process.notes.put(NoteLevel::Error, || Note {
        level: NoteLevel::Error,
        text: format!("{}: {cause}", route.path),
        trace: Some(trace.trace),
        fields: vec![("code", Field::Text(problem.code.to_owned()))],
    });
}

/// A line for a request that failed here, and at the level of debugging for each.
fn tell_request(app: &App, it: &Ended<'_>) {
    let level = match it.status {
        500.. => NoteLevel::Info,
        _ => NoteLevel::Debug,
    };
    app.process.notes.put(level, || {
        let us = micros(it.time);
        let (method, path, status) = (&it.route.method, it.route.path, it.status);
        let text = |text: &str| Field::Text(text.to_owned());
        let mut fields = vec![
            ("method", text(method.as_str())),
            ("route", text(path)),
            ("status", Field::Number(u64::from(status))),
            ("us", Field::Number(us)),
        ];
        fields.extend(it.tenant.map(|tenant| ("tenant", text(tenant))));
        fields.extend(it.code.map(|code| ("code", text(code))));
        fields.extend(
            it.verdict
                .map(|told| ("decision", text(told.verdict.name()))),
        );
        Note {
            level,
            text: format!("{method} {path} {status} {us} us"),
            trace: Some(it.trace.trace),
            fields,
        }
    });
}

/// For exemplars: milliseconds since 1970, 0 on a machine whose clock is before that.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

async fn serve(
    app: &Arc<App>,
    route: &'static Route,
    mut request: Request,
    arrived: Arrived,
    seen: &mut Seen,
) -> Result<Response<Body>, Problem> {
    let started = arrived.started;
    let params = params(&mut request).await?;
    let (parts, body) = request.into_parts();
    let admitted = gate::admit(app, route, &parts, started, &mut seen.tenant)?;
    seen.level = Some(admitted.level());
    let upload = match route.accepts {
        Accepts::Model | Accepts::Csv => {
            Some(app.uploads.clone().try_acquire_owned().map_err(|_| {
                let message = "another large body is being read";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "upload_busy", message).after(1)
            })?)
        }
        _ => None,
    };
    let body = read_body(app, route, &parts, body).await?;
    let deadline = match route.within {
        Some(within) => admitted.deadline.max(started + within),
        None => admitted.deadline,
    };
    let deadline = tokio::time::Instant::from_std(deadline);
    let call = Call {
        app: app.clone(),
        admitted,
        params,
        uri: parts.uri,
        headers: parts.headers,
        body,
        upload,
        trace: arrived.trace,
        started,
        timeline: arrived.timeline,
    };
    let answered = timeout_at(deadline, (route.handler)(call)).await;
    answered.unwrap_or_else(|_| Err(node::request::Failed::Expired.into()))
}

async fn params(request: &mut Request) -> Result<Vec<(String, String)>, Problem> {
    let params = request.extract_parts::<RawPathParams>().await;
    let params = params.map_err(|_| Problem::bad("path_format", "the path is no UTF-8"))?;
    let owned = params
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(owned.collect())
}

async fn read_body(app: &App, route: &Route, parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    let limits = &app.settings.limits;
    let media = routes::media_of(&parts.headers);
    let is_batch = media.is_some_and(|it| it.eq_ignore_ascii_case(routes::NDJSON));
    let max = match route.accepts {
        Accepts::Nothing => 0,
        Accepts::One => limits.body_bytes_max,
        Accepts::Document => event::codec::BODY_BYTES_MAX,
        Accepts::Plan => routes::PLAN_BYTES_MAX,
        Accepts::Lines => limits.batch_bytes_max,
        Accepts::Either if is_batch => limits.batch_bytes_max,
        Accepts::Either => limits.body_bytes_max,
        Accepts::Csv => routes::CSV_BYTES_MAX,
        Accepts::Model => limits.model_bytes_max,
    };
    if !route.accepts.media(media) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media_type",
            format!("Content-Type must be {}", route.accepts.names()),
        ));
    }
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body must be at most {max} bytes"),
        )
        .with_detail(json!({ "bytes_max": max }))
    };
    let stated = parts.headers.get(header::CONTENT_LENGTH);
    let stated = stated.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|bytes| bytes > max) {
        return Err(too_large());
    }
    let read = timeout(limits.body_read, Limited::new(body, max).collect()).await;
    let Ok(read) = read else {
        let message = "the body did not arrive in time";
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message).after(1));
    };
    match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::bad("body_unreadable", "the body broke off")),
    }
}

impl Call {
    pub fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(held, _)| held == name);
        found.map_or("", |(_, value)| value)
    }

    /// Hands a request to the tenant's owner, which notes its steps where they are wanted.
    pub fn hand_over(
        &self,
        tenant: &TenantHandle,
        request: node::request::Request,
        bytes: usize,
        level: Level,
    ) -> Result<Pending, Failed> {
        if let Some(timeline) = &self.timeline {
            timeline.mark(Step::Asked);
        }
        let urgency = (level, self.admitted.deadline);
        tenant.ask_timed(request, bytes, urgency, self.timeline.clone())
    }

    /// The level a batch has without a header is its route's.
    pub fn level_of(&self, event_type: &str) -> Level {
        self.admitted.level_of(&self.app.settings, event_type)
    }
}
