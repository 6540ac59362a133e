//! The tenant's end of the watch over drift.

use std::sync::Arc;

use event::Position;

use super::Tenant;
use crate::Champion;
use crate::watch::{Helper, Watch, Watched};

impl Tenant {
    /// `None`: the model that serves has no reference.
    pub fn watch(&self) -> Option<&Arc<Watched>> {
        self.watch.as_ref().map(Watch::beside)
    }

    /// Has the work done by a thread; without it the tenant does it at each commit.
    pub fn watch_with(&mut self, helper: Helper) {
        if let Some(watch) = &mut self.watch {
            watch.work_with(helper.clone());
        }
        self.watch_helper = Some(helper);
    }

    pub(super) fn watch_up_to(&mut self, committed: Position) {
        if let Some(watch) = &mut self.watch {
            watch.committed(committed);
        }
    }

    /// Another model is another reference: its watch begins with the records behind its activation.
    pub(super) fn watch_model(&mut self, champion: &Champion, next: Position) {
        let place = &self.place;
        self.watch = champion.reference().map(|reference| {
            let mut watch = Watch::begin(place, champion.artifact(), reference, next);
            if let Some(helper) = &self.watch_helper {
                watch.work_with(helper.clone());
            }
            watch
        });
    }
}
