//! What a record of the log or a change of casework says in the trail: pure, so that reading either again gives
//! the same entries.

use std::collections::BTreeMap;

use casework::changes::{Changed, SYSTEM};
use event::record::{Activation, Channel, Config, ConfigSection, Label, LabelSource, ServingPart};
use event::{EventTime, Record, hex};
use node::tenant::documents::shown;
use serde_json::{Map, Value, json};
use trail::{ACTOR_BYTES_MAX, ActorKind, CONTENT_BYTES_MAX, Entry, Source, TARGET_BYTES_MAX};
use trail::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, WHY_BYTES_MAX};
use webhooks::store::changes::Change;

/// The last document of each section, by its name: what a change replaces.
pub(crate) type Bodies = BTreeMap<String, String>;

/// Where entries come from.
pub(crate) const LOG: &str = "log";
pub(crate) const CASEWORK: &str = "casework";
pub(crate) const WEBHOOKS: &str = "webhooks";
pub(crate) const RETRAIN: &str = "retrain";
/// Of the watch over drift: places are positions of the log, a few for each.
pub(crate) const DRIFT: &str = "drift";

/// Of models: hashes of the two that decide, and of the producer that speaks.
const CHAMPION: &str = "model.champion";
const CHALLENGER: &str = "model.challenger";
const CHANNEL: &str = "model.channel";

/// Who sets a tenant up, and who changes one that no server has open.
const SET_UP: [&str; 2] = ["init", "starter model"];
const COMMAND_LINE: &str = "command line";
/// Of a record that names nobody.
const UNNAMED: &str = "unnamed";

/// The entry of a record; `None`: it changes nothing that someone answers for.
pub(crate) fn of_record(record: &Record, bodies: &mut Bodies, place: u64) -> Option<Entry> {
    let source = Source {
        name: LOG.to_owned(),
        seq: place,
    };
    match record {
        Record::Config(config) => Some(of_config(config, bodies, source)),
        Record::Activation(activation) => Some(of_activation(activation, bodies, source)),
        Record::Label(label) => of_label(label, source),
        Record::Event(_) | Record::Decision(_) | Record::Outcome(_) | Record::Tick(_) => None,
    }
}

fn of_config(config: &Config, bodies: &mut Bodies, source: Source) -> Entry {
    let section = config.section.name();
    let (action, target, before, after) = match config.section {
        ConfigSection::Lists => {
            let (change, was) = lists::was::split(&config.body);
            let (verb, list, change) = list_change(change);
            let before = was_there(&verb, was);
            (format!("lists.{verb}"), list, before, change)
        }
        _ => {
            let after = shown(config.section, &config.body).into_owned();
            let before = bodies.insert(section.to_owned(), after.clone());
            // A cursor of an earlier version may hold it whole.
            let before = before.map(|it| shown(config.section, &it).into_owned());
            let after = Value::String(after);
            let target = section.to_owned();
            let before = before.map(Value::String);
            (format!("{section}.set"), target, before, after)
        }
    };
    Entry {
        at: config.at.millis(),
        actor: actor(&config.author),
        actor_kind: kind_of(&config.author),
        action,
        target,
        before,
        after: Some(after),
        why: config.why.to_string(),
        source,
    }
}

/// Verb, list and the change itself: a line for what it does, and one for each item.
fn list_change(body: &str) -> (String, String, Value) {
    let mut lines = body.lines().map(serde_json::from_str::<Value>);
    let Some(Ok(Value::Object(mut change))) = lines.next() else {
        // The log holds none that reads otherwise; whatever it is, it is told.
        return ("change".to_owned(), String::new(), json!(body));
    };
    let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
    let (verb, list) = (text("change"), text("list"));
    let items: Result<Vec<Value>, _> = lines.collect();
    let items = items.unwrap_or_else(|_| vec![json!(body)]);
    if !items.is_empty() {
        change.insert("count".to_owned(), json!(items.len()));
        change.insert("items".to_owned(), Value::Array(items));
    }
    (verb, list, Value::Object(change))
}

/// What the lines behind a change say that it took the place of: a list's definition, or items.
fn was_there(verb: &str, was: &str) -> Option<Value> {
    let lines = was.lines().map(|line| match serde_json::from_str(line) {
        Ok(Value::Object(mut line)) => line.remove("was").unwrap_or_default(),
        // The log holds none that reads otherwise; whatever it is, it is told.
        _ => json!(line),
    });
    let mut was: Vec<Value> = lines.collect();
    match (verb, was.len()) {
        (_, 0) => None,
        ("put" | "remove", count) => match was[0].get("left_out").cloned() {
            Some(count) => Some(json!({ "count": count })),
            None => Some(json!({ "count": count, "items": was })),
        },
        _ => was.pop(),
    }
}

/// Records of before there were challengers name nobody: where a model brings thresholds, the policy that follows
/// such a one names somebody.
fn of_activation(activation: &Activation, bodies: &mut Bodies, source: Source) -> Entry {
    let part = activation.part.name();
    let model = hex(&activation.artifact);
    let ends = activation.share_ppm == 0;
    let action = match (activation.part, ends) {
        (ServingPart::Champion, _) => "model.activate",
        (ServingPart::Challenger, false) => "model.challenge",
        (ServingPart::Shadow, false) => "model.shadow",
        (ServingPart::Challenger | ServingPart::Shadow, true) => "model.withdraw",
        (ServingPart::Retired, false) => "model.retire",
        (ServingPart::Retired, true) => "model.reinstate",
    };
    end_challenger(activation, bodies);
    let described = |model: String| json!({ "part": part, "model": model });
    let mut after = described(model.clone());
    after["share_ppm"] = json!(activation.share_ppm);
    // Of shadows and retired models there are many: none takes another's place.
    let before = match activation.part {
        ServingPart::Champion => bodies.insert(CHAMPION.to_owned(), model),
        ServingPart::Challenger => {
            after["levels"] = activation.levels.names().collect();
            match ends {
                true => bodies.remove(CHALLENGER),
                false => bodies.insert(CHALLENGER.to_owned(), model),
            }
        }
        ServingPart::Shadow | ServingPart::Retired => None,
    };
    Entry {
        at: activation.at.millis(),
        actor: actor(&activation.author),
        actor_kind: match activation.author.is_empty() {
            true => ActorKind::System,
            false => kind_of(&activation.author),
        },
        action: action.to_owned(),
        target: part.to_owned(),
        before: before.map(described),
        after: Some(after),
        why: activation.why.to_string(),
        source,
    }
}

/// A challenger that enters another place is none any more, nor is one whose champion goes or is followed by one with
/// another channel of suspicion (`crates/engine/src/lineup.rs`).
fn end_challenger(activation: &Activation, bodies: &mut Bodies) {
    let is_it = bodies.get(CHALLENGER) == Some(&hex(&activation.artifact));
    let ends = match activation.part {
        ServingPart::Challenger => false,
        ServingPart::Shadow | ServingPart::Retired => is_it && activation.share_ppm > 0,
        ServingPart::Champion => {
            let is_other = match &activation.channel {
                Channel::Empty => bodies.remove(CHANNEL).is_some(),
                Channel::Kept { producer } => {
                    bodies.insert(CHANNEL.to_owned(), hex(producer));
                    false
                }
                Channel::Rebuilt { producer, .. } => {
                    let own = hex(producer);
                    bodies.insert(CHANNEL.to_owned(), own.clone()) != Some(own)
                }
            };
            is_it || is_other || activation.artifact == [0; 32]
        }
    };
    if ends {
        bodies.remove(CHALLENGER);
    }
}

/// What an analyst says, and whatever replaces a verdict. Other first labels are reports, not changes.
fn of_label(label: &Label, source: Source) -> Option<Entry> {
    if label.source != LabelSource::Analyst && label.prior.is_none() {
        return None;
    }
    let prior = label
        .prior
        .map(|(verdict, position)| json!({ "verdict": verdict.name(), "position": position.0 }));
    Some(Entry {
        at: label.received_at.millis(),
        actor: label.source.name().to_owned(),
        actor_kind: ActorKind::System,
        action: "label.record".to_owned(),
        target: clipped(label.subject.event_id.as_str(), TARGET_BYTES_MAX),
        before: prior,
        after: Some(json!({
            "verdict": label.verdict.name(),
            "source": label.source.name(),
            "reason": label.reason.as_str(),
            "confidence_percent": label.confidence_percent,
        })),
        why: String::new(),
        source,
    })
}

pub(crate) fn of_change(change: &Changed, place: u64) -> Entry {
    Entry {
        at: change.at.millis(),
        actor: actor(&change.actor),
        actor_kind: kind_of(&change.actor),
        action: change.action.clone(),
        target: clipped(&change.target, TARGET_BYTES_MAX),
        before: change.before.as_deref().map(read),
        after: change.after.as_deref().map(read),
        why: clipped(change.why.as_deref().unwrap_or_default(), WHY_BYTES_MAX),
        source: Source {
            name: CASEWORK.to_owned(),
            seq: place,
        },
    }
}

/// Endpoints and secrets of webhooks; a secret is told by its id alone.
pub(crate) fn of_webhook(change: &Change, place: u64) -> Entry {
    Entry {
        at: change.at.millis(),
        actor: actor(&change.actor),
        actor_kind: kind_of(&change.actor),
        action: format!("webhook.{}", change.action),
        target: clipped(&change.target, TARGET_BYTES_MAX),
        before: change.before.as_deref().map(read),
        after: change.after.as_deref().map(read),
        why: clipped(&change.why, WHY_BYTES_MAX),
        source: Source {
            name: WEBHOOKS.to_owned(),
            seq: place,
        },
    }
}

pub(crate) fn of_retrain(change: &steward::job::changes::Change, place: u64) -> Entry {
    Entry {
        at: change.at,
        actor: actor(&change.actor),
        actor_kind: kind_of(&change.actor),
        action: change.action.to_owned(),
        target: change.target.clone(),
        before: None,
        after: Some(change.after.clone()),
        why: clipped(&change.why, WHY_BYTES_MAX),
        source: Source {
            name: RETRAIN.to_owned(),
            seq: place,
        },
    }
}

/// Something that Ringfence itself has found about a source.
pub(crate) fn noticed(action: &str, at: EventTime, after: Value, source: (&str, u64)) -> Entry {
    Entry {
        at: at.millis(),
        actor: SYSTEM.to_owned(),
        actor_kind: ActorKind::System,
        action: action.to_owned(),
        target: source.0.to_owned(),
        before: None,
        after: Some(after),
        why: String::new(),
        source: Source {
            name: source.0.to_owned(),
            seq: source.1,
        },
    }
}

/// Parts that each fit into one batch of the trail.
pub(crate) fn batches(entries: &[Entry]) -> Vec<&[Entry]> {
    /// Of a line beside its two values, with every byte escaped.
    const REST_BYTES: usize = 40 << 10;
    let size = |value: &Option<Value>| {
        let bytes = value.as_ref().map_or(0, |value| value.to_string().len());
        bytes.min(CONTENT_BYTES_MAX)
    };
    let (mut parts, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (ix, entry) in entries.iter().enumerate() {
        let text = entry.why.len() + entry.target.len() + entry.actor.len();
        let own = size(&entry.before) + size(&entry.after) + (6 * text + 1024).min(REST_BYTES);
        let full = ix - from == BATCH_ENTRIES_MAX || bytes + own > BATCH_BYTES_MAX / 2;
        if full && ix > from {
            parts.push(&entries[from..ix]);
            (from, bytes) = (ix, 0);
        }
        bytes += own;
    }
    if from < entries.len() {
        parts.push(&entries[from..]);
    }
    parts
}

fn read(text: &str) -> Value {
    serde_json::from_str(text)
        .unwrap_or_else(|_| Value::Object(Map::from_iter([("text".to_owned(), json!(text))])))
}

pub(crate) fn actor(name: &str) -> String {
    let name = if name.is_empty() { UNNAMED } else { name };
    clipped(name, ACTOR_BYTES_MAX)
}

/// The sources keep a name and not of what kind it is.
pub(crate) fn kind_of(name: &str) -> ActorKind {
    // A retrain that nobody ordered, and what a candidate does that nobody was asked about (`crates/steward`).
    let of_model = name.starts_with("model ") || name == RETRAIN || name.starts_with("retrain ");
    match name {
        COMMAND_LINE => ActorKind::Cli,
        _ if name == SYSTEM || SET_UP.contains(&name) || of_model => ActorKind::System,
        _ => ActorKind::Token,
    }
}

pub(crate) fn clipped(text: &str, max: usize) -> String {
    text[..text.floor_char_boundary(max)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a model that is so many bytes of one kind.
    fn activation(part: ServingPart, model: u8, share_ppm: u32, channel: Channel) -> Record {
        let mut activation = Activation::new(EventTime::MIN, part, [model; 32], share_ppm);
        activation.channel = channel;
        Record::Activation(activation)
    }

    #[test]
    fn a_challenger_comes_after_none_when_the_one_before_has_left() {
        use ServingPart::{Challenger, Champion, Retired, Shadow};
        let kept = Channel::Kept { producer: [8; 32] };
        let rebuilt = |producer: u8| Channel::Rebuilt {
            producer: [producer; 32],
            scores: [0; 32],
        };
        let table = [
            ("nothing", vec![], Some(2)),
            ("a shadow", vec![(Shadow, 2, 1, kept)], None),
            ("retired", vec![(Retired, 2, 1, kept)], None),
            ("champion", vec![(Champion, 2, 0, kept)], None),
            ("another shadow", vec![(Shadow, 3, 1, kept)], Some(2)),
            ("another leaves", vec![(Retired, 3, 0, kept)], Some(2)),
            ("of its channel", vec![(Champion, 3, 0, kept)], Some(2)),
            ("said anew", vec![(Champion, 3, 0, rebuilt(8))], Some(2)),
            ("another's", vec![(Champion, 3, 0, rebuilt(9))], None),
            ("nobody's", vec![(Champion, 3, 0, Channel::Empty)], None),
            ("no champion", vec![(Champion, 0, 0, kept)], None),
            (
                "withdrawn",
                vec![(Challenger, 2, 0, kept), (Champion, 3, 0, kept)],
                None,
            ),
        ];
        for (name, between, before) in table {
            let first = [(Champion, 1, 0, rebuilt(8)), (Challenger, 2, 500, kept)];
            let mut bodies = Bodies::new();
            for (part, model, share, channel) in first.into_iter().chain(between) {
                let record = activation(part, model, share, channel);
                of_record(&record, &mut bodies, 0).unwrap();
            }
            let next = activation(Challenger, 4, 500, kept);
            let entry = of_record(&next, &mut bodies, 1).unwrap();
            let model = before.map(|model: u8| json!(hex(&[model; 32])));
            assert_eq!(entry.before.map(|it| it["model"].clone()), model, "{name}");
        }
    }
}
