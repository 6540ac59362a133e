//! What can be wrong with a rule set: every problem with its place and a stable code.

use std::fmt;

/// Problems reported of one document; more are counted out.
pub const PROBLEMS_MAX: usize = 100;
/// Problems reported of one expression.
pub const PROBLEMS_PER_RULE_MAX: usize = 8;

/// Line and column from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

impl Place {
    /// Of a byte of `text`.
    pub(crate) fn of(text: &str, at: usize) -> Place {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |it| it + 1);
        Place {
            line: before.matches('\n').count() as u32 + 1,
            column: before[line_start..].chars().count() as u32 + 1,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// As far as it could be read.
    pub rule: Option<String>,
    /// In the document.
    pub place: Place,
    /// In the expression, where the problem is in one.
    pub in_expression: Option<Place>,
    pub cause: Cause,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "line {line}, column {column}")?;
        if let Some(rule) = &self.rule {
            write!(f, ", rule {:?}", shown(rule))?;
        }
        if let Some(Place { line, column }) = self.in_expression {
            match line {
                1 => write!(f, ", column {column} of when")?,
                _ => write!(f, ", line {line} column {column} of when")?,
            }
        }
        write!(f, ": {}", self.cause)
    }
}

/// Every problem of a document, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSetError {
    pub problems: Vec<Problem>,
    /// There were more than [`PROBLEMS_MAX`].
    pub cut: bool,
}

impl fmt::Display for RuleSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let line_end = if at == 0 { "" } else { "\n" };
            write!(f, "{line_end}{problem}")?;
        }
        if self.cut {
            write!(f, "\nand more than these {PROBLEMS_MAX}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleSetError {}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Cause {
    #[error("the document is no TOML: {0}")]
    NotToml(String),
    #[error("unknown field {name:?}{}", did_you_mean(nearest))]
    UnknownField {
        name: String,
        nearest: Option<String>,
    },
    #[error("the field {0} is missing")]
    MissingField(&'static str),
    #[error("{field} must be {expected}, got {found}")]
    FieldType {
        field: &'static str,
        expected: &'static str,
        found: &'static str,
    },
    #[error("{field} must be {expected}, got {found}")]
    FieldValue {
        field: &'static str,
        expected: String,
        found: String,
    },
    #[error("the id {:?} is taken by the rule of line {first_line}", shown(id))]
    DuplicateId { id: String, first_line: u32 },
    #[error("at most {max} {what}, got {found}")]
    TooMany {
        what: &'static str,
        max: usize,
        found: usize,
    },
    #[error("expected {expected}, got {found}")]
    Syntax { expected: String, found: String },
    #[error("bad literal {literal}: {reason}")]
    BadLiteral { literal: String, reason: String },
    #[error("unknown variable {name:?}{}", did_you_mean(nearest))]
    UnknownVariable {
        name: String,
        nearest: Option<String>,
    },
    #[error("unknown function {name:?}{}", did_you_mean(nearest))]
    UnknownFunction {
        name: String,
        nearest: Option<String>,
    },
    #[error("`{function}` takes {expected}, got {found}")]
    Arguments {
        function: String,
        expected: String,
        found: usize,
    },
    #[error("{of} must be {expected}, got {found}")]
    WrongType {
        of: String,
        expected: &'static str,
        found: &'static str,
    },
    #[error("`{operator}` does not take {left} and {right}")]
    Operands {
        operator: &'static str,
        left: &'static str,
        right: &'static str,
    },
    #[error("{construct} is not supported: {instead}")]
    Unsupported {
        construct: String,
        instead: &'static str,
    },
    #[error("{variable} is never {value:?}{}", did_you_mean(nearest))]
    UnknownValue {
        variable: String,
        value: String,
        nearest: Option<String>,
    },
    #[error(
        "whether {variable} is ever {value:?} cannot be checked: the schema does not say its values"
    )]
    UncheckedValue { variable: String, value: String },
    #[error("bad pattern: {0}")]
    BadPattern(String),
    #[error("{of} costs {cost}, more than {max}")]
    OverCost {
        of: &'static str,
        cost: u32,
        max: u32,
    },
}

impl Cause {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Cause::NotToml(_) => "not_toml",
            Cause::UnknownField { .. } => "unknown_field",
            Cause::MissingField(_) => "missing_field",
            Cause::FieldType { .. } => "wrong_field_type",
            Cause::FieldValue { .. } => "bad_field",
            Cause::DuplicateId { .. } => "duplicate_id",
            Cause::TooMany { .. } => "over_limit",
            Cause::Syntax { .. } => "syntax",
            Cause::BadLiteral { .. } => "bad_literal",
            Cause::UnknownVariable { .. } => "unknown_variable",
            Cause::UnknownFunction { .. } => "unknown_function",
            Cause::Arguments { .. } => "wrong_arguments",
            Cause::WrongType { .. } | Cause::Operands { .. } => "wrong_type",
            Cause::Unsupported { .. } => "unsupported",
            Cause::UnknownValue { .. } => "unknown_value",
            Cause::UncheckedValue { .. } => "unchecked_value",
            Cause::BadPattern(_) => "bad_pattern",
            Cause::OverCost { .. } => "over_cost",
        }
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |it| format!(", did you mean {it:?}?"))
}

/// What a message quotes of a text from outside: an error must not grow with what it is about.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 48;
    match text.char_indices().nth(CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A problem of an expression, at a byte of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub at: usize,
    pub cause: Cause,
}

impl Fault {
    pub fn new(at: usize, cause: Cause) -> Fault {
        Fault { at, cause }
    }
}
