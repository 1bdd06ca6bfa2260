//! `GET /v1/nodes`: the members. There are few, so it is one page.

use axum::Json;
use axum::extract::State;

use crate::admin::view::{NodeView, PageView};
use crate::admin::{AdminOptions, Problem};

/// The members, by id.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
) -> Result<Json<PageView<NodeView>>, Problem> {
    let facts = options.api.cluster().await?;
    Ok(Json(PageView { items: NodeView::all(&facts), next: None }))
}
