//! What `GET /metrics` tells: requests, of the edge itself, and what node, desk, webhooks and the process count. The
//! names of the edge's own stand here; the others have a file like this one.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use meters::histogram::{Latency, nanos};
use meters::names::OTHER;
use meters::row::Group;
use meters::{Count, Exemplar, Exposition, Family, Format, Histogram, TenantNames};

use crate::app::App;
use crate::routes::{self, Route};

const ROUTE: &[&str] = &["method", "route", "tenant"];
static REQUESTS: Family = Family::counter(
    "ringfence_http_requests_total",
    "HTTP requests by route, tenant and class of status; no tenant where a request did not get as far as one.",
)
.by(&["method", "route", "tenant", "status"]);
static REQUEST_TIME: Family = Family::histogram(
    "ringfence_http_request_seconds",
    "Time from a request's head to its answer.",
)
.seconds()
.by(ROUTE);
static CONNECTIONS: Family =
    Family::counter("ringfence_connections_total", "Connections accepted.");
static CONNECTIONS_REFUSED: Family = Family::counter(
    "ringfence_connections_refused_total",
    "Connections refused at the cap.",
);
static TOKENS_HELD: Family = Family::gauge(
    "ringfence_tokens_held",
    "Verified tokens that are remembered.",
);

/// Every family of `GET /metrics` but those that the composition root adds.
pub fn families() -> Vec<&'static Family> {
    let mut all = vec![
        &REQUESTS,
        &REQUEST_TIME,
        &CONNECTIONS,
        &CONNECTIONS_REFUSED,
        &TOKENS_HELD,
    ];
    all.extend(node::metrics::families());
    all.extend(desk::metrics::families());
    all.extend(steward::metrics::families());
    all.extend(backtest::metrics::families());
    all.extend(webhooks::metrics::families());
    all
}

/// Requests by tenant, by route of the table and by class of status.
pub struct Traffic {
    pub names: TenantNames,
    /// Of requests that are no tenant's.
    nobody: Arc<ByRoute>,
    by_tenant: RwLock<BTreeMap<String, Arc<ByRoute>>>,
    pub connections: Count,
    pub connections_refused: Count,
}

/// In the order of the table; there once the route was used.
struct ByRoute(Vec<OnceLock<Box<PerRoute>>>);

#[derive(Default)]
struct PerRoute {
    classes: [Count; 5],
    time: Histogram<Latency>,
}

impl Default for ByRoute {
    fn default() -> ByRoute {
        ByRoute(routes::ALL.iter().map(|_| OnceLock::new()).collect())
    }
}

/// A request that has been answered.
pub struct Answered<'a> {
    pub route: &'static Route,
    pub tenant: Option<&'a str>,
    pub status: u16,
    pub time: Duration,
    /// Its trace and when it ended, where it is worth an exemplar.
    pub trace: Option<(u128, u64)>,
}

impl Traffic {
    pub fn new(tenants_max: usize) -> Traffic {
        Traffic {
            names: TenantNames::new(tenants_max),
            nobody: Arc::default(),
            by_tenant: RwLock::default(),
            connections: Count::default(),
            connections_refused: Count::default(),
        }
    }

    /// Those of the admin listener are not in the table and not counted.
    pub fn add(&self, it: &Answered<'_>) {
        let at = routes::ALL
            .iter()
            .position(|route| std::ptr::eq(route, it.route));
        let Some(at) = at else {
            return;
        };
        let counted = self.of(it.tenant);
        let counted = counted.0[at].get_or_init(Box::default);
        let class = usize::from(it.status / 100).clamp(1, 5) - 1;
        counted.classes[class].add(1);
        match it.trace {
            None => counted.time.add_time(it.time),
            Some((trace, at_ms)) => {
                let value = nanos(it.time);
                counted.time.add_traced(Exemplar {
                    trace,
                    value,
                    at_ms,
                });
            }
        }
    }

    fn of(&self, tenant: Option<&str>) -> Arc<ByRoute> {
        let Some(name) = tenant.map(|tenant| self.names.of(tenant)) else {
            return self.nobody.clone();
        };
        let held = self
            .by_tenant
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = held.get(name) {
            return counted.clone();
        }
        drop(held);
        let held = self.by_tenant.write();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        held.entry(name.to_owned()).or_default().clone()
    }

    /// Nothing is told of a tenant that is gone.
    fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.names.keep(&is_there);
        let held = self.by_tenant.write();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        held.retain(|name, _| name == OTHER || is_there(name));
    }

    fn all(&self) -> Vec<(String, Arc<ByRoute>)> {
        let held = self
            .by_tenant
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let held = held.iter().map(|(name, it)| (name.clone(), it.clone()));
        [(String::new(), self.nobody.clone())]
            .into_iter()
            .chain(held)
            .collect()
    }
}

pub fn text(app: &App, format: Format) -> String {
    let mut out = Exposition::new(format);
    let tenants = app.node.tenants();
    let traffic = &app.traffic;
    let is_there = |name: &str| tenants.iter().any(|tenant| tenant.name == name);
    traffic.keep(is_there);
    // Its thread may not have seen yet that a tenant is gone, whose name must not be taken again.
    let mut decay = app.process.decay.all();
    decay.retain(|name, _| is_there(name));
    requests(traffic, &mut out);
    let held = app.verifier.held() as u64;
    out.family(&TOKENS_HELD).value(&[], held);
    let groups = traffic
        .names
        .group(tenants.into_iter().map(|it| (it.name.clone(), it)));
    node::metrics::write(&mut out, &groups);
    node::metrics::write_clock(&mut out, app.node.clock());
    let seats = app.desk.seats();
    let seats = seats
        .iter()
        .map(|seat| (seat.tenant.name.clone(), &seat.counters));
    let seats: Vec<Group<'_, desk::counters::Counters>> = traffic.names.group(seats);
    desk::metrics::write(&mut out, &seats);
    let tallies = app.process.steward.tallies();
    let tallies = tallies.iter().map(|(name, tally)| (name.clone(), tally));
    steward::metrics::write(&mut out, &traffic.names.group(tallies));
    let decay = decay.iter().map(|(name, told)| (name.clone(), told));
    backtest::metrics::write(&mut out, &traffic.names.group(decay));
    webhooks::metrics::write(&mut out, &app.process.webhooks);
    app.process.meters.write(&mut out);
    out.end()
}

fn requests(traffic: &Traffic, out: &mut Exposition) {
    let all = traffic.all();
    let used = || {
        all.iter().flat_map(|(tenant, counted)| {
            let routes = routes::ALL.iter().zip(&counted.0);
            routes.filter_map(move |(route, it)| Some((tenant, route, it.get()?)))
        })
    };
    let mut series = out.family(&REQUESTS);
    for (tenant, route, counted) in used() {
        for (class, count) in counted.classes.iter().enumerate() {
            let class = format!("{}xx", class + 1);
            if count.get() > 0 {
                let labels = [route.method.as_str(), route.path, tenant, &class];
                series.value(&labels, count.get());
            }
        }
    }
    let mut series = out.family(&REQUEST_TIME);
    for (tenant, route, counted) in used() {
        let labels = [route.method.as_str(), route.path, tenant];
        series.histogram(&labels, [&counted.time]);
    }
    let connections = traffic.connections.get();
    out.family(&CONNECTIONS).value(&[], connections);
    let refused = traffic.connections_refused.get();
    out.family(&CONNECTIONS_REFUSED).value(&[], refused);
}
