//! Answers that wait for the disk.
//!
//! **Invariant**: they leave in the order of their requests, each once, and none before what it tells is
//! committed (invariant I4).

use std::collections::VecDeque;

use event::Position;

#[derive(Debug)]
pub struct Held<A> {
    waiting: VecDeque<(Position, A)>,
}

impl<A> Held<A> {
    pub fn new() -> Held<A> {
        Held {
            waiting: VecDeque::new(),
        }
    }

    /// Keeps an answer until everything before `until` is committed; gives it back when it may go at once.
    pub fn keep(&mut self, until: Position, answer: A) -> Option<A> {
        if until == Position(0) && self.waiting.is_empty() {
            return Some(answer);
        }
        self.waiting.push_back((until, answer));
        None
    }

    /// The next answer that may go.
    pub fn next(&mut self, committed: Position) -> Option<A> {
        let next = self.waiting.pop_front_if(|(until, _)| *until <= committed);
        next.map(|(_, answer)| answer)
    }

    /// All of them, when nothing will be committed any more.
    pub fn give_up(&mut self) -> impl Iterator<Item = A> {
        std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(_, answer)| answer)
    }
}
