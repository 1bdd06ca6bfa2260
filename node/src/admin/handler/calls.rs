//! `GET /v1/calls`: calls by state, trunk and tenant, in pages.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use holdline_model::{CallId, Phase};
use serde::Deserialize;

use crate::admin::params::{self, Params};
use crate::admin::seam::{CallFilter, CallQuery};
use crate::admin::view::{CallView, PageView};
use crate::admin::{AdminOptions, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Query {
    state: Option<String>,
    trunk: Option<String>,
    tenant: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page of calls, by id.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
    Params(query): Params<Query>,
) -> Result<Json<PageView<CallView>>, Problem> {
    let query = query.read()?;
    let page = options.api.calls(&query).await?;
    let slots: BTreeMap<_, _> =
        options.api.slots().await?.into_iter().map(|slot| (slot.slot, slot)).collect();
    let view = |call| CallView::new(call, slots.get(&call.call.slot));
    let items = page.items.iter().map(view).collect();
    Ok(Json(PageView { items, next: page.next.map(|call| call.to_string()) }))
}

impl Query {
    fn read(self) -> Result<CallQuery, Problem> {
        let after = self.cursor.as_deref();
        let after =
            after.map(|text| params::parse::<CallId>("cursor", text, EXAMPLE)).transpose()?;
        Ok(CallQuery {
            state: self.state.as_deref().map_or(Ok(CallFilter::default()), state)?,
            trunk: self.trunk.map(Into::into),
            tenant: self.tenant.map(Into::into),
            after,
            limit: params::limit(self.limit)?,
        })
    }
}

fn state(text: &str) -> Result<CallFilter, Problem> {
    Ok(match text {
        "up" => CallFilter::Up,
        "any" => CallFilter::Any,
        "inviting" => CallFilter::In(Phase::Inviting),
        "answered" => CallFilter::In(Phase::Answered),
        "confirmed" => CallFilter::In(Phase::Confirmed),
        "finished" => CallFilter::In(Phase::Finished),
        other => {
            let detail = format!("state \"{}\" is none of a call's", params::shortened(other));
            let known = "use up, inviting, answered, confirmed, finished or any";
            return Err(Problem::malformed(detail, known));
        }
    })
}

const EXAMPLE: &str = "003f0123456789abcdef";
