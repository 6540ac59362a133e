//! The graph as it stands now, for people: one entity, what is around it, what was decided for it.
//! Every question has a bound, because it is answered on the thread that decides.

use std::collections::{BTreeMap, BTreeSet};

use event::record::Decision;
use event::schema::Part;
use event::{Event, EventTime, EventTypeIx, KindIx, Position, RoleIx, Span};

use super::Tenant;
use crate::NodeError;

/// One entity, with its latest interactions, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityView {
    pub kind: KindIx,
    pub id: String,
    pub first_seen: EventTime,
    pub last_seen: EventTime,
    pub events: u32,
    pub frauds_known: u32,
    pub legitimate_known: u32,
    pub is_hub: bool,
    pub interactions: Vec<Seen>,
}

/// An event as its entity remembers it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub position: Position,
    pub time: EventTime,
    pub event_type: EventTypeIx,
    pub role: RoleIx,
    pub peer: Option<(KindIx, String)>,
    /// Base currency, major units.
    pub amount: Option<f32>,
}

/// Entities within some steps of one, by shared events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbourhood {
    /// The entity asked for comes first.
    pub nodes: Vec<Around>,
    pub links: Vec<Link>,
    /// A bound was reached: there is more than is shown.
    pub cut: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Around {
    pub kind: KindIx,
    pub id: String,
    /// Steps from the entity asked for.
    pub depth: u8,
    pub events: u32,
    pub frauds_known: u32,
}

/// Two entities, by their place in `nodes`, and the events in which both took part, of those looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub from: usize,
    pub to: usize,
    pub events: u32,
}

/// An account's decided event.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub position: Position,
    pub event: Event,
    pub decision: Decision,
}

/// A page of an account's decisions, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub decisions: Vec<Listed>,
    /// Where the next page begins.
    pub next: Option<Position>,
}

pub const DEPTH_MAX: u8 = 2;
/// Shared events by pair of places: an event is met from both of its ends.
type Links = BTreeMap<(usize, usize), BTreeSet<Position>>;

/// Bounds of one look around: 24 x 8 records are read at most, about a millisecond.
const NODES_MAX: usize = 128;
const EXPANDED_MAX: usize = 24;
const EVENTS_PER_NODE: usize = 8;
pub const PAGE_MAX: usize = 50;
/// Decisions that are read for one page, which has those of late events and of other times among them.
const EXAMINED_MAX: usize = 200;

impl Tenant {
    /// `None`: unknown, or idle for longer than the schema's `time.idle_expiry`.
    pub fn entity(&self, kind: KindIx, id: &str) -> Option<EntityView> {
        let graph = self.engine.graph();
        let view = graph.view(kind, id)?;
        let interactions = view.interactions.iter().rev().map(|item| Seen {
            position: item.position(),
            time: item.time,
            event_type: item.event_type(),
            role: item.role(),
            peer: graph.peer(item).map(|(kind, name)| (kind, name.to_owned())),
            amount: Some(item.amount).filter(|amount| !amount.is_nan()),
        });
        Some(EntityView {
            kind,
            id: view.name.to_owned(),
            first_seen: view.first_seen,
            last_seen: view.last_seen,
            events: view.events,
            frauds_known: view.frauds_known,
            legitimate_known: view.legitimate_known,
            is_hub: view.is_hub,
            interactions: interactions.collect(),
        })
    }

    /// What is around an entity, to `depth` steps, nearest first.
    pub fn neighbours(
        &mut self,
        kind: KindIx,
        id: &str,
        depth: u8,
    ) -> Result<Option<Neighbourhood>, NodeError> {
        let mut found = Neighbourhood::default();
        let mut places: BTreeMap<(u8, String), usize> = BTreeMap::new();
        let Some(first) = self.around(kind, id, 0) else {
            return Ok(None);
        };
        places.insert((kind.0, id.to_owned()), 0);
        found.nodes.push(first);
        let mut links = Links::new();
        let mut at = 0;
        while at < found.nodes.len() && found.nodes[at].depth < depth.min(DEPTH_MAX) {
            if at == EXPANDED_MAX {
                found.cut = true;
                break;
            }
            self.expand(at, &mut found, &mut places, &mut links)?;
            at += 1;
        }
        found.links = links
            .into_iter()
            .map(|((from, to), events)| Link {
                from,
                to,
                events: events.len() as u32,
            })
            .collect();
        Ok(Some(found))
    }

    fn expand(
        &mut self,
        at: usize,
        found: &mut Neighbourhood,
        places: &mut BTreeMap<(u8, String), usize>,
        links: &mut Links,
    ) -> Result<(), NodeError> {
        let (kind, depth) = (found.nodes[at].kind, found.nodes[at].depth);
        let Some(view) = self.engine.graph().view(kind, &found.nodes[at].id) else {
            return Ok(());
        };
        found.cut |= view.interactions.len() > EVENTS_PER_NODE;
        let newest = view.interactions.iter().rev().take(EVENTS_PER_NODE);
        let positions: Vec<Position> = newest.map(|item| item.position()).collect();
        for (position, event) in self.journal.events_at(&positions)? {
            for (role, id) in &event.entities {
                let kind = self.schema().roles[role.index()].kind;
                let key = (kind.0, id.as_str().to_owned());
                let place = match places.get(&key) {
                    Some(place) => *place,
                    None if found.nodes.len() == NODES_MAX => {
                        found.cut = true;
                        continue;
                    }
                    None => {
                        let Some(node) = self.around(kind, id.as_str(), depth + 1) else {
                            continue;
                        };
                        found.nodes.push(node);
                        places.insert(key, found.nodes.len() - 1);
                        found.nodes.len() - 1
                    }
                };
                if place != at {
                    let pair = (at.min(place), at.max(place));
                    links.entry(pair).or_default().insert(position);
                }
            }
        }
        Ok(())
    }

    fn around(&self, kind: KindIx, id: &str, depth: u8) -> Option<Around> {
        let view = self.engine.graph().view(kind, id)?;
        Some(Around {
            kind,
            id: id.to_owned(),
            depth,
            events: view.events,
            frauds_known: view.frauds_known,
        })
    }

    /// What was decided for an account, newest first in the order of the log, of events from `from` on and
    /// before position `before`, as far back as the log reaches. A page may hold less than `limit` and still have
    /// a next one: what is read for one is bounded.
    pub fn decisions_of(
        &mut self,
        account: &str,
        from: EventTime,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, NodeError> {
        let mut page = Page::default();
        let Some(subject) = self.schema().part(Part::Subject) else {
            return Ok(page);
        };
        // A decision is stamped by the clock, which its event may be ahead of.
        let since = from.minus(Span::MAX_FUTURE);
        let before = before.unwrap_or(self.next());
        let limit = limit.min(PAGE_MAX);
        let found = self
            .journal
            .decisions_for(account, since, before, EXAMINED_MAX)?;
        for at in found.positions {
            if page.decisions.len() == limit {
                page.next = page.decisions.last().map(|listed| listed.position);
                return Ok(page);
            }
            let Some((position, decision, event)) = self.journal.decided_at(Position(at.0))? else {
                continue;
            };
            let is_its = event
                .entity(subject)
                .is_some_and(|held| held.as_str() == account);
            if is_its && event.event_timestamp >= from {
                page.decisions.push(Listed {
                    position,
                    event,
                    decision,
                });
            }
        }
        page.next = found.rest.map(|rest| Position(rest.0));
        Ok(page)
    }
}
