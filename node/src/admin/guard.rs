//! Bounds on requests: how many at a time, how long, how large.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use tokio::sync::Semaphore;

use super::{AdminLimits, Problem};

/// The bounds and what is in use of them.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    limits: AdminLimits,
    requests: Arc<Semaphore>,
}

impl Guard {
    pub(super) fn new(limits: AdminLimits) -> Self {
        Self { limits, requests: Arc::new(Semaphore::new(limits.requests)) }
    }
}

/// Runs a request within the bounds.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let limit = match path.starts_with("/v1/limits") || path.starts_with("/v1/caps") {
        true => guard.limits.config_bytes,
        false => guard.limits.body_bytes,
    };
    if announced_too_large(&request, limit) {
        let swallowed = swallow(request.into_body());
        // Whether it was read to the end makes no difference to the answer.
        let _outcome = tokio::time::timeout(guard.limits.head_timeout, swallowed).await;
        return too_large(limit).into_response();
    }
    let Ok(_permit) = guard.requests.try_acquire() else {
        metrics::counter!("holdline_admin_refused_total", "reason" => "busy").increment(1);
        let detail = format!("{} requests are being answered", guard.limits.requests);
        return Problem::unavailable(detail, "ask again in a second").into_response();
    };
    let answer = tokio::time::timeout(guard.limits.request_timeout, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            "Took too long",
            format!("no answer within {} s", guard.limits.request_timeout.as_secs()),
            "if it was a change: look whether it took effect, then ask again",
        )
        .into_response()
    })
}

/// A body of unknown length is read only by the few handlers that need one, up to the same bound; for
/// all others only the server's own buffer holds what came of it, and the connection is closed after
/// the answer.
fn announced_too_large(request: &Request, limit: usize) -> bool {
    let Some(length) = request.headers().get(header::CONTENT_LENGTH) else { return false };
    let length = length.to_str().ok().and_then(|length| length.parse::<usize>().ok());
    length.is_none_or(|length| length > limit)
}

pub(super) fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "Body too large",
        format!("the body is longer than the {limit} bytes that this request may have"),
        "send a smaller one: GET /v1/openapi.json says which requests have a body at all",
    )
}

/// Reads on for a while, and keeps nothing: a client that is still sending hears no answer.
async fn swallow(body: Body) {
    let mut data = body.into_data_stream();
    let mut left = SWALLOWED;
    while let Some(Ok(chunk)) = data.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
        }
    }
}

/// Bytes of a body that is too large that are read all the same.
const SWALLOWED: usize = 16 << 20;
