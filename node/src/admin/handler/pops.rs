//! `GET /v1/pops`: the sites, and the round trips between nodes.

use axum::Json;
use axum::extract::State;

use crate::admin::view::PopsView;
use crate::admin::{AdminOptions, Problem};

/// The sites, by name.
pub(in crate::admin) async fn list(
    State(options): State<AdminOptions>,
) -> Result<Json<PopsView>, Problem> {
    Ok(Json(PopsView::from(&options.api.cluster().await?)))
}
