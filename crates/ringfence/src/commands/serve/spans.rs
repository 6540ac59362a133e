//! Spans of what goes on beside requests: steps of retrains, and alerts of the watch over drift. Nothing of an event is
//! in them: features and segments have names of the schema.

use std::sync::Arc;

use gateway::trace::Traces;
use node::node::TenantHandle;
use node::watch::Raised;
use sha2::{Digest, Sha256};
use steward::job::{Ended, Job};
use steward::stepped::{Stepped, WHOLE};
use traces::{Exporter, Kind, Request, Span, Value};

/// Told where tracing is on.
pub struct Beside {
    exporter: Arc<Exporter>,
    ids: Traces,
}

const NS_PER_MS: u64 = 1_000_000;

impl Beside {
    pub fn new(exporter: Arc<Exporter>) -> Beside {
        Beside {
            exporter,
            ids: Traces::new(),
        }
    }

    /// All of a job are one trace, whichever process has done them: its ids follow from what the job is.
    pub fn retrain(&self, tenant: &str, ordered_at: i64, job: &Job, steps: &[Stepped]) {
        let (trace, whole) = ids_of(tenant, job.id, ordered_at);
        for step in steps {
            let is_whole = step.name == WHOLE;
            let mut attributes: Vec<(&'static str, Value)> =
                vec![("retrain.id", (job.id as i64).into())];
            if let Some(model) = &step.model {
                attributes.push(("model.version", model[..12].to_owned().into()));
            }
            if let Some(ended) = step.ended {
                attributes.push(("retrain.result", ended.name().into()));
            }
            self.exporter.send(Request {
                kind: Kind::Internal,
                trace,
                caller: (!is_whole).then_some(whole),
                common: vec![("tenant.id", tenant.to_owned().into())],
                root: Span {
                    id: if is_whole { whole } else { self.ids.draw() },
                    name: format!("retrain.{}", step.name).into(),
                    start_ns: step.from.max(0) as u64 * NS_PER_MS,
                    end_ns: step.until.max(step.from).max(0) as u64 * NS_PER_MS,
                    attributes,
                },
                steps: Vec::new(),
                error: (step.ended == Some(Ended::Failed)).then_some("retrain_failed"),
            });
        }
    }

    /// Alerts given since the last call, each from the commit that closed its window on.
    pub fn drift(&self, tenant: &TenantHandle) {
        for raised in tenant.counters().drift.take_raised() {
            let Raised {
                kind,
                feature,
                segment,
                model,
                until_ns,
                response_ns,
            } = raised;
            self.exporter.send(Request {
                kind: Kind::Internal,
                trace: u128::from(self.ids.draw()) << 64 | u128::from(self.ids.draw()),
                caller: None,
                common: vec![("tenant.id", tenant.name.clone().into())],
                root: Span {
                    id: self.ids.draw(),
                    name: "drift.alert".into(),
                    start_ns: until_ns.saturating_sub(response_ns),
                    end_ns: until_ns,
                    attributes: vec![
                        ("drift.kind", kind.name().into()),
                        ("drift.feature", feature.into()),
                        ("drift.segment", segment.into()),
                        ("model.version", model.into()),
                    ],
                },
                steps: Vec::new(),
                error: None,
            });
        }
    }
}

/// Of a job's trace, and of the span that has the others in it: the same by whatever build.
fn ids_of(tenant: &str, job: u64, ordered_at: i64) -> (u128, u64) {
    let mut hash = Sha256::new_with_prefix(b"ringfence retrain 1\0");
    hash.update(job.to_be_bytes());
    hash.update(ordered_at.to_be_bytes());
    hash.update(tenant);
    let digest: [u8; 32] = hash.finalize().into();
    let (mut trace, mut span) = ([0; 16], [0; 8]);
    trace.copy_from_slice(&digest[..16]);
    span.copy_from_slice(&digest[16..24]);
    (u128::from_be_bytes(trace), u64::from_be_bytes(span))
}
