//! Who works on a case: a claim holds for a time, so that nobody sits on a case by going home.

use event::EventTime;

use super::{Action, Actor, Doing};
use crate::case::{self, Case};
use crate::error::{CaseworkError, Refused};
use crate::queue::{Claimable, next_claimable};
use crate::store::{Casework, begin, read_settings};

impl Casework {
    /// The case at the head of the queue that the actor may take, claimed; `None`: there is none.
    pub fn claim_next(
        &mut self,
        actor: &Actor,
        which: &Claimable,
        now: EventTime,
    ) -> Result<Option<Case>, CaseworkError> {
        let base = self.base;
        let tx = begin(&mut self.db)?;
        let settings = read_settings(&tx, base)?;
        let Some(id) = next_claimable(&tx, &actor.name, which, now)? else {
            return Ok(None);
        };
        let doing = Doing {
            db: &tx,
            settings: &settings,
            actor,
            now,
        };
        // The transaction is alone: the case that was found is the case that is claimed.
        let mut case = case::must_find(&tx, id)?;
        doing.change(&mut case, &Action::Claim)?;
        tx.commit()?;
        Ok(Some(case))
    }
}

impl Doing<'_> {
    pub(super) fn claim(&self, case: &mut Case) -> Result<(), CaseworkError> {
        let me = &self.actor.name;
        match case.holder_at(self.now) {
            Some((holder, until)) if holder != me => {
                let holder = holder.to_owned();
                return Err(Refused::Held {
                    id: case.id,
                    holder,
                    until,
                }
                .into());
            }
            _ => {}
        }
        if let Some(assignee) = case.assignee.as_ref().filter(|assignee| *assignee != me) {
            let assignee = assignee.clone();
            return Err(Refused::AssignedToOther {
                id: case.id,
                assignee,
            }
            .into());
        }
        let sql = "SELECT COUNT(*) FROM cases WHERE holder = ?1 AND held_until > ?2 AND id <> ?3";
        let held: i64 = self
            .db
            .prepare_cached(sql)?
            .query_row((me, self.now.millis(), case.id), |row| row.get(0))?;
        if held >= i64::from(self.settings.claims.claims_max) {
            return Err(Refused::TooManyClaims { held }.into());
        }
        case.holder = Some(me.clone());
        case.held_until = Some(self.now.plus(self.settings.claims.lock));
        case.snoozed_until = None;
        Ok(())
    }

    pub(super) fn release(&self, case: &mut Case) -> Result<(), CaseworkError> {
        if !self.actor.is_admin || case.holder_at(self.now).is_none() {
            self.must_hold(case)?;
        }
        case.holder = None;
        case.held_until = None;
        Ok(())
    }
}
