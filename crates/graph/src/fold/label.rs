//! A label becomes known: it counts from here on for the event's entities, never for samples before.

use event::record::{Label, Subject, Verdict};

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
        if let Some((prior, _)) = label.prior {
            self.count_label(&label.subject, prior, false);
        }
        self.count_label(&label.subject, label.verdict, true);
        true
    }

    fn count_label(&mut self, subject: &Subject, verdict: Verdict, add: bool) {
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
        for (role, id) in &subject.entities {
            let kind = self.plan.schema.roles[role.index()].kind;
            let ix = self.find(kind, id.as_str());
            if ix != NONE {
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
        let node = self.nodes.get_mut(ix);
        node.fraud_known = total;
        let bit = if fraud {
            state::FRAUD
        } else {
            state::LEGITIMATE
        };
        let items = self.rings.items_mut(node.ring);
        let found = items
            .iter_mut()
            .rev()
            .find(|item| item.position() == subject.position);
        if let Some(item) = found {
            item.state = if add {
                item.state | bit
            } else {
                item.state & !bit
            };
        }
    }
}
