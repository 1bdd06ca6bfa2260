//! Who may ask: the bearer token (RFC 6750), and without one only programs on this host.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{AdminOptions, Problem, routes};
use crate::config::AdminToken;

/// Lets a request through if it shows the token or, where there is none, if no web page sent it.
pub(super) async fn check(
    State(options): State<AdminOptions>,
    request: Request,
    next: Next,
) -> Response {
    let verdict = match &options.token {
        Some(_) if routes::PROBES.contains(&request.uri().path()) => Ok(()),
        Some(token) => bearer(request.headers(), token),
        None => no_web_page(request.headers()),
    };
    match verdict {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Compares digests, so that neither the time nor the length tells anything about the token.
fn bearer(headers: &HeaderMap, token: &AdminToken) -> Result<(), Problem> {
    let refused = |detail: &str| {
        metrics::counter!("holdline_admin_refused_total", "reason" => "token").increment(1);
        let next_step = "send \"Authorization: Bearer TOKEN\" with the token of the node's \
                         configuration (admin.token or admin.token_file); with the CLI: --token or \
                         HOLDLINE_TOKEN";
        let status = StatusCode::UNAUTHORIZED;
        Err(Problem::new(status, "unauthorized", "Token needed", detail, next_step))
    };
    let Some(shown) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
    else {
        return refused("the request has no Authorization header");
    };
    let Some((scheme, shown)) = shown.split_once(' ') else {
        return refused("the Authorization header has no token");
    };
    let (shown, expected) = (Sha256::digest(shown.trim()), Sha256::digest(token.as_str()));
    let equal = bool::from(shown.as_slice().ct_eq(expected.as_slice()));
    if scheme.eq_ignore_ascii_case("bearer") && equal {
        Ok(())
    } else {
        refused("the token is not this cluster's")
    }
}

/// A browser on the operator's own host must not become a way in: requests of web pages carry
/// Origin, and a page that had its name resolved to loopback carries that name in Host.
fn no_web_page(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !headers.contains_key(header::ORIGIN) && is_address_or_localhost(host) {
        return Ok(());
    }
    metrics::counter!("holdline_admin_refused_total", "reason" => "web_page").increment(1);
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "web-page",
        "Not for web pages",
        "without a token, requests of web pages (with Origin, or with a host name in Host) are refused",
        "ask by IP address, without Origin, or set admin.token_file",
    ))
}

fn is_address_or_localhost(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.is_empty() || name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}
