//! What traces cost a decision, in processor time: on the threads that decide and answer, and in all with the thread
//! that sends.
//!
//! `cargo bench -p ringfence-gateway --bench spans`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and fails as it likes"
)]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use event::record::{DecisionKind, DecisionSource, ModelVersion};
use node::mailbox::Level;
use node::timeline::{Step, Timeline};
use ringfence_gateway::routes;
use ringfence_gateway::spans::{Ended, Tracing, Verdict};
use ringfence_gateway::trace::Traces;
use traces::{Exporter, ExporterSettings, Sampling};

const DECISIONS: usize = 100_000;
/// Spans that may be on their way; the queue holds more.
const AHEAD: u64 = 20_000;
/// Kernel ticks of `/proc/self/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let traces = Traces::new();
    let off = time(|| {
        let timeline: Option<Arc<Timeline>> = black_box(None);
        for step in Step::ALL {
            if let Some(timeline) = &timeline {
                timeline.mark(step);
            }
        }
    });
    println!("| traces | processor us a decision | goal |\n|---|---|---|");
    row("off", off, "0");
    let none = tracing(0.0);
    row("on, not kept", time(|| decide(&none, &traces)), "10");
    let all = tracing(1.0);
    let (cpu, mut handed) = (cpu(), 0);
    let kept = time(|| {
        decide(&all, &traces);
        // As fast as spans can be sent, so that none is dropped and all are paid for.
        handed += 1 + Step::ALL.len() as u64;
        while done(&all) + AHEAD < handed {
            thread::sleep(Duration::from_millis(1));
        }
    });
    row("on, each kept", kept, "10");
    assert!(all.exporter.stop(Duration::from_secs(20)));
    let whole = Duration::from_secs_f64((self::cpu() - cpu) / DECISIONS as f64);
    row(
        "the same, all threads, those of the collector too",
        whole,
        "10",
    );
    let dropped = all.exporter.counters().dropped.get();
    println!("{dropped} spans dropped");
}

fn done(tracing: &Tracing) -> u64 {
    let counters = tracing.exporter.counters();
    counters.sent.get() + counters.dropped.get() + counters.lost.get()
}

fn row(what: &str, time: Duration, goal: &str) {
    println!("| {what} | {:.3} | {goal} |", time.as_secs_f64() * 1e6);
}

/// Processor time of this thread: others may be at work on the machine.
fn time(mut each: impl FnMut()) -> Duration {
    let began = on_cpu();
    for _ in 0..DECISIONS {
        each();
    }
    (on_cpu() - began) / DECISIONS as u32
}

fn on_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// User and system time of the process, seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// All that a decision's threads do for its spans.
fn decide(tracing: &Tracing, traces: &Traces) {
    let started = Instant::now();
    let trace = traces.of(None);
    let timeline = Arc::new(Timeline::from(started));
    for step in Step::ALL {
        timeline.mark(step);
    }
    let ended = Ended {
        route: &routes::ALL[0],
        trace,
        tenant: Some("acme"),
        level: Some(Level::L1),
        status: 200,
        code: None,
        verdict: Some(Verdict {
            level: Level::L1,
            verdict: DecisionKind::Approve,
            source: DecisionSource::Model,
            model: ModelVersion([7; 8]),
            score: 17,
            is_degraded: false,
        }),
        batch: None,
        time: started.elapsed(),
        timeline: Some(&timeline),
    };
    if tracing.keeps(&ended) {
        tracing.send(&ended, traces);
    }
}

/// With a collector that takes everything.
fn tracing(share: f64) -> Tracing {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || take(stream.unwrap()));
        }
    });
    let exporter = Exporter::start(ExporterSettings {
        endpoint,
        resource: vec![("service.name", "ringfence".to_owned())],
        queue_max: 4096,
        timeout: Duration::from_secs(5),
    });
    Tracing {
        exporter: Arc::new(exporter.unwrap()),
        sampling: Sampling::new([share; 3]),
    }
}

fn take(stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut len = 0;
        line.clear();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            let value = line.to_ascii_lowercase();
            if let Some(value) = value.strip_prefix("content-length:") {
                len = value.trim().parse().unwrap();
            }
            line.clear();
        }
        if line.is_empty() {
            return;
        }
        body.resize(len, 0);
        reader.read_exact(&mut body).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        reader.get_mut().write_all(answer).unwrap();
    }
}
