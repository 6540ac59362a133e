//! `ringfence retrain`: a candidate made and judged in a child process, as files that a crash leaves whole.

mod remote;
mod request;
mod step;
mod tell;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use node::Place;
use steward::child::Worker;
use steward::course::{Facts, Rules, Step};
use steward::job::{self, Ended, Job, Order, Outcome, Trigger};

use crate::cli::{Cli, EXIT_FAILED, Retrain, RetrainArgs, RetrainRun};
pub use request::Request;

pub fn run(cli: &Cli, args: &RetrainArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    match &args.what {
        None if args.run.server.to.is_some() => remote::begin(cli, &args.run.server),
        None => here(cli, &place, &args.run),
        Some(Retrain::List { server }) if server.to.is_some() => remote::list(cli, server),
        Some(Retrain::List { .. }) => tell::list(cli, &place),
        Some(Retrain::Show { id, server }) if server.to.is_some() => remote::show(cli, server, *id),
        Some(Retrain::Show { id, .. }) => tell::show(cli, &job::one(&place, *id)?),
        Some(Retrain::Approve { id, server }) => remote::answer(cli, server, *id, "approve"),
        Some(Retrain::Reject { id, server }) => remote::answer(cli, server, *id, "reject"),
        Some(Retrain::Step { id, exam, parent }) => step::run(cli, &place, *id, *exam, *parent),
    }
}

/// Whatever a job left to a server waits for; none of it comes up here.
const UNATTENDED: Rules = Rules {
    shadow_ms: 0,
    shadow_max_ms: 0,
    approval: false,
};

fn here(cli: &Cli, place: &Place, args: &RetrainRun) -> Result<ExitCode> {
    if !place.exists() {
        bail!("there is no tenant in {}", place.root().display());
    }
    let request = Request::of(args)?;
    request.check()?;
    let job = match open(place, args.fresh)? {
        Some(job) => {
            tell::resumed(cli, &job)?;
            job
        }
        None => job::begin(place, &order(&request)?)?,
    };
    let _alone = job.lock()?;
    loop {
        match Facts::of(&job)?.next(UNATTENDED, now()?) {
            Step::Work { exam } => work(cli, &job, exam)?,
            Step::End { ended, says } => end(&job, ended, says)?,
            Step::Over(Ended::Failed) => {
                tell::show(cli, &job)?;
                return Ok(ExitCode::from(EXIT_FAILED));
            }
            Step::Over(_) => return tell::show(cli, &job),
            step => bail!(
                "retrain {} is attended to by a server: it is {}",
                job.id,
                step.name()
            ),
        }
    }
}

/// The newest retrain of this command that was cut off.
fn open(place: &Place, fresh: bool) -> Result<Option<Job>> {
    let Some(job) = job::newest(place, false)? else {
        return Ok(None);
    };
    if job.outcome()?.is_some() {
        return Ok(None);
    }
    if !fresh {
        return Ok(Some(job));
    }
    let _alone = job.lock()?;
    end(&job, Ended::Abandoned, "another one was wanted".to_owned())?;
    Ok(None)
}

fn order(request: &Request) -> Result<Order> {
    Ok(Order {
        at: now()?,
        by: "command line".to_owned(),
        why: String::new(),
        trigger: Trigger::Command,
        // Only what a server sees to answers alerts.
        seen: 0,
        attended: false,
        request: serde_json::to_value(request)?,
    })
}

fn now() -> Result<i64> {
    Ok(node::clock::now()?.millis())
}

fn work(cli: &Cli, job: &Job, exam: usize) -> Result<()> {
    let mut worker = Worker::start(job, &mut child(&cli.data, &cli.tenant, job, exam)?)?;
    let status = worker.wait().context("cannot wait for the child")?;
    job.attempted(job.verdict(exam)?.is_some(), status)?;
    // What it could say is wrong stays wrong.
    if status.code() == Some(i32::from(EXIT_FAILED)) {
        job.give_up()?;
    }
    Ok(())
}

/// This program again, on one job.
pub fn child(data: &Path, tenant: &str, job: &Job, exam: usize) -> Result<Command> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let request = Request::read(job)?;
    let mut command = Command::new(program);
    command
        .arg("--data")
        .arg(data)
        .args(["--tenant", tenant, "--quiet", "retrain", "step"])
        .arg(job.id.to_string())
        .args(["--exam", &exam.to_string()])
        .args(["--parent", &std::process::id().to_string()])
        .env("RAYON_NUM_THREADS", request.allowance.threads.to_string())
        // Its memory is counted when it is used, and not when the allocator sets it aside, which is a gibibyte.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        // What has no memory left must end, and a backtrace wants some.
        .env("RUST_BACKTRACE", "0");
    Ok(command)
}

fn end(job: &Job, ended: Ended, says: String) -> Result<()> {
    let at = now()?;
    Ok(job.record_outcome(&Outcome { ended, says, at })?)
}
