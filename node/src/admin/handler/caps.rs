//! `GET /v1/caps`, `PUT` and `DELETE /v1/caps/{name}`: caps on calls that are up, one at a time. They are part
//! of the limits, so a change is a new version of those, made for the version that was looked at; without
//! one it is made again when somebody else was faster.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use holdline_model::limit::{CapConfig, Dimension, LimitConfig, Match};
use holdline_model::{Name, Rejection};
use serde::Deserialize;

use super::limits::{body, refused};
use crate::admin::params::Params;
use crate::admin::seam::ClusterApiError;
use crate::admin::view::CapsView;
use crate::admin::{AdminOptions, Problem};

/// The caps and how many calls are up.
pub(in crate::admin) async fn list(
    State(options): State<AdminOptions>,
) -> Result<Json<CapsView>, Problem> {
    Ok(Json(CapsView::from(&options.api.limits().await?)))
}

/// Which version is changed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct ChangeQuery {
    version: Option<u64>,
}

/// A cap without its name, which is in the path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cap {
    #[serde(default, rename = "match")]
    matches: Match,
    #[serde(default)]
    by: Option<Dimension>,
    calls: u32,
    #[serde(default)]
    status: Option<u16>,
}

/// Adds a cap, or replaces the one of that name.
pub(in crate::admin) async fn put(
    State(options): State<AdminOptions>,
    Path(name): Path<String>,
    Params(query): Params<ChangeQuery>,
    bytes: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Json<CapsView>, Problem> {
    let bytes = body(bytes)?;
    let Cap { matches, by, calls, status } = serde_json::from_slice(&bytes).map_err(|error| {
        let detail = format!("the body is no cap: {error}");
        Problem::malformed(detail, "send, for example, {\"by\": \"trunk_out\", \"calls\": 480}")
    })?;
    let name = Name::from(name);
    let cap = CapConfig { name: name.clone(), matches, by, calls, status };
    change(&options, query.version, |config| {
        match config.cap.iter_mut().find(|known| known.name == cap.name) {
            Some(known) => *known = cap.clone(),
            None => config.cap.push(cap.clone()),
        }
        true
    })
    .await?;
    tracing::info!(cap = %name, calls, "an administrator sets a cap");
    list(State(options)).await
}

/// Removes a cap.
pub(in crate::admin) async fn remove(
    State(options): State<AdminOptions>,
    Path(name): Path<String>,
    Params(query): Params<ChangeQuery>,
) -> Result<StatusCode, Problem> {
    let known = change(&options, query.version, |config| {
        let before = config.cap.len();
        config.cap.retain(|cap| cap.name.as_str() != name);
        config.cap.len() < before
    })
    .await?;
    if !known {
        return Err(Problem::not_found(
            format!("there is no cap \"{name}\""),
            "GET /v1/caps lists the caps",
        ));
    }
    tracing::info!(cap = %name, "an administrator removes a cap");
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a change of the configuration, unless `act` says that there is nothing to change.
async fn change(
    options: &AdminOptions,
    version: Option<u64>,
    act: impl Fn(&mut LimitConfig) -> bool,
) -> Result<bool, Problem> {
    let mut tries = 0;
    loop {
        let settings = options.api.limits().await?.settings;
        let mut config = settings.config.clone();
        if !act(&mut config) {
            return Ok(false);
        }
        let expected = version.unwrap_or(settings.version);
        tries += 1;
        match options.api.set_limits(expected, config).await {
            Ok(_) => return Ok(true),
            Err(ClusterApiError::Refused(Rejection::LimitVersion { .. }))
                if version.is_none() && tries < TRIES => {}
            Err(error) => return Err(refused(error)),
        }
    }
}

/// How often a change is tried while others change the limits, too.
const TRIES: usize = 5;
