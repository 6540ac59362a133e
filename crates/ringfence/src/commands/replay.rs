//! `ringfence replay`: the state is a function of the log; this shows it.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use event::Record;
use graph::Sample;
use graph::sample::SampleParts;
use learning::sample_digest::SampleDigest;
use node::History;
use serde_json::json;

use crate::cli::{Cli, ReplayArgs};
use crate::show;

pub fn run(cli: &Cli, args: &ReplayArgs) -> Result<ExitCode> {
    let place = super::place(cli)?;
    let history = History::open(&place)?;
    let end = args
        .until
        .map_or(history.end().0, |until| until.min(history.end().0));
    let mut engine = history.start()?;
    let mut sample = Sample::default();
    let mut samples = SampleDigest::default();
    let bar = show::bar(end, "replay", "records", cli.quiet);
    let started = Instant::now();
    let mut records = history.iter_from(engine.next())?;
    while engine.next().0 < end {
        let Some((position, record)) = records.next_record()? else {
            break;
        };
        if args.samples
            && let Record::Event(event) = &record
        {
            engine.sample(event, SampleParts::Full, &mut sample);
            samples.add(position, &sample);
        }
        node::channel::apply(&mut engine, &place, position, &record)?;
        if position.0.is_multiple_of(16_384) {
            bar.set_position(position.0);
        }
    }
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let graph = engine.graph();
    let counts = graph.counts();
    let digest = show::hex(&engine.digest());
    let samples = args.samples.then(|| show::hex(&samples.finish()));
    if cli.json {
        show::json(&json!({
            "records": engine.next().0,
            "events": counts.events,
            "entities": graph.entities(),
            "pairs": graph.pairs(),
            "hubs": graph.hubs(),
            "frauds_known": counts.fraud_known,
            "labels_too_late": counts.labels_too_late,
            "digest": digest,
            "samples_digest": samples,
            "seconds": seconds,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = show::out();
    let grouped = show::grouped;
    writeln!(
        out,
        "{} records, {} events, {} entities, {} pairs, {} hubs, {} known frauds ({seconds:.1} s)",
        grouped(engine.next().0),
        grouped(counts.events),
        grouped(graph.entities() as u64),
        grouped(graph.pairs() as u64),
        grouped(graph.hubs() as u64),
        grouped(counts.fraud_known),
    )?;
    writeln!(out, "state   {digest}")?;
    if let Some(samples) = samples {
        writeln!(out, "samples {samples}")?;
    }
    Ok(ExitCode::SUCCESS)
}
