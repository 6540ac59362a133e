//! How an account lives: how often it buys, is paid, sends and receives, over its whole life.
//!
//! An account that only passes money on buys little. A window is too short to see that of an account with a
//! purchase a week, so these are rates since the account was first seen. Only where counterparties are
//! accounts themselves.

use crate::slab::NONE;

use super::{Describe, FeatureGroup, MISSING, Moment};

/// Added to the length of a life, in longest windows: a single early event is not yet a habit.
const LIFE_PRIOR: f32 = 0.1;
const RATES: [(&str, &str); 4] = [
    ("payment", "payments made"),
    ("transfer", "transfers made"),
    ("deposit", "deposits received"),
    ("receipt", "events in which it was not the subject"),
];
const ENDS: [(&str, FeatureGroup); 2] = [
    ("subject", FeatureGroup::History),
    ("counterparty", FeatureGroup::Graph),
];

pub fn describe(list: &mut Describe<'_>) {
    if !super::flow::is_transfer_schema(list) {
        return;
    }
    for (end, group) in ENDS {
        for (name, meaning) in RATES {
            let meaning =
                format!("{meaning} per longest window of its life, smoothed by one event");
            let name = format!("{end}_{name}_rate");
            list.add(group, name, meaning, "count", "no counterparty");
        }
    }
}

pub fn fill(moment: &Moment<'_>, out: &mut Vec<f32>) {
    let graph = moment.graph;
    let plan = &graph.plan;
    if !plan.transfers {
        return;
    }
    let longest = plan.longest().millis() as f32;
    let ends = [Some(plan.subject), plan.counterparty];
    for role in ends.into_iter().flatten() {
        if moment.event.entity(role).is_none() {
            out.extend_from_slice(&[MISSING; RATES.len()]);
            continue;
        }
        let ix = moment.nodes[role.index()];
        let (mut counts, mut life_ms) = ([0; RATES.len()], 0.0);
        if ix != NONE {
            let node = graph.nodes.get(ix);
            life_ms = moment.now.since(node.first_seen).millis().max(0) as f32;
            let profile = (node.profile != NONE).then(|| graph.profiles.get(node.profile));
            let own = profile.map(|profile| profile.own).unwrap_or_default();
            let others = node.events.saturating_sub(own.events);
            counts = [own.payments, own.transfers, own.deposits, others];
        }
        let life = life_ms / longest + LIFE_PRIOR;
        out.extend(counts.map(|count| (count as f32 + 1.0) / life));
    }
}
