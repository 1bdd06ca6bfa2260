//! Who may ask, how much at a time, and what is not there.

use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::admin::{AdminServer, AdminServerError};

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn with_a_token_only_probes_are_open() {
    let fake = Fake::populated().shared();
    for path in ["/livez", "/readyz"] {
        assert_eq!(send(with_token(&fake), request(path, &[])).await.status, 200, "{path}");
    }
    for path in ["/metrics", "/v1/cluster/health", "/v1/openapi.json", "/v1/none"] {
        let refused = send(with_token(&fake), request(path, &[])).await;
        assert_eq!(refused.status, 401, "{path}");
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
        assert!(refused.problem().next_step.contains("HOLDLINE_TOKEN"));
    }
    for (shown, status) in [
        ("Bearer 0123456789abcdef", 200),
        ("bearer 0123456789abcdef", 200),
        ("Bearer 0123456789abcdeX", 401),
        ("Bearer 0123456789abcdef0", 401),
        ("Bearer ", 401),
        ("Basic 0123456789abcdef", 401),
        ("0123456789abcdef", 401),
    ] {
        let headers = [("authorization", shown)];
        let answer = send(with_token(&fake), request("/v1/nodes", &headers)).await;
        assert_eq!(answer.status.as_u16(), status, "{shown}");
    }
}

#[tokio::test]
async fn without_a_token_web_pages_are_refused() {
    let fake = Fake::populated().shared();
    for (headers, status) in [
        (vec![("host", "127.0.0.11:8060")], 200),
        (vec![("host", "[::1]:8060")], 200),
        (vec![("host", "localhost")], 200),
        (vec![("host", "rebound.example:8060")], 403),
        (vec![("host", "127.0.0.11:8060"), ("origin", "https://web.example")], 403),
    ] {
        let answer = send(options(&fake), request("/v1/nodes", &headers)).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        if status == 403 {
            answer.problem();
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let fake = Fake::populated().shared();
    let nowhere = get(&fake, "/v2/calls").await;
    assert_eq!(
        (nowhere.status.as_u16(), nowhere.problem().kind.as_str()),
        (404, "urn:holdline:problem:not-found")
    );
    let method = ask(&fake, Method::PUT, "/v1/calls").await;
    assert_eq!(method.status, 405);
    assert_eq!(method.headers["allow"], "GET,HEAD");
    assert!(method.problem().detail.contains("PUT"));
}

#[tokio::test]
async fn bodies_requests_and_time_are_bounded() {
    let fake = Fake { delay: Duration::from_secs(3600), ..Fake::populated() }.shared();
    let large = request("/v1/nodes", &[("content-length", "1000000")]);
    assert_eq!(send(options(&fake), large).await.problem().status, 413);

    let limits = AdminLimits {
        requests: 1,
        request_timeout: Duration::from_millis(50),
        ..AdminLimits::default()
    };
    let service = router(AdminOptions { limits, ..options(&fake) });
    let slow = service.clone().oneshot(request("/v1/nodes", &[]));
    let busy = async {
        tokio::task::yield_now().await;
        service.clone().oneshot(request("/v1/nodes", &[])).await.unwrap()
    };
    let probe = async {
        tokio::task::yield_now().await;
        service.clone().oneshot(request("/readyz", &[])).await.unwrap()
    };
    let (slow, busy, probe) = tokio::join!(slow, busy, probe);
    assert_eq!(slow.unwrap().status(), 504);
    assert_eq!(
        (busy.status().as_u16(), &busy.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(probe.status(), 200, "probes do not wait");
}

#[tokio::test]
async fn an_open_address_needs_a_token_and_an_address_in_use_is_named() {
    let fake = Fake::populated().shared();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let open: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let error = AdminServer::start(open, options(&fake), &tasks, stop.clone()).await.unwrap_err();
    assert!(matches!(error, AdminServerError::TokenNeeded { .. }), "{error}");
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let first =
        AdminServer::start(loopback, options(&fake), &tasks, stop.clone()).await.unwrap().address();
    let error = AdminServer::start(first, options(&fake), &tasks, stop.clone()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("{first}: Address already in use")), "{error}");
    assert!(error.to_string().contains("ss -ltnp"), "{error}");
    stop.cancel();
    tasks.close();
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.expect("the server ends");
}
