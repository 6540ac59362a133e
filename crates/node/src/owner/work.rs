//! One letter: from what is asked to the answer that waits for the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event::Position;
use event::record::ConfigSection;

use super::progress::Doing;
use super::{Fsync, Left, Owner, Timed, Waiting};
use crate::counters::Counters;
use crate::guard::Urgency;
use crate::journal::behind::is_disk_failure;
use crate::request::{Answer, Failed, Letter, NotServing, Reply, Request};
use crate::timeline::{Step, Timeline};
use crate::{Accepted, Decided, NodeError, Tenant};

/// Of decisions whose steps nobody asked for, one in so many is timed for the metrics: eight looks at the clock take
/// about a quarter of a microsecond.
const TIMED_EACH: u64 = 16;

impl Owner {
    pub(super) fn handle(&mut self, mut letter: Letter) -> Result<(), Left> {
        let counters = self.shared.counters.clone();
        self.shared.owner.begin(Doing::of(&letter.request));
        if letter.reply.is_closed() {
            counters.abandoned.add(1);
            self.background.let_go(letter.request.into_left());
            return Ok(());
        }
        let now = self.settings.clock.instant();
        if letter.deadline <= now {
            counters.expired[letter.level as usize].add(1);
            self.refuse(letter, Failed::Expired);
            return Ok(());
        }
        if self.retry_at.is_some() && (self.tenant.is_none() || letter.request.writes()) {
            let status = self.shared.status().unwrap_or(NotServing::Starting);
            self.refuse(letter, Failed::NotServing(status));
            return Ok(());
        }
        let switches = matches!(letter.request, Request::Activate(_));
        let watches = switches || sets_watch(&letter.request);
        // A channel's last records are read from the log, so all of it must be there.
        if switches && let Err(error) = self.await_disk() {
            let failed = Failed::Storage(error.to_string());
            self.refuse(letter, failed);
            return Err(Left::Disk(error));
        }
        let timed = self.timed(&mut letter, now);
        let Some(tenant) = &mut self.tenant else {
            self.refuse(letter, Failed::NotServing(NotServing::Starting));
            return Ok(());
        };
        tenant.timed_by(timed.timeline.clone());
        if letter.request.writes() {
            self.quiet_since = Instant::now();
            self.tick_at = self.quiet_since + self.settings.tick;
        }
        if let Some(received) = letter.request.received_at() {
            self.received = self.received.max(*received);
            *received = self.received;
        }
        let before = tenant.next();
        let urgency = letter.urgency();
        let answered = answer(tenant, letter.request, urgency);
        if let Some(timeline) = &timed.timeline {
            timeline.mark(Step::Recorded);
        }
        counters.rules_read.set(tenant.engine().rules_read());
        if answered.is_err() {
            self.background.let_go(tenant.take_left());
        }
        match answered {
            Ok(mut answer) => {
                let paused = switches.then(|| now.elapsed());
                if let Answer::Activated { pause, .. } = &mut answer {
                    *pause = paused.unwrap_or_default();
                }
                if watches {
                    self.shared.set_watch(tenant.watch().cloned());
                }
                tell(&counters, tenant, before, paused);
                self.count(&answer);
                self.reply(letter.reply, Ok(answer), timed);
            }
            Err(error) if is_disk_failure(&error) => {
                let failed = Failed::Storage(error.to_string());
                self.reply(letter.reply, Err(failed), timed);
                return Err(Left::Disk(error));
            }
            Err(NodeError::DeadlinePassed) => {
                counters.expired[urgency.level as usize].add(1);
                self.reply(letter.reply, Err(Failed::Expired), timed);
            }
            Err(error) => {
                counters.refused.add(1);
                self.reply(letter.reply, Err(Failed::Refused(error)), timed);
            }
        }
        Ok(())
    }

    /// Whether and how a letter's steps are timed; its turn has come.
    fn timed(&mut self, letter: &mut Letter, now: Instant) -> Timed {
        let mut timed = Timed {
            since: None,
            timeline: letter.timeline.take(),
        };
        if matches!(letter.request, Request::Decide { .. }) {
            timed.since = Some(now);
            self.decisions += 1;
            if timed.timeline.is_none() && self.decisions.is_multiple_of(TIMED_EACH) {
                timed.timeline = Some(Arc::new(Timeline::from(now)));
            }
        }
        if let Some(timeline) = &timed.timeline {
            timeline.mark(Step::Turn);
        }
        timed
    }

    /// Of a letter whose turn did not come.
    fn refuse(&mut self, letter: Letter, failed: Failed) {
        self.background.let_go(letter.request.into_left());
        self.reply(letter.reply, Err(failed), Timed::default());
    }

    /// Sends the answer, or keeps it until what it could see is on disk.
    fn reply(&mut self, reply: Reply, answer: Result<Answer, Failed>, timed: Timed) {
        let seen = self
            .tenant
            .as_ref()
            .map(|tenant| (tenant.next(), tenant.committed()));
        let until = match (seen, self.settings.fsync) {
            (Some((next, committed)), Fsync::Always) if next > committed => next,
            _ => Position(0),
        };
        let answer = Waiting {
            reply,
            answer,
            timed,
        };
        if let Some(at_once) = self.waiting.keep(until, answer) {
            self.send(at_once);
        }
    }

    fn count(&self, answer: &Answer) {
        let counters = &self.shared.counters;
        let guards = || self.tenant.as_ref().map_or([None; 2], Tenant::guards);
        let deciding = || self.tenant.as_ref().map_or([None; 2], Tenant::deciding);
        match answer {
            Answer::Decided(decided, _) if decided.duplicate => counters.duplicates.add(1),
            Answer::Decided(decided, _) => {
                counters.decided(&decided.decision);
                counters.scored(&decided.decision, deciding());
                counters.guarded(guards());
            }
            // A breaker of who has left is none.
            Answer::Activated { .. } | Answer::Moved { .. } => {
                counters.guarded(guards());
                counters.serves(deciding());
            }
            Answer::Accepted(Accepted::Duplicate(_)) => counters.duplicates.add(1),
            _ => {}
        }
    }
}

/// Counts what a request that went well has changed; `switched`: how long a model took to enter service.
fn tell(counters: &Counters, tenant: &mut Tenant, before: Position, switched: Option<Duration>) {
    if let Some(pause) = switched {
        counters.activations.add(1);
        counters
            .switch_pause_us_max
            .raise_to(pause.as_micros() as u64);
    }
    counters.records.add(tenant.next().0 - before.0);
    counters.entities.set(tenant.entities());
    if let Some(delay) = tenant.take_label_delay() {
        counters.label_delay.add(delay.millis().max(0) as u64);
    }
}

fn answer(tenant: &mut Tenant, request: Request, urgency: Urgency) -> Result<Answer, NodeError> {
    Ok(match request {
        Request::Decide { event, explain } => {
            let mut decided = tenant.decide_in_time(*event, urgency)?;
            if explain {
                tenant.explain(&mut decided, urgency);
            }
            let links = tenant.links_of_latest(&decided)?;
            Answer::Decided(Box::new(decided), links)
        }
        Request::Ingest(event) => Answer::Accepted(tenant.ingest(*event)?),
        Request::Label(line, received_at) => Answer::Accepted(tenant.label(&line, received_at)?),
        Request::Outcome(line, received_at) => {
            Answer::Accepted(tenant.outcome(&line, received_at)?)
        }
        Request::SetDocument {
            section,
            body,
            author,
            expected,
        } => {
            tenant.set_document(section, &body, &author, expected)?;
            Answer::Document(tenant.document(section))
        }
        Request::SetRules {
            rules,
            author,
            expected,
        } => {
            tenant.set_rules(*rules, &author, expected)?;
            Answer::Document(tenant.document(ConfigSection::Rules))
        }
        Request::Document(section) => Answer::Document(tenant.document(section)),
        Request::Check { section, body, at } => {
            tenant.check_document(section, &body, at)?;
            Answer::Good
        }
        Request::CheckRules { rules, at } => {
            tenant.check_rules(*rules, at)?;
            Answer::Good
        }
        Request::TakePlan(mut plan, author) => {
            tenant.take_plan(&mut plan, &author)?;
            let version = |section| (section, tenant.engine().version_of(section));
            Answer::Planned(plan.sections().into_iter().map(version).collect())
        }
        Request::CheckPlan { mut plan, at } => {
            tenant.check_plan(&mut plan, at)?;
            Answer::Good
        }
        Request::Rules => Answer::Rules(Box::new(tenant.rules())),
        Request::Lists => Answer::Lists(Box::new(tenant.lists())),
        Request::Serving => Answer::Serving(tenant.serving()),
        Request::Activate(ready) => {
            let position = tenant.enter_service(*ready)?;
            let policy_version = tenant.engine().version_of(ConfigSection::Policy);
            Answer::Activated {
                position,
                policy_version,
                pause: Duration::ZERO,
                left: tenant.take_left(),
            }
        }
        Request::Move(wanted, author) => {
            let position = tenant.make_move(wanted, &author)?;
            Answer::Moved {
                position,
                lineup: tenant.engine().lineup().clone(),
                left: tenant.take_left(),
            }
        }
        Request::Decision(event_id) => match tenant.journal().look_up(&event_id)? {
            None => Answer::Unknown,
            Some(found) => {
                let links = match &found.decision {
                    None => Vec::new(),
                    Some(decision) => tenant.links(&Decided {
                        position: found.position,
                        decision: decision.clone(),
                        duplicate: false,
                    })?,
                };
                Answer::Decision(Box::new(found), links)
            }
        },
        Request::Decisions {
            account,
            from,
            before,
            limit,
        } => Answer::Decisions(tenant.decisions_of(&account, from, before, limit)?),
        Request::Entity { kind, id } => match tenant.entity(kind, &id) {
            None => Answer::Unknown,
            Some(view) => Answer::Entity(Box::new(view)),
        },
        Request::Neighbours { kind, id, depth } => match tenant.neighbours(kind, &id, depth)? {
            None => Answer::Unknown,
            Some(found) => Answer::Neighbours(Box::new(found)),
        },
    })
}

/// Whether another watch over drift follows.
fn sets_watch(request: &Request) -> bool {
    let drift = ConfigSection::Drift;
    match request {
        Request::SetDocument { section, .. } => *section == drift,
        Request::TakePlan(plan, _) => plan.sections().contains(&drift),
        _ => false,
    }
}
