//! `GET` and `POST /v1/members`, `DELETE /v1/members/{id}`, its `promote`, `demote` and `replace`, and
//! `POST /v1/leader/transfer`.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use holdline_model::{Name, NodeId, NodeRole, limits};
use holdline_raft::MemberChange;
use serde::Deserialize;

use crate::admin::params::{self, Params};
use crate::admin::view::{ChangedView, MembersView};
use crate::admin::{AdminOptions, Problem};

type Changed = Result<Json<ChangedView>, Problem>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Expected {
    rpc: String,
    pop: Option<String>,
    role: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Heir {
    heir: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct With {
    with: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct To {
    to: Option<String>,
}

/// The members, those that are expected and those that were removed, by number.
pub(in crate::admin) async fn list(
    State(options): State<AdminOptions>,
) -> Result<Json<MembersView>, Problem> {
    Ok(Json(MembersView::from(&options.api.cluster().await?)))
}

/// A node is expected at an address: it gets a number, which it has when it joins.
pub(in crate::admin) async fn expect(
    State(options): State<AdminOptions>,
    Params(query): Params<Expected>,
) -> Result<(StatusCode, Json<ChangedView>), Problem> {
    let rpc = params::parse::<SocketAddr>("rpc", &query.rpc, "192.0.2.14:7060")?;
    let pop = query.pop.as_deref().unwrap_or("default");
    if pop.is_empty() || pop.len() > limits::MAX_NAME_BYTES {
        let detail = format!("pop \"{}\" is no name", params::shortened(pop));
        return Err(Problem::malformed(detail, "give 1 to 64 characters"));
    }
    let role = match query.role.as_deref() {
        None | Some("full") => NodeRole::Full,
        Some("witness") => NodeRole::Witness,
        Some(other) => {
            let detail = format!("role \"{}\" is none of a node's", params::shortened(other));
            return Err(Problem::malformed(detail, "use full or witness"));
        }
    };
    let change = MemberChange::Expect { rpc, pop: Name::from(pop), role };
    Ok((StatusCode::CREATED, change_members(&options, change).await?))
}

/// A learner gets a vote.
pub(in crate::admin) async fn promote(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
) -> Changed {
    let node = node("id", &id)?;
    change_members(&options, MemberChange::Promote { node }).await
}

/// A voter loses its vote, and stays.
pub(in crate::admin) async fn demote(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
) -> Changed {
    let node = node("id", &id)?;
    change_members(&options, MemberChange::Demote { node }).await
}

/// A node goes for good.
pub(in crate::admin) async fn remove(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
    Params(query): Params<Heir>,
) -> Changed {
    let node = node("id", &id)?;
    let heir = query.heir.as_deref().map(|heir| self::node("heir", heir)).transpose()?;
    change_members(&options, MemberChange::Remove { node, heir }).await
}

/// A node takes another one's place.
pub(in crate::admin) async fn replace(
    State(options): State<AdminOptions>,
    Path(id): Path<String>,
    Params(query): Params<With>,
) -> Changed {
    let (old, new) = (node("id", &id)?, node("with", &query.with)?);
    change_members(&options, MemberChange::Replace { old, new }).await
}

/// Another node leads.
pub(in crate::admin) async fn transfer(
    State(options): State<AdminOptions>,
    Params(query): Params<To>,
) -> Changed {
    let to = query.to.as_deref().map(|to| node("to", to)).transpose()?;
    change_members(&options, MemberChange::Transfer { to }).await
}

fn node(name: &str, text: &str) -> Result<NodeId, Problem> {
    params::parse(name, text, "4")
}

async fn change_members(options: &AdminOptions, change: MemberChange) -> Changed {
    tracing::info!(?change, "an administrator changes the members");
    Ok(Json(options.api.change_members(change).await?.into()))
}
