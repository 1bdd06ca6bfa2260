//! `GET /v1/listeners`: what listens for calls, and who has it. As many as are configured, so it is one page.

use axum::Json;
use axum::extract::State;

use crate::admin::view::{ListenerView, PageView};
use crate::admin::{AdminOptions, Problem};

/// The listeners, by node and address.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
) -> Result<Json<PageView<ListenerView>>, Problem> {
    let items = options.api.listeners().iter().map(ListenerView::from).collect();
    Ok(Json(PageView { items, next: None }))
}
