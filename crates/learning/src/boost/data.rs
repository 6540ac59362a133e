//! What the trainer is given, and every refusal that can be made before work starts.

use rayon::prelude::*;

use super::BoostError;

/// The packed histogram counts rows in 24 bits.
pub const ROWS_MAX: usize = (1 << 24) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Row after row: value (r, f) at `r * features + f`.
    RowMajor,
    /// Feature after feature: value (r, f) at `f * rows + r`.
    ColumnMajor,
}

/// A dense view; NaN = missing.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    features: usize,
    layout: Layout,
}

impl<'a> Matrix<'a> {
    pub fn new(
        values: &'a [f32],
        rows: usize,
        features: usize,
        layout: Layout,
    ) -> Result<Self, BoostError> {
        let expected = rows * features;
        if values.len() != expected {
            let got = values.len();
            return Err(BoostError::Length {
                set: "matrix",
                what: "values",
                expected,
                got,
            });
        }
        Ok(Matrix {
            values,
            rows,
            features,
            layout,
        })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn features(&self) -> usize {
        self.features
    }

    #[inline]
    pub fn get(&self, row: usize, feature: usize) -> f32 {
        match self.layout {
            Layout::RowMajor => self.values[row * self.features + feature],
            Layout::ColumnMajor => self.values[feature * self.rows + row],
        }
    }

    /// The values of one feature in row order.
    pub fn column(&self, feature: usize) -> impl Iterator<Item = f32> + 'a {
        let (start, step) = match self.layout {
            Layout::RowMajor => (feature, self.features),
            Layout::ColumnMajor => (feature * self.rows, 1),
        };
        let values = self.values.get(start..).unwrap_or_default();
        values.iter().step_by(step).take(self.rows).copied()
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Dataset<'a> {
    pub features: Matrix<'a>,
    /// `true` = fraud.
    pub labels: &'a [bool],
    /// One per row; `None` = all 1.
    pub weights: Option<&'a [f32]>,
}

impl Dataset<'_> {
    pub fn weight(&self, row: usize) -> f32 {
        self.weights.map_or(1.0, |w| w[row])
    }
}

pub fn check_training(set: &Dataset<'_>, min_positives: usize) -> Result<(), BoostError> {
    let positives = check(set, "training set")?;
    if positives < min_positives {
        return Err(BoostError::FewPositives {
            min: min_positives,
            positives,
        });
    }
    Ok(())
}

pub fn check_validation(set: &Dataset<'_>, features: usize) -> Result<(), BoostError> {
    let name = "validation set";
    if set.features.features() != features {
        let got = set.features.features();
        return Err(BoostError::Length {
            set: name,
            what: "features",
            expected: features,
            got,
        });
    }
    check(set, name).map(|_| ())
}

/// Returns the number of frauds.
fn check(set: &Dataset<'_>, name: &'static str) -> Result<usize, BoostError> {
    let rows = set.features.rows();
    if rows == 0 || set.features.features() == 0 {
        return Err(BoostError::Empty { set: name });
    }
    if rows > ROWS_MAX {
        return Err(BoostError::TooManyRows {
            set: name,
            rows,
            max: ROWS_MAX,
        });
    }
    let wrong_length = |what, got| BoostError::Length {
        set: name,
        what,
        expected: rows,
        got,
    };
    if set.labels.len() != rows {
        return Err(wrong_length("labels", set.labels.len()));
    }
    if let Some(weights) = set.weights {
        if weights.len() != rows {
            return Err(wrong_length("weights", weights.len()));
        }
        if let Some(row) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
            return Err(BoostError::Weight {
                set: name,
                row,
                value: weights[row],
            });
        }
    }
    // A class whose rows all weigh nothing is as absent as one without rows.
    let counts = |row: &usize| set.weight(*row) > 0.0;
    let positives = (0..rows).filter(|&r| set.labels[r]).filter(counts).count();
    let negatives = (0..rows).filter(|&r| !set.labels[r]).filter(counts).count();
    if positives == 0 || negatives == 0 {
        return Err(BoostError::OneClass {
            set: name,
            positives,
            rows,
        });
    }
    let infinite = (0..set.features.features())
        .into_par_iter()
        .find_map_first(|feature| {
            let row = set.features.column(feature).position(f32::is_infinite)?;
            Some(BoostError::Infinite {
                set: name,
                row,
                feature,
            })
        });
    infinite.map_or(Ok(positives), Err)
}
