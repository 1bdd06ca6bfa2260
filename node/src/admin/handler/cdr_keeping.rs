//! `GET` and `PUT /v1/cdrs/retention`, `POST /v1/cdrs/purge`, `GET`, `PUT` and
//! `DELETE /v1/cdrs/sinks/{name}`: how long call detail records are kept, and for whom.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use holdline_model::{CdrId, Name, Rejection, limits};
use serde::Deserialize;

use crate::admin::params::{self, Params};
use crate::admin::seam::ClusterApiError;
use crate::admin::view::{CdrKeepingView, CdrSinkView, PurgedView};
use crate::admin::{AdminOptions, Problem};

/// How they are kept.
pub(in crate::admin) async fn get(
    State(options): State<AdminOptions>,
) -> Result<Json<CdrKeepingView>, Problem> {
    Ok(Json(CdrKeepingView::from(&options.api.cdr_keeping().await?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Retain {
    keep_s: u64,
    version: Option<u64>,
}

/// Sets how long.
pub(in crate::admin) async fn put(
    State(options): State<AdminOptions>,
    Params(query): Params<Retain>,
) -> Result<Json<CdrKeepingView>, Problem> {
    let keep_ms = query.keep_s.saturating_mul(1_000);
    if keep_ms != 0 && keep_ms < limits::MIN_CDR_KEEP_MS {
        return Err(Problem::malformed(
            format!("keep_s {} is too short", query.keep_s),
            format!("keep CDRs for {} s or more; 0 is for ever", limits::MIN_CDR_KEEP_MS / 1_000),
        ));
    }
    options.api.retain_cdrs(query.version, keep_ms).await.map_err(refused)?;
    tracing::info!(keep_s = query.keep_s, "an administrator changes the retention of CDRs");
    get(State(options)).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Purge {
    before: String,
    #[serde(default)]
    force: bool,
}

/// Purges the records of calls that ended before a time.
pub(in crate::admin) async fn purge(
    State(options): State<AdminOptions>,
    Params(query): Params<Purge>,
) -> Result<Json<PurgedView>, Problem> {
    let before = params::time("before", &query.before)?;
    let purged = options.api.purge_cdrs(before, query.force).await.map_err(refused)?;
    tracing::info!(purged, forced = query.force, "an administrator purges CDRs");
    Ok(Json(PurgedView { purged }))
}

/// How far one consumer has come.
pub(in crate::admin) async fn sink(
    State(options): State<AdminOptions>,
    Path(name): Path<String>,
) -> Result<Json<CdrSinkView>, Problem> {
    let keeping = options.api.cdr_keeping().await?;
    keeping.sink(&name).map(|sink| Json(CdrSinkView::from(sink))).ok_or_else(|| unknown(&name))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Cursor {
    cursor: String,
}

/// A consumer says that it has dealt with a record and all before it.
pub(in crate::admin) async fn set_cursor(
    State(options): State<AdminOptions>,
    Path(name): Path<String>,
    Params(query): Params<Cursor>,
) -> Result<Json<CdrSinkView>, Problem> {
    let cursor = params::parse::<CdrId>("cursor", &query.cursor, "4711.0")?;
    let sink = sink_name(&name)?;
    options.api.set_cdr_cursor(sink, Some(cursor)).await.map_err(refused)?;
    self::sink(State(options), Path(name)).await
}

/// Nothing is kept for a consumer any more.
pub(in crate::admin) async fn remove(
    State(options): State<AdminOptions>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    options.api.cdr_keeping().await?.sink(&name).ok_or_else(|| unknown(&name))?;
    options.api.set_cdr_cursor(sink_name(&name)?, None).await.map_err(refused)?;
    tracing::info!(sink = %params::shortened(&name), "an administrator removes a sink of CDRs");
    Ok(StatusCode::NO_CONTENT)
}

fn sink_name(name: &str) -> Result<Name, Problem> {
    if name.is_empty() || name.len() > limits::MAX_NAME_BYTES {
        let detail = format!("the sink's name \"{}\" is too long", params::shortened(name));
        let next_step = format!("use up to {} bytes", limits::MAX_NAME_BYTES);
        return Err(Problem::malformed(detail, next_step));
    }
    Ok(name.into())
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(
        format!("there is no sink \"{}\"", params::shortened(name)),
        "GET /v1/cdrs/retention lists them; committing a cursor makes one",
    )
}

fn refused(error: ClusterApiError) -> Problem {
    let detail = error.to_string();
    let next_step = match error {
        ClusterApiError::Refused(Rejection::CdrRetention { .. }) => {
            "look at GET /v1/cdrs/retention, and make the change for that version"
        }
        ClusterApiError::Refused(Rejection::CdrHeld { .. }) => {
            "let the sink catch up, remove it, or purge with force=true"
        }
        ClusterApiError::Refused(Rejection::CursorGoesBack { .. }) => {
            "go on after the committed cursor, or remove the sink and begin anew"
        }
        ClusterApiError::Refused(_) => "look at GET /v1/cdrs/retention and ask again",
        other => return other.into(),
    };
    Problem::new(StatusCode::CONFLICT, "cdr-retention", "Not as things stand", detail, next_step)
}
