//! Memory comes back: a few places are looked at with every event. Whether a node or pair counts as gone
//! is decided by [`Graph::is_stale`] alone, so the pace here changes nothing anyone can see.

use crate::node::Node;
use crate::slab::NONE;
use crate::state::{FREE_KIND, Graph};

/// One place more than the event brought, so that even a stream of strangers cannot outrun the sweep.
const NODES_BEYOND: u32 = 1;
/// Slots of the pair table are at worst 3/8 full.
const SLOTS_PER_PAIR: u32 = 3;

impl Graph {
    pub(crate) fn sweep(&mut self, new_nodes: u32, new_pairs: u32) {
        for _ in 0..(new_nodes + NODES_BEYOND).min(self.nodes.used()) {
            self.node_hand = (self.node_hand + 1) % self.nodes.used();
            let node = self.nodes.get(self.node_hand);
            if node.kind != FREE_KIND && self.is_stale(node.touched) {
                self.free_node(self.node_hand);
            }
        }
        let (now, idle) = (self.now, self.plan.schema.time.idle_expiry);
        for _ in 0..(new_pairs + 1) * SLOTS_PER_PAIR {
            let dead = |pair: &crate::pair::Pair| now.since(pair.last) > idle;
            self.pair_hand = self.pairs.sweep(self.pair_hand, dead);
        }
    }

    fn free_node(&mut self, ix: u32) {
        self.clear_node(ix);
        let name = self.nodes.get(ix).name;
        let kind = event::KindIx(self.nodes.get(ix).kind);
        let text = std::str::from_utf8(self.names.bytes(name)).unwrap_or_default();
        let hash = crate::interner::name_hash(kind, text);
        self.name_table.remove(hash, |slot| slot.node == ix);
        self.names.give_back(name);
        self.nodes.give_back(ix);
        // Whoever takes the slot next writes its own kind.
        self.nodes.get_mut(ix).kind = FREE_KIND;
    }

    /// Everything but name and kind goes; the node is as new.
    pub(crate) fn clear_node(&mut self, ix: u32) {
        let node = *self.nodes.get(ix);
        self.rings.release(node.ring);
        if node.known != NONE {
            self.known.give_back(node.known);
        }
        if node.hub != NONE {
            self.hubs.give_back(node.hub);
        }
        if node.profile != NONE {
            self.profiles.give_back(node.profile);
        }
        *self.nodes.get_mut(ix) = Node {
            kind: node.kind,
            name: node.name,
            ..Node::default()
        };
    }
}
