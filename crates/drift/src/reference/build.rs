//! A reference out of rows: scale and cuts of every column, then its statistics hour by hour and segment by segment.

use std::collections::BTreeMap;

use super::profile::{Profile, Slot};
use super::{
    Baseline, DAY_MS, HOUR_MS, Reference, ReferenceError, SEGMENTS_MAX, Segment, SegmentBy,
    SegmentKey, hour_of_week, noise,
};
use crate::column::{Column, Scale};
use crate::ruler::{BINS, CUTS, Codes, MISSING, Ruler, Scratch};

pub const DAYS_MIN: i64 = 28;
pub const ROWS_MIN: usize = 1_000;
/// Of a segment, below which it has no statistics of its own.
const SEGMENT_ROWS_MIN: usize = 1_000;
const SEGMENT_SHARE_MIN: f64 = 0.01;
/// Columns taken at a time: a row's share of them is one line of the cache.
const TOGETHER: usize = 16;

/// Collects rows in order of time.
#[derive(Debug)]
pub struct Builder {
    columns: Vec<Column>,
    sources: Vec<String>,
    segment_by: SegmentBy,
    times: Vec<i64>,
    /// Row-major.
    values: Vec<f32>,
}

/// What a column-major pass needs of all rows.
struct Measured<'a> {
    width: usize,
    /// Standardised, row-major.
    values: &'a [f32],
    bins: &'a [u8],
    /// Hour of the reference.
    hours: &'a [u32],
    slots: usize,
    first: usize,
    /// Segment beside the whole; 0: none.
    segments: &'a [u8],
}

impl Builder {
    /// The last column is the score's.
    pub fn new(columns: Vec<Column>, sources: Vec<String>, segment_by: SegmentBy) -> Builder {
        Builder {
            columns,
            sources,
            segment_by,
            times: Vec::new(),
            values: Vec::new(),
        }
    }

    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// `values` are the features; a score of NaN is none.
    pub fn push(&mut self, time_ms: i64, values: &[f32], score: f32) {
        debug_assert_eq!(values.len() + 1, self.columns.len());
        // A late event counts in the hour that is open, as it does for a monitor.
        let time = self.times.last().map_or(time_ms, |last| time_ms.max(*last));
        self.times.push(time);
        self.values.extend_from_slice(values);
        self.values.push(score);
    }

    /// `name` is what a segment is called.
    pub fn build(
        mut self,
        name: impl Fn(SegmentKey) -> String,
    ) -> Result<Reference, ReferenceError> {
        let (Some(first), Some(last)) = (self.times.first(), self.times.last()) else {
            let (least, got) = (ROWS_MIN, 0);
            return Err(ReferenceError::TooFew { least, got });
        };
        let (from, until) = (first - first.rem_euclid(HOUR_MS), last + 1);
        if until - first < (DAYS_MIN * DAY_MS) * 99 / 100 {
            let got_days = (until - first) as f64 / DAY_MS as f64;
            return Err(ReferenceError::TooShort { got_days });
        }
        if self.times.len() < ROWS_MIN {
            let (least, got) = (ROWS_MIN, self.times.len());
            return Err(ReferenceError::TooFew { least, got });
        }
        let mut ruler = Ruler::new(&self.columns);
        for column in 0..self.columns.len() {
            self.measure_column(column, &mut ruler);
        }
        let (segments, of_row) = self.segments(&name);
        let novelty: Vec<f32> = (0..self.columns.len()).map(|it| self.novelty(it)).collect();
        let hours = self.times.iter().map(|it| ((it - from) / HOUR_MS) as u32);
        let hours: Vec<u32> = hours.collect();
        let bins = self.standardise(&ruler);
        let measured = Measured {
            width: self.columns.len(),
            values: &self.values,
            bins: &bins,
            slots: hours.last().map_or(0, |it| *it as usize + 1),
            hours: &hours,
            first: hour_of_week(from),
            segments: &of_row,
        };
        let mut baselines = vec![None; self.columns.len() * segments.len()];
        for start in (0..self.columns.len()).step_by(TOGETHER) {
            for segment in 0..segments.len() {
                measured.fill(segment, start, &self.columns, &mut baselines);
            }
        }
        for (at, baseline) in baselines.iter_mut().enumerate() {
            if let Some(baseline) = baseline {
                baseline.noise.novelty = novelty[at % self.columns.len()];
            }
        }
        Ok(Reference {
            from,
            until,
            rows: self.times.len() as u64,
            columns: self.columns,
            sources: self.sources,
            segment_by: self.segment_by,
            segments,
            ruler,
            baselines,
        })
    }

    fn column(&self, column: usize) -> impl Iterator<Item = f32> {
        let width = self.columns.len();
        self.values.iter().skip(column).step_by(width).copied()
    }

    fn measure_column(&self, column: usize, ruler: &mut Ruler) {
        if self.columns[column].scale == Scale::Category {
            return ruler.set_codes(column, self.codes(column));
        }
        let mut values: Vec<f32> = self
            .column(column)
            .filter(|it| !it.is_nan())
            .map(|it| ruler.scaled(column, it))
            .collect();
        values.sort_unstable_by(f32::total_cmp);
        let count = values.len().max(1) as f64;
        let mean = values.iter().map(|it| f64::from(*it)).sum::<f64>() / count;
        let apart = |it: &f32| (f64::from(*it) - mean) * (f64::from(*it) - mean);
        let sd = libm::sqrt(values.iter().map(apart).sum::<f64>() / count);
        // Rounding of equal values is no spread.
        let sd = if sd > 1e-6 * mean.abs().max(1e-6) {
            sd
        } else {
            0.0
        };
        ruler.set(column, mean as f32, sd as f32, &cuts(&values));
    }

    fn codes(&self, column: usize) -> Codes {
        let mut counts: BTreeMap<u16, u64> = BTreeMap::new();
        for code in self.column(column).filter(|it| !it.is_nan()) {
            *counts.entry(code as u16).or_default() += 1;
        }
        let known = counts.keys().last().map_or(0, |it| u32::from(*it) + 1);
        let mut by_count: Vec<(u16, u64)> = counts.into_iter().collect();
        by_count.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
        by_count.truncate(CUTS - 1);
        Codes {
            listed: by_count.into_iter().map(|it| it.0).collect(),
            known,
        }
    }

    /// Share of rows a day whose code the first half of the time did not have.
    fn novelty(&self, column: usize) -> f32 {
        if self.columns[column].scale != Scale::Category {
            return 0.0;
        }
        let (first, last) = (self.times[0], self.times[self.times.len() - 1]);
        let middle = self
            .times
            .partition_point(|it| *it < first + (last - first) / 2);
        let known = self.column(column).take(middle).filter(|it| !it.is_nan());
        let known = known.fold(-1.0, f32::max);
        let fresh = self
            .column(column)
            .skip(middle)
            .filter(|it| *it > known)
            .count();
        let rows = (self.times.len() - middle).max(1);
        let quarter = (last - first) as f64 / DAY_MS as f64 / 4.0;
        (fresh as f64 / rows as f64 / quarter.max(1.0)) as f32
    }

    /// The segments with enough rows, and that of every row.
    fn segments(&self, name: &impl Fn(SegmentKey) -> String) -> (Vec<Segment>, Vec<u8>) {
        let rows = self.values.chunks_exact(self.columns.len());
        let keys: Vec<SegmentKey> = rows.map(|row| self.segment_by.key(row)).collect();
        let mut counts: BTreeMap<SegmentKey, u64> = BTreeMap::new();
        for key in &keys {
            *counts.entry(*key).or_default() += 1;
        }
        let mut by_count: Vec<(SegmentKey, u64)> = counts.into_iter().collect();
        by_count.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
        let least = SEGMENT_ROWS_MIN.max((SEGMENT_SHARE_MIN * keys.len() as f64) as usize);
        by_count.retain(|it| it.1 >= least as u64);
        by_count.truncate(SEGMENTS_MAX);
        let mut segments = vec![Segment {
            name: "all".to_owned(),
            key: SegmentKey {
                event_type: -1,
                channel: -1,
            },
            rows: keys.len() as u64,
        }];
        segments.extend(by_count.into_iter().map(|(key, rows)| Segment {
            name: name(key),
            key,
            rows,
        }));
        let place = |key: &SegmentKey| segments[1..].iter().position(|it| it.key == *key);
        let of_row = keys
            .iter()
            .map(|key| place(key).map_or(0, |it| it as u8 + 1));
        let of_row = of_row.collect();
        (segments, of_row)
    }

    /// Replaces values by standardised ones; their bins.
    fn standardise(&mut self, ruler: &Ruler) -> Vec<u8> {
        let mut scratch = Scratch::default();
        let mut bins = Vec::with_capacity(self.values.len());
        for row in self.values.chunks_exact_mut(self.columns.len()) {
            ruler.measure(row, &mut scratch);
            row.copy_from_slice(&scratch.standard);
            bins.extend(scratch.bins.iter().map(|it| *it as u8));
        }
        bins
    }
}

/// Cuts that part sorted values into parts as equal as their ties allow; a value with a share of its own gets a bin.
fn cuts(sorted: &[f32]) -> Vec<f32> {
    let share = sorted.len() as f64 / CUTS as f64;
    let (mut cuts, mut filled, mut at) = (Vec::new(), 0.0, 0);
    let mut before: Option<f32> = None;
    while at < sorted.len() {
        let value = sorted[at];
        let run = sorted[at..].partition_point(|it| *it <= value);
        // Not into the same bin as a value that fills one alone, nor over the bin's share.
        let closes = filled >= share || (run as f64 >= share && filled >= share / 10.0);
        if let Some(before) = before
            && closes
            && cuts.len() < CUTS - 1
        {
            cuts.push(before + (value - before) / 2.0);
            filled = 0.0;
        }
        filled += run as f64;
        before = Some(value);
        at += run;
    }
    cuts
}

impl Measured<'_> {
    /// Baselines of up to [`TOGETHER`] columns of one segment.
    fn fill(
        &self,
        segment: usize,
        start: usize,
        columns: &[Column],
        baselines: &mut [Option<Baseline>],
    ) {
        let end = (start + TOGETHER).min(self.width);
        let wide = end - start;
        let mut slots = vec![vec![Slot::default(); self.slots]; wide];
        let mut moments = vec![[0.0_f64; 4]; wide];
        for row in 0..self.hours.len() {
            if segment > 0 && usize::from(self.segments[row]) != segment {
                continue;
            }
            let hour = self.hours[row] as usize;
            let range = row * self.width + start..row * self.width + end;
            let cells = self.values[range.clone()].iter().zip(&self.bins[range]);
            for (at, (value, bin)) in cells.enumerate() {
                // A row without a score is no row of the score's column.
                if start + at + 1 == self.width && usize::from(*bin) == MISSING {
                    continue;
                }
                let (z, slot) = (f64::from(*value), &mut slots[at][hour]);
                slot.rows += 1.0;
                slot.sum += z;
                slot.squares += z * z;
                slot.bins[usize::from(*bin) % BINS] += 1.0;
                if usize::from(*bin) != MISSING {
                    let power = [z, z * z, z * z * z, z * z * z * z];
                    moments[at]
                        .iter_mut()
                        .zip(power)
                        .for_each(|(to, it)| *to += it);
                }
            }
        }
        for (at, slots) in slots.iter().enumerate() {
            let column = start + at;
            if columns[column].scale != Scale::Clock {
                baselines[segment * self.width + column] = self.baseline(slots, moments[at]);
            }
        }
    }

    fn baseline(&self, slots: &[Slot], moments: [f64; 4]) -> Option<Baseline> {
        let profile = Profile::of(slots, self.first);
        if profile.whole.rows < SEGMENT_ROWS_MIN as f64 {
            return None;
        }
        let kurtosis = kurtosis(moments, profile.whole.present());
        Some(Baseline {
            rows: profile.whole.rows as f32,
            whole: profile.whole.per_row(),
            profile: profile.all(),
            kurtosis: kurtosis as f32,
            noise: noise::noise(slots, self.first, &profile, kurtosis),
        })
    }
}

/// Of sums of powers; 3 for a normal distribution, and where there is no spread.
fn kurtosis(moments: [f64; 4], count: f64) -> f64 {
    let [m1, m2, m3, m4] = moments.map(|it| it / count.max(1.0));
    let variance = m2 - m1 * m1;
    if variance < noise::ONE_VALUE * noise::ONE_VALUE {
        return 3.0;
    }
    let fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1 * m1 * m2 - 3.0 * m1 * m1 * m1 * m1;
    (fourth / (variance * variance)).max(1.0)
}
