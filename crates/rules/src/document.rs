//! The document of a rule set: TOML, field by field, so that every problem is found and has its place.

mod fields;

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::problem::{Cause, PROBLEMS_MAX, Place, Problem, RuleSetError, shown};
use crate::set::{Effects, Status};
use crate::vocabulary::nearest;

pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;
pub const RULES_MAX: usize = 200;
pub const ID_BYTES_MAX: usize = 64;

/// A rule as it is written. A field at fault has its default: the document is refused, and read on for its other
/// problems.
#[derive(Debug)]
pub(crate) struct Written {
    pub id: Option<String>,
    pub id_at: usize,
    pub at: usize,
    pub description: String,
    pub reason: String,
    pub status: Status,
    pub priority: i32,
    pub stop: bool,
    pub effects: Effects,
    pub tags: Vec<(usize, String)>,
    pub when: Option<When>,
}

#[derive(Debug)]
pub(crate) struct When {
    pub source: String,
    /// With its quotes, in the document.
    span: Range<usize>,
}

/// The problems of a document, as they are found.
#[derive(Debug)]
pub(crate) struct Problems<'d> {
    document: &'d str,
    list: Vec<Problem>,
    cut: bool,
}

impl<'d> Problems<'d> {
    pub fn new(document: &'d str) -> Problems<'d> {
        Problems {
            document,
            list: Vec::new(),
            cut: false,
        }
    }

    /// No more are taken: nothing further need be looked at.
    pub fn full(&self) -> bool {
        self.cut
    }

    /// Before a place is sought: that takes a walk over the document.
    fn takes_more(&mut self) -> bool {
        self.cut |= self.list.len() == PROBLEMS_MAX;
        !self.cut
    }

    pub fn at(&mut self, rule: Option<&str>, at: usize, cause: Cause) {
        if !self.takes_more() {
            return;
        }
        let place = Place::of(self.document, at);
        self.list.push(Problem {
            rule: rule.map(str::to_owned),
            place,
            in_expression: None,
            cause,
        });
    }

    /// At a byte of an expression.
    pub fn within(&mut self, rule: Option<&str>, when: &When, at: usize, cause: Cause) {
        if self.takes_more() {
            let problem = self.placed(rule, when, at, cause);
            self.list.push(problem);
        }
    }

    /// One of an expression with its place, and not among them.
    pub fn placed(&self, rule: Option<&str>, when: &When, at: usize, cause: Cause) -> Problem {
        let raw = self.document.get(when.span.clone()).unwrap_or_default();
        let place = Place::of(self.document, when.span.start + raw_offset(raw, at));
        Problem {
            rule: rule.map(str::to_owned),
            place,
            in_expression: Some(Place::of(&when.source, at)),
            cause,
        }
    }

    pub fn line_of(&self, at: usize) -> u32 {
        Place::of(self.document, at).line
    }

    pub fn into_result(mut self) -> Result<(), RuleSetError> {
        if self.list.is_empty() {
            return Ok(());
        }
        self.list.sort_by_key(|it| it.place);
        Err(RuleSetError {
            problems: self.list,
            cut: self.cut,
        })
    }
}

/// The rules of a document, in its order. What is wrong goes to `problems`.
pub(crate) fn read(document: &str, problems: &mut Problems<'_>) -> Vec<Written> {
    if document.len() > DOCUMENT_BYTES_MAX {
        let cause = Cause::TooMany {
            what: "bytes of a document",
            max: DOCUMENT_BYTES_MAX,
            found: document.len(),
        };
        problems.at(None, 0, cause);
        return Vec::new();
    }
    let (table, errors) = DeTable::parse_recoverable(document);
    for error in &errors {
        let at = error.span().map_or(0, |it| it.start);
        problems.at(None, at, Cause::NotToml(shown(error.message())));
    }
    if !errors.is_empty() {
        return Vec::new();
    }
    let mut rules = Vec::new();
    for (key, value) in table.get_ref() {
        if key.get_ref() != "rules" {
            let name = shown(key.get_ref());
            let nearest = nearest(key.get_ref(), ["rules"].into_iter());
            let cause = Cause::UnknownField { name, nearest };
            problems.at(None, key.span().start, cause);
            continue;
        }
        let DeValue::Array(array) = value.get_ref() else {
            let cause = Cause::FieldType {
                field: "rules",
                expected: "an array of tables, [[rules]]",
                found: value.get_ref().type_str(),
            };
            problems.at(None, value.span().start, cause);
            continue;
        };
        if array.len() > RULES_MAX {
            let cause = Cause::TooMany {
                what: "rules in a set",
                max: RULES_MAX,
                found: array.len(),
            };
            problems.at(None, array[RULES_MAX].span().start, cause);
        }
        for rule in array.iter().take(RULES_MAX) {
            match rule.get_ref() {
                DeValue::Table(table) => {
                    rules.push(fields::rule(table, rule.span().start, problems));
                }
                other => {
                    let cause = Cause::FieldType {
                        field: "an entry of rules",
                        expected: "a table",
                        found: other.type_str(),
                    };
                    problems.at(None, rule.span().start, cause);
                }
            }
        }
    }
    rules
}

/// Of rules, tags and lists.
pub(crate) fn is_id(text: &str) -> bool {
    let allowed =
        |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, b'.' | b'_' | b'-');
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Where the byte `decoded` of a TOML string stands in its literal, quotes, escapes and all.
fn raw_offset(raw: &str, decoded: usize) -> usize {
    let quote = raw.chars().next().unwrap_or('"');
    let triple = raw.starts_with("\"\"\"") || raw.starts_with("'''");
    let mut at = if triple { 3 } else { 1 };
    if triple {
        // A line end right behind the quotes is not part of the text.
        let rest = &raw[at..];
        at += ["\r\n", "\n"]
            .iter()
            .find(|it| rest.starts_with(**it))
            .map_or(0, |it| it.len());
    }
    let mut seen = 0;
    loop {
        let rest = raw.get(at..).unwrap_or_default();
        let mut chars = rest.chars();
        let Some(next) = chars.next() else {
            return at.min(raw.len());
        };
        let escaped = (next == '\\' && quote == '"').then(|| chars.next().unwrap_or('\\'));
        if escaped.is_some_and(char::is_whitespace) {
            // A line that goes on: neither its end nor the blanks before the next word are part of the text.
            at += 1 + rest[1..].len() - rest[1..].trim_start().len();
            continue;
        }
        if seen >= decoded {
            return at;
        }
        let Some(kind) = escaped else {
            seen += next.len_utf8();
            at += next.len_utf8();
            continue;
        };
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let code = rest.get(2..2 + digits).unwrap_or_default();
        let code = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        seen += code.map_or(1, char::len_utf8);
        at += 1 + kind.len_utf8() + digits;
    }
}
