//! One digest over many samples: two runs that saw the same bits print the same text (I3).

use event::Position;
use graph::Sample;
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, Default)]
pub struct SampleDigest {
    hasher: Sha256,
}

impl SampleDigest {
    pub fn add(&mut self, position: Position, sample: &Sample) {
        self.hasher.update(position.0.to_le_bytes());
        for bits in sample.bits() {
            self.hasher.update(bits.to_le_bytes());
        }
    }

    pub fn finish(self) -> [u8; 32] {
        self.hasher.finalize().into()
    }
}
