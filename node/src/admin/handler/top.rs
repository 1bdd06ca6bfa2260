//! `GET /v1/top/{dimension}`: who comes most often. Numbers are personal data: like all of this
//! API, it needs the token on any address that is not the host's own.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;

use crate::admin::params::{self, Params};
use crate::admin::view::TopView;
use crate::admin::{AdminOptions, Problem};
use crate::protect::tops::Dimension;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Query {
    limit: Option<usize>,
    scope: Option<String>,
}

/// The heaviest of one dimension, of all nodes or of this one.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
    Path(dimension): Path<String>,
    Params(query): Params<Query>,
) -> Result<Json<TopView>, Problem> {
    let Some(dimension) = Dimension::from_word(&dimension) else {
        let detail = format!("\"{}\" is not counted", params::shortened(&dimension));
        return Err(Problem::not_found(
            detail,
            "ask for sources, tenants, callers or destinations",
        ));
    };
    let here = match query.scope.as_deref() {
        None | Some("cluster") => false,
        Some("node") => true,
        Some(other) => {
            let detail = format!("scope \"{}\" is not known", params::shortened(other));
            return Err(Problem::malformed(detail, "use cluster or node"));
        }
    };
    let limit = query.limit.unwrap_or(DEFAULT);
    if !(1..=MAX).contains(&limit) {
        let detail = format!("limit {limit} is out of range");
        return Err(Problem::malformed(detail, format!("ask for 1 to {MAX}")));
    }
    Ok(Json(TopView::new(dimension, options.api.top(dimension, limit, here))))
}

const DEFAULT: usize = 20;
const MAX: usize = 100;
