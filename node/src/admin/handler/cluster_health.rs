//! `GET /v1/cluster/health`: green, yellow or red, with reasons. Always 200: the body says it.

use axum::Json;
use axum::extract::State;

use crate::admin::view::ClusterHealthView;
use crate::admin::{AdminOptions, Problem};

/// The verdict, the members, slots and calls by node.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
) -> Result<Json<ClusterHealthView>, Problem> {
    let facts = options.api.cluster().await?;
    Ok(Json(ClusterHealthView::from(&facts)))
}
