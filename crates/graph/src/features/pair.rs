//! The subject together with one other entity: is it new to the subject, how well do they know each other.

use event::schema::Part;

use super::{Describe, FeatureGroup, MISSING, Moment, hours, ratio};

const GROUP: FeatureGroup = FeatureGroup::Graph;

pub fn describe(list: &mut Describe<'_>, role: usize) {
    let name = list.role(role).to_owned();
    let one = |suffix: &str| format!("pair_{name}_{suffix}");
    let absent = "role absent";
    let new = "role absent or first time";
    list.add(
        GROUP,
        one("count"),
        format!("events of the subject with this {name}"),
        "count",
        absent,
    );
    list.add(
        GROUP,
        one("since_first"),
        "time since the first of them",
        "hours",
        new,
    );
    list.add(
        GROUP,
        one("since_last"),
        "time since the last of them",
        "hours",
        new,
    );
    if list.schema.roles[role].part == Part::Counterparty {
        let meaning = "amount over (money moved between the two / their events)";
        list.add(
            GROUP,
            one("amount_ratio"),
            meaning,
            "ratio",
            "no money moved between them",
        );
    }
    if matters_by_degree(list.schema.roles[role].part) {
        let meaning = format!(
            "strength of the link through this {name}: 1 / log2(2 + subjects in the longest window)"
        );
        list.add(GROUP, one("link"), meaning, "0-1", absent);
    }
}

/// A shared device or address says little when thousands share it.
fn matters_by_degree(part: Part) -> bool {
    matches!(
        part,
        Part::Device | Part::Ip | Part::Location | Part::Instrument
    )
}

pub fn fill(moment: &Moment<'_>, role: usize, out: &mut Vec<f32>) {
    let graph = moment.graph;
    let part = graph.schema().roles[role].part;
    let extra = usize::from(part == Part::Counterparty) + usize::from(matters_by_degree(part));
    if !moment.has(role) {
        out.extend(std::iter::repeat_n(MISSING, 3 + extra));
        return;
    }
    let pair = graph.live_pair(moment.nodes[graph.plan.subject.index()], moment.nodes[role]);
    match pair {
        None => out.extend_from_slice(&[0.0, MISSING, MISSING]),
        Some(pair) => {
            out.push(pair.count as f32);
            out.push(hours(moment.now, pair.first));
            out.push(hours(moment.now, pair.last));
        }
    }
    if part == Part::Counterparty {
        let mean = pair.map_or(0.0, |pair| pair.sum / pair.count as f32);
        out.push(ratio(moment.amount.unwrap_or(MISSING), mean));
    }
    if matters_by_degree(part) {
        let subjects = moment.recent[role].windows[3].peers.iter().sum::<f32>();
        out.push(1.0 / super::squash::squash(1.0 + subjects).max(1.0));
    }
}
