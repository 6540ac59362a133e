//! What a request did, as it is handed to the exporter.

use std::borrow::Cow;

/// Whether somebody asked for it from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Server,
    /// Of this process' own accord.
    Internal,
}

/// The spans of one request, the request's own first.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Of the root.
    pub kind: Kind,
    pub trace: u128,
    /// The span that the root is below, of whoever called, where it sent one.
    pub caller: Option<u64>,
    /// Each span has them.
    pub common: Vec<(&'static str, Value)>,
    pub root: Span,
    /// They lie within the root.
    pub steps: Vec<Span>,
    /// What went wrong, by its stable code.
    pub error: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub id: u64,
    pub name: Cow<'static, str>,
    /// Nanoseconds since 1970.
    pub start_ns: u64,
    pub end_ns: u64,
    pub attributes: Vec<(&'static str, Value)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(Cow<'static, str>),
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Value {
        Value::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl Request {
    pub fn spans(&self) -> u64 {
        1 + self.steps.len() as u64
    }
}
