//! What the deliverer's counters are told as. Names and help texts stand here and nowhere else. Of all tenants
//! together: an endpoint is a tenant's own, and its counts are told to the tenant (`GET /v1/webhooks`).

use meters::{Exposition, Family};

use crate::Deliverer;
use crate::counters::Counters;

type Read = fn(&Counters) -> u64;

#[rustfmt::skip]
static TABLE: &[(Family, Read)] = &[
    (Family::counter("ringfence_webhook_delivered_total", "Webhooks that their receiver took."), |it| it.delivered.get()),
    (Family::counter("ringfence_webhook_failures_total", "Attempts at a webhook that failed."), |it| it.failed.get()),
    (Family::counter("ringfence_webhook_dead_total", "Webhooks given up: after their last attempt, or too old."), |it| it.dead.get()),
    (Family::counter("ringfence_webhook_breaker_opened_total", "Times that an endpoint was left alone."), |it| it.breaker_opened.get()),
    (Family::counter("ringfence_webhook_store_failures_total", "Times that a tenant's webhooks could not be read or written."), |it| it.store_failures.get()),
];
static BREAKERS_OPEN: Family = Family::gauge(
    "ringfence_webhook_breakers_open",
    "Endpoints that are left alone for a while.",
);

pub fn families() -> Vec<&'static Family> {
    let mut all: Vec<&Family> = TABLE.iter().map(|(family, _)| family).collect();
    all.push(&BREAKERS_OPEN);
    all
}

pub fn write(out: &mut Exposition, deliverer: &Deliverer) {
    for (family, read) in TABLE {
        out.family(family).value(&[], read(deliverer.counters()));
    }
    out.family(&BREAKERS_OPEN)
        .value(&[], deliverer.breakers_open());
}
