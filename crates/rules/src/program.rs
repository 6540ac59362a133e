//! The compiled form of an expression and its run. A tree by type: what the check has shown needs no second look,
//! and a run allocates nothing, loops over nothing but texts and literals, and ends.

use std::sync::Arc;

use crate::calendar::{Field, Zone};
use crate::parse::Operator;
use crate::pattern::Pattern;

/// The value of a variable that is used, as the caller hands it in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot<'v> {
    Missing,
    Bool(bool),
    Number(f64),
    Text(&'v str),
    /// Milliseconds since 1970, UTC.
    Time(i64),
}

/// What is sought on a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key<'v> {
    Text(&'v str),
    Number(f64),
}

/// A list by its place in [`crate::RuleSet::lists`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListIx(pub u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    DivisionByZero,
    /// A number that is not finite, or a time out of range.
    Overflow,
    /// A text longer than its variable allows: the run would cost more than was reckoned.
    TextTooLong,
    /// A slot holds another type than its variable has.
    SlotType,
}

impl ErrorKind {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::DivisionByZero => "division_by_zero",
            ErrorKind::Overflow => "overflow",
            ErrorKind::TextTooLong => "text_too_long",
            ErrorKind::SlotType => "slot_type",
        }
    }
}

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The place of the variable among those used.
    Missing(u16),
    Error(ErrorKind),
}

pub(crate) struct Run<'r> {
    pub slots: &'r [Slot<'r>],
    pub on_list: &'r mut dyn FnMut(ListIx, Key<'_>) -> bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Debug)]
pub(crate) enum BoolExpr {
    Const(bool),
    Slot(u16),
    Has(u16),
    Not(Box<BoolExpr>),
    All(Box<[BoolExpr]>),
    Any(Box<[BoolExpr]>),
    If(Box<[BoolExpr; 3]>),
    Same(Box<[BoolExpr; 2]>),
    Numbers(Operator, Box<[NumberExpr; 2]>),
    Texts(Operator, Box<[TextExpr; 2]>),
    /// Times or durations.
    Millis(Operator, Box<[MillisExpr; 2]>),
    /// Sorted.
    NumberIn(NumberExpr, Box<[f64]>),
    /// Sorted.
    TextIn(TextExpr, Box<[Box<str>]>),
    Test(TextTest, Box<[TextExpr; 2]>),
    Matches(TextExpr, Arc<Pattern>),
    TextListed(ListIx, TextExpr),
    NumberListed(ListIx, NumberExpr),
}

#[derive(Debug)]
pub(crate) enum NumberExpr {
    Const(f64),
    Slot(u16),
    Minus(Box<NumberExpr>),
    Arithmetic(Operator, Box<[NumberExpr; 2]>),
    If(Box<(BoolExpr, [NumberExpr; 2])>),
    Truncate(Box<NumberExpr>),
    /// In code points.
    Size(Box<TextExpr>),
    Calendar(Field, Zone, Box<MillisExpr>),
    /// A duration in whole units of so many milliseconds.
    InUnits(i64, Box<MillisExpr>),
}

#[derive(Debug)]
pub(crate) enum TextExpr {
    Const(Box<str>),
    Slot { slot: u16, bytes_max: u16 },
    If(Box<(BoolExpr, [TextExpr; 2])>),
}

#[derive(Debug)]
pub(crate) enum MillisExpr {
    Const(i64),
    Slot(u16),
    Add(Box<[MillisExpr; 2]>),
    Subtract(Box<[MillisExpr; 2]>),
    If(Box<(BoolExpr, [MillisExpr; 2])>),
}

const SLOT_TYPE: Stop = Stop::Error(ErrorKind::SlotType);
const OVERFLOW: Stop = Stop::Error(ErrorKind::Overflow);

impl BoolExpr {
    pub fn run<'r>(&'r self, run: &mut Run<'r>) -> Result<bool, Stop> {
        match self {
            BoolExpr::Const(value) => Ok(*value),
            BoolExpr::Slot(slot) => match run.slots[usize::from(*slot)] {
                Slot::Bool(value) => Ok(value),
                Slot::Missing => Err(Stop::Missing(*slot)),
                _ => Err(SLOT_TYPE),
            },
            BoolExpr::Has(slot) => Ok(run.slots[usize::from(*slot)] != Slot::Missing),
            BoolExpr::Not(inner) => Ok(!inner.run(run)?),
            BoolExpr::All(row) => absorb(row, false, run),
            BoolExpr::Any(row) => absorb(row, true, run),
            BoolExpr::If(three) => {
                let [condition, then, other] = three.as_ref();
                if condition.run(run)? { then } else { other }.run(run)
            }
            BoolExpr::Same(two) => Ok(two[0].run(run)? == two[1].run(run)?),
            BoolExpr::Numbers(operator, two) => {
                let (left, right) = (two[0].run(run)?, two[1].run(run)?);
                Ok(compare(*operator, &left, &right))
            }
            BoolExpr::Texts(operator, two) => {
                let (left, right) = (two[0].run(run)?, two[1].run(run)?);
                // The order of UTF-8 bytes is that of code points.
                Ok(compare(*operator, left, right))
            }
            BoolExpr::Millis(operator, two) => {
                let (left, right) = (two[0].run(run)?, two[1].run(run)?);
                Ok(compare(*operator, &left, &right))
            }
            BoolExpr::NumberIn(number, sorted) => {
                let number = number.run(run)?;
                // -0 is 0, which `total_cmp` denies.
                let at = sorted.partition_point(|it| *it < number);
                Ok(sorted.get(at).is_some_and(|it| *it == number))
            }
            BoolExpr::TextIn(text, sorted) => {
                let text = text.run(run)?;
                Ok(sorted.binary_search_by(|it| (**it).cmp(text)).is_ok())
            }
            BoolExpr::Test(test, two) => {
                let (text, part) = (two[0].run(run)?, two[1].run(run)?);
                Ok(match test {
                    TextTest::StartsWith => text.starts_with(part),
                    TextTest::EndsWith => text.ends_with(part),
                    TextTest::Contains => text.contains(part),
                })
            }
            BoolExpr::Matches(text, pattern) => Ok(pattern.is_in(text.run(run)?)),
            BoolExpr::TextListed(list, text) => {
                let text = text.run(run)?;
                Ok((run.on_list)(*list, Key::Text(text)))
            }
            BoolExpr::NumberListed(list, number) => {
                let number = number.run(run)?;
                Ok((run.on_list)(*list, Key::Number(number)))
            }
        }
    }
}

/// `&&` and `||`: one operand of the absorbing value decides, whatever the others are. Else the first that has no
/// value speaks.
fn absorb<'r>(row: &'r [BoolExpr], absorbing: bool, run: &mut Run<'r>) -> Result<bool, Stop> {
    let mut stop = None;
    for operand in row {
        match operand.run(run) {
            Ok(value) if value == absorbing => return Ok(absorbing),
            Ok(_) => {}
            Err(error) => stop = stop.or(Some(error)),
        }
    }
    stop.map_or(Ok(!absorbing), Err)
}

fn compare<T: PartialOrd + ?Sized>(operator: Operator, left: &T, right: &T) -> bool {
    match operator {
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        Operator::Less => left < right,
        Operator::LessEqual => left <= right,
        Operator::Greater => left > right,
        Operator::GreaterEqual => left >= right,
        _ => unreachable!("the check makes comparisons of comparing operators only"),
    }
}

impl NumberExpr {
    fn run<'r>(&'r self, run: &mut Run<'r>) -> Result<f64, Stop> {
        match self {
            NumberExpr::Const(value) => Ok(*value),
            NumberExpr::Slot(slot) => match run.slots[usize::from(*slot)] {
                Slot::Number(value) => finite(value),
                Slot::Missing => Err(Stop::Missing(*slot)),
                _ => Err(SLOT_TYPE),
            },
            NumberExpr::Minus(inner) => Ok(-inner.run(run)?),
            NumberExpr::Arithmetic(operator, two) => {
                let (left, right) = (two[0].run(run)?, two[1].run(run)?);
                arithmetic(*operator, left, right)
            }
            NumberExpr::If(parts) => {
                let (condition, [then, other]) = parts.as_ref();
                if condition.run(run)? { then } else { other }.run(run)
            }
            NumberExpr::Truncate(inner) => {
                let value = inner.run(run)?;
                // CEL's integers have 64 bits.
                if value.abs() < i64::MAX as f64 {
                    Ok(value.trunc())
                } else {
                    Err(OVERFLOW)
                }
            }
            NumberExpr::Size(text) => Ok(text.run(run)?.chars().count() as f64),
            NumberExpr::Calendar(field, zone, time) => {
                let time = time.run(run)?;
                field.of(time, *zone).ok_or(OVERFLOW)
            }
            NumberExpr::InUnits(unit, duration) => Ok((duration.run(run)? / unit) as f64),
        }
    }
}

/// Each of the five is rounded as IEEE 754 says, and so the same on every machine; the remainder is exact.
fn arithmetic(operator: Operator, left: f64, right: f64) -> Result<f64, Stop> {
    let divides = matches!(operator, Operator::Divide | Operator::Remainder);
    if divides && right == 0.0 {
        return Err(Stop::Error(ErrorKind::DivisionByZero));
    }
    finite(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
        _ => unreachable!("the check makes arithmetic of arithmetic operators only"),
    })
}

fn finite(value: f64) -> Result<f64, Stop> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(OVERFLOW)
    }
}

impl TextExpr {
    fn run<'r>(&'r self, run: &mut Run<'r>) -> Result<&'r str, Stop> {
        match self {
            TextExpr::Const(text) => Ok(text),
            TextExpr::Slot { slot, bytes_max } => match run.slots[usize::from(*slot)] {
                Slot::Text(text) if text.len() <= usize::from(*bytes_max) => Ok(text),
                Slot::Text(_) => Err(Stop::Error(ErrorKind::TextTooLong)),
                Slot::Missing => Err(Stop::Missing(*slot)),
                _ => Err(SLOT_TYPE),
            },
            TextExpr::If(parts) => {
                let (condition, [then, other]) = parts.as_ref();
                if condition.run(run)? { then } else { other }.run(run)
            }
        }
    }
}

impl MillisExpr {
    fn run<'r>(&'r self, run: &mut Run<'r>) -> Result<i64, Stop> {
        let value = match self {
            MillisExpr::Const(value) => Some(*value),
            MillisExpr::Slot(slot) => match run.slots[usize::from(*slot)] {
                Slot::Time(value) => Some(value),
                Slot::Missing => return Err(Stop::Missing(*slot)),
                _ => return Err(SLOT_TYPE),
            },
            MillisExpr::Add(two) => two[0].run(run)?.checked_add(two[1].run(run)?),
            MillisExpr::Subtract(two) => two[0].run(run)?.checked_sub(two[1].run(run)?),
            MillisExpr::If(parts) => {
                let (condition, [then, other]) = parts.as_ref();
                Some(if condition.run(run)? { then } else { other }.run(run)?)
            }
        };
        value.ok_or(OVERFLOW)
    }
}
