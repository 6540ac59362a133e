//! `ringfence backtest` and `ringfence advise`: what other rules or thresholds would have decided.

use std::fs;
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
use learning::evaluate::html::page::Page;
use learning::evaluate::html::plot::{Kind, Plot, Series};
use node::Tenant;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use ureq::http::Method;

use crate::cli::{AdviseArgs, BacktestArgs, Cli, WindowArgs};
use crate::commands::rules::read;
use crate::remote::Remote;
use crate::show;
use crate::target::Target;

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
            let mut body = window_body(&args.window)?;
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
        tell(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn advise(cli: &Cli, args: &AdviseArgs) -> Result<ExitCode> {
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
            let mut body = window_body(&args.window)?;
            body.insert("alerts_per_day".to_owned(), json!(args.alerts_per_day));
            wait(cli, &remote, "/v1/advice", &body)?
        }
    };
    if let Some(file) = &args.html {
        fs::write(file, page(&advice))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if cli.json {
        show::json(&advice)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = show::out();
    let point = |at: &Value| {
        let point = &advice["curve"][at.as_u64().unwrap_or(0) as usize];
        format!(
            "{} alerts a day, precision {}, recall {}, {} of the money",
            decimal(&point["alerts_per_day"]),
            percent(&point["precision"]),
            percent(&point["recall"]),
            percent(&point["value_recall"]),
        )
    };
    writeln!(
        out,
        "review  from {:>4}: {}",
        advice["review"],
        point(&advice["review"])
    )?;
    writeln!(
        out,
        "decline from {:>4}: from here on declining costs no more",
        advice["decline"]
    )?;
    writeln!(
        out,
        "reviewing alone is cheapest from {}",
        advice["cheapest_review"]
    )?;
    if let Some(file) = &args.html {
        writeln!(out, "curves: {}", file.display())?;
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
        review: window.review_cost,
        challenge_stops: window.challenge_stops,
        challenge_friction: window.challenge_friction,
        decline_friction: window.decline_friction,
        ..Costs::default()
    }
}

fn window_body(window: &WindowArgs) -> Result<Map<String, Value>> {
    let mut body = Map::new();
    body.insert("costs".to_owned(), json!(costs(window)));
    body.insert("score_missing".to_owned(), json!(window.score_missing));
    for (name, text) in [("from", &window.from), ("until", &window.until)] {
        if let Some(text) = text {
            body.insert(name.to_owned(), json!(text));
        }
    }
    if window.from.is_none() && window.last != "7d" {
        bail!("with --to, name the window by --from and --until, or leave it at the last 7d");
    }
    Ok(body)
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
        Some("failed") => bail!("{}: {}", job["error"]["code"], job["error"]["message"]),
        _ => bail!("the backtest was cancelled"),
    }
}

fn tell(report: &Value) -> Result<()> {
    let mut out = show::out();
    writeln!(
        out,
        "{} to {}: {} events, {} known frauds, {} without a label",
        text(&report["from"]),
        text(&report["until"]),
        report["events"],
        report["frauds"],
        report["unknown"]
    )?;
    writeln!(
        out,
        "{:<10} {:>9} {:>9} {:>9} {:>9} {:>10} {:>9} {:>9} {:>14} {:>14} {:>14}",
        "",
        "approve",
        "challenge",
        "review",
        "decline",
        "alerts/day",
        "precision",
        "recall",
        "fraud passed",
        "good declined",
        "cost"
    )?;
    for name in ["current", "candidate"] {
        let side = &report[name];
        writeln!(
            out,
            "{name:<10} {:>9} {:>9} {:>9} {:>9} {:>10} {:>9} {:>9} {:>14} {:>14} {:>14}",
            whole(&side["approve"]),
            whole(&side["challenge"]),
            whole(&side["review"]),
            whole(&side["decline"]),
            decimal(&side["alerts_per_day"]),
            percent(&side["precision"]),
            percent(&side["recall"]),
            decimal(&side["fraud_passed"]),
            decimal(&side["good_declined"]),
            decimal(&side["cost"])
        )?;
    }
    writeln!(out, "saved by the candidate: {}", decimal(&report["saved"]))?;
    for rule in items(&report["rules"]) {
        let interval = &rule["precision_interval"];
        writeln!(
            out,
            "rule {:<24} {:<8} {:>8} held, {} frauds of {} known: precision {} ({} to {}), recall {}; {} missing, {} errors",
            text(&rule["rule"]),
            text(&rule["status"]),
            whole(&rule["matched"]),
            rule["frauds"],
            rule["frauds"].as_u64().unwrap_or(0) + rule["legitimate"].as_u64().unwrap_or(0),
            percent(&rule["precision"]),
            percent(&interval[0]),
            percent(&interval[1]),
            percent(&rule["recall"]),
            rule["missing"],
            rule["errors"]
        )?;
    }
    for change in items(&report["changes"]) {
        writeln!(
            out,
            "{} would be {}: {} events, {} known frauds",
            text(&change["from"]),
            text(&change["to"]),
            change["events"],
            change["frauds"]
        )?;
    }
    for sample in items(&report["samples"]) {
        writeln!(
            out,
            "  {} {}: {} -> {}, score {}, amount {}, {}",
            text(&sample["at"]),
            text(&sample["event_id"]),
            text(&sample["from"]),
            text(&sample["to"]),
            sample["score"],
            decimal(&sample["amount"]),
            text(&sample["label"])
        )?;
    }
    let records = report["records"].as_f64().unwrap_or(0.0);
    let seconds = report["seconds"].as_f64().unwrap_or(0.0).max(1e-9);
    writeln!(
        out,
        "{records} records in {seconds:.1} s ({:.0}/s){}",
        records / seconds,
        if report["full_replay"] == true {
            ", the graph rebuilt"
        } else {
            ""
        }
    )?;
    if report["unscored"].as_u64() > Some(0) {
        writeln!(
            out,
            "{} events had no score; --score-missing lets the serving model score them",
            report["unscored"]
        )?;
    }
    Ok(())
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}

fn whole(value: &Value) -> String {
    value.as_u64().map_or("-".to_owned(), show::grouped)
}

fn decimal(value: &Value) -> String {
    value
        .as_f64()
        .map_or("-".to_owned(), |it| format!("{it:.1}"))
}

fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or("-".to_owned(), |it| format!("{:.1} %", it * 100.0))
}

/// The curves over the threshold, as one page without script or network.
fn page(advice: &Value) -> String {
    let mut page = Page::new("Thresholds");
    page.paragraph(&format!(
        "Budget: {} alerts a day. Review from {}, decline from {}; reviewing alone is cheapest from {}. {} events with a score, {} known frauds.",
        decimal(&advice["alerts_per_day"]), advice["review"], advice["decline"],
        advice["cheapest_review"], advice["events"], advice["frauds"],
    ));
    let curve = |column: &str| -> Vec<[f64; 2]> {
        let points = items(&advice["curve"])
            .filter_map(|point| Some([point["threshold"].as_f64()?, point[column].as_f64()?]));
        points.collect()
    };
    let plots = [
        (
            "alerts",
            "Alerts a day by threshold",
            "alerts a day",
            vec![("alerts", "alerts_per_day")],
        ),
        (
            "shares",
            "Precision and recall by threshold",
            "share",
            vec![
                ("precision", "precision"),
                ("recall", "recall"),
                ("recall of money", "value_recall"),
            ],
        ),
        (
            "costs",
            "Cost over the window by threshold",
            "base currency",
            vec![
                ("all reviewed", "cost_of_review"),
                ("all declined", "cost_of_decline"),
            ],
        ),
    ];
    for (id, title, y, series) in plots {
        let series = series
            .into_iter()
            .map(|(name, column)| Series::new(name, curve(column)));
        page.plot(&Plot {
            id,
            title,
            description: format!("{title}, from 0 to 1001"),
            x: "threshold",
            y,
            kind: Kind::Lines { diagonal: false },
            series: series.collect(),
        });
    }
    page.finish()
}
