//! How fast a world turns: `cargo bench -p ringfence-simulator --bench world -- [PRESET] [DAYS] [DIR]`.
//! Without DIR rows are counted and dropped; with it they are written as JSON lines.
#![expect(clippy::print_stdout, reason = "a benchmark's output is its figures")]

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ringfence_simulator as simulator;
use simulator::{Lines, Params, simulate, write_world};

fn main() -> Result<(), Box<dyn Error>> {
    // cargo passes --bench first
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let preset = arguments.first().map_or("bench-1m", String::as_str);
    let mut params = Params::preset(preset)?;
    if let Some(days) = arguments.get(1) {
        params.days = days.parse()?;
    }
    let start = Instant::now();
    let counts = match arguments.get(2) {
        Some(directory) => {
            write_world(&params, 1, Path::new(directory), Lines::Written, |_| Ok(()))?
        }
        None => simulate::<Infallible>(&params, 1, |_| Ok(()), |_| Ok(()))?,
    };
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{preset}, {} days, {} accounts, 1 thread: {counts:?}",
        params.days, params.accounts
    );
    println!(
        "{seconds:.2} s, {:.0} events/s",
        counts.events as f64 / seconds
    );
    // the machine may be shared: CPU time is what the work costs
    if let Some(cpu) = cpu_seconds() {
        println!(
            "{cpu:.2} CPU-s, {:.0} events per CPU-s",
            counts.events as f64 / cpu
        );
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or_default();
        println!("{peak}");
    }
    Ok(())
}

/// User and system time of this process; Linux counts it in hundredths.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}
