//! `GET /v1/calls/{id}`: one call, up or ended less than 32 s ago.

use axum::Json;
use axum::extract::{Path, State};
use holdline_model::CallId;

use crate::admin::params;
use crate::admin::seam::ClusterApiError;
use crate::admin::view::CallDetailView;
use crate::admin::{AdminOptions, Problem};

/// Both legs, owners and deadlines.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
) -> Result<Json<CallDetailView>, Problem> {
    let call = read_id(&id)?;
    let (record, slot) = options.api.call(call).await?.ok_or(ClusterApiError::UnknownCall(call))?;
    Ok(Json(CallDetailView::new(&record, slot.as_ref())))
}

/// Reads the id of a call in a path.
pub(super) fn read_id(text: &str) -> Result<CallId, Problem> {
    params::parse("id", text, "003f0123456789abcdef")
}
