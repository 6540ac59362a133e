//! The file's own form: times as dates or counts from an origin, defaults where a key is left out.

use event::{EventTime, Span};
use serde::Deserialize;

use crate::calibrate::Method;

use super::{
    Candidate, CardPrecision, Fold, KnownDefrauded, NetworkCandidate, Protocol, ProtocolError,
    Staged, Window, one, whole,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    schema: String,
    origin: Option<String>,
    #[serde(default)]
    unit: Unit,
    label_delay: Span,
    #[serde(default)]
    event_types: Vec<String>,
    #[serde(default)]
    known_defrauded: KnownDefrauded,
    card_precision: Option<CardPrecision>,
    #[serde(default = "one")]
    fold_frauds_min: usize,
    #[serde(default = "bootstrap")]
    bootstrap: usize,
    #[serde(default)]
    calibration: Method,
    #[serde(default = "whole")]
    negative_rate: f64,
    seeds: Vec<u64>,
    #[serde(default)]
    handbook_features: bool,
    candidates: Vec<Candidate>,
    #[serde(default)]
    networks: Vec<NetworkCandidate>,
    producer: Option<Candidate>,
    validation: Vec<FoldText>,
    test: Vec<FoldText>,
}

fn bootstrap() -> usize {
    500
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    #[default]
    Day,
    Row,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FoldText {
    train: [At; 2],
    test: [At; 2],
    producer: Option<[At; 2]>,
    consumer: Option<[At; 2]>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum At {
    Count(i64),
    Date(String),
}

/// How times are written in a file.
struct Clock {
    origin: EventTime,
    unit: Unit,
}

impl Clock {
    fn time(&self, field: String, at: &At) -> Result<EventTime, ProtocolError> {
        let (unit, step) = match self.unit {
            Unit::Day => ("day", Span::days(1)),
            Unit::Row => ("row", Span::seconds(1)),
        };
        let found = match at {
            At::Count(count) => count
                .checked_mul(step.millis())
                .map(|ms| self.origin.plus(Span::from_millis(ms))),
            At::Date(date) => EventTime::parse_iso(&format!("{date}T00:00:00Z")).ok(),
        };
        found
            .filter(|time| time.is_plausible())
            .ok_or_else(|| ProtocolError::Time {
                field,
                unit,
                got: match at {
                    At::Count(count) => count.to_string(),
                    At::Date(date) => format!("{date:?}"),
                },
            })
    }

    fn folds(&self, set: &'static str, texts: &[FoldText]) -> Result<Vec<Fold>, ProtocolError> {
        let mut folds = Vec::with_capacity(texts.len());
        for (fold, text) in texts.iter().enumerate() {
            let window = |part: &'static str, ends: &[At; 2]| {
                let from = self.time(format!("{set}[{fold}].{part}[0]"), &ends[0])?;
                let until = self.time(format!("{set}[{fold}].{part}[1]"), &ends[1])?;
                if from >= until {
                    return Err(ProtocolError::EmptyRange {
                        set,
                        fold,
                        part,
                        from,
                        until,
                    });
                }
                Ok(Window { from, until })
            };
            let train = window("train", &text.train)?;
            let test = window("test", &text.test)?;
            let staged = match (&text.producer, &text.consumer) {
                (None, None) => None,
                (Some(producer), Some(consumer)) => Some(Staged {
                    producer: window("producer", producer)?,
                    consumer: window("consumer", consumer)?,
                }),
                _ => return Err(ProtocolError::Stages { set, fold }),
            };
            folds.push(Fold {
                train,
                test,
                staged,
            });
        }
        Ok(folds)
    }
}

impl Protocol {
    pub fn parse(text: &str) -> Result<Protocol, ProtocolError> {
        let file: File = toml::from_str(text)?;
        let origin = match &file.origin {
            None => EventTime::MIN,
            Some(text) => EventTime::parse_iso(text).map_err(|_| ProtocolError::Value {
                field: "origin",
                expected: "an ISO-8601 time",
                got: text.clone(),
            })?,
        };
        let clock = Clock {
            origin,
            unit: file.unit,
        };
        let protocol = Protocol {
            validation: clock.folds("validation", &file.validation)?,
            test: clock.folds("test", &file.test)?,
            name: file.name,
            schema: file.schema,
            label_delay: file.label_delay,
            event_types: file.event_types,
            known_defrauded: file.known_defrauded,
            card_precision: file.card_precision,
            fold_frauds_min: file.fold_frauds_min,
            bootstrap: file.bootstrap,
            calibration: file.calibration,
            negative_rate: file.negative_rate,
            seeds: file.seeds,
            handbook_features: file.handbook_features,
            candidates: file.candidates,
            networks: file.networks,
            producer: file.producer,
        };
        protocol.check()?;
        Ok(protocol)
    }
}
