//! Rows of a fold: whose labels training may know, and who is scored.

use std::collections::BTreeMap;

use event::{EventTime, Span};

use super::EvaluateError;
use super::protocol::{Fold, KnownDefrauded, Protocol, Window};
use super::samples::Samples;

/// Row numbers into the samples with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    pub rows: Vec<usize>,
    pub fraud: Vec<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Division {
    pub train: Part,
    pub test: Part,
    pub staged: Option<Stages>,
}

/// Training rows of a producer and of its consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct Stages {
    pub producer: Part,
    pub consumer: Part,
}

/// Fewer frauds than this in training or in all tests together say nothing.
pub const FRAUDS_MIN: usize = 50;

impl Part {
    fn push(&mut self, row: usize, fraud: bool) {
        self.rows.push(row);
        self.fraud.push(fraud);
    }

    pub fn frauds(&self) -> usize {
        self.fraud.iter().filter(|fraud| **fraud).count()
    }
}

/// Training labels are those recorded by the start of the test; the test is judged by the final ones.
pub fn divide(samples: &Samples, protocol: &Protocol, fold: &Fold) -> Division {
    let known = |window| known_rows(samples, protocol.negative_rate, window, fold.test.from);
    let train = known(fold.train);
    let staged = fold.staged.map(|staged| Stages {
        producer: known(staged.producer),
        consumer: known(staged.consumer),
    });
    let mut test = Part::default();
    let detected = match protocol.known_defrauded {
        KnownDefrauded::Keep => BTreeMap::new(),
        KnownDefrauded::Remove => first_frauds(samples, fold),
    };
    let gap = fold.test.from.since(fold.train.until);
    for row in samples.rows_in(fold.test) {
        let seen = samples.seen(row);
        let known_before = day_start(fold.test.from, seen.time).minus(gap);
        let known = detected
            .get(&seen.subject)
            .is_some_and(|first| *first < known_before);
        if let Some(fraud) = samples.truth(seen).filter(|_| !known) {
            test.push(row, fraud);
        }
    }
    Division {
        train,
        test,
        staged,
    }
}

/// A window's rows with the labels recorded by `known`; of the legitimate ones only those drawn.
fn known_rows(samples: &Samples, negative_rate: f64, window: Window, known: EventTime) -> Part {
    let mut part = Part::default();
    for row in samples.rows_in(window) {
        let seen = samples.seen(row);
        let label = samples.label(seen, known);
        if let Some(fraud) = label.filter(|fraud| *fraud || seen.is_drawn(negative_rate)) {
            part.push(row, fraud);
        }
    }
    part
}

/// Each subject's first fraud since training began.
fn first_frauds(samples: &Samples, fold: &Fold) -> BTreeMap<u32, EventTime> {
    let mut first = BTreeMap::new();
    let since = samples
        .tape
        .iter()
        .filter(|seen| seen.time >= fold.train.from && seen.time < fold.test.until);
    for seen in since {
        if samples.truth(seen) == Some(true) {
            let held = first.entry(seen.subject).or_insert(seen.time);
            *held = seen.time.min(*held);
        }
    }
    first
}

/// Days are counted from the start of the test.
fn day_start(origin: EventTime, time: EventTime) -> EventTime {
    let day = Span::days(1).millis();
    let days = time.since(origin).millis().div_euclid(day);
    origin.plus(Span::from_millis(days * day))
}

/// Divides every fold of one kind, refusing what cannot be measured.
pub fn divide_all(
    samples: &Samples,
    protocol: &Protocol,
    set: &'static str,
    folds: &[Fold],
) -> Result<Vec<Division>, EvaluateError> {
    let divisions: Vec<Division> = folds
        .iter()
        .map(|fold| divide(samples, protocol, fold))
        .collect();
    for (fold, division) in divisions.iter().enumerate() {
        let (rows, frauds) = (division.train.rows.len(), division.train.frauds());
        refuse(set, format!("training of fold {fold}"), rows, frauds)?;
        if let Some(staged) = &division.staged {
            for (part, rows) in [
                ("producer", &staged.producer),
                ("consumer", &staged.consumer),
            ] {
                let what = format!("{part} training of fold {fold}");
                refuse(set, what, rows.rows.len(), rows.frauds())?;
            }
        }
    }
    let rows = divisions.iter().map(|it| it.test.rows.len()).sum();
    let frauds = divisions.iter().map(|it| it.test.frauds()).sum();
    refuse(set, "all tests".to_owned(), rows, frauds)?;
    Ok(divisions)
}

fn refuse(
    set: &'static str,
    part: String,
    rows: usize,
    frauds: usize,
) -> Result<(), EvaluateError> {
    if frauds == 0 || frauds == rows {
        Err(EvaluateError::OneClass {
            set,
            part,
            rows,
            frauds,
        })
    } else if frauds < FRAUDS_MIN {
        let min = FRAUDS_MIN;
        Err(EvaluateError::FewFrauds {
            set,
            part,
            frauds,
            min,
        })
    } else {
        Ok(())
    }
}
