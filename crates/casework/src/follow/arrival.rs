//! From a decision to an alert, or to none.

use event::record::{Decision, ModelVersion, RuleOutcome};
use event::{Event, Money, Position};
use serde_json::{Value, json};

use super::Around;
use crate::alert::{Alert, AlertStatus};
use crate::settings::{ALERTS_OF_CASE_MAX, Severity};

const PPM: i128 = 1_000_000;
/// A hundred times the largest amount: past it one alert is as urgent as can be, and the sum over a case stays
/// within an integer.
const LOSS_MAX: i64 = 100 * Money::MAX_MINOR;
const _: () = assert!(LOSS_MAX < i64::MAX / ALERTS_OF_CASE_MAX as i64);

/// `None`: the settings ask for no alert. The case is found later.
pub fn alert(around: &Around, event: &Event, decision: &Decision) -> Option<Alert> {
    let asked = asked_by_rule(decision).filter(|_| around.settings.alerts.rules);
    if asked.is_none() && !around.settings.is_alert(decision.verdict) {
        return None;
    }
    let findings = &decision.findings;
    let position = decision.event_position;
    let schema = around.schema;
    let (loss_minor, assumed) = expected_loss(around, event, decision);
    let entities = event.entities.iter().map(|(role, id)| {
        let role = &schema.roles[role.index()];
        let kind = &schema.kinds[role.kind.index()].name;
        json!({ "role": role.name, "kind": kind, "id": id.as_str() })
    });
    Some(Alert {
        id: id_of(position),
        case_id: id_of(position),
        status: AlertStatus::Open,
        event_id: event.event_id.as_str().to_owned(),
        event_type: schema.event_types[event.event_type.index()].name.clone(),
        event_timestamp: event.event_timestamp,
        decided_at: decision.decided_at,
        decision: decision.verdict.name().to_owned(),
        source: decision.source.name().to_owned(),
        score: decision.score,
        probability_ppm: decision.probability_ppm,
        model: model(decision.model),
        amount_minor: event.amount.map(|money| money.minor),
        currency: event.amount.map(|money| money.currency.code().to_owned()),
        severity: around
            .settings
            .severity(loss_minor)
            .max(asked.unwrap_or(Severity::Low)),
        loss_minor,
        assumed,
        entities: Value::Array(entities.collect()),
        rules: json!(findings.rules),
        lists: json!(findings.lists),
        tags: findings.tags.iter().map(ToString::to_string).collect(),
        label: None,
        label_source: None,
        label_position: None,
    })
}

/// The severest alert that a rule opens. One in the shadow opens none.
fn asked_by_rule(decision: &Decision) -> Option<Severity> {
    let rules = decision.findings.rules.iter();
    let taken = rules.filter(|hit| hit.outcome == RuleOutcome::Matched);
    taken.filter_map(|hit| hit.alert).max().map(Severity::from)
}

/// A log has fewer records than 2^63.
pub fn id_of(position: Position) -> i64 {
    position.0 as i64
}

/// Probability times amount in minor units of the base currency, rounded down; and what of it the settings
/// had to stand in for.
fn expected_loss(around: &Around, event: &Event, decision: &Decision) -> (i64, Vec<String>) {
    let mut assumed = Vec::new();
    // Whoever decided: a rule or a list decides without a score too.
    let ppm = if decision.model == ModelVersion::default() {
        assumed.push("probability".to_owned());
        around.settings.alerts.unscored_ppm
    } else {
        decision.probability_ppm
    };
    let base = around.schema.base_currency;
    let amount = event
        .amount
        .and_then(|money| around.rates.to_base_minor(money, base));
    let amount = amount.unwrap_or_else(|| {
        assumed.push("amount".to_owned());
        around.settings.alerts.amountless_minor
    });
    let loss = i128::from(amount) * i128::from(ppm) / PPM;
    (
        i64::try_from(loss).unwrap_or(LOSS_MAX).min(LOSS_MAX),
        assumed,
    )
}

fn model(version: ModelVersion) -> String {
    if version == ModelVersion::default() {
        return String::new();
    }
    version.digits()
}
