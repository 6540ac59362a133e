//! Shadows of a tenant: which there are follows from the log, and decisions hand them their samples.

use std::sync::Arc;

use engine::Lineup;
use event::record::{Channel, ServingPart};
use event::{Event, Position};

use super::Tenant;
use super::lineup::{LineupError, short};
use crate::owner::Shape;
use crate::shadow::handover::Moment;
use crate::shadow::{Board, Ground, HandOver, ShadowSettings};

#[derive(Debug)]
pub(super) struct Shadows {
    ground: Ground,
    board: Arc<Board>,
    /// `None`: there is no shadow, and nothing is copied.
    hand_over: Option<HandOver>,
}

impl Tenant {
    /// Lets the shadows that the log names score from here on; without it a tenant decides and shadows miss it.
    pub fn shadow_by(&mut self, settings: ShadowSettings, board: Arc<Board>) {
        let shape = Shape {
            schema: self.schema().clone(),
            features: self.engine.features().clone(),
        };
        self.shadows = Some(Shadows {
            ground: Ground {
                place: self.place.clone(),
                shape: Arc::new(shape),
                settings,
            },
            board,
            hand_over: None,
        });
        self.follow_shadows();
    }

    /// Where it is told which models score; `None`: this tenant's decisions are handed to nobody.
    pub(crate) fn shadow_board(&self) -> Option<&Arc<Board>> {
        self.shadows.as_ref().map(|it| &it.board)
    }

    /// Since which record a model is a shadow; `None`: it is none.
    pub(super) fn shadow_since(&self, artifact: &[u8; 32]) -> Option<Position> {
        let mut shadows = self.engine.lineup().shadows().iter();
        let held = shadows.find(|it| it.artifact == *artifact)?;
        Some(held.since)
    }

    /// The channel that a shadow enters with. One with a producer reads what that says, and there is one channel; one
    /// without is given samples in which nobody has spoken.
    pub(super) fn check_shadow(
        &self,
        artifact: &[u8; 32],
        producer: Option<[u8; 32]>,
    ) -> Result<Channel, LineupError> {
        let (lineup, model) = (self.engine.lineup(), short(artifact));
        let (part, max) = (ServingPart::Shadow.name(), Lineup::SHADOWS_MAX);
        match lineup.part_of(artifact) {
            Some(ServingPart::Champion) => return Err(LineupError::IsChampion { model }),
            Some(ServingPart::Retired) => return Err(LineupError::Retired { model }),
            Some(ServingPart::Challenger | ServingPart::Shadow) | None => {}
        }
        if producer.is_some() && producer != self.engine.channel() {
            let champion = lineup.champion().map_or("none".to_owned(), |it| short(&it));
            return Err(LineupError::OtherChannel { model, champion });
        }
        if lineup.shadows().len() >= max {
            return Err(LineupError::Full { part, max });
        }
        Ok(producer.map_or(Channel::Empty, |producer| Channel::Kept { producer }))
    }

    /// After each activation: champions that come and go end shadows too.
    pub(super) fn follow_shadows(&mut self) {
        let Some(shadows) = &mut self.shadows else {
            return;
        };
        let wanted = self.engine.lineup().shadows().iter();
        let wanted: Vec<[u8; 32]> = wanted.map(|it| it.artifact).collect();
        shadows.follow(&wanted);
    }

    /// A decision that was just taken on `self.sample`, to whoever scores it too.
    pub(super) fn hand_over(&self, event: &Event, position: Position, deciding_nanos: u32) {
        let shadows = self.shadows.as_ref();
        if let Some(hand_over) = shadows.and_then(|it| it.hand_over.as_ref()) {
            hand_over.hand_over(&Moment {
                event,
                position,
                sample: &self.sample,
                channel: self.engine.channel().is_some(),
                deciding_nanos,
            });
        }
    }
}

impl Shadows {
    fn follow(&mut self, wanted: &[[u8; 32]]) {
        self.board.want(wanted);
        if wanted.is_empty() {
            self.hand_over = None;
        } else if self.hand_over.is_none() {
            match HandOver::start(self.ground.clone(), self.board.clone()) {
                Ok(started) => self.hand_over = Some(started),
                // Tried again with the next activation; until then it is told, and nothing is scored.
                Err(error) => self.board.fail(wanted, &error),
            }
        }
    }
}
