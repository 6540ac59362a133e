//! Money on its way: in and out, dwell, amounts that match, cycles, common neighbours, scatter and gather.
//!
//! Only where counterparties are accounts themselves; looks at the rings of the two ends, so at most 64
//! interactions each.

use event::EventTime;
use event::schema::Part;

use crate::fold::MATCH_RATIO;
use crate::interaction::{Direction, Interaction};
use crate::slab::NONE;
use crate::state::Graph;

use super::recent::{Recent, Seen};
use super::{Describe, FeatureGroup, MISSING, Moment, hours, ratio};

const GROUP: FeatureGroup = FeatureGroup::Graph;

pub fn describe(list: &mut Describe<'_>) {
    if !is_transfer_schema(list) {
        return;
    }
    for end in ["subject", "counterparty"] {
        describe_end(list, end);
    }
    let absent = "no counterparty";
    let add = |list: &mut Describe<'_>, name: &str, meaning: &str, unit: &'static str, missing| {
        list.add(GROUP, name.to_owned(), meaning, unit, missing);
    };
    add(
        list,
        "reverse_count",
        "events of the counterparty with the subject as its counterparty",
        "count",
        absent,
    );
    add(
        list,
        "since_reverse",
        "time since the last of them",
        "hours",
        "never happened",
    );
    let meaning = "accounts that the counterparty paid and that paid the subject, longest window";
    add(list, "cycles_of_3", meaning, "count", absent);
    let meaning = "accounts that dealt with both ends in the longest window";
    add(list, "common_neighbours", meaning, "count", absent);
    let meaning = "the same, each weighted 1 / log2(2 + its events)";
    add(list, "common_neighbours_weighted", meaning, "sum", absent);
    let meaning = "incoming amounts of the subject within 10 % of this amount, longest window";
    add(list, "matching_in", meaning, "count", "no amount");
    let meaning = "time since the closest of them";
    add(list, "matching_in_dwell", meaning, "hours", "none matches");
    let meaning = "outgoing amounts of the subject within 10 % of this amount, longest window";
    add(list, "matching_out", meaning, "count", "no amount");
    let meaning = "incoming amounts of the counterparty within 10 % of this amount, longest window";
    add(
        list,
        "counterparty_matching_in",
        meaning,
        "count",
        "no amount or counterparty",
    );
}

pub(crate) fn is_transfer_schema(list: &Describe<'_>) -> bool {
    let kind = |part: Part| {
        list.schema
            .part(part)
            .map(|role| list.schema.roles[role.index()].kind)
    };
    kind(Part::Counterparty).is_some() && kind(Part::Counterparty) == kind(Part::Subject)
}

fn describe_end(list: &mut Describe<'_>, end: &str) {
    let one = |suffix: &str| format!("{end}_{suffix}");
    let absent = "no counterparty";
    for (name, meaning, unit) in [
        ("in_count", "incoming events", "count"),
        ("in_sum", "incoming money", "major units"),
        ("in_peers", "distinct accounts that paid it", "count"),
        ("out_sum", "outgoing money", "major units"),
        ("out_peers", "distinct accounts it paid", "count"),
        ("passed_on", "outgoing over incoming money", "ratio"),
    ] {
        list.add_windows(GROUP, &[1, 2, 3], &one(name), meaning, unit, absent);
    }
    list.add(
        GROUP,
        one("since_in"),
        "time since money last came in",
        "hours",
        "never",
    );
    list.add(
        GROUP,
        one("since_out"),
        "time since money last went out",
        "hours",
        "never",
    );
    for (way, text) in [("in", "incoming"), ("out", "outgoing")] {
        for (sign, meaning) in [
            ("new", "from or to a first-time counterparty"),
            ("quiet", "to an account without recent events"),
            ("match", "matching an amount that had come in"),
        ] {
            let meaning = format!("share of {text} events of the longest window {meaning}");
            list.add(
                GROUP,
                one(&format!("{way}_{sign}_share")),
                meaning,
                "share",
                "no events",
            );
        }
    }
}

pub fn fill(moment: &Moment<'_>, out: &mut Vec<f32>) {
    let plan = &moment.graph.plan;
    if !plan.transfers {
        return;
    }
    let subject = plan.subject.index();
    let counterparty = plan.counterparty.map_or(subject, |role| role.index());
    fill_end(moment, subject, out);
    fill_end(moment, counterparty, out);
    fill_between(
        moment,
        moment.nodes[subject],
        moment.nodes[counterparty],
        out,
    );
    fill_matching(
        moment,
        moment.nodes[subject],
        moment.nodes[counterparty],
        out,
    );
}

fn fill_end(moment: &Moment<'_>, role: usize, out: &mut Vec<f32>) {
    const FEATURES: usize = 6 * 3 + 2 + 6;
    if !moment.has(role) {
        out.extend_from_slice(&[MISSING; FEATURES]);
        return;
    }
    let recent: &Recent = &moment.recent[role];
    let (inward, outward) = (Direction::In as usize, Direction::Out as usize);
    let windows = &recent.windows[1..];
    out.extend(windows.iter().map(|window| window.count[inward] as f32));
    out.extend(windows.iter().map(|window| window.sum[inward]));
    out.extend(windows.iter().map(|window| window.peers[inward]));
    out.extend(windows.iter().map(|window| window.sum[outward]));
    out.extend(windows.iter().map(|window| window.peers[outward]));
    out.extend(
        windows
            .iter()
            .map(|window| ratio(window.sum[outward], window.sum[inward])),
    );
    out.push(super::hours_since(moment.now, recent.last_flow[inward]));
    out.push(super::hours_since(moment.now, recent.last_flow[outward]));
    for way in [inward, outward] {
        let signs = recent.by_direction[way];
        let events = signs.count as f32;
        out.push(ratio(signs.new_pair as f32, events));
        out.push(ratio(signs.quiet_peer as f32, events));
        out.push(ratio(signs.amount_match as f32, events));
    }
}

fn fill_between(moment: &Moment<'_>, subject: u32, counterparty: u32, out: &mut Vec<f32>) {
    let graph = moment.graph;
    let role = graph.plan.counterparty;
    let held = role.is_some_and(|role| moment.event.entity(role).is_some());
    if !held {
        out.extend_from_slice(&[MISSING; 5]);
        return;
    }
    match graph.live_pair(counterparty, subject) {
        None => out.extend_from_slice(&[0.0, MISSING]),
        Some(pair) => out.extend_from_slice(&[pair.count as f32, hours(moment.now, pair.last)]),
    }
    if subject == NONE || counterparty == NONE {
        out.extend_from_slice(&[0.0; 3]);
        return;
    }
    let from = moment.now.minus(graph.plan.longest());
    let (mut cycles, mut common, mut weighted) = (0.0, 0.0, 0.0);
    let near = Around::of(graph, subject, from);
    let mut counted = Seen::new();
    let mut cycled = Seen::new();
    for item in recent_items(graph, counterparty, from) {
        if item.peer == subject || item.peer == counterparty || item.peer == NONE {
            continue;
        }
        // The counterparty paid this account, and this account paid the subject.
        let pays_back = item.direction == Direction::Out && near.payers.holds(item.peer);
        if pays_back && cycled.add(item.peer) {
            cycles += 1.0;
        }
        if near.all.holds(item.peer) && counted.add(item.peer) {
            common += 1.0;
            let events = graph.nodes.get(item.peer).events as f32;
            weighted += 1.0 / super::squash::squash(1.0 + events).max(1.0);
        }
    }
    out.extend_from_slice(&[cycles, common, weighted]);
}

/// Accounts around a node.
struct Around {
    payers: Seen,
    all: Seen,
}

impl Around {
    fn of(graph: &Graph, node: u32, from: EventTime) -> Around {
        let mut around = Around {
            payers: Seen::new(),
            all: Seen::new(),
        };
        for item in recent_items(graph, node, from) {
            around.all.add(item.peer);
            if item.direction == Direction::In {
                around.payers.add(item.peer);
            }
        }
        around
    }
}

/// A node's interactions after `from` whose money moved, newest first.
pub(crate) fn recent_items(
    graph: &Graph,
    node: u32,
    from: EventTime,
) -> impl Iterator<Item = &Interaction> {
    graph
        .remembered(node)
        .iter()
        .rev()
        .take_while(move |item| item.time > from)
        .filter(|item| item.moved())
}

fn fill_matching(moment: &Moment<'_>, subject: u32, counterparty: u32, out: &mut Vec<f32>) {
    let graph = moment.graph;
    let Some(amount) = moment.amount.filter(|amount| *amount > 0.0) else {
        out.extend_from_slice(&[MISSING; 4]);
        return;
    };
    let from = moment.now.minus(graph.plan.longest());
    let near = |item: &Interaction| (item.amount - amount).abs() <= MATCH_RATIO * amount;
    let (mut inward, mut outward) = (0.0, 0.0);
    let mut closest: Option<(f32, EventTime)> = None;
    for item in recent_items(graph, subject, from).filter(|item| near(item)) {
        if item.direction == Direction::Out {
            outward += 1.0;
            continue;
        }
        inward += 1.0;
        let away = (item.amount - amount).abs();
        if closest.is_none_or(|(held, _)| away < held) {
            closest = Some((away, item.time));
        }
    }
    out.push(inward);
    out.push(closest.map_or(MISSING, |(_, time)| hours(moment.now, time)));
    out.push(outward);
    let role = graph.plan.counterparty;
    let held = role.is_some_and(|role| moment.event.entity(role).is_some());
    let incoming = recent_items(graph, counterparty, from)
        .filter(|item| item.direction == Direction::In && near(item));
    out.push(if held {
        incoming.count() as f32
    } else {
        MISSING
    });
}
