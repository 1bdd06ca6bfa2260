//! `GET /metrics`: Prometheus' text format 0.0.4.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::admin::AdminOptions;
use crate::telemetry::process;

/// Renders all metrics of the process.
pub(in crate::admin) async fn handle(State(options): State<AdminOptions>) -> impl IntoResponse {
    let text = options.metrics.render() + &process::render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
