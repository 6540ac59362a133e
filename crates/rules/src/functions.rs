//! Functions, methods and macros of the language: the one table that the checker, whoever shows them and the tests of
//! cases and document go by.

use crate::calendar::Field;

/// How a function is written; some are written either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `name(x)`
    Function,
    /// `x.name()`
    Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: &'static str,
    pub form: Form,
    pub arguments: &'static str,
    /// Type of its value.
    pub gives: &'static str,
    pub meaning: &'static str,
}

const fn function(
    name: &'static str,
    arguments: &'static str,
    gives: &'static str,
    meaning: &'static str,
) -> Function {
    let form = Form::Function;
    Function {
        name,
        form,
        arguments,
        gives,
        meaning,
    }
}

const fn method(
    name: &'static str,
    arguments: &'static str,
    gives: &'static str,
    meaning: &'static str,
) -> Function {
    let form = Form::Method;
    Function {
        name,
        form,
        arguments,
        gives,
        meaning,
    }
}

#[rustfmt::skip]
pub const FUNCTIONS: [Function; 25] = [
    function("has", "variable", "bool", "whether the variable is there"),
    function("on_list", "\"list\", text or number", "bool", "whether the value is on the list"),
    function("size", "text", "number", "characters of the text"),
    function("matches", "text, \"pattern\"", "bool", "whether the pattern is anywhere in the text"),
    function("timestamp", "\"2026-01-31T12:00:00Z\"", "time", "a time that is written out"),
    function("duration", "\"1h30m\"", "duration", "a duration that is written out"),
    function("int", "number", "number", "the number without its fraction"),
    function("double", "number", "number", "the number itself"),
    method("startsWith", "text", "bool", "whether a text begins with another"),
    method("endsWith", "text", "bool", "whether a text ends with another"),
    method("contains", "text", "bool", "whether a text has another in it"),
    method("matches", "\"pattern\"", "bool", "whether the pattern is anywhere in the text"),
    method("size", "", "number", "characters of the text"),
    method("exists", "name, bool", "bool", "whether the expression holds for one element of a list"),
    method("all", "name, bool", "bool", "whether the expression holds for every element of a list"),
    method("getFullYear", "zone", "number", "year of a time"),
    method("getMonth", "zone", "number", "month of a time, from 0"),
    method("getDate", "zone", "number", "day of the month of a time, from 1"),
    method("getDayOfMonth", "zone", "number", "day of the month of a time, from 0"),
    method("getDayOfYear", "zone", "number", "day of the year of a time, from 0"),
    method("getDayOfWeek", "zone", "number", "day of the week of a time, 0 is Sunday"),
    method("getHours", "zone", "number", "hour of a time; all of a duration in whole hours"),
    method("getMinutes", "zone", "number", "minute of a time; all of a duration in whole minutes"),
    method("getSeconds", "zone", "number", "second of a time; all of a duration in whole seconds"),
    method("getMilliseconds", "zone", "number", "millisecond of a time, 0 to 999"),
];

impl Form {
    pub(crate) fn other(self) -> Form {
        match self {
            Form::Function => Form::Method,
            Form::Method => Form::Function,
        }
    }
}

impl Function {
    pub(crate) fn of(name: &str, form: Form) -> Option<&'static Function> {
        let mut all = FUNCTIONS.iter();
        all.find(|it| it.form == form && it.name == name)
    }

    /// As it is written: `size(text)`, `x.size()`.
    pub fn signature(&self) -> String {
        let Function {
            name, arguments, ..
        } = self;
        match self.form {
            Form::Function => format!("{name}({arguments})"),
            Form::Method => format!("x.{name}({arguments})"),
        }
    }
}

pub(crate) fn names(form: Form) -> impl Iterator<Item = &'static str> {
    let all = FUNCTIONS.iter().filter(move |it| it.form == form);
    all.map(|it| it.name)
}

/// What `getHours` and its like ask of a time.
pub(crate) fn part_of(function: &str) -> Option<Field> {
    Some(match function {
        "getFullYear" => Field::FullYear,
        "getMonth" => Field::Month,
        "getDate" => Field::Date,
        "getDayOfMonth" => Field::DayOfMonth,
        "getDayOfYear" => Field::DayOfYear,
        "getDayOfWeek" => Field::DayOfWeek,
        "getHours" => Field::Hours,
        "getMinutes" => Field::Minutes,
        "getSeconds" => Field::Seconds,
        "getMilliseconds" => Field::Milliseconds,
        _ => return None,
    })
}
