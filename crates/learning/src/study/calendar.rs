//! When an arm trains again.

use std::collections::BTreeSet;

use super::learner::{Model, Scored};
use super::material::Material;
use super::watch::Watch;
use super::{Arm, Design, StudyError};
use compare::draws::Draws;

pub enum Calendar {
    /// Days that are known beforehand.
    Fixed(BTreeSet<i32>),
    OnAlert(Box<OnAlert>),
}

pub struct OnAlert {
    /// Of the model that serves; `None` until it has begun.
    watch: Option<Watch>,
    /// An alert that has not been answered yet.
    alert: Option<String>,
    /// Day of the last training.
    trained: i32,
    cool_down: i32,
}

impl Calendar {
    /// `triggered` is how often the arm of that name trained again, for the random days.
    pub fn new(design: &Design, arm: Arm, (seed, triggered): (u64, usize)) -> Calendar {
        let days = design.days as i32;
        let every = |step: u32, from: i32| {
            let days = (from..days).step_by(step as usize);
            Calendar::Fixed(days.collect())
        };
        match arm {
            Arm::Never => Calendar::Fixed(BTreeSet::new()),
            Arm::Monthly => every(design.monthly, design.monthly as i32),
            Arm::Oracle => every(design.oracle_every, 0),
            Arm::Random => Calendar::Fixed(drawn(seed, days, triggered)),
            Arm::Triggered => Calendar::OnAlert(Box::new(OnAlert {
                watch: None,
                alert: None,
                trained: 0,
                cool_down: design.cool_down as i32,
            })),
        }
    }

    /// Why a model is trained on the morning of a day, if one is.
    pub fn due(&mut self, day: i32) -> Option<String> {
        match self {
            Calendar::Fixed(days) => days.contains(&day).then(|| "calendar".to_owned()),
            Calendar::OnAlert(it) => {
                if day < it.trained + it.cool_down {
                    return None;
                }
                let alert = it.alert.take()?;
                it.trained = day;
                it.watch = None;
                Some(alert)
            }
        }
    }

    /// The day is over; `model` has served it.
    pub fn see(
        &mut self,
        day: i32,
        scored: &Scored,
        model: &Model,
        (material, design): (&Material, &Design),
    ) -> Result<(), StudyError> {
        let Calendar::OnAlert(it) = self else {
            return Ok(());
        };
        if day < 0 {
            return Ok(());
        }
        let watch = match &mut it.watch {
            Some(watch) => watch,
            none => none.insert(Watch::begin(material, design, model, day)?),
        };
        if let Some(alert) = watch.see(material, scored) {
            it.alert.get_or_insert(alert);
        }
        Ok(())
    }
}

/// That many days of 1..days, none twice.
fn drawn(seed: u64, days: i32, count: usize) -> BTreeSet<i32> {
    let mut all: Vec<i32> = (1..days).collect();
    Draws::new(seed).shuffle(&mut all);
    all.truncate(count);
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(calendar: &mut Calendar) -> Vec<i32> {
        (-14..120)
            .filter(|day| calendar.due(*day).is_some())
            .collect()
    }

    fn of(arm: Arm, triggered: usize) -> Vec<i32> {
        days(&mut Calendar::new(&Design::new(120), arm, (3, triggered)))
    }

    #[test]
    fn arms_without_a_watch_keep_their_days() {
        assert!(of(Arm::Never, 5).is_empty());
        assert_eq!(of(Arm::Monthly, 5), [30, 60, 90]);
        assert_eq!(of(Arm::Oracle, 5).len(), 18);
        assert_eq!(of(Arm::Oracle, 5)[..3], [0, 7, 14]);
        let random = of(Arm::Random, 5);
        assert!(random.len() == 5 && random[0] > 0, "{random:?}");
        assert_ne!(random, of(Arm::Random, 6)[..5]);
    }

    #[test]
    fn an_alert_waits_until_the_last_training_is_two_weeks_old() {
        let mut calendar = Calendar::new(&Design::new(120), Arm::Triggered, (3, 0));
        let alert = |calendar: &mut Calendar| {
            if let Calendar::OnAlert(it) = calendar {
                it.alert = Some("spread".to_owned());
            }
        };
        assert!(days(&mut calendar).is_empty());
        alert(&mut calendar);
        assert_eq!(calendar.due(13), None);
        assert_eq!(calendar.due(14), Some("spread".to_owned()));
        assert_eq!(calendar.due(40), None);
        alert(&mut calendar);
        assert_eq!(calendar.due(41), Some("spread".to_owned()));
        alert(&mut calendar);
        assert_eq!(calendar.due(54), None);
    }
}
