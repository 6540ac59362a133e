//! What all worlds together say of the arms.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::course::Course;
use super::survival::{self, Time};
use super::{Arm, Design};
use crate::evaluate::bootstrap::{Interval, interval};
use compare::draws::Draws;

/// Resamples of the worlds.
const RESAMPLES: usize = 4_000;
/// Minor units of one of the base currency.
const MINOR: f64 = 100.0;

pub(super) const ARM_HEAD: [&str; 7] = [
    "arm",
    "days until the fall",
    "median",
    "lasted",
    "recall",
    "let through",
    "retrained",
];
pub(super) const DIFFERENCE_HEAD: [&str; 4] =
    ["less", "days until the fall", "recall", "let through"];

/// Courses by arm and world.
pub type Courses = BTreeMap<Arm, BTreeMap<u64, Course>>;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub design: Design,
    pub worlds: Vec<u64>,
    /// Of the first model, which all arms share: mean over worlds.
    pub start_recall: f64,
    pub arms: Vec<ArmSummary>,
    /// The first one's figures less those of the second, world by world.
    pub differences: Vec<Difference>,
}

/// Means over worlds; intervals are 95 % by resampling worlds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmSummary {
    pub arm: Arm,
    /// Days until the fall, up to the study's end (restricted mean).
    pub days_until_fall: f64,
    pub days_until_fall_interval: Interval,
    /// `None`: more than half of the worlds did not see one.
    pub days_until_fall_median: Option<f64>,
    /// Worlds in which the recall did not fall.
    pub lasted: usize,
    /// Share of the fraud money alerted over the whole study.
    pub recall: f64,
    pub recall_interval: Interval,
    /// Fraud money not alerted, in the base currency's units, a world.
    pub let_through: f64,
    pub let_through_interval: Interval,
    pub retrainings: f64,
    /// Mean over worlds of the weekly recall, by days served.
    pub weekly: Vec<(i32, f64)>,
    /// Share of worlds without a fall, by days served.
    pub survival: Vec<[f64; 2]>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub arms: [Arm; 2],
    pub days_until_fall: f64,
    pub days_until_fall_interval: Interval,
    pub recall: f64,
    pub recall_interval: Interval,
    pub let_through: f64,
    pub let_through_interval: Interval,
}

/// What is asked about, and answered with an interval.
const PAIRS: [[Arm; 2]; 5] = [
    [Arm::Monthly, Arm::Never],
    [Arm::Triggered, Arm::Never],
    [Arm::Triggered, Arm::Monthly],
    [Arm::Triggered, Arm::Random],
    [Arm::Oracle, Arm::Triggered],
];

/// One figure a world, in the order of the worlds.
struct Figures {
    times: Vec<Time>,
    recall: Vec<f64>,
    let_through: Vec<f64>,
}

impl Figures {
    fn new(courses: &BTreeMap<u64, Course>, design: &Design) -> Figures {
        let horizon = f64::from(design.days);
        let time = |course: &Course| match course.fell_after() {
            Some(days) => Time {
                days: f64::from(days),
                ended: true,
            },
            None => Time {
                days: horizon,
                ended: false,
            },
        };
        Figures {
            times: courses.values().map(time).collect(),
            recall: courses.values().map(Course::overall).collect(),
            let_through: courses
                .values()
                .map(|it| it.let_through() / MINOR)
                .collect(),
        }
    }

    fn lasted(&self, worlds: &[usize], horizon: f64) -> f64 {
        let times: Vec<Time> = worlds.iter().map(|at| self.times[*at]).collect();
        survival::restricted_mean(&times, horizon)
    }
}

fn mean(values: &[f64], worlds: &[usize]) -> f64 {
    worlds.iter().map(|at| values[*at]).sum::<f64>() / worlds.len() as f64
}

/// Worlds drawn with replacement, the same draws for every figure and arm.
fn resamples(worlds: usize) -> Vec<Vec<usize>> {
    let mut draws = Draws::new(1);
    (0..RESAMPLES)
        .map(|_| (0..worlds).map(|_| draws.below(worlds)).collect())
        .collect()
}

fn spread(resamples: &[Vec<usize>], of: impl Fn(&[usize]) -> f64) -> Interval {
    let values: Vec<f64> = resamples.iter().map(|worlds| of(worlds)).collect();
    interval(&values)
}

impl Summary {
    /// Every arm must hold the same worlds, of which there is one at least.
    pub fn new(design: &Design, courses: &Courses) -> Option<Summary> {
        let first = courses.values().next()?;
        let worlds: Vec<u64> = first.keys().copied().collect();
        let same = |it: &BTreeMap<u64, Course>| it.keys().eq(worlds.iter());
        if worlds.is_empty() || !courses.values().all(same) {
            return None;
        }
        let horizon = f64::from(design.days);
        let draws = resamples(worlds.len());
        let all: Vec<usize> = (0..worlds.len()).collect();
        let figures: BTreeMap<Arm, Figures> = courses
            .iter()
            .map(|(arm, courses)| (*arm, Figures::new(courses, design)))
            .collect();
        let arms = courses.iter().map(|(arm, courses)| {
            let it = &figures[arm];
            ArmSummary {
                arm: *arm,
                days_until_fall: it.lasted(&all, horizon),
                days_until_fall_interval: spread(&draws, |worlds| it.lasted(worlds, horizon)),
                days_until_fall_median: survival::median(&it.times),
                lasted: it.times.iter().filter(|time| !time.ended).count(),
                recall: mean(&it.recall, &all),
                recall_interval: spread(&draws, |worlds| mean(&it.recall, worlds)),
                let_through: mean(&it.let_through, &all),
                let_through_interval: spread(&draws, |worlds| mean(&it.let_through, worlds)),
                retrainings: courses.values().map(|it| it.retrained.len()).sum::<usize>() as f64
                    / worlds.len() as f64,
                weekly: weekly(courses),
                survival: survival::curve(&it.times),
            }
        });
        let differences = PAIRS.into_iter().filter_map(|pair| {
            let [one, other] = [figures.get(&pair[0])?, figures.get(&pair[1])?];
            let fall =
                |worlds: &[usize]| one.lasted(worlds, horizon) - other.lasted(worlds, horizon);
            let recall = |worlds: &[usize]| mean(&one.recall, worlds) - mean(&other.recall, worlds);
            let money = |worlds: &[usize]| {
                mean(&one.let_through, worlds) - mean(&other.let_through, worlds)
            };
            Some(Difference {
                arms: pair,
                days_until_fall: fall(&all),
                days_until_fall_interval: spread(&draws, fall),
                recall: recall(&all),
                recall_interval: spread(&draws, recall),
                let_through: money(&all),
                let_through_interval: spread(&draws, money),
            })
        });
        let starts: f64 = first.values().map(Course::at_start).sum();
        Some(Summary {
            design: design.clone(),
            start_recall: starts / worlds.len() as f64,
            arms: arms.collect(),
            differences: differences.collect(),
            worlds,
        })
    }

    /// For a terminal: 100 columns.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{} worlds, {} days; recall of fraud money at {} % alerts, at the start {:.3}\n\n",
            self.worlds.len(),
            self.design.days,
            100.0 * self.design.budget,
            self.start_recall
        );
        lines(&mut out, &ARM_HEAD, &self.arm_rows());
        if !self.differences.is_empty() {
            out.push('\n');
            lines(&mut out, &DIFFERENCE_HEAD, &self.difference_rows());
        }
        out
    }

    /// Under [`ARM_HEAD`].
    pub(super) fn arm_rows(&self) -> Vec<Vec<String>> {
        let row = |it: &ArmSummary| {
            vec![
                it.arm.name().to_owned(),
                between(it.days_until_fall, it.days_until_fall_interval, 0),
                it.days_until_fall_median
                    .map_or("-".to_owned(), |it| format!("{it:.0}")),
                format!("{}/{}", it.lasted, self.worlds.len()),
                between(it.recall, it.recall_interval, 3),
                between(it.let_through / 1e3, thousand(it.let_through_interval), 0),
                format!("{:.1}", it.retrainings),
            ]
        };
        self.arms.iter().map(row).collect()
    }

    /// Under [`DIFFERENCE_HEAD`].
    pub(super) fn difference_rows(&self) -> Vec<Vec<String>> {
        let row = |it: &Difference| {
            vec![
                format!("{} - {}", it.arms[0].name(), it.arms[1].name()),
                signed(it.days_until_fall, it.days_until_fall_interval, 0),
                signed(it.recall, it.recall_interval, 3),
                signed(it.let_through / 1e3, thousand(it.let_through_interval), 0),
            ]
        };
        self.differences.iter().map(row).collect()
    }
}

fn lines(out: &mut String, head: &[&str], rows: &[Vec<String>]) {
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].len());
        cells.max().unwrap_or(0).max(head[at].len())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let head: Vec<String> = head.iter().map(|it| (*it).to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        for (at, cell) in row.iter().enumerate() {
            let width = widths[at];
            // writing to a string cannot fail
            let _ = match at {
                0 => write!(out, "{cell:<width$}"),
                _ => write!(out, "  {cell:>width$}"),
            };
        }
        out.push('\n');
    }
}

fn thousand(it: Interval) -> Interval {
    Interval {
        low: it.low / 1e3,
        high: it.high / 1e3,
    }
}

fn between(value: f64, it: Interval, decimals: usize) -> String {
    format!(
        "{value:.decimals$} ({:.decimals$} to {:.decimals$})",
        it.low, it.high
    )
}

fn signed(value: f64, it: Interval, decimals: usize) -> String {
    format!(
        "{value:+.decimals$} ({:+.decimals$} to {:+.decimals$})",
        it.low, it.high
    )
}

/// Mean over the worlds that saw fraud money in the week.
fn weekly(courses: &BTreeMap<u64, Course>) -> Vec<(i32, f64)> {
    let mut sums: BTreeMap<i32, (f64, f64)> = BTreeMap::new();
    for (day, recall) in courses.values().flat_map(Course::weekly) {
        if recall.is_finite() {
            let sum = sums.entry(day).or_default();
            *sum = (sum.0 + recall, sum.1 + 1.0);
        }
    }
    sums.into_iter()
        .map(|(day, (sum, count))| (day, sum / count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::course::Day;

    /// Catches `good` of a hundred units a day until `until`, then `bad`.
    fn course(design: &Design, until: i32, [good, bad]: [f64; 2]) -> Course {
        let mut course = Course::new(design);
        for day in -(design.start as i32)..design.days as i32 {
            course.days.push(Day {
                day,
                money: 10_000.0,
                money_caught: 10_000.0 * if day < until { good } else { bad },
                ..Day::default()
            });
        }
        course
    }

    #[test]
    fn arms_are_compared_world_by_world() {
        let design = Design::new(60);
        let arm = |ends: [i32; 3]| -> BTreeMap<u64, Course> {
            let courses = ends.map(|end| course(&design, end, [0.8, 0.4]));
            [4, 5, 6].into_iter().zip(courses).collect()
        };
        let courses = Courses::from([
            (Arm::Never, arm([10, 20, 30])),
            (Arm::Monthly, arm([20, 30, 99])),
        ]);
        let summary = Summary::new(&design, &courses).unwrap();
        assert_eq!(summary.worlds, [4, 5, 6]);
        assert!((summary.start_recall - 0.8).abs() < 1e-9);
        let [never, monthly] = &summary.arms[..] else {
            panic!("{summary:?}")
        };
        // two days of .4 make a week of .686, below .72
        assert!((never.days_until_fall - 22.0).abs() < 1e-9, "{never:?}");
        assert_eq!((never.lasted, monthly.lasted), (0, 1));
        assert_eq!(monthly.days_until_fall_median, Some(32.0));
        // 40 of 60 days at .8 less: means of 50, 40 and 30 days at .4 instead of .8
        assert!((never.let_through - (60.0 * 20.0 + 40.0 * 40.0)).abs() < 1e-6);
        assert_eq!(never.days_until_fall_interval.low, 12.0);
        let difference = &summary.differences[0];
        assert_eq!(difference.arms, [Arm::Monthly, Arm::Never]);
        assert!((difference.days_until_fall - (10.0 + 10.0 + 28.0) / 3.0).abs() < 1e-9);
        // the same worlds in both: a difference of ten days at least is never lost
        assert!(difference.days_until_fall_interval.low >= 10.0 - 1e-9);
        assert!(difference.let_through < 0.0 && difference.recall > 0.0);
        let table = summary.table();
        assert!(
            table.contains("never") && table.contains("22 (12 to 32)"),
            "{table}"
        );

        let mut torn = courses;
        torn.get_mut(&Arm::Never).unwrap().remove(&5);
        assert_eq!(Summary::new(&design, &torn), None);
    }
}
