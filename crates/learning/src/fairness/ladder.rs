//! Is there something to learn at each step: the transaction, the account's own history, the graph? The
//! samples are those of serving, from a replay of the imported stream.

use std::ops::ControlFlow;

use engine::Engine;
use event::Position;
use event::record::Record;
use graph::sample::SampleParts;
use graph::{Feature, FeatureGroup, Sample};
use node::History;
use rayon::prelude::*;
use serde::Serialize;

use super::fixed::{Depth, Table};
use super::resample::{Interval, Ranking, draws_of_rings, paired};
use super::tape::{Row, Tape};
use super::{AuditError, Periods};
use crate::boost::average_precision;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ladder {
    pub train_frauds: usize,
    pub test_frauds: usize,
    pub test_rows: usize,
    pub rungs: Vec<Rung>,
    /// History and graph once more, without what tells that something is new.
    pub without_novelty: Vec<Rung>,
    /// The best single features by the AP of trees on each alone.
    pub best_single: Vec<(String, f64)>,
    /// Recall of the best rung by typology within an alert budget of 1 % of the test's events.
    pub recall: Vec<(String, f64)>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rung {
    pub name: String,
    pub ap: f64,
    /// AP over the rung before, and its 95 % interval over rings.
    pub gain: Option<(f64, Interval)>,
}

/// Rows of both periods with their samples.
struct Bench<'a> {
    values: Vec<f32>,
    fraud: Vec<bool>,
    rows: Vec<Row>,
    train: Vec<usize>,
    test: Vec<usize>,
    features: &'a [Feature],
}

pub fn ladder(
    history: &History,
    tape: &Tape,
    periods: &Periods,
    rings: &[String],
    mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Ladder, AuditError> {
    let features = graph::FeatureList::new(history.schema());
    let bench = replay(history, tape, periods, features.features(), &mut progress)?;
    let group = |wanted: &[FeatureGroup], novelty: bool| -> Vec<usize> {
        let fits = |it: &&usize| {
            let feature = &bench.features[**it];
            wanted.contains(&feature.group) && (novelty || !is_novelty(&feature.name))
        };
        let all: Vec<usize> = (0..bench.features.len()).collect();
        all.iter().filter(fits).copied().collect()
    };
    use FeatureGroup::{Graph, History as Own, Transaction};
    let steps: [(&str, &[FeatureGroup]); 3] = [
        ("transaction", &[Transaction]),
        ("+ history", &[Transaction, Own]),
        ("+ graph", &[Transaction, Own, Graph]),
    ];
    let mut rungs = Rungs::new(&bench);
    for (name, groups) in steps {
        rungs.climb(name, &group(groups, true))?;
    }
    let recall = rungs.recall_by_typology(rings);
    let mut plain = Rungs::new(&bench);
    for (name, groups) in &steps[1..] {
        plain.climb(name, &group(groups, false))?;
    }
    let candidates = group(&[Own, Graph], true);
    let few = bench.weighted_test();
    let single = |column: &usize| -> Result<(String, f64), AuditError> {
        let table = bench.table();
        let scored = table.score(&[*column], &bench.train, &few.rows, Depth::Shallow)?;
        let ap = average_precision(&scored.scores, &few.fraud, Some(&few.weights));
        Ok((bench.features[*column].name.clone(), ap))
    };
    let mut best_single = candidates
        .par_iter()
        .map(single)
        .collect::<Result<Vec<_>, AuditError>>()?;
    best_single.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    best_single.truncate(5);
    let count = |rows: &[usize]| rows.iter().filter(|row| bench.fraud[**row]).count();
    Ok(Ladder {
        train_frauds: count(&bench.train),
        test_frauds: count(&bench.test),
        test_rows: bench.test.len(),
        rungs: rungs.done,
        without_novelty: plain.done,
        best_single,
        recall,
    })
}

/// Names that tell of a first time: an id or pair just met, an account's age, its count of all events.
fn is_novelty(name: &str) -> bool {
    let parts = ["tenure", "_new", "quiet", "_idle", "since_first"];
    parts.iter().any(|part| name.contains(part))
        || name.starts_with("pair_") && !name.ends_with("_link")
        || name.ends_with("_events")
        || name.contains("reverse")
        || name.starts_with("since_new")
}

fn replay<'a>(
    history: &History,
    tape: &Tape,
    periods: &Periods,
    features: &'a [Feature],
    progress: &mut impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Bench<'a>, AuditError> {
    let mut engine = Engine::new(history.schema());
    let mut sample = Sample::default();
    let mut bench = Bench {
        values: Vec::new(),
        fraud: Vec::new(),
        rows: Vec::new(),
        train: Vec::new(),
        test: Vec::new(),
        features,
    };
    let mut next = tape.rows.iter();
    let end = history.end().0;
    let mut records = history.iter_from(Position(0))?;
    while let Some((position, record)) = records.next_record()? {
        if let Record::Event(event) = &record
            && let Some(row) = next.next()
        {
            debug_assert_eq!(row.position, position);
            let place = bench.rows.len();
            let part = periods.part_of(row);
            if let Some(is_test) = part {
                engine.sample(event, SampleParts::Tabular, &mut sample);
                bench.values.extend_from_slice(&sample.tabular);
                bench.rows.push(*row);
                bench.fraud.push(row.is_fraud());
                let rows = if is_test {
                    &mut bench.test
                } else {
                    &mut bench.train
                };
                rows.push(place);
            }
        }
        engine.apply(position, &record);
        if position.0.is_multiple_of(10_000) && progress(position.0, end).is_break() {
            return Err(AuditError::Cancelled);
        }
    }
    Ok(bench)
}

impl Bench<'_> {
    fn table(&self) -> Table<'_> {
        Table {
            values: &self.values,
            width: self.features.len(),
            fraud: &self.fraud,
        }
    }

    fn weighted_test(&self) -> WeightedTest {
        let (mut rows, mut met) = (Vec::new(), 0_usize);
        for row in &self.test {
            met += usize::from(!self.fraud[*row]);
            if self.fraud[*row] || met.is_multiple_of(OTHERS_EVERY) {
                rows.push(*row);
            }
        }
        let fraud: Vec<bool> = rows.iter().map(|row| self.fraud[*row]).collect();
        let weight = |fraud: &bool| if *fraud { 1.0 } else { OTHERS_EVERY as f64 };
        WeightedTest {
            weights: fraud.iter().map(weight).collect(),
            fraud,
            rows,
        }
    }

    fn truth(&self) -> Vec<bool> {
        self.test.iter().map(|row| self.fraud[*row]).collect()
    }
}

/// All frauds of the test, and some of the others that each stand for several.
struct WeightedTest {
    rows: Vec<usize>,
    fraud: Vec<bool>,
    weights: Vec<f64>,
}

/// Enough for hundreds of models of one feature, of which only the best matter.
const OTHERS_EVERY: usize = 8;

struct Rungs<'b> {
    bench: &'b Bench<'b>,
    done: Vec<Rung>,
    before: Option<(f64, Vec<f64>)>,
    scores: Vec<f64>,
}

impl<'b> Rungs<'b> {
    fn new(bench: &'b Bench<'b>) -> Rungs<'b> {
        Rungs {
            bench,
            done: Vec::new(),
            before: None,
            scores: Vec::new(),
        }
    }

    fn climb(&mut self, name: &str, columns: &[usize]) -> Result<(), AuditError> {
        let bench = self.bench;
        let scored = bench
            .table()
            .score(columns, &bench.train, &bench.test, Depth::Full)?;
        let ap = average_precision(&scored.scores, &bench.truth(), None);
        let rings: Vec<Option<u32>> = bench
            .test
            .iter()
            .map(|row| bench.rows[*row].ring().filter(|_| bench.fraud[*row]))
            .collect();
        let ranking = Ranking::new(&scored.scores, &rings);
        let resampled: Vec<f64> = draws_of_rings(&rings)
            .iter()
            .map(|draw| ranking.average_precision(draw))
            .collect();
        let gain = self
            .before
            .as_ref()
            .map(|(before, draws)| (ap - before, paired(&resampled, draws)));
        self.done.push(Rung {
            name: name.to_owned(),
            ap,
            gain,
        });
        self.before = Some((ap, resampled));
        self.scores = scored.scores;
        Ok(())
    }

    /// Of the rung climbed last.
    fn recall_by_typology(&self, rings: &[String]) -> Vec<(String, f64)> {
        let bench = self.bench;
        let mut order: Vec<usize> = (0..bench.test.len()).collect();
        order.sort_by(|a, b| self.scores[*b].total_cmp(&self.scores[*a]));
        let budget = bench.test.len() / 100;
        let mut counts = std::collections::BTreeMap::<&str, (f64, f64)>::new();
        for (place, row) in order.iter().enumerate() {
            let row = &bench.rows[bench.test[*row]];
            if let (true, Some(ring)) = (row.is_fraud(), row.ring()) {
                let count = counts.entry(rings[ring as usize].as_str()).or_default();
                count.0 += f64::from(u8::from(place < budget));
                count.1 += 1.0;
            }
        }
        counts
            .into_iter()
            .map(|(name, (caught, all))| (name.to_owned(), caught / all))
            .collect()
    }
}
