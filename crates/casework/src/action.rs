//! What people do with a case. Each action names the version it has seen; it is done whole, with its row in
//! `changes`, or refused with nothing changed.

mod bulk;
mod claim;
mod disposition;
mod paper;

use event::{EventTime, Span};
use rusqlite::Connection;
use serde_json::Value;

use crate::case::{self, Case, CaseStatus};
use crate::changes::{Change, record};
use crate::error::{CaseworkError, Refused, check_text};
use crate::fraud_type::FraudType;
use crate::settings::Settings;
use crate::store::{Casework, begin, read_settings, to_json};

pub use bulk::BULK_MAX;
pub use paper::{ATTACHMENTS_MAX, NAME_BYTES_MAX, NOTE_BYTES_MAX, NOTES_MAX, URI_BYTES_MAX};

/// Who acts, by the subject of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub name: String,
    /// May take a case out of another's hands.
    pub is_admin: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Claim,
    /// Puts it back into the queue.
    Release,
    /// To nobody, too; from somebody else only with a reason.
    Assign {
        to: Option<String>,
        reason: String,
    },
    /// Out of the queue until then, kept for whoever holds it.
    Snooze {
        until: EventTime,
    },
    Note {
        text: String,
    },
    Tick {
        item: i64,
        done: bool,
    },
    Attach {
        name: String,
        uri: String,
        sha256: String,
    },
    /// Closes it and writes labels for its alerts.
    Dispose {
        fraud_type: FraudType,
        note: String,
    },
    /// Closes it without a word on what it was.
    Close {
        reason: String,
    },
    Reopen {
        reason: String,
    },
}

/// Longest name of a person, and longest reason.
pub const PERSON_BYTES_MAX: usize = 128;
pub const REASON_BYTES_MAX: usize = 512;
const SNOOZE_MAX: Span = Span::days(90);

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Action::Claim => "case.claimed",
            Action::Release => "case.released",
            Action::Assign { .. } => "case.assigned",
            Action::Snooze { .. } => "case.snoozed",
            Action::Note { .. } => "case.noted",
            Action::Tick { .. } => "case.ticked",
            Action::Attach { .. } => "case.attached",
            Action::Dispose { .. } => "case.disposed",
            Action::Close { .. } => "case.closed",
            Action::Reopen { .. } => "case.reopened",
        }
    }

    /// What the actor says of it.
    fn why(&self) -> Option<&str> {
        let text = match self {
            Action::Assign { reason, .. } => reason,
            Action::Close { reason } | Action::Reopen { reason } => reason,
            Action::Dispose { note, .. } => note,
            _ => "",
        };
        (!text.is_empty()).then_some(text)
    }
}

/// Everything an action is done with.
struct Doing<'a> {
    db: &'a Connection,
    settings: &'a Settings,
    actor: &'a Actor,
    now: EventTime,
}

impl Casework {
    /// Does it to a case at the version that the actor has seen.
    pub fn act(
        &mut self,
        actor: &Actor,
        id: i64,
        version: i64,
        action: &Action,
        now: EventTime,
    ) -> Result<Case, CaseworkError> {
        let base = self.base;
        let tx = begin(&mut self.db)?;
        let settings = read_settings(&tx, base)?;
        let doing = Doing {
            db: &tx,
            settings: &settings,
            actor,
            now,
        };
        let case = doing.act(id, version, action)?;
        tx.commit()?;
        Ok(case)
    }
}

impl Doing<'_> {
    fn act(&self, id: i64, version: i64, action: &Action) -> Result<Case, CaseworkError> {
        let mut case = case::must_find(self.db, id)?;
        if let Some(into) = case.merged_into {
            return Err(Refused::Merged { id, into }.into());
        }
        if case.version != version {
            let (held, given) = (case.version, version);
            return Err(Refused::Stale { id, held, given }.into());
        }
        self.change(&mut case, action)?;
        Ok(case)
    }

    /// The action on a case that was read in this transaction.
    fn change(&self, case: &mut Case, action: &Action) -> Result<(), CaseworkError> {
        let before = to_json("case", case)?;
        let told = self.apply(case, action)?;
        case.touched = true;
        if case.holder_at(self.now).is_some() {
            // Whoever works on it keeps it.
            case.held_until = Some(self.now.plus(self.settings.claims.lock));
        }
        case::store(self.db, case, self.settings, self.now)?;
        let mut after = serde_json::to_value(&*case)
            .map_err(|error| crate::store::unreadable("case", &error))?;
        if let (Some((name, value)), Value::Object(after)) = (told, &mut after) {
            after.insert(name.to_owned(), value);
        }
        let change = Change {
            at: self.now,
            actor: &self.actor.name,
            action: action.name(),
            target: &case::target(case.id),
            before: Some(before),
            after: Some(after.to_string()),
            why: action.why(),
        };
        record(self.db, &change)?;
        Ok(())
    }

    /// What the action adds to the change's `after` beyond the case itself.
    fn apply(
        &self,
        case: &mut Case,
        action: &Action,
    ) -> Result<Option<(&'static str, Value)>, CaseworkError> {
        match action {
            Action::Reopen { reason } => self.reopen(case, reason)?,
            _ if case.status != CaseStatus::Open => {
                return Err(Refused::Closed { id: case.id }.into());
            }
            Action::Claim => self.claim(case)?,
            Action::Assign { to, reason } => self.assign(case, to.as_deref(), reason)?,
            Action::Release => self.release(case)?,
            Action::Snooze { until } => self.snooze(case, *until)?,
            Action::Note { text } => return self.note(case, text).map(Some),
            Action::Tick { item, done } => return self.tick(case, *item, *done).map(Some),
            Action::Attach { name, uri, sha256 } => {
                return self.attach(case, name, uri, sha256).map(Some);
            }
            Action::Dispose { fraud_type, note } => self.dispose(case, *fraud_type, note)?,
            Action::Close { reason } => self.close(case, reason)?,
        }
        Ok(None)
    }

    /// Only the holder may go on, and only while the claim lasts.
    fn must_hold(&self, case: &Case) -> Result<(), Refused> {
        match case.holder_at(self.now) {
            Some((holder, _)) if holder == self.actor.name => Ok(()),
            Some((holder, until)) => Err(Refused::Held {
                id: case.id,
                holder: holder.to_owned(),
                until,
            }),
            None => Err(Refused::NotClaimed { id: case.id }),
        }
    }

    /// Another's claim is in the way, but not in an administrator's.
    fn must_be_free(&self, case: &Case) -> Result<(), Refused> {
        match case.holder_at(self.now) {
            Some((holder, until)) if holder != self.actor.name && !self.actor.is_admin => {
                Err(Refused::Held {
                    id: case.id,
                    holder: holder.to_owned(),
                    until,
                })
            }
            _ => Ok(()),
        }
    }

    fn snooze(&self, case: &mut Case, until: EventTime) -> Result<(), CaseworkError> {
        self.must_hold(case)?;
        let ahead = until.since(self.now);
        if ahead <= Span::ZERO || ahead > SNOOZE_MAX {
            return Err(Refused::Value {
                field: "until".to_owned(),
                expected: "between now and 90 days from now",
                value: until.to_string(),
            }
            .into());
        }
        case.snoozed_until = Some(until);
        case.assignee = case.holder.take();
        case.held_until = None;
        Ok(())
    }

    fn assign(&self, case: &mut Case, to: Option<&str>, reason: &str) -> Result<(), CaseworkError> {
        self.must_be_free(case)?;
        if let Some(to) = to {
            check_text("assignee", to, PERSON_BYTES_MAX, false)?;
        }
        let is_taken = |person: &Option<String>| {
            let person = person.as_deref();
            person.is_some() && person != to && person != Some(&self.actor.name)
        };
        let held = case
            .holder_at(self.now)
            .map(|(holder, _)| holder.to_owned());
        if is_taken(&case.assignee) || is_taken(&held) || !reason.is_empty() {
            check_text("reason", reason, REASON_BYTES_MAX, false)?;
        }
        case.assignee = to.map(str::to_owned);
        if case.holder.as_deref() != to {
            case.holder = None;
            case.held_until = None;
        }
        Ok(())
    }
}
