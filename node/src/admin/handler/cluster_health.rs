//! `GET /v1/cluster/health`: green, yellow or red, with reasons. Always 200: the body says it.

use axum::Json;
use axum::extract::State;

use crate::admin::seam::NodeCertificate;
use crate::admin::view::{ClusterHealthView, days_left};
use crate::admin::{AdminOptions, Problem};

/// The verdict, the members, slots and calls by node.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
) -> Result<Json<ClusterHealthView>, Problem> {
    let facts = options.api.cluster().await?;
    let now = options.api.now();
    let all = options.api.certificates();
    let days = |each: &NodeCertificate| (each.path.display().to_string(), days_left(each, now));
    let certificates: Vec<_> = all.iter().map(days).collect();
    Ok(Json(ClusterHealthView::new(&facts, &certificates)))
}
