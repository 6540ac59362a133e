//! Rules: expressions of CEL over named variables, with effects.
//!
//! A document is parsed, checked against a [`Vocabulary`] and compiled once ([`RuleSet::parse`]); an event costs a
//! walk over compiled trees ([`RuleSet::evaluate`]), bounded by a cost that is known before. The language is in
//! docs/rules.md.
//!
//! The crate knows no event and no list: variables come in as [`Slot`]s, lists as a question. It reads no clock, does
//! no I/O, and an evaluation says the same on every machine.

mod vocabulary;

mod document;
mod problem;

mod lex;
mod parse;

mod check;
mod functions;

mod calendar;
mod pattern;
mod program;

mod set;

pub use check::{LISTS_MAX, PATTERNS_MAX, RULE_COST_MAX, Sought};
pub use document::{DOCUMENT_BYTES_MAX, ID_BYTES_MAX, RULES_MAX};
pub use functions::{FUNCTIONS, Form, Function};
pub use parse::{DEPTH_MAX, SOURCE_BYTES_MAX};
pub use pattern::{PATTERN_BYTES_MAX, TABLE_BYTES_MAX};
pub use problem::{Cause, PROBLEMS_MAX, PROBLEMS_PER_RULE_MAX, Place, Problem, RuleSetError};
pub use program::{ErrorKind, Key, ListIx, Slot};
pub use set::{
    Effects, Evaluation, Match, Rule, RuleIx, RuleSet, SET_COST_MAX, Severity, Status, TAGS_MAX,
    TagSet, Verdict,
};
pub use vocabulary::{
    NAME_BYTES_MAX, Type, VARIABLES_MAX, Values, Variable, VariableIx, Vocabulary, VocabularyError,
};
