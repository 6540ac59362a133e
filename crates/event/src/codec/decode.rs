//! Bytes to record; refuses whatever the encoder would not have written.

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::ids::{AttributeIx, EntityId, EventId, EventTypeIx, Position, RoleIx};
use crate::money::{Currency, Money};
use crate::record::{
    Activation, AttributeValue, Channel, Config, ConfigSection, Decision, DecisionKind,
    DecisionSource, Entities, Event, Findings, Label, LabelSource, Levels, ListEffect, ListHit,
    ModelVersion, Outcome, OutcomeKind, ReasonCode, Record, RuleHit, RuleOutcome, ServingPart,
    Severity, Subject, Tick, Verdict,
};
use crate::schema::{ATTRIBUTES_MAX, EVENT_TYPES_MAX, ROLES_MAX, TEXT_BYTES_MAX};
use crate::time::EventTime;

use super::encode::activation_version;
use super::wire::Wire;
use super::{
    BODY_BYTES_MAX, CodecError, VERSION, VERSION_AUTHOR, VERSION_CHANNEL, VERSION_PROPENSITY,
    VERSION_REASON, kind,
};

const REASONS_MAX: u64 = 32;
const EVIDENCE_MAX: u64 = 16;
const SUSPICION_MAX: u64 = 8;
const PPM: u64 = 1_000_000;

pub fn decode(bytes: &[u8]) -> Result<Record, CodecError> {
    let mut wire = Wire::new(bytes);
    let kind = wire.byte("record kind")?;
    if !(kind::EVENT..=kind::ACTIVATION).contains(&kind) {
        return Err(CodecError::Kind { kind });
    }
    let version = wire.byte("layout version")?;
    let newest = match kind {
        kind::ACTIVATION => VERSION_AUTHOR,
        kind::DECISION => VERSION_PROPENSITY,
        kind::CONFIG => VERSION_REASON,
        _ => VERSION,
    };
    if !(VERSION..=newest).contains(&version) {
        return Err(CodecError::Version {
            kind,
            got: version,
            expected: newest,
        });
    }
    let record = match kind {
        kind::EVENT => Record::Event(event(&mut wire)?),
        kind::LABEL => Record::Label(label(&mut wire)?),
        kind::OUTCOME => Record::Outcome(outcome(&mut wire)?),
        kind::DECISION => Record::Decision(decision(&mut wire, version)?),
        kind::TICK => Record::Tick(Tick {
            at: time(&mut wire)?,
        }),
        kind::CONFIG => Record::Config(config(&mut wire, version)?),
        _ => Record::Activation(activation(&mut wire, version)?),
    };
    wire.end()?;
    Ok(record)
}

fn time(wire: &mut Wire<'_>) -> Result<EventTime, CodecError> {
    let time = EventTime::from_millis(wire.signed("time")?);
    if time.is_plausible() {
        Ok(time)
    } else {
        Err(wire.malformed("time"))
    }
}

fn one_of<T: Copy>(wire: &mut Wire<'_>, all: &[T], what: &'static str) -> Result<T, CodecError> {
    let byte = wire.byte(what)?;
    all.get(usize::from(byte))
        .copied()
        .ok_or_else(|| wire.malformed(what))
}

fn index(wire: &mut Wire<'_>, below: usize, what: &'static str) -> Result<u8, CodecError> {
    let byte = wire.byte(what)?;
    if usize::from(byte) < below {
        Ok(byte)
    } else {
        Err(wire.malformed(what))
    }
}

fn event_id(wire: &mut Wire<'_>) -> Result<EventId, CodecError> {
    let text = wire.text(EventId::MAX_BYTES, "event_id")?;
    EventId::parse("event_id", text).map_err(|_| wire.malformed("event_id"))
}

fn entities(wire: &mut Wire<'_>) -> Result<Entities, CodecError> {
    let count = index(wire, ROLES_MAX + 1, "entity count")?;
    let mut entities = Entities::new();
    for _ in 0..count {
        let role = RoleIx(index(wire, ROLES_MAX, "role")?);
        if entities.last().is_some_and(|(last, _)| *last >= role) {
            return Err(wire.malformed("role order"));
        }
        let text = wire.text(EntityId::MAX_BYTES, "entity id")?;
        let id = EntityId::parse("entity", text).map_err(|_| wire.malformed("entity id"))?;
        entities.push((role, id));
    }
    Ok(entities)
}

fn money(wire: &mut Wire<'_>) -> Result<Option<Money>, CodecError> {
    if index(wire, 2, "amount flag")? == 0 {
        return Ok(None);
    }
    let code = wire.take(3, "currency")?;
    let code = std::str::from_utf8(code).map_err(|_| wire.malformed("currency"))?;
    let currency = Currency::parse(code).map_err(|_| wire.malformed("currency"))?;
    let minor = wire.bounded(Money::MAX_MINOR as u64, "amount")?;
    Ok(Some(Money {
        minor: minor as i64,
        currency,
    }))
}

fn ascending<T>(wire: &mut Wire<'_>, held: &[(AttributeIx, T)]) -> Result<AttributeIx, CodecError> {
    let ix = AttributeIx(index(wire, ATTRIBUTES_MAX, "attribute")?);
    let ordered = held.last().is_none_or(|(last, _)| *last < ix);
    if ordered {
        Ok(ix)
    } else {
        Err(wire.malformed("attribute order"))
    }
}

fn category(wire: &mut Wire<'_>) -> Result<CompactString, CodecError> {
    let text = wire.text(EntityId::MAX_BYTES, "category")?;
    crate::draft::bounded("category", text, EntityId::MAX_BYTES)
        .map_err(|_| wire.malformed("category"))
}

fn event(wire: &mut Wire<'_>) -> Result<Event, CodecError> {
    let event_id = event_id(wire)?;
    let event_type = EventTypeIx(index(wire, EVENT_TYPES_MAX, "event_type")?);
    let event_timestamp = time(wire)?;
    let entities = entities(wire)?;
    let amount = money(wire)?;
    let count = index(wire, ATTRIBUTES_MAX + 1, "attribute count")?;
    let mut attributes: SmallVec<[(AttributeIx, AttributeValue); 6]> = SmallVec::new();
    for _ in 0..count {
        let ix = ascending(wire, &attributes)?;
        let value = match wire.byte("attribute form")? {
            0 => {
                let number = f64::from_bits(u64::from_le_bytes(wire.array("number")?));
                // Negative zero equals zero and would be its second encoding.
                if !number.is_finite() || number.to_bits() == (-0.0_f64).to_bits() {
                    return Err(wire.malformed("number"));
                }
                AttributeValue::Number(number)
            }
            1 => AttributeValue::Category(category(wire)?),
            2 => {
                let text = wire.text(TEXT_BYTES_MAX as usize, "text")?;
                AttributeValue::Text(CompactString::from(text))
            }
            _ => return Err(wire.malformed("attribute form")),
        };
        attributes.push((ix, value));
    }
    let received_at = time(wire)?;
    Ok(Event {
        event_id,
        event_type,
        event_timestamp,
        received_at,
        entities,
        amount,
        attributes,
    })
}

fn subject(wire: &mut Wire<'_>) -> Result<Subject, CodecError> {
    let event_id = event_id(wire)?;
    let position = Position(wire.varint("position")?);
    let event_type = EventTypeIx(index(wire, EVENT_TYPES_MAX, "event_type")?);
    let event_timestamp = time(wire)?;
    let entities = entities(wire)?;
    let amount = money(wire)?;
    let count = index(wire, ATTRIBUTES_MAX + 1, "category count")?;
    let mut categories: SmallVec<[(AttributeIx, CompactString); 2]> = SmallVec::new();
    for _ in 0..count {
        let ix = ascending(wire, &categories)?;
        categories.push((ix, category(wire)?));
    }
    Ok(Subject {
        event_id,
        position,
        event_type,
        event_timestamp,
        entities,
        amount,
        categories,
    })
}

fn label(wire: &mut Wire<'_>) -> Result<Label, CodecError> {
    let subject = subject(wire)?;
    let verdict = one_of(wire, Verdict::ALL, "verdict")?;
    let source = one_of(wire, LabelSource::ALL, "label source")?;
    let reason = CompactString::from(wire.text(64, "reason")?);
    let confidence_percent = index(wire, 101, "confidence")?;
    let label_timestamp = time(wire)?;
    let received_at = time(wire)?;
    let prior = match index(wire, 2, "prior flag")? {
        0 => None,
        _ => {
            let verdict = one_of(wire, Verdict::ALL, "prior verdict")?;
            Some((verdict, Position(wire.varint("prior position")?)))
        }
    };
    Ok(Label {
        subject,
        verdict,
        source,
        reason,
        confidence_percent,
        label_timestamp,
        received_at,
        prior,
    })
}

fn outcome(wire: &mut Wire<'_>) -> Result<Outcome, CodecError> {
    Ok(Outcome {
        subject: subject(wire)?,
        kind: one_of(wire, OutcomeKind::ALL, "outcome")?,
        outcome_timestamp: time(wire)?,
        received_at: time(wire)?,
    })
}

fn decision(wire: &mut Wire<'_>, version: u8) -> Result<Decision, CodecError> {
    let event_position = Position(wire.varint("event position")?);
    let decided_at = time(wire)?;
    let mut suspicion = SmallVec::new();
    for _ in 0..wire.bounded(SUSPICION_MAX, "suspicion count")? {
        let producer = wire.byte("producer")?;
        suspicion.push((producer, u16::from_le_bytes(wire.array("suspicion")?)));
    }
    let verdict = one_of(wire, DecisionKind::ALL, "decision")?;
    let score = wire.bounded(1000, "score")? as u16;
    let probability_ppm = wire.bounded(PPM, "probability")? as u32;
    let source = one_of(wire, DecisionSource::ALL, "decision source")?;
    let model = ModelVersion(wire.array("model version")?);
    let policy_version = wire.bounded(u64::from(u32::MAX), "policy version")? as u32;
    let rules_version = wire.bounded(u64::from(u32::MAX), "rules version")? as u32;
    let propensity_ppm = wire.bounded(PPM, "propensity")? as u32;
    let degraded = wire.bounded(u64::from(u32::MAX), "degraded")? as u32;
    let mut reasons = SmallVec::new();
    for _ in 0..wire.bounded(REASONS_MAX, "reason count")? {
        let feature = wire.bounded(u64::from(u16::MAX), "feature")? as u16;
        let contribution = wire.signed("contribution")?;
        let contribution_milli =
            i32::try_from(contribution).map_err(|_| wire.malformed("contribution"))?;
        reasons.push(ReasonCode {
            feature,
            contribution_milli,
        });
    }
    let mut evidence = SmallVec::new();
    for _ in 0..wire.bounded(EVIDENCE_MAX, "evidence count")? {
        evidence.push(Position(wire.varint("evidence")?));
    }
    let findings = match version {
        VERSION => Findings::default(),
        _ => findings(wire, version)?,
    };
    Ok(Decision {
        event_position,
        decided_at,
        suspicion,
        verdict,
        score,
        probability_ppm,
        source,
        model,
        policy_version,
        rules_version,
        propensity_ppm,
        degraded,
        reasons,
        evidence,
        findings,
    })
}

/// A value that 0 says is absent.
fn optional<T: Copy>(
    wire: &mut Wire<'_>,
    all: &[T],
    what: &'static str,
) -> Result<Option<T>, CodecError> {
    match usize::from(wire.byte(what)?).checked_sub(1) {
        None => Ok(None),
        Some(at) => match all.get(at) {
            Some(value) => Ok(Some(*value)),
            None => Err(wire.malformed(what)),
        },
    }
}

fn name(wire: &mut Wire<'_>, what: &'static str) -> Result<CompactString, CodecError> {
    let text = wire.text(Findings::NAME_BYTES_MAX, what)?;
    if text.is_empty() {
        return Err(wire.malformed(what));
    }
    Ok(CompactString::from(text))
}

fn findings(wire: &mut Wire<'_>, version: u8) -> Result<Findings, CodecError> {
    let mut findings = Findings {
        model_score: (wire.bounded(1001, "model score")? as u16).checked_sub(1),
        explored: optional(wire, DecisionKind::ALL, "explored decision")?,
        ..Findings::default()
    };
    for _ in 0..wire.bounded(Findings::RULES_MAX as u64, "rule count")? {
        findings.rules.push(RuleHit {
            rule: name(wire, "rule")?,
            outcome: one_of(wire, RuleOutcome::ALL, "rule outcome")?,
            reason: CompactString::from(wire.text(Findings::REASON_BYTES_MAX, "rule reason")?),
            alert: optional(wire, Severity::ALL, "alert")?,
        });
    }
    for _ in 0..wire.bounded(Findings::LISTS_MAX as u64, "list count")? {
        findings.lists.push(ListHit {
            list: name(wire, "list")?,
            effect: one_of(wire, ListEffect::ALL, "list effect")?,
        });
    }
    for _ in 0..wire.bounded(Findings::TAGS_MAX as u64, "tag count")? {
        let tag = name(wire, "tag")?;
        if findings.tags.last().is_some_and(|last| *last >= tag) {
            return Err(wire.malformed("tag order"));
        }
        findings.tags.push(tag);
    }
    if version == VERSION_PROPENSITY {
        findings.model_propensity_ppm = Some(wire.bounded(PPM, "model propensity")? as u32);
    }
    // Nothing found is written in the layout without findings.
    if findings.is_empty() {
        return Err(wire.malformed("findings"));
    }
    Ok(findings)
}

fn reason(wire: &mut Wire<'_>) -> Result<CompactString, CodecError> {
    let text = wire.text(Config::WHY_BYTES_MAX, "reason")?;
    if text.is_empty() {
        return Err(wire.malformed("reason"));
    }
    Ok(CompactString::from(text))
}

fn config(wire: &mut Wire<'_>, version: u8) -> Result<Config, CodecError> {
    Ok(Config {
        at: time(wire)?,
        section: one_of(wire, ConfigSection::ALL, "section")?,
        version: wire.bounded(u64::from(u32::MAX), "version")? as u32,
        author: CompactString::from(wire.text(Config::AUTHOR_BYTES_MAX, "author")?),
        why: match version {
            VERSION_REASON => reason(wire)?,
            _ => CompactString::default(),
        },
        body: wire.text(BODY_BYTES_MAX, "body")?.to_owned(),
    })
}

fn activation(wire: &mut Wire<'_>, version: u8) -> Result<Activation, CodecError> {
    let (at, part) = (time(wire)?, one_of(wire, ServingPart::ALL, "serving part")?);
    let artifact = wire.array("artifact")?;
    let share_ppm = wire.bounded(PPM, "share")? as u32;
    let mut activation = Activation::new(at, part, artifact, share_ppm);
    if version >= VERSION_CHANNEL {
        activation.channel = channel(wire, version)?;
    }
    if version == VERSION_AUTHOR {
        let bits = wire.byte("levels")?;
        activation.levels = Levels::from_bits(bits).ok_or_else(|| wire.malformed("levels"))?;
        activation.author = CompactString::from(wire.text(Config::AUTHOR_BYTES_MAX, "author")?);
        activation.why = CompactString::from(wire.text(Config::WHY_BYTES_MAX, "why")?);
    }
    // What an older layout can say is written in that one.
    match activation_version(&activation) == version {
        true => Ok(activation),
        false => Err(wire.malformed("layout version")),
    }
}

fn channel(wire: &mut Wire<'_>, version: u8) -> Result<Channel, CodecError> {
    let named = wire.byte("channel")?;
    let place = match version {
        VERSION_AUTHOR => named.checked_sub(1),
        _ => Some(named),
    };
    match place {
        None => Ok(Channel::Empty),
        Some(0) => Ok(Channel::Kept {
            producer: wire.array("producer")?,
        }),
        Some(1) => Ok(Channel::Rebuilt {
            producer: wire.array("producer")?,
            scores: wire.array("scores")?,
        }),
        Some(_) => Err(wire.malformed("channel")),
    }
}
