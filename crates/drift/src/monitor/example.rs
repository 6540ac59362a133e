//! The latest rows of a segment: until they are counted, and after, so that an alert can name events that show it.

use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::alert::Kind;
use crate::cells::BLOCK;
use crate::ruler::{MISSING, Ruler, Scratch, UNSEEN};

/// Rows kept per segment: they wait here until there is a block of them.
const KEPT: usize = BLOCK;
/// Rows named by an alert.
const NAMED: usize = 5;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    positions: Vec<u64>,
    /// Row-major, in the order of `positions`.
    rows: Vec<f32>,
    /// The place that is overwritten next.
    oldest: u8,
    /// Latest rows that no window has counted.
    uncounted: u8,
}

impl Recent {
    /// Whether there is a block to count: no row may come before it is.
    pub fn push(&mut self, position: u64, values: &[f32], score: f32) -> bool {
        if self.positions.len() < KEPT {
            self.positions.push(position);
            self.rows.extend_from_slice(values);
            self.rows.push(score);
        } else {
            let (at, width) = (usize::from(self.oldest), values.len() + 1);
            self.positions[at] = position;
            let row = &mut self.rows[at * width..][..width];
            row[..values.len()].copy_from_slice(values);
            row[values.len()] = score;
            self.oldest = ((at + 1) % KEPT) as u8;
        }
        self.uncounted += 1;
        usize::from(self.uncounted) == KEPT
    }

    /// What was not counted yet, in one piece or two.
    pub fn take_uncounted(&mut self, width: usize, mut count: impl FnMut(&[f32])) {
        let kept = self.positions.len();
        let rows = usize::from(std::mem::take(&mut self.uncounted));
        // They end where the oldest begins, and may go round.
        let end = match usize::from(self.oldest) {
            0 => kept,
            oldest => oldest,
        };
        let (round, begin) = (rows.saturating_sub(end), end.saturating_sub(rows));
        for range in [kept - round..kept, begin..end] {
            if !range.is_empty() {
                count(&self.rows[range.start * width..range.end * width]);
            }
        }
    }

    pub fn fits(&self, width: usize) -> bool {
        let kept = self.positions.len();
        kept <= KEPT
            && self.rows.len() == kept * width
            && usize::from(self.oldest) < kept.max(1)
            && usize::from(self.uncounted) <= kept
    }
}

/// Positions of the rows that show a finding best, newest first.
pub fn examples<'a>(
    of: impl Iterator<Item = &'a Recent>,
    ruler: &Ruler,
    (kind, column): (Kind, usize),
    window: &Window,
) -> Vec<u64> {
    let mut scratch = Scratch::default();
    let mut found: Vec<(f64, u64)> = Vec::new();
    let grown = grown_bin(window);
    let narrower = window.counted.sd() < window.expected.sd();
    for recent in of {
        let rows = recent.rows.chunks_exact(ruler.width());
        for (position, row) in recent.positions.iter().zip(rows) {
            ruler.measure(row, &mut scratch);
            let (z, bin) = (
                f64::from(scratch.standard[column]),
                scratch.bins[column] as usize,
            );
            let shows = match kind {
                Kind::Missing => f64::from(u8::from(bin == MISSING)),
                Kind::NewCategory => f64::from(u8::from(bin == UNSEEN)),
                Kind::Shape | Kind::Distance => f64::from(u8::from(bin == grown)),
                Kind::Unit => f64::from(u8::from(bin != MISSING)),
                Kind::Spread if bin == MISSING => 0.0,
                Kind::Spread if narrower => 1.0 / (1.0 + (z - window.counted.mean()).abs()),
                Kind::Spread => (z - window.expected.mean()).abs(),
            };
            found.push((shows, *position));
        }
    }
    found.retain(|it| it.0 > 0.0);
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    let mut named: Vec<u64> = found.into_iter().take(NAMED).map(|it| it.1).collect();
    named.sort_unstable_by_key(|it| std::cmp::Reverse(*it));
    named
}

fn grown_bin(window: &Window) -> usize {
    let more = |bin: usize| window.counted.bins[bin] - window.expected.bins[bin];
    let bins = 0..window.counted.bins.len();
    bins.max_by(|a, b| more(*a).total_cmp(&more(*b)))
        .unwrap_or(0)
}
