//! Where the frauds lie: in time, over rings, over accounts, and how new their counterparties are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::tape::{NOBODY, Tape};
use super::{Facts, Periods};
use crate::oracle::Oracle;

const WEEK_MS: i64 = 7 * 86_400_000;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub events: usize,
    pub frauds: usize,
    pub prevalence: f64,
    /// Frauds of each week; the last may be short.
    pub weeks: Vec<usize>,
    /// Share of the accounts of rings that began in the test period that earlier rings used too.
    pub reused_accounts: f64,
    /// Of those, the share that never acted as a mule nor was paid by a ring.
    pub reused_others: f64,
    /// Largest share of the test's frauds that one ring holds.
    pub largest_ring: f64,
    /// Share of transfers to a payee whom the account never paid before: fraudulent, ordinary.
    pub new_payees: [f64; 2],
    /// Frauds of the typology that is held out, before and after its day.
    pub held_out: Option<[usize; 2]>,
}

pub fn spread(tape: &Tape, oracle: &Oracle, periods: &Periods, facts: &Facts) -> Spread {
    let first = tape.rows.first().map_or(0, |row| row.time);
    let last = tape.rows.last().map_or(0, |row| row.time);
    let mut weeks = vec![0; ((last - first) / WEEK_MS + 1) as usize];
    let mut test_rings = BTreeMap::<u32, usize>::new();
    let mut held_out = facts.held_out.as_ref().map(|_| [0, 0]);
    for row in tape.rows.iter().filter(|row| row.is_fraud()) {
        weeks[((row.time - first) / WEEK_MS) as usize] += 1;
        let ring = row.ring().unwrap_or(NOBODY);
        if periods.part_of(row) == Some(true) {
            *test_rings.entry(ring).or_default() += 1;
        }
        if let (Some((typology, from)), Some(counts)) = (&facts.held_out, &mut held_out)
            && oracle.structures[ring as usize].typology == *typology
        {
            counts[usize::from(row.time >= *from)] += 1;
        }
    }
    let frauds: usize = weeks.iter().sum();
    let test_frauds: usize = test_rings.values().sum();
    let largest = test_rings.values().max().copied().unwrap_or(0);
    let (reused_accounts, reused_others) = reused(tape, periods);
    Spread {
        events: tape.rows.len(),
        frauds,
        prevalence: frauds as f64 / tape.rows.len().max(1) as f64,
        weeks,
        reused_accounts,
        reused_others,
        largest_ring: largest as f64 / test_frauds.max(1) as f64,
        new_payees: new_payees(tape),
        held_out,
    }
}

fn reused(tape: &Tape, periods: &Periods) -> (f64, f64) {
    // accounts of rings by period, and those that a ring paid
    let mut used = [BTreeSet::new(), BTreeSet::new()];
    let mut paid = BTreeSet::new();
    for row in &tape.rows {
        let Some(ring) = row.ring() else { continue };
        let accounts = &mut used[usize::from(periods.is_test_ring(ring))];
        accounts.insert(row.account);
        if row.is_mule {
            paid.insert(row.account);
        }
        // who funds a ring's account from elsewhere is no part of the ring
        if row.is_transfer && row.payee != NOBODY {
            accounts.insert(row.payee);
            paid.insert(row.payee);
        }
    }
    let both: Vec<&u32> = used[0].intersection(&used[1]).collect();
    let others = both.iter().filter(|it| !paid.contains(**it)).count();
    (
        both.len() as f64 / used[1].len().max(1) as f64,
        others as f64 / both.len().max(1) as f64,
    )
}

fn new_payees(tape: &Tape) -> [f64; 2] {
    let mut met = BTreeSet::new();
    let mut counts = [(0.0, 0.0); 2];
    for row in tape.rows.iter().filter(|row| row.is_transfer) {
        let new = met.insert((row.account, row.payee));
        let count = &mut counts[usize::from(!row.is_fraud())];
        count.0 += f64::from(u8::from(new));
        count.1 += 1.0;
    }
    counts.map(|(new, all)| new / f64::max(all, 1.0))
}
