//! What a tenant does for its owner thread beyond deciding: commits in two halves, events without a
//! decision, snapshots written elsewhere.

use engine::ENGINE_SEMANTICS;
use event::record::{DecisionKind, Record};
use event::schema::Part;
use event::{EntityId, Event, Position, RoleIx};
use log::{Coverage, SnapshotJob, Synced, Unsynced};

use super::{Decided, Tenant};
use crate::guard::Urgency;
use crate::{Accepted, NodeError};

/// Another account that a decision saw through one of its event's entities: "shares device D with ...".
#[derive(Clone, Debug, PartialEq)]
pub struct Linked {
    pub role: RoleIx,
    pub id: EntityId,
    /// Other accounts among the decision's evidence that used the same entity.
    pub accounts: u32,
    /// How many of them had an event there that was known as fraud when the decision was taken.
    pub with_known_fraud: u32,
}

impl Tenant {
    pub fn next(&self) -> Position {
        self.journal.next()
    }

    pub fn committed(&self) -> Position {
        self.journal.committed()
    }

    /// Takes an event in without deciding it; it is history from then on.
    pub fn ingest(&mut self, event: Event) -> Result<Accepted, NodeError> {
        match self.journal.check_event(&event)? {
            Some(position) => Ok(Accepted::Duplicate(position)),
            None => {
                self.check_room_for_event(&event)?;
                Ok(Accepted::New(self.append(Record::Event(event))?))
            }
        }
    }

    /// Whether something applied is not yet written.
    pub fn has_pending(&self) -> bool {
        self.journal.pending_records() > 0
    }

    /// Records that are not yet written, and their bytes.
    pub fn pending(&self) -> (u64, u64) {
        let records = self.journal.pending_records();
        (u64::from(records), self.journal.pending_bytes() as u64)
    }

    pub fn is_nearly_full(&self) -> bool {
        self.journal.is_nearly_full()
    }

    pub fn write_behind(&mut self) -> Result<Option<Unsynced>, NodeError> {
        self.journal.write_behind()
    }

    pub fn synced(&mut self, synced: Synced) -> Result<Position, NodeError> {
        let committed = self.journal.synced(synced)?;
        self.watch_up_to(committed);
        Ok(committed)
    }

    /// Where a snapshot of the state at `position`, a committed one, will be written.
    pub fn snapshot_job(&mut self, position: Position) -> Result<SnapshotJob, NodeError> {
        let at = log::Position(position.0);
        Ok(self.journal.log().snapshot_job(at, ENGINE_SEMANTICS)?)
    }

    /// What looks through this log's snapshots for those that this build can start from.
    pub fn coverage(&mut self) -> Coverage {
        self.journal.log().coverage(ENGINE_SEMANTICS)
    }

    /// Adds the reasons of an approval that was decided just now. They are not in the log: who asks again
    /// gets the decision without them, and without the flag that says why there are none.
    pub fn explain(&mut self, decided: &mut Decided, urgency: Urgency) {
        if !decided.duplicate && decided.decision.verdict == DecisionKind::Approve {
            self.give_reasons(&mut decided.decision, urgency);
        }
    }

    /// Whom a decision that is no approval saw through its event's entities. Read from the evidence that
    /// was stored with it, so that asking again, or after a restart, tells the same.
    pub fn links(&mut self, decided: &Decided) -> Result<Vec<Linked>, NodeError> {
        let seen = self.looked_at(decided)?;
        let mut known = Vec::with_capacity(seen.len());
        for (position, other) in &seen {
            let fraud = self
                .journal
                .known_fraud_before(other, *position, decided.position)?;
            known.push(fraud);
        }
        self.linked(decided, &seen, &known)
    }

    /// The same of the decision taken last: its sample knows which of the evidence was known fraud, and nothing is
    /// looked for in the log.
    pub fn links_of_latest(&mut self, decided: &Decided) -> Result<Vec<Linked>, NodeError> {
        if decided.duplicate {
            return self.links(decided);
        }
        let seen = self.looked_at(decided)?;
        let frauds = &self.sample.evidence[..self.sample.evidence_frauds];
        let known: Vec<bool> = seen.iter().map(|(at, _)| frauds.contains(at)).collect();
        self.linked(decided, &seen, &known)
    }

    /// The events of a decision's evidence that are still in the log; of an approval none.
    fn looked_at(&mut self, decided: &Decided) -> Result<Vec<(Position, Event)>, NodeError> {
        match decided.decision.verdict {
            DecisionKind::Approve => Ok(Vec::new()),
            _ => self.journal.events_at(&decided.decision.evidence),
        }
    }

    fn linked(
        &mut self,
        decided: &Decided,
        seen: &[(Position, Event)],
        known: &[bool],
    ) -> Result<Vec<Linked>, NodeError> {
        let subject = self.schema().part(Part::Subject);
        let (Some(subject), false) = (subject, seen.is_empty()) else {
            return Ok(Vec::new());
        };
        let Some(event) = self.journal.event_at(decided.position)? else {
            return Ok(Vec::new());
        };
        let own = event.entity(subject);
        let mut links = Vec::new();
        for (role, id) in event.entities.iter().filter(|(role, _)| *role != subject) {
            // (account, whether one of its events there was known fraud)
            let mut accounts: Vec<(&EntityId, bool)> = Vec::new();
            for ((_, other), fraud) in seen.iter().zip(known) {
                let (Some(account), true) =
                    (other.entity(subject), other.entity(*role) == Some(id))
                else {
                    continue;
                };
                if Some(account) == own {
                    continue;
                }
                match accounts.iter_mut().find(|(held, _)| *held == account) {
                    Some((_, known)) => *known |= fraud,
                    None => accounts.push((account, *fraud)),
                }
            }
            if !accounts.is_empty() {
                links.push(Linked {
                    role: *role,
                    id: id.clone(),
                    accounts: accounts.len() as u32,
                    with_known_fraud: accounts.iter().filter(|(_, fraud)| *fraud).count() as u32,
                });
            }
        }
        Ok(links)
    }
}
