//! The windows of one column in one segment: pieces merge until there are rows enough for a rule.

use serde::{Deserialize, Serialize};

use crate::alert::Reading;
use crate::reference::Expected;

/// What was counted, beside what the hours of the same rows let expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub counted: Expected,
    pub expected: Expected,
    pub from: i64,
    pub until: i64,
}

/// Consecutive windows in which a rule held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Streak {
    pub windows: u8,
    /// Which way; a change of sign begins anew.
    up: bool,
    /// All of them together.
    pub together: Option<Box<Window>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    pub for_spread: Window,
    pub for_shape: Window,
    pub spread: Streak,
    pub shape: Streak,
    pub distance: Streak,
    pub last_spread: Option<Reading>,
    pub last_shape: Option<Reading>,
}

impl Window {
    pub fn add(&mut self, piece: &Window) {
        if self.counted.rows == 0.0 {
            self.from = piece.from;
        }
        self.until = piece.until;
        self.counted.add(&piece.counted);
        self.expected.add(&piece.expected);
    }
}

impl Streak {
    pub fn go_on(&mut self, window: &Window, holds: bool, up: bool) {
        if !holds {
            *self = Streak::default();
            return;
        }
        if self.windows > 0 && self.up != up {
            *self = Streak::default();
        }
        self.up = up;
        self.windows = self.windows.saturating_add(1);
        self.together.get_or_insert_default().add(window);
    }
}

impl Watched {
    pub fn latest(&self) -> [Option<Reading>; 2] {
        [self.last_spread, self.last_shape]
    }
}
