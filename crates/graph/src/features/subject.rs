//! The subject against its own past: amounts, changes of profile and device, what it holds.

use event::schema::Meaning;

use crate::slab::NONE;

use super::{Describe, FeatureGroup, MISSING, Moment, hours_since, ratio};

const GROUP: FeatureGroup = FeatureGroup::History;

pub fn describe(list: &mut Describe<'_>) {
    let schema = list.schema;
    let has = |meaning: Meaning| schema.attributes.iter().any(|it| it.meaning == meaning);
    let no_history = "fewer than two amounts";
    let z = "standard score of the amount against the subject's own clipped history";
    list.add(GROUP, "amount_z".into(), z, "sd", no_history);
    let share = "amount over the subject's own clipped mean";
    list.add(GROUP, "amount_vs_mean".into(), share, "ratio", no_history);
    let share = "amount over the subject's largest so far";
    list.add(GROUP, "amount_vs_max".into(), share, "ratio", "no amounts");
    let high = "own events in the window with an amount 2.5 sd above the mean of their time";
    list.add_windows(GROUP, &[1, 2], "high_amounts", high, "count", "never");
    let max = "highest standard score among own events of the third window";
    list.add(GROUP, "high_amount_max".into(), max, "sd", "never");
    for (name, what) in [
        ("since_login", "the last login"),
        ("since_profile_change", "a profile change"),
        ("since_new_device", "a new device"),
        ("since_new_payee", "a new counterparty"),
        ("since_declined", "a declined event"),
    ] {
        let meaning = format!("time since {what}");
        list.add(GROUP, name.into(), meaning, "hours", "never happened");
    }
    let devices = "distinct devices in the window";
    list.add_windows(GROUP, &[1, 3], "devices", devices, "count", "never");
    if has(Meaning::BalanceBefore) {
        let drained = "amount as a share of the balance before";
        list.add(
            GROUP,
            "drained".into(),
            drained,
            "share",
            "no balance given",
        );
    }
    if has(Meaning::CounterpartyBalanceBefore) {
        let filled = "amount as a share of the counterparty's balance before";
        list.add(
            FeatureGroup::Graph,
            "filled".into(),
            filled,
            "share",
            "no balance given",
        );
    }
}

pub fn fill(moment: &Moment<'_>, out: &mut Vec<f32>) {
    let plan = &moment.graph.plan;
    let ix = moment.nodes[plan.subject.index()];
    let amount = moment.amount.unwrap_or(MISSING);
    let node = (ix != NONE).then(|| moment.graph.nodes.get(ix));
    let amounts = node.map(|node| node.amounts).unwrap_or_default();
    out.push(amounts.z(amount).unwrap_or(MISSING));
    out.push(if amounts.count < 2 {
        MISSING
    } else {
        ratio(amount, amounts.mean)
    });
    out.push(ratio(amount, amounts.max));
    let recent = &moment.recent[plan.subject.index()];
    out.extend(recent.high_z.map(|count| count as f32));
    out.push(recent.high_z_max);
    let profile = node
        .filter(|node| node.profile != NONE)
        .map(|node| node.profile);
    let profile = profile
        .map(|profile| *moment.graph.profiles.get(profile))
        .unwrap_or_default();
    let times = [
        profile.last_login,
        profile.last_change,
        profile.last_new_device,
        profile.last_new_payee,
        profile.last_declined,
    ];
    out.extend(times.map(|time| hours_since(moment.now, time)));
    out.extend([1, 3].map(|window: usize| recent.windows[window].devices));
    for attribute in [plan.balance, plan.counterparty_balance]
        .into_iter()
        .flatten()
    {
        // Balances are given in the event's own currency, so no rate comes in.
        let own = moment.event.amount.map_or(f64::NAN, |money| {
            money.minor as f64 / money.currency.minor_per_major() as f64
        });
        let balance = moment.event.number(attribute).unwrap_or(f64::NAN);
        out.push(ratio(own as f32, balance as f32));
    }
}
