//! What an operator looks at when something is wrong: memory, threads, queues, who is stuck, how much is told.
//! On a listener of its own, off unless it is asked for; a token of an administrator like everywhere.

use std::fs;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use node::mailbox::Level;
use node::node::TenantHandle;
use node::owner::progress::{Doing, Progress};
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::app::Call;
use crate::given;
use crate::notes::NoteLevel;
use crate::problem::Problem;
use crate::profile::{Profile, ProfileError};
use crate::query::Query;
use crate::render::{body, json_body, micros};
use crate::routes::{Accepts, Access, Route};
use crate::token::Role;

macro_rules! route {
    ($method:ident $path:literal, $accepts:ident, $handler:path) => {
        route!($method $path, $accepts, None, $handler)
    };
    ($method:ident $path:literal, $accepts:ident, $within:expr, $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            access: Access::Node(Role::Admin),
            accepts: Accepts::$accepts,
            level: Level::L3,
            within: $within,
            handler: |call| Box::pin($handler(call)),
        }
    };
}

pub const ROUTES: &[Route] = &[
    route!(GET "/memory", Nothing, memory),
    route!(GET "/runtime", Nothing, runtime),
    route!(GET "/queues", Nothing, queues),
    route!(GET "/stuck", Nothing, stuck),
    route!(GET "/log-level", Nothing, log_level),
    route!(PUT "/log-level", One, set_log_level),
    route!(GET "/profile", Nothing, Some(PROFILE_WITHIN), profile),
];

/// What the allocator counts, and what the process holds of the machine's memory.
async fn memory(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let status = fs::read_to_string("/proc/self/status").map_err(Problem::internal)?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().split(' ').next()?.parse::<u64>().ok()
    };
    let bytes = |name: &str| kib(name).map(|kib| kib * 1024);
    let allocator: Option<Value> = (call.app.process.allocator)()
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(Problem::internal)?;
    let body = json!({
        "resident_bytes": bytes("VmRSS:"),
        "resident_bytes_max": bytes("VmHWM:"),
        "threads": kib("Threads:"),
        "allocator": allocator,
    });
    Ok(json_body(StatusCode::OK, &body))
}

/// The threads that speak HTTP.
async fn runtime(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let metrics = Handle::current().metrics();
    let workers = (0..metrics.num_workers()).map(|worker| {
        json!({
            "busy_us": micros(metrics.worker_total_busy_duration(worker)),
            "parks": metrics.worker_park_count(worker),
        })
    });
    let body = json!({
        "workers": workers.collect::<Vec<_>>(),
        "tasks_alive": metrics.num_alive_tasks(),
        "tasks_waiting": metrics.global_queue_depth(),
    });
    Ok(json_body(StatusCode::OK, &body))
}

async fn queues(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let tenants = call.app.node.tenants();
    let tenants: Vec<Value> = tenants.iter().map(|tenant| queue(tenant)).collect();
    Ok(json_body(StatusCode::OK, &json!({ "tenants": tenants })))
}

fn queue(tenant: &TenantHandle) -> Value {
    let ((letters, bytes), limits) = (tenant.load(), tenant.limits());
    let counters = tenant.counters();
    let levels = Level::ALL.iter().zip(&counters.queue_full);
    let refused: serde_json::Map<String, Value> = levels
        .map(|(level, count)| (level.name().to_owned(), json!(count.get())))
        .collect();
    json!({
        "tenant": tenant.name,
        "requests": letters,
        "requests_max": limits.letters_max,
        "bytes": bytes,
        "bytes_max": limits.bytes_max,
        "refused": refused,
        "rules_read": counters.rules_read.get(),
        "expired": counters.expired.iter().map(|it| it.get()).sum::<u64>(),
        "abandoned": counters.abandoned.get(),
        "owner": progress(tenant.owner()),
        "committer": progress(tenant.committer()),
    })
}

fn progress(progress: &Progress) -> Value {
    let (doing, since) = progress.now();
    json!({ "doing": doing.name(), "for_us": micros(since) })
}

/// Owner threads that have gone on to nothing else for longer than `ms` while requests wait, and fsyncs that
/// take longer.
async fn stuck(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &["ms"])?;
    let longer_than = Duration::from_millis(query.number("ms", STUCK_MS, 3_600_000)?);
    let mut tenants = call.app.node.tenants();
    tenants.retain(|tenant| is_stuck(tenant, longer_than));
    // An owner that idled for long has not woken yet for what came just now: look twice.
    sleep(BETWEEN_LOOKS).await;
    tenants.retain(|tenant| is_stuck(tenant, longer_than + BETWEEN_LOOKS));
    let stuck: Vec<Value> = tenants.iter().map(|tenant| queue(tenant)).collect();
    Ok(json_body(StatusCode::OK, &json!({ "stuck": stuck })))
}

/// A request takes microseconds and an fsync milliseconds.
const STUCK_MS: u64 = 1000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

fn is_stuck(tenant: &TenantHandle, longer_than: Duration) -> bool {
    let (letters, _) = tenant.load();
    stands_still(
        letters,
        tenant.owner().now(),
        tenant.committer().now(),
        longer_than,
    )
}

fn stands_still(
    letters: usize,
    owner: (Doing, Duration),
    committer: (Doing, Duration),
    longer_than: Duration,
) -> bool {
    let owner_is = letters > 0 && owner.1 > longer_than;
    let disk_is = committer.0 == Doing::Syncing && committer.1 > longer_than;
    owner_is || disk_is
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLevel {
    level: String,
}

async fn log_level(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let level = call.app.process.notes.level().name();
    Ok(json_body(StatusCode::OK, &json!({ "level": level })))
}

async fn set_log_level(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let given: NewLevel = given::read(&call.body, "level")?;
    let level = NoteLevel::parse(&given.level).ok_or_else(|| {
        let message = "level must be error, warning, info or debug";
        Problem::bad("level_name", message).with_detail(json!({ "field": "level" }))
    })?;
    call.app.process.notes.set_level(level);
    Ok(json_body(StatusCode::OK, &json!({ "level": level.name() })))
}

/// Stacks of a while, of whoever runs, each with its thread.
async fn profile(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &["seconds", "hz", "format"])?;
    let seconds = query.number("seconds", 10, PROFILE_SECONDS_MAX)?;
    let hz = query.number("hz", PROFILE_HZ, PROFILE_HZ_MAX)? as u32;
    let write: fn(&Profile) -> (Vec<u8>, &'static str) = match query.get("format") {
        None | Some("pprof") => |it| (it.encoded().encode_to_vec(), "application/octet-stream"),
        Some("collapsed") => |it| (it.collapsed().into(), "text/plain; charset=utf-8"),
        Some("flamegraph") => |it| (it.flame_graph().into(), "image/svg+xml"),
        Some(_) => {
            let message = "format must be pprof, collapsed or flamegraph";
            return Err(Problem::parameter("format", message));
        }
    };
    let profiler = call.app.profiler.clone();
    let started = spawn_blocking(move || profiler.start(hz)).await;
    let running = started.map_err(Problem::internal)??;
    sleep(Duration::from_secs(seconds)).await;
    let written = spawn_blocking(move || running.end().map(|it| write(&it))).await;
    let (bytes, media) = written.map_err(Problem::internal)??;
    Ok(body(StatusCode::OK, bytes, media))
}

const PROFILE_SECONDS_MAX: u64 = 60;
/// No divisor of what happens every 10 ms.
const PROFILE_HZ: u64 = 99;
/// The kernel's clock has no more than 1,000, and each costs some 100 us of the thread that it interrupts.
const PROFILE_HZ_MAX: u64 = 999;
/// And to read the names: a large binary has many.
const PROFILE_WITHIN: Duration = Duration::from_secs(PROFILE_SECONDS_MAX + 60);

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Problem {
        let message = error.to_string();
        match error {
            ProfileError::Running => Problem {
                retryable: true,
                ..Problem::new(StatusCode::CONFLICT, "profile_running", message)
            },
            ProfileError::Unreadable => {
                Problem::new(StatusCode::NOT_IMPLEMENTED, "profile_unreadable", message)
            }
            ProfileError::Failed(_) => Problem::internal(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuck_is_who_goes_on_to_nothing_while_work_waits_or_the_disk_does_not_answer() {
        let (short, long) = (Duration::from_millis(5), Duration::from_millis(500));
        let idle = (Doing::Waiting, long);
        for (letters, owner, committer, expected) in [
            (0, idle, idle, false),
            (9, (Doing::Deciding, short), idle, false),
            (9, (Doing::Deciding, long), idle, true),
            // Work is there and the owner sleeps: a wake-up that was lost.
            (1, idle, idle, true),
            (0, idle, (Doing::Syncing, short), false),
            (0, idle, (Doing::Syncing, long), true),
            (
                9,
                (Doing::AwaitingDisk, long),
                (Doing::Syncing, short),
                true,
            ),
        ] {
            let found = stands_still(letters, owner, committer, Duration::from_millis(100));
            assert_eq!(found, expected, "{letters} {owner:?} {committer:?}");
        }
    }
}
