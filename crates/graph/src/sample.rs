//! What a model sees of one event: plain arrays of fixed shape.
//!
//! Values are finite, or the one canonical NaN that marks a missing tabular value. Sequence and
//! neighbourhood hold no NaN; unused steps and slots are all zero and counted out by their lengths.

use event::schema::{RING_MAX, ROLES_MAX};
use event::{Event, Position};

use crate::features::recent::{Edges, Met, Recent, Wanted};
use crate::features::squash::squash;
use crate::features::{self, MISSING, Moment, hours};
use crate::interaction::{Direction, Interaction, state};
use crate::slab::NONE;
use crate::state::Graph;

/// Steps of the sequence: the subject's last events.
pub const STEPS: usize = 64;
const _: () = assert!(STEPS >= RING_MAX as usize);
pub const STEP_WIDTH: usize = 14;
pub use crate::ring::NEIGHBOURS;
pub const EDGE_WIDTH: usize = 8;
pub const NODE_WIDTH: usize = 8;
pub const NEIGHBOUR_WIDTH: usize = EDGE_WIDTH + NODE_WIDTH;
/// Positions kept as evidence for a decision that is not approve.
pub const EVIDENCE_MAX: usize = 16;

/// Column names of a sequence step.
pub const STEP_COLUMNS: [&str; STEP_WIDTH] = [
    "age",
    "gap",
    "recent",
    "amount",
    "direction",
    "event_type",
    "same_peer",
    "same_device",
    "amount_z",
    "declined",
    "label",
    "suspicion",
    "new_pair",
    "new_device",
];

/// Column names of a neighbour: the edge, then the node on its other end.
pub const NEIGHBOUR_COLUMNS: [&str; NEIGHBOUR_WIDTH] = [
    "age",
    "amount",
    "direction",
    "label",
    "declined",
    "suspicion",
    "new_pair",
    "is_subject",
    "peer_events",
    "peer_tenure",
    "peer_idle",
    "peer_frauds",
    "peer_in",
    "peer_out",
    "peer_amount_mean",
    "peer_is_hub",
];

const STEP_SUSPICION: usize = 11;
const NEIGHBOUR_SUSPICION: usize = 5;
const _: () = {
    assert!(matches!(
        STEP_COLUMNS[STEP_SUSPICION].as_bytes(),
        b"suspicion"
    ));
    assert!(matches!(
        NEIGHBOUR_COLUMNS[NEIGHBOUR_SUSPICION].as_bytes(),
        b"suspicion"
    ));
};

/// Reused between events: filling it allocates nothing once it is warm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// One value per feature of the list.
    pub tabular: Vec<f32>,
    /// `STEPS` x `STEP_WIDTH`, oldest first, the used steps first.
    pub sequence: Vec<f32>,
    pub steps: usize,
    /// Summary of each role's own entity, roles x `NODE_WIDTH`.
    pub entities: Vec<f32>,
    /// Roles x `NEIGHBOURS` x `NEIGHBOUR_WIDTH`, newest first.
    pub neighbourhood: Vec<f32>,
    pub neighbours: [u8; ROLES_MAX],
    /// Interactions a person would want to see, newest first.
    pub evidence: Vec<Position>,
    /// How many of them are known frauds; they come first.
    pub evidence_frauds: usize,
    recent: Vec<Recent>,
    met: Met,
}

// `Recent` and `Met` are scratch: two samples are equal when their arrays are.
impl PartialEq for Recent {
    fn eq(&self, _: &Recent) -> bool {
        true
    }
}

impl PartialEq for Met {
    fn eq(&self, _: &Met) -> bool {
        true
    }
}

/// How much of a sample is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleParts {
    /// Features only, as trees use them; the other arrays are left empty.
    Tabular,
    /// Features, sequence and neighbourhood.
    Full,
}

impl Sample {
    fn clear_arrays(&mut self) {
        self.sequence.clear();
        self.steps = 0;
        self.entities.clear();
        self.neighbourhood.clear();
        self.neighbours = [0; ROLES_MAX];
        self.evidence.clear();
        self.evidence_frauds = 0;
    }

    /// The arrays of another sample, without its evidence. Allocates nothing once these are as large.
    pub fn copy_from(&mut self, other: &Sample, parts: SampleParts) {
        self.clear_arrays();
        self.tabular.clone_from(&other.tabular);
        if parts == SampleParts::Full {
            self.sequence.clone_from(&other.sequence);
            self.steps = other.steps;
            self.entities.clone_from(&other.entities);
            self.neighbourhood.clone_from(&other.neighbourhood);
            self.neighbours = other.neighbours;
        }
    }

    /// As it would be, had no producer spoken: a model without one reads it so. `features` are those of the group
    /// [`FeatureGroup::Suspicion`](crate::FeatureGroup::Suspicion).
    pub fn forget_suspicion(&mut self, features: &[usize]) {
        for at in features {
            self.tabular[*at] = MISSING;
        }
        for step in self.sequence.as_chunks_mut::<STEP_WIDTH>().0 {
            step[STEP_SUSPICION] = 0.0;
        }
        for neighbour in self.neighbourhood.as_chunks_mut::<NEIGHBOUR_WIDTH>().0 {
            neighbour[NEIGHBOUR_SUSPICION] = 0.0;
        }
    }

    /// Every bit of the arrays, for comparisons that must be exact.
    pub fn bits(&self) -> Vec<u32> {
        let arrays = [
            &self.tabular,
            &self.sequence,
            &self.entities,
            &self.neighbourhood,
        ];
        let mut bits: Vec<u32> = arrays
            .into_iter()
            .flatten()
            .map(|value| value.to_bits())
            .collect();
        bits.push(self.steps as u32);
        bits.extend(self.neighbours.iter().map(|count| u32::from(*count)));
        bits.extend(
            self.evidence
                .iter()
                .flat_map(|it| [it.0 as u32, (it.0 >> 32) as u32]),
        );
        bits
    }
}

impl Graph {
    /// Samples an event that is about to be folded in: sees only what was folded before it.
    ///
    /// Event time is advanced to the event's first, exactly as folding it would.
    pub fn sample(
        &mut self,
        event: &Event,
        amount: Option<f32>,
        parts: SampleParts,
        sample: &mut Sample,
    ) {
        self.advance(event.event_timestamp);
        let guessed = self.warm(event);
        self.sampled = (event.event_id.key(), guessed);
        let nodes = self.role_nodes(event, &guessed);
        let edges = Edges::new(&self.plan, event.event_timestamp);
        let subject = self.plan.subject.index();
        let mut recent = std::mem::take(&mut sample.recent);
        recent.clear();
        let met = &mut sample.met;
        let counterparty = self.plan.counterparty.map(|role| role.index());
        recent.extend((0..self.plan.schema.roles.len()).map(|role| {
            let wanted = Wanted {
                devices: role == subject,
                signs: role == subject || Some(role) == counterparty,
            };
            Recent::of(self, nodes[role], &edges, wanted, met)
        }));
        let now = event.event_timestamp;
        let moment = Moment {
            graph: self,
            event,
            now,
            amount,
            nodes,
            edges: &edges,
            recent: &recent,
        };
        fill_tabular(&moment, &mut sample.tabular);
        match parts {
            SampleParts::Tabular => sample.clear_arrays(),
            SampleParts::Full => {
                fill_sequence(&moment, sample);
                fill_neighbourhood(&moment, sample);
                sample.evidence_frauds = fill_evidence(&moment, &mut sample.evidence);
            }
        }
        sample.recent = recent;
    }
}

fn fill_tabular(moment: &Moment<'_>, out: &mut Vec<f32>) {
    let schema = moment.graph.schema();
    let subject = moment.graph.plan.subject.index();
    let others = (0..schema.roles.len()).filter(|role| *role != subject);
    out.clear();
    features::transaction::fill(moment, out);
    for role in std::iter::once(subject).chain(others.clone()) {
        features::entity::fill(moment, role, &moment.recent[role], out);
    }
    features::subject::fill(moment, out);
    features::place::fill(moment, out);
    for role in others.clone() {
        features::pair::fill(moment, role, out);
    }
    features::flow::fill(moment, out);
    for role in std::iter::once(subject).chain(others) {
        features::neighbours::fill(moment, role, out);
    }
    features::habit::fill(moment, out);
    features::suspicion::fill(moment, out);
    for value in out.iter_mut() {
        // One NaN only, and nothing a model could overflow on.
        *value = if value.is_nan() {
            MISSING
        } else {
            value.clamp(-1e15, 1e15)
        };
    }
}

fn label_of(item: &Interaction) -> f32 {
    f32::from(u8::from(item.has(state::FRAUD))) - f32::from(u8::from(item.has(state::LEGITIMATE)))
}

fn sign(held: bool) -> f32 {
    f32::from(u8::from(held))
}

fn direction_of(item: &Interaction) -> f32 {
    if item.direction == Direction::Out {
        -1.0
    } else {
        1.0
    }
}

fn amount_of(item: &Interaction) -> f32 {
    squash(if item.amount.is_nan() {
        0.0
    } else {
        item.amount
    })
}

fn fill_sequence(moment: &Moment<'_>, sample: &mut Sample) {
    let graph = moment.graph;
    let time = &graph.schema().time;
    let subject = moment.nodes[graph.plan.subject.index()];
    let items = graph.remembered(subject);
    let from = moment.now.minus(time.sequence);
    let first = items.partition_point(|item| item.time <= from);
    let items = &items[first..];
    let at = |role: Option<event::RoleIx>| role.map_or(NONE, |role| moment.nodes[role.index()]);
    let (peer, device) = (at(graph.plan.counterparty), at(graph.plan.device));
    let recent = moment.now.minus(time.recent);
    sample.sequence.resize(STEPS * STEP_WIDTH, 0.0);
    sample.sequence[items.len() * STEP_WIDTH..].fill(0.0);
    let places = sample.sequence.chunks_exact_mut(STEP_WIDTH);
    for (step, (item, place)) in items.iter().zip(places).enumerate() {
        let gap = if step == 0 {
            0.0
        } else {
            hours(item.time, items[step - 1].time)
        };
        place.copy_from_slice(&[
            squash(hours(moment.now, item.time) * 60.0),
            squash(gap * 60.0),
            sign(item.time > recent),
            amount_of(item),
            direction_of(item),
            f32::from(item.event_type().0),
            sign(item.peer != NONE && item.peer == peer),
            sign(item.device != NONE && item.device == device),
            f32::from(item.z8) / 8.0,
            sign(item.has(state::DECLINED)),
            label_of(item),
            f32::from(item.suspicion) / 65_535.0,
            sign(item.signs & crate::interaction::signs::NEW_PAIR != 0),
            sign(item.signs & crate::interaction::signs::NEW_DEVICE != 0),
        ]);
    }
    sample.steps = items.len();
}

fn fill_neighbourhood(moment: &Moment<'_>, sample: &mut Sample) {
    let graph = moment.graph;
    let roles = graph.schema().roles.len();
    let subject = moment.nodes[graph.plan.subject.index()];
    sample.neighbours = [0; ROLES_MAX];
    let role_width = NEIGHBOURS * NEIGHBOUR_WIDTH;
    sample.neighbourhood.resize(roles * role_width, 0.0);
    sample.entities.resize(roles * NODE_WIDTH, 0.0);
    let entities = sample.entities.chunks_exact_mut(NODE_WIDTH);
    let blocks = sample.neighbourhood.chunks_exact_mut(role_width);
    let of_subject = summary(moment, subject);
    for (role, (entity, block)) in entities.zip(blocks).enumerate() {
        let ix = moment.nodes[role];
        entity.copy_from_slice(&summary(moment, ix));
        let items = graph.remembered(ix).iter().rev().take(NEIGHBOURS);
        sample.neighbours[role] = items.len() as u8;
        block[items.len() * NEIGHBOUR_WIDTH..].fill(0.0);
        // A card's or a device's interactions mostly lead to one account: its summary is made once.
        let mut last = (subject, of_subject);
        for (item, place) in items.zip(block.chunks_exact_mut(NEIGHBOUR_WIDTH)) {
            if item.peer != last.0 {
                last = (item.peer, summary(moment, item.peer));
            }
            place[..EDGE_WIDTH].copy_from_slice(&edge(moment, item, subject));
            place[EDGE_WIDTH..].copy_from_slice(&last.1);
        }
    }
}

/// Age and amount are squashed: they grow without bound.
fn edge(moment: &Moment<'_>, item: &Interaction, subject: u32) -> [f32; EDGE_WIDTH] {
    [
        squash(hours(moment.now, item.time) * 60.0),
        // Unknown is nothing: squashing takes NaN for 0.
        squash(item.amount),
        direction_of(item),
        label_of(item),
        sign(item.has(state::DECLINED)),
        f32::from(item.suspicion) / 65_535.0,
        sign(item.signs & crate::interaction::signs::NEW_PAIR != 0),
        sign(item.peer != NONE && item.peer == subject),
    ]
}

/// What a node shows of itself, squashed but for the mark of a hub; all from the hot half of its record.
fn summary(moment: &Moment<'_>, ix: u32) -> [f32; NODE_WIDTH] {
    if ix == NONE {
        return [0.0; NODE_WIDTH];
    }
    let node = moment.graph.nodes.get(ix);
    let hub = sign(node.hub != NONE);
    let mut row = [
        node.events as f32,
        hours(moment.now, node.first_seen),
        hours(moment.now, node.last_seen),
        f32::from(node.fraud_known),
        node.flow[1],
        node.flow[0],
        node.amounts.mean,
        0.0,
    ];
    // All of them: as a vector that costs less than leaving one out.
    for value in &mut row {
        *value = squash(*value);
    }
    row[NODE_WIDTH - 1] = hub;
    row
}

/// Known frauds near the event first, then the newest interactions of the rarer entities. How many are frauds.
fn fill_evidence(moment: &Moment<'_>, evidence: &mut Vec<Position>) -> usize {
    evidence.clear();
    let mut frauds = 0;
    for wanted_fraud in [true, false] {
        for ix in moment.nodes {
            let items = moment.graph.remembered(ix);
            for item in items.iter().rev().take(NEIGHBOURS) {
                if evidence.len() == EVIDENCE_MAX {
                    return frauds;
                }
                let position = item.position();
                if item.has(state::FRAUD) == wanted_fraud && !evidence.contains(&position) {
                    evidence.push(position);
                    frauds += usize::from(wanted_fraud);
                }
            }
        }
    }
    frauds
}
