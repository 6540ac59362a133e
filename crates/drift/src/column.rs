//! A column of a row: what it is called, and the scale its values are looked at on.

use serde::{Deserialize, Serialize};

use crate::reference::{DAY_MS, HOUR_MS};

/// Of a feature's window.
const LONGEST_MS: i64 = 30 * DAY_MS;
/// Name of the column behind the features.
pub const SCORE: &str = "score";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    Plain,
    /// `log2(1 + |x|)` with the sign of x: counts, sums, times, ratios.
    Log,
    /// `log2(x)`, no less than that of a hundredth: another unit is a shift of the mean, whatever the amount.
    Money,
    /// Numbers of values in order of first appearance; only shares are looked at.
    Category,
    /// Says no more than the window does.
    Clock,
}

/// What a value says of one of the event's own fields, whose faults are those of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Nothing: it is made from other events too, or from several fields.
    None,
    /// What is in it.
    Value,
    /// Whether it is there: what it is a count of grows with the graph, in no unit.
    Presence,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub scale: Scale,
    pub field: Field,
    /// The fields that a value is made from, any of which can break it: a bit per name of `Reference::sources`.
    pub sources: u64,
    /// Of a category: the column that is 0 where a value was never seen before.
    pub novelty: Option<u16>,
}

impl Column {
    /// A column that is nobody's but its own.
    pub fn plain(name: &str, scale: Scale) -> Column {
        Column {
            name: name.to_owned(),
            scale,
            field: Field::None,
            sources: 0,
            novelty: None,
        }
    }

    /// How far back the events lie that a value is made from, by the window in its name. Without one a value that is no
    /// event's own may look back as far as any.
    pub(crate) fn memory_ms(&self) -> i64 {
        let window = self.name.rsplit('_').next().unwrap_or_default();
        let number = |unit| window.strip_suffix(unit)?.parse::<i64>().ok();
        match (number('h'), number('d')) {
            (Some(hours), _) => hours * HOUR_MS,
            (None, Some(days)) => days * DAY_MS,
            (None, None) if self.field == Field::Value || self.name == SCORE => 0,
            (None, None) => LONGEST_MS,
        }
    }
}

/// Log-odds of a calibrated probability, in bits: the scale that scores are looked at on.
pub fn of_probability(ppm: u32) -> f32 {
    let ppm = f64::from(ppm.min(1_000_000));
    libm::log2((ppm + 1.0) / (1_000_001.0 - ppm)) as f32
}

/// `log2(x)` for positive x within 1e-4: additions and multiplications only, free of branches, the same bits on every
/// machine.
#[inline(always)]
pub(crate) fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = ((bits >> 23) as i32 - 127) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000) - 1.0;
    // Least squares on [0, 1), the coefficients summing to 1 so that the pieces join.
    let tail = 0.044_873_94 * m - 0.193_801_39;
    let tail = tail * m + 0.416_840_67;
    let tail = tail * m - 0.709_999;
    let tail = tail * m + 1.442_085_9;
    exponent + tail * m
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_remembers_as_long_as_its_name_says() {
        let memory = |name: &str| Column::plain(name, Scale::Log).memory_ms();
        assert_eq!(memory("device_sum_7d"), 7 * DAY_MS);
        assert_eq!(memory("devices_24h"), DAY_MS);
        assert_eq!(memory("device_tenure"), LONGEST_MS);
        assert_eq!(memory(SCORE), 0);
        let amount = Column {
            field: Field::Value,
            ..Column::plain("amount", Scale::Money)
        };
        assert_eq!(amount.memory_ms(), 0);
    }

    #[test]
    fn logarithms_stay_within_their_bound() {
        for step in 0..100_000 {
            let x = libm::exp2f(step as f32 / 1000.0 - 20.0);
            let exact = libm::log2(f64::from(x)) as f32;
            assert!((log2(x) - exact).abs() < 1e-4, "x {x}");
        }
        assert_eq!(of_probability(500_000), 0.0);
        assert!(of_probability(0) < -19.0 && of_probability(1_000_000) > 19.0);
    }
}
