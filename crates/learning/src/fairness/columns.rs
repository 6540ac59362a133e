//! What a single raw column tells: trees on it alone, learnt in one half of the span, ranked in the other.

use serde::Serialize;

use super::fixed::{Depth, Table};
use super::tape::Tape;
use crate::boost::BoostError;
use crate::metric::auc;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    pub name: String,
    /// The mean of both directions in time; below 0.5 the column misleads as much as it would tell.
    pub auc: f64,
}

/// The most telling first.
pub fn columns(tape: &Tape) -> Result<Vec<Column>, BoostError> {
    let fraud: Vec<bool> = tape.rows.iter().map(|row| row.is_fraud()).collect();
    let rows: Vec<usize> = (0..tape.rows.len()).collect();
    let halves = rows.split_at(rows.len() / 2);
    let mut columns = Vec::new();
    for (name, values) in &tape.raw {
        let table = Table {
            values,
            width: 1,
            fraud: &fraud,
        };
        let mut areas = 0.0;
        for (train, test) in [(halves.0, halves.1), (halves.1, halves.0)] {
            let scored = table.score(&[0], train, test, Depth::Shallow)?;
            let truth: Vec<bool> = test.iter().map(|row| fraud[*row]).collect();
            areas += auc(&scored.scores, &truth);
        }
        columns.push(Column {
            name: name.clone(),
            auc: areas / 2.0,
        });
    }
    let distance = |column: &Column| (column.auc - 0.5).abs();
    columns.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
    Ok(columns)
}
