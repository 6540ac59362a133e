//! The fields of one rule.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ID_BYTES_MAX, Problems, When, Written, is_id};
use crate::calendar::timestamp_ms;
use crate::problem::{Cause, shown};
use crate::set::{Effects, Severity, Status, Verdict};
use crate::vocabulary::nearest;

pub const SCORE_ADD_MAX: i32 = 1000;
pub const PRIORITY_MAX: i32 = 1_000_000;
pub const TAGS_PER_RULE_MAX: usize = 8;
pub const TAG_BYTES_MAX: usize = 32;
/// Of a reason and of a description.
pub const PROSE_BYTES_MAX: usize = 256;

const FIELDS: [&str; 14] = [
    "id",
    "description",
    "reason",
    "when",
    "status",
    "snoozed_until",
    "priority",
    "stop",
    "score_add",
    "decision",
    "challenge",
    "tags",
    "alert",
    "severity",
];

type Value<'d> = Spanned<DeValue<'d>>;

pub(super) fn rule(table: &DeTable<'_>, at: usize, problems: &mut Problems<'_>) -> Written {
    let id = table.get("id").and_then(|it| it.get_ref().as_str());
    let mut fields = Fields {
        table,
        at,
        id: id.map(shown),
        problems,
    };
    fields.known();
    let id = fields.text("id");
    if let Some((at, id)) = &id {
        let expected = format!("1 to {ID_BYTES_MAX} of a-z 0-9 . _ -");
        fields.valid("id", *at, is_id(id), expected, id);
    }
    let when = fields.when();
    let status = fields.status();
    let effects = fields.effects();
    Written {
        description: fields.prose("description"),
        reason: fields.prose("reason"),
        priority: fields.integer("priority", PRIORITY_MAX),
        stop: fields.flag("stop"),
        tags: fields.tags(),
        id_at: id.as_ref().map_or(at, |(at, _)| *at),
        id: id.map(|(_, id)| id),
        at,
        status,
        effects,
        when,
    }
}

struct Fields<'f, 'd, 'p, 't> {
    table: &'f DeTable<'d>,
    at: usize,
    /// As it is quoted in problems.
    id: Option<String>,
    problems: &'p mut Problems<'t>,
}

impl<'d> Fields<'_, 'd, '_, '_> {
    fn problem(&mut self, at: usize, cause: Cause) {
        self.problems.at(self.id.as_deref(), at, cause);
    }

    fn known(&mut self) {
        for (key, _) in self.table {
            let name = key.get_ref();
            if !FIELDS.contains(&name.as_ref()) && !self.problems.full() {
                let nearest = nearest(name, FIELDS.into_iter());
                let name = shown(name);
                self.problem(key.span().start, Cause::UnknownField { name, nearest });
            }
        }
    }

    fn get(&self, field: &str) -> Option<(usize, &DeValue<'d>)> {
        let value: &Value<'d> = self.table.get(field)?;
        Some((value.span().start, value.get_ref()))
    }

    fn required(&mut self, field: &'static str) {
        if self.get(field).is_none() {
            self.problem(self.at, Cause::MissingField(field));
        }
    }

    fn wrong_type(&mut self, field: &'static str, at: usize, expected: &'static str) {
        let found = self.get(field).map_or("nothing", |(_, it)| it.type_str());
        let cause = Cause::FieldType {
            field,
            expected,
            found,
        };
        self.problem(at, cause);
    }

    fn valid(
        &mut self,
        field: &'static str,
        at: usize,
        valid: bool,
        expected: String,
        found: &str,
    ) -> Option<()> {
        if !valid {
            self.refuse(field, at, expected, format!("{:?}", shown(found)));
        }
        valid.then_some(())
    }

    fn refuse(&mut self, field: &'static str, at: usize, expected: String, found: String) {
        let cause = Cause::FieldValue {
            field,
            expected,
            found,
        };
        self.problem(at, cause);
    }

    fn optional_text(&mut self, field: &'static str) -> Option<(usize, String)> {
        let (at, value) = self.get(field)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong_type(field, at, "a string");
        }
        text.map(|text| (at, text))
    }

    fn text(&mut self, field: &'static str) -> Option<(usize, String)> {
        self.required(field);
        self.optional_text(field)
    }

    fn prose(&mut self, field: &'static str) -> String {
        let Some((at, text)) = self.optional_text(field) else {
            return String::new();
        };
        let printable = !text.chars().any(char::is_control);
        let fits = (1..=PROSE_BYTES_MAX).contains(&text.len()) && printable;
        let expected = format!("1 to {PROSE_BYTES_MAX} bytes without control characters");
        self.valid(field, at, fits, expected, &text);
        text
    }

    fn flag(&mut self, field: &'static str) -> bool {
        let Some((at, value)) = self.get(field) else {
            return false;
        };
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong_type(field, at, "true or false");
        }
        flag.unwrap_or(false)
    }

    /// From -max to max; 0 where there is none.
    fn integer(&mut self, field: &'static str, max: i32) -> i32 {
        let Some((at, value)) = self.get(field) else {
            return 0;
        };
        let Some(written) = value.as_integer() else {
            self.wrong_type(field, at, "an integer");
            return 0;
        };
        let number = i32::from_str_radix(written.as_str(), written.radix()).ok();
        let number = number.filter(|it| (-max..=max).contains(it));
        if number.is_none() {
            let expected = format!("from -{max} to {max}");
            let found = shown(&written.to_string());
            self.refuse(field, at, expected, found);
        }
        number.unwrap_or(0)
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, field: &'static str, words: &[(&str, T)]) -> Option<(usize, T)> {
        let (at, text) = self.optional_text(field)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.valid(field, at, false, list.join(", "), &text);
        }
        found.map(|(_, value)| (at, *value))
    }

    fn when(&mut self) -> Option<When> {
        let (at, source) = self.text("when")?;
        let expected = "an expression".to_owned();
        self.valid("when", at, !source.trim().is_empty(), expected, &source)?;
        let span = self.table.get("when").map(Spanned::span)?;
        Some(When { source, span })
    }

    fn status(&mut self) -> Status {
        self.required("status");
        let until = self.until();
        let there = self.get("snoozed_until").map(|(at, _)| at);
        let snoozed = Status::Snoozed {
            until_ms: until.unwrap_or(i64::MAX),
        };
        let words = [
            ("draft", Status::Draft),
            ("shadow", Status::Shadow),
            ("active", Status::Active),
            ("snoozed", snoozed),
        ];
        let Some((at, status)) = self.word("status", &words) else {
            return Status::Draft;
        };
        let expected = "there with status = \"snoozed\" and only then".to_owned();
        match (status, there) {
            (Status::Snoozed { .. }, None) => {
                self.refuse("snoozed_until", at, expected, "nothing".to_owned());
            }
            (Status::Draft | Status::Shadow | Status::Active, Some(at)) => {
                self.refuse("snoozed_until", at, expected, "another status".to_owned());
            }
            _ => {}
        }
        status
    }

    fn until(&mut self) -> Option<i64> {
        const EXPECTED: &str = "a time of RFC 3339 as 2026-01-31T12:00:00Z";
        let (at, value) = self.get("snoozed_until")?;
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            _ => {
                self.wrong_type("snoozed_until", at, EXPECTED);
                return None;
            }
        };
        let until = timestamp_ms(&text);
        let expected = EXPECTED.to_owned();
        self.valid("snoozed_until", at, until.is_some(), expected, &text);
        until
    }

    fn effects(&mut self) -> Effects {
        let verdicts = [
            ("approve", Verdict::Approve),
            ("challenge", Verdict::Challenge),
            ("review", Verdict::Review),
            ("decline", Verdict::Decline),
        ];
        let severities = [
            ("low", Severity::Low),
            ("medium", Severity::Medium),
            ("high", Severity::High),
        ];
        let score_add = self.integer("score_add", SCORE_ADD_MAX);
        let decision = self.word("decision", &verdicts);
        let challenge = self.flag("challenge");
        let alert = self.flag("alert");
        let severity = self.word("severity", &severities);
        if let (false, Some((at, _))) = (alert, severity) {
            let expected = "there with alert = true only".to_owned();
            self.refuse("severity", at, expected, "no alert".to_owned());
        }
        let severity = severity.map_or(Severity::Medium, |(_, severity)| severity);
        Effects {
            score_add,
            decision: decision.map(|(_, verdict)| verdict),
            challenge,
            tags: Default::default(),
            alert: alert.then_some(severity),
        }
    }

    fn tags(&mut self) -> Vec<(usize, String)> {
        let Some((at, value)) = self.get("tags") else {
            return Vec::new();
        };
        let Some(array) = value.as_array() else {
            self.wrong_type("tags", at, "an array of strings");
            return Vec::new();
        };
        let len = array.len();
        let read = array.iter().take(TAGS_PER_RULE_MAX).map(|it| {
            let tag = it.get_ref().as_str().map(str::to_owned);
            (it.span().start, tag.ok_or(it.get_ref().type_str()))
        });
        let read: Vec<_> = read.collect();
        if len > TAGS_PER_RULE_MAX {
            let cause = Cause::TooMany {
                what: "tags of a rule",
                max: TAGS_PER_RULE_MAX,
                found: len,
            };
            self.problem(at, cause);
        }
        let mut tags = Vec::new();
        for (at, tag) in read {
            let tag = match tag {
                Ok(tag) => tag,
                Err(found) => {
                    let cause = Cause::FieldType {
                        field: "a tag",
                        expected: "a string",
                        found,
                    };
                    self.problem(at, cause);
                    continue;
                }
            };
            let fits = is_id(&tag) && tag.len() <= TAG_BYTES_MAX;
            let expected = format!("of 1 to {TAG_BYTES_MAX} of a-z 0-9 . _ - each");
            if self.valid("tags", at, fits, expected, &tag).is_some() {
                tags.push((at, tag));
            }
        }
        tags
    }
}
