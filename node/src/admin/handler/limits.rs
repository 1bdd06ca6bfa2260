//! `GET` and `PUT /v1/limits`, `POST /v1/limits/reset`: all limits at once. A change names the version
//! that it replaces, so that two administrators do not undo each other's.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use holdline_model::limit::LimitConfig;
use holdline_model::{Name, Rejection};
use serde::Deserialize;

use crate::admin::seam::ClusterApiError;
use crate::admin::view::LimitsView;
use crate::admin::{AdminLimits, AdminOptions, Problem, guard};

/// The limits as they stand.
pub(in crate::admin) async fn get(
    State(options): State<AdminOptions>,
) -> Result<Json<LimitsView>, Problem> {
    Ok(Json(LimitsView::from(&options.api.limits().await?)))
}

/// Which version is replaced.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct PutQuery {
    /// The version that was looked at; without it, whatever is in force.
    version: Option<u64>,
}

/// Replaces all limits.
pub(in crate::admin) async fn put(
    State(options): State<AdminOptions>,
    Query(query): Query<PutQuery>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Json<LimitsView>, Problem> {
    let body = body(bytes)?;
    let config: LimitConfig = serde_json::from_slice(&body).map_err(|error| {
        let detail = format!("the body is no configuration of limits: {error}");
        Problem::malformed(
            detail,
            "see docs/limits.md, or send what GET /v1/limits shows as config",
        )
    })?;
    let expected = match query.version {
        Some(version) => version,
        None => options.api.limits().await?.settings.version,
    };
    options.api.set_limits(expected, config).await.map_err(refused)?;
    tracing::info!(replaced = expected, "an administrator changes the limits");
    get(State(options)).await
}

/// What is reset.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct ResetQuery {
    /// A class, with all beneath it, or a set of buckets; without it, everything.
    class: Option<String>,
}

/// Fills buckets.
pub(in crate::admin) async fn reset(
    State(options): State<AdminOptions>,
    Query(query): Query<ResetQuery>,
) -> Result<Json<LimitsView>, Problem> {
    let class = query.class.as_deref().map(Name::from);
    options.api.reset_limits(class).await.map_err(refused)?;
    tracing::info!("an administrator fills the buckets of the limits");
    get(State(options)).await
}

/// The body, if it came whole and within the bounds.
pub(super) fn body(bytes: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    bytes.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return guard::too_large(AdminLimits::default().config_bytes);
        }
        Problem::malformed(rejection.body_text(), "send the body whole")
    })
}

pub(super) fn refused(error: ClusterApiError) -> Problem {
    let detail = error.to_string();
    match error {
        ClusterApiError::Refused(Rejection::LimitVersion { .. }) => Problem::new(
            StatusCode::CONFLICT,
            "limits-version",
            "Changed meanwhile",
            detail,
            "look at GET /v1/limits, and make the change for that version",
        ),
        ClusterApiError::Refused(Rejection::Limits(_)) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "limits-fault",
            "Faulty limits",
            detail,
            "nothing was changed; mend the configuration (docs/limits.md) and send it again",
        ),
        other => other.into(),
    }
}
