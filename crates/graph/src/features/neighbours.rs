//! The accounts on the other end of each entity's recent interactions, summed up: the second hop.

use crate::interaction::Interaction;
use crate::ring::NEIGHBOURS;
use crate::slab::NONE;

use super::{Describe, FeatureGroup, MISSING, Moment, hours, ratio};

pub fn describe(list: &mut Describe<'_>) {
    for role in super::order(list.schema) {
        let name = list.role(role).to_owned();
        let one = |suffix: &str| format!("{name}_neighbours_{suffix}");
        let none = "no neighbours";
        let graph = FeatureGroup::Graph;
        let what = format!("distinct nodes behind the last {NEIGHBOURS} events of this {name}");
        list.add(graph, one("count"), what, "count", "role absent");
        list.add(
            graph,
            one("tenure"),
            "their mean time since first seen",
            "hours",
            none,
        );
        list.add(
            graph,
            one("events"),
            "their mean number of events",
            "count",
            none,
        );
        list.add(
            graph,
            one("passed_on"),
            "their mean outgoing over incoming money",
            "ratio",
            none,
        );
        let labels = FeatureGroup::Labels;
        list.add(
            labels,
            one("with_fraud"),
            "share of them with a known fraud",
            "share",
            none,
        );
        let meaning = "share of those events that are known fraud";
        list.add(labels, one("events_fraud"), meaning, "share", none);
    }
}

pub fn fill(moment: &Moment<'_>, role: usize, out: &mut Vec<f32>) {
    if !moment.has(role) {
        out.extend_from_slice(&[MISSING; 6]);
        return;
    }
    let graph = moment.graph;
    let items = graph.remembered(moment.nodes[role]);
    let subject = moment.nodes[graph.plan.subject.index()];
    let mut sums = Sums::default();
    let mut met = [NONE; NEIGHBOURS];
    // Most rows repeat the peer before, and most of the others are met for the first time: neither needs a
    // search.
    let (mut last, mut bits) = (NONE, 0_u64);
    for item in items.iter().rev().take(NEIGHBOURS) {
        sums.events_seen += 1.0;
        sums.events_fraud += f32::from(u8::from(item.has(crate::interaction::state::FRAUD)));
        if item.peer == last || item.peer == NONE || item.peer == subject {
            continue;
        }
        last = item.peer;
        let bit = 1 << (item.peer.wrapping_mul(0x9e37_79b9) >> 26);
        if bits & bit != 0 && met[..sums.met].contains(&item.peer) {
            continue;
        }
        bits |= bit;
        met[sums.met] = item.peer;
        sums.met += 1;
        sums.add(moment, item);
    }
    let met = sums.met as f32;
    out.push(met);
    out.push(ratio(sums.tenure, met));
    out.push(ratio(sums.events, met));
    out.push(ratio(sums.passed_on, sums.with_flow));
    out.push(ratio(sums.with_fraud, met));
    out.push(ratio(sums.events_fraud, sums.events_seen));
}

#[derive(Default)]
struct Sums {
    met: usize,
    tenure: f32,
    events: f32,
    passed_on: f32,
    with_flow: f32,
    with_fraud: f32,
    events_seen: f32,
    events_fraud: f32,
}

impl Sums {
    fn add(&mut self, moment: &Moment<'_>, item: &Interaction) {
        let node = moment.graph.nodes.get(item.peer);
        self.tenure += hours(moment.now, node.first_seen);
        self.events += node.events as f32;
        if node.flow[1] > 0.0 {
            self.passed_on += node.flow[0] / node.flow[1];
            self.with_flow += 1.0;
        }
        self.with_fraud += f32::from(u8::from(node.fraud_known > 0));
    }
}
