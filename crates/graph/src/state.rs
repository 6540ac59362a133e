//! The graph's state and what can be asked of it. Only [`crate::fold`] changes it.

use event::schema::{
    ATTRIBUTES_MAX, Domain, EventClass, Meaning, Part, ROLES_MAX, Simultaneous, WINDOWS,
};
use event::{AttributeIx, Event, EventTime, EventTypeIx, KindIx, Position, RoleIx, Schema, Span};

use std::collections::VecDeque;

use crate::category::Categories;
use crate::fold::Waiting;
use crate::hub::{Hub, HubClock};
use crate::interaction::Interaction;
use crate::interner::{NameTable, Names, name_hash};
use crate::known::{Known, day_length};
use crate::node::{Amounts, Node, Profile};
use crate::pair::PairTable;
use crate::ring::Rings;
use crate::slab::{NONE, Slab};

/// Nodes of an event by role; `NONE` where the role is absent or its entity unknown.
pub type RoleNodes = [u32; ROLES_MAX];

/// Kind of a node slot that holds no entity.
pub const FREE_KIND: u8 = u8::MAX;

/// Events whose decision may still come; older ones have been decided or never will be.
pub const UNDECIDED_MAX: usize = 1024;

/// An event with what the engine adds to it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub event: &'a Event,
    pub position: Position,
    /// Base currency, major units; `None` without an amount or an exchange rate.
    pub amount: Option<f32>,
}

/// What the schema means to the graph, looked up once.
#[derive(Clone, Debug)]
pub struct Plan {
    pub schema: Schema,
    pub subject: RoleIx,
    pub counterparty: Option<RoleIx>,
    pub device: Option<RoleIx>,
    /// Counterparties are accounts themselves: money can travel on and come back.
    pub transfers: bool,
    pub latitude: Option<AttributeIx>,
    pub longitude: Option<AttributeIx>,
    pub balance: Option<AttributeIx>,
    pub counterparty_balance: Option<AttributeIx>,
    pub cohort: Option<AttributeIx>,
    pub windows: [Span; WINDOWS],
    pub clock: HubClock,
    pub hidden: bool,
}

impl Plan {
    fn new(schema: &Schema) -> Plan {
        let subject = schema.part(Part::Subject).unwrap_or(RoleIx(0));
        let counterparty = schema.part(Part::Counterparty);
        let kind = |role: RoleIx| schema.roles[role.index()].kind;
        let windows = schema.time.windows;
        Plan {
            subject,
            counterparty,
            device: schema.part(Part::Device),
            transfers: counterparty.is_some_and(|role| kind(role) == kind(subject)),
            latitude: schema.meaning(Meaning::Latitude),
            longitude: schema.meaning(Meaning::Longitude),
            balance: schema.meaning(Meaning::BalanceBefore),
            counterparty_balance: schema.meaning(Meaning::CounterpartyBalanceBefore),
            cohort: schema.meaning(Meaning::Cohort),
            windows,
            clock: HubClock {
                windows,
                day_length: day_length(windows[WINDOWS - 1]),
            },
            hidden: schema.time.simultaneous == Simultaneous::Hidden,
            schema: schema.clone(),
        }
    }

    pub fn class(&self, event_type: EventTypeIx) -> EventClass {
        self.schema.event_types[event_type.index()].class
    }

    pub fn longest(&self) -> Span {
        self.windows[WINDOWS - 1]
    }
}

/// Totals of the whole graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    pub fraud_known: u64,
    pub legitimate_known: u64,
    /// Labels past the horizon: counted, not applied.
    pub labels_too_late: u64,
    /// Events that came so late that no window could take them.
    pub events_past_windows: u64,
    /// Events of which a producer said something.
    pub suspicions: u64,
}

#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) plan: Plan,
    /// The latest event time seen; never goes back.
    pub(crate) now: EventTime,
    pub(crate) counts: Counts,
    pub(crate) names: Names,
    pub(crate) name_table: NameTable,
    pub(crate) nodes: Slab<Node>,
    pub(crate) rings: Rings,
    pub(crate) hubs: Slab<Hub>,
    pub(crate) known: Slab<Known>,
    pub(crate) profiles: Slab<Profile>,
    pub(crate) pairs: PairTable,
    pub(crate) categories: Vec<Option<Categories>>,
    /// Amounts per event type (first 16 entries), then per cohort value.
    pub(crate) cohorts: Vec<Amounts>,
    /// Events of the current instant, when the schema hides simultaneous events from each other.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) undecided: VecDeque<(Position, RoleNodes)>,
    /// Where the sampled event's nodes probably are, for its fold; keyed by the event's id. A hint only.
    pub(crate) sampled: (u64, RoleNodes),
    pub(crate) node_hand: u32,
    pub(crate) pair_hand: (u32, u32),
}

/// One entity as a person wants to see it.
#[derive(Clone, Debug)]
pub struct NodeView<'a> {
    pub kind: KindIx,
    pub name: &'a str,
    pub first_seen: EventTime,
    pub last_seen: EventTime,
    pub events: u32,
    pub frauds_known: u32,
    pub legitimate_known: u32,
    pub is_hub: bool,
    /// Oldest first.
    pub interactions: &'a [Interaction],
}

impl Graph {
    pub fn new(schema: &Schema) -> Graph {
        let categories = schema
            .attributes
            .iter()
            .map(|attribute| match attribute.domain {
                Domain::Categorical { max_values } if attribute.meaning != Meaning::Stored => {
                    Some(Categories::new(max_values))
                }
                _ => None,
            });
        let categories: Vec<Option<Categories>> = categories.collect();
        debug_assert!(categories.len() <= ATTRIBUTES_MAX);
        Graph {
            plan: Plan::new(schema),
            now: EventTime::MIN,
            counts: Counts::default(),
            names: Names::new(),
            name_table: NameTable::new(),
            nodes: Slab::new(),
            rings: Rings::new(),
            hubs: Slab::new(),
            known: Slab::new(),
            profiles: Slab::new(),
            pairs: PairTable::new(),
            categories,
            cohorts: Vec::new(),
            waiting: Vec::new(),
            undecided: VecDeque::new(),
            sampled: (0, [NONE; ROLES_MAX]),
            node_hand: 0,
            pair_hand: (0, 0),
        }
    }

    pub fn schema(&self) -> &Schema {
        &self.plan.schema
    }

    /// The latest event time folded in.
    pub fn now(&self) -> EventTime {
        self.now
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether an event of that time comes too late for every window.
    pub fn is_past_windows(&self, time: EventTime) -> bool {
        self.now.since(time) > self.plan.longest()
    }

    /// Entities held now, expired ones that are not yet reclaimed included.
    pub fn entities(&self) -> usize {
        self.nodes.live()
    }

    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    pub fn hubs(&self) -> usize {
        self.hubs.live()
    }

    /// One entity as it stands; `None` when it is unknown or expired.
    pub fn view(&self, kind: KindIx, name: &str) -> Option<NodeView<'_>> {
        let ix = self.find(kind, name);
        if ix == NONE {
            return None;
        }
        let node = self.nodes.get(ix);
        let known = (node.known != NONE).then(|| self.known.get(node.known));
        Some(NodeView {
            kind,
            name: self.name(ix),
            first_seen: node.first_seen,
            last_seen: node.last_seen,
            events: node.events,
            frauds_known: known.map_or(0, |known| known.fraud_total),
            legitimate_known: known.map_or(0, |known| known.legitimate_total),
            is_hub: node.hub != NONE,
            interactions: self.remembered(ix),
        })
    }

    /// What the number of a categorical attribute's feature stands for.
    pub fn category_name(&self, attribute: AttributeIx, code: usize) -> Option<&str> {
        let values = self.categories.get(usize::from(attribute.0))?.as_ref()?;
        Some(&values.values().get(code)?.name)
    }

    /// Kind and name of the node on the other end of an interaction of [`NodeView::interactions`].
    pub fn peer(&self, item: &Interaction) -> Option<(KindIx, &str)> {
        let alive = item.peer != NONE && self.is_alive(item.peer);
        alive.then(|| (KindIx(self.nodes.get(item.peer).kind), self.name(item.peer)))
    }

    pub(crate) fn name(&self, node: u32) -> &str {
        std::str::from_utf8(self.names.bytes(self.nodes.get(node).name)).unwrap_or_default()
    }

    /// The node's index, or `NONE` when it is unknown or has expired.
    pub(crate) fn find(&self, kind: KindIx, name: &str) -> u32 {
        let ix = self.find_slot(kind, name);
        if ix != NONE && self.is_alive(ix) {
            ix
        } else {
            NONE
        }
    }

    pub(crate) fn find_slot(&self, kind: KindIx, name: &str) -> u32 {
        let hash = name_hash(kind, name);
        let tag = (hash >> 32) as u32;
        let found = self.name_table.find(hash, |slot| {
            slot.tag == tag && self.is_named(slot.node, kind, name)
        });
        found.map_or(NONE, |slot| slot.node)
    }

    /// Expiry is this predicate and nothing else; the sweep only returns memory.
    pub(crate) fn is_alive(&self, node: u32) -> bool {
        let node = self.nodes.get(node);
        node.kind != FREE_KIND && !self.is_stale(node.touched)
    }

    /// A node's interactions that are not forgotten, oldest first.
    ///
    /// Only in these may `peer` and `device` be followed: what they point to was touched no earlier, so its
    /// index cannot have been reclaimed and given to another entity.
    pub(crate) fn remembered(&self, ix: u32) -> &[Interaction] {
        if ix == NONE {
            return &[];
        }
        let items = self.rings.items(self.nodes.get(ix).ring);
        let first = items.iter().position(|item| !self.is_stale(item.time));
        &items[first.unwrap_or(items.len())..]
    }

    pub(crate) fn is_stale(&self, touched: EventTime) -> bool {
        self.now.since(touched) > self.plan.schema.time.idle_expiry
    }

    /// The nodes of an event; `guessed` are those of [`Graph::warm`].
    pub(crate) fn role_nodes(&self, event: &Event, guessed: &RoleNodes) -> RoleNodes {
        let mut nodes = [NONE; ROLES_MAX];
        for (role, id) in &event.entities {
            let kind = self.plan.schema.roles[role.index()].kind;
            let guess = guessed[role.index()];
            nodes[role.index()] = if guess == NONE || self.is_named(guess, kind, id.as_str()) {
                guess
            } else {
                self.find_slot(kind, id.as_str())
            };
        }
        nodes.map(|ix| {
            if ix != NONE && self.is_alive(ix) {
                ix
            } else {
                NONE
            }
        })
    }

    pub(crate) fn is_named(&self, ix: u32, kind: KindIx, name: &str) -> bool {
        let node = self.nodes.get(ix);
        node.kind == kind.0 && self.names.bytes(node.name) == name.as_bytes()
    }

    /// The node whose name has this hash, most probably.
    pub(crate) fn guess(&self, kind: KindIx, name: &str) -> u32 {
        let hash = name_hash(kind, name);
        let tag = (hash >> 32) as u32;
        let found = self.name_table.find(hash, |slot| slot.tag == tag);
        found.map_or(NONE, |slot| slot.node)
    }

    /// Share of known labels that are fraud over the whole tenant, with a weak prior of 1 %.
    pub(crate) fn base_rate(&self) -> f32 {
        let fraud = self.counts.fraud_known as f32;
        let known = match self.plan.schema.labels.legitimate {
            event::schema::Legitimate::Explicit => fraud + self.counts.legitimate_known as f32,
            event::schema::Legitimate::Presumed => self.counts.events as f32,
        };
        (fraud + 1.0) / (known + 100.0)
    }
}
