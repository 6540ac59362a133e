//! The digest of what a model was trained on: every number of every row, in order.

use sha2::{Digest as _, Sha256};

use super::Rows;

/// Numbers on their way into a SHA-256, each list with its length before it.
pub(crate) struct Digest(Sha256);

/// Values that are hashed at once.
const BLOCK: usize = 1024;

impl Digest {
    pub fn floats(&mut self, values: &[f32]) {
        self.0.update((values.len() as u64).to_le_bytes());
        let mut block = Vec::with_capacity(BLOCK * 4);
        for values in values.chunks(BLOCK) {
            block.clear();
            block.extend(values.iter().flat_map(|it| it.to_bits().to_le_bytes()));
            self.0.update(&block);
        }
    }

    pub fn numbers(&mut self, values: impl ExactSizeIterator<Item = u64>) {
        self.0.update((values.len() as u64).to_le_bytes());
        for value in values {
            self.0.update(value.to_le_bytes());
        }
    }
}

impl Rows {
    /// SHA-256 over features, arrays, times, positions, labels and weights; lower-case hex.
    pub fn digest(&self) -> String {
        let mut digest = Digest(Sha256::new_with_prefix(b"ringfence rows 1\0"));
        digest.numbers([self.width as u64].into_iter());
        digest.floats(&self.values);
        digest.numbers(self.times.iter().map(|time| time.millis() as u64));
        digest.numbers(self.positions.iter().map(|position| position.0));
        digest.numbers(self.fraud.iter().map(|fraud| u64::from(*fraud)));
        digest.floats(self.weights.as_deref().unwrap_or_default());
        if let Some(arrays) = &self.arrays {
            arrays.feed(&mut digest);
        }
        let digest: [u8; 32] = digest.0.finalize().into();
        event::hex(&digest)
    }
}

#[cfg(test)]
mod tests {
    use event::{EventTime, Position};

    use super::*;

    fn rows() -> Rows {
        Rows {
            width: 2,
            values: vec![0.5, f32::NAN, -0.0, 3.0],
            times: vec![EventTime::from_millis(1), EventTime::from_millis(2)],
            positions: vec![Position(3), Position(4)],
            fraud: vec![false, true],
            ..Rows::default()
        }
    }

    #[test]
    fn rows_that_differ_in_anything_have_another_digest() {
        let digest = rows().digest();
        assert_eq!(digest, rows().digest());
        let changes: [fn(&mut Rows); 7] = [
            |it| it.values[2] = 0.0,
            |it| it.values.swap(0, 3),
            |it| it.times[1] = EventTime::from_millis(3),
            |it| it.positions[0] = Position(0),
            |it| it.fraud.swap(0, 1),
            |it| it.weights = Some(vec![1.0, 2.0]),
            |it| (it.width, it.values) = (1, it.values[..2].to_vec()),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut other = rows();
            change(&mut other);
            assert_ne!(digest, other.digest(), "change {at}");
        }
    }
}
