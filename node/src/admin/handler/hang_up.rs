//! `DELETE /v1/calls/{id}`: hangs up both sides. The CDR says that an administrator did it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use holdline_model::Phase;

use super::call::read_id;
use crate::admin::seam::ClusterApiError;
use crate::admin::{AdminOptions, Problem};

/// 202 when the call's owner has been told, 204 if the call is over already.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let call = read_id(&id)?;
    let (record, _) = options.api.call(call).await?.ok_or(ClusterApiError::UnknownCall(call))?;
    if record.phase == Phase::Finished {
        return Ok(StatusCode::NO_CONTENT);
    }
    options.api.hang_up(call).await?;
    tracing::info!(%call, "an administrator hangs up a call");
    Ok(StatusCode::ACCEPTED)
}
