//! What the gates found, for machines and for people.

use serde::{Deserialize, Serialize};

use super::{Judged, Paper, conduct};
use crate::boost::average_precision;
use crate::metric::auc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The interval of the AP's difference.
    Ranking,
    Segment,
    Calibration,
    Latency,
    /// Scores that the network failed to give.
    Network,
    Alerts,
    TooGood,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Pass,
    /// Told and not judged: a segment of few frauds, which the whole is judged with.
    Unjudged,
    /// More labels may decide.
    Hold,
    Refuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    /// It stays in shadow.
    Hold,
    Refuse,
}

/// One gate's, or one event type's or feature's at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub gate: Gate,
    pub outcome: Outcome,
    /// Segment, feature or figure, where the gate judges several.
    pub of: Option<String>,
    /// What was measured, where it may be a number.
    pub value: Option<f64>,
    pub bound: Option<f64>,
    /// How far the value lies beyond the bound.
    pub by: Option<f64>,
    /// Matured frauds that would be enough, where more would help.
    pub frauds_needed: Option<usize>,
    pub says: String,
}

/// What a model did on the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    pub kind: String,
    pub ap: f64,
    pub auc: f64,
    /// By its own thresholds, the champion's by the policy in force; none without them.
    pub alert_share: Option<f64>,
    pub decline_share: Option<f64>,
    pub score_us: f64,
    /// `None`: the report is of a program that did not measure it.
    pub score_us_p99: Option<f64>,
    pub network_failed: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub verdict: Verdict,
    pub rows: usize,
    /// Events that the rows stand for.
    pub events: f64,
    pub frauds: usize,
    pub champion: Side,
    pub candidate: Side,
    pub findings: Vec<Finding>,
}

impl Finding {
    pub fn new(gate: Gate, outcome: Outcome, says: String) -> Finding {
        Finding {
            gate,
            outcome,
            of: None,
            value: None,
            bound: None,
            by: None,
            frauds_needed: None,
            says,
        }
    }

    pub fn of(self, name: &str) -> Finding {
        Finding {
            of: Some(name.to_owned()),
            ..self
        }
    }

    /// With the value and the bound that it is held against.
    pub fn measured(self, value: f64, bound: f64) -> Finding {
        let failed = matches!(self.outcome, Outcome::Hold | Outcome::Refuse);
        Finding {
            value: value.is_finite().then_some(value),
            bound: Some(bound),
            by: Some((value - bound).abs()).filter(|by| failed && by.is_finite()),
            ..self
        }
    }
}

impl Report {
    pub fn new(judged: &Judged, findings: Vec<Finding>) -> Report {
        let any = |outcome| findings.iter().any(|it| it.outcome == outcome);
        let verdict = match (any(Outcome::Refuse), any(Outcome::Hold)) {
            (true, _) => Verdict::Refuse,
            (false, true) => Verdict::Hold,
            (false, false) => Verdict::Pass,
        };
        Report {
            verdict,
            rows: judged.fraud.len(),
            events: judged.weights.iter().sum(),
            frauds: judged.frauds(),
            champion: Side::of(judged, &judged.champion),
            candidate: Side::of(judged, &judged.candidate),
            findings,
        }
    }

    /// Why it did not pass, the gates that refuse first.
    pub fn reasons(&self) -> impl Iterator<Item = &Finding> {
        let with = |outcome| self.findings.iter().filter(move |it| it.outcome == outcome);
        with(Outcome::Refuse).chain(with(Outcome::Hold))
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let side = |name: &str, it: &Side| {
            let share = |share: Option<f64>| {
                share.map_or("none".to_owned(), |it| format!("{:.2} %", it * 100.0))
            };
            format!(
                "{name:<10} {:<7} AP {:.3}  AUC {:.3}  alerts {:>8}  declines {:>8}  {:>6.1} us a score, p99 {}\n",
                it.kind,
                it.ap,
                it.auc,
                share(it.alert_share),
                share(it.decline_share),
                it.score_us,
                (it.score_us_p99).map_or("unknown".to_owned(), |it| format!("{it:.1}")),
            )
        };
        let mut text = format!(
            "{} rows for {:.0} events, {} frauds\n",
            self.rows, self.events, self.frauds
        );
        text.push_str(&side("champion", &self.champion));
        text.push_str(&side("candidate", &self.candidate));
        for finding in &self.findings {
            text.push_str(&format!(
                "{:<9} {:<12} {}\n",
                finding.outcome.name(),
                finding.gate.name(),
                finding.says
            ));
        }
        text.push_str(&format!("verdict: {}\n", self.verdict.name()));
        text
    }
}

impl Side {
    fn of(judged: &Judged, paper: &Paper) -> Side {
        let shares = conduct::shares(judged, paper);
        Side {
            kind: paper.kind.clone(),
            ap: average_precision(&paper.log_odds, &judged.fraud, Some(&judged.weights)),
            auc: auc(&paper.log_odds, &judged.fraud),
            alert_share: shares.map(|it| it.alerts),
            decline_share: shares.map(|it| it.declines),
            score_us: paper.score_us,
            score_us_p99: Some(paper.score_us_p99),
            network_failed: paper.network_failed,
        }
    }
}

impl Gate {
    pub fn name(self) -> &'static str {
        match self {
            Gate::Ranking => "ranking",
            Gate::Segment => "segment",
            Gate::Calibration => "calibration",
            Gate::Latency => "latency",
            Gate::Network => "network",
            Gate::Alerts => "alerts",
            Gate::TooGood => "too_good",
        }
    }
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Unjudged => "unjudged",
            Outcome::Hold => "hold",
            Outcome::Refuse => "refuse",
        }
    }
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Hold => "hold",
            Verdict::Refuse => "refuse",
        }
    }
}
