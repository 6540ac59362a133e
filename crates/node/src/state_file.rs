//! What somebody beside an owner knows, as a file: what kind it is, its bytes, and a digest over both. It holds
//! nothing that is not made of the log: who finds it damaged tells, and begins anew.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::NodeError;

/// The first bytes of a file.
pub type Magic = [u8; 8];

const DIGEST: usize = 32;
/// Between two syncs: a commit that waits for the disk waits no longer than for as much.
const SYNC_BYTES: usize = 4 << 20;

/// Written beside and renamed: a crash leaves the old one or the new one.
pub fn write(path: &Path, magic: &Magic, parts: &[&[u8]]) -> Result<(), NodeError> {
    let mut digest = Sha256::new_with_prefix(magic);
    parts.iter().for_each(|part| digest.update(part));
    let digest = digest.finalize();
    let draft = path.with_extension("tmp");
    let written = || -> io::Result<()> {
        let mut file = File::create(&draft)?;
        file.write_all(magic)?;
        for chunk in parts.iter().flat_map(|part| part.chunks(SYNC_BYTES)) {
            file.write_all(chunk)?;
            file.sync_data()?;
        }
        file.write_all(&digest)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    written().map_err(|source| NodeError::Io {
        what: "write",
        path: path.to_path_buf(),
        source,
    })
}

/// The bytes; `None` where there is no file. Why it cannot be used, where it is damaged.
pub fn read(path: &Path, magic: &Magic) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let end = bytes.len().checked_sub(DIGEST);
    let Some(end) = end.filter(|it| *it >= magic.len()) else {
        return Err(format!("{} ends early", path.display()));
    };
    let (body, digest) = bytes.split_at(end);
    if !body.starts_with(magic) || Sha256::digest(body)[..] != *digest {
        return Err(format!("{} is damaged", path.display()));
    }
    bytes.truncate(end);
    bytes.drain(..magic.len());
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: Magic = *b"RFTESTS1";

    #[test]
    fn what_was_written_is_read_and_any_other_byte_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.state");
        assert_eq!(read(&path, &MAGIC), Ok(None));
        let large = vec![7; SYNC_BYTES + 3];
        write(&path, &MAGIC, &[b"head", &large]).unwrap();
        write(&path, &MAGIC, &[b"head", b"", b"body"]).unwrap();
        assert_eq!(read(&path, &MAGIC), Ok(Some(b"headbody".to_vec())));
        assert!(read(&path, b"RFOTHER1").unwrap_err().contains("damaged"));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(read(&path, &MAGIC).is_err(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(read(&path, &MAGIC).is_err(), "{at} bytes");
        }
    }
}
