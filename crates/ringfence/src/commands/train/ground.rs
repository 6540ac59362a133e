//! What a training reads, and where it keeps what it has not finished.

use std::path::PathBuf;

use anyhow::Result;
use event::Position;
use node::{History, Place};

pub struct Ground<'a> {
    pub place: &'a Place,
    /// Where the log is taken to end; `None`: where it does.
    pub end: Option<Position>,
    /// A network's checkpoint goes here.
    pub folder: PathBuf,
}

impl Ground<'_> {
    pub fn whole(place: &Place) -> Ground<'_> {
        Ground {
            place,
            end: None,
            folder: place.root().join("training"),
        }
    }

    pub fn history(&self) -> Result<History> {
        let history = History::open(self.place)?;
        Ok(match self.end {
            Some(end) => history.until(end),
            None => history,
        })
    }
}
