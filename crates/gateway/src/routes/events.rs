//! Events that are taken in without a decision: history, and what needs none.

use axum::body::Body;
use axum::http::Response;

use super::reports::{Kind, take};
use crate::app::Call;
use crate::problem::Problem;

pub async fn ingest(call: Call) -> Result<Response<Body>, Problem> {
    take(call, Kind::Event).await
}
