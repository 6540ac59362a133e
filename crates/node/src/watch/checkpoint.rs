//! What a monitor knows, as a file: the model it watches, and its state.

use crate::state_file::{self, Magic};
use crate::{NodeError, Place};

const MAGIC: Magic = *b"RFWATCH1";

pub fn write(place: &Place, artifact: &[u8; 32], state: &[u8]) -> Result<(), NodeError> {
    state_file::write(&place.watch(), &MAGIC, &[artifact, state])
}

/// A model, and what its monitor knew.
pub struct Held {
    pub artifact: [u8; 32],
    pub state: Vec<u8>,
}

/// What is held; `None` where there is no file. Why it cannot be used, where it is damaged.
pub fn read(place: &Place) -> Result<Option<Held>, String> {
    let path = place.watch();
    let Some(bytes) = state_file::read(&path, &MAGIC)? else {
        return Ok(None);
    };
    match bytes.split_first_chunk() {
        Some((artifact, state)) => Ok(Some(Held {
            artifact: *artifact,
            state: state.to_vec(),
        })),
        None => Err(format!("{} ends early", path.display())),
    }
}
