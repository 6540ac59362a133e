//! Models compared on what was decided live: the log's decisions and labels joined with what shadows said.
//!
//! One pass over the log, from the first event of the window that a shadow scored, and no graph: scores stand in
//! decisions and in the shadows' files.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

pub use compare::FRAUD_ACCOUNTS_MIN;
use compare::{Model, Options, Row, Said, Table, Window};
use engine::{Lineup, Policy};
use event::rates::RateTable;
use event::record::{Decision, Event, ModelVersion, Record};
use event::schema::{Legitimate, Part};
use event::{EventTime, EventTypeIx, Position, Schema, Span, ids};
use node::models::policy_in;
use node::shadow::store::{self, Entry, check_of};
use node::{History, NodeError, Place};

use crate::error::BacktestError;
use crate::replay::Progress;
use crate::rows::EVENTS_MAX;

/// What is to be compared, over which window.
#[derive(Clone, Debug)]
pub struct Contest {
    /// By event time, the end not included.
    pub from: EventTime,
    pub until: EventTime,
    /// The first is what the others are held against; at least one.
    pub models: Vec<Contender>,
    /// Documents in force: thresholds of models that decide, and what amounts are worth.
    pub policy: String,
    pub rates: String,
    /// How old an event must be for its label to count; `None`: the schema's.
    pub maturity: Option<Span>,
    /// Disagreements that are named, for each model.
    pub samples: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    pub artifact: [u8; 32],
    /// Champion, challenger, shadow; "none" of a model that was one of them.
    pub part: &'static str,
    /// What it took to put it into service, where that is known.
    pub hot_update_ms: Option<f64>,
    /// Why it does not score now, where that is known.
    pub trouble: Option<String>,
}

impl Contest {
    /// As many as can be told apart in a table: champion, challenger and all shadows.
    pub const MODELS_MAX: usize = 10;
    pub const SAMPLES_MAX: usize = 1_000;

    pub fn check(&self) -> Result<(), BacktestError> {
        if self.until <= self.from {
            return Err(BacktestError::Window {
                from: self.from.to_string(),
                until: self.until.to_string(),
            });
        }
        match self.models.len() {
            0 => Err(BacktestError::NoModel),
            count if count > Contest::MODELS_MAX => Err(BacktestError::TooManyModels {
                max: Contest::MODELS_MAX,
                got: count,
            }),
            _ => Ok(()),
        }
    }
}

/// Compares, and names the events that models disagree on. `watch` sees how far it is, and ends it by breaking.
pub fn run(
    place: &Place,
    contest: &Contest,
    mut watch: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Table, BacktestError> {
    contest.check()?;
    let history = History::open(place)?;
    let schema = history.schema();
    let sides = sides(place, contest, schema)?;
    let firsts = sides.iter().filter_map(|side| side.held.first());
    let first = firsts.map(|entry| entry.position).min();
    let start = first.unwrap_or(history.first()).max(history.first());
    let troubles: Vec<Option<String>> = sides.iter().map(|it| it.trouble.clone()).collect();
    let mut join = Join::new(contest, schema, sides)?;
    let total = history.end().0.saturating_sub(start.0);
    let mut progress = Progress { done: 0, total };
    let mut outcome = Ok(());
    history.read_ahead(start, |position, record| {
        progress.done = position.0 - start.0;
        if position.0.is_multiple_of(WATCH_EVERY) && watch(progress).is_break() {
            outcome = Err(BacktestError::Cancelled);
            return ControlFlow::Break(());
        }
        match join.take(position, record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                outcome = Err(error);
                ControlFlow::Break(())
            }
        }
    })?;
    outcome?;
    progress.done = total;
    let newest = join.newest;
    let options = options(contest, schema, newest);
    let window = join.finish(contest)?;
    let table = compare::compare(&window, &options, || watch(progress).is_break());
    let mut table = table.ok_or(BacktestError::Cancelled)?;
    let contenders = contest.models.iter().zip(troubles);
    for (side, (contender, trouble)) in table.models.iter_mut().zip(contenders) {
        side.hot_update_ms = contender.hot_update_ms;
        // What the process that should score says goes before.
        side.trouble = contender.trouble.clone().or(trouble);
    }
    name(&history, &mut table)?;
    Ok(table)
}

/// Records between two looks at whether somebody still waits.
const WATCH_EVERY: u64 = 4_096;
/// A table twice is the same table.
const SEED: u64 = 1;

fn options(contest: &Contest, schema: &Schema, newest: EventTime) -> Options {
    Options {
        known_until: newest,
        maturity: contest.maturity.unwrap_or(schema.labels.maturity),
        presumed: schema.labels.legitimate == Legitimate::Presumed,
        weight_max: Options::WEIGHT_MAX,
        resamples: Options::RESAMPLES,
        seed: SEED,
        samples: contest.samples,
    }
}

/// One model: how it decides, and what its file holds.
struct Side {
    version: ModelVersion,
    policy: Policy,
    held: Vec<Entry>,
    /// Its thresholds are not known: nothing of it is compared.
    trouble: Option<String>,
    /// Up to here `held` is behind the events that were met.
    met: usize,
    said: Vec<Option<Said>>,
}

fn sides(place: &Place, contest: &Contest, schema: &Schema) -> Result<Vec<Side>, BacktestError> {
    let policy = |text: &str| match text.is_empty() {
        true => Ok(Policy::default()),
        false => Policy::parse(text, schema).map_err(engine::ConfigError::from),
    };
    let decides = |part| matches!(part, "champion" | "challenger");
    let mut sides = Vec::with_capacity(contest.models.len());
    for contender in &contest.models {
        let artifact = contender.artifact;
        // Who decides does so by the policy in force; who does not, as it would come into service.
        let own = match decides(contender.part) {
            true => Ok(None),
            false => policy_in(place, artifact),
        };
        let (own, trouble) = match own {
            Ok(own) => (own, None),
            // One damaged file holds up no comparison of the others.
            Err(error @ NodeError::Model(_)) => {
                let trouble = format!("its model file cannot be read ({})", error.code());
                (None, Some(trouble))
            }
            Err(error) => return Err(error.into()),
        };
        let mut held = store::read(place, &artifact, contest.from..contest.until)?;
        if held.entries.len() > EVENTS_MAX {
            return Err(BacktestError::TooMany(EVENTS_MAX));
        }
        if trouble.is_some() {
            held.entries.clear();
        }
        let mut version = ModelVersion::default();
        version.0.copy_from_slice(&artifact[..8]);
        sides.push(Side {
            version,
            policy: policy(own.as_ref().unwrap_or(&contest.policy))?,
            held: held.entries,
            trouble,
            met: 0,
            said: Vec::new(),
        });
    }
    Ok(sides)
}

impl Side {
    /// What the model's file holds of an event; events are met in the order of their positions.
    fn entry_of(&mut self, position: Position, check: u32) -> Option<Entry> {
        let later = &self.held[self.met..];
        self.met += later.partition_point(|entry| entry.position < position);
        let entry = self.held.get(self.met)?;
        (entry.position == position && entry.check == check).then_some(*entry)
    }

    fn said(
        &self,
        score: u16,
        probability_ppm: u32,
        event_type: EventTypeIx,
        nanos: Option<u32>,
    ) -> Said {
        Said {
            score,
            probability_ppm,
            verdict: self.policy.thresholds(event_type).verdict(score),
            nanos,
        }
    }
}

struct Join<'a> {
    contest: &'a Contest,
    schema: &'a Schema,
    rates: RateTable,
    sides: Vec<Side>,
    rows: Vec<Row>,
    /// The event that waits for its decision, which stands right behind it.
    waiting: Option<(Position, Event)>,
    /// By the log.
    newest: EventTime,
    /// Event time of the events that were met.
    span: Option<(EventTime, EventTime)>,
}

impl<'a> Join<'a> {
    fn new(
        contest: &'a Contest,
        schema: &'a Schema,
        sides: Vec<Side>,
    ) -> Result<Join<'a>, BacktestError> {
        let rates = RateTable::parse(&contest.rates).map_err(engine::ConfigError::from)?;
        Ok(Join {
            contest,
            schema,
            rates,
            sides,
            rows: Vec::new(),
            waiting: None,
            newest: EventTime::MIN,
            span: None,
        })
    }

    fn take(&mut self, position: Position, record: Record) -> Result<(), BacktestError> {
        self.newest = self.newest.max(record.time());
        let waiting = self.waiting.take();
        match record {
            Record::Event(event) => {
                let at = event.event_timestamp;
                let (first, last) = self.span.unwrap_or((at, at));
                self.span = Some((first.min(at), last.max(at)));
                if at >= self.contest.from && at < self.contest.until {
                    self.waiting = Some((position, event));
                }
            }
            Record::Decision(decision) => {
                if let Some((position, event)) = waiting
                    && position == decision.event_position
                {
                    if self.rows.len() == EVENTS_MAX {
                        return Err(BacktestError::TooMany(EVENTS_MAX));
                    }
                    self.decided(position, &event, &decision);
                }
            }
            Record::Label(label) => {
                let of = label.subject.position;
                if let Ok(at) = self.rows.binary_search_by_key(&of, |row| row.position) {
                    self.rows[at].label = Some(label.verdict);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn decided(&mut self, position: Position, event: &Event, decision: &Decision) {
        let check = check_of(&event.event_id);
        let mut deciding_nanos = None;
        let entries: Vec<Option<Entry>> = self
            .sides
            .iter_mut()
            .map(|side| side.entry_of(position, check))
            .collect();
        for entry in entries.iter().flatten() {
            deciding_nanos = Some(entry.deciding_nanos).filter(|it| *it > 0);
        }
        for (side, entry) in self.sides.iter_mut().zip(entries) {
            let said = match entry {
                _ if decision.model == side.version => {
                    // What the model said, before rules moved it.
                    let score = decision.findings.model_score.unwrap_or(decision.score);
                    let ppm = decision.probability_ppm;
                    Some(side.said(score, ppm, event.event_type, deciding_nanos))
                }
                Some(it) => {
                    let ppm = it.probability_ppm;
                    Some(side.said(it.score, ppm, event.event_type, Some(it.nanos)))
                }
                None => None,
            };
            side.said.push(said);
        }
        let amount = event.amount.and_then(|amount| {
            let base = self.schema.base_currency;
            self.rates.to_base(amount, base)
        });
        let subject = self.schema.part(Part::Subject);
        let account = subject.and_then(|role| event.entity(role));
        self.rows.push(Row {
            position,
            at: event.event_timestamp,
            amount: amount.unwrap_or(0.0),
            // An event of nobody stands alone.
            block: account.map_or(position.0, |id| ids::text_key(id.as_str(), 0)),
            verdict: decision.verdict,
            propensity_ppm: decision.propensity_ppm,
            label: None,
        });
    }

    fn finish(self, contest: &Contest) -> Result<Window, BacktestError> {
        let told = |at: Option<EventTime>| at.map_or("nothing".to_owned(), |at| at.to_string());
        if self.rows.is_empty() {
            return Err(BacktestError::Empty {
                what: "decision",
                from: contest.from.to_string(),
                until: contest.until.to_string(),
                first: told(self.span.map(|it| it.0)),
                last: told(self.span.map(|it| it.1)),
            });
        }
        let models = self.sides.into_iter().zip(&contest.models);
        let models = models.map(|(side, contender)| Model {
            name: event::hex(&contender.artifact),
            part: contender.part,
            said: side.said,
        });
        Ok(Window {
            from: contest.from,
            until: contest.until,
            models: models.collect(),
            rows: self.rows,
        })
    }
}

/// Reads the ids of the named events.
fn name(history: &History, table: &mut Table) -> Result<(), BacktestError> {
    let mut wanted = Vec::new();
    table.name_samples(|position| {
        wanted.push(position);
        None
    });
    let mut ids = BTreeMap::new();
    for position in wanted {
        let found = match history.iter_from(position) {
            // Retention was faster.
            Err(NodeError::HistoryRemoved { .. }) => continue,
            records => records?.next_record()?,
        };
        if let Some((_, Record::Event(event))) = found {
            ids.insert(position, event.event_id.as_str().to_owned());
        }
    }
    table.name_samples(|position| ids.get(&position).cloned());
    Ok(())
}

/// Every model that serves: the champion first.
pub fn all_of(lineup: &Lineup) -> Vec<[u8; 32]> {
    let challenger = lineup.challenger().map(|it| it.artifact);
    let deciding = lineup.champion().into_iter().chain(challenger);
    let shadows = lineup.shadows().iter().map(|it| it.artifact);
    deciding.chain(shadows).collect()
}
