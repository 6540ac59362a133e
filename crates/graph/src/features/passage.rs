//! Money between accounts only, and what the accounts next to both ends did: deposits and purchases
//! without an account on their other end are left out, since salaries would hide what is passed on.
//!
//! Only where counterparties are accounts themselves. Looks at the rings of the two ends and at the newest
//! [`ITEMS`] interactions of at most [`PEERS`] of their neighbours each way.

use event::EventTime;

use crate::interaction::{Direction, Interaction, signs};
use crate::slab::NONE;
use crate::state::Graph;

use super::{Describe, FeatureGroup, MISSING, Moment, ratio};

const GROUP: FeatureGroup = FeatureGroup::Graph;
const PEERS: usize = 8;
const ITEMS: usize = 16;
/// The windows looked at, by index.
const WINDOWS: [usize; 2] = [1, 3];
const WAYS: [(Direction, &str, &str); 2] = [
    (Direction::In, "in", "incoming"),
    (Direction::Out, "out", "outgoing"),
];
const SIGNS: [(u8, &str, &str); 3] = [
    (signs::NEW_PAIR, "new", "between first-time counterparties"),
    (
        signs::QUIET_PEER,
        "quiet",
        "to an account without recent events",
    ),
    (
        signs::AMOUNT_MATCH,
        "match",
        "matching an amount that had come in",
    ),
];

pub fn describe(list: &mut Describe<'_>) {
    if !super::flow::is_transfer_schema(list) {
        return;
    }
    let absent = "no counterparty";
    for end in ["subject", "counterparty"] {
        for (_, way, text) in WAYS {
            let one = |suffix: &str| format!("{end}_between_{way}_{suffix}");
            let count = format!("{text} transfers with other accounts");
            list.add_windows(GROUP, &WINDOWS, &one("count"), &count, "count", absent);
            let sum = format!("money of {text} transfers with other accounts");
            list.add_windows(GROUP, &WINDOWS, &one("sum"), &sum, "major units", absent);
            let share = format!("amount over the money of {text} transfers with other accounts");
            list.add_windows(
                GROUP,
                &WINDOWS,
                &one("ratio"),
                &share,
                "ratio",
                "none moved",
            );
            for (_, sign, meaning) in SIGNS {
                let meaning = format!("{text} transfers of the longest window {meaning}");
                list.add(GROUP, one(sign), meaning, "count", absent);
            }
            let none = "no such neighbour";
            for (_, sign, meaning) in SIGNS {
                let meaning = format!(
                    "share of the transfers {meaning} among those of the accounts behind {text} transfers"
                );
                list.add(GROUP, one(&format!("next_{sign}")), meaning, "share", none);
            }
            let meaning = format!("transfers per account behind {text} transfers");
            list.add(GROUP, one("next_count"), meaning, "count", none);
            let meaning =
                format!("outgoing over all transfers of the accounts behind {text} transfers");
            list.add(GROUP, one("next_out"), meaning, "share", none);
        }
    }
}

pub fn fill(moment: &Moment<'_>, out: &mut Vec<f32>) {
    const PER_WAY: usize = 3 * WINDOWS.len() + 2 * SIGNS.len() + 2;
    let plan = &moment.graph.plan;
    if !plan.transfers {
        return;
    }
    for role in [Some(plan.subject), plan.counterparty]
        .into_iter()
        .flatten()
    {
        if moment.event.entity(role).is_none() {
            out.extend_from_slice(&[MISSING; 2 * PER_WAY]);
            continue;
        }
        let node = moment.nodes[role.index()];
        for (way, _, _) in WAYS {
            fill_way(moment, node, way, out);
        }
    }
}

fn fill_way(moment: &Moment<'_>, node: u32, way: Direction, out: &mut Vec<f32>) {
    let graph = moment.graph;
    let begin = WINDOWS.map(|window| moment.now.minus(graph.plan.windows[window]));
    let (mut count, mut sum) = ([0.0; WINDOWS.len()], [0.0; WINDOWS.len()]);
    let mut bearing = [0.0; SIGNS.len()];
    let mut next = Next::default();
    for item in between(graph, node, begin[1]).filter(|item| item.direction == way) {
        for window in 0..WINDOWS.len() {
            if item.time > begin[window] {
                count[window] += 1.0;
                sum[window] += item.flow();
            }
        }
        for (held, (sign, _, _)) in bearing.iter_mut().zip(SIGNS) {
            *held += f32::from(u8::from(item.signs & sign != 0));
        }
        next.visit(graph, item.peer, node, begin[1]);
    }
    let amount = moment.amount.unwrap_or(MISSING);
    out.extend(count);
    out.extend(sum);
    out.extend(sum.map(|sum| ratio(amount, sum)));
    out.extend(bearing);
    out.extend(next.bearing.map(|bearing| ratio(bearing, next.items)));
    out.push(ratio(next.items, next.len as f32));
    out.push(ratio(next.outgoing, next.items));
}

/// A node's transfers with other accounts after `from`, newest first.
fn between(graph: &Graph, node: u32, from: EventTime) -> impl Iterator<Item = &Interaction> {
    super::flow::recent_items(graph, node, from).filter(|item| item.peer != NONE)
}

/// The accounts on the other ends, each once.
#[derive(Default)]
struct Next {
    met: [u32; PEERS],
    len: usize,
    items: f32,
    outgoing: f32,
    bearing: [f32; SIGNS.len()],
}

impl Next {
    fn visit(&mut self, graph: &Graph, peer: u32, from_node: u32, from: EventTime) {
        let full = self.len == PEERS || self.met[..self.len].contains(&peer);
        if full || !graph.is_alive(peer) {
            return;
        }
        self.met[self.len] = peer;
        self.len += 1;
        let others = between(graph, peer, from).take(ITEMS);
        for item in others.filter(|item| item.peer != from_node) {
            self.items += 1.0;
            self.outgoing += f32::from(u8::from(item.direction == Direction::Out));
            for (held, (sign, _, _)) in self.bearing.iter_mut().zip(SIGNS) {
                *held += f32::from(u8::from(item.signs & sign != 0));
            }
        }
    }
}
