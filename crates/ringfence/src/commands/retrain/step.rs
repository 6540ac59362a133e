//! The child: plans, trains and judges, each once. What was done by an earlier one is taken as it is.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context, Result};
use event::{EventTime, Position};
use learning::dataset::Labels;
use learning::fit::FOREVER;
use learning::gate::exam::{self, Exam};
use learning::gate::window::WindowError;
use learning::gate::{judge, window};
use model::artifact::Artifact;
use node::{History, NodeError, Place};
use steward::child;
use steward::job::{self, Failure, Job, Plan, Trained, Verdict, Window};
use steward::stepped::begun;

use super::Request;
use crate::cli::{CalibrationName, Cli, ModelKind, TrainArgs};
use crate::commands::models::{serving, the_one};
use crate::commands::train::{Ground, learn, write_model_by};
use crate::show;

/// Why there is nothing to judge a candidate beside.
#[derive(Debug)]
enum Alone {
    NoChampion,
    ChampionLeft,
}

impl Alone {
    fn code(&self) -> &'static str {
        match self {
            Alone::NoChampion => "no_champion",
            Alone::ChampionLeft => "champion_left",
        }
    }
}

impl fmt::Display for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Alone::NoChampion => {
                "no model serves, and a candidate is judged beside one: make the first by `ringfence train`"
            }
            Alone::ChampionLeft => {
                "the model that the candidate is judged beside does not serve any more"
            }
        })
    }
}

impl Error for Alone {}

pub fn run(cli: &Cli, place: &Place, id: u64, exam: usize, parent: u32) -> Result<ExitCode> {
    let job = job::one(place, id)?;
    let done = work(cli, place, &job, exam, parent);
    if let Err(error) = &done {
        job.record_failure(&failure(error))?;
    }
    done
}

/// For whoever asks the server: words that are known to name no path, or where on the machine to look.
fn failure(error: &anyhow::Error) -> Failure {
    let known = error.chain().find_map(|cause| {
        let window = || match cause.downcast_ref::<WindowError>()? {
            WindowError::FewFrauds { .. } => Some("few_frauds"),
            WindowError::NothingLater { .. } => Some("nothing_later"),
            WindowError::Node(_) => None,
        };
        let removed = || match cause.downcast_ref::<NodeError>()? {
            error @ NodeError::HistoryRemoved { .. } => Some(error.code()),
            _ => None,
        };
        let alone = cause.downcast_ref::<Alone>().map(Alone::code);
        let code = alone.or_else(window).or_else(removed)?;
        Some((code, cause.to_string()))
    });
    let (code, says) = known.unwrap_or_else(|| {
        let says = "the child could not do its work; errors.txt of the job says why";
        (show::code(error), says.to_owned())
    });
    let code = code.to_owned();
    Failure { code, says }
}

fn work(cli: &Cli, place: &Place, job: &Job, exam: usize, parent: u32) -> Result<ExitCode> {
    let request = Request::read(job)?;
    child::submit(request.allowance, parent).context("cannot bound this process")?;
    let plan = match job.plan()? {
        Some(plan) => plan,
        None => {
            said("plan")?;
            let plan = plan(place, &request)?;
            job.record_plan(&plan)?;
            plan
        }
    };
    let trained = match job.trained()? {
        Some(trained) => trained,
        None => {
            said("train")?;
            let trained = train(cli, place, job, &plan, &request)?;
            job.record_trained(&trained)?;
            trained
        }
    };
    if job.verdict(exam)?.is_none() {
        said("judge")?;
        let verdict = examine(place, &plan, &trained, &request, exam)?;
        job.record_verdict(exam, &verdict)?;
    }
    said("done")?;
    Ok(ExitCode::SUCCESS)
}

/// A line for whoever looks at what the child does.
fn said(step: &str) -> Result<()> {
    let mut out = show::out();
    let now = node::clock::now()?;
    writeln!(out, "{}", begun(step, now.millis()))?;
    Ok(out.flush()?)
}

fn plan(place: &Place, request: &Request) -> Result<Plan> {
    let history = History::open(place)?;
    // Whatever is recorded while this works: the retrain sees none of it.
    let history = {
        let end = history.end();
        history.until(end)
    };
    let champion = serving(&history)?.ok_or(Alone::NoChampion)?;
    let (_, serves) = the_one(place, &champion)?;
    let learned = EventTime::from_millis(serves.header.training_window.until);
    let found = window::choose(&history, request.wish(learned))?;
    let window = |range: &std::ops::Range<EventTime>| Window {
        from: range.start.millis(),
        until: range.end.millis(),
    };
    Ok(Plan {
        log_end: history.end().0,
        train: window(&found.train),
        exam: window(&found.exam),
        train_frauds: found.train_frauds,
        exam_frauds: found.exam_frauds,
        champion,
        seed: request.seed,
        code: concat!("ringfence ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

fn train(cli: &Cli, place: &Place, job: &Job, plan: &Plan, request: &Request) -> Result<Trained> {
    let (champion, parent) = the_one(place, &plan.champion)?;
    let ground = Ground {
        place,
        end: Some(Position(plan.log_end)),
        folder: job.folder().to_path_buf(),
    };
    let range = (
        EventTime::from_millis(plan.train.from),
        EventTime::from_millis(plan.train.until),
    );
    let args = lesson(&champion, &parent, plan, request);
    let (mut fitted, rows) = learn(cli, &ground, range, &args)?;
    fitted.artifact.header.parent = Some(champion);
    let draft = job.folder().join("candidate.model");
    let identity = write_model_by(place, &fitted.artifact, &draft)?;
    Ok(Trained {
        model: identity.as_str().to_owned(),
        data_digest: rows.digest(),
        rows: rows.len(),
        frauds: rows.frauds(),
    })
}

/// A model of the champion's kind, on its producer: it sees the samples that the champion sees, and enters service
/// without a channel made anew.
fn lesson(champion: &str, parent: &Artifact, plan: &Plan, request: &Request) -> TrainArgs {
    let model = match &parent.network {
        None => ModelKind::Trees,
        Some(network) if network.blend.trees > 0.0 => ModelKind::HybridTrees,
        Some(_) => ModelKind::Hybrid,
    };
    let network = learning::neural::config::NeuralConfig::default();
    TrainArgs {
        model,
        from: None,
        until: None,
        rounds: request.rounds,
        learning_rate: 0.05,
        leaves: 31,
        rows_max: request.rows_max,
        half_life: None,
        seed: plan.seed,
        epochs: 20,
        hidden: match &parent.network {
            Some(it) => it.hybrid.shape().hidden,
            None => network.hidden,
        },
        network_learning_rate: network.learning_rate,
        dropout: network.dropout,
        calibration: CalibrationName::Platt,
        no_reference: false,
        producer: false,
        producer_of: parent.producer.as_ref().map(|_| champion.to_owned()),
        producer_share: 0.5,
        no_activate: true,
    }
}

/// The first examination is on the log as it was planned; later ones also see what has matured since.
fn examine(
    place: &Place,
    plan: &Plan,
    trained: &Trained,
    request: &Request,
    number: usize,
) -> Result<Verdict> {
    let mut history = History::open(place)?;
    if number == 0 {
        history = history.until(Position(plan.log_end));
    }
    let end = history.end();
    let history = history.until(end);
    if number > 0 && serving(&history)?.as_ref() != Some(&plan.champion) {
        return Err(Alone::ChampionLeft.into());
    }
    let labels = Labels::read(&history, FOREVER)?;
    let (_, champion) = the_one(place, &plan.champion)?;
    let (_, candidate) = the_one(place, &trained.model)?;
    let until = match number {
        0 => EventTime::from_millis(plan.exam.until),
        _ => FOREVER,
    };
    let judged = exam::sit(
        &history,
        Exam {
            from: EventTime::from_millis(plan.exam.from),
            until,
            rows_max: request.rows_max,
            labels: &labels,
            champion: &champion,
            candidate: &candidate,
        },
        |_, _| ControlFlow::Continue(()),
    )?;
    let report = judge(&judged, &request.bounds, number);
    let reasons = report
        .reasons()
        .map(|it| format!("{}: {}", it.gate.name(), it.says));
    Ok(Verdict {
        verdict: report.verdict.name().to_owned(),
        reasons: reasons.collect(),
        log_end: end.0,
        report: serde_json::to_value(&report)?,
    })
}
