//! `/v1/registrations`: where users are.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use holdline_model::Aor;
use serde::Deserialize;

use super::users::read_aor;
use crate::admin::params::{self, Params};
use crate::admin::seam::ClusterApiError;
use crate::admin::view::{PageView, RegistrationView};
use crate::admin::{AdminOptions, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Query {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct RemoveQuery {
    key: Option<String>,
}

/// A page of users that are registered, by address of record.
pub(in crate::admin) async fn list(
    State(options): State<AdminOptions>,
    Params(query): Params<Query>,
) -> Result<Json<PageView<RegistrationView>>, Problem> {
    let after = query.cursor.as_deref();
    let after = after.map(|text| params::parse::<Aor>("cursor", text, EXAMPLE)).transpose()?;
    let page = options.api.registrations(after, params::limit(query.limit)?).await?;
    let now = options.api.now();
    let views = page.items.iter().map(|record| RegistrationView::new(record, now));
    // What has ended, but is not swept yet, is not shown.
    let items = views.filter(|view| !view.bindings.is_empty()).collect();
    Ok(Json(PageView { items, next: page.next.map(|aor| aor.to_string()) }))
}

/// Where one user is; without bindings if it is nowhere.
pub(in crate::admin) async fn show(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
) -> Result<Json<RegistrationView>, Problem> {
    let aor = read_aor(&id)?;
    if let Some(record) = options.api.registration(aor.clone()).await? {
        return Ok(Json(RegistrationView::new(&record, options.api.now())));
    }
    options.api.user(aor.clone()).await?.ok_or(ClusterApiError::UnknownUser)?;
    Ok(Json(RegistrationView { aor: aor.to_string(), bindings: Vec::new() }))
}

/// Ends a user's bindings, all or the one with this key. Devices come back with their next REGISTER.
pub(in crate::admin) async fn remove(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
    Params(query): Params<RemoveQuery>,
) -> Result<StatusCode, Problem> {
    let removed = options.api.remove_bindings(read_aor(&id)?, query.key).await?;
    tracing::info!(removed, "an administrator ends bindings");
    if removed == 0 {
        return Err(ClusterApiError::NoSuchBinding.into());
    }
    Ok(StatusCode::NO_CONTENT)
}

const EXAMPLE: &str = "alice@example.com";
