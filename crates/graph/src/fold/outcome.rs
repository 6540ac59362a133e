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
        let suspicion = decision
            .suspicion
            .iter()
            .map(|(_, score)| *score)
            .max()
            .unwrap_or(0);
        let declined = decision.verdict == DecisionKind::Decline;
        let at = decision.event_position;
        if let Some(waiting) = self.waiting.iter_mut().find(|it| it.position == at) {
            waiting.suspicion = suspicion;
            waiting.declined |= declined;
            return;
        }
        let found = self
            .undecided
            .iter()
            .rev()
            .find(|(position, _)| *position == at);
        let Some((_, nodes)) = found.copied() else {
            return;
        };
        for node in nodes.into_iter().filter(|node| *node != NONE) {
            let ring = self.nodes.get(node).ring;
            let items = self.rings.items_mut(ring);
            if let Some(item) = items.iter_mut().rev().find(|item| item.position() == at) {
                item.suspicion = suspicion;
            }
        }
        if declined {
            self.stop_money(&nodes, at, true);
        }
    }

    pub fn fold_outcome(&mut self, outcome: &Outcome) {
        self.advance(outcome.received_at);
        let declined = match outcome.kind {
            OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::ChallengeFailed => true,
            OutcomeKind::Reversed | OutcomeKind::Refunded => false,
            OutcomeKind::Authorised | OutcomeKind::ChallengePassed => return,
        };
        let at = outcome.subject.position;
        if let Some(waiting) = self.waiting.iter_mut().find(|it| it.position == at) {
            waiting.declined |= declined;
            return;
        }
        let mut nodes = [NONE; ROLES_MAX];
        for (role, id) in &outcome.subject.entities {
            let kind = self.plan.schema.roles[role.index()].kind;
            nodes[role.index()] = self.find(kind, id.as_str());
        }
        self.stop_money(&nodes, at, declined);
    }

    /// Takes an event's money back out of every counter that still holds it. Idempotent.
    fn stop_money(&mut self, nodes: &RoleNodes, at: Position, declined: bool) {
        let subject = nodes[self.plan.subject.index()];
        for (role, node) in nodes.iter().copied().enumerate() {
            if node == NONE {
                continue;
            }
            let Some((before, newly_declined)) = self.mark_stopped(node, at, declined) else {
                continue;
            };
            let back = before.flow();
            self.take_back(node, &before, back, newly_declined);
            let is_subject = RoleIx(role as u8) == self.plan.subject;
            if is_subject && newly_declined && self.nodes.get(node).profile != NONE {
                let profile = self.profiles.get_mut(self.nodes.get(node).profile);
                profile.last_declined = profile.last_declined.max(Some(before.time));
            }
            let same = |held: &Pair| held.from == subject && held.to == node;
            if !is_subject
                && subject != NONE
                && let Some(pair) = self.pairs.find_mut(pair_hash(subject, node), same)
            {
                pair.sum = (pair.sum - back).max(0.0);
            }
        }
    }

    /// The interaction as it was, and whether it is declined only now; `None` when it is gone.
    fn mark_stopped(
        &mut self,
        node: u32,
        at: Position,
        declined: bool,
    ) -> Option<(Interaction, bool)> {
        let ring = self.nodes.get(node).ring;
        let items = self.rings.items_mut(ring);
        let item = items.iter_mut().rev().find(|item| item.position() == at)?;
        let before = *item;
        let newly_declined = declined && !before.has(state::DECLINED);
        item.state |= state::NOT_MOVED;
        if declined {
            item.state |= state::DECLINED;
        }
        Some((before, newly_declined))
    }

    fn take_back(&mut self, node: u32, before: &Interaction, back: f32, newly_declined: bool) {
        let half_life = self.plan.windows[2].millis() as f32;
        let held = self.nodes.get_mut(node);
        let age = held.last_seen.since(before.time).millis() as f32;
        let faded = back * libm::exp2f(-age / half_life);
        let flow = &mut held.flow[before.direction as usize];
        *flow = (*flow - faded).max(0.0);
        held.declined = held.declined.saturating_add(u8::from(newly_declined));
        if held.hub != NONE {
            let hub = self.hubs.get_mut(held.hub);
            hub.amend(before, back, newly_declined, &self.plan.clock);
        }
    }
}
