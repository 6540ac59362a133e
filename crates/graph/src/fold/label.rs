//! A label becomes known: it counts from here on for the event's entities, never for samples before.

use event::record::{Label, Subject, Verdict};
use event::schema::ROLES_MAX;
use event::{Position, RoleIx};
use smallvec::SmallVec;

use crate::interaction::state;
use crate::slab::NONE;
use crate::state::Graph;

impl Graph {
    /// Folds a label in. Returns false when it came past the horizon and was only counted.
    pub fn fold_label(&mut self, label: &Label) -> bool {
        self.advance(label.received_at);
        let delay = label.received_at.since(label.subject.event_timestamp);
        if delay > self.plan.schema.labels.horizon {
            self.counts.labels_too_late += 1;
            return false;
        }
        if let Some(news) = self.waiting_news(label.subject.position) {
            // Told only to what comes after the event's instant, like the event itself.
            news.verdict = Some(label.verdict);
            return true;
        }
        if let Some((prior, _)) = label.prior {
            self.count_label(&label.subject, prior, false);
        }
        self.count_label(&label.subject, label.verdict, true);
        true
    }

    pub(super) fn count_label(&mut self, subject: &Subject, verdict: Verdict, add: bool) {
        let fraud = verdict == Verdict::Fraud;
        let totals = &mut self.counts;
        let total = if fraud {
            &mut totals.fraud_known
        } else {
            &mut totals.legitimate_known
        };
        *total = if add {
            *total + 1
        } else {
            total.saturating_sub(1)
        };
        let mut counted: SmallVec<[u32; ROLES_MAX]> = SmallVec::new();
        for (role, id) in &subject.entities {
            let kind = self.plan.schema.roles[role.index()].kind;
            let ix = self.find(kind, id.as_str());
            // An entity that was forgotten since the event begins anew, without the event's label: what
            // was never added here would otherwise be subtracted by a correction.
            if ix == NONE || subject.position < self.nodes.get(ix).born {
                continue;
            }
            self.mark_label(ix, *role, subject.position, fraud, add);
            // An account may pay itself; it is still one event.
            if !counted.contains(&ix) {
                counted.push(ix);
                self.count_at_node(ix, subject, fraud, add);
            }
        }
        for (ix, name) in &subject.categories {
            let Some(categories) = &mut self.categories[ix.index()] else {
                continue;
            };
            if let Some(entry) = categories.known_mut(name) {
                let count = if fraud {
                    &mut entry.fraud
                } else {
                    &mut entry.legitimate
                };
                *count = if add {
                    *count + 1
                } else {
                    count.saturating_sub(1)
                };
            }
        }
    }

    fn count_at_node(&mut self, ix: u32, subject: &Subject, fraud: bool, add: bool) {
        if self.nodes.get(ix).known == NONE {
            self.nodes.get_mut(ix).known = self.known.take();
        }
        let day_length = self.plan.clock.day_length;
        let known = self.known.get_mut(self.nodes.get(ix).known);
        if add {
            known.add(subject.event_timestamp, fraud, day_length);
        } else {
            known.subtract(subject.event_timestamp, fraud, day_length);
        }
        let total = known.fraud_total.min(u32::from(u16::MAX)) as u16;
        self.nodes.get_mut(ix).fraud_known = total;
    }

    fn mark_label(&mut self, ix: u32, role: RoleIx, at: Position, fraud: bool, add: bool) {
        let bit = if fraud {
            state::FRAUD
        } else {
            state::LEGITIMATE
        };
        if let Some(item) = self.kept_mut(ix, role, at) {
            item.state = if add {
                item.state | bit
            } else {
                item.state & !bit
            };
        }
    }
}
