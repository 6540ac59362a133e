//! What a person reads of retrains.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use event::EventTime;
use learning::gate::Report;
use node::Place;
use serde_json::{Value, json};
use steward::job::{self, Ended, Job, Window};

use crate::cli::{Cli, EXIT_GATE};
use crate::show;

pub fn resumed(cli: &Cli, job: &Job) -> Result<()> {
    if !cli.json {
        writeln!(
            show::out(),
            "going on with retrain {}, which was cut off (--fresh begins another)",
            job.id
        )?;
    }
    Ok(())
}

pub fn list(cli: &Cli, place: &Place) -> Result<ExitCode> {
    let mut jobs = job::all(place)?;
    jobs.reverse();
    if cli.json {
        let values: Result<Vec<Value>, _> = jobs.iter().map(Job::value).collect();
        show::json(&json!({ "retrains": values? }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = show::out();
    for job in &jobs {
        let order = job.order()?;
        let (word, says) = match job.outcome()? {
            Some(outcome) => (outcome.ended.name(), outcome.says),
            None => ("open", String::new()),
        };
        writeln!(
            out,
            "{:>4}  {}  {:<9} {word:<10} {}  {says}",
            job.id,
            EventTime::from_millis(order.at),
            order.trigger.name(),
            match job.trained()? {
                Some(trained) => trained.model[..12].to_owned(),
                None => "no model    ".to_owned(),
            },
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Success where the last verdict lets the candidate pass, or nothing has been judged yet.
pub fn show(cli: &Cli, job: &Job) -> Result<ExitCode> {
    let last = job.verdicts()?.pop();
    let stopped = last.as_ref().is_some_and(|it| it.verdict != "pass");
    let code = match stopped {
        true => ExitCode::from(EXIT_GATE),
        false => ExitCode::SUCCESS,
    };
    if cli.json {
        show::json(&job.value()?)?;
        return Ok(code);
    }
    let mut out = show::out();
    writeln!(out, "retrain {}", job.id)?;
    if let Some(plan) = job.plan()? {
        writeln!(
            out,
            "learned from {} ({} frauds), judged on {} ({} frauds); log until {}",
            between(plan.train),
            plan.train_frauds,
            between(plan.exam),
            plan.exam_frauds,
            plan.log_end
        )?;
        writeln!(out, "champion   {}", &plan.champion[..12])?;
    }
    if let Some(trained) = job.trained()? {
        writeln!(
            out,
            "candidate  {} on {} rows ({} frauds), data {}",
            &trained.model[..12],
            show::grouped(trained.rows as u64),
            show::grouped(trained.frauds as u64),
            &trained.data_digest[..12]
        )?;
    }
    if let Some(last) = last {
        write!(out, "{}", report(&last.report)?)?;
    }
    if let Some(outcome) = job.outcome()? {
        let word = match outcome.ended {
            Ended::Judged => "",
            ended => ended.name(),
        };
        writeln!(
            out,
            "{word}{}{}",
            if word.is_empty() { "" } else { ": " },
            outcome.says
        )?;
        if outcome.ended == Ended::Failed
            && let Some(words) = job.last_words()
        {
            writeln!(out, "the child's last words: {words}")?;
        }
    }
    Ok(code)
}

fn between(window: Window) -> String {
    let until = EventTime::from_millis(window.until);
    match window.from > EventTime::MIN.millis() {
        true => format!("{} to {until}", EventTime::from_millis(window.from)),
        false => format!("the first event to {until}"),
    }
}

/// The gates' findings, for a terminal.
pub fn report(value: &Value) -> Result<String> {
    let report: Report = serde_json::from_value(value.clone())?;
    Ok(report.text())
}
