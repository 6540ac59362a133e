//! Another producer's suspicion in place of all that was said before.

use event::Position;

use crate::state::Graph;

impl Graph {
    /// Every remembered event takes what `of` says of its position, 0 for nothing. `events` are all
    /// events of which it says something, remembered or not. The state is then the one in which that
    /// producer had spoken from the start: suspicion is nowhere but in interactions and waiting events.
    pub fn replace_suspicion(&mut self, events: u64, of: impl Fn(Position) -> u16) {
        if self.counts.suspicions == 0 && events == 0 {
            return;
        }
        self.counts.suspicions = events;
        for waiting in &mut self.waiting {
            waiting.news.suspicion = of(waiting.position);
        }
        for node in 0..self.nodes.used() {
            let ring = self.nodes.get(node).ring;
            for item in self.rings.items_mut(ring) {
                item.suspicion = of(item.position());
            }
        }
    }
}
