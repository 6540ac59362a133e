//! `ringfence models compare`: models held against each other on what was decided live.

use std::io::Write;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use backtest::models::{Contender, Contest, FRAUD_ACCOUNTS_MIN, all_of};
use event::record::{ConfigSection, ServingPart};
use event::{EventTime, Span};
use node::{Place, Tenant};
use serde_json::{Value, json};

use super::registry::digest;
use super::remote::resolve;
use super::the_one;
use crate::cli::{Change, Cli, CompareArgs};
use crate::remote::{Remote, refused};
use crate::show;
use crate::target::Target;

const LOOK_EVERY: Duration = Duration::from_millis(200);

pub fn run(cli: &Cli, place: &Place, change: &Change, args: &CompareArgs) -> Result<()> {
    let table = match Target::open(cli, change)? {
        Target::Stopped(tenant, _) => {
            let contest = contest(&tenant, place, args)?;
            // A reader needs no lock, and the state no memory.
            drop(tenant);
            let bar = show::bar(0, "compare", "records", cli.quiet);
            let table = backtest::models::run(place, &contest, |progress| {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
                ControlFlow::Continue(())
            })?;
            bar.finish_and_clear();
            json!(table)
        }
        Target::Running(server) => remote(cli, &server, args)?,
    };
    if cli.json {
        return Ok(show::json(&table)?);
    }
    tell(&table)
}

fn contest(tenant: &Tenant, place: &Place, args: &CompareArgs) -> Result<Contest> {
    let engine = tenant.engine();
    let until = match &args.until {
        // The newest event is within.
        None => engine
            .newest_event()
            .context("the log holds no event")?
            .plus(Span::from_millis(1)),
        Some(text) => EventTime::parse_iso(text).context("--until")?,
    };
    let from = match &args.from {
        None => until.minus(Span::parse(&args.last).context("--last")?),
        Some(text) => EventTime::parse_iso(text).context("--from")?,
    };
    let lineup = engine.lineup();
    let mut artifacts = Vec::new();
    for wanted in &args.models {
        let (hash, _) = the_one(place, wanted)?;
        artifacts.push(digest(&hash)?);
    }
    if artifacts.is_empty() {
        artifacts = all_of(lineup);
    }
    artifacts.sort_by_key(|it| lineup.champion() != Some(*it));
    let models = artifacts.into_iter().map(|artifact| Contender {
        artifact,
        part: lineup.part_of(&artifact).map_or("none", ServingPart::name),
        // Known to the server that switched.
        hot_update_ms: None,
        trouble: None,
    });
    let maturity = args.maturity.as_deref().map(Span::parse).transpose();
    Ok(Contest {
        from,
        until,
        models: models.collect(),
        policy: tenant.document(ConfigSection::Policy).body,
        rates: tenant.document(ConfigSection::Rates).body,
        maturity: maturity.context("--maturity")?,
        samples: args.samples,
    })
}

/// Asks the server, and shows how far it is until it is done.
fn remote(cli: &Cli, server: &Remote, args: &CompareArgs) -> Result<Value> {
    let mut query = vec![format!("samples={}", args.samples)];
    let last = args.from.is_none().then(|| args.last.clone());
    for (name, text) in [
        ("from", &args.from),
        ("last", &last),
        ("until", &args.until),
        ("maturity", &args.maturity),
    ] {
        if let Some(text) = text {
            // Times and spans need no percent-encoding but for this one.
            query.push(format!("{name}={}", text.replace('+', "%2B")));
        }
    }
    let mut models = Vec::new();
    for wanted in &args.models {
        models.push(resolve(server, wanted)?);
    }
    if !models.is_empty() {
        query.push(format!("models={}", models.join(",")));
    }
    let mut job = server.get(&format!("/v1/models/compare?{}", query.join("&")))?;
    let bar = show::bar(0, "compare", "records", cli.quiet);
    let path = format!("/v1/backtests/{}", job["id"]);
    while job["status"] == "running" || job["status"] == "waiting" {
        bar.set_length(job["records_total"].as_u64().unwrap_or(0));
        bar.set_position(job["records"].as_u64().unwrap_or(0));
        thread::sleep(LOOK_EVERY);
        job = server.get(&path)?;
    }
    bar.finish_and_clear();
    match job["status"].as_str() {
        Some("done") => Ok(job["report"].take()),
        Some("failed") => Err(refused(&job["error"])),
        _ => bail!("the comparison was cancelled"),
    }
}

type Cell = (&'static str, fn(&Value) -> String);

/// A line for each figure, a column for each model: what is compared stands side by side.
const LINES: [Cell; 18] = [
    ("part", |it| text(&it["part"])),
    ("scored", |it| whole(&it["scored"])),
    ("coverage", |it| percent(&it["coverage"])),
    ("mean latency, us", |it| decimal(&it["latency_us"]["mean"])),
    ("p99 latency, us", |it| decimal(&it["latency_us"]["p99"])),
    ("hot update, ms", |it| decimal(&it["hot_update_ms"])),
    ("alerts a day", |it| decimal(&it["alerts_per_day"])),
    ("frauds caught a day", |it| {
        decimal(&it["frauds_intercepted_per_day"])
    }),
    ("false alarms a day", |it| {
        decimal(&it["false_positives_per_day"])
    }),
    ("precision", |it| figure(&it["precision"])),
    ("recall", |it| figure(&it["recall"])),
    ("recall of money", |it| percent(&it["value_recall"])),
    ("F1", |it| resampled(it, "f1")),
    ("AP", |it| resampled(it, "ap")),
    ("AP less the first's", |it| resampled(&it["beside"], "ap")),
    ("F1 less the first's", |it| resampled(&it["beside"], "f1")),
    ("same verdict", |it| {
        percent(&it["beside"]["overlap"]["same_verdict"])
    }),
    ("rank correlation", |it| {
        thousandths(&it["beside"]["overlap"]["rank_correlation"])
    }),
];

fn tell(table: &Value) -> Result<()> {
    let mut out = show::out();
    let truth = &table["truth"];
    let models = || table["models"].as_array().into_iter().flatten();
    writeln!(
        out,
        "{} to {}: {} decisions in {} days; labels count of events before {}: {} frauds, {} legitimate",
        text(&table["from"]),
        text(&table["until"]),
        whole(&table["decisions"]),
        decimal(&table["days"]),
        text(&truth["mature_until"]),
        whole(&truth["frauds"]),
        whole(&truth["legitimate"]),
    )?;
    writeln!(
        out,
        "not counted: {} too young, {} declined, {} without a label; {} passed by chance count for more, all together tell as much as {} events",
        whole(&truth["immature"]),
        whole(&truth["declined"]),
        whole(&truth["unlabelled"]),
        whole(&truth["drawn"]),
        decimal(&truth["effective"]),
    )?;
    write!(out, "{:<20}", "")?;
    for model in models() {
        write!(
            out,
            " {:>22}",
            text(&model["model"]).get(..12).unwrap_or_default()
        )?;
    }
    writeln!(out)?;
    for (name, cell) in LINES {
        write!(out, "{name:<20}")?;
        for model in models() {
            write!(out, " {:>22}", cell(model))?;
        }
        writeln!(out)?;
    }
    for model in models() {
        if let Some(trouble) = model["trouble"].as_str() {
            let model = text(&model["model"]);
            let short = model.get(..12).unwrap_or_default();
            writeln!(out, "{short} does not score: {trouble}")?;
        }
    }
    for model in models() {
        let apart = &model["beside"]["disagreements"];
        if apart.is_null() {
            continue;
        }
        writeln!(
            out,
            "{}: {} alerts of its own ({} frauds, {} legitimate), and without {} of the first's ({} frauds, {} legitimate)",
            text(&model["model"]).get(..12).unwrap_or_default(),
            whole(&apart["only_this"]["events"]),
            whole(&apart["only_this"]["frauds"]),
            whole(&apart["only_this"]["legitimate"]),
            whole(&apart["only_other"]["events"]),
            whole(&apart["only_other"]["frauds"]),
            whole(&apart["only_other"]["legitimate"]),
        )?;
        for sample in apart["samples"].as_array().into_iter().flatten() {
            writeln!(
                out,
                "  {} {}: {} ({}), the first {} ({}); decided {}, {}",
                text(&sample["at"]),
                text(&sample["event_id"]),
                sample["score"],
                text(&sample["verdict"]),
                sample["other_score"],
                text(&sample["other_verdict"]),
                text(&sample["decided"]),
                sample["label"].as_str().unwrap_or("no label"),
            )?;
        }
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("unknown").to_owned()
}

fn whole(value: &Value) -> String {
    value.as_u64().map_or("-".to_owned(), show::grouped)
}

fn decimal(value: &Value) -> String {
    let number = value.as_f64();
    number.map_or("-".to_owned(), |it| format!("{it:.1}"))
}

fn thousandths(value: &Value) -> String {
    let number = value.as_f64();
    number.map_or("-".to_owned(), |it| format!("{it:.3}"))
}

fn percent(value: &Value) -> String {
    let share = value.as_f64();
    share.map_or("-".to_owned(), |it| format!("{:.1} %", it * 100.0))
}

/// A figure that is told of enough frauds only.
fn resampled(of: &Value, name: &str) -> String {
    let few = |count: &Value| count.as_u64().filter(|it| *it < FRAUD_ACCOUNTS_MIN);
    if !of[name].is_null() {
        figure(&of[name])
    } else if let Some(frauds) = few(&of["frauds"]) {
        format!("too few frauds ({frauds})")
    } else if let Some(accounts) = few(&of["fraud_accounts"]) {
        format!("too few accounts ({accounts})")
    } else {
        "-".to_owned()
    }
}

/// Within its interval.
fn figure(value: &Value) -> String {
    match value["value"].as_f64() {
        None => "-".to_owned(),
        Some(it) => format!(
            "{it:.3} ({} {})",
            thousandths(&value["low"]),
            thousandths(&value["high"])
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_too_few_frauds_says_of_how_many() {
        let told = |of: Value| resampled(&of, "ap");
        let some = json!({ "value": 0.5, "low": 0.25, "high": 0.75 });
        assert_eq!(
            told(json!({ "ap": some, "frauds": 20, "fraud_accounts": 20 })),
            "0.500 (0.250 0.750)"
        );
        assert_eq!(
            told(json!({ "ap": null, "frauds": 1, "fraud_accounts": 1 })),
            "too few frauds (1)"
        );
        assert_eq!(
            told(json!({ "ap": null, "frauds": 30, "fraud_accounts": 3 })),
            "too few accounts (3)"
        );
        // The first model stands beside none.
        assert_eq!(told(Value::Null), "-");
    }
}
