//! From a score to a decision: lists, then rules, then thresholds, then the draw of unbiased approvals.
//!
//! The strongest list decides over rules, a forced decision of a rule over thresholds, thresholds over nothing. All
//! of it reads the log's integers and the sample alone, so that a replay decides the same (I1).

use std::cmp::Reverse;
use std::sync::Arc;

use compact_str::CompactString;
use event::record::{
    Decision, DecisionKind, DecisionSource, Findings, ListEffect, ListHit, ModelVersion, RuleHit,
    RuleOutcome, Severity,
};
use event::{Event, Position, Schema};
use graph::FeatureList;
use lists::{Lists, Probe, Standing};
use rules::{Evaluation, Key, ListIx, RuleIx, RuleSet, RuleSetError, Slot};
use smallvec::SmallVec;

use crate::config::currency_places;
use crate::inputs::{Field, Inputs, Seen};
use crate::policy::{NoScore, Policy, SCORE_MAX, Scored};

/// How often a rule of the set in force has held and failed, since the set was set or the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleTally {
    pub matched: u64,
    /// The event lacked a variable that the rule names.
    pub missing: u64,
    pub errors: u64,
}

/// Policy, rules and lists as they are in force, and what they make of an event. An engine holds one and moves it
/// by the records of its log; a backtest holds a second one beside it.
#[derive(Clone, Debug)]
pub struct Judge {
    pub(crate) inputs: Arc<Inputs>,
    pub(crate) policy: Policy,
    pub(crate) policy_version: u32,
    pub(crate) rules: Arc<RuleSet>,
    pub(crate) rules_version: u32,
    pub(crate) lists: Lists,
    runs: Runs,
}

/// What rules are run with, kept so that its room is made once. No state: nothing of it outlives a decision but
/// the tallies, which only tell.
#[derive(Clone, Debug, Default)]
struct Runs {
    evaluation: Evaluation,
    tallies: Vec<RuleTally>,
}

/// What a judge has to know of an event beyond the event.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub schema: &'a Schema,
    /// The values of its sample, by feature.
    pub tabular: &'a [f32],
    /// Major units of the base currency; `None` without an amount or a rate.
    pub base_amount: Option<f32>,
}

/// Who decided, and what.
struct Taken {
    verdict: DecisionKind,
    source: DecisionSource,
}

impl Judge {
    pub fn new(schema: &Schema, features: &FeatureList) -> Judge {
        Judge::of(Inputs::new(schema, features))
    }

    pub(crate) fn of(inputs: Inputs) -> Judge {
        Judge {
            inputs: Arc::new(inputs),
            policy: Policy::default(),
            policy_version: 0,
            rules: Arc::default(),
            rules_version: 0,
            lists: Lists::new(currency_places),
            runs: Runs::default(),
        }
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Rules that could be in force; that the lists they name are there, the caller checks.
    pub fn read_rules(&self, body: &str) -> Result<RuleSet, RuleSetError> {
        RuleSet::parse(body, &self.inputs.vocabulary)
    }

    /// The rules that held at the latest decision, without effect too, by their places in the document.
    pub fn matched(&self) -> impl Iterator<Item = u16> {
        self.runs.evaluation.matched.iter().map(|it| it.rule.0)
    }

    /// Whether some rule names a feature: without one a sample is not looked at.
    pub fn reads_features(&self) -> bool {
        let mut used = self.rules.used().iter();
        used.any(|variable| self.inputs.is_feature(*variable))
    }

    /// Another policy from here on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Other lists from here on.
    pub fn set_lists(&mut self, lists: Lists) {
        self.lists = lists;
    }

    /// Other rules from here on.
    pub fn set_rules(&mut self, rules: impl Into<Arc<RuleSet>>) {
        self.rules = rules.into();
        self.runs.tallies.clear();
    }

    /// Decides an event. What was degraded around it, the caller adds.
    pub fn decide(
        &mut self,
        event: &Event,
        position: Position,
        facts: Facts<'_>,
        scored: Result<Scored, NoScore>,
    ) -> Decision {
        let mut findings = Findings::default();
        let listed = self.look_at_lists(event, facts.schema, &mut findings);
        let said = scored.as_ref().ok();
        let said = said.map(|it| (it.score.min(SCORE_MAX), it.probability_ppm));
        self.run_rules(event, facts, said);
        self.tell_rules(&mut findings);
        let model_score = said.map(|(score, _)| score);
        let added = self.runs.evaluation.score_add;
        let score = model_score.map(|score| modified(score, added));
        if score != model_score {
            findings.model_score = model_score;
        }
        let mut taken = self.take(event, listed, score);
        let propensity_ppm = self.draw(event, facts.base_amount, &mut taken, &mut findings);
        let mut decision = Decision {
            event_position: position,
            decided_at: event.received_at,
            suspicion: SmallVec::new(),
            verdict: taken.verdict,
            score: score.unwrap_or(0),
            probability_ppm: 0,
            source: taken.source,
            model: ModelVersion::default(),
            policy_version: self.policy_version,
            rules_version: self.rules_version,
            propensity_ppm,
            degraded: 0,
            reasons: SmallVec::new(),
            evidence: SmallVec::new(),
            findings,
        };
        match scored {
            Ok(scored) => {
                decision.probability_ppm = scored.probability_ppm.min(1_000_000);
                decision.model = scored.model;
                decision.reasons = scored.reasons;
                if taken.verdict != DecisionKind::Approve {
                    decision.evidence = scored.evidence;
                }
            }
            Err(why) => decision.degraded |= why.flag(),
        }
        decision
    }

    /// Lets some of what the score declines pass, and tells with which chance it was decided so.
    fn draw(
        &self,
        event: &Event,
        base_amount: Option<f32>,
        taken: &mut Taken,
        findings: &mut Findings,
    ) -> u32 {
        const CERTAIN: u32 = 1_000_000;
        let declined = (DecisionSource::Model, DecisionKind::Decline);
        let draw = self.policy.random_approve();
        // A rule that wants a challenge is not let pass.
        let asked = self.runs.evaluation.challenge.is_some();
        let draw = draw.filter(|it| !asked && it.takes_part(base_amount));
        match draw {
            Some(draw) if (taken.source, taken.verdict) == declined => {
                if !draw.passes(event) {
                    return CERTAIN - draw.share_ppm();
                }
                findings.explored = Some(taken.verdict);
                taken.verdict = DecisionKind::Approve;
                draw.share_ppm()
            }
            _ => CERTAIN,
        }
    }

    fn take(&self, event: &Event, listed: Option<ListEffect>, score: Option<u16>) -> Taken {
        let said = &self.runs.evaluation;
        let by = |source, verdict| Taken { verdict, source };
        match listed {
            Some(ListEffect::BlockAlways | ListEffect::Block) => {
                return by(DecisionSource::List, DecisionKind::Decline);
            }
            Some(ListEffect::Allow) => return by(DecisionSource::List, DecisionKind::Approve),
            Some(ListEffect::Watch) | None => {}
        }
        if let Some((_, forced)) = said.decision {
            return by(DecisionSource::Rule, kind_of(forced));
        }
        let taken = match score {
            Some(score) => {
                let verdict = self.policy.thresholds(event.event_type).verdict(score);
                by(DecisionSource::Model, verdict)
            }
            None => by(DecisionSource::Fallback, self.policy.fallback()),
        };
        match (taken.verdict, said.challenge) {
            (DecisionKind::Approve, Some(_)) => by(DecisionSource::Rule, DecisionKind::Challenge),
            _ => taken,
        }
    }

    /// The effect that decides among those of the lists that the event stands on.
    fn look_at_lists(
        &self,
        event: &Event,
        schema: &Schema,
        findings: &mut Findings,
    ) -> Option<ListEffect> {
        let now = event.received_at.millis();
        let value_of = |list: &lists::Definition| Field::named(schema, &list.on)?.of(schema, event);
        let mut strongest = None;
        for hit in self.lists.hits(value_of, now) {
            let effect = effect_of(hit.list.standing());
            strongest = strongest.max(Some(effect));
            let list = CompactString::from(&hit.list.name);
            findings.lists.push(ListHit { list, effect });
        }
        // Stable: of equals by name.
        findings.lists.sort_by_key(|hit| Reverse(hit.effect));
        findings.lists.truncate(Findings::LISTS_MAX);
        strongest
    }

    fn run_rules(&mut self, event: &Event, facts: Facts<'_>, scored: Option<(u16, u32)>) {
        let rules = &self.rules;
        let seen = Seen {
            schema: facts.schema,
            event,
            tabular: facts.tabular,
            scored,
        };
        let used = rules.used().iter();
        let slots: SmallVec<[Slot<'_>; 64]> = used
            .map(|variable| self.inputs.slot(*variable, &seen))
            .collect();
        let now = event.received_at.millis();
        let mut on_list = |list: ListIx, key: Key<'_>| {
            let name = &rules.lists()[usize::from(list.0)];
            let probe = match key {
                Key::Text(text) => Probe::Text(text),
                Key::Number(minor) => match &event.amount {
                    Some(money) => Probe::Amount(minor as i64, money.currency.bytes()),
                    None => return false,
                },
            };
            self.lists.contains(name, probe, now)
        };
        rules.evaluate(now, &slots, &mut on_list, &mut self.runs.evaluation);
    }

    /// What held, and what failed, by name.
    fn tell_rules(&mut self, findings: &mut Findings) {
        let rules = &self.rules;
        let Runs {
            evaluation: said,
            tallies,
        } = &mut self.runs;
        tallies.resize(rules.rules().len(), RuleTally::default());
        for it in &said.matched {
            tallies[usize::from(it.rule.0)].matched += 1;
        }
        // What had effect is told before what had none: there is a bound.
        for it in said.matched.iter().filter(|it| !it.shadow) {
            tell(rules, it.rule, RuleOutcome::Matched, findings);
        }
        for (rule, _) in &said.errors {
            tallies[usize::from(rule.0)].errors += 1;
            tell(rules, *rule, RuleOutcome::Error, findings);
        }
        for it in said.matched.iter().filter(|it| it.shadow) {
            tell(rules, it.rule, RuleOutcome::Shadow, findings);
        }
        for (rule, _) in &said.missing {
            tallies[usize::from(rule.0)].missing += 1;
        }
        let tags = said
            .tags
            .iter()
            .map(|at| CompactString::from(&rules.tags()[at]));
        findings.tags = tags.take(Findings::TAGS_MAX).collect();
        findings.tags.sort_unstable();
    }

    /// Of each rule of the set in force, in the order of its document.
    pub fn rule_tallies(&self) -> impl Iterator<Item = (&rules::Rule, RuleTally)> {
        let rules = self.rules.rules().iter().enumerate();
        rules.map(|(at, rule)| (rule, self.runs.tallies.get(at).copied().unwrap_or_default()))
    }
}

fn tell(rules: &RuleSet, ix: RuleIx, outcome: RuleOutcome, findings: &mut Findings) {
    if findings.rules.len() == Findings::RULES_MAX {
        return;
    }
    let rule = rules.rule(ix);
    let alert = rule
        .effects
        .alert
        .filter(|_| outcome == RuleOutcome::Matched);
    findings.rules.push(RuleHit {
        rule: CompactString::from(&rule.id),
        outcome,
        reason: CompactString::from(&rule.reason),
        alert: alert.map(|severity| match severity {
            rules::Severity::Low => Severity::Low,
            rules::Severity::Medium => Severity::Medium,
            rules::Severity::High => Severity::High,
        }),
    });
}

fn modified(score: u16, add: i32) -> u16 {
    i32::from(score)
        .saturating_add(add)
        .clamp(0, i32::from(SCORE_MAX)) as u16
}

fn kind_of(verdict: rules::Verdict) -> DecisionKind {
    match verdict {
        rules::Verdict::Approve => DecisionKind::Approve,
        rules::Verdict::Challenge => DecisionKind::Challenge,
        rules::Verdict::Review => DecisionKind::Review,
        rules::Verdict::Decline => DecisionKind::Decline,
    }
}

fn effect_of(standing: Standing) -> ListEffect {
    match standing {
        Standing::Watch => ListEffect::Watch,
        Standing::Block => ListEffect::Block,
        Standing::Allow => ListEffect::Allow,
        Standing::BlockAlways => ListEffect::BlockAlways,
    }
}
