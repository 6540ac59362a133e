//! One binary: parses the command line, builds what a command needs, runs it.

mod cli;

mod commands;
mod config;
mod metrics;
mod remote;
mod show;
mod target;

use std::process::ExitCode;

use clap::Parser;

// Event ids, rows and JSON are many small allocations: mimalloc halves their cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(&cli) {
        Ok(done) => done,
        // Whoever reads our output has seen enough: `ringfence ... | head` is no failure.
        Err(error) if show::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            show::error(&error, cli.json);
            ExitCode::from(cli::EXIT_FAILED)
        }
    }
}
