//! What shadows cost the thread that decides: a sample handed over, and one that does not fit.
//!
//! `cargo bench -p ringfence-node --bench handover`. The other end only gives boxes back, from another thread.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use event::json::{Line, parse_line};
use event::{Event, Position, Schema};
use graph::FeatureList;
use graph::sample::{
    EDGE_WIDTH, NEIGHBOUR_WIDTH, NEIGHBOURS, NODE_WIDTH, STEP_WIDTH, STEPS, Sample,
};
use ringfence_node::shadow::Board;
use ringfence_node::shadow::handover::{HandOver, Intake, Moment, queue};

const SCHEMA: &str = include_str!("../../../schemas/default.toml");
const BOXES: usize = 1024;
const ROUNDS: usize = 200;
/// Handed over at once, as a burst of decisions does; then the other end catches up.
const BURST: usize = 256;

fn event(schema: &Schema) -> Event {
    let text = r#"{"event_id":"a-payment-of-today","event_type":"payment","amount":"10.5",
        "event_timestamp":"2026-01-01T00:00:00Z","account":"a","merchant":"m","device":"d"}"#;
    match parse_line(text, schema, None).unwrap() {
        Line::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

/// As full as one can be.
fn sample(schema: &Schema) -> Sample {
    let roles = schema.roles.len();
    const { assert!(EDGE_WIDTH + NODE_WIDTH == NEIGHBOUR_WIDTH) };
    let mut sample = Sample::default();
    sample.tabular = vec![0.5; FeatureList::new(schema).len()];
    sample.sequence = vec![0.5; STEPS * STEP_WIDTH];
    sample.steps = STEPS;
    sample.entities = vec![0.5; roles * NODE_WIDTH];
    sample.neighbourhood = vec![0.5; roles * NEIGHBOURS * NEIGHBOUR_WIDTH];
    sample
}

fn give_back(intake: &Intake) {
    loop {
        match intake.full.try_recv() {
            // There is room for each; at the end nobody is there to take it.
            Ok(handed) => match intake.empty.try_send(handed) {
                Ok(()) => {}
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(_)) => panic!("more boxes than there were"),
            },
            Err(TryRecvError::Empty) => thread::sleep(Duration::from_millis(1)),
            Err(TryRecvError::Disconnected) => return,
        }
    }
}

/// Nanoseconds of one, of the best tenth of bursts.
fn measure(hand_over: &HandOver, moment: &Moment<'_>, pause: Duration) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            thread::sleep(pause);
            let began = Instant::now();
            for _ in 0..BURST {
                hand_over.hand_over(black_box(moment));
            }
            began.elapsed().as_nanos() as f64 / BURST as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 10]
}

fn main() {
    let schema = Schema::parse(SCHEMA).unwrap();
    let (event, sample) = (event(&schema), sample(&schema));
    let moment = Moment {
        event: &event,
        position: Position(1),
        sample: &sample,
        channel: false,
        deciding_nanos: 0,
    };
    let floats = sample.tabular.len()
        + sample.sequence.len()
        + sample.entities.len()
        + sample.neighbourhood.len();
    let board = Arc::new(Board::default());
    let (hand_over, intake) = queue(BOXES, board.clone());
    let other = thread::spawn(move || give_back(&intake));
    let handed = measure(&hand_over, &moment, Duration::from_millis(8));
    let dropped = board.dropped.get();
    drop(hand_over);
    other.join().unwrap();
    println!(
        "handed over, {} KiB: {handed:.0} ns ({dropped} dropped)",
        floats * 4 / 1024
    );
    let (hand_over, _intake) = queue(1, board);
    hand_over.hand_over(&moment);
    let shed = measure(&hand_over, &moment, Duration::ZERO);
    println!("no room: {shed:.0} ns");
}
