//! The two checks that tell other labels: permuted ones, and the same ones later.

use std::ops::ControlFlow;

use event::Span;
use event::schema::Legitimate;

use super::finding::Finding;
use super::relabel::Stories;
use super::{Auditor, Check, SEED, Step, Verdict, chance, folds, windows};
use crate::evaluate::EvaluateError;
use crate::evaluate::bootstrap::Run;
use crate::evaluate::folds::divide_all;
use crate::evaluate::protocol::{Fold, Staged, Window};

/// Permutations drawn until one leaves every window the frauds that it needs.
const PERMUTATIONS_MAX: u64 = 10;

impl<P: FnMut(Step) -> ControlFlow<()>> Auditor<'_, P> {
    pub(super) fn labels(&mut self) -> Result<Finding, EvaluateError> {
        let check = Check::Labels;
        let legitimate = self.subject.stream.schema().labels.legitimate;
        let among = match legitimate {
            Legitimate::Presumed => "all events of a type",
            Legitimate::Explicit => "the labelled events of a type",
        };
        let finding = Finding::new(check, format!("labels permuted among {among}"));
        // A permutation may leave a window with fewer frauds than training needs: another one is drawn.
        for draw in SEED..SEED + PERMUTATIONS_MAX {
            let Some(run) = trained(self.permuted(draw))? else {
                continue;
            };
            let least = self.subject.protocol.fold_frauds_min;
            let chance = chance::highest(&run, least, SEED);
            let ap = self.scorer.mean_ap(&run);
            return Ok(Finding {
                ap: Some(ap),
                bound: Some(chance.bound),
                verdict: Verdict::leak_if(ap > chance.bound),
                note: format!(
                    "fraud share {:.5}, AP of chance {:.5}, 999 of 1,000 permutations below the bound",
                    chance.prevalence, chance.mean
                ),
                ..finding
            });
        }
        Ok(Finding {
            verdict: Verdict::Skipped,
            note: format!(
                "each of {PERMUTATIONS_MAX} permutations left too few frauds to train on"
            ),
            ..finding
        })
    }

    /// The whole way with labels permuted before the replay.
    fn permuted(&mut self, draw: u64) -> Result<Run, EvaluateError> {
        let check = Check::Labels;
        let mut stories = Stories::of(self.subject.stream)?;
        stories.permute(self.subject.stream.schema().labels.legitimate, draw);
        let stream = stories.tell(self.subject.stream)?;
        let samples = self.samples(check, &stream, &windows(folds(self.subject)))?;
        let set = self.scorer.set();
        let divisions = divide_all(&samples, self.subject.protocol, set, folds(self.subject))?;
        let mut run = Run::new();
        for (fold, division) in divisions.iter().enumerate() {
            let it = &folds(self.subject)[fold];
            run.push(self.scorer.fit(&samples, &stream, it, division)?.0);
            self.tell(check, fold)?;
        }
        Ok(run)
    }

    pub(super) fn delay(&mut self) -> Result<Finding, EvaluateError> {
        let check = Check::Delay;
        // Half as long again: twice as long would leave some histories without training labels.
        let extra = Span::from_millis(self.subject.protocol.label_delay.millis() / 2);
        let mut stories = Stories::of(self.subject.stream)?;
        stories.later(extra);
        let stream = stories.tell(self.subject.stream)?;
        // A protocol of this delay would train as much earlier, so that its labels are there.
        let earlier = |it: Window| Window {
            from: it.from.minus(extra),
            until: it.until.minus(extra),
        };
        let earlier = |it: &Fold| Fold {
            train: earlier(it.train),
            staged: it.staged.map(|staged| Staged {
                producer: earlier(staged.producer),
                consumer: earlier(staged.consumer),
            }),
            ..*it
        };
        let later: Vec<Fold> = folds(self.subject).iter().map(earlier).collect();
        let mut samples = self.samples(check, &stream, &windows(&later))?;
        // Training takes silence for legitimate only when the later label would have come.
        let maturity = &mut samples.schema.labels.maturity;
        *maturity = Span::from_millis(maturity.millis() + extra.millis());
        let days = |span: Span| span.label(self.subject.stream.schema().time.unit);
        let finding = Finding::new(check, format!("labels told {} later", days(extra)));
        let Some(run) = trained(self.scorer.rescored(&samples, &stream, &later))?.flatten() else {
            return Ok(Finding {
                verdict: Verdict::Skipped,
                note: "too few labels are left to train on".to_owned(),
                ..finding
            });
        };
        let change = self.change(&run);
        Ok(Finding {
            ap: Some(self.scorer.mean_ap(&run)),
            verdict: Verdict::leak_if(change.low > 0.0 && self.is_beyond_chance(&run)),
            change: Some(change),
            note: "later labels must not help".to_owned(),
            ..finding
        })
    }
}

/// `None`: the altered history holds too few frauds to be trained on.
fn trained<T>(tried: Result<T, EvaluateError>) -> Result<Option<T>, EvaluateError> {
    match tried {
        Ok(made) => Ok(Some(made)),
        Err(error) if error.is_few_frauds() => Ok(None),
        Err(error) => Err(error),
    }
}
