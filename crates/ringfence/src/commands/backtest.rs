//! `ringfence backtest` and `ringfence advise`: what other rules or thresholds would have decided.

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use backtest::{Costs, Plan, Progress, Rulebook};
use engine::exploration;
use event::record::ConfigSection;
use event::{EventTime, Span};
use indicatif::ProgressBar;
use node::Tenant;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use ureq::http::Method;

use crate::cli::{AdviseArgs, BacktestArgs, Cli, WindowArgs};
use crate::commands::output::Output;
use crate::commands::rules::read;
use crate::remote::{Remote, refused};
use crate::show;
use crate::target::Target;

mod told;

mod curves;

const LOOK_EVERY: Duration = Duration::from_millis(200);

pub fn run(cli: &Cli, args: &BacktestArgs) -> Result<ExitCode> {
    let rules = args.rules.as_deref().map(read).transpose()?;
    let policy = args.policy.as_deref().map(read).transpose()?;
    if rules.is_none() && policy.is_none() {
        bail!("nothing to try: give --rules or --policy");
    }
    let report = match Target::open(cli, &args.change)? {
        Target::Stopped(mut tenant, _) => {
            let mut plan = plan(&tenant, &args.window)?;
            plan.samples = args.samples;
            if let Some(rules) = rules {
                tenant.check_document(ConfigSection::Rules, &rules, node::clock::now()?)?;
                plan.candidate.rules = rules;
            }
            if let Some(policy) = policy {
                plan.candidate.policy = exploration::revealed(&policy, &plan.current.policy)?;
            }
            let place = tenant.place().clone();
            // A reader needs no lock, and two states no memory.
            drop(tenant);
            let bar = show::bar(0, "backtest", "records", cli.quiet);
            let report = backtest::run(&place, &plan, |progress| watch(&bar, progress))?;
            bar.finish_and_clear();
            let mut value = json!(report);
            value["saved"] = json!(report.saved());
            value
        }
        Target::Running(remote) => {
            let mut body = window_body(&args.window);
            body.insert("samples".to_owned(), json!(args.samples));
            for (name, text) in [("rules", rules), ("policy", policy)] {
                if let Some(text) = text {
                    body.insert(name.to_owned(), json!(text));
                }
            }
            wait(cli, &remote, "/v1/backtests", &body)?
        }
    };
    if cli.json {
        show::json(&report)?;
    } else {
        told::report(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn advise(cli: &Cli, args: &AdviseArgs) -> Result<ExitCode> {
    let page = args.html.as_deref().map(Output::begin).transpose()?;
    let advice = match Target::open(cli, &args.change)? {
        Target::Stopped(tenant, _) => {
            let plan = plan(&tenant, &args.window)?;
            let place = tenant.place().clone();
            drop(tenant);
            let bar = show::bar(0, "advise", "records", cli.quiet);
            let watch = |progress| watch(&bar, progress);
            let advice = backtest::advise(&place, &plan, args.alerts_per_day, watch)?;
            bar.finish_and_clear();
            json!(advice)
        }
        Target::Running(remote) => {
            let mut body = window_body(&args.window);
            body.insert("alerts_per_day".to_owned(), json!(args.alerts_per_day));
            wait(cli, &remote, "/v1/advice", &body)?
        }
    };
    if let Some(page) = page {
        page.write_whole(curves::page(&advice))?;
    }
    if cli.json {
        show::json(&advice)?;
        return Ok(ExitCode::SUCCESS);
    }
    told::advice(&advice)?;
    if let Some(file) = &args.html {
        writeln!(show::out(), "curves: {}", file.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn watch(bar: &ProgressBar, Progress { done, total }: Progress) -> ControlFlow<()> {
    bar.set_length(total);
    bar.set_position(done);
    ControlFlow::Continue(())
}

fn plan(tenant: &Tenant, window: &WindowArgs) -> Result<Plan> {
    let until = match &window.until {
        // The newest event is within.
        None => {
            let newest = tenant.engine().newest_event();
            newest
                .context("the log holds no event")?
                .plus(Span::from_millis(1))
        }
        Some(text) => EventTime::parse_iso(text).context("--until")?,
    };
    let from = match &window.from {
        None => until.minus(Span::parse(&window.last).context("--last")?),
        Some(text) => EventTime::parse_iso(text).context("--from")?,
    };
    let text = |section| tenant.document(section).body;
    let current = Rulebook {
        rules: text(ConfigSection::Rules),
        policy: text(ConfigSection::Policy),
    };
    Ok(Plan {
        from,
        until,
        candidate: current.clone(),
        current,
        costs: costs(window),
        scorer: tenant.engine().champion().filter(|_| window.score_missing),
        samples: 0,
    })
}

fn costs(window: &WindowArgs) -> Costs {
    Costs {
        fraud_loss: window.fraud_loss,
        review: window.review_cost,
        challenge_stops: window.challenge_stops,
        challenge_friction: window.challenge_friction,
        decline_friction: window.decline_friction,
    }
}

fn window_body(window: &WindowArgs) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("costs".to_owned(), json!(costs(window)));
    body.insert("score_missing".to_owned(), json!(window.score_missing));
    for (name, text) in [("from", &window.from), ("until", &window.until)] {
        if let Some(text) = text {
            body.insert(name.to_owned(), json!(text));
        }
    }
    if window.from.is_none() {
        body.insert("last".to_owned(), json!(window.last));
    }
    body
}

/// Starts it on the server, and shows how far it is until it is done. Whoever interrupts this ends it there too: it
/// would go on for minutes, and others wait behind it.
fn wait(cli: &Cli, remote: &Remote, path: &str, body: &Map<String, Value>) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut interrupt = {
        let _within = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    let body = json!(body).to_string();
    let mut job = remote.send(Method::POST, path, "application/json", body.as_bytes())?;
    let bar = show::bar(0, "backtest", "records", cli.quiet);
    let path = format!("/v1/backtests/{}", job["id"]);
    while job["status"] == "running" || job["status"] == "waiting" {
        bar.set_length(job["records_total"].as_u64().unwrap_or(0));
        bar.set_position(job["records"].as_u64().unwrap_or(0));
        let look = async { timeout(LOOK_EVERY, interrupt.recv()).await };
        if runtime.block_on(look).is_ok() {
            job = remote.delete(&path)?;
            break;
        }
        job = remote.get(&path)?;
    }
    bar.finish_and_clear();
    match job["status"].as_str() {
        Some("done") => Ok(job["report"].take()),
        Some("running" | "waiting") => bail!("interrupted: the backtest is cancelled"),
        Some("failed") => Err(refused(&job["error"])),
        _ => bail!("the backtest was cancelled"),
    }
}
