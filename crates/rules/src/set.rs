//! A rule set, compiled, and what one event makes of it.

use smallvec::SmallVec;

use crate::check::{Compiled, Context, Sought, compile};
use crate::document::{Problems, Written, read};
use crate::parse::parse;
use crate::problem::{Cause, PROBLEMS_MAX, Problem, RuleSetError};
use crate::program::{BoolExpr, ErrorKind, Key, ListIx, Run, Slot, Stop};
use crate::vocabulary::{VariableIx, Vocabulary};

/// Of all rules that are not drafts.
pub const SET_COST_MAX: u32 = 100_000;
/// Different tags of a set: bits of [`TagSet`].
pub const TAGS_MAX: usize = 128;

/// A rule by its place in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleIx(pub u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Checked and not run.
    Draft,
    /// Run and reported; without effects.
    Shadow,
    Active,
    /// Not run before this time, active from it on.
    Snoozed {
        until_ms: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Approve,
    Challenge,
    Review,
    Decline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Low,
    Medium,
    High,
}

/// Tags by their place in [`RuleSet::tags`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagSet(u128);

impl TagSet {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..TAGS_MAX).filter(move |at| self.0 >> at & 1 == 1)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Added to the model's score.
    pub score_add: i32,
    /// Forced.
    pub decision: Option<Verdict>,
    /// At least a challenge.
    pub challenge: bool,
    pub tags: TagSet,
    pub alert: Option<Severity>,
}

#[derive(Debug)]
pub struct Rule {
    pub id: String,
    /// Empty where there is none.
    pub description: String,
    /// Shown to people beside a decision; empty where there is none.
    pub reason: String,
    pub status: Status,
    pub priority: i32,
    pub stop: bool,
    pub effects: Effects,
    /// As written.
    pub when: String,
    /// Of `when`, in the units of [`crate::RULE_COST_MAX`].
    pub cost: u32,
    /// None of a draft.
    program: Option<BoolExpr>,
}

#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// Without drafts, by priority, then by document.
    order: Vec<RuleIx>,
    used: Vec<VariableIx>,
    lists: Vec<String>,
    sought: Vec<Sought>,
    tags: Vec<String>,
    cost: u32,
    unknown: Vec<Problem>,
    unchecked: Vec<Problem>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    pub rule: RuleIx,
    /// Would have matched: nothing comes of it.
    pub shadow: bool,
}

/// What one event made of a rule set. One is kept and filled again, so that its room is made once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// In the order in which they ran.
    pub matched: SmallVec<[Match; 8]>,
    /// Rules that named a variable which the event lacks.
    pub missing: SmallVec<[(RuleIx, VariableIx); 8]>,
    pub errors: SmallVec<[(RuleIx, ErrorKind); 4]>,
    /// Sum over the active rules that matched; it saturates.
    pub score_add: i32,
    /// Of the first active rule that matched and forces one.
    pub decision: Option<(RuleIx, Verdict)>,
    /// The first active rule that matched and asks for a challenge.
    pub challenge: Option<RuleIx>,
    pub tags: TagSet,
    /// The highest asked for.
    pub alert: Option<Severity>,
    /// No rule behind this one ran.
    pub stopped_by: Option<RuleIx>,
}

impl Evaluation {
    fn clear(&mut self) {
        self.matched.clear();
        self.missing.clear();
        self.errors.clear();
        self.score_add = 0;
        self.decision = None;
        self.challenge = None;
        self.tags = TagSet::default();
        self.alert = None;
        self.stopped_by = None;
    }

    fn take(&mut self, ix: RuleIx, rule: &Rule) {
        let effects = &rule.effects;
        self.score_add = self.score_add.saturating_add(effects.score_add);
        let forced = effects.decision.map(|verdict| (ix, verdict));
        self.decision = self.decision.or(forced);
        self.challenge = self.challenge.or(effects.challenge.then_some(ix));
        self.tags.0 |= effects.tags.0;
        self.alert = self.alert.max(effects.alert);
    }
}

impl RuleSet {
    /// Every problem of the document is reported, up to a bound, and then there is no set.
    pub fn parse(document: &str, vocabulary: &Vocabulary) -> Result<RuleSet, RuleSetError> {
        let mut problems = Problems::new(document);
        let mut building = Building {
            set: RuleSet::default(),
            running: Context::new(vocabulary),
            drafts: Context::new(vocabulary),
            first_lines: Vec::new(),
        };
        for written in read(document, &mut problems) {
            if problems.full() {
                break;
            }
            building.add(written, &mut problems);
        }
        problems.into_result()?;
        Ok(building.finish())
    }

    /// Literals that their variables never have: whoever hands rules in is refused for them. A set that stands in a
    /// log is run as it is, so that it decides what it decided.
    pub fn refuse_unknown_values(&self) -> Result<(), RuleSetError> {
        let problems = self.unknown.clone();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(RuleSetError {
                problems,
                cut: false,
            }),
        }
    }

    /// What cannot be checked; at most [`PROBLEMS_MAX`].
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.unchecked.iter()
    }

    /// In the order of the document, drafts too.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub fn rule(&self, ix: RuleIx) -> &Rule {
        &self.rules[usize::from(ix.0)]
    }

    /// In which rules run: shadow, active and snoozed ones.
    pub fn order(&self) -> &[RuleIx] {
        &self.order
    }

    /// The variables that slots are wanted of, in the order of the slots.
    pub fn used(&self) -> &[VariableIx] {
        &self.used
    }

    /// The lists that are named, by [`ListIx`].
    pub fn lists(&self) -> &[String] {
        &self.lists
    }

    /// The same with what is sought on each.
    pub fn lists_sought(&self) -> impl Iterator<Item = (&str, Sought)> {
        let names = self.lists.iter().map(String::as_str);
        names.zip(self.sought.iter().copied())
    }

    /// All tags, by their places in a [`TagSet`].
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// An upper bound of what an evaluation costs, in the units of [`SET_COST_MAX`].
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// Runs the rules in their order. `slots` stand in the order of [`RuleSet::used`].
    ///
    /// # Panics
    ///
    /// Where there are more or fewer slots than variables used.
    pub fn evaluate<'v>(
        &'v self,
        now_ms: i64,
        slots: &'v [Slot<'v>],
        on_list: &'v mut dyn FnMut(ListIx, Key<'_>) -> bool,
        out: &mut Evaluation,
    ) {
        assert_eq!(slots.len(), self.used.len(), "a slot for each variable");
        out.clear();
        let mut run = Run { slots, on_list };
        for &ix in &self.order {
            let rule = self.rule(ix);
            let shadow = match rule.status {
                Status::Snoozed { until_ms } if now_ms < until_ms => continue,
                status => status == Status::Shadow,
            };
            let Some(program) = &rule.program else {
                continue;
            };
            match program.run(&mut run) {
                Ok(false) => {}
                Err(Stop::Missing(slot)) => out.missing.push((ix, self.used[usize::from(slot)])),
                Err(Stop::Error(kind)) => out.errors.push((ix, kind)),
                Ok(true) => {
                    out.matched.push(Match { rule: ix, shadow });
                    if !shadow {
                        out.take(ix, rule);
                        if rule.stop {
                            out.stopped_by = Some(ix);
                            return;
                        }
                    }
                }
            }
        }
    }
}

struct Building<'v> {
    set: RuleSet,
    running: Context<'v>,
    /// Drafts make no slots.
    drafts: Context<'v>,
    /// Of each id.
    first_lines: Vec<(String, u32)>,
}

impl Building<'_> {
    fn add(&mut self, written: Written, problems: &mut Problems<'_>) {
        let id = written.id.as_deref();
        self.claim_id(id, &written, problems);
        let mut effects = written.effects;
        for (at, tag) in &written.tags {
            match self.tag(tag) {
                Ok(bit) => effects.tags.0 |= 1 << bit,
                Err(cause) => problems.at(id, *at, cause),
            }
        }
        let draft = written.status == Status::Draft;
        let context = if draft {
            &mut self.drafts
        } else {
            &mut self.running
        };
        let Some(when) = written.when else {
            return;
        };
        let compiled = parse(&when.source)
            .map_err(|fault| vec![fault])
            .and_then(|node| compile(&node, context));
        let doubts = std::mem::take(&mut context.doubts);
        for (found, held) in [
            (doubts.unknown, &mut self.set.unknown),
            (doubts.unchecked, &mut self.set.unchecked),
        ] {
            let room = PROBLEMS_MAX - held.len();
            let found = found.into_iter().take(room);
            held.extend(found.map(|doubt| problems.placed(id, &when, doubt.at, doubt.cause)));
        }
        let Compiled { expression, cost } = match compiled {
            Ok(compiled) => compiled,
            Err(faults) => {
                for fault in faults {
                    problems.within(id, &when, fault.at, fault.cause);
                }
                return;
            }
        };
        if !draft {
            let before = self.set.cost;
            self.set.cost += cost;
            if self.set.cost > SET_COST_MAX {
                if before <= SET_COST_MAX {
                    let cause = Cause::OverCost {
                        of: "the set up to this rule",
                        cost: self.set.cost,
                        max: SET_COST_MAX,
                    };
                    problems.at(id, written.at, cause);
                }
                return;
            }
        }
        self.set.rules.push(Rule {
            id: written.id.unwrap_or_default(),
            description: written.description,
            reason: written.reason,
            status: written.status,
            priority: written.priority,
            stop: written.stop,
            effects,
            when: when.source,
            cost,
            program: (!draft).then_some(expression),
        });
    }

    fn claim_id(&mut self, id: Option<&str>, written: &Written, problems: &mut Problems<'_>) {
        let Some(id) = id else {
            return;
        };
        let taken = self.first_lines.iter().find(|(it, _)| it == id);
        if let Some((_, first_line)) = taken {
            let cause = Cause::DuplicateId {
                id: id.to_owned(),
                first_line: *first_line,
            };
            problems.at(Some(id), written.id_at, cause);
        } else {
            let line = problems.line_of(written.id_at);
            self.first_lines.push((id.to_owned(), line));
        }
    }

    fn tag(&mut self, tag: &str) -> Result<usize, Cause> {
        let tags = &mut self.set.tags;
        if let Some(bit) = tags.iter().position(|it| it == tag) {
            return Ok(bit);
        }
        if tags.len() == TAGS_MAX {
            return Err(Cause::TooMany {
                what: "different tags in a set",
                max: TAGS_MAX,
                found: TAGS_MAX + 1,
            });
        }
        tags.push(tag.to_owned());
        Ok(tags.len() - 1)
    }

    fn finish(self) -> RuleSet {
        let mut set = self.set;
        set.used = self.running.used;
        set.lists = self.running.lists;
        set.sought = self.running.sought;
        let running = set.rules.iter().zip(0..);
        let running = running.filter(|(rule, _)| rule.status != Status::Draft);
        set.order = running.map(|(_, ix)| RuleIx(ix)).collect();
        let rules = &set.rules;
        // Stable: of equals the first of the document.
        set.order
            .sort_by_key(|ix| rules[usize::from(ix.0)].priority);
        set
    }
}
