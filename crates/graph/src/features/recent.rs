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

    /// Before this time no window and no delay-shifted window reaches.
    fn oldest(&self) -> EventTime {
        self.begin[WINDOWS - 1].min(self.mature_begin[WINDOWS - 1])
    }
}

/// Windows by index, shortest first, that a walk towards older interactions has left behind.
#[derive(Clone, Copy, Default)]
struct Left {
    windows: usize,
    matured: usize,
}

impl Left {
    /// How many of the windows the interaction is too old for. Windows grow, so the walk only moves on.
    fn windows(&mut self, item: &Interaction, edges: &Edges) -> usize {
        while self.windows < WINDOWS && item.time <= edges.begin[self.windows] {
            self.windows += 1;
        }
        self.windows
    }

    fn matured(&mut self, item: &Interaction, edges: &Edges) -> usize {
        while self.matured < WINDOWS && item.time < edges.mature_begin[self.matured] {
            self.matured += 1;
        }
        self.matured
    }
}

/// What is asked for beyond counts: only some roles have features made of it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub devices: bool,
    /// Signs, high z-scores and the last flows.
    pub signs: bool,
}

impl Recent {
    /// What the log already holds but is dated later than `now` counts as now.
    pub fn of(graph: &Graph, node: u32, edges: &Edges, wanted: Wanted, met: &mut Met) -> Recent {
        let mut recent = Recent::default();
        if node == NONE {
            return recent;
        }
        let items = graph.remembered(node);
        let node = graph.nodes.get(node);
        if node.hub == NONE {
            recent.scan(items, edges, wanted, met);
            recent.accumulate();
            return recent;
        }
        recent.scan_signs(items, edges, wanted);
        let hub = graph.hubs.get(node.hub);
        recent.windows = hub.windows(&edges.hub, wanted.devices);
        for (matured, (from, to)) in recent.matured.iter_mut().zip(edges.days) {
            *matured = hub.days_between(from, to) as f32;
        }
        recent
    }

    /// Everything, from a ring that holds all there is. Newest first, as the ring is ordered by time.
    fn scan(&mut self, items: &[Interaction], edges: &Edges, wanted: Wanted, met: &mut Met) {
        let Met { peers, devices } = met;
        peers.iter_mut().for_each(|it| it.reset(items.len()));
        devices.reset(items.len());
        let oldest = edges.oldest();
        let mut left = Left::default();
        for item in items.iter().rev() {
            if item.time < oldest {
                break;
            }
            if item.time < edges.mature_end {
                let window = left.matured(item, edges);
                if window < WINDOWS {
                    self.matured[window] += 1.0;
                }
            }
            let window = left.windows(item, edges);
            if window == WINDOWS {
                continue;
            }
            self.note(item, window, edges, wanted);
            let at = &mut self.windows[window];
            let direction = item.direction as usize;
            let flow = item.flow();
            at.count[direction] += 1;
            at.moved[direction] += u32::from(item.paid().is_some());
            at.sum[direction] += flow;
            at.max = at.max.max(flow);
            at.declined += u32::from(item.has(state::DECLINED));
            at.peers[direction] += f32::from(u8::from(peers[direction].add(item.peer)));
            if wanted.devices {
                at.devices += f32::from(u8::from(devices.add(item.device)));
            }
        }
    }

    /// What no hub counts: the signs of the interactions that the ring still holds.
    fn scan_signs(&mut self, items: &[Interaction], edges: &Edges, wanted: Wanted) {
        let mut left = Left::default();
        for item in items.iter().rev() {
            let window = left.windows(item, edges);
            if window == WINDOWS {
                break;
            }
            self.note(item, window, edges, wanted);
        }
    }

    fn note(&mut self, item: &Interaction, outside: usize, edges: &Edges, wanted: Wanted) {
        let direction = item.direction as usize;
        if item.suspicion != 0 {
            let score = f32::from(item.suspicion) / 65_535.0;
            let age = edges.now.since(item.time).millis().max(0) as f32;
            let held = &mut self.suspicion[direction];
            held.max = held.max.max(score);
            held.sum += score;
            held.count += 1;
            held.faded = held
                .faded
                .max(score * (1.0 - age / edges.longest_ms).max(0.0));
        }
        if !wanted.signs {
            return;
        }
        let bearing = &mut self.by_direction[direction];
        let sign = |bit: u8| u32::from(item.signs & bit != 0);
        bearing.count += 1;
        bearing.new_pair += sign(signs::NEW_PAIR);
        bearing.quiet_peer += sign(signs::QUIET_PEER);
        bearing.amount_match += sign(signs::AMOUNT_MATCH);
        if item.moved() && self.last_flow[direction].is_none() {
            self.last_flow[direction] = Some(item.time);
        }
        if outside <= 2 && item.direction == Direction::Out {
            self.high_z[1] += u32::from(item.z8 >= HIGH_Z8);
            self.high_z[0] += u32::from(item.z8 >= HIGH_Z8 && outside <= 1);
            self.high_z_max = self.high_z_max.max(f32::from(item.z8) / 8.0);
        }
    }

    /// Turns "in this ring of windows" into "in this window".
    fn accumulate(&mut self) {
        for window in 1..WINDOWS {
            self.matured[window] += self.matured[window - 1];
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

/// Who and what a node has met, while its interactions are counted.
#[derive(Clone, Debug, Default)]
pub struct Met {
    peers: [Seen; 2],
    devices: Seen,
}

/// Ids met so far, for at most 64 of them.
#[derive(Clone, Debug)]
pub struct Seen {
    slots: [u32; 128],
    /// Of the slots in use, a power of two of them.
    mask: usize,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen::new()
    }
}

impl Seen {
    pub fn new() -> Seen {
        Seen {
            slots: [NONE; 128],
            mask: 127,
        }
    }

    /// Forgets everything and makes room for so many ids: clearing half a KiB for three ids costs more
    /// than finding them.
    fn reset(&mut self, ids: usize) {
        self.mask = (2 * ids).next_power_of_two().min(self.slots.len()) - 1;
        self.slots[..=self.mask].fill(NONE);
    }

    /// Whether the id is new; `NONE` never is.
    pub fn add(&mut self, id: u32) -> bool {
        if id == NONE {
            return false;
        }
        let mut at = self.home(id);
        loop {
            if self.slots[at] == id {
                return false;
            }
            if self.slots[at] == NONE {
                self.slots[at] = id;
                return true;
            }
            at = (at + 1) & self.mask;
        }
    }

    pub fn holds(&self, id: u32) -> bool {
        let mut at = self.home(id);
        while self.slots[at] != NONE {
            if self.slots[at] == id {
                return true;
            }
            at = (at + 1) & self.mask;
        }
        false
    }

    fn home(&self, id: u32) -> usize {
        (id.wrapping_mul(0x9e37_79b9) >> 25) as usize & self.mask
    }
}
