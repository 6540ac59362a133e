//! Records into a graph, as the engine does it, with no exchange rate known.

use event::{Event, Position, Record, Schema};
use ringfence_graph::sample::SampleParts;
use ringfence_graph::{Graph, Input, Sample};

pub fn amount(schema: &Schema, event: &Event) -> Option<f32> {
    let money = event
        .amount
        .filter(|money| money.currency == schema.base_currency)?;
    Some((money.minor as f64 / money.currency.minor_per_major() as f64) as f32)
}

pub fn fold(graph: &mut Graph, position: Position, record: &Record) {
    match record {
        Record::Event(event) => {
            let amount = amount(graph.schema(), event);
            graph.fold_event(Input {
                event,
                position,
                amount,
            });
        }
        Record::Label(label) => drop(graph.fold_label(label)),
        Record::Outcome(outcome) => graph.fold_outcome(outcome),
        Record::Decision(decision) => graph.fold_decision(decision),
        Record::Tick(tick) => graph.advance(tick.at),
        Record::Config(_) | Record::Activation(_) => {}
    }
}

pub fn sample(graph: &mut Graph, event: &Event) -> Sample {
    let mut sample = Sample::default();
    let amount = amount(graph.schema(), event);
    graph.sample(event, amount, SampleParts::Full, &mut sample);
    sample
}
