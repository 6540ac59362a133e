//! Does the form of events tell fraud? Trees learn the forms of one half of the span and rank the other;
//! the area they reach is held against the areas after the labels were shuffled within event type, channel
//! and hour. (Fields are filled by type and channel, so those are held fixed.)

use std::collections::BTreeMap;

use serde::Serialize;

use super::fixed::{Depth, Table};
use super::tape::Tape;
use crate::boost::BoostError;

const PERMUTATIONS: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Artefacts {
    pub auc: f64,
    /// 99 % of the shuffled areas.
    pub low: f64,
    pub high: f64,
    /// Forms by their share of the trees' gain, the largest first.
    pub suspects: Vec<(String, f64)>,
}

impl Artefacts {
    pub fn is_clean(&self) -> bool {
        (self.low..=self.high).contains(&self.auc)
    }
}

pub fn artefacts(tape: &Tape) -> Result<Artefacts, BoostError> {
    let fraud: Vec<bool> = tape.rows.iter().map(|row| row.is_fraud()).collect();
    let width = tape.forms.width();
    let table = Table {
        values: &tape.forms.values,
        width,
        fraud: &fraud,
    };
    let columns: Vec<usize> = (0..width).collect();
    let rows: Vec<usize> = (0..tape.rows.len()).collect();
    // halves of the span, not of a shuffle: a ring's rows stand near each other
    let halves = rows.split_at(rows.len() / 2);
    let mut gain = vec![0.0; width];
    let mut ranked = Vec::new();
    for (train, test) in [(halves.0, halves.1), (halves.1, halves.0)] {
        let scored = table.score(&columns, train, test, Depth::Shallow)?;
        for (sum, gain) in gain.iter_mut().zip(&scored.gain) {
            *sum += gain;
        }
        ranked.push(Ranked::new(&scored.scores, test, tape, &fraud));
    }
    let mean = |areas: [f64; 2]| (areas[0] + areas[1]) / 2.0;
    let auc = mean([ranked[0].area, ranked[1].area]);
    let mut draws = Draws(1);
    let mut shuffled: Vec<f64> = (0..PERMUTATIONS)
        .map(|_| mean([0, 1].map(|half: usize| ranked[half].shuffled(&mut draws))))
        .collect();
    shuffled.sort_by(f64::total_cmp);
    let total = gain.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut suspects: Vec<(String, f64)> = tape
        .forms
        .names
        .iter()
        .zip(gain)
        .map(|(name, gain)| (name.clone(), gain / total))
        .collect();
    suspects.sort_by(|a, b| b.1.total_cmp(&a.1));
    suspects.truncate(5);
    Ok(Artefacts {
        auc,
        low: shuffled[PERMUTATIONS / 200],
        high: shuffled[PERMUTATIONS - 1 - PERMUTATIONS / 200],
        suspects,
    })
}

/// The test rows' ranks, and by stratum how many of them are frauds.
struct Ranked {
    /// Ranks of each stratum that has frauds, and their number.
    strata: Vec<(Vec<f64>, usize)>,
    frauds: f64,
    others: f64,
    area: f64,
}

impl Ranked {
    fn new(scores: &[f64], rows: &[usize], tape: &Tape, fraud: &[bool]) -> Ranked {
        let ranks = mid_ranks(scores);
        let mut strata: BTreeMap<(u8, u32, i64), (Vec<f64>, usize)> = BTreeMap::new();
        let mut sum = 0.0;
        for (rank, row) in ranks.iter().zip(rows) {
            let seen = &tape.rows[*row];
            let stratum = strata
                .entry((seen.event_type, seen.channel, seen.hour()))
                .or_default();
            stratum.0.push(*rank);
            if fraud[*row] {
                stratum.1 += 1;
                sum += rank;
            }
        }
        strata.retain(|_, stratum| stratum.1 > 0);
        let strata: Vec<(Vec<f64>, usize)> = strata.into_values().collect();
        let frauds = strata.iter().map(|it| it.1).sum::<usize>() as f64;
        let others = rows.len() as f64 - frauds;
        let mut ranked = Ranked {
            strata,
            frauds,
            others,
            area: 0.0,
        };
        ranked.area = ranked.area_of(sum);
        ranked
    }

    /// Mann and Whitney: the area is the rank sum less its least value, over all pairs.
    fn area_of(&self, rank_sum: f64) -> f64 {
        let least = self.frauds * (self.frauds + 1.0) / 2.0;
        (rank_sum - least) / (self.frauds * self.others)
    }

    fn shuffled(&mut self, draws: &mut Draws) -> f64 {
        let mut sum = 0.0;
        for (ranks, frauds) in &mut self.strata {
            // the first of a partial Fisher-Yates shuffle are the frauds
            for at in 0..*frauds {
                let other = at + draws.below(ranks.len() - at);
                ranks.swap(at, other);
                sum += ranks[at];
            }
        }
        self.area_of(sum)
    }
}

/// From 1; equal scores share the mean of their ranks.
fn mid_ranks(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut ranks = vec![0.0; scores.len()];
    let mut before = 0.0;
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let rank = before + (tied.len() as f64 + 1.0) / 2.0;
        for row in tied {
            ranks[*row] = rank;
        }
        before += tied.len() as f64;
    }
    ranks
}

/// SplitMix64 (Steele et al. 2014).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        ((u128::from(z) * bound as u128) >> 64) as usize
    }
}
