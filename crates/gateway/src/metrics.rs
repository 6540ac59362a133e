//! What is counted, in the Prometheus text format. The names and help texts stand here and nowhere else.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use event::record::{DecisionKind, DecisionSource, degraded};
use node::counters::{Count, Counters, Times};
use node::guard::Part;
use node::mailbox::Level;
use node::node::TenantHandle;

use crate::app::App;
use crate::routes::{self, Route};

/// Requests by route of the table and by class of status.
pub struct Traffic {
    routes: Vec<PerRoute>,
    pub connections: Count,
    pub connections_refused: Count,
}

#[derive(Default)]
struct PerRoute {
    classes: [Count; 5],
    time: Times,
}

impl Traffic {
    pub fn new() -> Traffic {
        Traffic {
            routes: routes::ALL.iter().map(|_| PerRoute::default()).collect(),
            connections: Count::default(),
            connections_refused: Count::default(),
        }
    }

    /// Those of the admin listener are not in the table and not counted.
    pub fn add(&self, route: &'static Route, status: u16, time: Duration) {
        let at = routes::ALL.iter().position(|it| std::ptr::eq(it, route));
        let Some(route) = at.map(|at| &self.routes[at]) else {
            return;
        };
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        route.classes[class].add(1);
        route.time.add(time);
    }
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic::new()
    }
}

struct Out(String);

impl Out {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "{name}{{{labels}}} {value}");
    }

    fn times(&mut self, name: &str, labels: &str, times: &Times) {
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, count) in times.cumulative() {
            let seconds = bound as f64 / 1e6;
            let labels = format!("{labels}{comma}le=\"{seconds}\"");
            self.value(&format!("{name}_bucket"), &labels, count);
        }
        let all = times.count.get();
        let labels_all = format!("{labels}{comma}le=\"+Inf\"");
        self.value(&format!("{name}_bucket"), &labels_all, all);
        let sum = times.sum_us.get() as f64 / 1e6;
        let _ = writeln!(self.0, "{name}_sum{{{labels}}} {sum}");
        self.value(&format!("{name}_count"), labels, all);
    }
}

type Read = fn(&Counters) -> &Count;

#[rustfmt::skip]
const BY_TENANT: [(&str, &str, Read); 24] = [
    ("ringfence_duplicates_total", "Requests that were there already.", |it| &it.duplicates),
    ("ringfence_refused_total", "Requests whose content was refused by the tenant.", |it| &it.refused),
    ("ringfence_expired_total", "Requests whose deadline passed before their turn.", |it| &it.expired),
    ("ringfence_abandoned_total", "Requests whose client went away.", |it| &it.abandoned),
    ("ringfence_disk_failures_total", "Failed writes and fsyncs.", |it| &it.disk_failures),
    ("ringfence_snapshots_total", "Snapshots written.", |it| &it.snapshots),
    ("ringfence_snapshot_failures_total", "Snapshots that could not be written.", |it| &it.snapshot_failures),
    ("ringfence_index_failures_total", "Segment indexes left to be rebuilt.", |it| &it.index_failures),
    ("ringfence_groups_total", "Group commits.", |it| &it.groups),
    ("ringfence_records_total", "Log records appended.", |it| &it.records),
    ("ringfence_fsyncs_total", "Fsyncs of the log.", |it| &it.fsync.count),
    ("ringfence_segments_retired_total", "Log segments that retention removed.", |it| &it.segments_retired),
    ("ringfence_bytes_retired_total", "Bytes of log segments that retention removed.", |it| &it.bytes_retired),
    ("ringfence_retire_failures_total", "Removals that failed; the files stay until the next start.", |it| &it.retire_failures),
    ("ringfence_log_first_position", "Oldest record of the log.", |it| &it.log_first),
    ("ringfence_activations_total", "Models that entered service.", |it| &it.activations),
    ("ringfence_switch_pause_us_max", "Longest stop for a model to enter service, microseconds.", |it| &it.switch_pause_us_max),
    ("ringfence_entities", "Entities that the graph remembers.", |it| &it.entities),
    ("ringfence_entities_max", "Entities that the tenant may hold.", |it| &it.entities_max),
    ("ringfence_disk_bytes", "Bytes of the log's directory.", |it| &it.disk_bytes),
    ("ringfence_disk_bytes_max", "Bytes that the log's directory may hold.", |it| &it.disk_bytes_max),
    ("ringfence_quota_entities_refused_total", "Events refused because of new entities past the quota.", |it| &it.quota_refused[0]),
    ("ringfence_quota_bytes_refused_total", "Requests refused because the disk quota is used up.", |it| &it.quota_refused[1]),
    ("ringfence_snapshot_us_max", "Longest time that a snapshot took beside its tenant, microseconds.", |it| &it.snapshot_us_max),
];

type ReadBreakers = fn(&Counters) -> &[[Count; 3]; 3];

#[rustfmt::skip]
const BREAKERS: [(&str, &str, &str, ReadBreakers); 2] = [
    ("ringfence_breaker_open", "gauge", "1 while calls of a part of the model are kept away.", |it| &it.breaker_open),
    ("ringfence_breaker_opened_total", "counter", "Times a breaker opened, since the tenant was opened.", |it| &it.breaker_opened),
];

pub fn text(app: &App) -> String {
    let mut out = Out(String::with_capacity(16 << 10));
    requests(app, &mut out);
    clock(app, &mut out);
    delivered(app.process.webhooks.counters(), &mut out);
    let tenants = app.node.tenants();
    let name = "ringfence_decisions_total";
    out.family(name, "counter", "Decisions by verdict and source.");
    for tenant in &tenants {
        let counts = &tenant.counters().decisions;
        for (verdict, by_source) in DecisionKind::ALL.iter().zip(counts) {
            for (source, count) in DecisionSource::ALL.iter().zip(by_source) {
                let (verdict, source) = (verdict.name(), source.name());
                let labels = format!(
                    "tenant=\"{}\",decision=\"{verdict}\",source=\"{source}\"",
                    tenant.name
                );
                out.value(name, &labels, count.get());
            }
        }
    }
    degraded_and_breakers(&tenants, &mut out);
    for (name, help, read) in BY_TENANT {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        out.family(name, kind, help);
        for tenant in &tenants {
            let labels = format!("tenant=\"{}\"", tenant.name);
            out.value(name, &labels, read(tenant.counters()).get());
        }
    }
    let name = "ringfence_queue_full_total";
    out.family(
        name,
        "counter",
        "Requests refused at a full queue, by level.",
    );
    for tenant in &tenants {
        for (level, count) in Level::ALL.iter().zip(&tenant.counters().queue_full) {
            let labels = format!("tenant=\"{}\",level=\"{}\"", tenant.name, level.name());
            out.value(name, &labels, count.get());
        }
    }
    out.family(
        "ringfence_queue_len",
        "gauge",
        "Requests that wait for the owner thread.",
    );
    out.family(
        "ringfence_serving",
        "gauge",
        "1 while the tenant takes everything.",
    );
    for tenant in &tenants {
        let labels = format!("tenant=\"{}\"", tenant.name);
        out.value("ringfence_queue_len", &labels, tenant.load().0 as u64);
        let serving = u64::from(tenant.status().is_none());
        out.value("ringfence_serving", &labels, serving);
    }
    casework(app, &mut out);
    for (name, help, read) in [
        (
            "ringfence_fsync_seconds",
            "Time of one fsync of the log.",
            (|it| &it.fsync) as fn(&Counters) -> &Times,
        ),
        (
            "ringfence_decide_seconds",
            "From a request's turn to its answer, the disk included.",
            |it| &it.decide,
        ),
    ] {
        out.family(name, "histogram", help);
        for tenant in &tenants {
            let labels = format!("tenant=\"{}\"", tenant.name);
            out.times(name, &labels, read(tenant.counters()));
        }
    }
    out.0
}

type ReadDesk = fn(&desk::counters::Counters) -> &Count;

#[rustfmt::skip]
const CASEWORK: [(&str, &str, ReadDesk); 15] = [
    ("ringfence_alerts_total", "Alerts opened.", |it| &it.alerts),
    ("ringfence_alerts_without_event_total", "Decisions that came without their event.", |it| &it.without_event),
    ("ringfence_cases_opened_total", "Cases opened.", |it| &it.cases_opened),
    ("ringfence_cases_merged_total", "Cases that became part of another.", |it| &it.cases_merged),
    ("ringfence_cases_open", "Cases that are open.", |it| &it.open),
    ("ringfence_cases_breached", "Open cases past their due time.", |it| &it.breached),
    ("ringfence_case_labels_accepted_total", "Labels of dispositions that the tenant took.", |it| &it.labels_accepted),
    ("ringfence_case_labels_refused_total", "Labels of dispositions that the tenant refused.", |it| &it.labels_refused),
    ("ringfence_casework_failures_total", "Rounds over a tenant's casework that failed.", |it| &it.failures),
    ("ringfence_casework_behind_records", "Committed records that casework has not seen.", |it| &it.behind),
    ("ringfence_casework_skipped_records_total", "Records gone from the log before casework saw them.", |it| &it.skipped),
    ("ringfence_audit_entries_total", "Entries written to the audit trail.", |it| &it.audit_entries),
    ("ringfence_audit_failures_total", "Turns of the audit trail that failed.", |it| &it.audit_failures),
    ("ringfence_audit_behind_records", "Committed records that the audit trail has not seen.", |it| &it.audit_behind),
    ("ringfence_audit_skipped_records_total", "Records gone from the log before the audit trail saw them.", |it| &it.audit_skipped),
];

fn casework(app: &App, out: &mut Out) {
    let seats = app.desk.seats();
    for (name, help, read) in CASEWORK {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        out.family(name, kind, help);
        for seat in &seats {
            let labels = format!("tenant=\"{}\"", seat.tenant.name);
            out.value(name, &labels, read(&seat.counters).get());
        }
    }
}

fn degraded_and_breakers(tenants: &[Arc<TenantHandle>], out: &mut Out) {
    let name = "ringfence_degraded_total";
    out.family(
        name,
        "counter",
        "Decisions taken with less than all, by cause.",
    );
    for tenant in tenants {
        for (count, (_, cause)) in tenant.counters().degraded.iter().zip(degraded::NAMES) {
            let labels = format!("tenant=\"{}\",cause=\"{cause}\"", tenant.name);
            out.value(name, &labels, count.get());
        }
    }
    for (name, kind, help, read) in BREAKERS {
        out.family(name, kind, help);
        for tenant in tenants {
            for (part, counts) in Part::ALL.iter().zip(read(tenant.counters())) {
                for (level, count) in Level::ALL.iter().zip(counts) {
                    let (part, level) = (part.name(), level.name());
                    let labels = format!(
                        "tenant=\"{}\",part=\"{part}\",level=\"{level}\"",
                        tenant.name
                    );
                    out.value(name, &labels, count.get());
                }
            }
        }
    }
}

type ReadDelivered = fn(&webhooks::counters::Counters) -> &webhooks::counters::Count;

#[rustfmt::skip]
const WEBHOOKS: [(&str, &str, ReadDelivered); 5] = [
    ("ringfence_webhook_delivered_total", "Webhooks that their receiver took.", |it| &it.delivered),
    ("ringfence_webhook_failures_total", "Attempts at a webhook that failed.", |it| &it.failed),
    ("ringfence_webhook_dead_total", "Webhooks given up: after their last attempt, or too old.", |it| &it.dead),
    ("ringfence_webhook_breaker_opened_total", "Times that an endpoint was left alone.", |it| &it.breaker_opened),
    ("ringfence_webhook_store_failures_total", "Times that a tenant's webhooks could not be read or written.", |it| &it.store_failures),
];

/// Of all tenants: an endpoint is a tenant's own, and its counts are told to the tenant (`GET /v1/webhooks`).
fn delivered(counters: &webhooks::counters::Counters, out: &mut Out) {
    for (name, help, read) in WEBHOOKS {
        out.family(name, "counter", help);
        out.value(name, "", read(counters).get());
    }
}

fn clock(app: &App, out: &mut Out) {
    let (ahead, back, doubted) = app.node.clock().jumps();
    let name = "ringfence_clock_jumps_total";
    out.family(name, "counter", "Jumps of this machine's clock.");
    out.value(name, "direction=\"ahead\"", ahead);
    out.value(name, "direction=\"back\"", back);
    let name = "ringfence_clock_doubted";
    out.family(name, "gauge", "1 while a jump ahead is not believed.");
    out.value(name, "", u64::from(doubted));
}

fn requests(app: &App, out: &mut Out) {
    let traffic = &app.traffic;
    let name = "ringfence_http_requests_total";
    out.family(
        name,
        "counter",
        "HTTP requests by route and class of status.",
    );
    let table = || routes::ALL.iter().zip(&traffic.routes);
    for (route, counted) in table() {
        for (class, count) in counted.classes.iter().enumerate() {
            let class = class + 1;
            let (method, path) = (&route.method, route.path);
            let labels = format!("method=\"{method}\",route=\"{path}\",status=\"{class}xx\"");
            if count.get() > 0 {
                out.value(name, &labels, count.get());
            }
        }
    }
    let name = "ringfence_http_request_seconds";
    out.family(
        name,
        "histogram",
        "Time from a request's head to its answer.",
    );
    for (route, counted) in table().filter(|(_, counted)| counted.time.count.get() > 0) {
        let labels = format!("method=\"{}\",route=\"{}\"", route.method, route.path);
        out.times(name, &labels, &counted.time);
    }
    out.family(
        "ringfence_connections_total",
        "counter",
        "Connections accepted.",
    );
    out.value("ringfence_connections_total", "", traffic.connections.get());
    let name = "ringfence_connections_refused_total";
    out.family(name, "counter", "Connections refused at the cap.");
    out.value(name, "", traffic.connections_refused.get());
}
