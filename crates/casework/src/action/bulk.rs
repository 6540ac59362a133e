//! One action on many cases: each is done or refused by itself, all that are done are durable together.

use event::EventTime;

use super::{Action, Actor, Doing};
use crate::case::Case;
use crate::error::{CaseworkError, Refused};
use crate::store::{Casework, begin, read_settings};

pub const BULK_MAX: usize = 500;

impl Casework {
    /// `cases`: id and the version that the actor has seen. The results come in their order.
    pub fn bulk(
        &mut self,
        actor: &Actor,
        cases: &[(i64, i64)],
        action: &Action,
        now: EventTime,
    ) -> Result<Vec<Result<Case, Refused>>, CaseworkError> {
        if cases.is_empty() || cases.len() > BULK_MAX {
            let (max, got) = (BULK_MAX, cases.len());
            return Err(Refused::Bulk { max, got }.into());
        }
        let base = self.base;
        let mut tx = begin(&mut self.db)?;
        let settings = read_settings(&tx, base)?;
        let mut results = Vec::with_capacity(cases.len());
        for (id, version) in cases {
            let savepoint = tx.savepoint()?;
            let doing = Doing {
                db: &savepoint,
                settings: &settings,
                actor,
                now,
            };
            match doing.act(*id, *version, action) {
                Ok(case) => {
                    savepoint.commit()?;
                    results.push(Ok(case));
                }
                // Dropped uncommitted, the savepoint takes back what the case had of it.
                Err(CaseworkError::Refused(refused)) => results.push(Err(refused)),
                Err(error) => return Err(error),
            }
        }
        tx.commit()?;
        Ok(results)
    }
}
