//! Literals that their variables never have.

use super::{Checker, Constant};
use crate::parse::{Kind, Node};
use crate::problem::{Cause, Fault, PROBLEMS_PER_RULE_MAX, shown};
use crate::vocabulary::{Values, nearest};

/// Literals of the expression at hand, each kind to its own bound: what nobody can check hides nothing that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// Their variables never have them.
    pub unknown: Vec<Fault>,
    /// Nobody can check them.
    pub unchecked: Vec<Fault>,
}

impl Checker<'_, '_> {
    /// Whether the variable `name` can be what it is compared with. A text that it never is makes a rule that never
    /// holds, or always: the document has no fault, and its author has one.
    pub(super) fn weigh(&mut self, name: &Node, literal: &Node) {
        let Some(Constant::Text(value)) = self.constant(literal) else {
            return;
        };
        let Kind::Name(name) = &name.kind else {
            return;
        };
        let bound = self.bound.iter().any(|(it, _)| it == name);
        let Some(ix) = self.context.vocabulary.find(name).filter(|_| !bound) else {
            return;
        };
        let doubts = &mut self.context.doubts;
        let (known, held) = match &self.context.vocabulary.variable(ix).values {
            Values::Any => return,
            Values::These(known) if known.contains(&value) => return,
            Values::These(known) => (Some(known), &mut doubts.unknown),
            Values::Untold => (None, &mut doubts.unchecked),
        };
        let (variable, value_shown) = (shown(name), shown(&value));
        // An unrolled body shows the same literal for each element. Before a nearest name is sought, which takes long.
        let is_held = held.iter().any(|doubt| {
            let of = match &doubt.cause {
                Cause::UnknownValue { value, .. } | Cause::UncheckedValue { value, .. } => value,
                _ => return false,
            };
            doubt.at == literal.at && *of == value_shown
        });
        if is_held || held.len() == PROBLEMS_PER_RULE_MAX {
            return;
        }
        let cause = match known {
            Some(known) => Cause::UnknownValue {
                variable,
                nearest: nearest(&value, known.iter().map(String::as_str)),
                value: value_shown,
            },
            None => Cause::UncheckedValue {
                variable,
                value: value_shown,
            },
        };
        held.push(Fault::new(literal.at, cause));
    }
}
