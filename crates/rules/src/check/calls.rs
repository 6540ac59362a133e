//! Functions, methods and macros.

use super::{
    Checked, Checker, Constant, DATE_COST, LIST_COST, MATCHED_PER_UNIT, SOUGHT_PER_UNIT, Typed,
    text_bytes,
};
use crate::calendar::{Field, Zone, duration_ms, timestamp_ms};
use crate::functions::{Form, Function, names, part_of};
use crate::parse::{Kind, Node};
use crate::problem::{Cause, shown};
use crate::program::{BoolExpr, MillisExpr, NumberExpr, TextTest};
use crate::vocabulary::nearest;

/// Of CEL, and not of ours.
const REFUSED: [&str; 10] = [
    "map",
    "filter",
    "exists_one",
    "existsOne",
    "type",
    "dyn",
    "string",
    "bytes",
    "uint",
    "bool",
];

impl Checker<'_, '_> {
    pub(super) fn call(
        &mut self,
        at: usize,
        target: Option<&Node>,
        function: &str,
        arguments: &[Node],
    ) -> Checked<Typed> {
        match (target, function, arguments) {
            (None, "has", [name]) => self.has(name),
            (None, "on_list", [list, key]) => self.on_list(at, list, key),
            (None, "size", [text]) | (Some(text), "size", []) => self.size(text),
            (None, "matches", [text, pattern]) | (Some(text), "matches", [pattern]) => {
                self.matches(text, pattern)
            }
            (None, "timestamp", [text]) => {
                let expected = "a constant text as 2026-01-31T12:00:00Z";
                let time = self.moment(text, timestamp_ms, expected)?;
                Ok(Typed::Time(time))
            }
            (None, "duration", [text]) => {
                let expected = "a constant text as \"1h30m\" or \"2.5s\", in whole milliseconds";
                let duration = self.moment(text, duration_ms, expected)?;
                Ok(Typed::Duration(duration))
            }
            (None, "int", [number]) => {
                let number = self.number(number, "the argument of int")?;
                Ok(Typed::Number(NumberExpr::Truncate(Box::new(number))))
            }
            (None, "double", [number]) => {
                let number = self.number(number, "the argument of double")?;
                Ok(Typed::Number(number))
            }
            (Some(text), "startsWith", [part]) => self.test(TextTest::StartsWith, text, part),
            (Some(text), "endsWith", [part]) => self.test(TextTest::EndsWith, text, part),
            (Some(text), "contains", [part]) => self.test(TextTest::Contains, text, part),
            (Some(list), "exists", [name, body]) => {
                let row = self.unrolled(list, name, body)?;
                Ok(Typed::Bool(BoolExpr::Any(row)))
            }
            (Some(list), "all", [name, body]) => {
                let row = self.unrolled(list, name, body)?;
                Ok(Typed::Bool(BoolExpr::All(row)))
            }
            (Some(time), _, [] | [_]) if function.starts_with("get") => {
                self.part(at, time, function, arguments.first())
            }
            _ => self.unknown(at, target.is_some(), function, arguments.len()),
        }
    }

    fn unknown<T>(
        &mut self,
        at: usize,
        method: bool,
        function: &str,
        arguments: usize,
    ) -> Checked<T> {
        let form = if method { Form::Method } else { Form::Function };
        if Function::of(function, form).is_some() {
            let expected = match (method, function) {
                (false, "on_list") => "a list's name and a value",
                (false, "matches") => "a text and a pattern",
                (true, "exists" | "all") => "a name and an expression",
                (true, "size") => "no argument",
                (true, _) if function.starts_with("get") => "a zone or nothing",
                _ => "one argument",
            };
            let cause = Cause::Arguments {
                function: function.to_owned(),
                expected: expected.to_owned(),
                found: arguments,
            };
            return self.fault(at, cause);
        }
        if Function::of(function, form.other()).is_some() {
            let construct = format!("`{function}` in this form");
            let instead = match method {
                true => "write it as a function, name(value)",
                false => "write it as a method, value.name(...)",
            };
            return self.fault(at, Cause::Unsupported { construct, instead });
        }
        if REFUSED.contains(&function) {
            let construct = format!("`{function}` of CEL");
            let instead = "docs/rules.md has the functions there are";
            return self.fault(at, Cause::Unsupported { construct, instead });
        }
        let nearest = nearest(function, names(form));
        let name = shown(function);
        self.fault(at, Cause::UnknownFunction { name, nearest })
    }

    fn has(&mut self, argument: &Node) -> Checked<Typed> {
        let Kind::Name(name) = &argument.kind else {
            let construct = "has of something else than a variable".to_owned();
            let instead = "write has(name)";
            return self.fault(argument.at, Cause::Unsupported { construct, instead });
        };
        let (slot, _) = self.variable(argument.at, name)?;
        Ok(Typed::Bool(BoolExpr::Has(slot)))
    }

    fn on_list(&mut self, at: usize, list: &Node, key: &Node) -> Checked<Typed> {
        const EXPECTED: &str = "a constant name of 1 to 64 of a-z 0-9 . _ -";
        let listed = match self.constant(list) {
            Some(Constant::Text(name)) if crate::document::is_id(&name) => {
                match self.context.list(&name) {
                    Ok(list) => Ok(list),
                    Err(cause) => self.fault(list.at, cause),
                }
            }
            Some(Constant::Text(name)) => {
                let literal = format!("{:?}", shown(&name));
                let reason = format!("a list has {EXPECTED}");
                self.fault(list.at, Cause::BadLiteral { literal, reason })
            }
            _ => {
                let construct = "a list's name that is not constant".to_owned();
                self.fault(
                    list.at,
                    Cause::Unsupported {
                        construct,
                        instead: "write it out",
                    },
                )
            }
        };
        let key = self.typed(key).map(|typed| (key.at, typed));
        let (list, (key_at, key)) = (listed?, key?);
        self.spend(LIST_COST, at)?;
        match key {
            Typed::Text(text) => {
                self.context.sought[usize::from(list.0)].text = true;
                Ok(Typed::Bool(BoolExpr::TextListed(list, text)))
            }
            Typed::Number(number) => {
                self.context.sought[usize::from(list.0)].number = true;
                Ok(Typed::Bool(BoolExpr::NumberListed(list, number)))
            }
            other => {
                let of = "what on_list seeks";
                self.wrong(key_at, of, "text or number", other.name())
            }
        }
    }

    fn size(&mut self, text: &Node) -> Checked<Typed> {
        let at = text.at;
        let text = self.text(text, "what has a size")?;
        self.spend(text_bytes(&text) / SOUGHT_PER_UNIT, at)?;
        Ok(Typed::Number(NumberExpr::Size(Box::new(text))))
    }

    fn test(&mut self, test: TextTest, text: &Node, part: &Node) -> Checked<Typed> {
        let at = text.at;
        let text = self.text(text, "what is searched");
        let part = self.text(part, "the part sought");
        let (text, part) = (text?, part?);
        let longest = text_bytes(&text).max(text_bytes(&part));
        self.spend(longest / SOUGHT_PER_UNIT, at)?;
        Ok(Typed::Bool(BoolExpr::Test(test, Box::new([text, part]))))
    }

    fn matches(&mut self, text: &Node, pattern: &Node) -> Checked<Typed> {
        let at = text.at;
        let text = self.text(text, "what is matched");
        let Some(Constant::Text(source)) = self.constant(pattern) else {
            let construct = "a pattern that is not a constant text".to_owned();
            let instead = "write it out, so that it is compiled once";
            return self.fault(pattern.at, Cause::Unsupported { construct, instead });
        };
        let compiled = match self.context.pattern(&source) {
            Ok(compiled) => compiled,
            Err(cause) => return self.fault(pattern.at, cause),
        };
        let text = text?;
        self.spend(text_bytes(&text) / MATCHED_PER_UNIT, at)?;
        Ok(Typed::Bool(BoolExpr::Matches(text, compiled)))
    }

    fn moment(
        &mut self,
        text: &Node,
        read: fn(&str) -> Option<i64>,
        expected: &str,
    ) -> Checked<MillisExpr> {
        let (literal, millis) = match self.constant(text) {
            Some(Constant::Text(text)) => (format!("{:?}", shown(&text)), read(&text)),
            _ => ("here".to_owned(), None),
        };
        if let Some(millis) = millis {
            return Ok(MillisExpr::Const(millis));
        }
        let reason = format!("it must be {expected}");
        self.fault(text.at, Cause::BadLiteral { literal, reason })
    }

    /// `getHours` and its like, of a time or a duration.
    fn part(
        &mut self,
        at: usize,
        of: &Node,
        function: &str,
        zone: Option<&Node>,
    ) -> Checked<Typed> {
        let Some(field) = part_of(function) else {
            return self.unknown(at, true, function, 0);
        };
        self.spend(DATE_COST, at)?;
        let value = self.typed(of);
        let zone = match zone {
            None => Ok(Zone::UTC),
            Some(node) => {
                let zone = match self.constant(node) {
                    Some(Constant::Text(text)) => Zone::parse(&text),
                    _ => None,
                };
                zone.map_or_else(|| self.bad_zone(node.at), Ok)
            }
        };
        match (value?, field) {
            (Typed::Time(time), _) => Ok(Typed::Number(NumberExpr::Calendar(
                field,
                zone?,
                Box::new(time),
            ))),
            (Typed::Duration(duration), Field::Hours | Field::Minutes | Field::Seconds)
                if matches!(zone, Ok(Zone::UTC)) =>
            {
                let unit = match field {
                    Field::Hours => 3_600_000,
                    Field::Minutes => 60_000,
                    _ => 1_000,
                };
                let duration = Box::new(duration);
                Ok(Typed::Number(NumberExpr::InUnits(unit, duration)))
            }
            (other, _) => {
                let of_what = format!("what {function} is asked of");
                self.wrong(of.at, &of_what, "time", other.name())
            }
        }
    }

    fn bad_zone<T>(&mut self, at: usize) -> Checked<T> {
        let construct = "this zone".to_owned();
        let instead = "\"UTC\" or a fixed offset as \"+02:00\": the rules of named zones change";
        self.fault(at, Cause::Unsupported { construct, instead })
    }

    /// The body once for each element of a constant list.
    fn unrolled(&mut self, list: &Node, name: &Node, body: &Node) -> Checked<Box<[BoolExpr]>> {
        let elements = self.constants(list)?;
        let name = match &name.kind {
            Kind::Name(name) if !name.contains('.') => name.clone(),
            _ => {
                let construct = "this as the name of an element".to_owned();
                let instead = "one word";
                return self.fault(name.at, Cause::Unsupported { construct, instead });
            }
        };
        let prefix = format!("{name}.");
        let mut known = self.context.vocabulary.names();
        if known.any(|it| it == name || it.starts_with(&prefix)) {
            let construct = format!("`{}` as the name of an element", shown(&name));
            let instead = "variables are called so, take another";
            return self.fault(body.at, Cause::Unsupported { construct, instead });
        }
        let mut row = Vec::with_capacity(elements.len());
        for (_, element) in elements {
            self.bound.push((name.clone(), element));
            let checked = self.bool(body, "the body");
            self.bound.pop();
            row.push(checked);
        }
        row.into_iter().collect()
    }
}
