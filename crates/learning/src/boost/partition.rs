//! The rows of a growing tree, ordered so that each leaf owns one stretch, in ascending row order.

#[derive(Debug)]
pub struct Partition {
    rows: Vec<u32>,
    right: Vec<u32>,
}

impl Partition {
    pub fn new(rows: usize) -> Self {
        Partition {
            rows: Vec::with_capacity(rows),
            right: vec![0; rows],
        }
    }

    pub fn reset(&mut self, rows: &[u32]) {
        self.rows.clear();
        self.rows.extend_from_slice(rows);
    }

    pub fn rows(&self, start: usize, end: usize) -> &[u32] {
        &self.rows[start..end]
    }

    /// Stable: both sides keep the ascending order that makes histogram reads sequential. Writes to
    /// both sides and advances one, since the direction of a row cannot be predicted.
    pub fn split(&mut self, start: usize, end: usize, goes_left: impl Fn(u32) -> bool) -> usize {
        let rows = &mut self.rows[start..end];
        let right = &mut self.right[..end - start];
        let (mut left_len, mut right_len) = (0, 0);
        for i in 0..rows.len() {
            let row = rows[i];
            let left = usize::from(goes_left(row));
            rows[left_len] = row;
            right[right_len] = row;
            left_len += left;
            right_len += 1 - left;
        }
        rows[left_len..].copy_from_slice(&right[..right_len]);
        start + left_len
    }
}
