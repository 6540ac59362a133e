//! The tenant's end of the watch over drift.

use std::sync::Arc;

use drift::Reference;
use event::Position;
use event::record::ConfigSection;

use super::Tenant;
use crate::NodeError;
use crate::watch::{Helper, Watch, Watched, settings};

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

    /// Another model is another reference, and another document other rules: the watch of a model begins with the records
    /// behind its activation, or behind a change of what the watch goes by.
    pub(super) fn watch_model(
        &mut self,
        watched: Option<([u8; 32], Arc<Reference>)>,
        next: Position,
    ) -> Result<(), NodeError> {
        let document = self.engine.body_of(ConfigSection::Drift);
        let begin = |(artifact, reference): ([u8; 32], Arc<Reference>)| {
            let settings = settings::of(document, &reference)?;
            Watch::begin(&self.place, artifact, reference, settings, next)
        };
        let mut watch = watched.map(begin).transpose()?;
        if let (Some(watch), Some(helper)) = (&mut watch, &self.watch_helper) {
            watch.work_with(helper.clone());
        }
        self.watch = watch;
        Ok(())
    }
}
