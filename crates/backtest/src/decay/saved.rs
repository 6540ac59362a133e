//! Days as bytes, so that a start need not read weeks of the log again.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use compare::Row;
use compare::worth::Worth;
use event::record::{DecisionKind, ModelVersion, Verdict};
use event::{EventTime, Position, Schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Day, Days, Judged, Kept};

#[derive(Debug, Error)]
pub enum SavedError {
    #[error("it cannot be read: {0}")]
    Encoding(#[from] postcard::Error),
    #[error("it is of another schema")]
    OtherSchema,
    #[error("it is inconsistent")]
    Inconsistent,
}

#[derive(Serialize, Deserialize)]
struct Saved<'a> {
    next: u64,
    maturity_ms: i64,
    presumed: bool,
    subject: Option<u8>,
    from: Option<i64>,
    is_cut: bool,
    begins: Option<i64>,
    open: Cow<'a, BTreeMap<i64, Day>>,
    judged: Cow<'a, VecDeque<Judged>>,
}

/// A row of a day that waits.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedRow {
    position: u64,
    at: i64,
    amount: f32,
    block: u64,
    /// Its place in `DecisionKind::ALL`.
    verdict: u8,
    propensity_ppm: u32,
    is_fraud: Option<bool>,
    model: ModelVersion,
    probability_ppm: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedJudged {
    day: i64,
    model: ModelVersion,
    decided: u64,
    worth: Worth,
}

impl Days {
    /// All that is known of the records before the position; the next one to be taken is told with it.
    pub fn save(&self, next: Position) -> Result<Vec<u8>, SavedError> {
        // Its decision comes with it.
        let next = self.waiting.as_ref().map_or(next, |(at, _)| *at);
        Ok(postcard::to_allocvec(&Saved {
            next: next.0,
            maturity_ms: self.maturity.millis(),
            presumed: self.presumed,
            subject: self.subject.map(|it| it.0),
            from: self.from,
            is_cut: self.is_cut,
            begins: self.begins,
            open: Cow::Borrowed(&self.open),
            judged: Cow::Borrowed(&self.judged),
        })?)
    }

    /// Goes on from what was saved under the same schema, at the position told.
    pub fn restore(schema: &Schema, bytes: &[u8]) -> Result<(Days, Position), SavedError> {
        let (saved, rest) = postcard::take_from_bytes::<Saved<'_>>(bytes)?;
        let mut days = Days::new(schema, saved.is_cut);
        let same = saved.maturity_ms == days.maturity.millis()
            && saved.presumed == days.presumed
            && saved.subject == days.subject.map(|it| it.0);
        if !same {
            return Err(SavedError::OtherSchema);
        }
        (days.from, days.begins) = (saved.from, saved.begins);
        (days.open, days.judged) = (saved.open.into_owned(), saved.judged.into_owned());
        let mut rows = days.open.values().map(|it| &it.rows);
        let is_sound = rest.is_empty()
            && rows.all(|it| it.is_sorted_by_key(|it| it.row.position))
            && days.judged.iter().is_sorted_by_key(|it| it.day);
        match is_sound {
            true => Ok((days, Position(saved.next))),
            false => Err(SavedError::Inconsistent),
        }
    }
}

impl From<Kept> for SavedRow {
    fn from(kept: Kept) -> SavedRow {
        let Row {
            position,
            at,
            amount,
            block,
            verdict,
            propensity_ppm,
            label,
        } = kept.row;
        SavedRow {
            position: position.0,
            at: at.millis(),
            amount,
            block,
            verdict: verdict as u8,
            propensity_ppm,
            is_fraud: label.map(|it| it == Verdict::Fraud),
            model: kept.model,
            probability_ppm: kept.probability_ppm,
        }
    }
}

impl TryFrom<SavedRow> for Kept {
    type Error = &'static str;

    fn try_from(saved: SavedRow) -> Result<Kept, &'static str> {
        let verdict = DecisionKind::ALL.get(usize::from(saved.verdict));
        let label = |is_fraud| match is_fraud {
            true => Verdict::Fraud,
            false => Verdict::Legitimate,
        };
        Ok(Kept {
            row: Row {
                position: Position(saved.position),
                at: EventTime::from_millis(saved.at),
                amount: saved.amount,
                block: saved.block,
                verdict: *verdict.ok_or("no decision has this number")?,
                propensity_ppm: saved.propensity_ppm,
                label: saved.is_fraud.map(label),
            },
            model: saved.model,
            probability_ppm: saved.probability_ppm,
        })
    }
}

impl From<Judged> for SavedJudged {
    fn from(judged: Judged) -> SavedJudged {
        SavedJudged {
            day: judged.day.millis(),
            model: judged.model,
            decided: judged.decided,
            worth: judged.worth,
        }
    }
}

impl From<SavedJudged> for Judged {
    fn from(saved: SavedJudged) -> Judged {
        Judged {
            day: EventTime::from_millis(saved.day),
            model: saved.model,
            decided: saved.decided,
            worth: saved.worth,
        }
    }
}
