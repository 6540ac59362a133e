//! Spans of requests that have ended, and the thread that sends them to a collector: OTLP over HTTP, in protobuf
//! (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! A request that is worth telling is known when it has ended: by its outcome, its level, or its caller. So spans are
//! made then, from times that were taken on the way, and no context is carried through the code. Whoever hands them
//! over never waits: what does not fit into the queue is dropped and counted, and a collector that is down costs
//! nothing but that.
//!
//! The messages are declared by hand and sent by the HTTP client that the command line has: the OpenTelemetry crates
//! would bring some twenty others into the binary, and their tracer decides at a request's beginning what is kept.

pub mod span;

pub mod sampling;

pub mod exporter;

pub mod metrics;
pub mod proto;

mod encode;

pub use exporter::{Exporter, ExporterSettings};
pub use sampling::Sampling;
pub use span::{Kind, Request, Span, Value};
