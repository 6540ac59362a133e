//! Accounts that are taken over, made up, borrowed or talked out of their money.

use super::flows::{cash_out, dwell};
use super::{Action, Draft, Part, Shop, Stage, Sum, Via};

/// A login from elsewhere, a changed profile, a new payee, a drained balance.
pub(super) fn account_takeover(draft: &mut Draft) {
    draft.script.devices = 1;
    let victim = draft.part(Part::Victim);
    let inside = draft.shape.chance(0.6);
    let mule = draft.part(if inside { Part::Mule } else { Part::Outside });
    draft.at_an_hour();
    for _ in 0..draft.shape.between(1, 2) {
        draft.fraud(victim, Action::Login, Via::Ring(0), Stage::Enter);
        draft.wait(30.0, 1.5);
    }
    if draft.shape.chance(0.5) {
        draft.fraud(victim, Action::ChangeProfile, Via::Ring(0), Stage::Enter);
        draft.wait(200.0, 1.5);
    }
    for _ in 0..draft.shape.between(1, 3) {
        let share = 0.25 + 0.5 * draft.shape.unit();
        draft.send(victim, mule, Sum::Drain(share), Via::Ring(0), Stage::Move);
        draft.wait(60.0, 1.5);
    }
    if inside {
        dwell(draft);
        cash_out(draft, mule);
    }
}

/// The victim is talked into paying, on the own device, more each time.
pub(super) fn app_scam(draft: &mut Draft) {
    let victim = draft.part(Part::Victim);
    let inside = draft.shape.chance(0.6);
    let mule = draft.part(if inside { Part::Mule } else { Part::Outside });
    for round in 0..draft.shape.between(1, 4) {
        draft.at_an_hour();
        let sum = Sum::Usual(2.0 + 1.5 * round as f64);
        draft.send(victim, mule, sum, Via::Owner, Stage::Collect);
        draft.wait(900.0, 1.0);
    }
    if inside {
        dwell(draft);
        cash_out(draft, mule);
    }
}

/// Five to forty accounts opened on a few shared devices, used for a while, emptied into one.
pub(super) fn device_farm(draft: &mut Draft) {
    // the heavy tail of sizes: most farms are small
    let high = if draft.shape.chance(0.2) { 40 } else { 12 };
    let count = draft.size(5, high, 3);
    draft.script.devices = 1 + (count / 6) as u8;
    let devices = u32::from(draft.script.devices);
    let collector = draft.part(Part::Mule);
    let accounts = draft.parts(Part::Fresh, count);
    for account in accounts {
        draft.wait(150.0, 1.0);
        draft.at_an_hour();
        let opened = draft.clock;
        let via = Via::Ring(draft.shape.below(devices) as u8);
        draft.fraud(account, Action::Open, via, Stage::Prepare);
        draft.wait(1440.0, 0.7);
        draft.cover(account, Action::Fund(Sum::Usual(2.0)), via, Stage::Prepare);
        draft.wait(700.0, 0.8);
        draft.at_an_hour();
        if draft.shape.chance(0.7) {
            draft.fraud(
                account,
                Action::Pay(Shop::Online, Sum::Price(1.5)),
                via,
                Stage::Spend,
            );
            draft.wait(400.0, 1.0);
        }
        draft.send(account, collector, Sum::Drain(0.8), via, Stage::Collect);
        draft.clock = opened;
    }
}

/// A good borrower raises the limit, spends it all in days and never repays.
pub(super) fn bust_out(draft: &mut Draft) {
    let count = draft.size(1, 3, 7);
    draft.script.devices = 1;
    for borrower in draft.parts(Part::Borrower, count) {
        let start = draft.clock;
        draft.at_an_hour();
        draft.cover(borrower, Action::RaiseLimit, Via::Owner, Stage::Prepare);
        draft.wait(6.0 * 1440.0, 0.5);
        draft.cover(borrower, Action::Default, Via::Owner, Stage::Prepare);
        burst(draft, borrower, Via::Owner);
        draft.clock = start;
        draft.wait(1440.0, 1.0);
    }
}

/// Made-up people at one address on shared devices, quiet at first, then as a bust-out.
pub(super) fn synthetic_identity(draft: &mut Draft) {
    let count = draft.size(2, 5, 6);
    draft.script.devices = 1;
    for person in draft.parts(Part::Fresh, count) {
        let via = Via::Ring(0);
        draft.wait(600.0, 1.0);
        draft.at_an_hour();
        let opened = draft.clock;
        draft.fraud(person, Action::Open, via, Stage::Prepare);
        draft.wait(2.0 * 1440.0, 0.6);
        draft.cover(person, Action::Fund(Sum::Usual(3.0)), via, Stage::Prepare);
        draft.wait(4.0 * 1440.0, 0.5);
        draft.cover(person, Action::RaiseLimit, via, Stage::Prepare);
        draft.wait(2.0 * 1440.0, 0.5);
        burst(draft, person, via);
        draft.clock = opened;
    }
}

fn burst(draft: &mut Draft, actor: u16, via: Via) {
    for _ in 0..draft.shape.between(3, 6) {
        let shop = if draft.shape.chance(0.5) {
            Shop::Online
        } else {
            Shop::Counter
        };
        draft.at_an_hour();
        draft.fraud(actor, Action::Pay(shop, Sum::Price(3.0)), via, Stage::Spend);
        draft.wait(150.0, 1.2);
    }
    if draft.shape.chance(0.35) {
        draft.fraud(actor, Action::Cash(Sum::Drain(0.4)), via, Stage::CashOut);
    }
}
