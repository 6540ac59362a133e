//! The same events with other labels: permuted, or told later. Every label record is taken out of the
//! stream and told again at its own time, as an import tells them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use compare::draws::Draws;
use event::record::Verdict;
use event::schema::Legitimate;
use event::{EventTime, EventTypeIx, Position, Record, Span};
use node::NodeError;

use super::alter::Places;
use crate::evaluate::source::Stream;

/// What was told of an event: the label record and how long after the event it was recorded.
type Story = Vec<(Position, Span)>;

/// Events in the order of the stream, with what was told of them.
pub struct Stories {
    events: Vec<Happened>,
    of: HashMap<u64, Story>,
}

struct Happened {
    position: Position,
    time: EventTime,
    event_type: EventTypeIx,
}

/// A label to be told: of which event, a copy of which record, when.
#[derive(Clone, Copy, Debug)]
struct Telling {
    event: Position,
    copy: Position,
    at: EventTime,
}

/// A place of the new stream.
enum Entry {
    Old(Position),
    Told(Telling),
}

impl Stories {
    pub fn of(stream: &Stream) -> Result<Stories, NodeError> {
        let mut stories = Stories {
            events: Vec::new(),
            of: HashMap::new(),
        };
        let mut records = stream.records();
        while let Some((position, record)) = records.next_record()? {
            match record {
                Record::Event(event) => stories.events.push(Happened {
                    position,
                    time: event.event_timestamp,
                    event_type: event.event_type,
                }),
                Record::Label(label) => {
                    let delay = label.received_at.since(label.subject.event_timestamp);
                    let story = stories.of.entry(label.subject.position.0).or_default();
                    story.push((position, delay));
                }
                _ => {}
            }
        }
        Ok(stories)
    }

    /// Every label of the stream, told `extra` later.
    pub fn later(&mut self, extra: Span) {
        for (_, delay) in self.of.values_mut().flatten() {
            *delay = Span::from_millis(delay.millis() + extra.millis());
        }
    }

    /// Stories change hands among the events of a type: among all of them where silence means
    /// legitimate, else among those of which something was told.
    pub fn permute(&mut self, legitimate: Legitimate, seed: u64) {
        let mut groups: BTreeMap<EventTypeIx, Vec<u64>> = BTreeMap::new();
        for event in &self.events {
            let told = self.of.contains_key(&event.position.0);
            if told || legitimate == Legitimate::Presumed {
                let group = groups.entry(event.event_type).or_default();
                group.push(event.position.0);
            }
        }
        let mut draws = Draws::new(seed);
        let mut permuted = HashMap::with_capacity(self.of.len());
        for group in groups.values() {
            let mut owners = group.clone();
            draws.shuffle(&mut owners);
            for (owner, event) in owners.iter().zip(group) {
                if let Some(story) = self.of.remove(owner) {
                    permuted.insert(*event, story);
                }
            }
        }
        self.of = permuted;
    }

    /// The stream in which these stories are told.
    pub fn tell(&self, stream: &Stream) -> Result<Stream, NodeError> {
        let entries = self.entries(stream)?;
        let mut places = Places::new(stream.len());
        for (new, entry) in entries.iter().enumerate() {
            if let Entry::Old(old) = entry {
                places.set(old.0, new as u64);
            }
        }
        let mut out = Stream::new(stream.schema().clone());
        let mut last: HashMap<u64, (Verdict, Position)> = HashMap::new();
        for entry in &entries {
            match entry {
                Entry::Old(old) => {
                    let mut record = stream.record(*old)?;
                    places.follow(&mut record);
                    out.push(&record, stream.origin(*old));
                }
                Entry::Told(telling) => {
                    let next = Position(out.len() as u64);
                    let prior = last.get(&telling.event.0).copied();
                    let record = told(stream, telling, places.of(telling.event), prior)?;
                    if let Record::Label(label) = &record {
                        last.insert(telling.event.0, (label.verdict, next));
                    }
                    out.push(&record, stream.origin(telling.copy));
                }
            }
        }
        Ok(out)
    }

    /// The order of the new stream: a label comes before the first record that is not earlier, and
    /// never before its event.
    fn entries(&self, stream: &Stream) -> Result<Vec<Entry>, NodeError> {
        let mut due: VecDeque<Telling> = self.tellings().into();
        let mut early: HashMap<u64, Vec<Telling>> = HashMap::new();
        let mut entries = Vec::with_capacity(stream.len());
        let mut records = stream.records();
        while let Some((position, record)) = records.next_record()? {
            if matches!(record, Record::Label(_)) {
                continue;
            }
            let now = record.time();
            while let Some(telling) = due.pop_front_if(|it| it.at <= now) {
                if telling.event < position {
                    entries.push(Entry::Told(telling));
                } else {
                    early.entry(telling.event.0).or_default().push(telling);
                }
            }
            entries.push(Entry::Old(position));
            let waited = early.remove(&position.0).unwrap_or_default();
            entries.extend(waited.into_iter().map(Entry::Told));
        }
        entries.extend(due.into_iter().map(Entry::Told));
        Ok(entries)
    }

    fn tellings(&self) -> Vec<Telling> {
        let of_event = |event: &Happened| {
            let story = self.of.get(&event.position.0);
            let (position, time) = (event.position, event.time);
            story
                .into_iter()
                .flatten()
                .map(move |(copy, delay)| Telling {
                    event: position,
                    copy: *copy,
                    at: time.plus(*delay),
                })
        };
        let mut tellings: Vec<Telling> = self.events.iter().flat_map(of_event).collect();
        // Stable: labels of one event and instant stay in their order.
        tellings.sort_by_key(|it| (it.at, it.event));
        tellings
    }
}

fn told(
    stream: &Stream,
    telling: &Telling,
    position: Position,
    prior: Option<(Verdict, Position)>,
) -> Result<Record, NodeError> {
    let mut record = stream.record(telling.copy)?;
    if let (Record::Label(label), Record::Event(event)) =
        (&mut record, stream.record(telling.event)?)
    {
        let reported_before = label.received_at.since(label.label_timestamp);
        label.subject = event.subject(position);
        label.received_at = telling.at;
        label.label_timestamp = telling.at.minus(reported_before);
        label.prior = prior;
    }
    Ok(record)
}
