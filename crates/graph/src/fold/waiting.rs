//! Where simultaneous events are hidden from each other, they wait until their instant has ended.

use event::record::Verdict;
use event::{Event, EventTime, Position};

use crate::state::{Graph, Input};

/// An event of the current instant that the others of that instant must not see.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    pub event: Event,
    pub position: Position,
    pub amount: Option<f32>,
    pub news: News,
}

/// What became known of an event before it was folded in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct News {
    pub suspicion: u16,
    pub declined: bool,
    /// The money did not move, or came back.
    pub stopped: bool,
    pub verdict: Option<Verdict>,
}

impl Graph {
    /// What is known of the event at `position`, while it waits for its instant to end.
    pub(crate) fn waiting_news(&mut self, position: Position) -> Option<&mut News> {
        // Waiting in log order, so by ascending position.
        let found = self
            .waiting
            .binary_search_by_key(&position, |it| it.position);
        found.ok().map(|at| &mut self.waiting[at].news)
    }

    /// Event time has reached `time`: whatever waited for the previous instant to end is folded in.
    pub fn advance(&mut self, time: EventTime) {
        let ended = self
            .waiting
            .first()
            .is_some_and(|it| it.event.event_timestamp < time);
        if ended {
            let mut waiting = std::mem::take(&mut self.waiting);
            // By id, so that not even the order of arrival within the instant leaves a trace.
            waiting.sort_by(|a, b| a.event.event_id.cmp(&b.event.event_id));
            for it in waiting {
                let input = Input {
                    event: &it.event,
                    position: it.position,
                    amount: it.amount,
                };
                self.fold(&input, it.news);
            }
        }
        self.now = self.now.max(time);
    }
}
