//! One file per command; this one only sends them on their way.

mod apply;
mod audit;
mod backtest;
mod backup;
mod cases;
mod completions;
mod decide;
pub mod demo;
mod drift;
mod evaluate;
pub mod import;
mod init;
mod inspect;
mod leaks;
mod lists;
mod log;
mod metrics;
mod models;
mod output;
mod replay;
pub mod retrain;
mod rules;
mod samples;
mod serve;
mod simulate;
mod starter;
mod study;
mod tenants;
mod token;
mod train;
mod webhooks;

use std::process::ExitCode;

use anyhow::Result;
use node::{Place, Tenant};

use crate::cli::{Cli, Command};
use crate::show;

pub fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Init(args) => init::run(cli, args),
        Command::Import(args) => import::run(cli, args),
        Command::Simulate(args) => simulate::run(cli, args),
        Command::Train(args) => train::run(cli, args),
        Command::Retrain(args) => retrain::run(cli, args),
        Command::Evaluate(args) => evaluate::run(cli, args),
        Command::Leaks(args) => leaks::run(cli, args),
        Command::Models(args) => models::run(cli, args),
        Command::Drift(args) => drift::run(cli, args),
        Command::Rules(args) => rules::run(cli, args),
        Command::Policy(args) => rules::policy(cli, args),
        Command::Lists(args) => lists::run(cli, args),
        Command::Apply(args) => apply::run(cli, args),
        Command::Backtest(args) => backtest::run(cli, args),
        Command::Advise(args) => backtest::advise(cli, args),
        Command::Samples(args) => samples::run(cli, args),
        Command::Decide(args) => decide::run(cli, args),
        Command::Replay(args) => replay::run(cli, args),
        Command::Inspect(args) => inspect::run(cli, args),
        Command::Log(args) => log::run(cli, args),
        Command::Audit(args) => audit::run(cli, args),
        Command::Backup(args) => backup::take(cli, args),
        Command::Restore(args) => backup::restore(cli, args),
        Command::Serve(args) => serve::run(cli, args),
        Command::Webhooks(args) => webhooks::run(cli, args),
        Command::Tenants(args) => tenants::run(cli, args),
        Command::Token(args) => token::run(cli, args),
        Command::Cases(args) => cases::run(cli, args),
        Command::Alerts(args) => cases::alerts(cli, args),
        Command::Demo(args) => demo::run(cli, args),
        Command::Metrics(_) => metrics::run(cli),
        Command::Study(args) => study::run(cli, args),
        Command::Completions(args) => completions::run(args),
    }
}

pub fn place(cli: &Cli) -> Result<Place> {
    Ok(Place::new(&cli.data, &cli.tenant)?)
}

/// Opens the tenant with a progress bar over the replayed tail; warnings go to standard error.
pub fn open_tenant(cli: &Cli, place: &Place) -> Result<Tenant> {
    let bar = show::bar(0, "recover", "records", cli.quiet);
    let (tenant, recovered) = Tenant::open(place, ::log::LogOptions::default(), |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    for text in &recovered.warnings {
        show::warning(text);
    }
    if recovered.cut_bytes > 0 {
        show::warning(&format!(
            "{} bytes of an unfinished commit were cut from the log's end; nothing acknowledged is lost",
            recovered.cut_bytes
        ));
    }
    Ok(tenant)
}
