//! Lists and documents that are set together, all of them or none.

use anyhow::Result;
use engine::{ConfigError, ReadRules};
use event::record::ConfigSection;
use lists::{Change, Written};
use node::tenant::plan::Plan;
use node::{NodeError, Tenant};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::{JSON, Target, warnings};

impl Target {
    /// What cannot be checked of a plan that would be taken.
    pub fn check_plan(&mut self, plan: &mut Plan) -> Result<Vec<String>> {
        match self {
            Target::Stopped(tenant, author) => {
                let told = read_rules(tenant, plan)?;
                tenant.check_plan(plan, author.at)?;
                Ok(told)
            }
            Target::Running(remote) => {
                let body = body(plan).to_string();
                let path = "/v1/config/validate";
                let told = remote.send(Method::POST, path, JSON, body.as_bytes())?;
                Ok(warnings(&told))
            }
        }
    }

    /// After [`Target::check_plan`].
    pub fn take_plan(&mut self, plan: &mut Plan) -> Result<()> {
        match self {
            Target::Stopped(tenant, author) => {
                tenant.take_plan(plan, author)?;
                tenant.commit()?;
            }
            Target::Running(remote) => {
                let body = body(plan).to_string();
                remote.send(Method::POST, "/v1/config", JSON, body.as_bytes())?;
            }
        }
        Ok(())
    }
}

fn read_rules(tenant: &Tenant, plan: &mut Plan) -> Result<Vec<String>, NodeError> {
    let section = ConfigSection::Rules;
    let mut documents = plan.documents.iter();
    let Some(document) = documents.find(|it| it.section == section) else {
        return Ok(Vec::new());
    };
    let (schema, features) = (tenant.schema(), tenant.engine().features());
    let read = ReadRules::read(document.body.clone(), schema, features);
    let read = read.map_err(|error: ConfigError| NodeError::OfPlan {
        part: section.name().to_owned(),
        source: Box::new(error.into()),
    })?;
    let warnings = read.warnings().map(ToString::to_string).collect();
    plan.rules = Some(read);
    Ok(warnings)
}

/// As the interface takes it.
fn body(plan: &Plan) -> Value {
    let mut body = Map::new();
    let definitions = plan.lists.iter().filter_map(|change| match change {
        Change::Create(list) | Change::Alter(list) => {
            Some((list.name.clone(), json!(Written::of(list))))
        }
        Change::Drop { .. } | Change::Put { .. } | Change::Remove { .. } => None,
    });
    let definitions: Map<String, Value> = definitions.collect();
    if !definitions.is_empty() {
        let lists = json!({ "version": plan.lists_version, "definitions": definitions });
        body.insert("lists".to_owned(), lists);
    }
    for it in &plan.documents {
        let document = json!({ "version": it.expected, "text": it.body });
        body.insert(it.section.name().to_owned(), document);
    }
    body.into()
}
