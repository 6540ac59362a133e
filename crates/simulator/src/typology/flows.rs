//! Shapes in which money moves between accounts.

use super::{Action, Draft, Part, Stage, Sum, Via};

/// Victims pay into a collector; after a dwell it fans out to mules, who cash out.
pub(super) fn mule_ring(draft: &mut Draft) {
    let victims = draft.size(3, 8, 2);
    let mules = draft.size(2, 3, 6);
    draft.script.devices = 2;
    let victims = draft.parts(Part::Victim, victims);
    let collector = draft.part(Part::Mule);
    let mules = draft.parts(Part::Mule, mules);
    for victim in victims {
        draft.wait(240.0, 1.0);
        draft.at_an_hour();
        let own = draft.shape.chance(0.5);
        let via = if own { Via::Owner } else { Via::Ring(0) };
        draft.send(victim, collector, Sum::Usual(4.0), via, Stage::Collect);
    }
    dwell(draft);
    let share = 0.9 / mules.len() as f64;
    for &mule in &mules {
        draft.wait(20.0, 1.0);
        draft.send(collector, mule, Sum::Pass(share), Via::Ring(1), Stage::Move);
    }
    for &mule in &mules {
        dwell(draft);
        cash_out(draft, mule);
    }
}

/// One source, several hands, one sink.
pub(super) fn scatter_gather(draft: &mut Draft) {
    let width = draft.size(3, 7, 2);
    draft.script.devices = 1;
    let source = draft.part(Part::Mule);
    let hands = draft.parts(Part::Mule, width);
    let sink = draft.part(Part::Mule);
    draft.cover(
        source,
        Action::Fund(Sum::Usual(30.0)),
        Via::Owner,
        Stage::Prepare,
    );
    dwell(draft);
    for &hand in &hands {
        draft.wait(30.0, 1.0);
        let sum = Sum::Pass(0.9 / f64::from(width));
        draft.send(source, hand, sum, Via::Ring(0), Stage::Move);
    }
    for &hand in &hands {
        draft.wait(180.0, 0.9);
        draft.at_an_hour();
        draft.send(hand, sink, Sum::Pass(0.95), Via::Owner, Stage::Collect);
    }
    dwell(draft);
    cash_out(draft, sink);
}

/// Several sources, one hub, several sinks.
pub(super) fn gather_scatter(draft: &mut Draft) {
    let sources = draft.size(3, 6, 3);
    let sinks = draft.size(3, 6, 3);
    draft.script.devices = 1;
    let sources = draft.parts(Part::Mule, sources);
    let hub = draft.part(Part::Mule);
    let sinks = draft.parts(Part::Mule, sinks);
    for source in sources {
        draft.wait(150.0, 1.0);
        draft.at_an_hour();
        draft.send(source, hub, Sum::Usual(3.0), Via::Owner, Stage::Collect);
    }
    dwell(draft);
    let share = 0.95 / sinks.len() as f64;
    for sink in sinks {
        draft.wait(40.0, 1.0);
        draft.send(hub, sink, Sum::Pass(share), Via::Ring(0), Stage::Move);
    }
}

/// Three to ten accounts in a circle, each keeping a little.
pub(super) fn cycle(draft: &mut Draft) {
    let length = draft.size(3, 10, 1);
    draft.script.devices = 1;
    let members = draft.parts(Part::Mule, length);
    draft.at_an_hour();
    for (place, &member) in members.iter().enumerate() {
        let next = members[(place + 1) % members.len()];
        let sum = if place == 0 {
            Sum::Usual(5.0)
        } else {
            Sum::Pass(0.97)
        };
        let via = if draft.shape.chance(0.4) {
            Via::Ring(0)
        } else {
            Via::Owner
        };
        draft.send(member, next, sum, via, Stage::Move);
        draft.wait(420.0, 1.0);
        draft.at_an_hour();
    }
}

/// Layers of accounts, each paying two of the next.
pub(super) fn layering(draft: &mut Draft) {
    let layers = draft.size(3, 4, 5);
    let width = draft.size(2, 3, 7);
    draft.script.devices = 2;
    let source = draft.part(Part::Mule);
    draft.cover(
        source,
        Action::Fund(Sum::Usual(40.0)),
        Via::Owner,
        Stage::Prepare,
    );
    dwell(draft);
    let mut above = vec![source];
    for _ in 0..layers {
        let layer = draft.parts(Part::Mule, width);
        for (place, &payer) in above.iter().enumerate() {
            for hop in 0..2 {
                let payee = layer[(place + hop) % layer.len()];
                draft.wait(45.0, 1.0);
                let via = Via::Ring(draft.shape.below(2) as u8);
                draft.send(payer, payee, Sum::Pass(0.48), via, Stage::Move);
            }
        }
        dwell(draft);
        above = layer;
    }
    cash_out(draft, above[0]);
}

/// Money rests for hours before it moves on.
pub(super) fn dwell(draft: &mut Draft) {
    draft.wait(360.0, 0.9);
    draft.at_an_hour();
}

pub(super) fn cash_out(draft: &mut Draft, actor: u16) {
    if draft.shape.chance(0.45) {
        draft.fraud(
            actor,
            Action::Cash(Sum::Pass(0.5)),
            Via::Owner,
            Stage::CashOut,
        );
        draft.wait(90.0, 0.9);
    }
    let out = draft.part(Part::Outside);
    draft.send(actor, out, Sum::Pass(0.9), Via::Owner, Stage::CashOut);
}
