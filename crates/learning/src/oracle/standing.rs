//! How a model stands against the oracle: by typology, by value, and how soon.

use std::collections::BTreeMap;
use std::fmt::Write;

use event::record::Record;
use event::{EventTime, Position};
use node::{History, NodeError, Place};
use serde::Serialize;

use super::{Oracle, Role};

/// Alerts as shares of the scored events.
const BUDGETS: [f64; 2] = [0.001, 0.01];

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    pub rows: usize,
    /// By the oracle; labels may have missed some.
    pub frauds: usize,
    pub budgets: Vec<Budget>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    pub share: f64,
    pub alerts: usize,
    pub recall: f64,
    /// Each fraud counted by its amount.
    pub value_recall: f64,
    /// What the oracle would catch: frauds from its ring's earliest evidence on, as far as alerts reach.
    pub ceiling: f64,
    /// `recall` as a share of `ceiling`.
    pub reached: f64,
    /// Frauds and recall by typology.
    pub typologies: BTreeMap<String, (usize, f64)>,
    /// Over rings whose first fraud is among the scored events.
    pub rings: usize,
    pub rings_found: f64,
    pub delay: Option<Delay>,
}

/// From a ring's first fraud to its first alerted one; medians over the rings that were found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Delay {
    /// Frauds that went before.
    pub events: f64,
    pub hours: f64,
    /// Later than the oracle's earliest evidence; negative where the model was sooner.
    pub hours_after_evidence: f64,
}

/// An event as far as it matters here.
#[derive(Clone, Copy, Debug)]
struct Located {
    position: Position,
    time: EventTime,
    amount: f64,
}

/// A fraud among the scored events.
struct Scored {
    ring: u32,
    event: Located,
    /// Among all scored events, from the highest score.
    rank: f64,
}

/// `scores` are of one model, by the position of the event; higher is more suspicious.
pub fn standing(
    place: &Place,
    oracle: &Oracle,
    scores: &[(Position, f64)],
) -> Result<Standing, NodeError> {
    let events = locate(place, oracle)?;
    let by_position: BTreeMap<Position, (u32, Located)> = events
        .iter()
        .filter_map(|(id, event)| {
            let secret = oracle.secret(id).filter(|it| it.role == Role::Fraud)?;
            Some((event.position, (secret.structure, *event)))
        })
        .collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].1.total_cmp(&scores[*a].1).then(a.cmp(b)));
    let mut frauds = Vec::new();
    for (rank, row) in order.into_iter().enumerate() {
        if let Some((ring, event)) = by_position.get(&scores[row].0) {
            frauds.push(Scored {
                ring: *ring,
                event: *event,
                rank: rank as f64,
            });
        }
    }
    frauds.sort_by_key(|fraud| fraud.event.position);
    let first: BTreeMap<u32, Position> = by_position
        .values()
        .rev()
        .map(|it| (it.0, it.1.position))
        .collect();
    let budgets = BUDGETS.map(|share| {
        let budget = Look {
            oracle,
            events: &events,
            frauds: &frauds,
            first_fraud: &first,
            alerts: (scores.len() as f64 * share).floor(),
        };
        budget.report(share)
    });
    Ok(Standing {
        rows: scores.len(),
        frauds: frauds.len(),
        budgets: budgets.into(),
    })
}

/// Every event that the oracle names, by its id.
fn locate(place: &Place, oracle: &Oracle) -> Result<BTreeMap<String, Located>, NodeError> {
    let history = History::open(place)?;
    let mut records = history.iter_from(Position(0))?;
    let mut events = BTreeMap::new();
    while let Some((position, record)) = records.next_record()? {
        if let Record::Event(event) = record
            && oracle.secret(event.event_id.as_str()).is_some()
        {
            let place = Located {
                position,
                time: event.event_timestamp,
                amount: event.amount.map_or(0.0, |it| it.minor as f64),
            };
            events.insert(event.event_id.as_str().to_owned(), place);
        }
    }
    Ok(events)
}

struct Look<'a> {
    oracle: &'a Oracle,
    events: &'a BTreeMap<String, Located>,
    frauds: &'a [Scored],
    first_fraud: &'a BTreeMap<u32, Position>,
    alerts: f64,
}

impl Look<'_> {
    fn is_alerted(&self, fraud: &Scored) -> bool {
        fraud.rank < self.alerts
    }

    fn evidence(&self, ring: u32) -> Option<Located> {
        let id = self.oracle.structures[ring as usize]
            .earliest_evidence
            .as_ref()?;
        self.events.get(id).copied()
    }

    fn report(&self, share: f64) -> Budget {
        let total = self.frauds.len().max(1) as f64;
        let caught = self.frauds.iter().filter(|it| self.is_alerted(it));
        let value = |fraud: &Scored| fraud.event.amount;
        let all_value: f64 = self.frauds.iter().map(value).sum();
        let recall = caught.clone().count() as f64 / total;
        let evident = self.frauds.iter().filter(|fraud| {
            let evidence = self.evidence(fraud.ring);
            evidence.is_some_and(|it| it.position <= fraud.event.position)
        });
        let ceiling = (evident.count() as f64).min(self.alerts) / total;
        let mut typologies: BTreeMap<String, (usize, f64)> = BTreeMap::new();
        for fraud in self.frauds {
            let name = &self.oracle.structures[fraud.ring as usize].typology;
            let count = typologies.entry(name.clone()).or_default();
            count.0 += 1;
            count.1 += f64::from(u8::from(self.is_alerted(fraud)));
        }
        for count in typologies.values_mut() {
            count.1 /= count.0 as f64;
        }
        let (rings, delays) = self.delays();
        let found = delays.len();
        let median = |of: fn(&Delay) -> f64| {
            let mut values: Vec<f64> = delays.iter().map(of).filter(|it| !it.is_nan()).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Budget {
            share,
            alerts: self.alerts as usize,
            recall,
            value_recall: caught.map(value).sum::<f64>() / all_value.max(1.0),
            ceiling,
            reached: if ceiling > 0.0 { recall / ceiling } else { 0.0 },
            typologies,
            rings,
            rings_found: found as f64 / rings.max(1) as f64,
            delay: (found > 0).then(|| Delay {
                events: median(|it| it.events),
                hours: median(|it| it.hours),
                hours_after_evidence: median(|it| it.hours_after_evidence),
            }),
        }
    }

    /// Rings that began among the scored events, and the delay of each that was found.
    fn delays(&self) -> (usize, Vec<Delay>) {
        let mut rings: BTreeMap<u32, Vec<&Scored>> = BTreeMap::new();
        for fraud in self.frauds {
            rings.entry(fraud.ring).or_default().push(fraud);
        }
        rings.retain(|ring, frauds| self.first_fraud.get(ring) == Some(&frauds[0].event.position));
        let hours = |from: EventTime, to: EventTime| to.since(from).millis() as f64 / 3_600_000.0;
        let delays = rings.iter().filter_map(|(ring, frauds)| {
            let at = frauds.iter().position(|fraud| self.is_alerted(fraud))?;
            let alerted = frauds[at].event.time;
            Some(Delay {
                events: at as f64,
                hours: hours(frauds[0].event.time, alerted),
                hours_after_evidence: self
                    .evidence(*ring)
                    .map_or(f64::NAN, |it| hours(it.time, alerted)),
            })
        });
        let delays = delays.collect();
        (rings.len(), delays)
    }
}

impl Standing {
    /// For a terminal.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // writing to a string cannot fail
        let _ = writeln!(
            out,
            "against the oracle: {} frauds among {} events",
            self.frauds, self.rows
        );
        for it in &self.budgets {
            let _ = writeln!(
                out,
                "alerts {:.1} %: recall {:.3} of a ceiling of {:.3} ({:.0} % reached), by value {:.3}; {:.0} % of {} rings found{}",
                100.0 * it.share,
                it.recall,
                it.ceiling,
                100.0 * it.reached,
                it.value_recall,
                100.0 * it.rings_found,
                it.rings,
                it.delay.map_or(String::new(), |delay| format!(
                    ", after {:.0} events, {:.1} h, {:+.1} h from the evidence (medians)",
                    delay.events, delay.hours, delay.hours_after_evidence
                )),
            );
        }
        let (Some(narrow), Some(wide)) = (self.budgets.first(), self.budgets.last()) else {
            return out;
        };
        for (name, (frauds, recall)) in &wide.typologies {
            let at_narrow = narrow.typologies.get(name).map_or(0.0, |it| it.1);
            let _ = writeln!(
                out,
                "  {name:<22} {frauds:>6} frauds  recall {at_narrow:.3} at {:.1} %, {recall:.3} at {:.0} %",
                100.0 * narrow.share,
                100.0 * wide.share
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORACLE: &str = r#"{"event_id":"a","role":"fraud","typology":"cycle","ring":"r1","part":"mule","stage":"move","earliest_evidence":"b"}
{"event_id":"b","role":"fraud","typology":"cycle","ring":"r1","part":"mule","stage":"move","earliest_evidence":"b"}
{"event_id":"c","role":"fraud","typology":"cycle","ring":"r1","part":"mule","stage":"move","earliest_evidence":"b"}
{"event_id":"d","role":"fraud","typology":"app_scam","ring":"r2","part":"victim","stage":"collect"}
{"event_id":"e","role":"hard_negative","typology":"cycle","ring":"r3","part":"mule","stage":"move","earliest_evidence":"e"}
"#;

    fn at(position: u64, amount: f64) -> Located {
        Located {
            position: Position(position),
            // one event an hour
            time: EventTime::from_millis(position as i64 * 3_600_000),
            amount,
        }
    }

    /// Ring 1 acts at hours 10, 12 and 15, is evident from 12 on and alerted at 15; ring 2 never is.
    #[test]
    fn recall_ceiling_value_and_delay_of_a_small_case() {
        let oracle = Oracle::read(ORACLE.as_bytes()).unwrap();
        let places = [
            ("a", 10, 100.0),
            ("b", 12, 200.0),
            ("c", 15, 500.0),
            ("d", 20, 200.0),
        ];
        let events = places.map(|(id, position, amount)| (id.to_owned(), at(position, amount)));
        let ranks = [50.0, 40.0, 3.0, 60.0];
        let frauds: Vec<Scored> = places
            .iter()
            .zip(ranks)
            .map(|((id, position, amount), rank)| Scored {
                ring: oracle.secret(id).unwrap().structure,
                event: at(*position, *amount),
                rank,
            })
            .collect();
        let first = BTreeMap::from([(0, Position(10)), (1, Position(20))]);
        let look = |alerts| {
            Look {
                oracle: &oracle,
                events: &BTreeMap::from(events.clone()),
                frauds: &frauds,
                first_fraud: &first,
                alerts,
            }
            .report(0.01)
        };
        let found = look(10.0);
        assert_eq!((found.recall, found.value_recall), (0.25, 0.5));
        // two frauds from the evidence on, and one alert reaches only one of them
        assert_eq!((found.ceiling, found.reached), (0.5, 0.5));
        assert_eq!(look(1.0).ceiling, 0.25);
        assert_eq!(found.typologies["cycle"], (3, 1.0 / 3.0));
        assert_eq!(found.typologies["app_scam"], (1, 0.0));
        assert_eq!((found.rings, found.rings_found), (2, 0.5));
        let delay = found.delay.unwrap();
        assert_eq!((delay.events, delay.hours), (2.0, 5.0));
        assert_eq!(delay.hours_after_evidence, 3.0);
        assert_eq!(look(0.0).delay, None);
    }

    #[test]
    fn a_broken_oracle_is_refused_with_its_line() {
        for (text, expected) in [
            (
                "{\"event_id\":\"a\"}\n",
                "line 1 of the oracle: missing field `role`",
            ),
            (
                &format!("{ORACLE}{ORACLE}"),
                "line 6 of the oracle: event \"a\" stands in it twice",
            ),
        ] {
            let error = Oracle::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
