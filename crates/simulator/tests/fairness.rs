//! What the stream must not give away by one column, and what ordinary life must share with fraud.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use ringfence_simulator as simulator;
use simulator::{EventKind, EventNo, EventRow, Params, Role, Row, simulate};

struct World {
    events: Vec<EventRow>,
    frauds: BTreeSet<EventNo>,
    ring_sizes: Vec<usize>,
}

fn world(seed: u64) -> World {
    let text = format!("seed = {seed}\ndays = 42\naccounts = 12000\nprevalence = 0.004");
    let params = Params::from_toml(&text).unwrap();
    let (mut events, mut rings) = (Vec::new(), BTreeMap::new());
    let mut frauds = BTreeSet::new();
    let observe = |row: &Row| {
        if let Row::Event(event) = row {
            events.push(*event);
        }
        Ok::<(), Infallible>(())
    };
    let confide = |secret: &simulator::Secret| {
        if secret.role == Role::Fraud {
            frauds.insert(secret.event);
            *rings.entry(secret.ring).or_insert(0) += 1;
        }
        Ok(())
    };
    simulate(&params, 2, observe, confide).unwrap();
    World {
        events,
        frauds,
        ring_sizes: rings.into_values().collect(),
    }
}

/// Area under the ROC curve of a number (either direction), ties counted half.
fn auc_of_number(world: &World, value: impl Fn(&EventRow) -> Option<f64>) -> f64 {
    let known = world
        .events
        .iter()
        .filter_map(|e| Some((value(e)?, world.frauds.contains(&e.no))));
    let mut pairs: Vec<(f64, bool)> = known.collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut area, mut bad) = (0.0, 0.0, 0.0);
    for tied in pairs.chunk_by(|a, b| a.0 == b.0) {
        let frauds = tied.iter().filter(|pair| pair.1).count() as f64;
        let others = tied.len() as f64 - frauds;
        area += frauds * (below + others / 2.0);
        below += others;
        bad += frauds;
    }
    let auc = area / (below * bad);
    auc.max(1.0 - auc)
}

/// The same for words, each standing for its own rate of fraud: the best any use of the column can do.
fn auc_of_word(world: &World, word: impl Fn(&EventRow) -> String) -> f64 {
    let mut counts: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for event in &world.events {
        let count = counts.entry(word(event)).or_default();
        count.0 += 1.0;
        count.1 += f64::from(u8::from(world.frauds.contains(&event.no)));
    }
    auc_of_number(world, |event| {
        counts.get(&word(event)).map(|(all, bad)| bad / all)
    })
}

#[test]
fn no_raw_column_alone_tells_fraud() {
    for seed in [21, 22] {
        let world = world(seed);
        assert!(world.frauds.len() > 1_000, "{} frauds", world.frauds.len());
        let figures = [
            (
                "event_type",
                auc_of_word(&world, |e| format!("{:?}", e.kind)),
            ),
            (
                "channel",
                auc_of_word(&world, |e| format!("{:?}", e.channel)),
            ),
            (
                "merchant_category",
                auc_of_word(&world, |e| format!("{:?}", e.merchant.map(|m| m.1))),
            ),
            (
                "device_type",
                auc_of_word(&world, |e| format!("{:?}", e.screen.map(|s| s.1))),
            ),
            ("change", auc_of_word(&world, |e| format!("{:?}", e.change))),
            (
                "hour",
                auc_of_word(&world, |e| (e.time.ms_of_day() / 3_600_000).to_string()),
            ),
            (
                "weekday",
                auc_of_word(&world, |e| (e.time.day() % 7).to_string()),
            ),
            (
                "cents",
                auc_of_word(&world, |e| format!("{:?}", e.amount.map(|a| a.0 % 100))),
            ),
            (
                "amount",
                auc_of_number(&world, |e| e.amount.map(|a| a.0 as f64)),
            ),
            (
                "balance_before",
                auc_of_number(&world, |e| Some(e.balance_before.0 as f64)),
            ),
            ("lat", auc_of_number(&world, |e| Some(f64::from(e.at.lat)))),
            ("lon", auc_of_number(&world, |e| Some(f64::from(e.at.lon)))),
            (
                "milliseconds",
                auc_of_number(&world, |e| Some((e.time.0 % 1000) as f64)),
            ),
        ];
        for (column, auc) in figures {
            println!("seed {seed} {column}: {auc:.3}");
            assert!(auc <= 0.65, "seed {seed}: {column} alone has AUC {auc:.3}");
        }
    }
}

#[test]
fn new_counterparties_are_common_in_ordinary_life_and_no_ring_dominates() {
    let world = world(24);
    let mut seen = BTreeSet::new();
    // (new, all) of ordinary and of fraudulent transfers
    let mut counts = [(0.0, 0.0); 2];
    for event in world
        .events
        .iter()
        .filter(|e| e.kind == EventKind::Transfer)
    {
        let new = seen.insert((event.account, event.payee));
        let count = &mut counts[usize::from(world.frauds.contains(&event.no))];
        count.0 += f64::from(u8::from(new));
        count.1 += 1.0;
    }
    let [ordinary, fraud] = counts.map(|(new, all)| new / all);
    assert!(
        ordinary >= 0.5 * fraud,
        "new payees: {ordinary:.2} ordinary, {fraud:.2} fraud"
    );
    assert!(
        ordinary < fraud,
        "new payees: {ordinary:.2} ordinary, {fraud:.2} fraud"
    );
    let largest = world.ring_sizes.iter().max().copied().unwrap_or(0);
    assert!(
        largest * 100 <= world.frauds.len() * 3,
        "{largest} of {}",
        world.frauds.len()
    );
}
