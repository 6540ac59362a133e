//! The variables that rules may name, with their types.
//!
//! Names are flat: `device.accounts_72h` is one name, dots and all, and not a field of something called `device`.

use std::collections::BTreeMap;
use std::fmt;

use crate::lex::{KEYWORDS, RESERVED};

pub const NAME_BYTES_MAX: usize = 96;
/// A variable is two bytes in a compiled rule.
pub const VARIABLES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    /// A double. What is handed in must be finite.
    Number,
    /// At most `bytes_max` bytes: the cost of a rule is computed from it, and a longer text is an error.
    Text {
        bytes_max: u16,
    },
    /// Milliseconds since 1970, UTC.
    Time,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Number => "number",
            Type::Text { .. } => "text",
            Type::Time => "time",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VariableIx(pub u16);

/// Which texts a variable can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    Any,
    /// Of a fixed set that nobody has written down: a literal that none of them is goes unseen.
    Untold,
    /// These and no other.
    These(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub of: Type,
    /// May be missing from an event. `has(name)` asks; naming it elsewhere is then an outcome of its own.
    pub optional: bool,
    pub values: Values,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    #[error(
        "a variable's name must be 1 to {NAME_BYTES_MAX} bytes of words [_a-zA-Z][_a-zA-Z0-9]* joined by dots, got {0:?}"
    )]
    Name(String),
    #[error("the word {word:?} of the variable {name:?} is reserved in CEL")]
    Reserved { name: String, word: String },
    #[error("the variable {0:?} is there twice")]
    Twice(String),
    #[error("at most {VARIABLES_MAX} variables, got one more: {0:?}")]
    TooMany(String),
}

#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    variables: Vec<Variable>,
    by_name: BTreeMap<String, VariableIx>,
}

impl Vocabulary {
    pub fn new() -> Vocabulary {
        Vocabulary::default()
    }

    pub fn add(
        &mut self,
        name: &str,
        of: Type,
        optional: bool,
    ) -> Result<VariableIx, VocabularyError> {
        let owned = || name.to_owned();
        if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_word) {
            return Err(VocabularyError::Name(owned()));
        }
        let reserved = |word: &&str| KEYWORDS.contains(word) || RESERVED.contains(word);
        if let Some(word) = name.split('.').find(reserved) {
            let word = word.to_owned();
            return Err(VocabularyError::Reserved {
                name: owned(),
                word,
            });
        }
        if self.by_name.contains_key(name) {
            return Err(VocabularyError::Twice(owned()));
        }
        if self.variables.len() == VARIABLES_MAX {
            return Err(VocabularyError::TooMany(owned()));
        }
        let ix = VariableIx(self.variables.len() as u16);
        self.by_name.insert(owned(), ix);
        self.variables.push(Variable {
            name: owned(),
            of,
            optional,
            values: Values::Any,
        });
        Ok(ix)
    }

    /// What a text can be, for literals that are compared with it.
    pub fn declare(&mut self, ix: VariableIx, values: Values) {
        self.variables[usize::from(ix.0)].values = values;
    }

    pub fn find(&self, name: &str) -> Option<VariableIx> {
        self.by_name.get(name).copied()
    }

    pub fn variable(&self, ix: VariableIx) -> &Variable {
        &self.variables[usize::from(ix.0)]
    }

    /// In the order in which they were added.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

fn is_word(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes
        .next()
        .is_some_and(|it| it == b'_' || it.is_ascii_alphabetic())
        && bytes.all(|it| it == b'_' || it.is_ascii_alphanumeric())
}

/// The name that is nearest by insertions, deletions and replacements, if a third of the word would have to change at
/// most. Of equals the first.
pub(crate) fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    if word.len() > NAME_BYTES_MAX {
        return None;
    }
    let allowed = (word.len() / 3).max(1);
    names
        .map(|name| (distance(word.as_bytes(), name.as_bytes()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_owned())
}

/// Levenshtein's distance, by two rows.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, from) in left.iter().enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (to, held) in right.iter().enumerate() {
            let replaced = corner + usize::from(from != held);
            corner = row[to + 1];
            row[to + 1] = replaced.min(corner + 1).min(row[to] + 1);
        }
    }
    row[right.len()]
}
