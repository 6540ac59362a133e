//! What the operator is told on standard error, and how much of it. Never an id, a token or a body.

use std::sync::atomic::{AtomicU8, Ordering};

/// Each level has those before it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteLevel {
    /// What failed inside, under the trace id of its request.
    Error,
    /// What somebody should look at: a tenant stops serving, a file cannot be read.
    Warning,
    /// What happened: keys were read again; a line for each request that failed here.
    Info,
    /// A line for each request: trace id, route, status, time.
    Debug,
}

impl NoteLevel {
    pub const ALL: [NoteLevel; 4] = [
        NoteLevel::Error,
        NoteLevel::Warning,
        NoteLevel::Info,
        NoteLevel::Debug,
    ];

    pub fn name(self) -> &'static str {
        match self {
            NoteLevel::Error => "error",
            NoteLevel::Warning => "warning",
            NoteLevel::Info => "info",
            NoteLevel::Debug => "debug",
        }
    }

    pub fn parse(text: &str) -> Option<NoteLevel> {
        NoteLevel::ALL
            .into_iter()
            .find(|level| level.name() == text)
    }
}

/// One line for the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub level: NoteLevel,
    pub text: String,
    /// Of the request that it belongs to.
    pub trace: Option<u128>,
    /// For programs that read the lines; people find it in the text.
    pub fields: Vec<(&'static str, Field)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    Text(String),
    Number(u64),
}

pub struct Notes {
    level: AtomicU8,
    write: fn(&Note),
}

impl Notes {
    pub fn new(level: NoteLevel, write: fn(&Note)) -> Notes {
        Notes {
            level: AtomicU8::new(level as u8),
            write,
        }
    }

    pub fn level(&self) -> NoteLevel {
        NoteLevel::ALL[usize::from(self.level.load(Ordering::Relaxed))]
    }

    pub fn set_level(&self, level: NoteLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Only what is told is put into words.
    pub fn tell(&self, level: NoteLevel, text: impl FnOnce() -> String) {
        self.put(level, || Note {
            level,
            text: text(),
            trace: None,
            fields: Vec::new(),
        });
    }

    /// The same with a trace and fields.
    pub fn put(&self, level: NoteLevel, note: impl FnOnce() -> Note) {
        if level <= self.level() {
            (self.write)(&note());
        }
    }
}
