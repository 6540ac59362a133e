//! Memory comes back: a few places are looked at with every event. Whether a node or pair counts as gone
//! is decided by [`Graph::is_stale`] alone, so the pace here changes nothing anyone can see.

use event::schema::ROLES_MAX;

use crate::node::Node;
use crate::slab::NONE;
use crate::state::{FREE_KIND, Graph};

/// At least as many as one event can bring, so that even a stream of strangers cannot outrun the sweep;
/// slots of the pair table are at worst 3/8 full.
const NODES_PER_EVENT: u32 = ROLES_MAX as u32;
const PAIRS_PER_EVENT: u32 = 2 * ROLES_MAX as u32;

impl Graph {
    pub(crate) fn sweep(&mut self) {
        for _ in 0..NODES_PER_EVENT.min(self.nodes.used()) {
            self.node_hand = (self.node_hand + 1) % self.nodes.used();
            let node = self.nodes.get(self.node_hand);
            if node.kind != FREE_KIND && self.is_stale(node.touched) {
                self.free_node(self.node_hand);
            }
        }
        let (now, idle) = (self.now, self.plan.schema.time.idle_expiry);
        for _ in 0..PAIRS_PER_EVENT {
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
        self.nodes.get_mut(ix).kind = FREE_KIND;
        self.nodes.give_back(ix);
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
