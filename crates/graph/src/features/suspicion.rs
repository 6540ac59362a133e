//! Suspicion around both ends of a transfer: what pinned producers said of the transfers of the longest
//! window, and of those of the accounts on their other ends. Each hop carries what the hop before it had
//! read, so the channel reaches further than two hops.
//!
//! Only where counterparties are accounts themselves. Looks at the rings of the two ends and at the newest
//! [`ITEMS`] interactions of at most [`PEERS`] of their neighbours each way.

use event::EventTime;

use crate::interaction::{Direction, Interaction};
use crate::slab::NONE;
use crate::state::Graph;

use super::recent::Suspicion;
use super::{Describe, FeatureGroup, MISSING, Moment, ratio};

const GROUP: FeatureGroup = FeatureGroup::Suspicion;
const PEERS: usize = 8;
const ITEMS: usize = 16;
/// Values written for one suspicion.
const STATS: usize = 3;
const WAYS: [(Direction, &str, &str); 2] = [
    (Direction::In, "in", "incoming"),
    (Direction::Out, "out", "outgoing"),
];

pub fn describe(list: &mut Describe<'_>) {
    if !super::flow::is_transfer_schema(list) {
        return;
    }
    for end in ["subject", "counterparty"] {
        for (_, way, text) in WAYS {
            let own = format!("{text} events of the {end}");
            describe_one(list, &format!("{end}_{way}"), &own);
            let next = format!("events of the accounts behind {text} events of the {end}");
            describe_one(list, &format!("{end}_{way}_next"), &next);
        }
    }
}

fn describe_one(list: &mut Describe<'_>, name: &str, what: &str) {
    let none = "no suspicion scored";
    for (stat, meaning) in [
        ("max", "highest suspicion among"),
        ("mean", "mean suspicion of"),
        (
            "faded",
            "highest suspicion, faded over the longest window, among",
        ),
    ] {
        let meaning = format!("{meaning} {what}");
        list.add(
            GROUP,
            format!("{name}_suspicion_{stat}"),
            meaning,
            "0-1",
            none,
        );
    }
}

pub fn fill(moment: &Moment<'_>, out: &mut Vec<f32>) {
    let plan = &moment.graph.plan;
    if !plan.transfers {
        return;
    }
    for role in [Some(plan.subject), plan.counterparty]
        .into_iter()
        .flatten()
    {
        for (way, _, _) in WAYS {
            let own = moment.recent[role.index()].suspicion[way as usize];
            push(&own, out);
            push(&behind(moment, moment.nodes[role.index()], way), out);
        }
    }
}

fn push(suspicion: &Suspicion, out: &mut Vec<f32>) {
    if suspicion.count == 0 {
        out.extend_from_slice(&[MISSING; STATS]);
        return;
    }
    out.push(suspicion.max);
    out.push(ratio(suspicion.sum, suspicion.count as f32));
    out.push(suspicion.faded);
}

/// Over the accounts behind a node's interactions one way, each once.
fn behind(moment: &Moment<'_>, node: u32, way: Direction) -> Suspicion {
    let graph = moment.graph;
    if graph.counts.suspicions == 0 {
        // Tenants without producers do not pay for the walk.
        return Suspicion::default();
    }
    let from = moment.now.minus(graph.plan.longest());
    let longest_ms = graph.plan.longest().millis() as f32;
    let mut held = Suspicion::default();
    let mut met = [NONE; PEERS];
    let mut len = 0;
    for item in recent(graph, node, from).filter(|item| item.direction == way) {
        let known = item.peer == NONE || item.peer == node || met[..len].contains(&item.peer);
        if known || !graph.is_alive(item.peer) {
            continue;
        }
        met[len] = item.peer;
        len += 1;
        let others = recent(graph, item.peer, from).take(ITEMS);
        for other in others.filter(|other| other.peer != node) {
            held.add(other, moment.now, longest_ms);
        }
        if len == PEERS {
            break;
        }
    }
    held
}

/// A node's interactions after `from`, newest first.
fn recent(graph: &Graph, node: u32, from: EventTime) -> impl Iterator<Item = &Interaction> {
    let newest_first = graph.remembered(node).iter().rev();
    newest_first.take_while(move |item| item.time > from)
}
