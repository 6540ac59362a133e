//! What the exporter's counters are told as. Names and help texts stand here and nowhere else.

use std::sync::Arc;

use meters::{Family, Source};

use crate::Exporter;
use crate::exporter::Counters;

type Read = fn(&Counters) -> u64;

#[rustfmt::skip]
static TABLE: &[(Family, Read)] = &[
    (Family::counter("ringfence_trace_spans_sent_total", "Spans that the collector took."), |it| it.sent.get()),
    (Family::counter("ringfence_trace_spans_dropped_total", "Spans dropped because the queue to the collector was full."), |it| it.dropped.get()),
    (Family::counter("ringfence_trace_spans_lost_total", "Spans that the collector refused, or did not take at any attempt."), |it| it.lost.get()),
    (Family::counter("ringfence_trace_attempts_failed_total", "Messages to the collector that failed, before another attempt."), |it| it.attempts_failed.get()),
];

pub fn families() -> Vec<&'static Family> {
    TABLE.iter().map(|(family, _)| family).collect()
}

/// Without an exporter all of them stay 0.
pub fn source(exporter: Option<Arc<Exporter>>) -> Source {
    let none = Counters::default();
    Source::new(families(), move |out| {
        let counters = exporter.as_ref().map_or(&none, |it| it.counters());
        for (family, read) in TABLE {
            out.family(family).value(&[], read(counters));
        }
    })
}
