//! When something is worth an alert. Nothing here decides an event.

use std::collections::BTreeMap;

use event::Span;
use event::time::TimeUnit;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Reference;

/// Ends of what may be asked.
const WINDOW_MAX: Span = Span::days(7);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Event time of a window; windows with too few events merge.
    pub window: Span,
    /// Relative change of a standard deviation.
    pub spread: f64,
    /// Population stability index beyond what chance gives.
    pub psi: f64,
    /// Kolmogorov and Smirnov's distance.
    pub distance: f64,
    /// Change of the share of events that lack a field.
    pub missing: f64,
    /// Share of events with a value that the reference does not know.
    pub new_category: f64,
    /// Consecutive windows before drift is told; data quality needs one.
    pub windows: u8,
    /// False alerts that 30 days without drift may bring.
    pub false_alerts: f64,
    /// By feature.
    pub rules: BTreeMap<String, Rule>,
}

/// What differs for one feature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `false`: never alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Error)]
pub enum SettingsError {
    #[error("not a drift document: {message}")]
    Syntax {
        /// Its path in the document; `None` where the whole is no TOML, whose message tells the line.
        field: Option<String>,
        message: String,
    },
    #[error(
        "must be more than 0, at most 7d, and divide an hour or be whole hours, got {got:?} (field \"window\")"
    )]
    Window { got: String },
    #[error("must be > 0 and finite, got {got} (field {field:?})")]
    Bound { field: String, got: f64 },
    #[error("windows must be 1 to 100, got {got} (field \"windows\")")]
    Windows { got: u8 },
    #[error("unknown feature {feature:?} (field {field:?})", field = format!("rules.{feature}"))]
    Feature { feature: String },
}

impl SettingsError {
    pub fn code(&self) -> &'static str {
        match self {
            SettingsError::Syntax { .. } => "drift_document_invalid",
            SettingsError::Window { .. } => "drift_window_invalid",
            SettingsError::Bound { .. } | SettingsError::Windows { .. } => "drift_bound_invalid",
            SettingsError::Feature { .. } => "drift_feature_unknown",
        }
    }

    pub fn field(&self) -> Option<String> {
        match self {
            SettingsError::Syntax { field, .. } => field.clone(),
            SettingsError::Window { .. } => Some("window".to_owned()),
            SettingsError::Windows { .. } => Some("windows".to_owned()),
            SettingsError::Bound { field, .. } => Some(field.clone()),
            SettingsError::Feature { feature } => Some(format!("rules.{feature}")),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            window: Span::hours(1),
            spread: 0.15,
            psi: 0.1,
            distance: 0.1,
            missing: 0.05,
            new_category: 0.01,
            windows: 3,
            false_alerts: 0.5,
            rules: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Refuses what is no such document, makes no sense, or names a feature that there is not.
    pub fn parse<'a>(
        text: &str,
        features: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Settings, SettingsError> {
        let settings = Settings::read(text)?;
        settings.check(features)?;
        Ok(settings)
    }

    /// Of whatever features, and not checked yet.
    pub fn read(text: &str) -> Result<Settings, SettingsError> {
        let syntax = |error: toml::de::Error| SettingsError::Syntax {
            field: None,
            message: error.to_string().trim().to_owned(),
        };
        let table: toml::Table = toml::from_str(text).map_err(syntax)?;
        // A span refuses 0 itself, without a name for it.
        if let Some(window) = table.get("window").and_then(toml::Value::as_str)
            && Span::parse(window).is_err()
        {
            let got = window.to_owned();
            return Err(SettingsError::Window { got });
        }
        let document = toml::Deserializer::parse(text).map_err(syntax)?;
        serde_path_to_error::deserialize(document).map_err(|error| {
            let path = error.path().to_string();
            SettingsError::Syntax {
                field: (path != ".").then_some(path),
                message: error.inner().to_string().trim().to_owned(),
            }
        })
    }

    /// As a document.
    pub fn text(&self) -> Result<String, SettingsError> {
        toml::to_string(self).map_err(|error| SettingsError::Syntax {
            field: None,
            message: error.to_string(),
        })
    }

    /// Without the rules for features that a model does not know: its schema was another one.
    pub fn known_to(mut self, reference: &Reference) -> Settings {
        let names = &reference.columns;
        self.rules
            .retain(|feature, _| names.iter().any(|it| it.name == *feature));
        self
    }

    /// Refuses what makes no sense, and rules for features that there are not.
    pub fn check<'a>(
        &self,
        features: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), SettingsError> {
        let (got_ms, hour) = (self.window.millis(), Span::hours(1).millis());
        let fits = got_ms > 0 && (hour % got_ms == 0 || got_ms % hour == 0);
        if !fits || got_ms > WINDOW_MAX.millis() {
            let got = self.window.label(TimeUnit::Second);
            return Err(SettingsError::Window { got });
        }
        if !(1..=100).contains(&self.windows) {
            return Err(SettingsError::Windows { got: self.windows });
        }
        let own = [
            ("spread", self.spread),
            ("psi", self.psi),
            ("distance", self.distance),
            ("missing", self.missing),
            ("new_category", self.new_category),
            ("false_alerts", self.false_alerts),
        ];
        for (field, got) in own {
            bound(field.to_owned(), got)?;
        }
        for (feature, rule) in &self.rules {
            if !features.clone().any(|name| name == feature) {
                let feature = feature.clone();
                return Err(SettingsError::Feature { feature });
            }
            let own = [
                ("spread", rule.spread),
                ("psi", rule.psi),
                ("distance", rule.distance),
            ];
            for (field, got) in own {
                if let Some(got) = got {
                    bound(format!("rules.{feature}.{field}"), got)?;
                }
            }
        }
        Ok(())
    }
}

fn bound(field: String, got: f64) -> Result<(), SettingsError> {
    if got > 0.0 && got.is_finite() {
        return Ok(());
    }
    Err(SettingsError::Bound { field, got })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> (&'static str, Option<String>) {
        let error = Settings::parse(text, ["amount"].into_iter()).unwrap_err();
        (error.code(), error.field())
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let some = |field: &str| Some(field.to_owned());
        let window = ("drift_window_invalid", some("window"));
        assert_eq!(code("window = \"0s\""), window);
        assert_eq!(code("window = \"7min\""), window);
        assert_eq!(code("window = \"8d\""), window);
        let bound = |field: &str| ("drift_bound_invalid", some(field));
        assert_eq!(code("psi = 0.0"), bound("psi"));
        assert_eq!(code("psi = nan"), bound("psi"));
        assert_eq!(code("windows = 0"), bound("windows"));
        let (unknown, field) = ("drift_feature_unknown", some("rules.speed"));
        assert_eq!(code("[rules.speed]\nspread = 0.3"), (unknown, field));
        let field = "rules.amount.spread";
        assert_eq!(code("[rules.amount]\nspread = -1.0"), bound(field));
        let document = |field: Option<&str>| ("drift_document_invalid", field.map(str::to_owned));
        assert_eq!(code("colour = 1"), document(Some("colour")));
        let (text, field) = (
            "psi = 0.1\n[rules.amount]\nspread = \"wide\"",
            "rules.amount.spread",
        );
        assert_eq!(code(text), document(Some(field)));
        let told = Settings::parse(text, ["amount"].into_iter()).unwrap_err();
        assert!(told.to_string().contains("line 3"), "{told}");
        assert_eq!(code("psi = = 1"), document(None));
        let good = "window = \"15min\"\n[rules.amount]\nspread = 0.3";
        let good = Settings::parse(good, ["amount"].into_iter()).unwrap();
        assert_eq!(good.rules["amount"].spread, Some(0.3));
    }
}
