//! The watch for drift that a served model has, over the rows that stand for all events.

use std::sync::Arc;

use drift::{Alert, Builder, Monitor, Settings};

use super::learner::{Model, Scored};
use super::material::Material;
use super::{Design, StudyError};

#[derive(Debug)]
pub struct Watch {
    monitor: Monitor,
}

/// Log-odds in bits: the scale that scores are watched on.
fn bits(raw: f64) -> f32 {
    (raw / std::f64::consts::LN_2) as f32
}

impl Watch {
    /// From the morning of `day` on, beside the days that the model was trained on and those from then to
    /// this morning. Only of the latter is the score a reference: the model has not seen them.
    pub fn begin(
        material: &Material,
        design: &Design,
        model: &Model,
        day: i32,
    ) -> Result<Watch, StudyError> {
        let ground = &material.ground;
        let mut builder = Builder::new(ground.columns.clone(), ground.sources.clone(), ground.by);
        let seen = material.of_days(model.trained_on.start, model.trained_on.end);
        for row in seen.filter(|row| material.rows[*row].drawn) {
            let time = material.rows[row].time.millis();
            builder.push(time, material.sample(row), f32::NAN);
        }
        for back in (1..=design.gap as i32).rev() {
            let scored = model.score(material, design, day - back);
            for (row, raw) in drawn(material, &scored) {
                let time = material.rows[row].time.millis();
                builder.push(time, material.sample(row), bits(raw));
            }
        }
        let reference = builder.build(|key| format!("{}/{}", key.event_type, key.channel))?;
        let monitor = Monitor::new(Arc::new(reference), Settings::default(), 0)?;
        Ok(Watch { monitor })
    }

    /// A day that is over; alerts of data quality are none of drift.
    pub fn see(&mut self, material: &Material, scored: &Scored) -> Option<String> {
        for (row, raw) in drawn(material, scored) {
            let seen = &material.rows[row];
            let values = material.sample(row);
            let (position, time) = (seen.position.0, seen.time.millis());
            self.monitor.feed(position, time, values, bits(raw));
        }
        let alerts = self.monitor.take_alerts();
        let drift = alerts
            .iter()
            .find(|it| !it.reading.kind.is_data_quality())?;
        Some(self.told(drift))
    }

    fn told(&self, alert: &Alert) -> String {
        let reference = self.monitor.reference();
        format!(
            "{} of {} in {}: {:.3} instead of {:.3}",
            alert.reading.kind.name(),
            reference.columns[usize::from(alert.column)].name,
            reference.segments[usize::from(alert.segment)].name,
            alert.reading.value,
            alert.reading.baseline,
        )
    }
}

/// The rows that stand for all events, with their log-odds.
fn drawn(material: &Material, scored: &Scored) -> impl Iterator<Item = (usize, f64)> {
    let rows = scored.rows.clone().zip(scored.raw.iter().copied());
    rows.filter(|(row, _)| material.rows[*row].drawn)
}
