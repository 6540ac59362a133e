//! What the features ask, answered by scanning.

use std::collections::{BTreeMap, BTreeSet};

use event::schema::{EventClass, Legitimate, Part, WINDOWS};
use event::{Event, RoleIx};

use super::model::{Id, Item, Reference};

pub type Answers = BTreeMap<String, f64>;

const NONE: f64 = f64::NAN;

fn hours(ms: i64) -> f64 {
    ms.max(0) as f64 / 3_600_000.0
}

fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { NONE }
}

/// Mean, variance and maximum of a clipped history.
fn amounts(history: &[f64]) -> (f64, f64, f64) {
    let (mut mean, mut variance, mut max) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (before, amount) in history.iter().enumerate() {
        let room = (3.0 * variance.sqrt()).max(0.1 * mean);
        let clipped = if before >= 5 && room > 0.0 {
            amount.min(mean + room)
        } else {
            *amount
        };
        let weight = (1.0 / (before as f64 + 1.0)).max(0.01);
        let away = clipped - mean;
        mean += weight * away;
        variance = (1.0 - weight) * (variance + weight * away * away);
        max = max.max(*amount);
    }
    (mean, variance, max)
}

struct Asked<'a> {
    past: &'a Reference,
    event: &'a Event,
    now: i64,
    amount: Option<f32>,
    labels: [String; WINDOWS],
    spans: [i64; WINDOWS],
    out: Answers,
}

pub fn answers(past: &Reference, event: &Event, amount: Option<f32>) -> Answers {
    let time = &past.schema.time;
    let mut asked = Asked {
        past,
        event,
        now: event.event_timestamp.millis(),
        amount,
        labels: time.windows.map(|span| span.label(time.unit)),
        spans: time.windows.map(|span| span.millis()),
        out: Answers::new(),
    };
    for (role, _) in &event.entities {
        asked.entity(*role);
        asked.known(*role);
    }
    asked.subject();
    for (role, _) in &event.entities {
        if Some(*role) != past.role(Part::Subject) {
            asked.pair(*role);
        }
    }
    let kind = |part: Part| {
        past.role(part)
            .map(|role| past.schema.roles[role.index()].kind)
    };
    if kind(Part::Counterparty) == kind(Part::Subject) {
        asked.flow();
    }
    asked.out
}

impl<'a> Asked<'a> {
    fn put(&mut self, name: String, value: f64) {
        assert!(self.out.insert(name, value).is_none());
    }

    fn id(&self, part: Part) -> Option<Id> {
        self.past
            .role(part)
            .and_then(|role| self.past.id(self.event, role))
    }

    /// Interactions later than `span` before the event.
    fn within(&self, id: Option<&Id>, span: i64) -> Vec<&'a Item> {
        let items = self.past.remembered(id);
        items
            .into_iter()
            .filter(|item| item.time > self.now - span)
            .collect()
    }

    fn sum(&self, items: &[&Item]) -> f64 {
        items
            .iter()
            .filter_map(|item| self.past.paid(item.position))
            .map(f64::from)
            .sum()
    }

    fn entity(&mut self, role: RoleIx) {
        let name = self.past.schema.roles[role.index()].name.clone();
        let part = self.past.schema.roles[role.index()].part;
        let id = self.past.id(self.event, role).unwrap();
        let held = self.past.alive(&id).map_or(&[][..], |entity| &entity.items);
        let (first, last) = (
            held.first().map(|it| it.time),
            held.last().map(|it| it.time),
        );
        self.put(format!("{name}_events"), held.len() as f64);
        self.put(
            format!("{name}_tenure"),
            first.map_or(NONE, |t| hours(self.now - t)),
        );
        self.put(
            format!("{name}_idle"),
            last.map_or(NONE, |t| hours(self.now - t)),
        );
        for window in 0..WINDOWS {
            let label = self.labels[window].clone();
            let all = self.within(Some(&id), self.spans[window]);
            let way: Vec<&Item> = all
                .iter()
                .copied()
                .filter(|item| item.inward == (part == Part::Counterparty))
                .collect();
            let paid: Vec<f32> = way
                .iter()
                .filter_map(|it| self.past.paid(it.position))
                .collect();
            let peers: BTreeSet<&Id> = way.iter().filter_map(|it| it.peer.as_ref()).collect();
            let sum = self.sum(&way);
            let max = all
                .iter()
                .filter_map(|it| self.past.paid(it.position))
                .fold(0.0, f32::max);
            let declined = all
                .iter()
                .filter(|it| self.past.facts[&it.position].declined)
                .count();
            self.put(format!("{name}_count_{label}"), way.len() as f64);
            self.put(format!("{name}_sum_{label}"), sum);
            self.put(format!("{name}_peers_{label}"), peers.len() as f64);
            if window >= 2 {
                let mean = if paid.is_empty() {
                    0.0
                } else {
                    sum / paid.len() as f64
                };
                let over = self
                    .amount
                    .map_or(NONE, |amount| ratio(f64::from(amount), mean));
                self.put(format!("{name}_amount_ratio_{label}"), over);
            }
            if window == 1 || window == 3 {
                self.put(format!("{name}_max_{label}"), f64::from(max));
            }
            if window == 1 || window == 2 {
                self.put(format!("{name}_declined_{label}"), declined as f64);
            }
        }
        let both = matches!(part, Part::Subject | Part::Counterparty);
        let scores = self
            .within(Some(&id), self.spans[3])
            .into_iter()
            .filter(|it| both || !it.inward);
        let scores: Vec<u16> = scores
            .map(|it| self.past.facts[&it.position].suspicion)
            .filter(|it| *it != 0)
            .collect();
        let max = scores
            .iter()
            .max()
            .map_or(NONE, |score| f64::from(*score) / 65_535.0);
        self.put(format!("{name}_suspicion_max"), max);
    }

    fn known(&mut self, role: RoleIx) {
        let name = self.past.schema.roles[role.index()].name.clone();
        let id = self.past.id(self.event, role).unwrap();
        let labels: Vec<(i64, bool)> = self.past.alive(&id).map_or(Vec::new(), |entity| {
            let dated = |(at, fraud): (&event::Position, &bool)| (self.past.facts[at].time, *fraud);
            entity.labels.iter().map(dated).collect()
        });
        let mut frauds: Vec<i64> = labels.iter().filter(|it| it.1).map(|it| it.0).collect();
        frauds.sort_unstable();
        self.put(format!("{name}_frauds_known"), frauds.len() as f64);
        let recent = frauds
            .iter()
            .filter(|time| **time > self.now - self.spans[3])
            .count();
        self.put(format!("{name}_frauds_recent"), recent as f64);
        let now = self.now;
        let since = |time: Option<&i64>| time.map_or(NONE, |time| hours(now - time));
        self.put(format!("{name}_since_fraud"), since(frauds.last()));
        self.put(format!("{name}_since_first_fraud"), since(frauds.first()));
        let mut run = frauds.last();
        for time in frauds.iter().rev() {
            if run.is_some_and(|start| start - time <= self.spans[2]) {
                run = Some(time);
            }
        }
        self.put(format!("{name}_since_fraud_run"), since(run));
        // Days of history that a later clock has pushed out are a documented loss.
        if self.now < self.past.now {
            return;
        }
        let day_length = self.spans[3] / 32;
        let mature = self.now - self.past.schema.labels.maturity.millis();
        let items = self.past.remembered(Some(&id));
        for window in 0..WINDOWS {
            let days = (mature - self.spans[window]).div_euclid(day_length) + 1
                ..=mature.div_euclid(day_length);
            let inside = |time: &i64| days.contains(&time.div_euclid(day_length));
            let fraud = labels.iter().filter(|it| it.1 && inside(&it.0)).count() as f64;
            let base = match self.past.schema.labels.legitimate {
                Legitimate::Explicit => labels.iter().filter(|it| inside(&it.0)).count() as f64,
                Legitimate::Presumed => {
                    (items.iter().filter(|it| inside(&it.time)).count() as f64).max(fraud)
                }
            };
            let rate = (fraud + 5.0 * self.past.base_rate()) / (base + 5.0);
            self.put(format!("{name}_fraud_rate_{}", self.labels[window]), rate);
        }
    }

    fn subject(&mut self) {
        let id = self.id(Part::Subject).unwrap();
        let entity = self.past.alive(&id).cloned().unwrap_or_default();
        let (mean, variance, max) = amounts(&entity.amounts);
        let amount = self.amount.map_or(NONE, f64::from);
        let several = entity.amounts.len() >= 2;
        // With a spread near f32's rounding of the mean, the score is noise on both sides.
        if variance.sqrt() > 1e-3 * mean {
            let z = if several {
                (amount - mean) / variance.sqrt()
            } else {
                NONE
            };
            self.put("amount_z".into(), z);
        }
        self.put(
            "amount_vs_mean".into(),
            if several { ratio(amount, mean) } else { NONE },
        );
        self.put("amount_vs_max".into(), ratio(amount, max));
        let declined = entity
            .own
            .iter()
            .map(|at| &self.past.facts[at])
            .filter(|it| it.declined);
        let declined = declined.map(|fact| fact.time).max();
        for (name, time) in [
            ("since_login", entity.login),
            ("since_profile_change", entity.change),
            ("since_new_device", entity.new_device),
            ("since_new_payee", entity.new_payee),
            ("since_declined", declined),
        ] {
            self.put(
                name.into(),
                time.map_or(NONE, |time| hours(self.now - time)),
            );
        }
        for window in [1, 3] {
            let items = self.within(Some(&id), self.spans[window]);
            let devices: BTreeSet<&Id> = items.iter().filter_map(|it| it.device.as_ref()).collect();
            self.put(
                format!("devices_{}", self.labels[window]),
                devices.len() as f64,
            );
        }
    }

    fn pair(&mut self, role: RoleIx) {
        let name = self.past.schema.roles[role.index()].name.clone();
        let (subject, to) = (
            self.id(Part::Subject).unwrap(),
            self.past.id(self.event, role).unwrap(),
        );
        let pair = self.past.live_pair(&subject, &to);
        let count = pair.map_or(0.0, |pair| pair.events.len() as f64);
        self.put(format!("pair_{name}_count"), count);
        let now = self.now;
        let since = |time: Option<i64>| time.map_or(NONE, |time| hours(now - time));
        self.put(
            format!("pair_{name}_since_first"),
            since(pair.map(|pair| pair.first)),
        );
        self.put(
            format!("pair_{name}_since_last"),
            since(pair.map(|pair| pair.last)),
        );
        if Some(role) == self.past.role(Part::Counterparty) {
            let facts = pair
                .into_iter()
                .flat_map(|pair| &pair.events)
                .map(|at| &self.past.facts[at]);
            let held = facts.filter(|fact| fact.money && (!fact.stopped || !fact.pairs_stopped));
            let paid: Vec<f64> = held.filter_map(|fact| fact.amount).map(f64::from).collect();
            let mean = ratio(paid.iter().sum(), paid.len() as f64);
            let over = ratio(self.amount.map_or(NONE, f64::from), mean);
            self.put(format!("pair_{name}_amount_ratio"), over);
        }
    }

    fn flow(&mut self) {
        let subject = self.id(Part::Subject).unwrap();
        let counterparty = self.id(Part::Counterparty);
        self.flow_end("subject", &subject);
        self.habit("subject", &subject);
        self.suspicion("subject", &subject);
        if let Some(counterparty) = &counterparty {
            self.flow_end("counterparty", counterparty);
            self.habit("counterparty", counterparty);
            self.suspicion("counterparty", counterparty);
            let reverse = self.past.live_pair(counterparty, &subject);
            self.put(
                "reverse_count".into(),
                reverse.map_or(0.0, |pair| pair.events.len() as f64),
            );
            self.put(
                "since_reverse".into(),
                reverse.map_or(NONE, |pair| hours(self.now - pair.last)),
            );
            self.between(&subject, counterparty);
        }
        let Some(amount) = self.amount.filter(|amount| *amount > 0.0) else {
            return;
        };
        let past = self.past;
        let near = |item: &&Item| {
            past.paid(item.position)
                .is_some_and(|held| (held - amount).abs() <= 0.1 * amount)
        };
        let own: Vec<&Item> = self
            .within(Some(&subject), self.spans[3])
            .into_iter()
            .filter(near)
            .collect();
        let inward: Vec<&&Item> = own.iter().filter(|item| item.inward).collect();
        self.put("matching_in".into(), inward.len() as f64);
        self.put("matching_out".into(), (own.len() - inward.len()) as f64);
        let away = |item: &Item| (past.paid(item.position).unwrap_or(f32::NAN) - amount).abs();
        let closest = inward
            .iter()
            .rev()
            .min_by(|a, b| away(a).total_cmp(&away(b)));
        self.put(
            "matching_in_dwell".into(),
            closest.map_or(NONE, |item| hours(self.now - item.time)),
        );
        if let Some(counterparty) = &counterparty {
            let theirs = self.within(Some(counterparty), self.spans[3]).into_iter();
            let count = theirs.filter(|item| item.inward && near(item)).count();
            self.put("counterparty_matching_in".into(), count as f64);
        }
    }

    /// Max, mean and faded max of what producers said of some interactions.
    fn suspected(&mut self, name: &str, items: &[&Item]) {
        let longest = self.spans[3] as f64;
        let scored: Vec<(f64, f64)> = items
            .iter()
            .map(|it| {
                let score = f64::from(self.past.facts[&it.position].suspicion) / 65_535.0;
                let age = (self.now - it.time).max(0) as f64;
                (score, score * (1.0 - age / longest).max(0.0))
            })
            .filter(|(score, _)| *score > 0.0)
            .collect();
        let most = |values: Vec<f64>| values.into_iter().fold(NONE, f64::max);
        let scores: Vec<f64> = scored.iter().map(|it| it.0).collect();
        let mean = ratio(scores.iter().sum(), scores.len() as f64);
        self.put(format!("{name}_suspicion_mean"), mean);
        self.put(format!("{name}_suspicion_max"), most(scores));
        let faded = scored.iter().map(|it| it.1).collect();
        self.put(format!("{name}_suspicion_faded"), most(faded));
    }

    fn suspicion(&mut self, end: &str, id: &Id) {
        for (way, inward) in [("in", true), ("out", false)] {
            let all = self.within(Some(id), self.spans[3]);
            let own: Vec<&Item> = all.into_iter().filter(|it| it.inward == inward).collect();
            self.suspected(&format!("{end}_{way}"), &own);
            let mut peers: Vec<&Id> = Vec::new();
            for peer in own.iter().rev().filter_map(|it| it.peer.as_ref()) {
                if peer != id && !peers.contains(&peer) && self.past.alive(peer).is_some() {
                    peers.push(peer);
                }
            }
            let mut next: Vec<&Item> = Vec::new();
            for peer in peers.into_iter().take(8) {
                let theirs = self.within(Some(peer), self.spans[3]);
                let newest = theirs.into_iter().rev().take(16);
                next.extend(newest.filter(|it| it.peer.as_ref() != Some(id)));
            }
            self.suspected(&format!("{end}_{way}_next"), &next);
        }
    }

    fn habit(&mut self, end: &str, id: &Id) {
        let entity = self.past.alive(id).cloned().unwrap_or_default();
        let first = entity.items.first().map_or(self.now, |item| item.time);
        let life = (self.now - first).max(0) as f64 / self.spans[3] as f64;
        let class = |at: &event::Position| self.past.facts[at].class;
        let made = |wanted| {
            entity
                .own
                .iter()
                .filter(|at| class(at) == Some(wanted))
                .count()
        };
        for (name, count) in [
            ("payment", made(EventClass::Payment)),
            ("transfer", made(EventClass::Transfer)),
            ("deposit", made(EventClass::Deposit)),
            ("receipt", entity.items.len() - entity.own.len()),
        ] {
            self.put(
                format!("{end}_{name}_rate"),
                (count as f64 + 1.0) / (life + 0.1),
            );
        }
    }

    fn flow_end(&mut self, end: &str, id: &Id) {
        for window in 1..WINDOWS {
            let label = self.labels[window].clone();
            let (inward, outward): (Vec<&Item>, Vec<&Item>) = self
                .within(Some(id), self.spans[window])
                .into_iter()
                .partition(|it| it.inward);
            let peers = |items: &[&Item]| -> f64 {
                items
                    .iter()
                    .filter_map(|it| it.peer.clone())
                    .collect::<BTreeSet<Id>>()
                    .len() as f64
            };
            let (sum_in, sum_out) = (self.sum(&inward), self.sum(&outward));
            self.put(format!("{end}_in_count_{label}"), inward.len() as f64);
            self.put(format!("{end}_in_sum_{label}"), sum_in);
            self.put(format!("{end}_in_peers_{label}"), peers(&inward));
            self.put(format!("{end}_out_sum_{label}"), sum_out);
            self.put(format!("{end}_out_peers_{label}"), peers(&outward));
            self.put(format!("{end}_passed_on_{label}"), ratio(sum_out, sum_in));
        }
        for (name, inward) in [("since_in", true), ("since_out", false)] {
            let items = self.within(Some(id), self.spans[3]);
            let moved = items
                .iter()
                .rev()
                .find(|it| it.inward == inward && self.past.moved(it.position));
            self.put(
                format!("{end}_{name}"),
                moved.map_or(NONE, |item| hours(self.now - item.time)),
            );
        }
    }

    fn between(&mut self, subject: &Id, counterparty: &Id) {
        let span = self.spans[3];
        let around = |id: &Id, inward: Option<bool>| -> BTreeSet<Id> {
            let items = self.within(Some(id), span).into_iter();
            let moved = items.filter(|it| self.past.moved(it.position));
            moved
                .filter(|it| inward.is_none_or(|way| way == it.inward))
                .filter_map(|it| it.peer.clone())
                .collect()
        };
        let third = |id: &&Id| *id != subject && *id != counterparty;
        let paid_by_them = around(counterparty, Some(false));
        let cycles = around(subject, Some(true))
            .intersection(&paid_by_them)
            .filter(third)
            .count();
        let theirs = around(counterparty, None);
        let own = around(subject, None);
        let common: Vec<&Id> = own.intersection(&theirs).filter(third).collect();
        let weight = |id: &&Id| 1.0 / (2.0 + self.past.entities[*id].items.len() as f64).log2();
        let weighted: f64 = common.iter().map(weight).sum();
        let count = common.len() as f64;
        self.put("cycles_of_3".into(), cycles as f64);
        self.put("common_neighbours".into(), count);
        self.put("common_neighbours_weighted".into(), weighted);
    }
}
