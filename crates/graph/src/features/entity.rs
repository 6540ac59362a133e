//! What every entity of an event has: tenure, windowed counts, known labels, suspicion.

use event::schema::{Legitimate, Part, WINDOWS};

use crate::hub::WindowCounts;
use crate::interaction::Direction;
use crate::slab::NONE;

use super::recent::{Recent, Suspicion};
use super::{Describe, FeatureGroup, MISSING, Moment, hours, hours_since, ratio};

/// Weight of the prior in a smoothed rate, in labelled events.
const PRIOR_WEIGHT: f32 = 5.0;

const ALL: [usize; WINDOWS] = [0, 1, 2, 3];

/// The direction in which a role meets the event.
fn direction(part: Part) -> Direction {
    if part == Part::Counterparty {
        Direction::In
    } else {
        Direction::Out
    }
}

pub fn describe(list: &mut Describe<'_>, role: usize) {
    let part = list.schema.roles[role].part;
    let name = list.role(role).to_owned();
    let group = if part == Part::Subject {
        FeatureGroup::History
    } else {
        FeatureGroup::Graph
    };
    let one = |suffix: &str| format!("{name}_{suffix}");
    let absent = "role absent";
    let unseen = "role absent or entity new";
    list.add(
        group,
        one("events"),
        format!("events of this {name} so far"),
        "count",
        absent,
    );
    list.add(
        group,
        one("tenure"),
        format!("time since this {name} was first seen"),
        "hours",
        unseen,
    );
    list.add(
        group,
        one("idle"),
        format!("time since the last event of this {name}"),
        "hours",
        unseen,
    );
    describe_windows(list, &name, part, group);
    describe_labels(list, &name);
    let suspicion = FeatureGroup::Suspicion;
    let none = "no suspicion scored";
    list.add(
        suspicion,
        one("suspicion_max"),
        "highest suspicion in the longest window",
        "0-1",
        none,
    );
    list.add(
        suspicion,
        one("suspicion_mean"),
        "mean suspicion in the longest window",
        "0-1",
        none,
    );
    let meaning = "highest suspicion, weight falling linearly over the longest window";
    list.add(suspicion, one("suspicion_faded"), meaning, "0-1", none);
}

fn describe_windows(list: &mut Describe<'_>, name: &str, part: Part, group: FeatureGroup) {
    let one = |suffix: &str| format!("{name}_{suffix}");
    let absent = "role absent";
    let way = if part == Part::Counterparty {
        "incoming"
    } else {
        "outgoing"
    };
    let meaning = format!("{way} events in the window");
    list.add_windows(group, &ALL, &one("count"), &meaning, "count", absent);
    let meaning = format!("{way} money moved in the window");
    list.add_windows(group, &ALL, &one("sum"), &meaning, "major units", absent);
    let meaning = "amount over the mean moved amount of the window";
    list.add_windows(
        group,
        &[2, 3],
        &one("amount_ratio"),
        meaning,
        "ratio",
        "no money moved",
    );
    let meaning = "largest moved amount in the window";
    list.add_windows(group, &[1, 3], &one("max"), meaning, "major units", absent);
    let met = if part == Part::Subject {
        "counterparties"
    } else {
        "subjects"
    };
    let meaning = format!("distinct {met} in the window (exact to the ring, estimated for hubs)");
    list.add_windows(group, &ALL, &one("peers"), &meaning, "count", absent);
    let meaning = "declined or failed events in the window";
    list.add_windows(group, &[1, 2], &one("declined"), meaning, "count", absent);
}

fn describe_labels(list: &mut Describe<'_>, name: &str) {
    let group = FeatureGroup::Labels;
    let one = |suffix: &str| format!("{name}_{suffix}");
    list.add(
        group,
        one("frauds_known"),
        "known frauds so far",
        "count",
        "role absent",
    );
    let meaning = "known frauds that happened in the longest window, at most 16";
    list.add(group, one("frauds_recent"), meaning, "count", "role absent");
    let meaning = "smoothed known-fraud rate in the window that ended one label maturity ago";
    list.add_windows(
        group,
        &ALL,
        &one("fraud_rate"),
        meaning,
        "share",
        "role absent",
    );
    let none = "no known fraud";
    list.add(
        group,
        one("since_fraud"),
        "time since the last known fraud happened",
        "hours",
        none,
    );
    list.add(
        group,
        one("since_first_fraud"),
        "time since the first known fraud",
        "hours",
        none,
    );
    let meaning = "time since the current run of known frauds began (gaps up to the third window)";
    list.add(group, one("since_fraud_run"), meaning, "hours", none);
}

/// Features this group writes for a role.
const COUNT: usize = 3 + 4 + 4 + 2 + 2 + 4 + 2 + 9 + 3;

pub fn fill(moment: &Moment<'_>, role: usize, recent: &Recent, out: &mut Vec<f32>) {
    if !moment.has(role) {
        out.extend_from_slice(&[MISSING; COUNT]);
        return;
    }
    let node_ix = moment.nodes[role];
    let part = moment.graph.schema().roles[role].part;
    let way = direction(part) as usize;
    if node_ix == NONE {
        out.extend_from_slice(&[0.0, MISSING, MISSING]);
    } else {
        let node = moment.graph.nodes.get(node_ix);
        out.push(node.events as f32);
        out.push(hours(moment.now, node.first_seen));
        out.push(hours(moment.now, node.last_seen));
    }
    let windows = &recent.windows;
    out.extend(windows.iter().map(|window| window.count[way] as f32));
    out.extend(windows.iter().map(|window| window.sum[way]));
    let amount = moment.amount.unwrap_or(MISSING);
    out.extend([2, 3].map(|window: usize| ratio(amount, mean(&windows[window], way))));
    out.extend([1, 3].map(|window: usize| windows[window].max));
    out.extend(windows.iter().map(|window| window.peers[way]));
    out.extend([1, 2].map(|window: usize| windows[window].declined as f32));
    fill_labels(moment, node_ix, recent, out);
    let both = if part == Part::Subject || part == Part::Counterparty {
        join(&recent.suspicion)
    } else {
        recent.suspicion[way]
    };
    out.push(if both.count == 0 { MISSING } else { both.max });
    out.push(ratio(both.sum, both.count as f32));
    out.push(if both.count == 0 { MISSING } else { both.faded });
}

fn mean(window: &WindowCounts, way: usize) -> f32 {
    if window.moved[way] == 0 {
        0.0
    } else {
        window.sum[way] / window.moved[way] as f32
    }
}

fn join(both: &[Suspicion; 2]) -> Suspicion {
    Suspicion {
        max: both[0].max.max(both[1].max),
        sum: both[0].sum + both[1].sum,
        count: both[0].count + both[1].count,
        faded: both[0].faded.max(both[1].faded),
    }
}

fn fill_labels(moment: &Moment<'_>, node_ix: u32, recent: &Recent, out: &mut Vec<f32>) {
    let graph = moment.graph;
    let prior = graph.base_rate();
    let node = (node_ix != NONE).then(|| graph.nodes.get(node_ix));
    let Some(known) = node
        .filter(|node| node.known != NONE)
        .map(|node| graph.known.get(node.known))
    else {
        out.extend_from_slice(&[0.0, 0.0]);
        for matured in recent.matured {
            out.push(smoothed(0.0, label_base(moment, 0.0, 0.0, matured), prior));
        }
        out.extend_from_slice(&[MISSING; 3]);
        return;
    };
    out.push(known.fraud_total as f32);
    out.push(known.frauds_since(moment.now.minus(graph.plan.longest())) as f32);
    for (window, (from, to)) in moment.edges.days.iter().enumerate() {
        let (fraud, legitimate) = known.counts(*from, *to);
        let (fraud, legitimate) = (fraud as f32, legitimate as f32);
        let base = label_base(moment, fraud, legitimate, recent.matured[window]);
        out.push(smoothed(fraud, base, prior));
    }
    out.push(hours_since(moment.now, known.last_fraud()));
    out.push(hours_since(moment.now, known.first_fraud()));
    out.push(hours_since(
        moment.now,
        known.run_start(graph.plan.windows[2]),
    ));
}

/// What a rate is a share of: labelled events, or all matured ones when silence means legitimate.
pub fn label_base(moment: &Moment<'_>, fraud: f32, legitimate: f32, matured: f32) -> f32 {
    match moment.graph.schema().labels.legitimate {
        Legitimate::Explicit => fraud + legitimate,
        Legitimate::Presumed => matured.max(fraud),
    }
}

pub fn smoothed(fraud: f32, base: f32, prior: f32) -> f32 {
    (fraud + PRIOR_WEIGHT * prior) / (base + PRIOR_WEIGHT)
}
