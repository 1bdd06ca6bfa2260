//! `GET /v1/bans`, `POST` and `DELETE /v1/bans/{block}`: blocks of addresses that are turned away.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use holdline_guard::BanScope;
use holdline_model::Cidr;
use serde::Deserialize;

use crate::admin::params::{self, Params};
use crate::admin::seam::BanRequest;
use crate::admin::view::{BanView, PageView};
use crate::admin::{AdminOptions, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Query {
    for_s: Option<u64>,
    scope: Option<String>,
}

/// All bans in force, by block. Bounded, so it is one page.
pub(in crate::admin) async fn list(State(options): State<AdminOptions>) -> Json<PageView<BanView>> {
    let items = options.api.bans().iter().map(BanView::from).collect();
    Json(PageView { items, next: None })
}

/// Bans a block: here at once, at the other nodes within about a second.
pub(in crate::admin) async fn add(
    State(options): State<AdminOptions>,
    Path(block): Path<String>,
    Params(query): Params<Query>,
) -> Result<(StatusCode, Json<BanView>), Problem> {
    let block = params::parse::<Cidr>("block", &block, EXAMPLE)?;
    let for_s = query.for_s.unwrap_or(DEFAULT_S);
    if !(1..=MAX_S).contains(&for_s) {
        let detail = format!("for_s {for_s} is out of range");
        return Err(Problem::malformed(detail, format!("give 1 to {MAX_S} seconds")));
    }
    let scope = match query.scope.as_deref() {
        None | Some("new") => BanScope::New,
        Some("all") => BanScope::All,
        Some(other) => {
            let detail = format!("scope \"{}\" is none of a ban's", params::shortened(other));
            return Err(Problem::malformed(detail, "use new or all"));
        }
    };
    let ban = options.api.ban(BanRequest { block, for_ms: for_s * 1000, scope }).await?;
    Ok((StatusCode::CREATED, Json(BanView::from(&ban))))
}

/// Lifts a ban, everywhere.
pub(in crate::admin) async fn remove(
    State(options): State<AdminOptions>,
    Path(block): Path<String>,
) -> Result<StatusCode, Problem> {
    options.api.lift_ban(params::parse("block", &block, EXAMPLE)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

const EXAMPLE: &str = "192.0.2.0/24";
const DEFAULT_S: u64 = 3_600;

/// A year.
const MAX_S: u64 = 366 * 86_400;
