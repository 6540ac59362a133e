//! A profile in the format of pprof (`profile.proto` of github.com/google/pprof), uncompressed, as `go tool pprof`
//! and its like read it. The fields that are written, by their numbers.

use std::collections::HashMap;
use std::time::SystemTime;

use prost::Message;

use super::{Frame, Profile};

#[derive(Clone, PartialEq, Message)]
pub struct Encoded {
    #[prost(message, repeated, tag = "1")]
    pub sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub function: Vec<Function>,
    /// What all names are indexes into; the first is empty.
    #[prost(string, repeated, tag = "6")]
    pub string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    pub time_nanos: i64,
    #[prost(int64, tag = "10")]
    pub duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub period: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueType {
    #[prost(int64, tag = "1")]
    pub kind: i64,
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    /// The innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub label: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Label {
    #[prost(int64, tag = "1")]
    pub key: i64,
    #[prost(int64, tag = "2")]
    pub str: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Location {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Line {
    #[prost(uint64, tag = "1")]
    pub function_id: u64,
    #[prost(int64, tag = "2")]
    pub line: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Function {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(int64, tag = "2")]
    pub name: i64,
    #[prost(int64, tag = "4")]
    pub filename: i64,
}

const SECOND_NANOS: i64 = 1_000_000_000;

impl Profile {
    pub fn encoded(&self) -> Encoded {
        let mut tables = Tables::default();
        tables.text("");
        let period = SECOND_NANOS / i64::from(self.hz);
        let cpu = ValueType {
            kind: tables.text("cpu"),
            unit: tables.text("nanoseconds"),
        };
        let samples = ValueType {
            kind: tables.text("samples"),
            unit: tables.text("count"),
        };
        let key = tables.text("thread");
        let mut sample = Vec::new();
        for (stack, count) in &self.stacks {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            let frames = stack.frames.iter().rev();
            sample.push(Sample {
                location_id: frames.map(|frame| tables.location(frame)).collect(),
                value: vec![count, count.saturating_mul(period)],
                label: vec![Label {
                    key,
                    str: tables.text(&stack.thread),
                }],
            });
        }
        let since = self.started.duration_since(SystemTime::UNIX_EPOCH);
        let nanos = |it: std::time::Duration| i64::try_from(it.as_nanos()).unwrap_or(i64::MAX);
        Encoded {
            sample_type: vec![samples, cpu.clone()],
            sample,
            location: tables.locations,
            function: tables.functions,
            string_table: tables.texts,
            time_nanos: since.map_or(0, nanos),
            duration_nanos: nanos(self.took),
            period_type: Some(cpu),
            period,
        }
    }
}

#[derive(Default)]
struct Tables<'a> {
    texts: Vec<String>,
    text_of: HashMap<String, i64>,
    functions: Vec<Function>,
    function_of: HashMap<(&'a str, &'a str), u64>,
    locations: Vec<Location>,
    location_of: HashMap<&'a Frame, u64>,
}

impl<'a> Tables<'a> {
    fn text(&mut self, text: &str) -> i64 {
        if let Some(index) = self.text_of.get(text) {
            return *index;
        }
        let index = self.texts.len() as i64;
        self.texts.push(text.to_owned());
        self.text_of.insert(text.to_owned(), index);
        index
    }

    fn location(&mut self, frame: &'a Frame) -> u64 {
        if let Some(id) = self.location_of.get(frame) {
            return *id;
        }
        let line = Line {
            function_id: self.function(frame),
            line: i64::from(frame.line),
        };
        let id = self.locations.len() as u64 + 1;
        self.locations.push(Location {
            id,
            line: vec![line],
        });
        self.location_of.insert(frame, id);
        id
    }

    fn function(&mut self, frame: &'a Frame) -> u64 {
        let key = (frame.function.as_str(), frame.file.as_str());
        if let Some(id) = self.function_of.get(&key) {
            return *id;
        }
        let (name, filename) = (self.text(key.0), self.text(key.1));
        let id = self.functions.len() as u64 + 1;
        self.functions.push(Function { id, name, filename });
        self.function_of.insert(key, id);
        id
    }
}
