//! Bounds on requests: how many at a time, how long, how large.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
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
    if let Some(problem) = too_large(&request, guard.limits.body_bytes) {
        return problem.into_response();
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

/// A body of unknown length is read only by the few handlers that need one, up to axum's own limit; for
/// all others only the server's own buffer holds what came of it, and the connection is closed after
/// the answer.
fn too_large(request: &Request, limit: usize) -> Option<Problem> {
    let length = request.headers().get(header::CONTENT_LENGTH)?.to_str().ok();
    if length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length <= limit) {
        return None;
    }
    Some(Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "Body too large",
        format!("the body is longer than {limit} bytes"),
        "send no body: no request of this API has one",
    ))
}
