//! `GET /readyz`: whether the node can do its work now. `?verbose` lists each check.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::admin::params::Params;
use crate::admin::readiness::{Check, checks};
use crate::admin::{AdminOptions, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Query {
    verbose: Option<String>,
}

/// 200 if every check passes, 503 if not.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
    Params(query): Params<Query>,
) -> Response {
    let checks = checks(&options.api.local());
    let ready = checks.iter().all(|check| check.fault.is_none());
    if query.verbose.is_some() {
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        return (status, listing(&checks, ready)).into_response();
    }
    if ready {
        return "ready\n".into_response();
    }
    let faults: Vec<_> = checks.iter().filter_map(|check| check.fault.as_deref()).collect();
    Problem::unavailable(faults.join("; "), "see /readyz?verbose, and GET /v1/cluster/health")
        .into_response()
}

fn listing(checks: &[Check], ready: bool) -> String {
    let mut text = String::new();
    for Check { name, fault } in checks {
        let line = match fault {
            None => format!("[+] {name}: ok\n"),
            Some(fault) => format!("[-] {name}: {fault}\n"),
        };
        text.push_str(&line);
    }
    text.push_str(if ready { "ready\n" } else { "not ready\n" });
    text
}
