//! The rules: what a window's statistics say, and how surprising that is.
//!
//! A statistic may move by chance (fewer rows, events in clusters), from day to day, and as fast as it moved within the
//! reference: all three are in its interval. Only what is left is drift.

use std::f64::consts::LOG2_10;

use super::Limits;
use super::window::{Streak, Watched, Window};
use crate::alert::{Kind, Reading};
use crate::column::{Column, Field, Scale};
use crate::discovery::{chi_squared_tail, normal_tail, student_tail};
use crate::reference::measure::{Compared, compare, distance};
use crate::reference::{
    Baseline, DAY_MS, SPREAD_MIN, Wander, chance_distance, share_variance, spread, spread_variance,
};
use crate::ruler::UNSEEN;
use crate::settings::Settings;

/// Half the width of a 99 % interval, in standard errors.
const Z99: f64 = 2.575_829;
/// Rows, over the variance factor, from which a distribution is compared: chance alone then gives a distance below 0.1
/// at 99 % (1.63 / root n).
const SHAPE_ROWS: f64 = 266.0;
/// Pieces of the reference below which nobody knows how far a statistic moves by itself.
const PIECES_MIN: f32 = 14.0;
/// A statistic may move at twice the speed it had between the halves of the reference: one difference says little of how
/// large others are.
const MOVED: f64 = 2.0;
const SPREAD_ROWS: f64 = 50.0;
const UNIT_ROWS: f64 = 50.0;
/// Bits that a mean moves by when a unit changes by 10, 100 or 1000, and how near it must come.
const UNITS_BITS: [f64; 3] = [LOG2_10, 2.0 * LOG2_10, 3.0 * LOG2_10];
const UNIT_NEAR_BITS: f64 = 0.35;
/// What the spread may change meanwhile: a part of the events in another unit is something else.
const UNIT_SPREAD: f64 = 0.3;

/// A window that a rule was applied to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    pub segment: u16,
    pub column: u16,
    pub reading: Reading,
    /// 1 where the rule does not hold, or not long enough.
    pub p: f64,
    /// Of all windows of a streak together.
    pub window: Window,
    /// Where the latest of them begins.
    pub latest: i64,
}

/// What the rules of one column in one segment are applied with.
pub struct Bench<'a> {
    pub at: (u16, u16),
    pub column: &'a Column,
    /// Standard deviation of the column on its scale.
    pub scale_sd: f64,
    pub scale_mean: f64,
    pub baseline: &'a Baseline,
    pub limits: Limits,
    pub settings: &'a Settings,
    pub has_segments: bool,
    /// Middle of the reference, ms.
    pub middle: i64,
}

struct Judged {
    baseline: f64,
    value: f64,
    low: f64,
    high: f64,
    /// Whether the rule holds in this window.
    holds: bool,
    up: bool,
    p: f64,
}

impl Bench<'_> {
    /// Takes a piece of every window; findings where rows are enough.
    pub fn take(&self, watched: &mut Watched, piece: &Window, findings: &mut Vec<Finding>) {
        let noise = &self.baseline.noise;
        if self.column.scale != Scale::Category && noise.spread.pieces >= PIECES_MIN {
            watched.for_spread.add(piece);
            let window = watched.for_spread;
            if self.is_ready_for_spread(&window) {
                watched.for_spread = Window::default();
                let judge = |window: &Window| self.spread(window);
                let found = self.rule(Kind::Spread, &window, &mut watched.spread, judge);
                watched.last_spread = found.map(|it| it.reading);
                findings.extend(found);
            }
        }
        watched.for_shape.add(piece);
        let window = watched.for_shape;
        let factor = f64::from(self.baseline.noise.psi.factor);
        if !self.is_long_enough(&window) || window.counted.rows < SHAPE_ROWS * factor {
            return;
        }
        watched.for_shape = Window::default();
        self.data_quality(&window, findings);
        if noise.psi.pieces < PIECES_MIN {
            return;
        }
        let judge = |window: &Window| Some(self.shape(window));
        let found = self.rule(Kind::Shape, &window, &mut watched.shape, judge);
        watched.last_shape = found.map(|it| it.reading);
        findings.extend(found);
        let enough = window.counted.present() >= SHAPE_ROWS * factor;
        if self.column.scale != Scale::Category && enough {
            let judge = |window: &Window| Some(self.distance(window));
            findings.extend(self.rule(Kind::Distance, &window, &mut watched.distance, judge));
        }
    }

    fn is_long_enough(&self, window: &Window) -> bool {
        window.until - window.from >= self.settings.window.millis()
    }

    /// Rows enough for a 99 % interval within the rule's bound, if they were independent but for their clusters.
    fn is_ready_for_spread(&self, window: &Window) -> bool {
        let noise = self.baseline.noise.spread;
        let rows = window.counted.present();
        let kurtosis = f64::from(self.baseline.kurtosis);
        let error = f64::from(noise.factor) * spread_variance(kurtosis, rows);
        let enough = Z99 * libm::sqrt(error) <= self.limits.spread;
        self.is_long_enough(window) && rows >= SPREAD_ROWS && enough
    }

    /// One rule in one window; with enough consecutive ones its p is that of all of them together.
    fn rule(
        &self,
        kind: Kind,
        window: &Window,
        streak: &mut Streak,
        judge: impl Fn(&Window) -> Option<Judged>,
    ) -> Option<Finding> {
        let judged = judge(window)?;
        streak.go_on(window, judged.holds, judged.up);
        let mut finding = self.finding(kind, window, &judged);
        finding.reading.streak = streak.windows;
        finding.p = 1.0;
        if let Some(together) = &streak.together
            && streak.windows >= self.settings.windows
            && let Some(judged) = judge(together)
        {
            let windows = streak.windows;
            finding = self.finding(kind, together, &judged);
            finding.reading.streak = windows;
            finding.latest = window.from;
        }
        Some(finding)
    }

    fn finding(&self, kind: Kind, window: &Window, judged: &Judged) -> Finding {
        let (segment, column) = self.at;
        Finding {
            segment,
            column,
            reading: Reading {
                kind,
                from: window.from,
                until: window.until,
                rows: window.counted.rows as u64,
                baseline: judged.baseline,
                value: judged.value,
                low: judged.low,
                high: judged.high,
                streak: 1,
            },
            p: if self.limits.is_watched {
                judged.p
            } else {
                1.0
            },
            window: *window,
            latest: window.from,
        }
    }

    /// How far a statistic may have moved since the reference at the speed it had there.
    fn moved(&self, wander: Wander, window: &Window) -> f64 {
        let days = (window.until - self.middle) as f64 / DAY_MS as f64;
        MOVED * f64::from(wander.speed) * days.abs()
    }

    /// Two-sided, of a statistic with a standard error.
    fn signed_p(&self, wander: Wander, beyond: f64, error: f64) -> f64 {
        let t = beyond / error.max(1e-12);
        let freedom = f64::from(wander.pieces - 1.0).max(3.0);
        if t <= 0.0 {
            1.0
        } else {
            2.0 * student_tail(t, freedom)
        }
    }

    /// Of all windows together, whose odd days are few among their days.
    fn day(&self, wander: Wander, window: &Window) -> f64 {
        let days = (window.until - window.from) as f64 / DAY_MS as f64;
        let odd = f64::from(wander.odd) / libm::sqrt(days.max(1.0));
        odd.max(f64::from(wander.day))
    }

    fn error(&self, wander: Wander, chance: f64, day: f64) -> f64 {
        // The baseline has days of its own.
        let days = 1.0 + 1.0 / f64::from(wander.pieces).max(1.0);
        libm::sqrt(f64::from(wander.factor) * chance + day * day * days)
    }

    fn spread(&self, window: &Window) -> Option<Judged> {
        let (have, want) = (window.counted.sd(), window.expected.sd());
        if want < SPREAD_MIN {
            return None;
        }
        let apart = spread(have, want);
        let ratio = libm::exp(apart);
        let noise = self.baseline.noise.spread;
        let kurtosis = f64::from(self.baseline.kurtosis);
        let chance = spread_variance(kurtosis, window.counted.present());
        let error = self.error(noise, chance, f64::from(noise.day));
        let moved = self.moved(noise, window);
        let wide = Z99 * error + moved;
        let doubted = self.error(noise, chance, self.day(noise, window));
        Some(Judged {
            baseline: want * self.scale_sd,
            value: have * self.scale_sd,
            low: have * self.scale_sd * libm::exp(-wide),
            high: have * self.scale_sd * libm::exp(wide),
            holds: (ratio - 1.0).abs() > self.limits.spread && apart.abs() > wide,
            up: apart > 0.0,
            p: self.signed_p(noise, apart.abs() - moved, doubted),
        })
    }

    fn shape(&self, window: &Window) -> Judged {
        let compared = compare(&window.counted, &window.expected);
        let noise = self.baseline.noise.psi;
        let factor = f64::from(noise.factor);
        let rows = window.counted.rows;
        let inverse = 1.0 / rows + 1.0 / f64::from(self.baseline.rows);
        let chance = factor * compared.freedom * inverse;
        let over = libm::sqrt((compared.psi - chance).max(0.0));
        let beyond = over - self.moved(noise, window);
        let spread = factor * (2.0 * compared.freedom + 4.0 * rows * compared.psi);
        let wide = Z99 * libm::sqrt(spread.max(0.0)) / rows;
        let p = self.unsigned_p(compared, noise, beyond, self.day(noise, window));
        Judged {
            baseline: chance,
            value: compared.psi,
            low: (compared.psi - wide).max(0.0),
            high: compared.psi + wide,
            holds: over * over > self.limits.psi && beyond > Z99 * f64::from(noise.day),
            up: true,
            p,
        }
    }

    /// Neither chance nor the days' own movement may explain it.
    fn unsigned_p(&self, compared: Compared, noise: Wander, beyond: f64, day: f64) -> f64 {
        if beyond <= 0.0 || compared.freedom < 1.0 {
            return 1.0;
        }
        let by_chance = chi_squared_tail(
            compared.chi_squared / f64::from(noise.factor),
            compared.freedom,
        );
        by_chance.max(self.signed_p(noise, beyond, day))
    }

    fn distance(&self, window: &Window) -> Judged {
        let far = distance(&window.counted, &window.expected);
        let noise = self.baseline.noise.distance;
        let factor = f64::from(noise.factor);
        let rows = window.counted.present();
        let chance = chance_distance(factor, rows);
        let beyond = far - chance - self.moved(noise, window);
        let wide = 1.63 * libm::sqrt(factor / rows.max(1.0));
        let compared = compare(&window.counted, &window.expected);
        Judged {
            baseline: chance,
            value: far,
            low: (far - wide).max(0.0),
            high: far + wide,
            holds: far >= self.limits.distance && beyond > Z99 * f64::from(noise.day),
            up: true,
            p: self.unsigned_p(compared, noise, beyond, self.day(noise, window)),
        }
    }

    /// One window is enough for what is wrong with a field; one fault hides no other.
    fn data_quality(&self, window: &Window, findings: &mut Vec<Finding>) {
        if self.column.scale == Scale::Category
            && let Some(judged) = self.new_category(window)
        {
            findings.push(self.finding(Kind::NewCategory, window, &judged));
        }
        if self.column.field == Field::None {
            return;
        }
        if self.column.field == Field::Value
            && let Some(judged) = self.unit(window)
        {
            findings.push(self.finding(Kind::Unit, window, &judged));
        }
        // All events lack a field as often as those kinds of events come that have none.
        if self.at.0 == 0 && self.has_segments {
            return;
        }
        let mut judged = self.missing(window);
        if !judged.holds {
            judged.p = 1.0;
        }
        findings.push(self.finding(Kind::Missing, window, &judged));
    }

    fn missing(&self, window: &Window) -> Judged {
        let (have, want) = (window.counted.missing(), window.expected.missing());
        let noise = self.baseline.noise.missing;
        let chance = share_variance(want, window.counted.rows);
        let error = self.error(noise, chance, f64::from(noise.day));
        let moved = self.moved(noise, window);
        let apart = (have - want).abs();
        let wide = Z99 * error + moved;
        Judged {
            baseline: want,
            value: have,
            low: (have - wide).max(0.0),
            high: (have + wide).min(1.0),
            holds: apart > self.settings.missing && apart > wide,
            up: have > want,
            p: self.signed_p(noise, apart - moved, error),
        }
    }

    fn new_category(&self, window: &Window) -> Option<Judged> {
        let rows = window.counted.rows;
        let have = window.counted.bins[UNSEEN] / rows;
        let days = (window.until - self.middle) as f64 / DAY_MS as f64;
        let want = f64::from(self.baseline.noise.novelty) * days.max(0.0);
        let factor = f64::from(self.baseline.noise.missing.factor);
        let error = libm::sqrt(factor * share_variance(want.max(1e-4), rows));
        let beyond = have - want;
        (beyond > self.settings.new_category).then(|| Judged {
            baseline: want,
            value: have,
            low: (have - Z99 * error).max(0.0),
            high: (have + Z99 * error).min(1.0),
            holds: true,
            up: true,
            p: normal_tail(beyond / error),
        })
    }

    /// A mean that moves by the logarithm of 10, 100 or 1000 while the spread stays.
    fn unit(&self, window: &Window) -> Option<Judged> {
        let rows = window.counted.present();
        let is_log = matches!(self.column.scale, Scale::Money | Scale::Log);
        if !is_log || rows < UNIT_ROWS {
            return None;
        }
        let (have, want) = (window.counted.mean(), window.expected.mean());
        let bits = (have - want) * self.scale_sd;
        let near = |unit: &f64| (bits.abs() - unit).abs() < UNIT_NEAR_BITS;
        let spread = libm::log(window.counted.sd().max(1e-6) / window.expected.sd().max(1e-6));
        if !UNITS_BITS.iter().any(near) || spread.abs() > UNIT_SPREAD {
            return None;
        }
        let noise = self.baseline.noise.spread;
        let error = window.expected.sd() * libm::sqrt(f64::from(noise.factor) / rows);
        let of = |z: f64| libm::exp2(self.scale_mean + z * self.scale_sd);
        Some(Judged {
            baseline: of(want),
            value: of(have),
            low: of(have - Z99 * error),
            high: of(have + Z99 * error),
            holds: true,
            up: bits > 0.0,
            p: 2.0 * normal_tail((have - want).abs() / error.max(1e-12)),
        })
    }
}
