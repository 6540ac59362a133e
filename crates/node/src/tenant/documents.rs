//! What people set a tenant to: policy, rules, lists, rates, drift; each change a record of the log.

use std::borrow::Cow;

use compact_str::CompactString;
use engine::decide::RuleTally;
use engine::{ConfigError, ReadRules, exploration};
use event::record::{Config, ConfigSection, Record};
use event::{EventTime, Position};
use lists::{Change, Lists};

use super::Tenant;
use super::lineup::check_author;
use crate::{Champion, NodeError, watch};

/// Who changes something, when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    pub name: String,
    /// By the clock of whoever takes the change; the log's own time where that is later.
    pub at: EventTime,
    /// At most [`Config::WHY_BYTES_MAX`] bytes; empty when not told.
    pub why: String,
}

impl From<&str> for Author {
    fn from(name: &str) -> Author {
        let name = name.to_owned();
        Author {
            name,
            at: EventTime::MIN,
            why: String::new(),
        }
    }
}

/// A section as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// 0 before it has been set.
    pub version: u32,
    /// As its owner wrote it; empty before it has been set.
    pub body: String,
}

/// The rules in force, and what became of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesView {
    pub document: Document,
    /// When it began to be counted, by the log's time: these rules were set, or the process began, whichever is later.
    pub since: EventTime,
    /// In the order of the document.
    pub tallies: Vec<(String, RuleTally)>,
}

#[derive(Clone, Debug)]
pub struct ListsView {
    /// Changes so far.
    pub version: u32,
    /// The log's newest time: what has expired by then is not shown.
    pub at: EventTime,
    pub lists: Lists,
}

/// A section's text as everybody may see it who may see the section: a policy without the secret of its draw, which
/// tells whose declines will pass.
pub fn shown(section: ConfigSection, body: &str) -> Cow<'_, str> {
    match section {
        ConfigSection::Policy => exploration::hidden(body).into(),
        _ => body.into(),
    }
}

impl Tenant {
    /// Sets a section, in force for the next event; refused with nothing changed when it does not hold against
    /// the schema. With `expected` only if the section still has that version.
    pub fn set_document(
        &mut self,
        section: ConfigSection,
        body: &str,
        author: &Author,
        expected: Option<u32>,
    ) -> Result<Position, NodeError> {
        check_author(author)?;
        self.check_version(section, expected)?;
        let at = author.at.max(self.journal.newest());
        let body = &*self.whole(section, body)?;
        self.check_body(section, body, at)?;
        self.check_room_for_report()?;
        self.write_section(section, body, author, at)
    }

    pub(super) fn check_version(
        &self,
        section: ConfigSection,
        expected: Option<u32>,
    ) -> Result<(), NodeError> {
        let held = self.engine.version_of(section);
        match expected.filter(|expected| *expected != held) {
            None => Ok(()),
            Some(expected) => Err(NodeError::VersionMoved {
                section: section.name(),
                held,
                expected,
            }),
        }
    }

    /// Writes a section that was checked and found good.
    pub(super) fn write_section(
        &mut self,
        section: ConfigSection,
        body: &str,
        author: &Author,
        at: EventTime,
    ) -> Result<Position, NodeError> {
        let body = match section {
            ConfigSection::Lists => self.with_was(body)?,
            _ => body.to_owned(),
        };
        let config = Config {
            at,
            section,
            version: self.engine.version_of(section) + 1,
            author: CompactString::from(&author.name),
            why: CompactString::from(&author.why),
            body,
        };
        let position = self.append(Record::Config(config))?;
        match section {
            ConfigSection::Drift => {
                let watched = self.champion.as_ref().and_then(Champion::watched);
                self.watch_model(watched, Position(position.0 + 1))?;
            }
            ConfigSection::Rules => self.rules_since = at,
            _ => {}
        }
        Ok(position)
    }

    fn check_body(
        &mut self,
        section: ConfigSection,
        body: &str,
        at: EventTime,
    ) -> Result<(), NodeError> {
        if section == ConfigSection::Drift {
            watch::settings::check(body, self.engine.features())?;
        }
        Ok(self.engine.check_config(section, body, at)?)
    }

    /// Whether a section would be taken; nothing is changed.
    pub fn check_document(
        &mut self,
        section: ConfigSection,
        body: &str,
        at: EventTime,
    ) -> Result<(), NodeError> {
        let at = at.max(self.journal.newest());
        let body = self.whole(section, body)?;
        self.check_body(section, &body, at)
    }

    /// [`Tenant::set_document`] of rules that were read elsewhere.
    pub fn set_rules(
        &mut self,
        rules: ReadRules,
        author: &Author,
        expected: Option<u32>,
    ) -> Result<Position, NodeError> {
        let body = rules.body().to_owned();
        self.engine.hand_over(rules);
        self.set_document(ConfigSection::Rules, &body, author, expected)
    }

    /// [`Tenant::check_document`] of rules that were read elsewhere.
    pub fn check_rules(&mut self, rules: ReadRules, at: EventTime) -> Result<(), NodeError> {
        let body = rules.body().to_owned();
        self.engine.hand_over(rules);
        self.check_document(ConfigSection::Rules, &body, at)
    }

    /// A policy that was [`shown`] and comes back keeps its secret. Refused when a record cannot hold it: that would make
    /// the log unreadable.
    pub(super) fn whole<'b>(
        &self,
        section: ConfigSection,
        body: &'b str,
    ) -> Result<Cow<'b, str>, NodeError> {
        let whole: Cow<'b, str> = match section {
            ConfigSection::Policy => {
                let whole = exploration::revealed(body, self.engine.body_of(section));
                whole.map_err(ConfigError::from)?.into()
            }
            _ => body.into(),
        };
        let (field, max, got) = ("document", event::codec::BODY_BYTES_MAX, whole.len());
        match got > max {
            true => Err(NodeError::TooLong { field, max, got }),
            false => Ok(whole),
        }
    }

    /// A change of lists with what it takes the place of, for the audit trail.
    fn with_was(&self, body: &str) -> Result<String, NodeError> {
        let change = Change::parse(body).map_err(ConfigError::from)?;
        Ok(self.engine.lists().with_was(&change, body))
    }

    pub fn rules(&self) -> RulesView {
        let rules = self.engine.judge().rule_tallies();
        RulesView {
            document: self.document(ConfigSection::Rules),
            since: self.rules_since,
            tallies: rules
                .map(|(rule, tally)| (rule.id.clone(), tally))
                .collect(),
        }
    }

    /// All lists as they stand. It shares their items with the state and costs no more than a count for each list.
    pub fn lists(&self) -> ListsView {
        ListsView {
            version: self.engine.version_of(ConfigSection::Lists),
            at: self.journal.newest(),
            lists: self.engine.lists().clone(),
        }
    }

    pub fn document(&self, section: ConfigSection) -> Document {
        Document {
            version: self.engine.version_of(section),
            body: self.engine.body_of(section).to_owned(),
        }
    }

    /// Sets the policy; refused when it does not parse against the schema.
    pub fn set_policy(&mut self, body: &str, author: &str) -> Result<Position, NodeError> {
        self.set_document(ConfigSection::Policy, body, &author.into(), None)
    }
}
