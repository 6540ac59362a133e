//! Types of an expression, and its compiled form, in one walk. Goes on after a fault where it can, so that an author
//! sees all of them.

mod calls;
mod context;
mod doubts;

pub use context::{LISTS_MAX, PATTERNS_MAX, Sought};

use crate::parse::{Kind, Node, Operator};
use crate::problem::{Cause, Fault, PROBLEMS_PER_RULE_MAX, shown};
use crate::program::{BoolExpr, MillisExpr, NumberExpr, TextExpr};
use crate::vocabulary::{Type, nearest};

pub(crate) use context::Context;

/// Of one rule. A unit is about a nanosecond; docs/rules.md has what costs how much.
pub const RULE_COST_MAX: u32 = 10_000;

/// A branch, a load and what is done with it.
const STEP_COST: u32 = 4;
/// A table of lists is asked, with prefixes and ranges.
const LIST_COST: u32 = 100;
const DATE_COST: u32 = 16;
const ELEMENTS_PER_UNIT: u32 = 8;
/// Bytes of a text in a unit.
const COMPARED_PER_UNIT: u32 = 16;
const SOUGHT_PER_UNIT: u32 = 2;
const MATCHED_PER_UNIT: u32 = 1;

#[derive(Debug)]
pub(crate) struct Compiled {
    pub expression: BoolExpr,
    pub cost: u32,
}

/// A whole `when`.
pub(crate) fn compile(node: &Node, context: &mut Context<'_>) -> Result<Compiled, Vec<Fault>> {
    let mut checker = Checker {
        context,
        faults: Vec::new(),
        cost: 0,
        bound: Vec::new(),
    };
    let expression = checker.bool(node, "a rule's expression");
    match (expression, checker.faults.is_empty()) {
        (Ok(expression), true) => {
            let cost = checker.cost;
            Ok(Compiled { expression, cost })
        }
        _ => Err(checker.faults),
    }
}

/// The fault is in the checker's list.
struct Reported;
type Checked<T> = Result<T, Reported>;

#[derive(Debug)]
enum Typed {
    Bool(BoolExpr),
    Number(NumberExpr),
    Text(TextExpr),
    Time(MillisExpr),
    Duration(MillisExpr),
}

impl Typed {
    fn name(&self) -> &'static str {
        match self {
            Typed::Bool(_) => "bool",
            Typed::Number(_) => "number",
            Typed::Text(_) => "text",
            Typed::Time(_) => "time",
            Typed::Duration(_) => "duration",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Constant {
    Bool(bool),
    Number(f64),
    Text(String),
}

struct Checker<'c, 'v> {
    context: &'c mut Context<'v>,
    faults: Vec<Fault>,
    cost: u32,
    /// Names that `exists` and `all` give to an element.
    bound: Vec<(String, Constant)>,
}

impl Checker<'_, '_> {
    fn fault<T>(&mut self, at: usize, cause: Cause) -> Checked<T> {
        let fault = Fault::new(at, cause);
        // An unrolled body shows the same fault for each element.
        if self.faults.len() < PROBLEMS_PER_RULE_MAX && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
        Err(Reported)
    }

    fn spend(&mut self, units: u32, at: usize) -> Checked<()> {
        let within = self.cost <= RULE_COST_MAX;
        self.cost = self.cost.saturating_add(units);
        if self.cost <= RULE_COST_MAX {
            return Ok(());
        }
        if !within {
            return Err(Reported);
        }
        let cause = Cause::OverCost {
            of: "the rule up to here",
            cost: self.cost,
            max: RULE_COST_MAX,
        };
        self.fault(at, cause)
    }

    fn typed(&mut self, node: &Node) -> Checked<Typed> {
        if self.faults.len() == PROBLEMS_PER_RULE_MAX {
            return Err(Reported);
        }
        self.spend(STEP_COST, node.at)?;
        match &node.kind {
            Kind::Bool(value) => Ok(Typed::Bool(BoolExpr::Const(*value))),
            Kind::Number(value) => Ok(Typed::Number(NumberExpr::Const(*value))),
            Kind::Text(text) => Ok(Typed::Text(TextExpr::Const(text.as_str().into()))),
            Kind::Name(name) => self.named(node.at, name),
            Kind::Field(_, field) => {
                let construct = format!("the field `{}` of a value", shown(field));
                let instead = "variables are named whole, with their dots";
                self.fault(node.at, Cause::Unsupported { construct, instead })
            }
            Kind::Call {
                target,
                function,
                arguments,
            } => self.call(node.at, target.as_deref(), function, arguments),
            Kind::Not(inner) => {
                let inner = self.bool(inner, "the operand of `!`")?;
                Ok(Typed::Bool(BoolExpr::Not(Box::new(inner))))
            }
            Kind::Minus(inner) => {
                let inner = self.number(inner, "the operand of `-`")?;
                Ok(Typed::Number(NumberExpr::Minus(Box::new(inner))))
            }
            Kind::Binary(Operator::In, two) => self.in_list(&two[0], &two[1]),
            Kind::Binary(operator, two) => self.binary(node.at, *operator, two),
            Kind::All(row) => {
                let row = self.row(row, "an operand of `&&`")?;
                Ok(Typed::Bool(BoolExpr::All(row)))
            }
            Kind::Any(row) => {
                let row = self.row(row, "an operand of `||`")?;
                Ok(Typed::Bool(BoolExpr::Any(row)))
            }
            Kind::If(three) => self.branches(three),
            Kind::List(_) => {
                let construct = "a list here".to_owned();
                let instead = "lists stand behind `in` and before .exists and .all";
                self.fault(node.at, Cause::Unsupported { construct, instead })
            }
        }
    }

    fn named(&mut self, at: usize, name: &str) -> Checked<Typed> {
        let bound = self.bound.iter().rev().find(|(it, _)| it == name);
        if let Some((_, constant)) = bound {
            return Ok(match constant.clone() {
                Constant::Bool(value) => Typed::Bool(BoolExpr::Const(value)),
                Constant::Number(value) => Typed::Number(NumberExpr::Const(value)),
                Constant::Text(text) => Typed::Text(TextExpr::Const(text.into())),
            });
        }
        let (slot, of) = self.variable(at, name)?;
        Ok(match of {
            Type::Bool => Typed::Bool(BoolExpr::Slot(slot)),
            Type::Number => Typed::Number(NumberExpr::Slot(slot)),
            Type::Text { bytes_max } => Typed::Text(TextExpr::Slot { slot, bytes_max }),
            Type::Time => Typed::Time(MillisExpr::Slot(slot)),
        })
    }

    fn variable(&mut self, at: usize, name: &str) -> Checked<(u16, Type)> {
        let Some(ix) = self.context.vocabulary.find(name) else {
            let bound = self.bound.iter().map(|(name, _)| name.as_str());
            let nearest = nearest(name, self.context.vocabulary.names().chain(bound));
            let name = shown(name);
            return self.fault(at, Cause::UnknownVariable { name, nearest });
        };
        let of = self.context.vocabulary.variable(ix).of;
        Ok((self.context.slot(ix), of))
    }

    fn wrong<T>(
        &mut self,
        at: usize,
        of: &str,
        expected: &'static str,
        found: &'static str,
    ) -> Checked<T> {
        let of = of.to_owned();
        self.fault(
            at,
            Cause::WrongType {
                of,
                expected,
                found,
            },
        )
    }

    fn bool(&mut self, node: &Node, of: &str) -> Checked<BoolExpr> {
        match self.typed(node)? {
            Typed::Bool(it) => Ok(it),
            other => self.wrong(node.at, of, "bool", other.name()),
        }
    }

    fn number(&mut self, node: &Node, of: &str) -> Checked<NumberExpr> {
        match self.typed(node)? {
            Typed::Number(it) => Ok(it),
            other => self.wrong(node.at, of, "number", other.name()),
        }
    }

    fn text(&mut self, node: &Node, of: &str) -> Checked<TextExpr> {
        match self.typed(node)? {
            Typed::Text(it) => Ok(it),
            other => self.wrong(node.at, of, "text", other.name()),
        }
    }

    fn row(&mut self, row: &[Node], of: &str) -> Checked<Box<[BoolExpr]>> {
        let checked: Vec<_> = row.iter().map(|it| self.bool(it, of)).collect();
        checked.into_iter().collect()
    }

    fn branches(&mut self, three: &[Node; 3]) -> Checked<Typed> {
        let condition = self.bool(&three[0], "the condition of `?`");
        let (then, other) = (self.typed(&three[1]), self.typed(&three[2]));
        let (condition, then, other) = (condition?, then?, other?);
        let (left, right) = (then.name(), other.name());
        Ok(match (then, other) {
            (Typed::Bool(then), Typed::Bool(other)) => {
                Typed::Bool(BoolExpr::If(Box::new([condition, then, other])))
            }
            (Typed::Number(then), Typed::Number(other)) => {
                Typed::Number(NumberExpr::If(Box::new((condition, [then, other]))))
            }
            (Typed::Text(then), Typed::Text(other)) => {
                Typed::Text(TextExpr::If(Box::new((condition, [then, other]))))
            }
            (Typed::Time(then), Typed::Time(other)) => {
                Typed::Time(MillisExpr::If(Box::new((condition, [then, other]))))
            }
            (Typed::Duration(then), Typed::Duration(other)) => {
                Typed::Duration(MillisExpr::If(Box::new((condition, [then, other]))))
            }
            _ => {
                let operator = "? :";
                let cause = Cause::Operands {
                    operator,
                    left,
                    right,
                };
                return self.fault(three[1].at, cause);
            }
        })
    }

    fn binary(&mut self, at: usize, operator: Operator, two: &[Node; 2]) -> Checked<Typed> {
        use Operator::{Add, Divide, Multiply, Remainder, Subtract};
        // Both are looked at, for the faults of both.
        let (left, right) = (self.typed(&two[0]), self.typed(&two[1]));
        let (left, right) = (left?, right?);
        let names = (left.name(), right.name());
        let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        let arithmetic = matches!(operator, Add | Subtract | Multiply | Divide | Remainder);
        Ok(match (left, right) {
            (Typed::Number(left), Typed::Number(right)) if arithmetic => {
                Typed::Number(NumberExpr::Arithmetic(operator, Box::new([left, right])))
            }
            (Typed::Number(left), Typed::Number(right)) => {
                Typed::Bool(BoolExpr::Numbers(operator, Box::new([left, right])))
            }
            (Typed::Text(left), Typed::Text(right)) if !arithmetic => {
                if equality {
                    self.weigh(&two[0], &two[1]);
                    self.weigh(&two[1], &two[0]);
                }
                let compared = text_bytes(&left).min(text_bytes(&right));
                self.spend(compared / COMPARED_PER_UNIT, at)?;
                Typed::Bool(BoolExpr::Texts(operator, Box::new([left, right])))
            }
            (Typed::Bool(left), Typed::Bool(right)) if equality => {
                let same = BoolExpr::Same(Box::new([left, right]));
                Typed::Bool(match operator {
                    Operator::Equal => same,
                    _ => BoolExpr::Not(Box::new(same)),
                })
            }
            (Typed::Time(left), Typed::Time(right))
            | (Typed::Duration(left), Typed::Duration(right))
                if !arithmetic =>
            {
                Typed::Bool(BoolExpr::Millis(operator, Box::new([left, right])))
            }
            (Typed::Time(left), Typed::Time(right))
            | (Typed::Duration(left), Typed::Duration(right))
                if operator == Subtract =>
            {
                Typed::Duration(MillisExpr::Subtract(Box::new([left, right])))
            }
            (Typed::Time(left), Typed::Duration(right)) if operator == Subtract => {
                Typed::Time(MillisExpr::Subtract(Box::new([left, right])))
            }
            (Typed::Time(left), Typed::Duration(right))
            | (Typed::Duration(left), Typed::Time(right))
                if operator == Add =>
            {
                Typed::Time(MillisExpr::Add(Box::new([left, right])))
            }
            (Typed::Duration(left), Typed::Duration(right)) if operator == Add => {
                Typed::Duration(MillisExpr::Add(Box::new([left, right])))
            }
            _ => {
                let (left, right) = names;
                let operator = operator.sign();
                let cause = Cause::Operands {
                    operator,
                    left,
                    right,
                };
                return self.fault(at, cause);
            }
        })
    }

    /// `value in [constant, ...]`.
    fn in_list(&mut self, value: &Node, list: &Node) -> Checked<Typed> {
        let typed = self.typed(value);
        let elements = self.constants(list)?;
        if let Kind::List(written) = &list.kind {
            written
                .iter()
                .for_each(|element| self.weigh(value, element));
        }
        let steps = elements.len().max(1).ilog2() + 1;
        // For the room they take: a body unrolled a thousand times holds a thousand lists.
        self.spend(elements.len() as u32 / ELEMENTS_PER_UNIT, list.at)?;
        match typed? {
            Typed::Number(number) => {
                self.spend(steps, value.at)?;
                let mut sorted = Vec::with_capacity(elements.len());
                for (at, element) in elements {
                    match element {
                        Constant::Number(it) => sorted.push(it),
                        other => {
                            return self.wrong(at, "an element", "number", constant_name(&other));
                        }
                    }
                }
                sorted.sort_by(f64::total_cmp);
                Ok(Typed::Bool(BoolExpr::NumberIn(number, sorted.into())))
            }
            Typed::Text(text) => {
                let compared = text_bytes(&text) / COMPARED_PER_UNIT + 1;
                self.spend(steps * compared, value.at)?;
                let mut sorted: Vec<Box<str>> = Vec::with_capacity(elements.len());
                for (at, element) in elements {
                    match element {
                        Constant::Text(it) => sorted.push(it.into()),
                        other => {
                            return self.wrong(at, "an element", "text", constant_name(&other));
                        }
                    }
                }
                sorted.sort();
                Ok(Typed::Bool(BoolExpr::TextIn(text, sorted.into())))
            }
            other => {
                let found = other.name();
                self.wrong(value.at, "the left of `in`", "number or text", found)
            }
        }
    }

    /// The elements of a list, each with its place.
    fn constants(&mut self, list: &Node) -> Checked<Vec<(usize, Constant)>> {
        let Kind::List(elements) = &list.kind else {
            let construct = "this instead of a list of constants".to_owned();
            let instead = "write the list out as [a, b], or use on_list for a kept one";
            return self.fault(list.at, Cause::Unsupported { construct, instead });
        };
        let mut constants = Vec::with_capacity(elements.len());
        for element in elements {
            let Some(constant) = self.constant(element) else {
                let construct = "an element that is not constant".to_owned();
                let instead = "compare with it by `==`";
                return self.fault(element.at, Cause::Unsupported { construct, instead });
            };
            constants.push((element.at, constant));
        }
        Ok(constants)
    }

    fn constant(&self, node: &Node) -> Option<Constant> {
        match &node.kind {
            Kind::Bool(value) => Some(Constant::Bool(*value)),
            Kind::Number(value) => Some(Constant::Number(*value)),
            Kind::Text(text) => Some(Constant::Text(text.clone())),
            Kind::Name(name) => {
                let bound = self.bound.iter().rev().find(|(it, _)| it == name);
                bound.map(|(_, constant)| constant.clone())
            }
            _ => None,
        }
    }
}

fn constant_name(constant: &Constant) -> &'static str {
    match constant {
        Constant::Bool(_) => "bool",
        Constant::Number(_) => "number",
        Constant::Text(_) => "text",
    }
}

/// The longest that it can be.
fn text_bytes(text: &TextExpr) -> u32 {
    match text {
        TextExpr::Const(text) => text.len() as u32,
        TextExpr::Slot { bytes_max, .. } => u32::from(*bytes_max),
        TextExpr::If(parts) => text_bytes(&parts.1[0]).max(text_bytes(&parts.1[1])),
    }
}
