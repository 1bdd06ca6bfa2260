//! The export of call detail records.

use super::*;
use crate::admin::fake;

#[tokio::test]
async fn an_export_is_every_record_a_line() {
    let fake = Fake::populated().shared();
    let list = get(&fake, "/v1/cdrs").await.json();
    let export = get(&fake, "/v1/cdrs/export").await;
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> =
        export.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::from(lines), list["items"]);
    let csv = get(&fake, "/v1/cdrs/export?format=csv").await;
    assert!(csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    let ids: Vec<_> = csv.body.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ids, ["id", "4700.0", "4701.0", "4702.0"]);
}

#[tokio::test]
async fn an_export_is_resumed_after_a_record_and_has_the_list_s_filters() {
    let fake = Fake::populated().shared();
    for (query, expected) in [
        ("after=4700.0", &["4701.0", "4702.0"][..]),
        ("after=4702.0", &[]),
        ("after=4700.0&limit=1", &["4701.0"]),
        ("limit=0", &[]),
        ("account=acme", &["4702.0"]),
        ("from=2026-11-23T00:02:00Z", &["4701.0", "4702.0"]),
        ("to=2026-11-23T00:02:00Z", &["4700.0"]),
    ] {
        let csv = get(&fake, &format!("/v1/cdrs/export?format=csv&{query}")).await;
        let ids: Vec<_> = csv.body.lines().map(|line| line.split(',').next().unwrap()).collect();
        let header: &[&str] = if query.starts_with("after") { &[] } else { &["id"] };
        assert_eq!(ids, [header, expected].concat(), "{query}");
    }
    for (query, detail) in [
        ("format=xml", "query string"),
        ("after=x", "after \"x\""),
        ("from=2000&to=1000", "from (2000) is not before to (1000)"),
    ] {
        let answer = get(&fake, &format!("/v1/cdrs/export?{query}")).await;
        assert!(answer.problem().detail.contains(detail), "{query}: {}", answer.body);
    }
}

#[tokio::test]
async fn there_are_few_exports_at_a_time() {
    let fake = Fake::populated().shared();
    let limits = AdminLimits { exports: 1, ..AdminLimits::default() };
    let router = router(AdminOptions { limits, ..options(&fake) });
    let ask = || Request::get("/v1/cdrs/export").body(Body::empty()).unwrap();
    let running = router.clone().oneshot(ask()).await.unwrap();
    assert_eq!(running.status(), StatusCode::OK);
    let refused = router.clone().oneshot(ask()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(running);
    let next = router.oneshot(ask()).await.unwrap();
    assert_eq!(next.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_export_is_paced_and_reads_no_further_than_the_client_takes() {
    use futures::StreamExt;
    let cdrs = (0..1000).map(fake::cdr).map(|cdr| (cdr.id, cdr)).collect();
    let fake = Fake { cdrs, ..Fake::populated() }.shared();
    let limits = AdminLimits { export_bytes_per_s: 2_000_000, ..AdminLimits::default() };
    let router = router(AdminOptions { limits, ..options(&fake) });
    let ask = Request::get("/v1/cdrs/export").body(Body::empty()).unwrap();
    let began = tokio::time::Instant::now();
    let mut body = router.oneshot(ask).await.unwrap().into_body().into_data_stream();
    let (mut bytes, mut lines) = (0, 0);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() < 256 << 10, "a page at a time");
        bytes += chunk.len();
        lines += chunk.iter().filter(|byte| **byte == b'\n').count();
    }
    assert_eq!(lines, 1000);
    // A busy machine can only make it slower.
    let rate = bytes as f64 / began.elapsed().as_secs_f64();
    assert!(rate < 2_600_000.0, "{rate} bytes/s");
}
