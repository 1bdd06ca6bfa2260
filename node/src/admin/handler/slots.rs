//! `GET /v1/slots`: who owns what. At most [`holdline_model::limits::MAX_SLOTS`], so it is one page.

use axum::Json;
use axum::extract::State;

use crate::admin::view::{PageView, SlotView};
use crate::admin::{AdminOptions, Problem};

/// The slots, by id.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
) -> Result<Json<PageView<SlotView>>, Problem> {
    let slots = options.api.slots().await?;
    Ok(Json(PageView { items: slots.iter().map(SlotView::from).collect(), next: None }))
}
