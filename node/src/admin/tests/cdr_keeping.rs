//! How call detail records are kept, found and purged.

use serde_json::json;

use super::*;

#[tokio::test]
async fn cdrs_are_found_by_numbers_and_call_id() {
    let fake = Fake::populated().shared();
    let all = get(&fake, "/v1/cdrs").await.json();
    let first = &all["items"][0];
    let number = |uri: &Value| {
        let uri = uri.as_str().unwrap().split_once(':').unwrap().1;
        uri.split_once('@').map_or(uri, |(user, _)| user).replace('+', "%2B")
    };
    let (caller, callee) = (number(&first["from"]), number(&first["to"]));
    let call_id = first["caller_call_id"].as_str().unwrap();
    for query in [
        format!("caller={caller}&callee={callee}"),
        format!("caller={caller}*"),
        format!("call_id={call_id}"),
        format!("account=default&callee={callee}*&from=2026-11-23T00:00:00Z"),
    ] {
        let page = get(&fake, &format!("/v1/cdrs?{query}")).await.json();
        assert!(page["items"].as_array().unwrap().contains(first), "{query}: {page}");
    }
    for query in ["caller=999*", "callee=nobody", "call_id=other"] {
        let page = get(&fake, &format!("/v1/cdrs?{query}")).await.json();
        assert_eq!(page["items"], json!([]), "{query}");
    }
    let malformed = get(&fake, "/v1/cdrs?caller=a*b").await;
    assert_eq!(malformed.status, 400);
    assert!(malformed.problem().detail.contains("caller \"a*b\""), "{}", malformed.body);
}

#[tokio::test]
async fn retention_is_shown_and_set_for_a_version() {
    let fake = Fake::populated().shared();
    let shown = get(&fake, "/v1/cdrs/retention").await.json();
    assert_eq!((&shown["keep_s"], &shown["version"]), (&json!(7_776_000), &json!(0)));
    assert_eq!((&shown["held_by"], &shown["purged"]), (&json!("billing"), &json!(0)));
    let put = |query: &'static str| {
        let fake = &fake;
        async move { ask(fake, Method::PUT, &format!("/v1/cdrs/retention?{query}")).await }
    };
    let set = put("keep_s=86400&version=0").await.json();
    assert_eq!((&set["keep_s"], &set["version"]), (&json!(86_400), &json!(1)));
    let late = put("keep_s=60&version=0").await;
    assert_eq!(late.status, 409);
    assert!(late.problem().detail.contains("at version 1"), "{}", late.body);
    assert_eq!(put("keep_s=59").await.status, 400);
    assert_eq!(put("keep_s=0").await.json()["keep_s"], 0);
}

#[tokio::test]
async fn sinks_come_go_forward_and_are_removed() {
    let fake = Fake::populated().shared();
    let sink = "/v1/cdrs/sinks/billing";
    assert_eq!(get(&fake, sink).await.json()["cursor"], "4700.0");
    let moved = ask(&fake, Method::PUT, "/v1/cdrs/sinks/billing?cursor=4701.0").await;
    assert_eq!(moved.json()["cursor"], "4701.0");
    let back = ask(&fake, Method::PUT, "/v1/cdrs/sinks/billing?cursor=4700.0").await;
    assert_eq!(back.status, 409);
    assert!(back.problem().detail.contains("does not go back"), "{}", back.body);
    assert_eq!(ask(&fake, Method::PUT, "/v1/cdrs/sinks/new?cursor=x").await.status, 400);
    assert_eq!(ask(&fake, Method::PUT, "/v1/cdrs/sinks/new?cursor=1.0").await.status, 200);
    let long = format!("/v1/cdrs/sinks/{}?cursor=1.0", "x".repeat(65));
    assert_eq!(ask(&fake, Method::PUT, &long).await.status, 400);
    assert_eq!(ask(&fake, Method::DELETE, sink).await.status, 204);
    assert_eq!(ask(&fake, Method::DELETE, sink).await.problem().status, 404);
}

#[tokio::test]
async fn a_purge_stops_at_the_slowest_sink_unless_forced() {
    let fake = Fake::populated().shared();
    let purge = |query: &'static str| {
        let fake = &fake;
        async move { ask(fake, Method::POST, &format!("/v1/cdrs/purge?{query}")).await }
    };
    assert_eq!(purge("before=2026-11-24T00:00:00Z").await.json()["purged"], 1);
    assert_eq!(purge("before=2026-11-24T00:00:00Z&force=true").await.json()["purged"], 3);
    assert_eq!(purge("before=soon").await.status, 400);
    assert_eq!(purge("force=true").await.status, 400);
}
