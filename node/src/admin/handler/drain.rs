//! `POST` and `DELETE /v1/nodes/{id}/drain`: a node is to own nothing, or may own again.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use holdline_model::NodeId;

use crate::admin::params;
use crate::admin::seam::{ClusterApiError, ClusterFacts};
use crate::admin::view::NodeView;
use crate::admin::{AdminOptions, Problem};

/// The answer to a change that is committed: the entry of the log that holds it, and the node.
pub(in crate::admin) type Changed = (StatusCode, [(HeaderName, String); 1], Json<NodeView>);

/// Drains a node: its slots and calls move to others, nothing is dropped. 202: they move now.
pub(in crate::admin) async fn drain(
    state: State<AdminOptions>,
    id: Path<String>,
) -> Result<Changed, Problem> {
    set(state, id, true).await
}

/// Undoes it: the node gets its home slots back.
pub(in crate::admin) async fn undrain(
    state: State<AdminOptions>,
    id: Path<String>,
) -> Result<Changed, Problem> {
    set(state, id, false).await
}

async fn set(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
    draining: bool,
) -> Result<Changed, Problem> {
    let node: NodeId = params::parse("id", &id, "2")?;
    let facts = options.api.cluster().await?;
    if view(&facts, node).is_none() {
        return Err(ClusterApiError::UnknownNode(node).into());
    }
    if draining && !has_heir(&facts, node) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "no-heir",
            "Nobody to take over",
            format!(
                "no other node is alive and not drained: node {node}'s calls would be stranded"
            ),
            "bring up or undrain another node first",
        ));
    }
    let index = options.api.set_draining(node, draining).await?;
    tracing::info!(%node, draining, "an administrator changes a drain");
    let facts = options.api.cluster().await?;
    let view = view(&facts, node).ok_or(ClusterApiError::UnknownNode(node))?;
    Ok((StatusCode::ACCEPTED, [(LOG_INDEX, index.to_string())], Json(view)))
}

fn view(facts: &ClusterFacts, node: NodeId) -> Option<NodeView> {
    NodeView::all(facts).into_iter().find(|view| view.id == node)
}

fn has_heir(facts: &ClusterFacts, node: NodeId) -> bool {
    let mut others = facts.members.iter().filter(|member| member.node != node && member.alive);
    others.any(|member| member.record.as_ref().is_some_and(|record| !record.draining))
}

/// Which entry of the log the change is: changes took effect in the order of their entries, and a
/// node whose `applied_index` has come so far shows it.
const LOG_INDEX: HeaderName = HeaderName::from_static("holdline-log-index");
