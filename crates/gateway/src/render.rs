//! Answers as JSON. The hot one, a decision, is written from borrowed parts.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use event::json::event_value;
use event::record::{Decision, Findings, Label, ModelVersion, ReasonCode, degraded};
use event::{Event, Position, Schema, hex};
use node::journal::lookup::Found;
use node::owner::Shape;
use node::tenant::around::{EntityView, Listed, Neighbourhood};
use node::tenant::serving::Linked;
use serde::Serialize;
use serde_json::{Value, json};
use webhooks::source::Happened;

use crate::routes::JSON;

#[derive(Serialize)]
pub struct DecisionBody<'a> {
    pub event_id: &'a str,
    pub decision: &'static str,
    pub score: u16,
    pub probability: f64,
    pub risk_level: &'static str,
    pub source: &'static str,
    /// `null` when no model scored.
    pub model_version: Option<String>,
    pub policy_version: u32,
    pub rules_version: u32,
    pub reasons: Vec<ReasonBody<'a>>,
    pub links: Vec<LinkBody<'a>>,
    pub degraded: Vec<&'static str>,
    /// What rules, lists and the draw had to say.
    #[serde(skip_serializing_if = "Findings::is_empty")]
    pub findings: &'a Findings,
    /// Chance with which this was decided among the alternatives; for who looks a decision up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
    pub position: u64,
    pub duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
}

#[derive(Serialize)]
pub struct ReasonBody<'a> {
    code: &'a str,
    text: &'a str,
    contribution: f64,
}

#[derive(Serialize)]
pub struct LinkBody<'a> {
    role: &'a str,
    id: &'a str,
    accounts: u32,
    with_known_fraud: u32,
    text: String,
}

/// Microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Timings {
    pub read_us: u64,
    /// In the queue, decided, on disk.
    pub decided_us: u64,
}

/// What a decision is told with.
#[derive(Clone, Copy)]
pub struct Teller<'a> {
    pub shape: &'a Shape,
    pub starter: Option<[u8; 8]>,
}

impl<'a> Teller<'a> {
    pub fn decision(
        &self,
        event_id: &'a str,
        position: Position,
        decision: &'a Decision,
        links: &'a [Linked],
    ) -> DecisionBody<'a> {
        let starter = self.starter == Some(decision.model.0);
        let mut told: Vec<&'static str> = degraded::names(decision.degraded).collect();
        if starter {
            told.push("starter_model");
        }
        DecisionBody {
            event_id,
            decision: decision.verdict.name(),
            score: decision.score,
            probability: f64::from(decision.probability_ppm) / 1e6,
            risk_level: risk_level(decision),
            source: decision.source.name(),
            model_version: model_version(decision, starter),
            policy_version: decision.policy_version,
            rules_version: decision.rules_version,
            reasons: decision.reasons.iter().map(|it| self.reason(it)).collect(),
            links: links.iter().map(|it| self.link(it)).collect(),
            degraded: told,
            findings: &decision.findings,
            propensity: None,
            position: position.0,
            duplicate: false,
            trace_id: None,
            timings: None,
        }
    }

    fn reason(&self, reason: &ReasonCode) -> ReasonBody<'a> {
        let (code, text) = self
            .shape
            .features
            .reason(reason.feature)
            .unwrap_or(("unknown", ""));
        ReasonBody {
            code,
            text,
            contribution: f64::from(reason.contribution_milli) / 1000.0,
        }
    }

    fn link(&self, link: &'a Linked) -> LinkBody<'a> {
        let role = self.shape.schema.roles[link.role.index()].name.as_str();
        let Linked {
            accounts,
            with_known_fraud,
            ..
        } = *link;
        let plural = if accounts == 1 { "" } else { "s" };
        let id = link.id.as_str();
        LinkBody {
            role,
            id,
            accounts,
            with_known_fraud,
            text: format!(
                "shares {role} {id} with {accounts} account{plural}, {with_known_fraud} with known fraud"
            ),
        }
    }

    /// An event with all that is known of it.
    pub fn found(&self, found: &Found, links: &[Linked]) -> Value {
        let schema = &self.shape.schema;
        let id = found.event.event_id.as_str();
        let decision = found.decision.as_ref();
        let decision = decision.map(|it| DecisionBody {
            propensity: Some(f64::from(it.propensity_ppm) / 1e6),
            ..self.decision(id, found.position, it, links)
        });
        let labels = found.labels.iter().map(|(at, label)| labelled(*at, label));
        let outcomes = found.outcomes.iter().map(|(at, outcome)| {
            json!({
                "outcome": outcome.kind.name(),
                "outcome_timestamp": outcome.outcome_timestamp.to_string(),
                "received_at": outcome.received_at.to_string(),
                "position": at.0,
            })
        });
        let evidence = found.evidence.iter();
        json!({
            "event": event_value(&found.event, schema),
            "position": found.position.0,
            "decision": decision,
            "labels": labels.collect::<Vec<_>>(),
            "outcomes": outcomes.collect::<Vec<_>>(),
            "evidence": evidence.map(|(at, event)| seen_event(*at, event, schema)).collect::<Vec<_>>(),
        })
    }

    pub fn listed(&self, listed: &Listed) -> Value {
        let id = listed.event.event_id.as_str();
        json!({
            "event": event_value(&listed.event, &self.shape.schema),
            "decision": self.decision(id, listed.position, &listed.decision, &[]),
        })
    }

    /// What a notice of the log says: a decision with its event as a list of decisions has it, a label with the event's
    /// id.
    pub fn happened(&self, happened: &Happened<'_>) -> Value {
        match happened {
            Happened::Decided {
                event,
                position,
                decision,
            } => json!({
                "event": event_value(event, &self.shape.schema),
                "decision": self.decision(event.event_id.as_str(), *position, decision, &[]),
            }),
            Happened::Labelled { position, label } => {
                let mut value = labelled(*position, label);
                value["event_id"] = json!(label.subject.event_id.as_str());
                value
            }
        }
    }

    pub fn entity(&self, view: &EntityView) -> Value {
        let schema = &self.shape.schema;
        let interactions = view.interactions.iter().map(|seen| {
            let peer = seen.peer.as_ref();
            json!({
                "time": seen.time.to_string(),
                "event_type": schema.event_types[seen.event_type.index()].name,
                "role": schema.roles[seen.role.index()].name,
                "peer": peer.map(|(kind, id)| json!({ "kind": schema.kinds[kind.index()].name, "id": id })),
                "amount": seen.amount.map(shortest),
                "position": seen.position.0,
            })
        });
        json!({
            "kind": schema.kinds[view.kind.index()].name,
            "id": view.id,
            "first_seen": view.first_seen.to_string(),
            "last_seen": view.last_seen.to_string(),
            "events": view.events,
            "frauds_known": view.frauds_known,
            "legitimate_known": view.legitimate_known,
            "hub": view.is_hub,
            "interactions": interactions.collect::<Vec<_>>(),
        })
    }

    pub fn neighbours(&self, found: &Neighbourhood) -> Value {
        let schema = &self.shape.schema;
        let nodes = found.nodes.iter().map(|node| {
            json!({
                "kind": schema.kinds[node.kind.index()].name,
                "id": node.id,
                "depth": node.depth,
                "events": node.events,
                "frauds_known": node.frauds_known,
            })
        });
        let links = found.links.iter();
        json!({
            "nodes": nodes.collect::<Vec<_>>(),
            "links": links.map(|it| json!({ "from": it.from, "to": it.to, "events": it.events })).collect::<Vec<_>>(),
            "cut": found.cut,
        })
    }
}

fn labelled(at: Position, label: &Label) -> Value {
    json!({
        "label": label.verdict.name(),
        "source": label.source.name(),
        "reason": label.reason.as_str(),
        "confidence": label.confidence_percent,
        "label_timestamp": label.label_timestamp.to_string(),
        "received_at": label.received_at.to_string(),
        "position": at.0,
    })
}

/// The number a person meant: 129.9 is not 129.89999389648438.
fn shortest(amount: f32) -> f64 {
    amount.to_string().parse().unwrap_or(f64::from(amount))
}

/// Of a score; what no model has scored has none.
fn risk_level(decision: &Decision) -> &'static str {
    match (decision.model, decision.score) {
        // No model scored: whoever decided, the risk was not measured.
        (ModelVersion([0, 0, 0, 0, 0, 0, 0, 0]), _) => "unknown",
        (_, 0..300) => "low",
        (_, 300..600) => "medium",
        (_, 600..900) => "high",
        _ => "critical",
    }
}

fn model_version(decision: &Decision, starter: bool) -> Option<String> {
    (decision.model.0 != [0; 8]).then(|| version_text(&decision.model.0, starter))
}

/// What decisions of a model carry as its version.
pub fn version_text(version: &[u8; 8], starter: bool) -> String {
    // The first 12 digits of the model file's SHA-256, as `ringfence models list` prints them.
    let short = hex(&version[..6]);
    if starter {
        format!("starter-{short}")
    } else {
        short
    }
}

fn seen_event(position: Position, event: &Event, schema: &Schema) -> Value {
    let mut value = event_value(event, schema);
    value["position"] = json!(position.0);
    value
}

pub fn json_body(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Of our own types: maps have text keys and numbers are finite, so that it cannot fail.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    body(status, bytes, JSON)
}

pub fn body(status: StatusCode, bytes: Vec<u8>, media: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let media = HeaderValue::from_static(media);
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
