//! What a tenant's counters are told as. Names and help texts stand here and nowhere else.

mod drift;

use std::sync::Arc;

use event::record::{DecisionKind, DecisionSource, ServingPart, degraded};
use meters::row::{self, Group, TENANT};
use meters::{Exposition, Family, Row};

use crate::clock::Clock;
use crate::counters::{self, Breakers, Count, Counters, DECIDING, TIMED};
use crate::guard::Part;
use crate::mailbox::Level;
use crate::node::TenantHandle;
use crate::shadow::{Board, Lane};

#[rustfmt::skip]
static TABLE: &[Row<Counters>] = &[
    Row::counter("ringfence_duplicates_total", "Requests that were there already.", |it| it.duplicates.get()),
    Row::counter("ringfence_refused_total", "Requests whose content was refused by the tenant.", |it| it.refused.get()),
    Row::counter("ringfence_abandoned_total", "Requests whose client went away.", |it| it.abandoned.get()),
    Row::counter("ringfence_disk_failures_total", "Failed writes and fsyncs.", |it| it.disk_failures.get()),
    Row::counter("ringfence_snapshots_total", "Snapshots written.", |it| it.snapshots.get()),
    Row::counter("ringfence_snapshot_failures_total", "Snapshots that could not be written.", |it| it.snapshot_failures.get()),
    Row::max(Family::gauge("ringfence_snapshot_us_max", "Longest time that a snapshot took beside its tenant, microseconds."), |it| it.snapshot_us_max.get()),
    Row::counter("ringfence_index_failures_total", "Segment indexes left to be rebuilt.", |it| it.index_failures.get()),
    Row::counter("ringfence_groups_total", "Group commits.", |it| it.group_records.count()),
    Row::sum(Family::counter("ringfence_records_total", "Log records appended.").records(), |it| it.records.get()),
    Row::counter("ringfence_fsyncs_total", "Fsyncs of the log.", |it| it.fsync.count()),
    Row::counter("ringfence_segments_retired_total", "Log segments that retention removed.", |it| it.segments_retired.get()),
    Row::counter("ringfence_bytes_retired_total", "Bytes of log segments that retention removed.", |it| it.bytes_retired.get()),
    Row::counter("ringfence_retire_failures_total", "Removals that failed; the files stay until the next start.", |it| it.retire_failures.get()),
    Row::max(Family::gauge("ringfence_log_first_position", "Oldest record of the log; the largest, of several tenants."), |it| it.log_first.get()),
    Row::counter("ringfence_activations_total", "Models that entered service.", |it| it.activations.get()),
    Row::max(Family::gauge("ringfence_switch_pause_us_max", "Longest stop for a model to enter service, microseconds."), |it| it.switch_pause_us_max.get()),
    Row::max(Family::gauge("ringfence_swap_us_max", "Longest from the call to the switch of a model that entered service, without the making of a channel, microseconds."), |it| it.swap_us_max.get()),
    Row::gauge("ringfence_entities", "Entities that the graph remembers.", |it| it.entities.get()),
    Row::gauge("ringfence_entities_max", "Entities that the tenant may hold.", |it| it.entities_max.get()),
    Row::sum(Family::gauge("ringfence_disk_bytes", "Bytes of the log's directory.").bytes(), |it| it.disk_bytes.get()),
    Row::gauge("ringfence_disk_bytes_max", "Bytes that the log's directory may hold.", |it| it.disk_bytes_max.get()),
    Row::counter("ringfence_quota_entities_refused_total", "Events refused because of new entities past the quota.", |it| it.quota_refused[0].get()),
    Row::counter("ringfence_quota_bytes_refused_total", "Requests refused because the disk quota is used up.", |it| it.quota_refused[1].get()),
];

static DECISIONS: Family = Family::counter(
    "ringfence_decisions_total",
    "Decisions by verdict and source.",
)
.by(&["tenant", "decision", "source"]);
static SCORED_BY: Family = Family::counter(
    "ringfence_decisions_scored_total",
    "Decisions by the part of the model whose score they are of.",
)
.by(&["tenant", "part"]);
static DEGRADED: Family = Family::counter(
    "ringfence_degraded_total",
    "Decisions taken with less than all, by cause.",
)
.by(&["tenant", "cause"]);
static BREAKER_OPEN: Family = Family::gauge(
    "ringfence_breaker_open",
    "1 while calls of a part of a model that decides are kept away.",
)
.by(BREAKER);
static BREAKER_OPENED: Family = Family::counter(
    "ringfence_breaker_opened_total",
    "Times a breaker opened, since the tenant was opened.",
)
.by(BREAKER);
const BREAKER: &[&str] = &["tenant", "model", "part", "level"];
static QUEUE_FULL: Family = Family::counter(
    "ringfence_queue_full_total",
    "Requests refused at a full queue, by level.",
)
.by(&["tenant", "level"]);
static EXPIRED: Family = Family::counter(
    "ringfence_expired_total",
    "Requests whose deadline passed before their turn, by level.",
)
.by(&["tenant", "level"]);
static QUEUE_LEN: Family = Family::gauge(
    "ringfence_queue_len",
    "Requests that wait for the owner thread.",
)
.by(TENANT);
static QUEUE_BYTES: Family = Family::gauge(
    "ringfence_queue_bytes",
    "Bytes of the requests that wait for the owner thread.",
)
.bytes()
.by(TENANT);
static SERVING: Family = Family::gauge(
    "ringfence_serving",
    "1 while the tenant takes everything; of several, how many do.",
)
.by(TENANT);
static NOT_SERVING: Family = Family::gauge(
    "ringfence_not_serving",
    "Tenants that do not take everything: one that has a name of its own, or how many of the others.",
)
.by(TENANT);
static QUOTA_USED: Family = Family::gauge(
    "ringfence_quota_used_ratio",
    "Used share of a quota; of several tenants the largest.",
)
.by(&["tenant", "quota"]);
static MODEL: Family = Family::info(
    "ringfence_model_info",
    "Models that decide or score beside them, by part; not told of tenants without a name of their own.",
)
.by(&["tenant", "part", "model_version"]);
static FSYNC: Family =
    Family::histogram("ringfence_fsync_seconds", "Time of one fsync of the log.")
        .seconds()
        .by(TENANT);
static DECIDE: Family = Family::histogram(
    "ringfence_decide_seconds",
    "From a request's turn to its answer, the disk included.",
)
.seconds()
.by(TENANT);
static STEPS: Family = Family::histogram(
    "ringfence_decision_step_seconds",
    "Steps of a decision; of one in 16, and of each while traces are on.",
)
.seconds()
.by(&["tenant", "step"]);
static GROUP_RECORDS: Family =
    Family::histogram("ringfence_group_records", "Records of one group commit.")
        .records()
        .by(TENANT);
static GROUP_BYTES: Family =
    Family::histogram("ringfence_group_bytes", "Bytes of one group commit.")
        .bytes()
        .by(TENANT);
static LABEL_DELAY: Family = Family::histogram(
    "ringfence_label_delay_seconds",
    "From an event to the arrival of a label of it.",
)
.seconds()
.by(TENANT);
#[rustfmt::skip]
static SHADOWS: &[Row<Board>] = &[
    Row::counter("ringfence_shadow_handed_total", "Samples handed to shadows.", |it| it.handed.get()),
    Row::counter("ringfence_shadow_dropped_total", "Samples that shadows missed: their queue was full.", |it| it.dropped.get()),
    Row::gauge("ringfence_shadow_lag", "Samples on their way to shadows.", |it| it.lag()),
];
const SHADOW: &[&str] = &["tenant", "model_version"];
static SHADOW_SCORED: Family = Family::counter(
    "ringfence_shadow_scored_total",
    "Samples that a shadow scored; not told of tenants without a name of their own, as all of one shadow.",
)
.by(SHADOW);
static SHADOW_FAILED: Family = Family::counter(
    "ringfence_shadow_failed_total",
    "Samples of which a shadow said nothing.",
)
.by(SHADOW);
static SHADOW_FAULTS: Family = Family::counter(
    "ringfence_shadow_faults_total",
    "Blocks of a shadow's scores that were lost, and files found damaged.",
)
.by(SHADOW);
static SHADOW_TROUBLED: Family = Family::gauge(
    "ringfence_shadow_troubled",
    "1 while a shadow does not score, or did not keep what it scored; `GET /v1/models` says why.",
)
.by(SHADOW);
static SHADOW_TIME: Family = Family::histogram(
    "ringfence_shadow_score_seconds",
    "CPU time of one score of a shadow.",
)
.seconds()
.by(SHADOW);
static CLOCK_JUMPS: Family = Family::counter(
    "ringfence_clock_jumps_total",
    "Jumps of this machine's clock.",
)
.by(&["direction"]);
static CLOCK_DOUBTED: Family = Family::gauge(
    "ringfence_clock_doubted",
    "1 while a jump ahead is not believed.",
);

pub fn families() -> Vec<&'static Family> {
    let mut all = vec![
        &DECISIONS,
        &SCORED_BY,
        &DEGRADED,
        &DECIDE,
        &STEPS,
        &QUEUE_LEN,
        &QUEUE_BYTES,
        &QUEUE_FULL,
        &EXPIRED,
        &SERVING,
        &NOT_SERVING,
        &QUOTA_USED,
        &MODEL,
        &BREAKER_OPEN,
        &BREAKER_OPENED,
        &FSYNC,
        &GROUP_RECORDS,
        &GROUP_BYTES,
        &LABEL_DELAY,
    ];
    all.extend(row::families(TABLE));
    all.extend(row::families(SHADOWS));
    all.extend([&SHADOW_SCORED, &SHADOW_FAILED, &SHADOW_FAULTS]);
    all.extend([&SHADOW_TROUBLED, &SHADOW_TIME]);
    all.extend(drift::families());
    all.extend([&CLOCK_JUMPS, &CLOCK_DOUBTED]);
    all
}

/// Tenants that are told under one name.
type Handles = (String, Vec<Arc<TenantHandle>>);

pub fn write(out: &mut Exposition, tenants: &[Handles]) {
    let groups: Vec<Group<'_, Counters>> = tenants
        .iter()
        .map(|(name, members)| {
            (
                name.clone(),
                members.iter().map(|it| it.counters()).collect(),
            )
        })
        .collect();
    decided(out, &groups);
    breakers(out, &groups);
    boxes(out, tenants, &groups);
    quotas(out, &groups);
    models(out, tenants);
    row::write(out, TABLE, &groups);
    shadows(out, tenants);
    let mut series = out.family(&FSYNC);
    for (name, members) in &groups {
        series.histogram(&[name], members.iter().map(|it| &it.fsync));
    }
    let mut series = out.family(&DECIDE);
    for (name, members) in &groups {
        series.histogram(&[name], members.iter().map(|it| &it.decide));
    }
    let mut series = out.family(&STEPS);
    for (name, members) in &groups {
        for (at, step) in TIMED.iter().enumerate() {
            series.histogram(&[name, step.name()], members.iter().map(|it| &it.steps[at]));
        }
    }
    let mut series = out.family(&GROUP_RECORDS);
    for (name, members) in &groups {
        series.histogram(&[name], members.iter().map(|it| &it.group_records));
    }
    let mut series = out.family(&GROUP_BYTES);
    for (name, members) in &groups {
        series.histogram(&[name], members.iter().map(|it| &it.group_bytes));
    }
    let mut series = out.family(&LABEL_DELAY);
    for (name, members) in &groups {
        series.histogram(&[name], members.iter().map(|it| &it.label_delay));
    }
    drift::write(out, tenants, &groups);
}

fn sum(members: &[&Counters], read: impl Fn(&Counters) -> &Count) -> u64 {
    members.iter().map(|counters| read(counters).get()).sum()
}

fn decided(out: &mut Exposition, groups: &[Group<'_, Counters>]) {
    let mut series = out.family(&DECISIONS);
    for (name, members) in groups {
        for (verdict, kind) in DecisionKind::ALL.iter().enumerate() {
            for (at, source) in DecisionSource::ALL.iter().enumerate() {
                let value = sum(members, |it| &it.decisions[verdict][at]);
                series.value(&[name, kind.name(), source.name()], value);
            }
        }
    }
    let mut series = out.family(&SCORED_BY);
    for (name, members) in groups {
        for (at, part) in counters::SCORED_BY.iter().enumerate() {
            series.value(&[name, part], sum(members, |it| &it.scored_by[at]));
        }
    }
    let mut series = out.family(&DEGRADED);
    for (name, members) in groups {
        for (at, (_, cause)) in degraded::NAMES.iter().enumerate() {
            series.value(&[name, cause], sum(members, |it| &it.degraded[at]));
        }
    }
}

fn breakers(out: &mut Exposition, groups: &[Group<'_, Counters>]) {
    type Read = fn(&Breakers) -> &[[Count; 3]; 3];
    let families: [(_, Read); 2] = [
        (&BREAKER_OPEN, |it| &it.open),
        (&BREAKER_OPENED, |it| &it.opened),
    ];
    let all = || {
        let parts = Part::ALL.iter().enumerate();
        parts.flat_map(|part| {
            Level::ALL
                .iter()
                .enumerate()
                .map(move |level| (part, level))
        })
    };
    for (family, read) in families {
        let mut series = out.family(family);
        for (name, members) in groups {
            for (model, model_name) in DECIDING.iter().enumerate() {
                for ((part, part_name), (level, level_name)) in all() {
                    let labels: [&str; 4] = [name, model_name, part_name.name(), level_name.name()];
                    let value = sum(members, |it| &read(&it.breakers[model])[part][level]);
                    series.value(&labels, value);
                }
            }
        }
    }
}

fn boxes(out: &mut Exposition, tenants: &[Handles], groups: &[Group<'_, Counters>]) {
    let mut series = out.family(&QUEUE_FULL);
    for (name, members) in groups {
        for (at, level) in Level::ALL.iter().enumerate() {
            let value = sum(members, |it| &it.queue_full[at]);
            series.value(&[name, level.name()], value);
        }
    }
    let mut series = out.family(&EXPIRED);
    for (name, members) in groups {
        for (at, level) in Level::ALL.iter().enumerate() {
            series.value(&[name, level.name()], sum(members, |it| &it.expired[at]));
        }
    }
    type Read = fn(&TenantHandle) -> u64;
    let gauges: [(_, Read); 4] = [
        (&QUEUE_LEN, |it| it.load().0 as u64),
        (&QUEUE_BYTES, |it| it.load().1 as u64),
        (&SERVING, |it| u64::from(it.status().is_none())),
        (&NOT_SERVING, |it| u64::from(it.status().is_some())),
    ];
    for (family, read) in gauges {
        let mut series = out.family(family);
        for (name, members) in tenants {
            series.value(&[name], members.iter().map(|it| read(it)).sum());
        }
    }
}

/// A sum of what several hold would hide the one that is full.
fn quotas(out: &mut Exposition, groups: &[Group<'_, Counters>]) {
    type Read = fn(&Counters) -> (u64, u64);
    let quotas: [(_, Read); 2] = [
        ("entities", |it| (it.entities.get(), it.entities_max.get())),
        ("disk", |it| (it.disk_bytes.get(), it.disk_bytes_max.get())),
    ];
    let mut series = out.family(&QUOTA_USED);
    for (name, members) in groups {
        for (quota, read) in quotas {
            let used = members.iter().map(|it| read(it)).map(|(held, max)| {
                // 0: it is not known yet.
                if max == 0 {
                    0.0
                } else {
                    held as f64 / max as f64
                }
            });
            series.float(&[name, quota], used.fold(0.0, f64::max));
        }
    }
}

fn models(out: &mut Exposition, tenants: &[Handles]) {
    let mut series = out.family(&MODEL);
    for (name, members) in tenants {
        let [only] = &members[..] else { continue };
        for (model, part) in only.counters().models.iter().zip(DECIDING) {
            if model.get() != 0 {
                // Twelve digits, as decisions give it.
                let version = format!("{:012x}", model.get() >> 16);
                series.value(&[name, part, &version], 1);
            }
        }
        for lane in only.shadows().lanes() {
            let version = event::hex(&lane.artifact[..6]);
            series.value(&[name, ServingPart::Shadow.name(), &version], 1);
        }
    }
}

fn shadows(out: &mut Exposition, tenants: &[Handles]) {
    let boards: Vec<Group<'_, Board>> = tenants
        .iter()
        .map(|(name, members)| {
            let boards = members.iter().map(|it| &**it.shadows());
            (name.clone(), boards.collect())
        })
        .collect();
    row::write(out, SHADOWS, &boards);
    // A tenant has eight at most.
    let lanes: Vec<(&str, String, Arc<Lane>)> = boards
        .iter()
        .filter(|(_, members)| members.len() == 1)
        .flat_map(|(name, members)| {
            let lanes = members.iter().flat_map(|it| it.lanes());
            lanes.map(|it| (name.as_str(), event::hex(&it.artifact[..6]), it))
        })
        .collect();
    type Read = fn(&Lane) -> u64;
    let counts: [(_, Read); 4] = [
        (&SHADOW_SCORED, |it| it.scored.get()),
        (&SHADOW_FAILED, |it| it.failed.get()),
        (&SHADOW_FAULTS, |it| it.faults.get()),
        (&SHADOW_TROUBLED, |it| u64::from(it.trouble().is_some())),
    ];
    for (family, read) in counts {
        let mut series = out.family(family);
        for (name, version, lane) in &lanes {
            series.value(&[name, version], read(lane));
        }
    }
    let mut series = out.family(&SHADOW_TIME);
    for (name, version, lane) in &lanes {
        series.histogram(&[name, version], std::iter::once(&lane.time));
    }
}

pub fn write_clock(out: &mut Exposition, clock: &Clock) {
    let (ahead, back, doubted) = clock.jumps();
    let mut series = out.family(&CLOCK_JUMPS);
    series.value(&["ahead"], ahead);
    series.value(&["back"], back);
    out.family(&CLOCK_DOUBTED).value(&[], u64::from(doubted));
}
