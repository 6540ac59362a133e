//! What comes next for a job: a function of its files, the settings and the time.

use crate::StewardError;
use crate::job::{Answer, EXAMS_MAX, Ended, Job, Verdict};

/// How a candidate gets into service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long it is in shadow before it is examined again, and again.
    pub shadow_ms: i64,
    /// From then on the labels will not tell.
    pub shadow_max_ms: i64,
    /// Whether a person says yes to each.
    pub approval: bool,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A child plans, trains or judges; the number of the examination it ends with.
    Work {
        exam: usize,
    },
    EnterShadow,
    /// Until then (wall clock, ms) nothing is to be done.
    Wait {
        until: i64,
    },
    WaitForApproval,
    Promote,
    End {
        ended: Ended,
        says: String,
    },
    Over(Ended),
}

/// What of a job decides what comes next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub attended: bool,
    pub verdicts: Vec<Verdict>,
    pub in_shadow_since: Option<i64>,
    pub answer: Option<Answer>,
    pub attempts: u32,
    /// Of the last attempt.
    pub error: Option<String>,
    pub over: Option<Ended>,
}

/// Of a child that ends without its work done.
pub const ATTEMPTS_MAX: u32 = 3;

impl Facts {
    pub fn of(job: &Job) -> Result<Facts, StewardError> {
        Ok(Facts {
            attended: job.order()?.attended,
            verdicts: job.verdicts()?,
            in_shadow_since: job.shadow()?.map(|it| it.since),
            answer: job.answer()?,
            attempts: job.attempts()?,
            error: job.failure()?.map(|it| it.says),
            over: job.outcome()?.map(|it| it.ended),
        })
    }

    pub fn next(&self, rules: Rules, now: i64) -> Step {
        if let Some(ended) = self.over {
            return Step::Over(ended);
        }
        let Some(last) = self.verdicts.last() else {
            return self.work(0);
        };
        if last.verdict == "refuse" {
            return end(Ended::Refused, last.reasons.join("; "));
        }
        if !self.attended {
            let says = match last.verdict.as_str() {
                "pass" => "the candidate may be activated".to_owned(),
                _ => last.reasons.join("; "),
            };
            return end(Ended::Judged, says);
        }
        let Some(since) = self.in_shadow_since else {
            return Step::EnterShadow;
        };
        let exam = self.verdicts.len();
        if exam > 1 && last.verdict == "pass" {
            return self.passed(rules);
        }
        let due = since.saturating_add(rules.shadow_ms.saturating_mul(exam as i64));
        if now < due {
            return Step::Wait { until: due };
        }
        let given_up = since.saturating_add(rules.shadow_max_ms) <= now || exam >= EXAMS_MAX;
        if exam > 1 && given_up {
            let reasons = last.reasons.join("; ");
            return end(Ended::Abandoned, format!("not shown in time: {reasons}"));
        }
        self.work(exam)
    }

    fn work(&self, exam: usize) -> Step {
        match self.attempts {
            ATTEMPTS_MAX.. => {
                let said = self.error.clone();
                end(
                    Ended::Failed,
                    said.unwrap_or_else(|| {
                        let what = "attempts were cut off, with the process that started them or the machine";
                        format!("{ATTEMPTS_MAX} {what}, and came no further")
                    }),
                )
            }
            _ => Step::Work { exam },
        }
    }

    fn passed(&self, rules: Rules) -> Step {
        match &self.answer {
            Some(answer) if !answer.approved => {
                end(Ended::Rejected, format!("{}: {}", answer.by, answer.why))
            }
            Some(_) => Step::Promote,
            None if rules.approval => Step::WaitForApproval,
            None => Step::Promote,
        }
    }
}

fn end(ended: Ended, says: String) -> Step {
    Step::End { ended, says }
}

impl Step {
    /// For people and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Work { exam: 0 } => "training",
            Step::Work { .. } => "examined_again",
            Step::EnterShadow => "entering_shadow",
            Step::Wait { .. } => "shadowing",
            Step::WaitForApproval => "waiting_for_approval",
            Step::Promote => "promoting",
            Step::End { ended, .. } | Step::Over(ended) => ended.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const RULES: Rules = Rules {
        shadow_ms: 100,
        shadow_max_ms: 350,
        approval: false,
    };

    fn verdicts(words: &[&str]) -> Vec<Verdict> {
        let verdict = |word: &&str| Verdict {
            verdict: (*word).to_owned(),
            reasons: vec![format!("because of {word}")],
            log_end: 9,
            report: Value::Null,
        };
        words.iter().map(verdict).collect()
    }

    /// In shadow since 1,000.
    fn facts(words: &[&str]) -> Facts {
        Facts {
            attended: true,
            verdicts: verdicts(words),
            in_shadow_since: Some(1_000),
            ..Facts::default()
        }
    }

    fn ended(step: Step) -> Ended {
        let Step::End { ended, .. } = step else {
            panic!("{step:?}");
        };
        ended
    }

    #[test]
    fn a_candidate_is_made_watched_and_promoted() {
        let made = Facts {
            in_shadow_since: None,
            ..facts(&[])
        };
        assert_eq!(made.next(RULES, 0), Step::Work { exam: 0 });
        let passed = Facts {
            in_shadow_since: None,
            ..facts(&["pass"])
        };
        assert_eq!(passed.next(RULES, 1_000), Step::EnterShadow);
        // One examination is never enough: the second is on what came while it was in shadow.
        let watched = facts(&["pass"]);
        assert_eq!(watched.next(RULES, 1_099), Step::Wait { until: 1_100 });
        assert_eq!(watched.next(RULES, 1_100), Step::Work { exam: 1 });
        assert_eq!(facts(&["pass", "pass"]).next(RULES, 1_100), Step::Promote);
        assert_eq!(facts(&["hold", "pass"]).next(RULES, 1_100), Step::Promote);
    }

    #[test]
    fn a_refusal_at_any_examination_ends_it() {
        for words in [&["refuse"][..], &["pass", "refuse"]] {
            let step = facts(words).next(RULES, 5_000);
            let Step::End { ended, says } = step else {
                panic!("{step:?}");
            };
            assert_eq!(
                (ended, says.as_str()),
                (Ended::Refused, "because of refuse")
            );
        }
    }

    #[test]
    fn a_hold_waits_for_labels_and_not_for_ever() {
        let held = facts(&["hold", "hold"]);
        assert_eq!(held.next(RULES, 1_150), Step::Wait { until: 1_200 });
        assert_eq!(held.next(RULES, 1_200), Step::Work { exam: 2 });
        let held = facts(&["hold", "hold", "hold"]);
        assert_eq!(held.next(RULES, 1_300), Step::Work { exam: 3 });
        let held = facts(&["hold", "hold", "hold", "hold"]);
        assert_eq!(ended(held.next(RULES, 1_400)), Ended::Abandoned);
    }

    #[test]
    fn who_is_asked_decides() {
        let rules = Rules {
            approval: true,
            ..RULES
        };
        let asked = |approved: Option<bool>| Facts {
            answer: approved.map(|approved| Answer {
                approved,
                by: "ann".to_owned(),
                why: "seen".to_owned(),
                at: 1_200,
            }),
            ..facts(&["pass", "pass"])
        };
        assert_eq!(asked(None).next(rules, 9_000), Step::WaitForApproval);
        assert_eq!(asked(Some(true)).next(rules, 9_000), Step::Promote);
        assert_eq!(
            ended(asked(Some(false)).next(rules, 9_000)),
            Ended::Rejected
        );
        // Nobody approves what has not been in shadow.
        let early = Facts {
            verdicts: verdicts(&["pass"]),
            ..asked(Some(true))
        };
        assert_eq!(early.next(rules, 1_050), Step::Wait { until: 1_100 });
    }

    #[test]
    fn an_unattended_job_ends_with_its_verdict() {
        for word in ["pass", "hold"] {
            let alone = Facts {
                attended: false,
                in_shadow_since: None,
                ..facts(&[word])
            };
            assert_eq!(ended(alone.next(RULES, 0)), Ended::Judged);
        }
    }

    #[test]
    fn a_child_that_never_succeeds_is_not_started_for_ever() {
        let tried = |attempts, words: &[&str]| Facts {
            attempts,
            error: Some("no memory".to_owned()),
            ..facts(words)
        };
        assert_eq!(tried(2, &[]).next(RULES, 0), Step::Work { exam: 0 });
        let step = tried(3, &[]).next(RULES, 0);
        assert_eq!(step, end(Ended::Failed, "no memory".to_owned()));
        assert_eq!(ended(tried(3, &["pass"]).next(RULES, 1_100)), Ended::Failed);
        let over = Facts {
            over: Some(Ended::Promoted),
            ..tried(3, &[])
        };
        assert_eq!(over.next(RULES, 0), Step::Over(Ended::Promoted));
    }
}
