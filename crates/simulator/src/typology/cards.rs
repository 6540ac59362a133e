//! Stolen, cloned and complicit cards.

use super::{Action, Draft, Part, Shop, Stage, Sum, Via};

/// A few stolen cards, each checked by small payments at one merchant, then spent.
pub(super) fn card_testing(draft: &mut Draft) {
    let victims = draft.size(3, 7, 4);
    draft.script.devices = 2;
    for victim in draft.parts(Part::Victim, victims) {
        let via = Via::Ring(draft.shape.below(2) as u8);
        draft.wait(90.0, 1.0);
        draft.at_an_hour();
        for _ in 0..draft.shape.between(1, 3) {
            draft.wait(6.0, 0.8);
            draft.fraud(
                victim,
                Action::Pay(Shop::Ring, Sum::Probe),
                via,
                Stage::Probe,
            );
        }
        let pause = draft.clock;
        draft.wait(400.0, 1.0);
        draft.at_an_hour();
        for _ in 0..draft.shape.between(1, 2) {
            draft.fraud(
                victim,
                Action::Pay(Shop::Online, Sum::Price(4.0)),
                via,
                Stage::Spend,
            );
            draft.wait(15.0, 1.0);
        }
        // the next card is checked while this one rests
        draft.clock = pause;
    }
}

/// A merchant charges cards of helpers for nothing and pays part of it back.
pub(super) fn merchant_collusion(draft: &mut Draft) {
    let owner = draft.part(Part::Mule);
    let count = draft.size(4, 9, 3);
    draft.script.devices = 1;
    let helpers = draft.parts(Part::Borrower, count);
    for helper in helpers {
        draft.wait(500.0, 0.8);
        draft.at_an_hour();
        for _ in 0..draft.shape.between(1, 3) {
            draft.fraud(
                helper,
                Action::Pay(Shop::Ring, Sum::Price(3.0)),
                Via::Owner,
                Stage::Spend,
            );
            draft.wait(120.0, 1.2);
        }
        if draft.shape.chance(0.5) {
            draft.wait(1500.0, 0.6);
            draft.at_an_hour();
            draft.send(owner, helper, Sum::Usual(3.0), Via::Owner, Stage::Move);
        }
    }
}

/// A terminal copies the cards it sees; weeks later the copies are used in another city.
pub(super) fn compromised_terminal(draft: &mut Draft) {
    let count = draft.size(4, 14, 2);
    draft.script.devices = 1;
    let visitors = draft.parts(Part::Visitor, count);
    draft.cover(0, Action::Watch, Via::Owner, Stage::Prepare);
    // long enough for the terminal to have seen that many
    draft.wait(6.0 * 1440.0, 0.3);
    for visitor in visitors {
        draft.wait(300.0, 0.9);
        draft.at_an_hour();
        for _ in 0..draft.shape.between(1, 3) {
            let action = match draft.shape.below(10) {
                0..2 => Action::Cash(Sum::Price(2.0)),
                2..8 => Action::Pay(Shop::Counter, Sum::Price(2.5)),
                _ => Action::Pay(Shop::Online, Sum::Price(2.5)),
            };
            draft.fraud(visitor, action, Via::Ring(0), Stage::Spend);
            draft.wait(45.0, 1.0);
        }
    }
}
