//! What the process itself is told as: its build, its share of the machine, the threads that speak HTTP. The names of
//! processor time, memory and files are those that every Prometheus client uses.

use meters::{Exposition, Family, Source};
use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process};
use tokio::runtime::Handle;

static BUILD: Family = Family::info("ringfence_build_info", "The version that runs.")
    .by(&["version", "engine_semantics"]);
static CPU: Family = Family::counter(
    "process_cpu_seconds_total",
    "Processor time of the process, user and system.",
)
.seconds();
static RESIDENT: Family =
    Family::gauge("process_resident_memory_bytes", "Memory that is resident.").bytes();
static VIRTUAL: Family =
    Family::gauge("process_virtual_memory_bytes", "Memory that is mapped.").bytes();
static STARTED: Family = Family::gauge(
    "process_start_time_seconds",
    "When the process started, seconds since 1970.",
)
.seconds();
static OPEN_FDS: Family = Family::gauge("process_open_fds", "Open files and sockets.");
static MAX_FDS: Family = Family::gauge("process_max_fds", "Files and sockets that may be open.");
static THREADS: Family = Family::gauge("process_threads", "Threads of the process.");
static WORKERS: Family = Family::gauge("ringfence_http_workers", "Threads that speak HTTP.");
static BUSY: Family = Family::counter(
    "ringfence_http_worker_busy_seconds_total",
    "Time that a thread that speaks HTTP was busy.",
)
.seconds()
.by(WORKER);
static PARKS: Family = Family::counter(
    "ringfence_http_worker_parks_total",
    "Times that a thread that speaks HTTP found nothing to do.",
)
.by(WORKER);
const WORKER: &[&str] = &["worker"];
static TASKS: Family = Family::gauge(
    "ringfence_http_tasks",
    "Tasks that are alive on the threads that speak HTTP.",
);
static TASKS_WAITING: Family = Family::gauge(
    "ringfence_http_tasks_waiting",
    "Tasks that wait for a thread that speaks HTTP.",
);

/// Every family of `GET /metrics`, in the order in which it tells them.
pub fn families() -> Vec<&'static Family> {
    let mut all = gateway::metrics::families();
    all.extend(own());
    all.extend(traces::metrics::families());
    all
}

fn own() -> Vec<&'static Family> {
    vec![
        &BUILD,
        &CPU,
        &RESIDENT,
        &VIRTUAL,
        &STARTED,
        &OPEN_FDS,
        &MAX_FDS,
        &THREADS,
        &WORKERS,
        &BUSY,
        &PARKS,
        &TASKS,
        &TASKS_WAITING,
    ]
}

/// `runtime` is that of the threads that speak HTTP.
pub fn source(runtime: Handle) -> Source {
    Source::new(own(), move |out| {
        let version = env!("CARGO_PKG_VERSION");
        let semantics = engine::ENGINE_SEMANTICS.to_string();
        out.family(&BUILD).value(&[version, &semantics], 1);
        process(out);
        workers(out, &runtime);
    })
}

/// What cannot be read is not told: a gap says so, a zero would not.
fn process(out: &mut Exposition) {
    let myself = Process::myself();
    let stat = myself.as_ref().ok().and_then(|it| it.stat().ok());
    let files = myself.as_ref().ok().and_then(|it| it.fd_count().ok());
    let limits = myself.as_ref().ok().and_then(|it| it.limits().ok());
    let mut cpu = out.family(&CPU);
    if let Some(stat) = &stat {
        let ticks = stat.utime + stat.stime;
        cpu.float(&[], ticks as f64 / procfs::ticks_per_second() as f64);
    }
    let mut resident = out.family(&RESIDENT);
    if let Some(stat) = &stat {
        resident.value(&[], stat.rss_bytes().get());
    }
    let mut mapped = out.family(&VIRTUAL);
    if let Some(stat) = &stat {
        mapped.value(&[], stat.vsize);
    }
    let mut started = out.family(&STARTED);
    if let (Some(stat), Ok(boot)) = (&stat, procfs::boot_time_secs()) {
        let since_boot = stat.starttime as f64 / procfs::ticks_per_second() as f64;
        started.float(&[], boot as f64 + since_boot);
    }
    let mut open = out.family(&OPEN_FDS);
    if let Some(files) = files {
        open.value(&[], files as u64);
    }
    let mut most = out.family(&MAX_FDS);
    if let Some(LimitValue::Value(max)) = limits.map(|it| it.max_open_files.soft_limit) {
        most.value(&[], max);
    }
    let mut threads = out.family(&THREADS);
    if let Some(stat) = &stat {
        threads.value(&[], stat.num_threads.max(0) as u64);
    }
}

fn workers(out: &mut Exposition, runtime: &Handle) {
    let metrics = runtime.metrics();
    let workers = metrics.num_workers();
    out.family(&WORKERS).value(&[], workers as u64);
    let mut busy = out.family(&BUSY);
    for worker in 0..workers {
        let seconds = metrics.worker_total_busy_duration(worker).as_secs_f64();
        busy.float(&[&worker.to_string()], seconds);
    }
    let mut parks = out.family(&PARKS);
    for worker in 0..workers {
        let count = metrics.worker_park_count(worker);
        parks.value(&[&worker.to_string()], count);
    }
    let alive = metrics.num_alive_tasks() as u64;
    out.family(&TASKS).value(&[], alive);
    let waiting = metrics.global_queue_depth() as u64;
    out.family(&TASKS_WAITING).value(&[], waiting);
}
