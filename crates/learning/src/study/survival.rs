//! Times until something happens, some of which are only known to be longer (Kaplan and Meier 1958).

/// A time, and whether it ended there; else it was cut off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    pub days: f64,
    pub ended: bool,
}

/// The curve as steps: from each time on, the share that lasts longer. Begins at (0, 1).
pub fn curve(times: &[Time]) -> Vec<[f64; 2]> {
    let mut sorted = times.to_vec();
    // Who is cut off on the day of an end was still at risk.
    sorted.sort_by(|a, b| a.days.total_cmp(&b.days).then(b.ended.cmp(&a.ended)));
    let mut steps = vec![[0.0, 1.0]];
    let mut lasting = 1.0;
    for (at, time) in sorted.iter().enumerate() {
        if time.ended {
            let at_risk = (sorted.len() - at) as f64;
            lasting *= 1.0 - 1.0 / at_risk;
            steps.push([time.days, lasting]);
        }
    }
    steps
}

/// Mean time up to a horizon: the area under the curve (Irwin 1949).
pub fn restricted_mean(times: &[Time], horizon: f64) -> f64 {
    let steps = curve(times);
    let ends = steps.iter().skip(1).map(|it| it[0]).chain([horizon]);
    let mut area = 0.0;
    for (step, end) in steps.iter().zip(ends) {
        area += step[1] * (end.min(horizon) - step[0].min(horizon));
    }
    area
}

/// The first time at which no more than half last longer.
pub fn median(times: &[Time]) -> Option<f64> {
    let half = curve(times).into_iter().find(|it| it[1] <= 0.5)?;
    Some(half[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(all: &[(f64, bool)]) -> Vec<Time> {
        all.iter()
            .map(|&(days, ended)| Time { days, ended })
            .collect()
    }

    /// Freireich et al. 1963, 6-mercaptopurine: the example of the textbooks, with their figures.
    #[test]
    fn agrees_with_the_remission_times_of_the_textbooks() {
        let ended = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
        let cut = [
            6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0,
        ];
        let mut all: Vec<Time> = times(&ended.map(|it| (it, true)));
        all.extend(times(&cut.map(|it| (it, false))));
        let at = |week: f64| {
            let curve = curve(&all);
            let step = curve.iter().rev().find(|it| it[0] <= week);
            (step.unwrap()[1] * 1e4).round() / 1e4
        };
        let shown = [6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0].map(at);
        assert_eq!(
            shown,
            [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
        );
        assert_eq!(median(&all), Some(23.0));
    }

    #[test]
    fn without_cuts_it_is_the_mean_and_cuts_at_the_horizon_count_as_it() {
        let whole = times(&[(10.0, true), (20.0, true), (60.0, true)]);
        assert!((restricted_mean(&whole, 120.0) - 30.0).abs() < 1e-9);
        assert!((restricted_mean(&whole, 40.0) - 70.0 / 3.0).abs() < 1e-9);
        let cut = times(&[(10.0, true), (120.0, false)]);
        assert!((restricted_mean(&cut, 120.0) - 65.0).abs() < 1e-9);
        assert_eq!(median(&cut), Some(10.0));
        assert_eq!(median(&times(&[(120.0, false)])), None);
    }
}
