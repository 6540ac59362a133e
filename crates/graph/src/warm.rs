//! Asks for the memory that a sample will read before it reads it.
//!
//! A graph of millions of entities lies outside the caches: an event touches some 200 cache lines, and each
//! miss costs more than the arithmetic behind it. Reading them here, one level of indirection at a time and
//! without using what was read, lets the misses of a level overlap. What is returned is a guess.

use std::hint::black_box;

use event::Event;
use event::schema::ROLES_MAX;

use crate::hub::Hub;
use crate::ring::NEIGHBOURS;
use crate::slab::NONE;
use crate::state::{Graph, RoleNodes};

/// Interactions per cache line.
const ITEMS_PER_LINE: usize = 2;

impl Graph {
    /// The event's nodes, as far as their hashes tell.
    pub(crate) fn warm(&self, event: &Event) -> RoleNodes {
        let nodes = self.guess_all(event);
        self.warm_nodes(&nodes);
        self.warm_pairs(&nodes);
        self.warm_rings(&nodes);
        self.warm_peers(&nodes);
        nodes
    }

    /// The event's nodes as its sample found them; without one the memory that folding reads is asked for now.
    pub(crate) fn prepared(&self, event: &Event) -> RoleNodes {
        if self.sampled.0 == event.event_id.key() {
            return self.sampled.1;
        }
        let nodes = self.guess_all(event);
        self.warm_nodes(&nodes);
        self.warm_pairs(&nodes);
        self.warm_places(&nodes);
        nodes
    }

    fn guess_all(&self, event: &Event) -> RoleNodes {
        let mut nodes = [NONE; ROLES_MAX];
        for (role, id) in &event.entities {
            let kind = self.plan.schema.roles[role.index()].kind;
            nodes[role.index()] = self.guess(kind, id.as_str());
        }
        nodes
    }

    /// Names, and the ends of the rings where the event will be put.
    fn warm_places(&self, nodes: &RoleNodes) {
        let mut seen = 0;
        for ix in nodes.iter().filter(|ix| **ix != NONE) {
            let node = self.nodes.get(*ix);
            seen ^= u32::from(self.names.bytes(node.name).first().copied().unwrap_or(0));
            let last = self.rings.items(node.ring).last();
            seen ^= last.map_or(0, |item| item.peer);
        }
        black_box(seen);
    }

    fn warm_nodes(&self, nodes: &RoleNodes) {
        let mut seen = 0;
        for ix in nodes.iter().filter(|ix| **ix != NONE) {
            let node = self.nodes.get(*ix);
            // One field of each half.
            seen ^= node.events ^ node.name.block;
        }
        black_box(seen);
    }

    fn warm_pairs(&self, nodes: &RoleNodes) {
        let subject = nodes[self.plan.subject.index()];
        let mut seen = 0;
        for to in nodes {
            let pair = crate::pair::find(&self.pairs, subject, *to);
            seen ^= pair.map_or(0, |pair| pair.count);
        }
        if self.plan.transfers
            && let Some(role) = self.plan.counterparty
        {
            let back = crate::pair::find(&self.pairs, nodes[role.index()], subject);
            seen ^= back.map_or(0, |pair| pair.count);
        }
        black_box(seen);
    }

    fn warm_rings(&self, nodes: &RoleNodes) {
        let mut seen = 0;
        for ix in nodes.iter().filter(|ix| **ix != NONE) {
            let node = self.nodes.get(*ix);
            seen ^= u32::from(self.names.bytes(node.name).first().copied().unwrap_or(0));
            let items = self.rings.items(node.ring);
            seen ^= items
                .iter()
                .step_by(ITEMS_PER_LINE)
                .fold(0, |seen, item| seen ^ item.peer);
            if node.hub != NONE {
                seen ^= warm_hub(self.hubs.get(node.hub));
            }
            if node.known != NONE {
                seen ^= self.known.get(node.known).fraud_total;
            }
        }
        black_box(seen);
    }

    fn warm_peers(&self, nodes: &RoleNodes) {
        let mut seen = 0;
        for ix in nodes.iter().filter(|ix| **ix != NONE) {
            let items = self.rings.items(self.nodes.get(*ix).ring);
            for item in items
                .iter()
                .rev()
                .take(NEIGHBOURS)
                .filter(|item| item.peer != NONE)
            {
                seen ^= self.nodes.get(item.peer).events;
            }
        }
        black_box(seen);
    }
}

/// One value of every line or two: cells are 40 bytes, stamps 4.
fn warm_hub(hub: &Hub) -> u32 {
    let cells = hub
        .cells
        .iter()
        .flatten()
        .fold(0, |seen, cell| seen ^ cell.count[0]);
    let stamps = hub.peers.iter().flatten().step_by(16);
    stamps.fold(cells, |seen, stamp| seen ^ *stamp as u32)
}
