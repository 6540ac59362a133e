//! Several sections set by one request: all of them, or none.

use std::borrow::Cow;

use engine::ReadRules;
use event::EventTime;
use event::record::ConfigSection;
use lists::Change;

use super::Tenant;
use super::documents::Author;
use super::lineup::check_author;
use crate::{NodeError, watch};

#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Taken first, in this order: rules may name lists that come before them.
    pub lists: Vec<Change>,
    /// Only if lists still have this version.
    pub lists_version: Option<u32>,
    /// In this order.
    pub documents: Vec<Planned>,
    /// Of the rules among the documents, where somebody has read them already: see [`ReadRules`].
    pub rules: Option<ReadRules>,
}

#[derive(Clone, Debug)]
pub struct Planned {
    pub section: ConfigSection,
    pub body: String,
    /// Only if the section still has this version.
    pub expected: Option<u32>,
}

/// A part as it will be written, with its name for whoever is told of it.
struct Part<'p> {
    name: Cow<'p, str>,
    section: ConfigSection,
    body: Cow<'p, str>,
}

impl Plan {
    /// The sections that it sets, each once.
    pub fn sections(&self) -> Vec<ConfigSection> {
        let lists = (!self.lists.is_empty()).then_some(ConfigSection::Lists);
        let documents = self.documents.iter().map(|it| it.section);
        lists.into_iter().chain(documents).collect()
    }
}

impl Tenant {
    /// Whether a plan would be taken; nothing is changed.
    pub fn check_plan(&mut self, plan: &mut Plan, at: EventTime) -> Result<(), NodeError> {
        let at = at.max(self.journal.newest());
        self.good_parts(plan, at).map(|_| ())
    }

    /// Sets everything of a plan, in force for the next event; refused with nothing changed when a part of it would be.
    pub fn take_plan(&mut self, plan: &mut Plan, author: &Author) -> Result<(), NodeError> {
        check_author(author)?;
        let at = author.at.max(self.journal.newest());
        let parts = self.good_parts(plan, at)?;
        self.check_room_for_report()?;
        for part in &parts {
            self.write_section(part.section, &part.body, author, at)?;
        }
        Ok(())
    }

    /// The parts in the order in which they are written, when all of them hold.
    fn good_parts<'p>(
        &mut self,
        plan: &'p mut Plan,
        at: EventTime,
    ) -> Result<Vec<Part<'p>>, NodeError> {
        if let Some(rules) = plan.rules.take() {
            self.engine.hand_over(rules);
        }
        let mut parts = Vec::with_capacity(plan.lists.len() + plan.documents.len());
        if !plan.lists.is_empty() {
            let version = self.check_version(ConfigSection::Lists, plan.lists_version);
            version.map_err(|error| of_part("lists", error))?;
        }
        for change in &plan.lists {
            let name = format!("list {}", change.list());
            let body = change.encode();
            let body = body.map_err(|error| of_part(&name, engine::ConfigError::from(error)))?;
            parts.push(Part {
                name: name.into(),
                section: ConfigSection::Lists,
                body: body.into(),
            });
        }
        for Planned {
            section,
            body,
            expected,
        } in &plan.documents
        {
            let name = section.name();
            let good = self.check_version(*section, *expected);
            let good = good.and_then(|()| self.whole(*section, body));
            let body = good.map_err(|error| of_part(name, error))?;
            if *section == ConfigSection::Drift {
                watch::settings::check(&body, self.engine.features())
                    .map_err(|error| of_part(name, error))?;
            }
            parts.push(Part {
                name: name.into(),
                section: *section,
                body,
            });
        }
        let told: Vec<(ConfigSection, &str)> =
            parts.iter().map(|it| (it.section, &*it.body)).collect();
        let checked = self.engine.check_configs(&told, at);
        checked.map_err(|(number, error)| of_part(&parts[number].name, error))?;
        Ok(parts)
    }
}

fn of_part(part: &str, error: impl Into<NodeError>) -> NodeError {
    NodeError::OfPlan {
        part: part.to_owned(),
        source: Box::new(error.into()),
    }
}
