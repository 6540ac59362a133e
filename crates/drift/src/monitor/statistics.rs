//! The statistics of the latest window, by feature, beside what the hours of its rows let expect.

use event::EventTime;
use serde::Serialize;
use thiserror::Error;

use crate::column::Scale;
use crate::quantiles::Quantile;
use crate::reference::{Expected, hour_of_week};
use crate::ruler::{BINS, MISSING, UNSEEN};
use crate::{Monitor, Reference};

/// Asked for by a name that the reference does not have.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unknown {
    #[error("no such segment is watched")]
    Segment,
    #[error("no such feature is watched")]
    Feature,
}

/// Of one segment.
#[derive(Clone, Debug, Serialize)]
pub struct Statistics<'a> {
    pub segment: &'a str,
    pub from: EventTime,
    pub until: EventTime,
    pub events: u64,
    pub features: Vec<Feature<'a>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Feature<'a> {
    pub feature: &'a str,
    pub scale: Scale,
    pub counted: Moments,
    /// `None`: the reference had too few events of the segment, or the feature is not watched.
    pub expected: Option<Moments>,
    /// Of values as they are, not on the scale; `None` for a category, and for what a segment keeps no sketch of.
    pub quantiles: Option<Quantile>,
    /// Of a category.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
}

/// Mean and deviation on the scale, of the events that have a value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moments {
    /// Share of the events.
    pub missing: f64,
    pub mean: Option<f64>,
    pub sd: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    pub value: Value,
    pub counted: f64,
    pub expected: Option<f64>,
}

/// Of a category: the number that features give it, in order of first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    Code(u16),
    Others,
    Unseen,
}

impl Monitor {
    /// Of the latest window that had events, all of them or a segment's, of every feature or one; `None`: no window has
    /// closed.
    pub fn statistics(
        &self,
        segment: Option<&str>,
        feature: Option<&str>,
    ) -> Result<Option<Statistics<'_>>, Unknown> {
        let reference = self.reference();
        let mut segments = reference.segments.iter();
        let segment = match segment {
            None => 0,
            Some(name) => (segments.position(|it| it.name == name)).ok_or(Unknown::Segment)?,
        };
        let is_wanted = |name: &str| feature.is_none_or(|it| it == name);
        if !reference.columns.iter().any(|it| is_wanted(&it.name)) {
            return Err(Unknown::Feature);
        }
        Ok(self.statistics_of(segment, is_wanted))
    }

    fn statistics_of(
        &self,
        segment: usize,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Option<Statistics<'_>> {
        let latest = self.state.latest.as_ref()?;
        let (reference, cells) = (self.reference(), latest.cells(segment));
        let hour = hour_of_week(latest.from);
        let mut features = Vec::new();
        for (column, counts) in cells.counts().enumerate() {
            let of = &reference.columns[column];
            if of.scale == Scale::Clock || !is_wanted(&of.name) {
                continue;
            }
            let counted = cells.counted(column, counts, column == reference.score());
            let baseline = reference.baseline(segment, column);
            let expected = baseline.map(|it| it.expect(hour, counted.rows));
            features.push(Feature {
                feature: &of.name,
                scale: of.scale,
                counted: Moments::of(reference, column, &counted),
                expected: expected.map(|it| Moments::of(reference, column, &it)),
                quantiles: latest.quantiles(&self.sketched, segment, column),
                shares: shares(reference, column, &counted, expected.as_ref()),
            });
        }
        Some(Statistics {
            segment: &reference.segments[segment].name,
            from: EventTime::from_millis(latest.from),
            until: EventTime::from_millis(latest.until),
            events: cells.rows,
            features,
        })
    }
}

impl Moments {
    fn of(reference: &Reference, column: usize, of: &Expected) -> Moments {
        let (mean, sd) = reference.measure_of(column);
        let is_number = reference.columns[column].scale != Scale::Category && of.present() > 0.0;
        Moments {
            missing: of.missing(),
            mean: is_number.then(|| mean + sd * of.mean()),
            sd: is_number.then(|| sd * of.sd()),
        }
    }
}

fn shares(
    reference: &Reference,
    column: usize,
    counted: &Expected,
    expected: Option<&Expected>,
) -> Vec<Share> {
    let Some(codes) = reference.ruler.codes(column) else {
        return Vec::new();
    };
    let share = |of: &Expected, bin: usize| of.bins[bin] / of.rows.max(1.0);
    let values = (0..BINS).filter(|bin| *bin != MISSING).map(|bin| {
        let value = match codes.listed.get(bin) {
            Some(code) => Value::Code(*code),
            None if bin == UNSEEN => Value::Unseen,
            None => Value::Others,
        };
        Share {
            value,
            counted: share(counted, bin),
            expected: expected.map(|it| share(it, bin)),
        }
    });
    // Bins that a category does not use are empty on both sides.
    let is_used = |it: &Share| it.counted > 0.0 || it.expected.is_some_and(|it| it > 0.0);
    values.filter(is_used).collect()
}
