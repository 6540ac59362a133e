//! What a backtest tells: both rulebooks side by side, rule by rule, and what would have been decided otherwise.

use compare::interval::wilson;
use engine::decide::{Judge, RuleTally};
use event::record::{DecisionKind, Verdict};
use event::schema::Legitimate;
use event::{EventTime, Schema};
use rules::Status;
use serde::Serialize;

use crate::costs::Costs;
use crate::plan::Plan;
use crate::replay::Replayed;
use crate::rows::{Row, Rows};

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub from: EventTime,
    pub until: EventTime,
    /// Of the window, as far as the log covers it; at least an hour.
    pub days: f64,
    pub events: u64,
    /// Events known as fraud, and as legitimate, by the labels that the log holds now. Where the schema presumes it,
    /// an event without a label is legitimate once its label is overdue.
    pub frauds: u64,
    pub legitimate: u64,
    pub unknown: u64,
    pub costs: Costs,
    pub current: Side,
    pub candidate: Side,
    pub rules: Vec<RuleRow>,
    /// Decisions that would change, by what they were and would be.
    pub changes: Vec<Change>,
    pub samples: Vec<Sample>,
    /// Records read, and how long that took.
    pub records: u64,
    pub seconds: f64,
    /// Whether the graph was rebuilt; without it only what is logged was read, because no rule looks at a feature.
    pub full_replay: bool,
    /// Events that were scored by the model given, and those without any score.
    pub rescored: u64,
    pub unscored: u64,
}

/// What one rulebook decides.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Side {
    pub approve: u64,
    pub challenge: u64,
    pub review: u64,
    pub decline: u64,
    /// Reviews, declines and what a rule opens an alert for, a day: what casework would put before people by the settings of
    /// a new tenant.
    pub alerts_per_day: f64,
    /// Of all that is not approved and known: the share of fraud, and the share of all fraud that is in it.
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    /// Major units of the base currency.
    pub fraud_stopped: f64,
    pub fraud_passed: f64,
    /// Good money that was declined, and that was challenged or reviewed.
    pub good_declined: f64,
    pub good_held_up: f64,
    /// By the cost matrix: fraud that passes, reviews, and good customers sent away.
    pub cost: f64,
    #[serde(skip)]
    alerts: u64,
    #[serde(skip)]
    caught: u64,
    #[serde(skip)]
    stopped_known: u64,
    #[serde(skip)]
    frauds: u64,
}

/// What a rule of the candidate did, or would have done.
#[derive(Clone, Debug, Serialize)]
pub struct RuleRow {
    pub rule: String,
    pub status: &'static str,
    pub matched: u64,
    pub missing: u64,
    pub errors: u64,
    pub frauds: u64,
    pub legitimate: u64,
    pub precision: Option<f64>,
    /// 95 %, Wilson's (1927).
    pub precision_interval: Option<[f64; 2]>,
    pub recall: Option<f64>,
    /// Amount of the frauds that it met.
    pub fraud_amount: f64,
    pub matches_per_day: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    pub from: DecisionKind,
    pub to: DecisionKind,
    pub events: u64,
    pub frauds: u64,
    pub legitimate: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    pub event_id: String,
    pub at: EventTime,
    pub from: DecisionKind,
    pub to: DecisionKind,
    pub score: Option<u16>,
    pub amount: f32,
    pub label: Option<Verdict>,
}

const KINDS: usize = DecisionKind::ALL.len();

impl Report {
    pub(crate) fn new(plan: &Plan, replayed: &Replayed) -> Report {
        let Replayed {
            rows,
            candidate,
            schema,
            newest,
            days,
            ..
        } = replayed;
        let days = *days;
        let labels: Vec<Option<Verdict>> = rows
            .rows
            .iter()
            .map(|row| known(row, schema, *newest))
            .collect();
        let of = |wanted: Verdict| labels.iter().filter(|it| **it == Some(wanted)).count() as u64;
        let (frauds, legitimate) = (of(Verdict::Fraud), of(Verdict::Legitimate));
        let mut current = Side::default();
        let mut changed = Side::default();
        let mut changes = [[Change::NONE; KINDS]; KINDS];
        for (row, label) in rows.rows.iter().zip(&labels) {
            current.add(row.current, row.alert[0], row.amount, *label, &plan.costs);
            changed.add(row.candidate, row.alert[1], row.amount, *label, &plan.costs);
            if row.current != row.candidate {
                let cell = &mut changes[row.current as usize][row.candidate as usize];
                cell.from = row.current;
                cell.to = row.candidate;
                cell.add(*label);
            }
        }
        current.settle(days);
        changed.settle(days);
        Report {
            from: plan.from,
            until: plan.until,
            days,
            events: rows.rows.len() as u64,
            frauds,
            legitimate,
            unknown: rows.rows.len() as u64 - frauds - legitimate,
            costs: plan.costs,
            current,
            candidate: changed,
            rules: rule_rows(candidate, rows, &labels, frauds, days),
            changes: changes
                .into_iter()
                .flatten()
                .filter(|it| it.events > 0)
                .collect(),
            samples: samples(rows, &labels),
            records: 0,
            seconds: 0.0,
            full_replay: false,
            rescored: 0,
            unscored: 0,
        }
    }

    /// What the candidate saves, by the cost matrix; negative: it costs more.
    pub fn saved(&self) -> f64 {
        self.current.cost - self.candidate.cost
    }
}

/// What is known of an event by now.
pub(crate) fn known(row: &Row, schema: &Schema, newest: EventTime) -> Option<Verdict> {
    let presumed = schema.labels.legitimate == Legitimate::Presumed
        && row.at.plus(schema.labels.maturity) <= newest;
    row.label.or(presumed.then_some(Verdict::Legitimate))
}

fn rule_rows(
    judge: &Judge,
    rows: &Rows,
    labels: &[Option<Verdict>],
    frauds: u64,
    days: f64,
) -> Vec<RuleRow> {
    let mut all: Vec<RuleRow> = judge
        .rule_tallies()
        .map(
            |(
                rule,
                RuleTally {
                    matched,
                    missing,
                    errors,
                },
            )| RuleRow {
                rule: rule.id.clone(),
                status: status_name(rule.status),
                matched,
                missing,
                errors,
                frauds: 0,
                legitimate: 0,
                precision: None,
                precision_interval: None,
                recall: None,
                fraud_amount: 0.0,
                matches_per_day: matched as f64 / days,
            },
        )
        .collect();
    for (row, rule) in rows.hits() {
        let rule = &mut all[rule];
        match labels[row] {
            Some(Verdict::Fraud) => {
                rule.frauds += 1;
                rule.fraud_amount += f64::from(rows.rows[row].amount);
            }
            Some(Verdict::Legitimate) => rule.legitimate += 1,
            None => {}
        }
    }
    for rule in &mut all {
        let known = rule.frauds + rule.legitimate;
        rule.precision = share(rule.frauds, known);
        rule.precision_interval = rule.precision.map(|precision| {
            let interval = wilson(precision, known as f64);
            [interval.low, interval.high]
        });
        rule.recall = share(rule.frauds, frauds);
    }
    all
}

fn samples(rows: &Rows, labels: &[Option<Verdict>]) -> Vec<Sample> {
    let named = rows.rows.iter().zip(labels).filter_map(|(row, label)| {
        Some(Sample {
            event_id: row.event_id.as_ref()?.as_str().to_owned(),
            at: row.at,
            from: row.current,
            to: row.candidate,
            score: row.score,
            amount: row.amount,
            label: *label,
        })
    });
    named.collect()
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Draft => "draft",
        Status::Shadow => "shadow",
        Status::Active => "active",
        Status::Snoozed { .. } => "snoozed",
    }
}

pub(crate) fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

impl Change {
    const NONE: Change = Change {
        from: DecisionKind::Approve,
        to: DecisionKind::Approve,
        events: 0,
        frauds: 0,
        legitimate: 0,
    };

    fn add(&mut self, label: Option<Verdict>) {
        self.events += 1;
        self.frauds += u64::from(label == Some(Verdict::Fraud));
        self.legitimate += u64::from(label == Some(Verdict::Legitimate));
    }
}

impl Side {
    fn add(
        &mut self,
        kind: DecisionKind,
        alert: bool,
        amount: f32,
        label: Option<Verdict>,
        costs: &Costs,
    ) {
        self.alerts += u64::from(alert);
        match kind {
            DecisionKind::Approve => self.approve += 1,
            DecisionKind::Challenge => self.challenge += 1,
            DecisionKind::Review => self.review += 1,
            DecisionKind::Decline => self.decline += 1,
        }
        let amount = f64::from(amount);
        if kind == DecisionKind::Review {
            self.cost += costs.review;
        }
        let stops = match kind {
            DecisionKind::Approve => 0.0,
            DecisionKind::Challenge => costs.challenge_stops,
            DecisionKind::Review | DecisionKind::Decline => 1.0,
        };
        let stopped = kind != DecisionKind::Approve;
        self.stopped_known += u64::from(stopped && label.is_some());
        match label {
            Some(Verdict::Fraud) => {
                self.frauds += 1;
                self.caught += u64::from(stopped);
                self.fraud_stopped += stops * amount;
                self.fraud_passed += (1.0 - stops) * amount;
                self.cost += (1.0 - stops) * amount * costs.fraud_loss;
            }
            Some(Verdict::Legitimate) => match kind {
                DecisionKind::Approve => {}
                DecisionKind::Challenge => {
                    self.good_held_up += amount;
                    self.cost += amount * costs.challenge_friction;
                }
                DecisionKind::Review => self.good_held_up += amount,
                DecisionKind::Decline => {
                    self.good_declined += amount;
                    self.cost += amount * costs.decline_friction;
                }
            },
            None => {}
        }
    }

    fn settle(&mut self, days: f64) {
        self.alerts_per_day = self.alerts as f64 / days;
        self.precision = share(self.caught, self.stopped_known);
        self.recall = share(self.caught, self.frauds);
    }
}
