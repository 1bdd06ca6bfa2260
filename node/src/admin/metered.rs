//! Requests of this API spend tokens of the cluster's limits, where there are some for them.
//!
//! Not those by which an operator sees and mends the limits, nor probes and metrics: limits that are
//! too strict must not lock out those who could loosen them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use holdline_call::{Allowed, Throttled};
use holdline_model::limit::Operation;

use super::{AdminOptions, Problem};
use crate::protect::allowances;

/// Where a request came from; a connection's server knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Lets a request through if there is a token for it, or one comes within a moment.
pub(super) async fn check(
    State(options): State<AdminOptions>,
    request: Request,
    next: Next,
) -> Response {
    if FREE.iter().any(|path| request.uri().path().starts_with(path)) {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>();
    let source = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.to_canonical());
    let mut allowed = options.api.allow(source, false);
    for _ in 0..PATIENCE {
        if !matches!(allowed, Allowed::Wait(_)) {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        allowed = options.api.allow(source, true);
    }
    match allowed {
        Allowed::Pass => next.run(request).await,
        Allowed::Wait(throttled) | Allowed::Refused(throttled) => refuse(&throttled),
    }
}

/// To HTTP one status says it (RFC 6585), whatever is configured for SIP.
fn refuse(throttled: &Throttled) -> Response {
    let status = StatusCode::TOO_MANY_REQUESTS;
    allowances::refused(Operation::Api, status.as_u16());
    let seconds = throttled.retry_after_ms.div_ceil(1_000).max(1);
    let detail = format!("class \"{}\" of the limits has no token for it", throttled.class);
    let next_step = format!("ask again in {seconds} s; GET /v1/limits shows the limits");
    let problem = Problem::new(status, "limited", "Too many requests", detail, next_step);
    let mut response = problem.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// What costs nothing.
const FREE: [&str; 5] =
    ["/metrics", "/v1/openapi.json", "/v1/limits", "/v1/caps", "/v1/protection"];

/// How often it is looked for a token while it may come, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const PATIENCE: usize = 50;
