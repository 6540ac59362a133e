//! What a monitor knows, as a file: the model it watches, its state, and a digest over both.

use std::fs::{self, File};
use std::io::{self, Write};

use sha2::{Digest, Sha256};

use crate::{NodeError, Place};

const MAGIC: &[u8; 8] = b"RFWATCH1";
const HEAD: usize = 8 + 32;
const DIGEST: usize = 32;

/// Written beside and renamed: a crash leaves the old one or the new one.
pub fn write(place: &Place, artifact: &[u8; 32], state: &[u8]) -> Result<(), NodeError> {
    let path = place.watch();
    let mut bytes = Vec::with_capacity(HEAD + state.len() + DIGEST);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(artifact);
    bytes.extend_from_slice(state);
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    let draft = path.with_extension("tmp");
    let written = || -> io::Result<()> {
        let mut file = File::create(&draft)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(place.root())?.sync_all()
    };
    written().map_err(|source| NodeError::Io {
        what: "write",
        path: path.clone(),
        source,
    })
}

/// A model, and what its monitor knew.
pub struct Held {
    pub artifact: [u8; 32],
    pub state: Vec<u8>,
}

/// What is held; `None` where there is no file. Why it cannot be used, where it is damaged.
pub fn read(place: &Place) -> Result<Option<Held>, String> {
    let path = place.watch();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let Some(body) = bytes.len().checked_sub(DIGEST).filter(|it| *it >= HEAD) else {
        return Err(format!("{} ends early", path.display()));
    };
    let (body, digest) = bytes.split_at(body);
    if !body.starts_with(MAGIC) || Sha256::digest(body)[..] != *digest {
        return Err(format!("{} is damaged", path.display()));
    }
    let mut artifact = [0; 32];
    artifact.copy_from_slice(&body[MAGIC.len()..HEAD]);
    let state = body[HEAD..].to_vec();
    Ok(Some(Held { artifact, state }))
}
