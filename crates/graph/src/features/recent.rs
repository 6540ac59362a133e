//! A node's interactions, newest first: everything the windowed features need.

use event::EventTime;
use event::schema::WINDOWS;

use crate::hub::{HubEdges, WindowCounts};
use crate::interaction::{Direction, Interaction, signs, state};
use crate::known::day_of;
use crate::slab::NONE;
use crate::state::{Graph, Plan};

/// A z-score from here on counts as high, in eighths of a standard deviation.
const HIGH_Z8: i8 = 20;

#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    /// Counts per window; a longer window contains the shorter ones.
    pub windows: [WindowCounts; WINDOWS],
    /// Interactions per window shifted back by the label maturity.
    pub matured: [f32; WINDOWS],
    pub suspicion: [Suspicion; 2],
    /// Interactions of the longest window by direction, and how many of them bear each sign.
    pub by_direction: [Signs; 2],
    /// High z-scores within the second and third window, and the highest of the third.
    pub high_z: [u32; 2],
    pub high_z_max: f32,
    /// Time of the newest interaction that moved money, by direction.
    pub last_flow: [Option<EventTime>; 2],
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Suspicion {
    pub max: f32,
    pub sum: f32,
    pub count: u32,
    /// Highest suspicion with weight falling linearly to 0 at the end of the longest window.
    pub faded: f32,
}

impl Suspicion {
    /// Takes in an interaction; one that no producer scored changes nothing.
    pub fn add(&mut self, item: &Interaction, now: EventTime, longest_ms: f32) {
        if item.suspicion == 0 {
            return;
        }
        let score = f32::from(item.suspicion) / 65_535.0;
        let age = now.since(item.time).millis().max(0) as f32;
        self.max = self.max.max(score);
        self.sum += score;
        self.count += 1;
        self.faded = self.faded.max(score * (1.0 - age / longest_ms).max(0.0));
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Signs {
    pub count: u32,
    pub new_pair: u32,
    pub quiet_peer: u32,
    pub amount_match: u32,
}

/// Times at which windows begin, computed once per event.
#[derive(Clone, Copy, Debug)]
pub struct Edges {
    pub now: EventTime,
    /// An interaction later than this is inside the window.
    begin: [EventTime; WINDOWS],
    /// Delay-shifted windows cover `[mature_begin, mature_end)`, cut at whole days of the history.
    mature_begin: [EventTime; WINDOWS],
    mature_end: EventTime,
    /// First and last day of each delay-shifted window: `(from, to]`.
    pub days: [(i64, i64); WINDOWS],
    hub: HubEdges,
    longest_ms: f32,
}

impl Edges {
    pub fn new(plan: &Plan, now: EventTime) -> Edges {
        let length = plan.clock.day_length;
        let mature = now.minus(plan.schema.labels.maturity);
        let to = day_of(mature, length);
        let days = plan
            .windows
            .map(|span| (day_of(mature.minus(span), length), to));
        Edges {
            now,
            begin: plan.windows.map(|span| now.minus(span)),
            mature_begin: days.map(|(from, _)| EventTime::from_millis((from + 1) * length)),
            mature_end: EventTime::from_millis((to + 1) * length),
            days,
            hub: plan.clock.edges(now),
            longest_ms: plan.longest().millis() as f32,
        }
    }

    /// How many of the windows, shortest first, the interaction is too old for.
    fn outside(&self, item: &Interaction) -> usize {
        self.begin
            .iter()
            .filter(|begin| item.time <= **begin)
            .count()
    }
}

impl Recent {
    /// Devices are counted only where they are asked for. What the log already holds but is dated later than `now` counts as now.
    pub fn of(graph: &Graph, node: u32, edges: &Edges, devices: bool) -> Recent {
        let mut recent = Recent::default();
        if node == NONE {
            return recent;
        }
        let items = graph.remembered(node);
        recent.scan_signs(items, edges);
        let node = graph.nodes.get(node);
        if node.hub == NONE {
            recent.scan_counts(items, edges, devices);
            recent.accumulate();
            return recent;
        }
        let hub = graph.hubs.get(node.hub);
        recent.windows = hub.windows(&edges.hub, devices);
        for (matured, (from, to)) in recent.matured.iter_mut().zip(edges.days) {
            *matured = hub.days_between(from, to) as f32;
        }
        recent
    }

    fn scan_counts(&mut self, items: &[Interaction], edges: &Edges, with_devices: bool) {
        let mut peers = [Seen::new(), Seen::new()];
        let mut devices = Seen::new();
        let oldest = edges.begin[WINDOWS - 1].min(edges.mature_begin[WINDOWS - 1]);
        for item in items.iter().rev() {
            if item.time < oldest {
                break;
            }
            if item.time < edges.mature_end {
                for window in 0..WINDOWS {
                    let inside = item.time >= edges.mature_begin[window];
                    self.matured[window] += f32::from(u8::from(inside));
                }
            }
            if item.time <= edges.begin[WINDOWS - 1] {
                continue;
            }
            let at = &mut self.windows[edges.outside(item)];
            let direction = item.direction as usize;
            at.count[direction] += 1;
            at.moved[direction] += u32::from(item.paid().is_some());
            let flow = item.flow();
            at.sum[direction] += flow;
            at.max = at.max.max(flow);
            at.declined += u32::from(item.has(state::DECLINED));
            at.peers[direction] += f32::from(u8::from(peers[direction].add(item.peer)));
            if with_devices {
                at.devices += f32::from(u8::from(devices.add(item.device)));
            }
        }
    }

    /// What no hub counts: the signs of the interactions that the ring still holds.
    fn scan_signs(&mut self, items: &[Interaction], edges: &Edges) {
        let longest = edges.begin[WINDOWS - 1];
        for item in items.iter().rev().take_while(|item| item.time > longest) {
            self.note(item, edges.outside(item), edges);
        }
    }

    fn note(&mut self, item: &Interaction, outside: usize, edges: &Edges) {
        let direction = item.direction as usize;
        let bearing = &mut self.by_direction[direction];
        bearing.count += 1;
        bearing.new_pair += u32::from(item.signs & signs::NEW_PAIR != 0);
        bearing.quiet_peer += u32::from(item.signs & signs::QUIET_PEER != 0);
        bearing.amount_match += u32::from(item.signs & signs::AMOUNT_MATCH != 0);
        if item.moved() && self.last_flow[direction].is_none() {
            self.last_flow[direction] = Some(item.time);
        }
        self.suspicion[direction].add(item, edges.now, edges.longest_ms);
        if outside <= 2 && item.direction == Direction::Out {
            self.high_z[1] += u32::from(item.z8 >= HIGH_Z8);
            self.high_z[0] += u32::from(item.z8 >= HIGH_Z8 && outside <= 1);
            self.high_z_max = self.high_z_max.max(f32::from(item.z8) / 8.0);
        }
    }

    /// Turns "in this ring of windows" into "in this window".
    fn accumulate(&mut self) {
        for window in 1..WINDOWS {
            let inner = self.windows[window - 1];
            let outer = &mut self.windows[window];
            for direction in 0..2 {
                outer.count[direction] += inner.count[direction];
                outer.moved[direction] += inner.moved[direction];
                outer.sum[direction] += inner.sum[direction];
                outer.peers[direction] += inner.peers[direction];
            }
            outer.max = outer.max.max(inner.max);
            outer.declined += inner.declined;
            outer.devices += inner.devices;
        }
    }
}

/// Ids met so far, for at most 64 of them.
pub struct Seen {
    slots: [u32; 128],
}

impl Seen {
    pub fn new() -> Seen {
        Seen { slots: [NONE; 128] }
    }

    /// Whether the id is new; `NONE` never is.
    pub fn add(&mut self, id: u32) -> bool {
        if id == NONE {
            return false;
        }
        let mut at = Seen::home(id);
        loop {
            if self.slots[at] == id {
                return false;
            }
            if self.slots[at] == NONE {
                self.slots[at] = id;
                return true;
            }
            at = (at + 1) & 127;
        }
    }

    pub fn holds(&self, id: u32) -> bool {
        let mut at = Seen::home(id);
        while self.slots[at] != NONE {
            if self.slots[at] == id {
                return true;
            }
            at = (at + 1) & 127;
        }
        false
    }

    fn home(id: u32) -> usize {
        (id.wrapping_mul(0x9e37_79b9) >> 25) as usize
    }
}
