//! Decay by labels: what each model that decided was worth on a day, once the day's labels had time to come.
//!
//! A function of the log: records come in its order, and a day (UTC, by event time) is judged when the first decided
//! event comes whose time is past the day's end by the labels' maturity, with the labels that came before it. It is
//! judged once: what is told of a day does not change.

mod follow;
mod saved;
mod turn;

use std::collections::{BTreeMap, VecDeque};

use compare::worth::{Worth, worth};
use compare::{Options, Row};
use event::record::{Decision, Label, ModelVersion, Record};
use event::schema::{Legitimate, Part};
use event::{Event, EventTime, Position, RoleIx, Schema, Span, ids};
use serde::{Deserialize, Serialize};

pub use follow::Decay;
pub use saved::SavedError;
use saved::{SavedJudged, SavedRow};
pub use turn::Told;

/// Days that are remembered; a start reads as many again.
pub const DAYS_MAX: i64 = 35;
/// Events of a day that are judged, and those of all days that wait for their labels: 64 bytes each.
const ROWS_OF_DAY: usize = 1 << 16;
const ROWS_MAX: usize = 1 << 20;
const DAY_MS: i64 = 86_400_000;
/// A day twice is the same day.
const SEED: u64 = 1;

/// One model's part of a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "SavedJudged", into = "SavedJudged")]
pub struct Judged {
    /// Its beginning.
    pub day: EventTime,
    pub model: ModelVersion,
    /// Events that it decided.
    pub decided: u64,
    /// Of them, or of an even share of them where they are many.
    pub worth: Worth,
}

/// Days that wait for their labels, and those that were judged.
#[derive(Debug)]
pub struct Days {
    maturity: Span,
    presumed: bool,
    subject: Option<RoleIx>,
    rows_of_day: usize,
    /// The first day that counts, by its number; `None`: nothing was decided yet.
    from: Option<i64>,
    /// Whether the day of the first event may have begun before what is read.
    is_cut: bool,
    /// That day, by its number.
    begins: Option<i64>,
    open: BTreeMap<i64, Day>,
    /// The event that waits for its decision, which stands right behind it.
    waiting: Option<(Position, Event)>,
    judged: VecDeque<Judged>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Day {
    /// Ascending by position.
    rows: Vec<Kept>,
    decided: BTreeMap<ModelVersion, u64>,
    /// An event in 2 to this many is kept.
    halved: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "SavedRow", into = "SavedRow")]
struct Kept {
    row: Row,
    model: ModelVersion,
    probability_ppm: u32,
}

impl Days {
    /// `is_cut`: records before the first one that comes are not read.
    pub fn new(schema: &Schema, is_cut: bool) -> Days {
        let maturity = schema.labels.maturity;
        let waiting = (maturity.millis() / DAY_MS + 2) as usize;
        Days {
            maturity,
            presumed: schema.labels.legitimate == Legitimate::Presumed,
            subject: schema.part(Part::Subject),
            rows_of_day: (ROWS_MAX / waiting).clamp(1, ROWS_OF_DAY),
            from: None,
            is_cut,
            begins: None,
            open: BTreeMap::new(),
            waiting: None,
            judged: VecDeque::new(),
        }
    }

    /// Oldest first.
    pub fn judged(&self) -> impl DoubleEndedIterator<Item = &Judged> {
        self.judged.iter()
    }

    /// Whether a day was judged.
    pub fn take(&mut self, position: Position, record: Record) -> bool {
        let waiting = self.waiting.take();
        match record {
            Record::Event(event) => {
                let number = event.event_timestamp.millis().div_euclid(DAY_MS);
                self.begins.get_or_insert(number);
                self.waiting = Some((position, event));
            }
            Record::Decision(decision) => {
                if let Some((at, event)) = waiting
                    && at == decision.event_position
                {
                    return self.decided(at, &event, &decision);
                }
            }
            Record::Label(label) => self.labelled(&label),
            _ => {}
        }
        false
    }

    fn decided(&mut self, position: Position, event: &Event, decision: &Decision) -> bool {
        let at = event.event_timestamp;
        let number = at.millis().div_euclid(DAY_MS);
        let is_cut = self.is_cut && self.begins.is_none_or(|it| it >= number);
        let from = *self.from.get_or_insert(number + i64::from(is_cut));
        // So late that its day has been judged, or of a day that is not whole.
        if number >= from && decision.model != ModelVersion::default() {
            let account = self.subject.and_then(|role| event.entity(role));
            let row = Row {
                position,
                at,
                amount: 0.0,
                // An event of nobody stands alone.
                block: account.map_or(position.0, |id| ids::text_key(id.as_str(), 0)),
                verdict: decision.verdict,
                propensity_ppm: decision.propensity_ppm,
                label: None,
            };
            let kept = Kept {
                row,
                model: decision.model,
                probability_ppm: decision.probability_ppm,
            };
            self.open
                .entry(number)
                .or_default()
                .keep(kept, self.rows_of_day);
        }
        let mature = at.minus(self.maturity).millis().div_euclid(DAY_MS);
        if mature <= from {
            return false;
        }
        self.from = Some(mature);
        let later = self.open.split_off(&mature);
        let done = std::mem::replace(&mut self.open, later);
        for (number, day) in done {
            self.judge(number, day);
        }
        true
    }

    fn labelled(&mut self, label: &Label) {
        let of = &label.subject;
        let number = of.event_timestamp.millis().div_euclid(DAY_MS);
        if let Some(day) = self.open.get_mut(&number)
            && let Ok(at) = day
                .rows
                .binary_search_by_key(&of.position, |it| it.row.position)
        {
            day.rows[at].row.label = Some(label.verdict);
        }
    }

    fn judge(&mut self, number: i64, day: Day) {
        let begins = EventTime::from_millis(number * DAY_MS);
        let ends = begins.plus(Span::days(1));
        let options = Options {
            known_until: ends.plus(self.maturity),
            maturity: self.maturity,
            presumed: self.presumed,
            weight_max: Options::WEIGHT_MAX,
            resamples: Options::RESAMPLES,
            seed: SEED,
            samples: 0,
        };
        for (model, decided) in &day.decided {
            let own = day.rows.iter().filter(|it| it.model == *model);
            let (rows, said): (Vec<Row>, Vec<u32>) =
                own.map(|it| (it.row.clone(), it.probability_ppm)).unzip();
            self.judged.push_back(Judged {
                day: begins,
                model: *model,
                decided: *decided,
                worth: worth(&rows, &said, &options),
            });
        }
        let oldest = begins.minus(Span::days(DAYS_MAX - 1));
        while self.judged.pop_front_if(|it| it.day < oldest).is_some() {}
    }
}

impl Day {
    fn keep(&mut self, kept: Kept, most: usize) {
        *self.decided.entry(kept.model).or_default() += 1;
        if !is_drawn(kept.row.position, self.halved) {
            return;
        }
        self.rows.push(kept);
        if self.rows.len() > most {
            self.halved += 1;
            let halved = self.halved;
            self.rows.retain(|it| is_drawn(it.row.position, halved));
        }
    }
}

/// One position in 2 to the `halved`, by chance (the finalizer of SplitMix64); who is drawn is also drawn among more.
fn is_drawn(position: Position, halved: u32) -> bool {
    let mut z = position.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).trailing_zeros() >= halved
}
