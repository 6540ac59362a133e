//! Every route there is, with what it takes and who may use it. A test walks this table; nothing is reachable
//! that is not in it.

mod alerts;
mod audit;
mod backtests;
pub mod batch;
mod cases;
mod casework;
mod config;
mod decisions;
pub mod documents;
mod drift;
mod entities;
mod events;
mod health;
mod lists;
mod models;
mod plan;
mod reports;
mod retrain;
mod rules;
mod shadows;
mod tenants;
mod webhooks;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Response, header};
use node::mailbox::Level;

use crate::app::Call;
use crate::problem::Problem;
use crate::token::Role;

pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>> + Send>>;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Anyone,
    /// A token for the tenant of X-Tenant-Id, with this role.
    Tenant(Role),
    /// A token for every tenant, with this role.
    Node(Role),
}

/// What a route takes as body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    Nothing,
    /// One JSON document.
    One,
    /// A JSON document a line.
    Lines,
    /// One of them, as Content-Type says.
    Either,
    /// One JSON or TOML document.
    Document,
    /// One JSON document that holds some of those.
    Plan,
    /// Rows of CSV.
    Csv,
    /// The bytes of a model file.
    Model,
}

pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    pub accepts: Accepts,
    /// Without X-Biz-Level.
    pub level: Level,
    /// How long it may take, where that is more than a request may else.
    pub within: Option<Duration>,
    pub handler: fn(Call) -> Answer,
}

pub const JSON: &str = "application/json";
pub const NDJSON: &str = "application/x-ndjson";
pub const TOML: &str = "application/toml";
pub const CSV: &str = "text/csv";
/// Of an import: two million items of a list.
pub const CSV_BYTES_MAX: usize = 128 << 20;
/// Of some documents at once, each of them as large as it may be.
pub const PLAN_BYTES_MAX: usize = 4 * event::codec::BODY_BYTES_MAX;
/// How long an import may take.
pub const CSV_WITHIN: Duration = Duration::from_secs(120);
const BYTES: &str = "application/octet-stream";

/// The media type of a body, without its parameters.
pub fn media_of(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(given.split(';').next().unwrap_or("").trim())
}

impl Accepts {
    /// Without a Content-Type a body is what the route takes.
    pub fn media(self, given: Option<&str>) -> bool {
        let Some(given) = given else {
            return true;
        };
        let is = |name: &str| given.eq_ignore_ascii_case(name);
        match self {
            Accepts::Nothing => true,
            Accepts::One | Accepts::Plan => is(JSON),
            Accepts::Lines => is(NDJSON),
            Accepts::Either => is(JSON) || is(NDJSON),
            Accepts::Document => is(JSON) || is(TOML),
            Accepts::Csv => is(CSV),
            Accepts::Model => is(BYTES),
        }
    }

    pub fn names(self) -> &'static str {
        match self {
            Accepts::Nothing => "absent",
            Accepts::One | Accepts::Plan => JSON,
            Accepts::Lines => NDJSON,
            Accepts::Either => "application/json or application/x-ndjson",
            Accepts::Document => "application/json or application/toml",
            Accepts::Csv => CSV,
            Accepts::Model => BYTES,
        }
    }
}

macro_rules! route {
    ($method:ident $path:literal, $access:expr, $accepts:ident, $level:ident, $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            access: $access,
            accepts: Accepts::$accepts,
            level: Level::$level,
            within: match Accepts::$accepts {
                Accepts::Csv => Some(CSV_WITHIN),
                _ => None,
            },
            handler: |call| Box::pin($handler(call)),
        }
    };
}

use self::webhooks::deliveries;
use Access::{Anyone, Node, Tenant};

/// A static: metrics know a route by its address.
#[rustfmt::skip]
pub static ALL: &[Route] = &[
    route!(POST "/v1/decisions", Tenant(Role::Decide), One, L1, decisions::decide),
    route!(POST "/v1/decisions:batch", Tenant(Role::Decide), Lines, L3, batch::decide),
    route!(GET "/v1/decisions/{event_id}", Tenant(Role::Analyst), Nothing, L2, decisions::one),
    route!(GET "/v1/decisions", Tenant(Role::Analyst), Nothing, L3, decisions::list),
    route!(POST "/v1/events", Tenant(Role::Decide), Either, L2, events::ingest),
    route!(POST "/v1/labels", Tenant(Role::Label), Either, L2, reports::labels),
    route!(GET "/v1/labels/waiting", Tenant(Role::Analyst), Nothing, L3, reports::waiting),
    route!(GET "/v1/labels/delays", Tenant(Role::Analyst), Nothing, L3, reports::delays),
    route!(POST "/v1/outcomes", Tenant(Role::Decide), Either, L2, reports::outcomes),
    route!(GET "/v1/entities/{kind}/{id}", Tenant(Role::Analyst), Nothing, L2, entities::one),
    route!(GET "/v1/entities/{kind}/{id}/neighbours", Tenant(Role::Analyst), Nothing, L3, entities::neighbours),
    route!(GET "/v1/schema", Tenant(Role::Engineer), Nothing, L3, config::schema),
    route!(PUT "/v1/schema", Tenant(Role::Engineer), One, L3, config::set_schema),
    route!(GET "/v1/policy", Tenant(Role::Engineer), Nothing, L3, documents::policy),
    route!(PUT "/v1/policy", Tenant(Role::Engineer), Document, L2, documents::set_policy),
    route!(GET "/v1/rates", Tenant(Role::Engineer), Nothing, L3, documents::rates),
    route!(PUT "/v1/rates", Tenant(Role::Engineer), Document, L2, documents::set_rates),
    route!(GET "/v1/rules", Tenant(Role::Engineer), Nothing, L3, rules::show),
    route!(PUT "/v1/rules", Tenant(Role::Engineer), Document, L2, rules::set),
    route!(POST "/v1/rules/validate", Tenant(Role::Engineer), Document, L3, rules::validate),
    route!(GET "/v1/rules/variables", Tenant(Role::Engineer), Nothing, L3, rules::variables),
    route!(POST "/v1/config", Tenant(Role::Engineer), Plan, L2, plan::take),
    route!(POST "/v1/config/validate", Tenant(Role::Engineer), Plan, L3, plan::validate),
    route!(POST "/v1/backtests", Tenant(Role::Engineer), One, L3, backtests::start),
    route!(GET "/v1/backtests", Tenant(Role::Engineer), Nothing, L3, backtests::list),
    route!(GET "/v1/backtests/{id}", Tenant(Role::Engineer), Nothing, L3, backtests::one),
    route!(DELETE "/v1/backtests/{id}", Tenant(Role::Engineer), Nothing, L3, backtests::cancel),
    route!(POST "/v1/advice", Tenant(Role::Engineer), One, L3, backtests::advise),
    route!(GET "/v1/lists", Tenant(Role::Analyst), Nothing, L3, lists::all),
    route!(PUT "/v1/lists/{name}", Tenant(Role::Engineer), One, L2, lists::define),
    route!(DELETE "/v1/lists/{name}", Tenant(Role::Engineer), Nothing, L2, lists::drop_list),
    route!(GET "/v1/lists/{name}/items", Tenant(Role::Analyst), Nothing, L3, lists::items),
    route!(POST "/v1/lists/{name}/items", Tenant(Role::Engineer), One, L2, lists::put),
    route!(POST "/v1/lists/{name}/csv", Tenant(Role::Engineer), Csv, L3, lists::bulk::import),
    route!(GET "/v1/lists/{name}/csv", Tenant(Role::Analyst), Nothing, L3, lists::bulk::show),
    route!(POST "/v1/lists/{name}/remove", Tenant(Role::Engineer), One, L2, lists::remove),
    route!(GET "/v1/drift", Tenant(Role::Analyst), Nothing, L3, drift::show),
    route!(GET "/v1/drift/statistics", Tenant(Role::Analyst), Nothing, L3, drift::statistics),
    route!(GET "/v1/drift/settings", Tenant(Role::Engineer), Nothing, L3, documents::drift),
    route!(PUT "/v1/drift/settings", Tenant(Role::Engineer), Document, L2, documents::set_drift),
    route!(GET "/v1/models", Tenant(Role::Engineer), Nothing, L3, models::list),
    route!(POST "/v1/models", Tenant(Role::Engineer), Model, L3, models::take),
    route!(GET "/v1/models/{model}", Tenant(Role::Engineer), Nothing, L3, models::one),
    route!(DELETE "/v1/models/{model}", Tenant(Role::Engineer), Nothing, L3, models::lineup::remove),
    route!(GET "/v1/models/{model}/file", Tenant(Role::Engineer), Nothing, L3, models::file),
    route!(POST "/v1/models/{model}/activate", Tenant(Role::Engineer), Nothing, L2, models::activate),
    route!(POST "/v1/models/{model}/challenge", Tenant(Role::Engineer), One, L2, models::lineup::challenge),
    route!(POST "/v1/models/{model}/withdraw", Tenant(Role::Engineer), Nothing, L2, models::lineup::withdraw),
    route!(POST "/v1/models/{model}/retire", Tenant(Role::Engineer), Nothing, L2, models::lineup::retire),
    route!(POST "/v1/models/{model}/reinstate", Tenant(Role::Engineer), Nothing, L2, models::lineup::reinstate),
    route!(POST "/v1/models:rollback", Tenant(Role::Engineer), Nothing, L2, models::lineup::roll_back),
    route!(POST "/v1/models/{model}/shadow", Tenant(Role::Engineer), Nothing, L2, shadows::enter),
    route!(DELETE "/v1/models/{model}/shadow", Tenant(Role::Engineer), Nothing, L2, shadows::end),
    route!(GET "/v1/models/compare", Tenant(Role::Engineer), Nothing, L3, shadows::compare),
    route!(GET "/v1/retrain", Tenant(Role::Engineer), Nothing, L3, retrain::list),
    route!(POST "/v1/retrain", Tenant(Role::Engineer), Nothing, L3, retrain::start),
    route!(GET "/v1/retrain/{id}", Tenant(Role::Engineer), Nothing, L3, retrain::one),
    route!(POST "/v1/retrain/{id}/approve", Tenant(Role::Engineer), Nothing, L2, retrain::approve),
    route!(POST "/v1/retrain/{id}/reject", Tenant(Role::Engineer), Nothing, L2, retrain::reject),
    route!(GET "/v1/alerts", Tenant(Role::Analyst), Nothing, L3, alerts::list),
    route!(GET "/v1/alerts/{id}", Tenant(Role::Analyst), Nothing, L3, alerts::one),
    route!(GET "/v1/cases", Tenant(Role::Analyst), Nothing, L3, cases::queue),
    route!(GET "/v1/cases/{id}", Tenant(Role::Analyst), Nothing, L3, cases::one),
    route!(POST "/v1/cases:claim-next", Tenant(Role::Analyst), One, L2, cases::claim_next),
    route!(POST "/v1/cases:bulk", Tenant(Role::Analyst), One, L3, cases::bulk),
    route!(POST "/v1/cases/{id}/claim", Tenant(Role::Analyst), Nothing, L2, cases::claim),
    route!(POST "/v1/cases/{id}/release", Tenant(Role::Analyst), Nothing, L2, cases::release),
    route!(POST "/v1/cases/{id}/assign", Tenant(Role::Analyst), One, L2, cases::assign),
    route!(POST "/v1/cases/{id}/snooze", Tenant(Role::Analyst), One, L2, cases::snooze),
    route!(POST "/v1/cases/{id}/note", Tenant(Role::Analyst), One, L2, cases::note),
    route!(POST "/v1/cases/{id}/checklist", Tenant(Role::Analyst), One, L2, cases::check),
    route!(POST "/v1/cases/{id}/attachment", Tenant(Role::Analyst), One, L2, cases::attach),
    route!(POST "/v1/cases/{id}/disposition", Tenant(Role::Analyst), One, L2, cases::dispose),
    route!(POST "/v1/cases/{id}/close", Tenant(Role::Analyst), One, L2, cases::close),
    route!(POST "/v1/cases/{id}/reopen", Tenant(Role::Analyst), One, L2, cases::reopen),
    route!(GET "/v1/casework", Tenant(Role::Analyst), Nothing, L3, casework::settings),
    route!(PUT "/v1/casework", Tenant(Role::Admin), One, L3, casework::set_settings),
    route!(POST "/v1/casework/validate", Tenant(Role::Admin), One, L3, casework::validate),
    route!(GET "/v1/webhooks", Tenant(Role::Engineer), Nothing, L3, webhooks::list),
    route!(POST "/v1/webhooks", Tenant(Role::Engineer), One, L3, webhooks::create),
    route!(GET "/v1/webhooks/{endpoint}", Tenant(Role::Engineer), Nothing, L3, webhooks::one),
    route!(PUT "/v1/webhooks/{endpoint}", Tenant(Role::Engineer), One, L3, webhooks::change),
    route!(DELETE "/v1/webhooks/{endpoint}", Tenant(Role::Engineer), Nothing, L3, webhooks::remove),
    route!(POST "/v1/webhooks/{endpoint}/secrets", Tenant(Role::Engineer), One, L3, webhooks::add_secret),
    route!(POST "/v1/webhooks/{endpoint}/secrets/{secret}/expire", Tenant(Role::Engineer), One, L3, webhooks::end_secret),
    route!(POST "/v1/webhooks/{endpoint}/test", Tenant(Role::Engineer), Nothing, L3, deliveries::ping),
    route!(GET "/v1/webhooks/{endpoint}/deliveries", Tenant(Role::Engineer), Nothing, L3, deliveries::list),
    route!(GET "/v1/webhooks/{endpoint}/deliveries/{delivery}", Tenant(Role::Engineer), Nothing, L3, deliveries::one),
    route!(POST "/v1/webhooks/{endpoint}/deliveries/{delivery}/redeliver", Tenant(Role::Engineer), Nothing, L3, deliveries::again),
    route!(POST "/v1/webhooks/{endpoint}/redeliver", Tenant(Role::Engineer), Nothing, L3, deliveries::all_dead),
    route!(GET "/v1/audit", Tenant(Role::Engineer), Nothing, L3, audit::list),
    route!(GET "/v1/audit/head", Tenant(Role::Engineer), Nothing, L3, audit::head),
    route!(GET "/v1/node/audit", Node(Role::Admin), Nothing, L3, audit::of_node),
    route!(GET "/v1/tenants", Node(Role::Admin), Nothing, L3, tenants::list),
    route!(POST "/v1/tenants", Node(Role::Admin), One, L3, tenants::create),
    route!(POST "/v1/tenants/{name}/suspend", Node(Role::Admin), Nothing, L3, tenants::suspend),
    route!(POST "/v1/tenants/{name}/resume", Node(Role::Admin), Nothing, L3, tenants::resume),
    route!(DELETE "/v1/tenants/{name}", Node(Role::Admin), Nothing, L3, tenants::erase),
    route!(GET "/healthz", Anyone, Nothing, L1, health::alive),
    route!(GET "/readyz", Anyone, Nothing, L1, health::ready),
    route!(GET "/openapi.json", Anyone, Nothing, L3, health::openapi),
    route!(GET "/metrics", Node(Role::Admin), Nothing, L3, health::metrics),
];
