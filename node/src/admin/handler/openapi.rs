//! `GET /v1/openapi.json`: this API, described.

use axum::http::header;
use axum::response::IntoResponse;

/// The OpenAPI 3.1 document.
pub(in crate::admin) const DOCUMENT: &str = include_str!("../openapi.json");

/// Serves the document as it was written.
pub(in crate::admin) async fn handle() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
