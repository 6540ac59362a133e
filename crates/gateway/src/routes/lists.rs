//! Allow, watch and block lists: definitions, items, bulk import and export. Each change is a record of the log.

pub mod bulk;

use std::time::Instant;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use event::EventTime;
use event::record::ConfigSection;
use lists::{Change, Definition, Item, Lists, NewItem, Value as ItemValue, ValueRef, Written};
use node::node::{Pending, TenantHandle};
use node::request::{Answer, Request};
use node::tenant::documents::{Author, ListsView};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use super::decisions::{answer, ask};
use super::documents::changed_by;
use crate::app::Call;
use crate::given;
use crate::problem::Problem;
use crate::query::{Query, cursor};
use crate::render::json_body;

/// Items of one page.
const PAGE_MAX: u64 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemsBody {
    items: Vec<ItemBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemBody {
    value: Option<String>,
    from: Option<i64>,
    to: Option<i64>,
    currency: Option<String>,
    expires: Option<String>,
    #[serde(default)]
    reason: String,
}

pub async fn all(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let view = view(&call).await?;
    let lists = view.lists.definitions().map(|it| defined(&view.lists, it));
    let body = json!({ "version": view.version, "lists": lists.collect::<Vec<_>>() });
    Ok(json_body(StatusCode::OK, &body))
}

/// Creates a list, or changes what it looks at and what a hit means.
pub async fn define(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let given: Written = read(&call)?;
    let name = call.param("name").to_owned();
    let definition = given.named(&name).map_err(|error| {
        let detail = json!({ "field": error.field });
        Problem::bad("list_definition", error.to_string()).with_detail(detail)
    })?;
    let held = view(&call).await?;
    let change = match held.lists.definition(&name) {
        None => Change::Create(definition),
        Some(_) => Change::Alter(definition),
    };
    make(&call, &change).await?;
    let view = view(&call).await?;
    let definition = named(&view.lists, &name)?;
    Ok(json_body(StatusCode::OK, &defined(&view.lists, definition)))
}

pub async fn drop_list(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let list = call.param("name").to_owned();
    let before = view(&call).await?;
    let removed = before.lists.items_of(&list).unwrap_or(0);
    make(&call, &Change::Drop { list: list.clone() }).await?;
    let body = json!({ "dropped": list, "items": removed });
    Ok(json_body(StatusCode::OK, &body))
}

pub async fn items(call: Call) -> Result<Response<Body>, Problem> {
    let query = Query::parse(call.uri.query(), &["limit", "cursor"])?;
    let limit = query.number("limit", 100, PAGE_MAX)? as usize;
    let from = match query.get("cursor") {
        None => 0,
        Some(text) => cursor('i', text)?,
    };
    let view = view(&call).await?;
    let name = call.param("name").to_owned();
    named(&view.lists, &name)?;
    // A page far behind walks a large list: not on a thread that serves others.
    let found = spawn_blocking(move || {
        let now = view.at.millis();
        let mut items = view.lists.iter(&name, now).skip(from);
        let page: Vec<Value> = items.by_ref().take(limit).map(|it| shown(&it)).collect();
        (page, items.next().is_some())
    });
    let (page, more) = found.await.map_err(Problem::internal)?;
    let next = more.then(|| format!("i{}", from + page.len()));
    let body = json!({ "items": page, "has_more": more, "next": next });
    Ok(json_body(StatusCode::OK, &body))
}

pub async fn put(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let given: ItemsBody = read(&call)?;
    let mut items = Vec::with_capacity(given.items.len());
    for (at, item) in given.items.into_iter().enumerate() {
        items.push(item.read(at + 1)?);
    }
    let count = items.len();
    let list = call.param("name").to_owned();
    make(&call, &Change::Put { list, items }).await?;
    Ok(json_body(StatusCode::OK, &json!({ "put": count })))
}

pub async fn remove(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let given: ItemsBody = read(&call)?;
    let mut values = Vec::with_capacity(given.items.len());
    for (at, item) in given.items.into_iter().enumerate() {
        values.push(item.read(at + 1)?.value);
    }
    let count = values.len();
    let list = call.param("name").to_owned();
    let held = |view: &ListsView, list: &str| view.lists.items_of(list).unwrap_or(0);
    let before = held(&view(&call).await?, &list);
    let change = Change::Remove {
        list: list.clone(),
        values,
    };
    make(&call, &change).await?;
    // Of those named; somebody else's change at the same moment may blur it.
    let removed = before
        .saturating_sub(held(&view(&call).await?, &list))
        .min(count);
    let body = json!({ "removed": removed, "absent": count - removed });
    Ok(json_body(StatusCode::OK, &body))
}

impl ItemBody {
    fn read(self, at: usize) -> Result<NewItem, Problem> {
        let wrong = |name: &str, must: &str| {
            let field = format!("items.{at}.{name}");
            Problem::bad("list_items_refused", format!("item {at}: {name} {must}"))
                .with_detail(json!({ "field": field }))
        };
        let value = match (self.value, self.from, self.to, self.currency) {
            (Some(text), None, None, None) => ItemValue::Text(text),
            (None, Some(from), Some(to), Some(currency)) => ItemValue::Band { from, to, currency },
            _ => {
                return Err(wrong(
                    "value",
                    "must stand alone, or from, to and currency in its place",
                ));
            }
        };
        let expires = match self.expires {
            None => None,
            Some(text) => {
                let time = EventTime::parse_iso(&text);
                Some(
                    time.map_err(|error| wrong("expires", &error.to_string()))?
                        .millis(),
                )
            }
        };
        Ok(NewItem {
            value,
            expires,
            reason: self.reason,
        })
    }
}

pub async fn view(call: &Call) -> Result<ListsView, Problem> {
    let tenant = call.admitted.tenant()?;
    match ask(call, tenant, Request::Lists).await? {
        Answer::Lists(view) => Ok(*view),
        _ => Err(Problem::internal(
            "the owner gave the answer to another request",
        )),
    }
}

async fn make(call: &Call, change: &Change) -> Result<(), Problem> {
    let author = changed_by(call)?;
    let tenant = call.admitted.tenant()?;
    answer(post(call, tenant, change, author, call.admitted.deadline)?)
        .await
        .map(|_| ())
}

fn post(
    call: &Call,
    tenant: &TenantHandle,
    change: &Change,
    author: Author,
    deadline: Instant,
) -> Result<Pending, Problem> {
    let body = change.encode().map_err(|error| {
        let detail = json!({ "field": error.field() });
        Problem::bad("list_change", error.to_string()).with_detail(detail)
    })?;
    let bytes = body.len();
    let request = Request::SetDocument {
        section: ConfigSection::Lists,
        body,
        author,
        expected: None,
    };
    Ok(tenant.ask(request, bytes, call.admitted.level(), deadline)?)
}

fn named<'a>(lists: &'a Lists, name: &str) -> Result<&'a Definition, Problem> {
    let definition = lists.definition(name);
    definition
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "unknown_list", "the list is unknown"))
}

fn defined(lists: &Lists, it: &Definition) -> Value {
    let mut value = json!(Written::of(it));
    value["name"] = json!(it.name);
    value["items"] = json!(lists.items_of(&it.name));
    value
}

fn shown(item: &Item<'_>) -> Value {
    let mut value = Map::new();
    match item.value {
        ValueRef::Text(text) => drop(value.insert("value".into(), json!(text))),
        ValueRef::Cidr(network) => {
            value.insert("value".into(), json!(network.to_string()));
        }
        ValueRef::Band { from, to, currency } => {
            value.insert("from".into(), json!(from));
            value.insert("to".into(), json!(to));
            let code = String::from_utf8_lossy(&currency);
            value.insert("currency".into(), json!(code));
        }
    }
    let time = |ms: i64| EventTime::from_millis(ms).to_string();
    value.insert("expires".into(), json!(item.expires.map(time)));
    value.insert("reason".into(), json!(item.reason()));
    value.insert("author".into(), json!(item.author()));
    value.insert("added".into(), json!(time(item.added())));
    Value::Object(value)
}

fn read<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    given::read(&call.body, "list or change of one")
}
