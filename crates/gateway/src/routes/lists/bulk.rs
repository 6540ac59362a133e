//! A list as CSV: put slice by slice, each a change of the log, and written out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use engine::ConfigError;
use engine::config::currency_places;
use lists::csv::{Import, Reject, Slice, export};
use lists::{Form, ListsError};
use node::NodeError;
use node::node::{Pending, TenantHandle};
use node::request::Failed;
use node::tenant::documents::Author;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::super::documents::changed_by;
use super::{named, post, view};
use crate::app::Call;
use crate::problem::Problem;
use crate::query::Query;
use crate::render::{body, json_body};

/// Slices that wait for the disk at once: they share its groups. Of bands one: what a slice leaves out because it meets a
/// band that is held must not come after later slices.
const SLICES_AHEAD: usize = 8;
const BANDS_AHEAD: usize = 1;
/// How long the owner may take for a slice; an import as a whole has its own bound.
const SLICE_WITHIN: Duration = Duration::from_secs(10);
/// Rejects that an answer tells; all are counted.
const REJECTS_TOLD: usize = 100;

/// What became of an import so far.
#[derive(Default)]
struct Report {
    put: u64,
    /// Rows whose value came again: the last one counts.
    repeated: u64,
    rejected: u64,
    rejects: Vec<Reject>,
    /// Why it ended early, and the first line of what was not put.
    ended: Option<(Problem, u64)>,
}

pub async fn import(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let author = changed_by(&call)?;
    let view = view(&call).await?;
    let list = call.param("name").to_owned();
    let form = named(&view.lists, &list)?.form;
    let at = author.at.max(view.at).millis();
    // Reading a million rows takes a while: not on a thread that serves others.
    let done = spawn_blocking(move || {
        let tenant = call.admitted.tenant()?.clone();
        let importing = Importing {
            call: &call,
            tenant,
            list,
            author,
        };
        importing.run(form, at)
    });
    let mut report = done.await.map_err(Problem::internal)??;
    match report.ended.take() {
        None => Ok(json_body(StatusCode::OK, &report.value())),
        Some((problem, line)) => Err(report.told_with(problem, line)),
    }
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    Query::parse(call.uri.query(), &[])?;
    let view = view(&call).await?;
    let list = call.param("name").to_owned();
    named(&view.lists, &list)?;
    let written = spawn_blocking(move || {
        let mut text = Vec::new();
        export(&view.lists, &list, view.at.millis(), &mut text).map(|_| text)
    });
    let text = written.await.map_err(Problem::internal)?;
    let text = text.map_err(Problem::internal)?;
    Ok(body(StatusCode::OK, text, super::super::CSV))
}

struct Importing<'a> {
    call: &'a Call,
    tenant: Arc<TenantHandle>,
    list: String,
    author: Author,
}

impl Importing<'_> {
    fn run(&self, form: Form, at: i64) -> Result<Report, Problem> {
        let rows = Import::new(self.call.body.as_ref(), form, currency_places, at);
        let mut rows = rows.map_err(|error| Problem::bad("csv", error.to_string()))?;
        let ahead = match form {
            Form::Amount => BANDS_AHEAD,
            Form::Text { .. } | Form::Prefix { .. } | Form::Cidr => SLICES_AHEAD,
        };
        let mut report = Report::default();
        let mut waiting: VecDeque<(Slice, Pending)> = VecDeque::new();
        while report.ended.is_none() {
            let slice = rows.next_slice();
            let slice = slice.map_err(|error| Problem::bad("csv", error.to_string()))?;
            let Some(mut slice) = slice else {
                break;
            };
            report.repeated += slice.repeated;
            if slice.items.is_empty() {
                report.refuse(std::mem::take(&mut slice.rejects));
                continue;
            }
            if waiting.len() == ahead
                && let Some((slice, pending)) = waiting.pop_front()
            {
                self.settle(slice, pending, &mut report);
            }
            match self.send(&slice) {
                Ok(pending) => waiting.push_back((slice, pending)),
                Err(problem) => report.end(problem, &slice),
            }
        }
        // What is on its way is taken or refused whatever has become of what came before it.
        for (slice, pending) in waiting {
            self.settle(slice, pending, &mut report);
        }
        Ok(report)
    }

    fn send(&self, slice: &Slice) -> Result<Pending, Problem> {
        post(
            self.call,
            &self.tenant,
            &slice.change(&self.list),
            self.author.clone(),
            Instant::now() + SLICE_WITHIN,
        )
    }

    /// Waits for a slice. Items that the list refuses become rejects, and the others are put once more.
    fn settle(&self, mut slice: Slice, pending: Pending, report: &mut Report) {
        match self.put(&mut slice, pending) {
            Ok(()) => {
                report.put += slice.items.len() as u64;
                report.refuse(slice.rejects);
            }
            Err(problem) => report.end(problem, &slice),
        }
    }

    fn put(&self, slice: &mut Slice, pending: Pending) -> Result<(), Problem> {
        let mut answer = pending.blocking_recv();
        if let Ok(Err(Failed::Refused(NodeError::Config(ConfigError::Lists(ListsError::Items(
            faults,
        )))))) = &answer
        {
            slice.refuse(faults);
            if slice.items.is_empty() {
                return Ok(());
            }
            answer = self.send(slice)?.blocking_recv();
        }
        // The owner ended with the letter in its box: it drained past its bound.
        answer.map_err(|_| {
            Problem::from(Failed::NotServing(node::request::NotServing::Draining))
        })??;
        Ok(())
    }
}

impl Report {
    /// Of a slice that was not put. The first problem is told, and the first line of all that was not put; of a slice
    /// that was, its rejects are.
    fn end(&mut self, problem: Problem, slice: &Slice) {
        let first = slice
            .lines
            .iter()
            .chain(slice.rejects.iter().map(|it| &it.line));
        let first = first.min().copied().unwrap_or(1);
        self.ended = Some(match self.ended.take() {
            None => (problem, first),
            Some((earlier, line)) => (earlier, line.min(first)),
        });
    }

    fn told_with(&self, problem: Problem, line: u64) -> Problem {
        let mut detail = self.value();
        if let Some(Value::Object(own)) = problem.detail.as_deref() {
            for (name, value) in own {
                detail[name] = value.clone();
            }
        }
        detail["line"] = json!(line);
        let Report { put, rejected, .. } = self;
        let message = format!(
            "{}; before it {put} items were put and {rejected} lines refused, from line {line} on not all is in",
            problem.message
        );
        Problem { message, ..problem }.with_detail(detail)
    }

    fn refuse(&mut self, rejects: Vec<Reject>) {
        self.rejected += rejects.len() as u64;
        let room = REJECTS_TOLD - self.rejects.len();
        self.rejects.extend(rejects.into_iter().take(room));
    }

    fn value(&self) -> Value {
        let rejects = self.rejects.iter().map(|it| {
            json!({
                "line": it.line,
                "field": it.field,
                "value": it.value,
                "code": it.code,
                "reason": it.reason,
            })
        });
        json!({
            "put": self.put,
            "repeated": self.repeated,
            "rejected": self.rejected,
            "rejects": rejects.collect::<Vec<_>>(),
        })
    }
}
