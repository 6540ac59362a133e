//! How one arm fared in one world, day by day.

use serde::{Deserialize, Serialize};

use super::Design;
use super::learner::Scored;
use super::material::Material;

/// Days over which recall is measured.
pub const WEEK: usize = 7;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// The first is the first of the start, a negative one.
    pub days: Vec<Day>,
    pub retrained: Vec<Retrained>,
    start: usize,
    fall: f64,
    sustained: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retrained {
    pub day: i32,
    pub why: String,
}

/// Money in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Day {
    pub day: i32,
    pub frauds: u32,
    pub caught: u32,
    pub money: f64,
    pub money_caught: f64,
}

impl Course {
    pub fn new(design: &Design) -> Course {
        Course {
            days: Vec::new(),
            retrained: Vec::new(),
            start: design.start as usize,
            fall: design.fall,
            sustained: design.sustained as usize,
        }
    }

    pub fn retrained(&mut self, day: i32, why: String) {
        self.retrained.push(Retrained { day, why });
    }

    /// The day's events in the order of their scores, alerted as far as the budget goes. What is no fraud
    /// stands for those that were not kept.
    pub fn push(&mut self, day: i32, scored: &Scored, material: &Material, design: &Design) {
        let today = design.before.saturating_add_signed(day);
        let budget = design.budget * f64::from(material.events[today as usize]);
        let mut order: Vec<usize> = (0..scored.raw.len()).collect();
        order.sort_by(|a, b| scored.raw[*b].total_cmp(&scored.raw[*a]).then(a.cmp(b)));
        let mut sum = Day {
            day,
            ..Day::default()
        };
        let mut alerts = 0.0;
        for place in order {
            let row = &material.rows[scored.rows.start + place];
            alerts += match (row.fraud, row.drawn) {
                (true, _) => 1.0,
                (false, true) => 1.0 / design.kept,
                // kept for its label alone: others stand for it
                (false, false) => 0.0,
            };
            if row.fraud {
                let caught = alerts <= budget;
                sum.frauds += 1;
                sum.caught += u32::from(caught);
                sum.money += row.moved;
                sum.money_caught += if caught { row.moved } else { 0.0 };
            }
        }
        self.days.push(sum);
    }

    /// Share of the fraud money caught in the days `from..until`, counted from the first of the start.
    fn recall(&self, from: usize, until: usize) -> f64 {
        let days = &self.days[from..until];
        let money: f64 = days.iter().map(|it| it.money).sum();
        let caught: f64 = days.iter().map(|it| it.money_caught).sum();
        if money > 0.0 {
            caught / money
        } else {
            f64::NAN
        }
    }

    /// Of the first model, before the study's first day.
    pub fn at_start(&self) -> f64 {
        self.recall(0, self.start)
    }

    /// Over the whole study.
    pub fn overall(&self) -> f64 {
        self.recall(self.start, self.days.len())
    }

    /// Recall over the seven days that end with a day, for every day of the study from the seventh on.
    pub fn weekly(&self) -> Vec<(i32, f64)> {
        let last = self.start + WEEK..self.days.len() + 1;
        last.map(|end| (self.days[end - 1].day + 1, self.recall(end - WEEK, end)))
            .collect()
    }

    /// Days served when the recall fell below the given share of its start and stayed there; `None` where
    /// it did not.
    pub fn fell_after(&self) -> Option<i32> {
        let floor = self.fall * self.at_start();
        let weekly = self.weekly();
        let run = weekly
            .windows(self.sustained)
            .find(|run| run.iter().all(|it| it.1 < floor))?;
        Some(run[0].0)
    }

    /// Fraud money that was not alerted, in minor units.
    pub fn let_through(&self) -> f64 {
        let days = self.days[self.start..].iter();
        days.map(|it| it.money - it.money_caught).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::material::Seen;
    use event::{EventTime, Position, Span};

    fn design(days: u32) -> Design {
        Design {
            before: 10,
            start: 2,
            ..Design::new(days)
        }
    }

    /// Of a hundred units a day, what was caught.
    fn course(caught: &[f64]) -> Course {
        let mut course = Course::new(&design(caught.len() as u32));
        for (at, share) in caught.iter().enumerate() {
            course.days.push(Day {
                day: at as i32 - 2,
                money: 100.0,
                money_caught: 100.0 * share,
                ..Day::default()
            });
        }
        course
    }

    #[test]
    fn a_fall_counts_when_it_lasts_and_from_its_first_day() {
        let mut days = [0.8; 42];
        assert_eq!(course(&days).fell_after(), None);
        // one bad day is enough: the windows that hold one of these are thirteen in a row
        days[12..19].fill(0.0);
        assert_eq!(course(&days).fell_after(), Some(11));
        // windows that hold two of three bad days are seven in a row, those with one stay above
        days[12..19].fill(0.8);
        days[12..15].fill(0.3);
        assert_eq!(course(&days).fell_after(), Some(12));
        days[12..15].fill(0.8);
        days[12] = 0.1;
        assert_eq!(course(&days).fell_after(), Some(11));
        // a tenth less than the start is no fall
        days[12] = 0.8;
        days[12..].fill(0.721);
        assert_eq!(course(&days).fell_after(), None);
        days[12..].fill(0.719);
        assert_eq!(course(&days).fell_after(), Some(17));
    }

    #[test]
    fn money_and_means_leave_the_start_out() {
        let mut days = [0.5; 12];
        days[..2].fill(1.0);
        let course = course(&days);
        assert_eq!((course.at_start(), course.overall()), (1.0, 0.5));
        assert_eq!(course.let_through(), 500.0);
        let weekly = course.weekly();
        assert_eq!((weekly[0], weekly.len()), ((7, 0.5), 4));
    }

    /// Day 0 of the study is day 10 of the world, with 1,000 events and so a budget of 10.
    #[test]
    fn alerts_are_the_highest_scores_as_far_as_the_budget_goes() {
        let row = |at: u64, fraud: bool, drawn: bool, moved: f64| Seen {
            position: Position(at),
            time: EventTime::MIN.plus(Span::days(10)),
            day: 10,
            fraud,
            moved,
            drawn,
        };
        let rows = vec![
            row(0, true, false, 50.0),
            // stands for four
            row(1, false, true, 9.0),
            // stands for none
            row(2, false, false, 9.0),
            row(3, false, true, 9.0),
            row(4, true, true, 30.0),
            row(5, true, true, 20.0),
        ];
        let scored = Scored {
            rows: 0..6,
            raw: vec![5.0, 4.0, 3.5, 3.0, 2.0, 1.0],
        };
        let mut events = vec![1_000; 12];
        events[10] = 1_000;
        let material = Material::made(rows, vec![0.0; 6], events, &[]);
        let mut course = Course::new(&design(1));
        course.push(0, &scored, &material, &design(1));
        // 1 + 4 + 0 + 4 + 1 are ten: the last fraud is the eleventh
        let day = course.days[0];
        assert_eq!((day.frauds, day.caught), (3, 2));
        assert_eq!((day.money, day.money_caught), (100.0, 80.0));
    }
}
