//! `GET /v1/trunks`: the trunks and their state. As many as are configured, so it is one page.

use axum::Json;
use axum::extract::State;

use crate::admin::view::{PageView, TrunkView};
use crate::admin::{AdminOptions, Problem};

/// The trunks, in the order of the configuration.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
) -> Result<Json<PageView<TrunkView>>, Problem> {
    let trunks = options.api.trunks().await?;
    Ok(Json(PageView { items: trunks.iter().map(TrunkView::from).collect(), next: None }))
}
