//! `GET /v1/protection`: what the node that answers does against overload and noisy neighbours.

use axum::Json;
use axum::extract::State;

use crate::admin::AdminOptions;
use crate::admin::view::ProtectionView;

/// This node's overload control, shield and bans.
pub(in crate::admin) async fn handle(State(options): State<AdminOptions>) -> Json<ProtectionView> {
    Json(ProtectionView::from(&options.api.protection()))
}
