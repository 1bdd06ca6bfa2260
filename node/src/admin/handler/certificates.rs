//! `GET /v1/certificates`: our certificates, and how long they are good. As many as are configured, so it is one page.

use axum::Json;
use axum::extract::State;

use crate::admin::view::{CertificateView, PageView};
use crate::admin::{AdminOptions, Problem};

/// The certificates.
pub(in crate::admin) async fn handle(
    State(options): State<AdminOptions>,
) -> Result<Json<PageView<CertificateView>>, Problem> {
    let now = options.api.now();
    let all = options.api.certificates();
    let items = all.iter().map(|each| CertificateView::new(each, now)).collect();
    Ok(Json(PageView { items, next: None }))
}
