//! How fresh an answer must be: `?consistency=linearizable` (the default) or `stale`, on every GET that
//! reads replicated state.
//!
//! A linearizable answer shows everything that was committed before it was asked for, whichever node
//! is asked. Without a majority there is none: 503. A stale one is this node's copy as it is, with
//! its age in a header.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{AdminOptions, Problem};

/// Paths whose GET reads replicated state. What tells of the cluster itself (`/v1/cluster/health`,
/// `/v1/nodes`, `/v1/slots`) and of one node alone is answered by whoever is asked.
const PATHS: [&str; 16] = [
    "/v1/caps",
    "/v1/calls",
    "/v1/calls/{id}",
    "/v1/limits",
    "/v1/cdrs",
    "/v1/cdrs/export",
    "/v1/cdrs/retention",
    "/v1/cdrs/sinks/{name}",
    "/v1/snapshot",
    "/v1/users",
    "/v1/users/{id}",
    "/v1/registrations",
    "/v1/registrations/{id}",
    "/v1/bans",
    "/v1/trunks",
    "/v1/trunks/{name}",
];

/// Whether a path takes the parameter.
#[cfg(test)]
pub(super) fn applies(path: &str) -> bool {
    PATHS.contains(&path)
}

/// Sees to it that the answer is as fresh as was asked for.
pub(super) async fn check(
    State(options): State<AdminOptions>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::GET || !PATHS.contains(&path.as_str()) {
        return next.run(request).await;
    }
    let is_stale = match take(request.uri_mut()) {
        Ok(is_stale) => is_stale,
        Err(problem) => return problem.into_response(),
    };
    if !is_stale {
        return match options.api.linearize().await {
            Ok(()) => next.run(request).await,
            Err(error) => Problem::from(error).into_response(),
        };
    }
    // Asked before the answer is made: it is no older than that.
    let age = options.api.state_age_ms();
    let mut response = next.run(request).await;
    let age = age.map_or_else(|| "unknown".to_owned(), |ms| ms.to_string());
    if let Ok(age) = HeaderValue::from_str(&age) {
        response.headers_mut().insert(STATE_AGE, age);
    }
    response
}

/// Takes the parameter out of a query string, because handlers know their own only.
fn take(uri: &mut Uri) -> Result<bool, Problem> {
    let Some(query) = uri.query() else { return Ok(false) };
    let (ours, others): (Vec<_>, Vec<_>) =
        query.split('&').partition(|pair| pair.split('=').next() == Some(NAME));
    let is_stale = match ours.as_slice() {
        [] => return Ok(false),
        ["consistency=stale"] => true,
        ["consistency=linearizable"] => false,
        _ => {
            return Err(Problem::malformed(
                "consistency is neither linearizable nor stale",
                "write it as in consistency=stale; linearizable is the default",
            ));
        }
    };
    let text = match others.is_empty() {
        true => uri.path().to_owned(),
        false => format!("{}?{}", uri.path(), others.join("&")),
    };
    *uri = text.parse().map_err(|_| {
        Problem::malformed("the query string cannot be read", "see GET /v1/openapi.json")
    })?;
    Ok(is_stale)
}

const NAME: &str = "consistency";

/// How old a stale answer may be, in milliseconds; `unknown` before this node first caught up.
pub(super) const STATE_AGE: HeaderName = HeaderName::from_static("holdline-state-age-ms");
