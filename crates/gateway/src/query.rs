//! Query parameters: each known, each once, percent-decoded.

use std::str::FromStr;

use serde_json::json;

use crate::problem::Problem;

pub struct Query(Vec<(String, String)>);

/// More than any route takes.
const PARAMETERS_MAX: usize = 8;
/// Characters of an unknown name that are told: a message must not grow with what it is about.
const SHOWN_MAX: usize = 64;

impl Query {
    pub fn parse(text: Option<&str>, known: &[&str]) -> Result<Query, Problem> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for part in text
            .unwrap_or("")
            .split('&')
            .filter(|part| !part.is_empty())
        {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) || fields.len() == PARAMETERS_MAX {
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                let message = format!("unknown query parameter; known: {known}");
                let shown: String = name.chars().take(SHOWN_MAX).collect();
                return Err(Problem::bad("parameter_unknown", message)
                    .with_detail(json!({ "field": shown })));
            }
            if fields.iter().any(|(held, _)| *held == name) {
                let message = format!("query parameter {name} is given twice");
                return Err(
                    Problem::bad("parameter_twice", message).with_detail(json!({ "field": name }))
                );
            }
            fields.push((name, value));
        }
        Ok(Query(fields))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(held, _)| held == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => {
                let message = format!("{name} must be true or false");
                Err(Problem::parameter(name, message))
            }
        }
    }

    pub fn number(&self, name: &str, default: u64, max: u64) -> Result<u64, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        let number = text.parse::<u64>().ok();
        let number = number.filter(|number| (1..=max).contains(number));
        number.ok_or_else(|| {
            let message = format!("{name} must be a whole number from 1 to {max}");
            Problem::parameter(name, message)
        })
    }
}

/// A cursor is a letter, which keeps those of two routes apart, and a number.
pub fn cursor<T: FromStr>(letter: char, text: &str) -> Result<T, Problem> {
    let number = text.strip_prefix(letter).and_then(|it| it.parse().ok());
    number.ok_or_else(wrong_cursor)
}

pub fn wrong_cursor() -> Problem {
    Problem::parameter("cursor", "cursor must be the next of an earlier page")
}

fn decode(text: &str) -> Result<String, Problem> {
    let wrong = || Problem::bad("parameter_format", "the query is no percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || (rest.next()? as char).to_digit(16);
                let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
                (high << 4 | low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn parameters_are_decoded_and_what_is_odd_is_refused() {
        let query = Query::parse(Some("a=x%20y+z&&b=%C3%A4"), &["a", "b"]).ok();
        let query = query.as_ref();
        assert_eq!(query.and_then(|it| it.get("a")), Some("x y z"));
        assert_eq!(query.and_then(|it| it.get("b")), Some("ä"));
        let long = format!("{}=1", "x".repeat(500));
        for (text, code, field) in [
            ("c=1", "parameter_unknown", json!("c")),
            (&long, "parameter_unknown", json!("x".repeat(SHOWN_MAX))),
            ("a=1&a=2", "parameter_twice", json!("a")),
            ("a=%2", "parameter_format", Value::Null),
            ("a=%zz", "parameter_format", Value::Null),
            ("a=%ff", "parameter_format", Value::Null),
        ] {
            let refused = Query::parse(Some(text), &["a", "b"]).err();
            let told = refused.map(|it| {
                let detail = it.detail.unwrap_or_default();
                (it.code, detail["field"].clone())
            });
            assert_eq!(told, Some((code, field)), "{text}");
        }
    }
}
