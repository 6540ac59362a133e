//! Sections of configuration: checked before they are written, applied when they are read.

use std::sync::Arc;

use event::rates::{RateTable, RatesError};
use event::record::{Config, ConfigSection};
use event::{Currency, EventTime, Schema};
use lists::{Change, ChangeError, Form, Lists, ListsError};
use rules::{RuleSet, RuleSetError};
use thiserror::Error;

use crate::apply::{Effect, Engine};
use crate::inputs::Field;
use crate::policy::{Policy, PolicyError};
use crate::read_rules::ReadRules;

/// Why a section was refused; nothing was changed.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ConfigError {
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Rates(#[from] RatesError),
    #[error(transparent)]
    Rules(#[from] RuleSetError),
    #[error("the rules name the list {list:?}, which is not there; there are: {known}")]
    RulesList { list: String, known: String },
    #[error("the rules look for {sought} on the list {list:?}, whose items are of form {form}")]
    RulesListForm {
        list: String,
        form: &'static str,
        sought: &'static str,
    },
    #[error(transparent)]
    ListChange(#[from] ChangeError),
    #[error(transparent)]
    Lists(#[from] ListsError),
    #[error("list {list:?} looks at {on:?}, which no event has; fields: {known}")]
    ListField {
        list: String,
        on: String,
        known: String,
    },
    #[error(
        "list {list:?} of form {form} cannot look at {on:?}: an amount list looks at \"amount\", and no other does"
    )]
    ListForm {
        list: String,
        form: &'static str,
        on: String,
    },
    #[error("list {list:?} is named by the rules in force")]
    ListInUse { list: String },
    /// The schema of a log is its first record; a later one must mean the same.
    #[error("schema {got} cannot replace schema {held}")]
    Schema { got: String, held: String },
    #[error("schema: {0}")]
    SchemaText(String),
}

impl ConfigError {
    /// Stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            ConfigError::Policy(_) => "policy",
            ConfigError::Rates(_) => "rates",
            ConfigError::Rules(_)
            | ConfigError::RulesList { .. }
            | ConfigError::RulesListForm { .. } => "rules",
            ConfigError::Lists(error) => error.code(),
            ConfigError::ListInUse { .. } => "list_in_use",
            ConfigError::ListChange(_) => "list_change",
            ConfigError::ListField { .. } => "list_field",
            ConfigError::ListForm { .. } => "list_form",
            ConfigError::Schema { .. } => "other_schema",
            ConfigError::SchemaText(_) => "schema",
        }
    }

    /// The field that is wrong, by its path in what was handed in. Rules tell theirs by line and column, items of a
    /// list by their number.
    pub fn field(&self) -> Option<String> {
        let plain = |field: &str| Some(field.to_owned());
        match self {
            ConfigError::Policy(error) => Some(error.field()),
            ConfigError::Rates(error) => Some(error.field()),
            ConfigError::Rules(_) | ConfigError::Lists(ListsError::Items(_)) => None,
            ConfigError::RulesList { .. } | ConfigError::RulesListForm { .. } => {
                plain("rules.when")
            }
            ConfigError::ListChange(error) => error.field().map(str::to_owned),
            ConfigError::Lists(error) => Some(error.field().to_owned()),
            ConfigError::ListField { .. } => plain("on"),
            ConfigError::ListForm { .. } => plain("form"),
            ConfigError::ListInUse { .. } => plain("list"),
            ConfigError::Schema { .. } | ConfigError::SchemaText(_) => plain("schema"),
        }
    }
}

/// A section that has been read and holds.
enum Ready {
    Schema,
    Policy(Policy),
    Rates(RateTable),
    Rules(Arc<RuleSet>),
    Lists(Change),
    Drift,
}

/// Decimal places of a currency.
pub fn currency_places(code: &str) -> Option<u8> {
    let currency = Currency::parse(code).ok()?;
    Some(currency.exponent())
}

impl Engine {
    /// How often a section has been set.
    pub fn version_of(&self, section: ConfigSection) -> u32 {
        match section {
            ConfigSection::Schema => 1,
            ConfigSection::Policy => self.judge.policy_version,
            ConfigSection::Rates => self.rates_version,
            ConfigSection::Rules => self.judge.rules_version,
            ConfigSection::Lists => self.lists_version,
            ConfigSection::Drift => self.drift_version,
        }
    }

    /// A section's document as it stands in the log; empty before one is set, and for sections that are no
    /// document: the schema, and lists, which are the sum of their changes.
    pub fn body_of(&self, section: ConfigSection) -> &str {
        match section {
            ConfigSection::Policy => &self.policy_body,
            ConfigSection::Rates => self.rates.body(),
            ConfigSection::Rules => &self.rules_body,
            ConfigSection::Drift => &self.drift_body,
            ConfigSection::Schema | ConfigSection::Lists => "",
        }
    }

    /// Whether a section would be taken at this time.
    pub fn check_config(
        &mut self,
        section: ConfigSection,
        body: &str,
        at: EventTime,
    ) -> Result<(), ConfigError> {
        match self.read_config(section, body)? {
            Ready::Lists(change) => Ok(self.judge.lists.check(&change, at.millis())?),
            Ready::Rules(rules) => self.keep_read(body, rules),
            _ => Ok(()),
        }
    }

    /// Whether these sections would be taken at this time, each after those before it: rules may name lists that come
    /// before them. Tells which one would not.
    pub fn check_configs(
        &mut self,
        parts: &[(ConfigSection, &str)],
        at: EventTime,
    ) -> Result<(), (usize, ConfigError)> {
        let mut lists = self.judge.lists.clone();
        for (number, (section, body)) in parts.iter().enumerate() {
            let checked = match section {
                ConfigSection::Lists => self.check_change(&mut lists, body, at),
                ConfigSection::Rules => self.check_rules_on(&lists, body),
                _ => self.check_config(*section, body, at),
            };
            checked.map_err(|error| (number, error))?;
        }
        Ok(())
    }

    fn check_change(
        &self,
        lists: &mut Lists,
        body: &str,
        at: EventTime,
    ) -> Result<(), ConfigError> {
        let change = self.read_change(body)?;
        lists.apply(&change, at.millis(), "")?;
        Ok(())
    }

    fn check_rules_on(&mut self, lists: &Lists, body: &str) -> Result<(), ConfigError> {
        let rules = self.read_rules(body)?;
        fits_lists(&rules, lists)?;
        self.keep_read(body, rules)
    }

    /// Of rules that hold: what follows at once is that they are set.
    fn keep_read(&mut self, body: &str, rules: Arc<RuleSet>) -> Result<(), ConfigError> {
        rules.refuse_unknown_values()?;
        self.read_rules = Some(ReadRules::of(body, self.graph.schema(), rules));
        Ok(())
    }

    /// Rules that need not be read when their text is set or checked.
    pub fn hand_over(&mut self, read: ReadRules) {
        self.read_rules = Some(read);
    }

    /// How many sets this engine has read itself.
    pub fn rules_read(&self) -> u64 {
        self.rules_read
    }

    pub(crate) fn configure(&mut self, config: &Config) -> Effect {
        let (section, version) = (config.section, config.version);
        match self.take_config(config) {
            Ok(()) => Effect::Configured(section, version),
            Err(error) => Effect::ConfigIgnored {
                section,
                version,
                reason: error.to_string(),
            },
        }
    }

    fn take_config(&mut self, config: &Config) -> Result<(), ConfigError> {
        let version = config.version;
        match self.read_config(config.section, &config.body)? {
            Ready::Schema => {}
            Ready::Policy(policy) => {
                self.judge.set_policy(policy);
                self.policy_body = config.body.clone();
                self.judge.policy_version = version;
            }
            Ready::Rates(rates) => {
                self.rates = rates;
                self.rates_version = version;
            }
            Ready::Rules(rules) => {
                self.judge.set_rules(rules);
                self.read_rules = None;
                self.rules_body = config.body.clone();
                self.judge.rules_version = version;
            }
            Ready::Drift => {
                self.drift_body = config.body.clone();
                self.drift_version = version;
            }
            Ready::Lists(change) => {
                self.judge
                    .lists
                    .apply(&change, config.at.millis(), &config.author)?;
                self.lists_version = version;
            }
        }
        Ok(())
    }

    fn read_config(&mut self, section: ConfigSection, body: &str) -> Result<Ready, ConfigError> {
        Ok(match section {
            ConfigSection::Schema => {
                check_schema(self.graph.schema(), body)?;
                Ready::Schema
            }
            ConfigSection::Policy => Ready::Policy(Policy::parse(body, self.graph.schema())?),
            ConfigSection::Rates => Ready::Rates(RateTable::parse(body)?),
            ConfigSection::Rules => {
                let rules = self.read_rules(body)?;
                fits_lists(&rules, self.judge.lists())?;
                Ready::Rules(rules)
            }
            ConfigSection::Lists => Ready::Lists(self.read_change(body)?),
            // Whoever watches reads it before it is recorded.
            ConfigSection::Drift => Ready::Drift,
        })
    }

    fn read_rules(&mut self, body: &str) -> Result<Arc<RuleSet>, ConfigError> {
        let held = self.read_rules.as_ref();
        Ok(
            match held.filter(|it| it.is_of(body, self.graph.schema())) {
                Some(read) => read.rules.clone(),
                None => {
                    self.rules_read += 1;
                    Arc::new(self.judge.read_rules(body)?)
                }
            },
        )
    }

    fn read_change(&self, body: &str) -> Result<Change, ConfigError> {
        // What it took the place of is no part of it.
        let change = Change::parse(lists::was::split(body).0)?;
        match &change {
            Change::Create(list) | Change::Alter(list) => {
                let schema = self.graph.schema();
                let field = Field::named(schema, &list.on);
                let field = field.ok_or_else(|| ConfigError::ListField {
                    list: list.name.clone(),
                    on: list.on.clone(),
                    known: Field::names(schema).join(", "),
                })?;
                if (field == Field::Amount) != (list.form == Form::Amount) {
                    return Err(ConfigError::ListForm {
                        list: list.name.clone(),
                        form: list.form.as_str(),
                        on: list.on.clone(),
                    });
                }
            }
            Change::Drop { list } => {
                if self.judge.rules.lists().contains(list) {
                    return Err(ConfigError::ListInUse { list: list.clone() });
                }
            }
            Change::Put { .. } | Change::Remove { .. } => {}
        }
        Ok(change)
    }
}

/// Whether the lists that rules name are there, with items of the form that is looked for.
fn fits_lists(rules: &RuleSet, lists: &Lists) -> Result<(), ConfigError> {
    for (list, sought) in rules.lists_sought() {
        let Some(definition) = lists.definition(list) else {
            let known: Vec<&str> = lists.definitions().map(|it| it.name.as_str()).collect();
            return Err(ConfigError::RulesList {
                list: list.to_owned(),
                known: known.join(", "),
            });
        };
        let amounts = definition.form == Form::Amount;
        if (sought.text && amounts) || (sought.number && !amounts) {
            return Err(ConfigError::RulesListForm {
                list: list.to_owned(),
                form: definition.form.as_str(),
                sought: if amounts { "a text" } else { "a number" },
            });
        }
    }
    Ok(())
}

fn check_schema(held: &Schema, body: &str) -> Result<(), ConfigError> {
    let given = Schema::parse(body).map_err(|error| ConfigError::SchemaText(error.to_string()))?;
    let (got, held) = (given.hash(), held.hash());
    if got == held {
        return Ok(());
    }
    Err(ConfigError::Schema {
        got: got.hex(),
        held: held.hex(),
    })
}
