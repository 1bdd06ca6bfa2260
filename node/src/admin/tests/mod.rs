//! Routes against a cluster of maps: status codes, problems, authentication, pages, the document.

mod access;
mod cdr_keeping;
mod consistency;
mod document;
mod export;
mod limits;
mod protection;
mod reads;
mod writes;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tower::ServiceExt;

use super::fake::Fake;
use super::{AdminLimits, AdminOptions, Problem, router};
use crate::config::AdminToken;

/// An answer, read to the end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect(&self.body)
    }

    /// The problem in it; checks what every problem has.
    fn problem(&self) -> Problem {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        let problem: Problem = serde_json::from_str(&self.body).expect(&self.body);
        assert_eq!(problem.status, self.status.as_u16());
        assert!(problem.kind.starts_with("urn:holdline:problem:"), "{}", problem.kind);
        for text in [&problem.title, &problem.detail, &problem.next_step] {
            assert!(!text.is_empty(), "{problem:?}");
        }
        problem
    }
}

fn options(fake: &Arc<Fake>) -> AdminOptions {
    AdminOptions {
        api: Arc::clone(fake) as _,
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        token: None,
        limits: AdminLimits::default(),
    }
}

fn with_token(fake: &Arc<Fake>) -> AdminOptions {
    let token = AdminToken::try_from("0123456789abcdef").unwrap();
    AdminOptions { token: Some(token), ..options(fake) }
}

async fn send(options: AdminOptions, request: Request<Body>) -> Answer {
    let response = router(options).oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

async fn ask(fake: &Arc<Fake>, method: Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    send(options(fake), request).await
}

async fn put(fake: &Arc<Fake>, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(Method::PUT).uri(path);
    send(options(fake), request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn get(fake: &Arc<Fake>, path: &str) -> Answer {
    ask(fake, Method::GET, path).await
}
