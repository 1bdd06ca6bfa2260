//! `GET /v1/cdrs/export`: all call detail records that are asked for, as one stream of lines: JSON or
//! CSV, in the order of the log.
//!
//! It is read a page at a time, and no page before the client has taken the one before: memory is
//! bounded whatever is exported, and however slowly it is taken. An export is resumed after the last
//! complete line that the client has, with its id as `after`, at any node. A stream that breaks off
//! ends without the last chunk of HTTP, so it is not mistaken for a complete one.
//!
//! Exports must not disturb calls: there are few at a time, each is paced, and what reads the disk
//! runs beside the threads that serve calls.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use holdline_model::{Cdr, CdrId};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::admin::params::{self, Params};
use crate::admin::seam::{CdrQuery, ClusterApi, ClusterApiError, Page};
use crate::admin::view::{CSV_HEADER, CdrView};
use crate::admin::{AdminLimits, AdminOptions, Problem};

/// The exports that may run at a time.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Exports {
    free: Arc<Semaphore>,
    limits: AdminLimits,
}

impl Exports {
    pub(in crate::admin) fn new(limits: AdminLimits) -> Self {
        Self { free: Arc::new(Semaphore::new(limits.exports)), limits }
    }

    fn begin(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            metrics::counter!("holdline_admin_refused_total", "reason" => "exports").increment(1);
            let detail = format!("{} exports are running at this node", self.limits.exports);
            Problem::unavailable(detail, "wait for one to end, or ask another node")
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Query {
    #[serde(default)]
    format: Format,
    after: Option<String>,
    from: Option<String>,
    to: Option<String>,
    account: Option<String>,
    caller: Option<String>,
    callee: Option<String>,
    limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Jsonl,
    Csv,
}

/// The stream.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
    Extension(exports): Extension<Exports>,
    Params(query): Params<Query>,
) -> Result<Response, Problem> {
    let permit = exports.begin()?;
    let after = query.after.as_deref();
    let after = after.map(|text| params::parse::<CdrId>("after", text, "4711.0")).transpose()?;
    let (from, to) = params::period(query.from.as_deref(), query.to.as_deref())?;
    let pages = CdrQuery {
        from,
        to,
        account: query.account.map(Into::into),
        caller: params::number("caller", query.caller.as_deref())?,
        callee: params::number("callee", query.callee.as_deref())?,
        call_id: None,
        after,
        limit: PAGE,
    };
    let mut export = Export {
        api: options.api,
        pages,
        format: query.format,
        left: query.limit.unwrap_or(u64::MAX),
        bytes_per_s: exports.limits.export_bytes_per_s,
        free_at: Instant::now(),
        ended: false,
        _permit: permit,
    };
    // The first page comes before the status, so that what goes wrong at once is a problem.
    let head = if after.is_none() && query.format == Format::Csv { CSV_HEADER } else { "" };
    let first = export.page().await?;
    let first = Bytes::from([head.as_bytes(), &first].concat());
    let rest = stream::unfold(export, |mut export| async move {
        let chunk = export.next().await?;
        Some((chunk, export))
    });
    let body = stream::StreamExt::chain(stream::iter([Ok(first)]), rest);
    let kind = match query.format {
        Format::Jsonl => "application/x-ndjson",
        Format::Csv => "text/csv; charset=utf-8; header=present",
    };
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(body)).into_response())
}

/// An export on its way.
struct Export {
    api: Arc<dyn ClusterApi>,
    /// The next page.
    pages: CdrQuery,
    format: Format,
    /// Records that may still be sent.
    left: u64,
    bytes_per_s: u64,
    /// When the next page may be sent.
    free_at: Instant,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Export {
    /// The next chunk, in its time; nothing at the end.
    async fn next(&mut self) -> Option<Result<Bytes, ClusterApiError>> {
        while !self.ended {
            tokio::time::sleep_until(self.free_at).await;
            match self.page().await {
                // A page of a narrow selection may be empty, and there is more all the same.
                Ok(page) if page.is_empty() => {}
                Ok(page) => return Some(Ok(page.into())),
                Err(error) => {
                    // The body breaks off: all that can be said after a status of 200.
                    tracing::warn!(%error, "an export of call detail records broke off");
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    async fn page(&mut self) -> Result<Vec<u8>, ClusterApiError> {
        let limit = usize::try_from(self.left).unwrap_or(PAGE).min(PAGE);
        self.ended = limit == 0;
        if self.ended {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let Page { items, next } = self.api.cdrs(&CdrQuery { limit, ..self.pages.clone() }).await?;
        self.left -= items.len() as u64;
        self.ended = next.is_none();
        self.pages.after = next.or(self.pages.after);
        let lines = self.format.lines(&items)?;
        metrics::counter!("holdline_cdr_exported_total").increment(items.len() as u64);
        let pause = (lines.len() as u64).saturating_mul(1_000_000) / self.bytes_per_s.max(1);
        // At least as long as the page took to read, so that an export never has a core for itself.
        let took = began.elapsed();
        self.free_at = Instant::now() + Duration::from_micros(pause).saturating_sub(took).max(took);
        Ok(lines)
    }
}

impl Format {
    fn lines(self, cdrs: &[Cdr]) -> Result<Vec<u8>, ClusterApiError> {
        let mut lines = Vec::with_capacity(cdrs.len() * LINE);
        for view in cdrs.iter().map(CdrView::from) {
            match self {
                Self::Jsonl => serde_json::to_writer(&mut lines, &view)
                    .map_err(|error| ClusterApiError::Unreadable(Box::new(error)))?,
                Self::Csv => lines.extend_from_slice(view.csv().as_bytes()),
            }
            lines.push(b'\n');
        }
        Ok(lines)
    }
}

/// Records read at a time: some 100 KiB, and a fraction of a millisecond to be written as text.
const PAGE: usize = 128;

/// What a line takes about, in bytes.
const LINE: usize = 768;
