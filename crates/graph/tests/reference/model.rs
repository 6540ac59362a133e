//! The features written down a second time, as plainly as possible: every past event in a `Vec`, every
//! question a scan over all of them, in f64.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use event::record::{DecisionKind, Label, OutcomeKind, Subject, Verdict};
use event::schema::{EventClass, Legitimate, Part, Simultaneous};
use event::{Event, Position, Record, RoleIx, Schema};

pub type Id = (u8, String);

#[derive(Clone, Debug)]
pub struct Item {
    pub time: i64,
    pub position: Position,
    pub inward: bool,
    pub peer: Option<Id>,
    pub device: Option<Id>,
}

/// What is known of one event.
#[derive(Clone, Debug, Default)]
pub struct Fact {
    pub time: i64,
    pub amount: Option<f32>,
    pub money: bool,
    pub class: Option<EventClass>,
    pub stopped: bool,
    pub pairs_stopped: bool,
    pub declined: bool,
    pub suspicion: u16,
    pub verdict: Option<Verdict>,
}

#[derive(Clone, Debug, Default)]
pub struct Entity {
    pub touched: i64,
    /// Positions of the events of this life.
    pub life: BTreeSet<Position>,
    /// Ascending in time, equal times in order of folding.
    pub items: Vec<Item>,
    pub own: Vec<Position>,
    pub amounts: Vec<f64>,
    pub labels: BTreeMap<Position, bool>,
    pub login: Option<i64>,
    pub change: Option<i64>,
    pub new_device: Option<i64>,
    pub new_payee: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Pair {
    pub first: i64,
    pub last: i64,
    pub events: Vec<Position>,
}

pub struct Reference {
    pub schema: Schema,
    pub now: i64,
    pub events: u64,
    pub totals: [u64; 2],
    pub entities: BTreeMap<Id, Entity>,
    pub facts: BTreeMap<Position, Fact>,
    pub pairs: BTreeMap<(Id, Id), Pair>,
    waiting: Vec<(Event, Position)>,
    decided: VecDeque<Position>,
}

impl Reference {
    pub fn new(schema: &Schema) -> Reference {
        Reference {
            schema: schema.clone(),
            now: 0,
            events: 0,
            totals: [0; 2],
            entities: BTreeMap::new(),
            facts: BTreeMap::new(),
            pairs: BTreeMap::new(),
            waiting: Vec::new(),
            decided: VecDeque::new(),
        }
    }

    pub fn id(&self, event: &Event, role: RoleIx) -> Option<Id> {
        let kind = self.schema.roles[role.index()].kind;
        Some((kind.0, event.entity(role)?.as_str().to_owned()))
    }

    pub fn role(&self, part: Part) -> Option<RoleIx> {
        self.schema.part(part)
    }

    pub fn stale(&self, time: i64) -> bool {
        self.now - time > self.schema.time.idle_expiry.millis()
    }

    pub fn alive(&self, id: &Id) -> Option<&Entity> {
        self.entities
            .get(id)
            .filter(|entity| !self.stale(entity.touched))
    }

    /// Interactions that are not forgotten.
    pub fn remembered(&self, id: Option<&Id>) -> Vec<&Item> {
        let entity = id.and_then(|id| self.alive(id));
        let items = entity.map_or(&[][..], |entity| &entity.items);
        items.iter().filter(|item| !self.stale(item.time)).collect()
    }

    pub fn live_pair(&self, from: &Id, to: &Id) -> Option<&Pair> {
        let pair = self.pairs.get(&(from.clone(), to.clone()));
        pair.filter(|pair| !self.stale(pair.last))
    }

    pub fn paid(&self, at: Position) -> Option<f32> {
        let fact = &self.facts[&at];
        fact.amount.filter(|_| fact.money && !fact.stopped)
    }

    pub fn moved(&self, at: Position) -> bool {
        self.facts[&at].money && !self.facts[&at].stopped
    }

    pub fn base_rate(&self) -> f64 {
        let [legitimate, fraud] = self.totals.map(|count| count as f64);
        let known = match self.schema.labels.legitimate {
            Legitimate::Explicit => fraud + legitimate,
            Legitimate::Presumed => self.events as f64,
        };
        (fraud + 1.0) / (known + 100.0)
    }

    pub fn advance(&mut self, time: i64) {
        let first = self
            .waiting
            .first()
            .map(|(event, _)| event.event_timestamp.millis());
        if first.is_some_and(|first| first < time) {
            let mut waiting = std::mem::take(&mut self.waiting);
            waiting.sort_by(|a, b| a.0.event_id.cmp(&b.0.event_id));
            for (event, position) in waiting {
                self.fold(&event, position);
            }
        }
        self.now = self.now.max(time);
    }

    pub fn apply(&mut self, at: Position, record: &Record, amount: Option<f32>) {
        match record {
            Record::Event(event) => {
                self.advance(event.event_timestamp.millis());
                let class = self.schema.event_types[event.event_type.index()].class;
                let fact = Fact {
                    time: event.event_timestamp.millis(),
                    amount,
                    money: class.moves_money(),
                    class: Some(class),
                    ..Fact::default()
                };
                self.facts.insert(at, fact);
                if self.schema.time.simultaneous == Simultaneous::Hidden {
                    self.waiting.push((event.clone(), at));
                } else {
                    self.fold(event, at);
                }
            }
            Record::Tick(tick) => self.advance(tick.at.millis()),
            Record::Label(label) => self.label(label),
            Record::Outcome(outcome) => {
                self.advance(outcome.received_at.millis());
                let declined = match outcome.kind {
                    OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::ChallengeFailed => {
                        true
                    }
                    OutcomeKind::Reversed | OutcomeKind::Refunded => false,
                    OutcomeKind::Authorised | OutcomeKind::ChallengePassed => return,
                };
                self.stop(outcome.subject.position, declined);
            }
            Record::Decision(decision) => {
                let at = decision.event_position;
                let score = decision.suspicion.iter().map(|it| it.1).max().unwrap_or(0);
                self.facts.get_mut(&at).unwrap().suspicion = score;
                if decision.verdict == DecisionKind::Decline {
                    self.stop(at, true);
                }
            }
            Record::Config(_) | Record::Activation(_) => {}
        }
    }

    fn stop(&mut self, at: Position, declined: bool) {
        // A forgotten event's pairs keep what they hold; one that still waits has not entered them yet.
        let waits = self.waiting.iter().any(|(_, position)| *position == at);
        let forgotten = !waits && self.stale(self.facts[&at].time);
        let fact = self.facts.get_mut(&at).unwrap();
        fact.pairs_stopped |= !fact.stopped && !forgotten;
        fact.stopped = true;
        fact.declined |= declined;
    }

    fn label(&mut self, label: &Label) {
        self.advance(label.received_at.millis());
        let subject = &label.subject;
        if label.received_at.since(subject.event_timestamp) > self.schema.labels.horizon {
            return;
        }
        let before = self
            .facts
            .get_mut(&subject.position)
            .unwrap()
            .verdict
            .replace(label.verdict);
        if self
            .waiting
            .iter()
            .any(|(_, position)| *position == subject.position)
        {
            return;
        }
        if let Some(before) = before {
            self.totals[before as usize] -= 1;
        }
        self.know(subject, label.verdict);
    }

    fn know(&mut self, subject: &Subject, verdict: Verdict) {
        self.totals[verdict as usize] += 1;
        for (role, name) in &subject.entities {
            let kind = self.schema.roles[role.index()].kind;
            let id = (kind.0, name.as_str().to_owned());
            if self.alive(&id).is_none() {
                continue;
            }
            let entity = self.entities.get_mut(&id).unwrap();
            if entity.life.contains(&subject.position) {
                entity
                    .labels
                    .insert(subject.position, verdict == Verdict::Fraud);
            }
        }
    }

    fn fold(&mut self, event: &Event, at: Position) {
        let time = event.event_timestamp.millis();
        self.now = self.now.max(time);
        self.events += 1;
        for (role, _) in &event.entities {
            let id = self.id(event, *role).unwrap();
            if self.alive(&id).is_none() {
                self.entities.insert(id.clone(), Entity::default());
            }
            let entity = self.entities.get_mut(&id).unwrap();
            entity.touched = self.now;
            entity.life.insert(at);
        }
        let part = |part: Part| self.role(part).and_then(|role| self.id(event, role));
        let (subject, peer, device) = (
            part(Part::Subject).unwrap(),
            part(Part::Counterparty),
            part(Part::Device),
        );
        let is_new = |other: &Option<Id>| {
            other
                .as_ref()
                .is_some_and(|other| self.live_pair(&subject, other).is_none())
        };
        let (new_payee, new_device) = (is_new(&peer), is_new(&device));
        self.fold_pairs(event, &subject, at, time);
        self.fold_items(event, at, &subject, &peer, &device);
        let class = self.schema.event_types[event.event_type.index()].class;
        let entity = self.entities.get_mut(&subject).unwrap();
        let note = |held: &mut Option<i64>, happened: bool| {
            if happened {
                *held = (*held).max(Some(time));
            }
        };
        note(&mut entity.login, class == EventClass::Login);
        note(&mut entity.change, class == EventClass::ProfileChange);
        note(&mut entity.new_device, new_device);
        note(&mut entity.new_payee, new_payee);
        entity.own.push(at);
        if let Some(verdict) = self.facts[&at].verdict {
            self.know(&event.subject(at), verdict);
        }
        self.decided.push_back(at);
    }

    fn fold_pairs(&mut self, event: &Event, subject: &Id, at: Position, time: i64) {
        for (role, _) in &event.entities {
            if Some(*role) == self.role(Part::Subject) {
                continue;
            }
            let to = self.id(event, *role).unwrap();
            let fresh = Pair {
                first: time,
                last: time,
                events: Vec::new(),
            };
            let mut pair = self.live_pair(subject, &to).cloned().unwrap_or(fresh);
            pair.first = pair.first.min(time);
            pair.last = pair.last.max(time);
            pair.events.push(at);
            self.pairs.insert((subject.clone(), to), pair);
        }
    }

    fn fold_items(
        &mut self,
        event: &Event,
        at: Position,
        subject: &Id,
        peer: &Option<Id>,
        device: &Option<Id>,
    ) {
        let class = self.schema.event_types[event.event_type.index()].class;
        let amount = self.facts[&at].amount.filter(|_| class.moves_money());
        for (role, _) in &event.entities {
            let id = self.id(event, *role).unwrap();
            let is_subject = Some(*role) == self.role(Part::Subject);
            let is_counterparty = Some(*role) == self.role(Part::Counterparty);
            let item = Item {
                time: event.event_timestamp.millis(),
                position: at,
                inward: (class == EventClass::Deposit) != is_counterparty,
                peer: if is_subject {
                    peer.clone()
                } else {
                    Some(subject.clone())
                },
                device: device.clone(),
            };
            let entity = self.entities.get_mut(&id).unwrap();
            let place = entity.items.partition_point(|held| held.time <= item.time);
            entity.items.insert(place, item);
            if is_subject || id.0 != subject.0 {
                entity.amounts.extend(amount.map(f64::from));
            }
        }
    }
}
