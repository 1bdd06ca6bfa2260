//! `GET /v1/trunks/{name}`; `POST` and `DELETE /v1/trunks/{name}/disable`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use holdline_model::Name;

use crate::admin::seam::ClusterApiError;
use crate::admin::view::TrunkView;
use crate::admin::{AdminOptions, Problem};

/// The answer to a change that is committed: the entry of the log that holds it, and the trunk.
pub(in crate::admin) type Changed = (StatusCode, [(HeaderName, String); 1], Json<TrunkView>);

/// One trunk.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
    Path(name): Path<String>,
) -> Result<Json<TrunkView>, Problem> {
    Ok(Json(find(&options, &name).await?))
}

/// Keeps calls from a trunk, on all nodes, until it is enabled. Calls that are up stay up.
pub(in crate::admin) async fn disable(
    state: State<AdminOptions>,
    name: Path<String>,
) -> Result<Changed, Problem> {
    set(state, name, false).await
}

/// Undoes it.
pub(in crate::admin) async fn enable(
    state: State<AdminOptions>,
    name: Path<String>,
) -> Result<Changed, Problem> {
    set(state, name, true).await
}

async fn set(
    State(options): State<AdminOptions>,
    Path(name): Path<String>,
    enabled: bool,
) -> Result<Changed, Problem> {
    let trunk = Name::from(find(&options, &name).await?.name);
    let index = options.api.set_trunk(&trunk, enabled).await?;
    tracing::info!(%trunk, enabled, "an administrator changes a trunk");
    let view = find(&options, &name).await?;
    Ok((StatusCode::ACCEPTED, [(LOG_INDEX, index.to_string())], Json(view)))
}

async fn find(options: &AdminOptions, name: &str) -> Result<TrunkView, Problem> {
    let trunks = options.api.trunks().await?;
    let found = trunks.iter().find(|trunk| trunk.name.as_str() == name).map(TrunkView::from);
    let short = || Name::from(name.chars().take(64).collect::<String>());
    found.ok_or_else(|| ClusterApiError::UnknownTrunk(short()).into())
}

/// Which entry of the log the change is.
const LOG_INDEX: HeaderName = HeaderName::from_static("holdline-log-index");
