//! An event enters: its entities are found or made, pairs, rings, hubs and counters take it in.

use event::record::AttributeValue;
use event::schema::{EVENT_TYPES_MAX, EventClass, ROLES_MAX};
use event::{Event, EventTime, KindIx, Position, RoleIx};

use crate::fold::{News, Waiting};
use crate::hub::Tick;
use crate::interaction::{Direction, Interaction, signs, state};
use crate::node::Profile;
use crate::pair::{Pair, pair_hash};
use crate::ring::RingRef;
use crate::slab::NONE;
use crate::state::{Graph, Input, RoleNodes, UNDECIDED_MAX};

/// Amounts within this ratio of one another count as the same money passing through.
pub const MATCH_RATIO: f32 = 0.1;

impl Graph {
    /// Folds an event in. Its sample must have been taken before.
    pub fn fold_event(&mut self, input: Input<'_>) {
        self.advance(input.event.event_timestamp);
        if !self.plan.hidden {
            self.fold(&input, News::default());
            return;
        }
        self.waiting.push(Waiting {
            event: input.event.clone(),
            position: input.position,
            amount: input.amount,
            news: News::default(),
        });
    }

    pub(super) fn fold(&mut self, input: &Input<'_>, news: News) {
        let event = input.event;
        let time = event.event_timestamp;
        self.now = self.now.max(time);
        self.counts.events += 1;
        if self.is_past_windows(time) {
            self.counts.events_past_windows += 1;
        }
        let guessed = self.prepared(event);
        let (nodes, strangers) = self.touch_all(event, input.position, &guessed);
        let item = self.interaction(input, &nodes, news);
        let new_pairs = self.fold_pairs(&nodes, &item);
        let tick = self.plan.clock.tick(time);
        for (role, _) in &event.entities {
            self.fold_role(*role, &nodes, item, input.amount, &tick);
        }
        self.fold_profile(event, &nodes, &item);
        self.fold_values(event, input.amount);
        if let Some(verdict) = news.verdict {
            self.count_label(&event.subject(input.position), verdict, true);
        }
        self.undecided.push_back((input.position, nodes));
        if self.undecided.len() > UNDECIDED_MAX {
            self.undecided.pop_front();
        }
        self.sweep(strangers, new_pairs);
    }

    /// The event's nodes, and how many of them are new.
    fn touch_all(
        &mut self,
        event: &Event,
        position: Position,
        guessed: &RoleNodes,
    ) -> (RoleNodes, u32) {
        let mut nodes = [NONE; ROLES_MAX];
        let before = self.nodes.live();
        for (role, id) in &event.entities {
            let kind = self.plan.schema.roles[role.index()].kind;
            let guess = guessed[role.index()];
            let ix = self.touch(kind, id.as_str(), event.event_timestamp, guess);
            let born = &mut self.nodes.get_mut(ix).born;
            *born = (*born).min(position);
            nodes[role.index()] = ix;
        }
        (nodes, (self.nodes.live() - before) as u32)
    }

    /// Finds or makes a node; an expired one starts anew under its old index.
    fn touch(&mut self, kind: KindIx, name: &str, time: EventTime, guess: u32) -> u32 {
        let mut ix = if guess != NONE && self.is_named(guess, kind, name) {
            guess
        } else {
            self.find_slot(kind, name)
        };
        if ix == NONE {
            ix = self.nodes.take();
            let name_ref = self.names.store(name);
            let tag = (crate::interner::name_hash(kind, name) >> 32) as u32;
            let node = self.nodes.get_mut(ix);
            node.name = name_ref;
            node.kind = kind.0;
            node.first_seen = time;
            self.name_table
                .insert(crate::interner::NameSlot { tag, node: ix });
        } else if !self.is_alive(ix) {
            self.clear_node(ix);
            self.nodes.get_mut(ix).first_seen = time;
        }
        let now = self.now;
        let node = self.nodes.get_mut(ix);
        node.touched = now;
        node.first_seen = node.first_seen.min(time);
        ix
    }

    /// The event as its subject keeps it; other roles change `peer` and `direction`.
    fn interaction(&self, input: &Input<'_>, nodes: &RoleNodes, news: News) -> Interaction {
        let event = input.event;
        let class = self.plan.class(event.event_type);
        let at = |role: Option<RoleIx>| role.map_or(NONE, |role| nodes[role.index()]);
        let (subject, peer) = (nodes[self.plan.subject.index()], at(self.plan.counterparty));
        let device = at(self.plan.device);
        let mut item = Interaction {
            time: event.event_timestamp,
            peer,
            device,
            amount: input.amount.unwrap_or(f32::NAN),
            suspicion: news.suspicion,
            signs: self.signs(subject, peer, device, input.amount, event.event_timestamp),
            ..Interaction::default()
        };
        if class.moves_money() {
            item.state |= state::MONEY;
        }
        if news.stopped {
            item.state |= state::NOT_MOVED;
        }
        if news.declined {
            item.state |= state::DECLINED;
        }
        if class == EventClass::Deposit {
            item.direction = Direction::In;
        }
        if let Some(amount) = input.amount {
            let z = self.nodes.get(subject).amounts.z(amount).unwrap_or(0.0);
            item.z8 = (z * 8.0).clamp(-127.0, 127.0) as i8;
        }
        item.with_position(input.position)
            .with_type(event.event_type, self.plan.subject)
    }

    /// What is unusual about an event, judged by the state before it.
    fn signs(
        &self,
        subject: u32,
        peer: u32,
        device: u32,
        amount: Option<f32>,
        time: EventTime,
    ) -> u8 {
        let mut found = 0;
        let is_new = |other: u32| other != NONE && self.live_pair(subject, other).is_none();
        if is_new(peer) {
            found |= signs::NEW_PAIR;
        }
        if is_new(device) {
            found |= signs::NEW_DEVICE;
        }
        if peer != NONE {
            let held = self.nodes.get(peer);
            if held.events == 0 || time.since(held.last_seen) > self.plan.windows[2] {
                found |= signs::QUIET_PEER;
            }
        }
        let held = self.nodes.get(subject);
        let from = time.minus(self.plan.longest());
        let matches = |item: &Interaction, amount: f32| {
            item.direction == Direction::In
                && item.time > from
                && item.moved()
                && (item.amount - amount).abs() <= MATCH_RATIO * amount
        };
        if let Some(amount) = amount.filter(|amount| *amount > 0.0) {
            let items = self.rings.items(held.ring);
            if items.iter().any(|item| matches(item, amount)) {
                found |= signs::AMOUNT_MATCH;
            }
        }
        found
    }

    /// The pair, unless it is forgotten.
    pub(crate) fn live_pair(&self, from: u32, to: u32) -> Option<&Pair> {
        crate::pair::find(&self.pairs, from, to).filter(|pair| !self.is_stale(pair.last))
    }

    /// Returns how many pairs are new.
    fn fold_pairs(&mut self, nodes: &RoleNodes, item: &Interaction) -> u32 {
        let before = self.pairs.len();
        let subject = nodes[self.plan.subject.index()];
        for (role, to) in nodes.iter().copied().enumerate() {
            if to == NONE || role == self.plan.subject.index() {
                continue;
            }
            let fresh = Pair {
                from: subject,
                to,
                first: item.time,
                last: item.time,
                count: 1,
                moved: u16::from(item.paid().is_some()),
                sum: item.flow(),
            };
            let (now, idle) = (self.now, self.plan.schema.time.idle_expiry);
            let same = |held: &Pair| held.from == subject && held.to == to;
            match self.pairs.find_mut(pair_hash(subject, to), same) {
                None => self.pairs.insert(fresh),
                Some(pair) if now.since(pair.last) > idle => *pair = fresh,
                Some(pair) => {
                    pair.first = pair.first.min(item.time);
                    pair.last = pair.last.max(item.time);
                    pair.add(item.paid());
                }
            }
        }
        (self.pairs.len() - before) as u32
    }

    fn fold_role(
        &mut self,
        role: RoleIx,
        nodes: &RoleNodes,
        mut item: Interaction,
        amount: Option<f32>,
        tick: &Tick,
    ) {
        let ix = nodes[role.index()];
        let is_subject = role == self.plan.subject;
        let subject_kind = self.plan.schema.roles[self.plan.subject.index()].kind;
        let kind = self.plan.schema.roles[role.index()].kind;
        if !is_subject {
            item.peer = nodes[self.plan.subject.index()];
        }
        if Some(role) == self.plan.counterparty {
            item.direction = match item.direction {
                Direction::Out => Direction::In,
                Direction::In => Direction::Out,
            };
        }
        item = item.with_type(item.event_type(), role);
        self.keep(
            ix,
            item,
            usize::from(self.plan.schema.kinds[kind.index()].ring),
            tick,
        );
        let half_life = self.plan.windows[2].millis() as f32;
        let node = self.nodes.get_mut(ix);
        if node.events == 0 {
            node.last_seen = item.time;
        }
        let gap = item.time.since(node.last_seen).millis() as f32;
        let mut flow = item.flow();
        if gap > 0.0 {
            let fade = libm::exp2f(-gap / half_life);
            node.flow = node.flow.map(|held| held * fade);
        } else if gap < 0.0 {
            flow *= libm::exp2f(gap / half_life);
        }
        node.flow[item.direction as usize] += flow;
        node.last_seen = node.last_seen.max(item.time);
        node.events = node.events.saturating_add(1);
        // An account's own history is what it spends; what it receives is somebody else's.
        let owns_amounts = is_subject || kind != subject_kind;
        if let Some(amount) = amount.filter(|_| owns_amounts && item.has(state::MONEY)) {
            node.amounts.add(amount);
        }
    }

    fn keep(&mut self, ix: u32, item: Interaction, most: usize, tick: &Tick) {
        let mut ring = self.nodes.get(ix).ring;
        let evicted = self.rings.insert(&mut ring, item, most);
        self.nodes.get_mut(ix).ring = ring;
        let hub = self.nodes.get(ix).hub;
        if hub != NONE {
            self.hubs.get_mut(hub).add(&item, tick);
        } else if let Some(evicted) = evicted {
            self.promote(ix, ring, &evicted);
        }
    }

    /// Gives a node its hub counters, seeded with everything the ring still knew.
    fn promote(&mut self, ix: u32, ring: RingRef, evicted: &Interaction) {
        // Label rates look back twice the longest window at most.
        let needed = self
            .now
            .minus(self.plan.longest())
            .minus(self.plan.longest());
        if evicted.time <= needed {
            return;
        }
        let hub = self.hubs.take();
        let counters = self.hubs.get_mut(hub);
        counters.add(evicted, &self.plan.clock.tick(evicted.time));
        for item in self.rings.items(ring) {
            counters.add(item, &self.plan.clock.tick(item.time));
        }
        self.nodes.get_mut(ix).hub = hub;
    }

    fn fold_profile(&mut self, event: &Event, nodes: &RoleNodes, item: &Interaction) {
        let time = event.event_timestamp;
        let class = self.plan.class(event.event_type);
        let place = self.place(event);
        let profile = self.profile_mut(nodes[self.plan.subject.index()]);
        match class {
            EventClass::Login => profile.last_login = profile.last_login.max(Some(time)),
            EventClass::ProfileChange => profile.last_change = profile.last_change.max(Some(time)),
            _ => {}
        }
        if item.signs & signs::NEW_DEVICE != 0 {
            profile.last_new_device = profile.last_new_device.max(Some(time));
        }
        if item.signs & signs::NEW_PAIR != 0 {
            profile.last_new_payee = profile.last_new_payee.max(Some(time));
        }
        if item.has(state::DECLINED) {
            profile.last_declined = profile.last_declined.max(Some(time));
        }
        if let Some((latitude, longitude)) = place
            && profile.place.is_none_or(|(_, _, then)| then <= time)
        {
            profile.place = Some((latitude, longitude, time));
        }
    }

    pub(crate) fn place(&self, event: &Event) -> Option<(f32, f32)> {
        let latitude = event.number(self.plan.latitude?)?;
        let longitude = event.number(self.plan.longitude?)?;
        Some((latitude as f32, longitude as f32))
    }

    fn profile_mut(&mut self, node: u32) -> &mut Profile {
        if self.nodes.get(node).profile == NONE {
            self.nodes.get_mut(node).profile = self.profiles.take();
        }
        self.profiles.get_mut(self.nodes.get(node).profile)
    }

    /// Attribute values and the cohorts amounts are compared in.
    fn fold_values(&mut self, event: &Event, amount: Option<f32>) {
        for (ix, value) in &event.attributes {
            let AttributeValue::Category(name) = value else {
                continue;
            };
            if let Some(categories) = &mut self.categories[ix.index()]
                && let Some(entry) = categories.entry(name)
            {
                entry.seen += 1;
            }
        }
        let Some(amount) = amount.filter(|_| self.plan.class(event.event_type).moves_money())
        else {
            return;
        };
        for slot in self.cohort_slots(event).into_iter().flatten() {
            if slot >= self.cohorts.len() {
                self.cohorts
                    .resize(slot + 1, crate::node::Amounts::default());
            }
            self.cohorts[slot].add(amount);
        }
    }

    /// Places of the event's two cohorts: its type, and its value of the cohort attribute.
    pub(crate) fn cohort_slots(&self, event: &Event) -> [Option<usize>; 2] {
        let of_value = self.plan.cohort.and_then(|ix| match event.attribute(ix) {
            Some(AttributeValue::Category(name)) => {
                self.categories[ix.index()].as_ref()?.code(name)
            }
            _ => None,
        });
        [
            Some(event.event_type.index()),
            of_value.map(|code| EVENT_TYPES_MAX + code),
        ]
    }
}
