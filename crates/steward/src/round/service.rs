//! Where a candidate meets what serves: it enters shadow, is promoted, and leaves when its job ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event::hex::{digest, hex};
use event::{EventTime, Position};
use node::NodeError;
use node::mailbox::Level;
use node::node::TenantHandle;
use node::node::activation::{self, State};
use node::request::{Answer, Failed, Request};
use node::shadow::store;
use node::tenant::activation::Serving;
use node::tenant::documents::Author;
use node::tenant::lineup::LineupError;

use super::{AUTHOR, Round};
use crate::StewardError;
use crate::job::{self, Ended, Job, Outcome, Shadow};

/// For one answer of a tenant's owner.
const PATIENCE: Duration = Duration::from_secs(10);
const LETTER_BYTES: usize = 256;

/// A model of its SHA-256, beside the one that it was made to follow.
pub(super) struct Candidate {
    artifact: [u8; 32],
    /// Since which record it is a shadow; `None`: it is none yet.
    shadow_since: Option<Position>,
}

impl Round<'_> {
    /// The candidate, as long as the model that it is judged beside serves; `None`: the job has ended.
    pub(super) fn candidate(
        &self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
    ) -> Result<Option<Candidate>, StewardError> {
        let (Some(plan), Some(trained)) = (job.plan()?, job.trained()?) else {
            let says = "the files of its plan or of its model are gone".to_owned();
            return self.end(tenant, job, Ended::Failed, says).map(|()| None);
        };
        let Some(artifact) = digest(&trained.model) else {
            let says = format!("{:?} names no model", trained.model);
            return self.end(tenant, job, Ended::Failed, says).map(|()| None);
        };
        let serving = serving(tenant, until()).map_err(StewardError::Tenant)?;
        let serves = serving.artifact.map(|it| hex(&it));
        if serves.as_ref() == Some(&trained.model) {
            let says = format!("model {} serves", &trained.model[..12]);
            return self.end(tenant, job, Ended::Promoted, says).map(|()| None);
        }
        if serves.as_ref() != Some(&plan.champion) {
            let says = "another model entered service while it was watched".to_owned();
            return self.end(tenant, job, Ended::Abandoned, says).map(|()| None);
        }
        let lineup = &serving.lineup;
        let own = lineup.shadows().iter().find(|it| it.artifact == artifact);
        if own.is_none() && job.shadow()?.is_some() {
            let says = match lineup.part_of(&artifact) {
                Some(part) => format!("taken out of shadow: it is {}", part.name()),
                None => "taken out of shadow while it was watched".to_owned(),
            };
            return self.end(tenant, job, Ended::Abandoned, says).map(|()| None);
        }
        Ok(Some(Candidate {
            artifact,
            shadow_since: own.map(|it| it.since),
        }))
    }

    /// Whether the candidate has scored in shadow, and does. As long as it has not it is waited for, until
    /// `shadow_max`; false: its job has ended.
    pub(super) fn is_watched(
        &self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
        now: i64,
    ) -> Result<bool, StewardError> {
        let Some(candidate) = self.candidate(tenant, job)? else {
            return Ok(false);
        };
        let Some(why) = unwatched(tenant, &candidate)? else {
            return Ok(true);
        };
        let most = self.shared.settings.rules.shadow_max_ms;
        match job.shadow()? {
            Some(shadow) if now >= shadow.since.saturating_add(most) => {
                let says = format!("not watched in time: {why}");
                self.end(tenant, job, Ended::Abandoned, says)?;
                Ok(false)
            }
            _ => Err(StewardError::Unwatched(why)),
        }
    }

    pub(super) fn enter_shadow(
        &self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
    ) -> Result<(), StewardError> {
        let Some(candidate) = self.candidate(tenant, job)? else {
            return Ok(());
        };
        let author = self.author(job)?;
        let entered = tenant.enter_shadow(candidate.artifact, author, until());
        match entered {
            Ok(_) => job.record_shadow(&Shadow {
                since: self.shared.now()?,
            }),
            Err(activation::Refused::Running) => Ok(()),
            Err(activation::Refused::UnknownModel(_)) => self.file_is_gone(tenant, job),
            Err(activation::Refused::Failed(Failed::Refused(NodeError::Lineup(
                error @ LineupError::Full { .. },
            )))) => Err(StewardError::NoRoom(error)),
            Err(activation::Refused::Failed(Failed::Refused(error))) => {
                self.unfit(tenant, job, &error)
            }
            Err(activation::Refused::Failed(failed)) => Err(StewardError::Tenant(failed)),
        }
    }

    pub(super) fn promote(
        &self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
    ) -> Result<(), StewardError> {
        let Some(candidate) = self.candidate(tenant, job)? else {
            return Ok(());
        };
        let held = tenant.activation();
        let held = held.filter(|it| it.artifact == candidate.artifact);
        if let Some(State::Failed { code, .. }) = held.map(|it| it.state) {
            let says = format!("its activation failed: {code}");
            return self.end(tenant, job, Ended::Failed, says);
        }
        let author = match job.answer()? {
            Some(answer) => Author {
                name: answer.by,
                why: answer.why,
                ..self.author(job)?
            },
            None => self.author(job)?,
        };
        match tenant.activate(candidate.artifact, author, until()) {
            // Whether it serves is seen at the next turn.
            Ok(_) | Err(activation::Refused::Running) => Ok(()),
            Err(activation::Refused::UnknownModel(_)) => self.file_is_gone(tenant, job),
            Err(activation::Refused::Failed(Failed::Refused(error))) => {
                self.unfit(tenant, job, &error)
            }
            Err(activation::Refused::Failed(failed)) => Err(StewardError::Tenant(failed)),
        }
    }

    /// Who does what nobody was asked about.
    fn author(&self, job: &Job) -> Result<Author, StewardError> {
        Ok(Author {
            name: format!("{AUTHOR} {}", job.id),
            at: EventTime::from_millis(self.shared.now()?),
            why: String::new(),
        })
    }

    fn file_is_gone(&self, tenant: &Arc<TenantHandle>, job: &Job) -> Result<(), StewardError> {
        let says = "its model file is gone".to_owned();
        self.end(tenant, job, Ended::Failed, says)
    }

    /// Whoever asks the server is told the code: the text may name paths.
    fn unfit(
        &self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
        error: &NodeError,
    ) -> Result<(), StewardError> {
        let (name, id) = (&tenant.name, job.id);
        let says = match error {
            NodeError::Lineup(error) => error.to_string(),
            error => {
                (self.shared.host.tell)(&format!("tenant {name}: retrain {id}: {error}"));
                format!("the candidate cannot serve: {}", error.code())
            }
        };
        self.end(tenant, job, Ended::Failed, says)
    }

    /// What the job left in service goes first: should the process end before the outcome is written, it is gone.
    pub(super) fn end(
        &self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
        ended: Ended,
        says: String,
    ) -> Result<(), StewardError> {
        if ended != Ended::Promoted
            && let Some(artifact) = job.trained()?.and_then(|it| digest(&it.model))
        {
            self.leave_shadow(tenant, job, artifact)?;
            self.discard(tenant, job, artifact)?;
        }
        let at = self.shared.now()?;
        let told = format!(
            "tenant {}: retrain {} is {}: {says}",
            tenant.name,
            job.id,
            ended.name()
        );
        job.record_outcome(&Outcome { ended, says, at })?;
        self.shared.count(&tenant.name, ended, at);
        self.shared
            .stepped(tenant, job, |now| job.ended(ended, now))?;
        (self.shared.host.tell)(&told);
        Ok(())
    }

    fn leave_shadow(
        &self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
        artifact: [u8; 32],
    ) -> Result<(), StewardError> {
        match tenant.end_shadow(artifact, self.author(job)?, until()) {
            Ok(_) => Ok(()),
            Err(activation::Refused::Failed(Failed::Refused(NodeError::Lineup(
                LineupError::NotInPlace { .. },
            )))) => Ok(()),
            Err(refused) => Err(waits(refused)),
        }
    }

    /// Candidates that were not taken would fill the folder; one that a job still needs stays.
    fn discard(
        &self,
        tenant: &Arc<TenantHandle>,
        job: &Job,
        artifact: [u8; 32],
    ) -> Result<(), StewardError> {
        let model = hex(&artifact);
        for other in job::all(tenant.place())?
            .iter()
            .filter(|it| it.id != job.id)
        {
            // What cannot be read may need it.
            if needs(other, &model).unwrap_or(true) {
                return Ok(());
            }
        }
        let discarded = tenant.discard_model(artifact, until());
        discarded.map(drop).map_err(waits)
    }
}

/// Whether a job names a model and is not over, or ended so that it stays: in service, or with whoever ordered it.
fn needs(job: &Job, model: &str) -> Result<bool, StewardError> {
    let names = job.trained()?.is_some_and(|it| it.model == model)
        || job.plan()?.is_some_and(|it| it.champion == model);
    let stays = job.outcome()?.is_none_or(|it| match it.ended {
        Ended::Promoted | Ended::Judged => true,
        Ended::Refused | Ended::Rejected | Ended::Abandoned | Ended::Failed => false,
    });
    Ok(names && stays)
}

/// What is no answer yet.
fn waits(refused: activation::Refused) -> StewardError {
    match refused {
        activation::Refused::Failed(failed) => StewardError::Tenant(failed),
        activation::Refused::Running | activation::Refused::UnknownModel(_) => {
            StewardError::Changing
        }
    }
}

fn until() -> Instant {
    Instant::now() + PATIENCE
}

/// What keeps a shadow from being one that was watched; `None`: nothing. Its file knows of scores that were given before
/// this process began.
fn unwatched(tenant: &TenantHandle, candidate: &Candidate) -> Result<Option<String>, StewardError> {
    let Some(since) = candidate.shadow_since else {
        return Ok(Some("it is no shadow".to_owned()));
    };
    let lane = tenant.shadows().lane(&candidate.artifact);
    if let Some(trouble) = lane.as_ref().and_then(|it| it.trouble()) {
        return Ok(Some(trouble));
    }
    if lane.as_ref().is_some_and(|it| it.scored.get() > 0) {
        return Ok(None);
    }
    let all = EventTime::MIN..EventTime::END;
    let held = store::read(tenant.place(), &candidate.artifact, all);
    let held = held.map_err(|error| StewardError::Tenant(Failed::Refused(error)))?;
    if held.entries.iter().any(|it| it.position >= since) {
        return Ok(None);
    }
    Ok(Some(match lane.map_or(0, |it| it.failed.get()) {
        0 => "it has scored no decision".to_owned(),
        failed => format!("it has scored no decision, and said nothing of {failed}"),
    }))
}

/// Which model serves, and which beside it.
pub(super) fn serving(tenant: &TenantHandle, until: Instant) -> Result<Serving, Failed> {
    let pending = tenant.ask(Request::Serving, LETTER_BYTES, Level::L3, until)?;
    let ended = |_| Failed::Internal("the owner ended without an answer");
    match pending.blocking_recv().map_err(ended)?? {
        Answer::Serving(serving) => Ok(serving),
        _ => Err(Failed::Internal(
            "the owner gave the answer to another request",
        )),
    }
}
