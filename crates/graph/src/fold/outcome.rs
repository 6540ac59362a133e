//! What happened to the money, and what we decided: flows count moved money only.

use event::record::{Decision, DecisionKind, Outcome, OutcomeKind};
use event::schema::ROLES_MAX;
use event::{Position, RoleIx};

use crate::interaction::{Interaction, state};
use crate::pair::{Pair, pair_hash};
use crate::slab::NONE;
use crate::state::{Graph, RoleNodes};

impl Graph {
    /// Folds a decision in: the event's suspicion is kept, a declined event moved no money.
    pub fn fold_decision(&mut self, decision: &Decision) {
        let at = decision.event_position;
        if let Some(suspicion) = decision.suspicion.iter().map(|(_, score)| *score).max() {
            self.fold_suspicion(at, suspicion);
        }
        if decision.verdict != DecisionKind::Decline {
            return;
        }
        if let Some(news) = self.waiting_news(at) {
            news.declined = true;
            news.stopped = true;
            return;
        }
        if let Some(nodes) = self.undecided_nodes(at) {
            self.stop_money(&nodes, at, true);
        }
    }

    /// Keeps what a producer said of an event folded in shortly before; 0 stands for none.
    pub fn fold_suspicion(&mut self, at: Position, suspicion: u16) {
        self.counts.suspicions += u64::from(suspicion != 0);
        if let Some(news) = self.waiting_news(at) {
            news.suspicion = suspicion;
            return;
        }
        let Some(nodes) = self.undecided_nodes(at) else {
            return;
        };
        for (role, node) in nodes.into_iter().enumerate() {
            if let Some(item) = self.kept_mut(node, RoleIx(role as u8), at) {
                item.suspicion = suspicion;
            }
        }
    }

    fn undecided_nodes(&self, at: Position) -> Option<RoleNodes> {
        let mut newest_first = self.undecided.iter().rev();
        let found = newest_first.find(|(position, _)| *position == at);
        found.map(|(_, nodes)| *nodes)
    }

    pub fn fold_outcome(&mut self, outcome: &Outcome) {
        self.advance(outcome.received_at);
        let declined = match outcome.kind {
            OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::ChallengeFailed => true,
            OutcomeKind::Reversed | OutcomeKind::Refunded => false,
            OutcomeKind::Authorised | OutcomeKind::ChallengePassed => return,
        };
        let at = outcome.subject.position;
        if let Some(news) = self.waiting_news(at) {
            news.declined |= declined;
            news.stopped = true;
            return;
        }
        let mut nodes = [NONE; ROLES_MAX];
        for (role, id) in &outcome.subject.entities {
            let kind = self.plan.schema.roles[role.index()].kind;
            nodes[role.index()] = self.find(kind, id.as_str());
        }
        self.stop_money(&nodes, at, declined);
    }

    /// The interaction that `node` keeps of the event at `at` in this role.
    pub(super) fn kept_mut(
        &mut self,
        node: u32,
        role: RoleIx,
        at: Position,
    ) -> Option<&mut Interaction> {
        if node == NONE {
            return None;
        }
        let items = self.rings.items_mut(self.nodes.get(node).ring);
        let mut newest_first = items.iter_mut().rev();
        newest_first.find(|item| item.position() == at && item.role() == role)
    }

    /// Takes an event's money back out of the counters of every node whose ring still holds it. Idempotent.
    fn stop_money(&mut self, nodes: &RoleNodes, at: Position, declined: bool) {
        let subject = self.plan.subject;
        for (role, node) in nodes.iter().copied().enumerate() {
            let role = RoleIx(role as u8);
            let Some((before, newly_declined)) = self.mark_stopped(node, role, at, declined) else {
                continue;
            };
            self.take_back(node, &before, newly_declined);
            if role == subject {
                self.stop_pairs(nodes, &before);
                self.note_declined(node, &before, newly_declined);
            }
        }
    }

    /// The interaction as it was, and whether it is declined only now; `None` when it is gone.
    fn mark_stopped(
        &mut self,
        node: u32,
        role: RoleIx,
        at: Position,
        declined: bool,
    ) -> Option<(Interaction, bool)> {
        let item = self.kept_mut(node, role, at)?;
        let before = *item;
        let newly_declined = declined && !before.has(state::DECLINED);
        item.state |= state::NOT_MOVED;
        if declined {
            item.state |= state::DECLINED;
        }
        Some((before, newly_declined))
    }

    /// `before` is the subject's own memory of the event: it tells which pairs still hold the money.
    fn stop_pairs(&mut self, nodes: &RoleNodes, before: &Interaction) {
        // The nodes of a forgotten event may be other entities by now.
        if self.is_stale(before.time) {
            return;
        }
        let subject = nodes[self.plan.subject.index()];
        for (role, to) in nodes.iter().copied().enumerate() {
            if to == NONE || role == self.plan.subject.index() || before.paid().is_none() {
                continue;
            }
            let same = |held: &Pair| held.from == subject && held.to == to;
            if let Some(pair) = self.pairs.find_mut(pair_hash(subject, to), same) {
                pair.take_back(before.flow());
            }
        }
    }

    fn note_declined(&mut self, subject: u32, before: &Interaction, newly_declined: bool) {
        let profile = self.nodes.get(subject).profile;
        if newly_declined && profile != NONE {
            let profile = self.profiles.get_mut(profile);
            profile.last_declined = profile.last_declined.max(Some(before.time));
        }
    }

    fn take_back(&mut self, node: u32, before: &Interaction, newly_declined: bool) {
        let half_life = self.plan.windows[2].millis() as f32;
        let held = self.nodes.get_mut(node);
        let age = held.last_seen.since(before.time).millis() as f32;
        let faded = before.flow() * libm::exp2f(-age / half_life);
        let flow = &mut held.flow[before.direction as usize];
        // What rounding leaves of a sum that was taken back is nothing.
        let left = *flow - faded;
        *flow = if left <= *flow * 1e-5 { 0.0 } else { left };
        if held.hub != NONE {
            let hub = self.hubs.get_mut(held.hub);
            hub.amend(before, newly_declined, &self.plan.clock);
        }
    }
}
