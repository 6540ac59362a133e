//! Which events a candidate learns from and which it is judged on, chosen from a log that ends at one position.
//!
//! The judged events are later than the learned ones by the time that labels take: a model made at the beginning of
//! the judged window could have had every label that it learns from.

use std::ops::Range;

use event::{EventTime, Span};
use node::{History, NodeError};
use thiserror::Error;

use crate::dataset::{self, Labels};
use crate::evaluate::folds::FRAUDS_MIN;
use crate::fit::FOREVER;

/// What is wished of the windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// How long before its end the learned window begins; `None`: with the first event.
    pub train: Option<Span>,
    /// Latest matured frauds to be judged on; a third of all at most.
    pub exam_frauds: usize,
    /// Nothing before it is judged on: the champion has learned from that.
    pub after: EventTime,
}

impl Default for Wish {
    /// Twice what the ranking asks for.
    fn default() -> Wish {
        Wish {
            train: None,
            exam_frauds: 400,
            after: EventTime::MIN,
        }
    }
}

/// Half-open both, the gap between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    pub train: Range<EventTime>,
    pub exam: Range<EventTime>,
    /// Matured, of the learned window.
    pub train_frauds: usize,
    pub exam_frauds: usize,
}

#[derive(Debug, Error)]
pub enum WindowError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(
        "{frauds} matured frauds lie before the judged window and the {gap_days} days that labels take, at least {min} are needed to learn from: wait for more labels"
    )]
    FewFrauds {
        frauds: usize,
        gap_days: f64,
        min: usize,
    },
    #[error(
        "no matured fraud is later than what the champion learned from, which ends at {champion}: it would be judged on its own lessons; wait for labels"
    )]
    NothingLater { champion: EventTime },
}

/// The learned part of a few frauds is larger than the judged one: without it there is nothing to judge.
const EXAM_SHARE: usize = 3;

pub fn choose(history: &History, wish: Wish) -> Result<Windows, WindowError> {
    let labels = Labels::read(history, FOREVER)?;
    let all = dataset::Range {
        from: EventTime::MIN,
        until: FOREVER,
        known_until: labels.last,
        rows_max: usize::MAX,
    };
    let learned = dataset::known(history, all, &labels)?;
    // As the examination counts.
    let judged = dataset::known(history, all, &labels.of_passed())?;
    let gap = history.schema().labels.maturity;
    choose_of(&learned, &judged, gap, wish)
}

/// Of what is known to learn from and to judge on, in order of time.
fn choose_of(
    learned: &[(EventTime, bool)],
    known: &[(EventTime, bool)],
    gap: Span,
    wish: Wish,
) -> Result<Windows, WindowError> {
    let times = |known: &[(EventTime, bool)]| -> Vec<EventTime> {
        let frauds = known.iter().filter(|(_, fraud)| *fraud);
        frauds.map(|(time, _)| *time).collect()
    };
    let (lessons, frauds) = (times(learned), times(known));
    let judged = wish.exam_frauds.min(frauds.len() / EXAM_SHARE);
    let few = |frauds| WindowError::FewFrauds {
        frauds,
        gap_days: gap.millis() as f64 / Span::days(1).millis() as f64,
        min: FRAUDS_MIN,
    };
    let (Some(begin), Some((last, _))) = (frauds.get(frauds.len() - judged), known.last()) else {
        return Err(few(frauds.len()));
    };
    let begin = *begin.max(&wish.after);
    if frauds.last().is_none_or(|last| *last < begin) {
        let champion = wish.after;
        return Err(WindowError::NothingLater { champion });
    }
    let until = begin.minus(gap);
    let from = wish.train.map_or(EventTime::MIN, |span| until.minus(span));
    let within = |list: &[EventTime], range: &Range<EventTime>| {
        list.iter().filter(|it| range.contains(it)).count()
    };
    let (train, exam) = (from..until, begin..last.plus(Span::from_millis(1)));
    let windows = Windows {
        train_frauds: within(&lessons, &train),
        exam_frauds: within(&frauds, &exam),
        train,
        exam,
    };
    match windows.train_frauds < FRAUDS_MIN {
        true => Err(few(windows.train_frauds)),
        false => Ok(windows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> EventTime {
        EventTime::from_millis(day * Span::days(1).millis())
    }

    /// Where no fraud was declined.
    fn all_passed(
        known: &[(EventTime, bool)],
        gap: Span,
        wish: Wish,
    ) -> Result<Windows, WindowError> {
        choose_of(known, known, gap, wish)
    }

    /// A fraud and a legitimate event a day.
    fn history(days: i64) -> Vec<(EventTime, bool)> {
        (0..days)
            .flat_map(|at| [(day(at), false), (day(at), true)])
            .collect()
    }

    #[test]
    fn the_judged_events_come_after_the_labels_of_the_learned_ones() {
        let wish = Wish {
            train: Some(Span::days(60)),
            exam_frauds: 40,
            after: EventTime::MIN,
        };
        let found = all_passed(&history(200), Span::days(14), wish).unwrap();
        assert_eq!(found.exam.start, day(160));
        assert_eq!(found.exam.end, day(199).plus(Span::from_millis(1)));
        assert_eq!(found.train, day(86)..day(146));
        assert_eq!((found.train_frauds, found.exam_frauds), (60, 40));
    }

    #[test]
    fn declined_frauds_are_learned_from_and_not_judged_on() {
        let learned = history(200);
        let mut frauds = 0;
        let mut passed = learned.clone();
        passed.retain(|(_, fraud)| {
            frauds += u32::from(*fraud);
            !fraud || frauds.is_multiple_of(2)
        });
        let wish = Wish {
            train: Some(Span::days(60)),
            exam_frauds: 20,
            after: EventTime::MIN,
        };
        let found = choose_of(&learned, &passed, Span::days(14), wish).unwrap();
        assert_eq!(found.exam.start, day(161));
        assert_eq!((found.train_frauds, found.exam_frauds), (60, 20));
    }

    #[test]
    fn the_champion_is_not_judged_on_what_it_learned_from() {
        let wish = |after| Wish {
            after: day(after),
            ..Wish::default()
        };
        let found = all_passed(&history(200), Span::days(14), wish(190)).unwrap();
        assert_eq!(found.exam.start, day(190));
        assert_eq!(found.train.end, day(176));
        assert_eq!((found.train_frauds, found.exam_frauds), (176, 10));
        let earlier = all_passed(&history(200), Span::days(14), wish(100)).unwrap();
        assert_eq!(earlier.exam.start, day(134));
        let refused = all_passed(&history(200), Span::days(14), wish(200));
        assert!(matches!(refused, Err(WindowError::NothingLater { .. })));
    }

    #[test]
    fn a_short_history_keeps_two_thirds_to_learn_from_or_is_refused() {
        let wish = Wish::default();
        let found = all_passed(&history(120), Span::days(14), wish).unwrap();
        assert_eq!((found.train_frauds, found.exam_frauds), (66, 40));
        let refused = all_passed(&history(90), Span::days(14), wish);
        assert!(matches!(
            refused,
            Err(WindowError::FewFrauds { frauds: 46, .. })
        ));
        assert!(all_passed(&[], Span::days(14), wish).is_err());
        assert!(all_passed(&[(day(1), false)], Span::days(14), wish).is_err());
    }
}
