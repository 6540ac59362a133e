//! The window that is open, and the one that closed last.

use serde::{Deserialize, Serialize};

use crate::cells::Cells;
use crate::column::{Field, Scale};
use crate::quantiles::{Quantile, Quantiles};
use crate::reference::Reference;

/// Columns that a sketch is kept of.
#[derive(Clone, Debug)]
pub struct Sketched {
    /// Of all events: all that are numbers.
    whole: Vec<usize>,
    /// Of a segment: the events' own fields, and the score.
    own: Vec<usize>,
}

/// What is counted, by segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// While it is open, the first has the rows that no named segment has; then those of all.
    pub cells: Vec<Cells>,
    quantiles: Vec<Quantiles>,
}

/// A window that had rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latest {
    pub from: i64,
    pub until: i64,
    counts: Counts,
}

impl Sketched {
    pub fn of(reference: &Reference) -> Sketched {
        let columns = reference.columns.iter().enumerate();
        let numbers = columns.filter(|(_, it)| !matches!(it.scale, Scale::Category | Scale::Clock));
        let own =
            |at: usize| reference.columns[at].field == Field::Value || at == reference.score();
        let whole: Vec<usize> = numbers.map(|it| it.0).collect();
        Sketched {
            own: whole.iter().copied().filter(|at| own(*at)).collect(),
            whole,
        }
    }

    fn columns(&self, segment: usize) -> &[usize] {
        match segment {
            0 => &self.whole,
            _ => &self.own,
        }
    }
}

impl Counts {
    pub fn new(reference: &Reference, sketched: &Sketched) -> Counts {
        let segments = 0..reference.segments.len();
        let quantiles = segments.map(|it| Quantiles::new(sketched.columns(it)));
        Counts {
            cells: empty(reference),
            quantiles: quantiles.collect(),
        }
    }

    /// A block of rows.
    pub fn add(
        &mut self,
        reference: &Reference,
        sketched: &Sketched,
        segment: usize,
        rows: &[f32],
    ) {
        let width = reference.width();
        self.cells[segment].add(&reference.ruler, rows);
        self.quantiles[0].take(&sketched.whole, rows, width);
        if segment > 0 {
            self.quantiles[segment].take(&sketched.own, rows, width);
        }
    }

    /// Ends the window; another one is open from then on.
    pub fn end(
        &mut self,
        reference: &Reference,
        sketched: &Sketched,
        (from, until): (i64, i64),
    ) -> Latest {
        let quantiles = self.quantiles.iter().enumerate();
        let next = Counts {
            cells: empty(reference),
            quantiles: quantiles
                .map(|(segment, it)| it.next(sketched.columns(segment)))
                .collect(),
        };
        let mut counts = std::mem::replace(self, next);
        if let Some((whole, named)) = counts.cells.split_first_mut() {
            named.iter().for_each(|it| whole.merge(it));
        }
        Latest {
            from,
            until,
            counts,
        }
    }

    pub fn fits(&self, reference: &Reference, sketched: &Sketched) -> bool {
        let segments = reference.segments.len();
        let quantiles = self.quantiles.iter().enumerate();
        self.cells.len() == segments
            && self.quantiles.len() == segments
            && self.cells.iter().all(|it| it.fits(&reference.ruler))
            && quantiles.fold(true, |fits, (at, it)| fits && it.fits(sketched.columns(at)))
    }
}

impl Latest {
    /// The first segment is all events.
    pub fn cells(&self, segment: usize) -> &Cells {
        &self.counts.cells[segment]
    }

    pub fn quantiles(
        &self,
        sketched: &Sketched,
        segment: usize,
        column: usize,
    ) -> Option<Quantile> {
        let at = sketched.columns(segment).binary_search(&column).ok()?;
        self.counts.quantiles[segment].of(at)
    }

    pub fn fits(&self, reference: &Reference, sketched: &Sketched) -> bool {
        self.counts.fits(reference, sketched)
    }
}

fn empty(reference: &Reference) -> Vec<Cells> {
    let segments = reference.segments.iter();
    segments.map(|_| Cells::new(&reference.ruler)).collect()
}
