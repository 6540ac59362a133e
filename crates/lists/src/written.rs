//! A definition as people write it, in files and over HTTP: its words, without its name.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::definition::{Definition, Effect, Form};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub on: String,
    /// `text`, `prefix`, `cidr` or `amount`.
    pub form: String,
    /// Of text and prefix alone; false where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<bool>,
    /// `allow`, `watch` or `block`.
    pub effect: String,
    /// Of a block alone; true where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overridable: Option<bool>,
}

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{field} {must}")]
pub struct WrittenError {
    pub field: &'static str,
    must: &'static str,
}

impl Written {
    pub fn of(definition: &Definition) -> Written {
        let fold = match definition.form {
            Form::Text { fold } | Form::Prefix { fold } => Some(fold),
            Form::Cidr | Form::Amount => None,
        };
        let overridable = match definition.effect {
            Effect::Block { overridable } => Some(overridable),
            Effect::Allow | Effect::Watch => None,
        };
        Written {
            on: definition.on.clone(),
            form: definition.form.as_str().to_owned(),
            fold,
            effect: definition.effect.as_str().to_owned(),
            overridable,
        }
    }

    /// The definition of the list of this name. A word that says nothing where it stands is refused: somebody meant
    /// something by it.
    pub fn named(self, name: &str) -> Result<Definition, WrittenError> {
        let wrong = |field, must| Err(WrittenError { field, must });
        let fold = self.fold.unwrap_or(false);
        let form = match self.form.as_str() {
            "text" => Form::Text { fold },
            "prefix" => Form::Prefix { fold },
            "cidr" => Form::Cidr,
            "amount" => Form::Amount,
            _ => return wrong("form", "must be text, prefix, cidr or amount"),
        };
        if self.fold.is_some() && matches!(form, Form::Cidr | Form::Amount) {
            return wrong("fold", "is for the forms text and prefix");
        }
        let overridable = self.overridable.unwrap_or(true);
        let effect = match self.effect.as_str() {
            "allow" => Effect::Allow,
            "watch" => Effect::Watch,
            "block" => Effect::Block { overridable },
            _ => return wrong("effect", "must be allow, watch or block"),
        };
        if self.overridable.is_some() && !matches!(effect, Effect::Block { .. }) {
            return wrong("overridable", "is for the effect block");
        }
        Ok(Definition {
            name: name.to_owned(),
            on: self.on,
            form,
            effect,
        })
    }
}
