//! Who may pass: token, tenant, role, rate, level. One after the other, each its own refusal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use node::mailbox::Level;
use node::node::TenantHandle;
use serde_json::json;

use crate::app::App;
use crate::problem::Problem;
use crate::routes::{Access, Route};
use crate::settings::GatewaySettings;
use crate::token::{Claims, EVERY_TENANT, TokenError};

pub const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
pub const LEVEL: HeaderName = HeaderName::from_static("x-biz-level");
pub const DEADLINE: HeaderName = HeaderName::from_static("x-deadline-ms");

/// What the gate found out.
pub struct Admitted {
    /// `None` where the route needs none.
    pub tenant: Option<Arc<TenantHandle>>,
    pub claims: Option<Arc<Claims>>,
    pub deadline: Instant,
    /// As the request asked for it.
    asked: Option<Level>,
    route: Level,
}

/// `tenant_of` gets the tenant whose token it was, also of a request that is refused after that.
pub fn admit(
    app: &App,
    route: &Route,
    parts: &Parts,
    started: Instant,
    tenant_of: &mut Option<Arc<TenantHandle>>,
) -> Result<Admitted, Problem> {
    let headers = &parts.headers;
    let mut admitted = Admitted {
        tenant: None,
        claims: None,
        deadline: started + app.settings.limits.deadline,
        asked: level(headers)?,
        route: route.level,
    };
    if let Some(wanted) = deadline(headers)? {
        admitted.deadline = admitted.deadline.min(started + wanted);
    }
    match route.access {
        Access::Anyone => {}
        Access::Tenant(role) => {
            let claims = verified(app, headers)?;
            admitted.tenant = Some(tenant(app, headers, &claims)?);
            tenant_of.clone_from(&admitted.tenant);
            allowed(&claims, role)?;
            let name = admitted.tenant.as_ref().map_or("", |tenant| &tenant.name);
            rate(app, name)?;
            admitted.claims = Some(claims);
        }
        Access::Node(role) => {
            let claims = verified(app, headers)?;
            allowed(&claims, role)?;
            if claims.tenant != EVERY_TENANT {
                return Err(forbidden(
                    "tenant_mismatch",
                    "this needs a token for every tenant (tenant \"*\")",
                ));
            }
            admitted.claims = Some(claims);
        }
    }
    Ok(admitted)
}

fn verified(app: &App, headers: &HeaderMap) -> Result<Arc<Claims>, Problem> {
    let given = headers.get(header::AUTHORIZATION);
    let text = given.and_then(|value| value.to_str().ok());
    // The scheme's name is free in its case (RFC 9110, 11.1).
    let token = text
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let claims = match token {
        None | Some("") => Err(TokenError::Missing),
        Some(token) => app.verifier.verify(token),
    };
    claims.map_err(|error| Problem::new(StatusCode::UNAUTHORIZED, error.code(), error.to_string()))
}

/// The tenant that is asked for. Whether another one exists is not told to a token that is not for it.
fn tenant(app: &App, headers: &HeaderMap, claims: &Claims) -> Result<Arc<TenantHandle>, Problem> {
    let given = headers.get(TENANT);
    let Some(name) = given.and_then(|value| value.to_str().ok()) else {
        let message = "the X-Tenant-Id header is missing";
        return Err(Problem::bad("tenant_missing", message));
    };
    if claims.tenant != name && claims.tenant != EVERY_TENANT {
        return Err(forbidden(
            "tenant_mismatch",
            "the token is for another tenant than X-Tenant-Id names",
        ));
    }
    let unknown = || Problem::bad("tenant_unknown", "X-Tenant-Id names no tenant of this node");
    app.node.tenant(name).ok_or_else(unknown)
}

fn allowed(claims: &Claims, role: crate::token::Role) -> Result<(), Problem> {
    if claims.may(role) {
        return Ok(());
    }
    let message = format!("this needs the role {}", role.name());
    Err(forbidden("role_missing", &message).with_detail(json!({ "role": role.name() })))
}

fn rate(app: &App, tenant: &str) -> Result<(), Problem> {
    app.limiter.take(tenant).map_err(|wait| {
        let rate = app.settings.rates.of(tenant);
        let message = format!(
            "more than {} requests a second with a burst of {}",
            rate.per_second, rate.burst
        );
        let seconds = wait.as_secs_f64().ceil().max(1.0) as u32;
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).after(seconds)
    })
}

fn level(headers: &HeaderMap) -> Result<Option<Level>, Problem> {
    let Some(given) = headers.get(LEVEL) else {
        return Ok(None);
    };
    let level = given.to_str().ok().and_then(Level::parse);
    level
        .map(Some)
        .ok_or_else(|| Problem::bad("level_format", "X-Biz-Level must be L1, L2 or L3"))
}

fn deadline(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let Some(given) = headers.get(DEADLINE) else {
        return Ok(None);
    };
    let millis = given
        .to_str()
        .ok()
        .and_then(|text| text.parse::<u32>().ok());
    let millis = millis.filter(|millis| *millis > 0);
    let millis = millis.ok_or_else(|| {
        Problem::bad(
            "deadline_format",
            "X-Deadline-Ms must be a whole number of milliseconds above 0",
        )
    })?;
    Ok(Some(Duration::from_millis(u64::from(millis))))
}

fn forbidden(code: &'static str, message: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, message)
}

impl Admitted {
    /// What the request asked for, else what its event type has, else its route; never more urgent than the
    /// token allows.
    pub fn level_of(&self, settings: &GatewaySettings, event_type: &str) -> Level {
        let configured = settings.levels.get(event_type).copied();
        let wanted = self.asked.or(configured).unwrap_or(self.route);
        wanted.max(
            self.claims
                .as_ref()
                .map_or(Level::L1, |claims| claims.level()),
        )
    }

    pub fn level(&self) -> Level {
        let wanted = self.asked.unwrap_or(self.route);
        wanted.max(
            self.claims
                .as_ref()
                .map_or(Level::L1, |claims| claims.level()),
        )
    }

    pub fn tenant(&self) -> Result<&Arc<TenantHandle>, Problem> {
        self.tenant
            .as_ref()
            .ok_or_else(|| Problem::internal("a route of a tenant without one"))
    }
}
