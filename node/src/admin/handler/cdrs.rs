//! `GET /v1/cdrs`: call detail records, in the order of the log, in pages; JSON, or one record a
//! line (NDJSON) if the client accepts that.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use holdline_model::CdrId;
use serde::Deserialize;

use crate::admin::params::{self, Params};
use crate::admin::seam::{CdrQuery, ClusterApiError};
use crate::admin::view::{CdrView, PageView};
use crate::admin::{AdminOptions, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Query {
    from: Option<String>,
    to: Option<String>,
    account: Option<String>,
    caller: Option<String>,
    callee: Option<String>,
    call_id: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page of call detail records.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let query = query.read()?;
    let page = options.api.cdrs(&query).await?;
    let items: Vec<_> = page.items.iter().map(CdrView::from).collect();
    let next = page.next.map(|id| id.to_string());
    if accepts_lines(&headers) {
        return Ok(lines(&items, next.as_deref()));
    }
    Ok(Json(PageView { items, next }).into_response())
}

impl Query {
    fn read(self) -> Result<CdrQuery, Problem> {
        let (from, to) = params::period(self.from.as_deref(), self.to.as_deref())?;
        let after = self.cursor.as_deref();
        let after =
            after.map(|text| params::parse::<CdrId>("cursor", text, "4711.0")).transpose()?;
        let limit = params::limit(self.limit)?;
        let caller = params::number("caller", self.caller.as_deref())?;
        let callee = params::number("callee", self.callee.as_deref())?;
        let (account, call_id) = (self.account.map(Into::into), self.call_id);
        Ok(CdrQuery { from, to, account, caller, callee, call_id, after, limit })
    }
}

fn accepts_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| {
        let mut types = accept.split(',').map(|one| one.split(';').next().unwrap_or(one).trim());
        types.any(|one| one.eq_ignore_ascii_case(NDJSON))
    })
}

fn lines(items: &[CdrView], next: Option<&str>) -> Response {
    let mut text = String::new();
    for item in items {
        match serde_json::to_string(item) {
            Ok(line) => text.push_str(&line),
            Err(error) => {
                let unreadable = ClusterApiError::Unreadable(Box::new(error));
                return Problem::from(unreadable).into_response();
            }
        }
        text.push('\n');
    }
    let mut response = ([(header::CONTENT_TYPE, NDJSON)], text).into_response();
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(next).ok()) {
        response.headers_mut().insert(NEXT_CURSOR, next);
    }
    response
}

const NDJSON: &str = "application/x-ndjson";

/// The next page's cursor, absent at the end of the list.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("holdline-next-cursor");
