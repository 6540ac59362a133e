//! Record to bytes.

use crate::money::Money;
use crate::record::{
    Activation, AttributeValue, Channel, Config, Decision, Entities, Event, Findings, Label,
    Levels, Outcome, Record, ServingPart, Subject, Tick,
};

use super::wire::{put_signed, put_text, put_varint};
use super::{
    VERSION, VERSION_AUTHOR, VERSION_CHANNEL, VERSION_FINDINGS, VERSION_PROPENSITY, VERSION_REASON,
    kind,
};

/// Appends the record's bytes to `out`.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    match record {
        Record::Event(event) => {
            event_body(event, out);
            put_signed(out, event.received_at.millis());
        }
        Record::Label(label) => encode_label(label, out),
        Record::Outcome(outcome) => encode_outcome(outcome, out),
        Record::Decision(decision) => encode_decision(decision, out),
        Record::Tick(Tick { at }) => {
            out.extend_from_slice(&[kind::TICK, VERSION]);
            put_signed(out, at.millis());
        }
        Record::Config(config) => encode_config(config, out),
        Record::Activation(activation) => encode_activation(activation, out),
    }
}

/// The event's canonical body: everything but `received_at`. What idempotency compares (I5).
pub fn event_body(event: &Event, out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind::EVENT, VERSION]);
    put_text(out, event.event_id.as_str());
    out.push(event.event_type.0);
    put_signed(out, event.event_timestamp.millis());
    put_entities(out, &event.entities);
    put_money(out, event.amount);
    out.push(event.attributes.len() as u8);
    for (ix, value) in &event.attributes {
        out.push(ix.0);
        match value {
            AttributeValue::Number(number) => {
                out.push(0);
                out.extend_from_slice(&number.to_bits().to_le_bytes());
            }
            AttributeValue::Category(text) => {
                out.push(1);
                put_text(out, text);
            }
            AttributeValue::Text(text) => {
                out.push(2);
                put_text(out, text);
            }
        }
    }
}

fn put_entities(out: &mut Vec<u8>, entities: &Entities) {
    out.push(entities.len() as u8);
    for (role, id) in entities {
        out.push(role.0);
        put_text(out, id.as_str());
    }
}

fn put_money(out: &mut Vec<u8>, amount: Option<Money>) {
    match amount {
        None => out.push(0),
        Some(money) => {
            out.push(1);
            out.extend_from_slice(&money.currency.bytes());
            put_varint(out, money.minor as u64);
        }
    }
}

fn put_subject(out: &mut Vec<u8>, subject: &Subject) {
    put_text(out, subject.event_id.as_str());
    put_varint(out, subject.position.0);
    out.push(subject.event_type.0);
    put_signed(out, subject.event_timestamp.millis());
    put_entities(out, &subject.entities);
    put_money(out, subject.amount);
    out.push(subject.categories.len() as u8);
    for (ix, text) in &subject.categories {
        out.push(ix.0);
        put_text(out, text);
    }
}

fn encode_label(label: &Label, out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind::LABEL, VERSION]);
    put_subject(out, &label.subject);
    out.push(label.verdict as u8);
    out.push(label.source as u8);
    put_text(out, &label.reason);
    out.push(label.confidence_percent);
    put_signed(out, label.label_timestamp.millis());
    put_signed(out, label.received_at.millis());
    match label.prior {
        None => out.push(0),
        Some((verdict, position)) => {
            out.push(1);
            out.push(verdict as u8);
            put_varint(out, position.0);
        }
    }
}

fn encode_outcome(outcome: &Outcome, out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind::OUTCOME, VERSION]);
    put_subject(out, &outcome.subject);
    out.push(outcome.kind as u8);
    put_signed(out, outcome.outcome_timestamp.millis());
    put_signed(out, outcome.received_at.millis());
}

fn encode_decision(decision: &Decision, out: &mut Vec<u8>) {
    let findings = &decision.findings;
    let version = match (findings.is_empty(), findings.model_propensity_ppm) {
        (_, Some(_)) => VERSION_PROPENSITY,
        (false, None) => VERSION_FINDINGS,
        (true, None) => VERSION,
    };
    out.extend_from_slice(&[kind::DECISION, version]);
    put_varint(out, decision.event_position.0);
    put_signed(out, decision.decided_at.millis());
    out.push(decision.suspicion.len() as u8);
    for (producer, score) in &decision.suspicion {
        out.push(*producer);
        out.extend_from_slice(&score.to_le_bytes());
    }
    out.push(decision.verdict as u8);
    put_varint(out, u64::from(decision.score));
    put_varint(out, u64::from(decision.probability_ppm));
    out.push(decision.source as u8);
    out.extend_from_slice(&decision.model.0);
    put_varint(out, u64::from(decision.policy_version));
    put_varint(out, u64::from(decision.rules_version));
    put_varint(out, u64::from(decision.propensity_ppm));
    put_varint(out, u64::from(decision.degraded));
    out.push(decision.reasons.len() as u8);
    for reason in &decision.reasons {
        put_varint(out, u64::from(reason.feature));
        put_signed(out, i64::from(reason.contribution_milli));
    }
    out.push(decision.evidence.len() as u8);
    for position in &decision.evidence {
        put_varint(out, position.0);
    }
    if version >= VERSION_FINDINGS {
        put_findings(out, findings);
    }
    if let Some(ppm) = findings.model_propensity_ppm {
        put_varint(out, u64::from(ppm));
    }
}

fn put_findings(out: &mut Vec<u8>, findings: &Findings) {
    // Absent values are 0, so that they need no flag of their own.
    put_varint(
        out,
        findings.model_score.map_or(0, |score| u64::from(score) + 1),
    );
    out.push(findings.explored.map_or(0, |kind| kind as u8 + 1));
    put_varint(out, findings.rules.len() as u64);
    for hit in &findings.rules {
        put_text(out, &hit.rule);
        out.push(hit.outcome as u8);
        put_text(out, &hit.reason);
        out.push(hit.alert.map_or(0, |severity| severity as u8 + 1));
    }
    put_varint(out, findings.lists.len() as u64);
    for hit in &findings.lists {
        put_text(out, &hit.list);
        out.push(hit.effect as u8);
    }
    put_varint(out, findings.tags.len() as u64);
    for tag in &findings.tags {
        put_text(out, tag);
    }
}

fn encode_config(config: &Config, out: &mut Vec<u8>) {
    let version = if config.why.is_empty() {
        VERSION
    } else {
        VERSION_REASON
    };
    out.extend_from_slice(&[kind::CONFIG, version]);
    put_signed(out, config.at.millis());
    out.push(config.section as u8);
    put_varint(out, u64::from(config.version));
    put_text(out, &config.author);
    if version == VERSION_REASON {
        put_text(out, &config.why);
    }
    put_text(out, &config.body);
}

fn encode_activation(activation: &Activation, out: &mut Vec<u8>) {
    let version = activation_version(activation);
    out.extend_from_slice(&[kind::ACTIVATION, version]);
    put_signed(out, activation.at.millis());
    out.push(activation.part as u8);
    out.extend_from_slice(&activation.artifact);
    put_varint(out, u64::from(activation.share_ppm));
    // Layout 2 has no name for an empty channel: that is layout 1.
    let empty = match version {
        VERSION_AUTHOR => 1,
        _ => 0,
    };
    match activation.channel {
        Channel::Empty => out.extend(std::iter::repeat_n(0, empty)),
        Channel::Kept { producer } => {
            out.push(empty as u8);
            out.extend_from_slice(&producer);
        }
        Channel::Rebuilt { producer, scores } => {
            out.push(empty as u8 + 1);
            out.extend_from_slice(&producer);
            out.extend_from_slice(&scores);
        }
    }
    if version == VERSION_AUTHOR {
        out.push(activation.levels.bits());
        put_text(out, &activation.author);
        put_text(out, &activation.why);
    }
}

/// The oldest layout that can hold it.
pub(super) fn activation_version(activation: &Activation) -> u8 {
    let plain = activation.part != ServingPart::Retired
        && activation.levels == Levels::default()
        && activation.author.is_empty()
        && activation.why.is_empty();
    match (plain, activation.channel) {
        (false, _) => VERSION_AUTHOR,
        (true, Channel::Empty) => VERSION,
        (true, Channel::Kept { .. } | Channel::Rebuilt { .. }) => VERSION_CHANNEL,
    }
}
