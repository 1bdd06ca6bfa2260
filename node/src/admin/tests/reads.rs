//! What can be read.

use serde_json::json;

use super::*;

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn probes_say_what_is_wrong() {
    let well = Fake::populated().shared();
    assert_eq!(get(&well, "/livez").await.body, "alive\n");
    assert_eq!(get(&well, "/readyz").await.body, "ready\n");
    let verbose = get(&well, "/readyz?verbose").await.body;
    assert!(
        verbose.starts_with("[+] formed: ok\n[+] leader: ok\n") && verbose.ends_with("\nready\n")
    );
    let ill = Fake { no_majority: true, ..Fake::populated() }.shared();
    let answer = get(&ill, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.problem().detail.contains("no leader is known"), "{}", answer.body);
    let verbose = get(&ill, "/readyz?verbose").await;
    assert_eq!(verbose.status, 503);
    assert!(verbose.body.contains("[-] lease: no lease is held"), "{}", verbose.body);
    assert_eq!(get(&ill, "/livez").await.status, 200, "a restart would not help");
    assert_eq!(get(&well, "/readyz?loud").await.problem().status, 400);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let answer = get(&Fake::populated().shared(), "/metrics").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        answer.body.contains("# TYPE process_resident_memory_bytes gauge\n"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn health_has_verdict_members_and_numbers() {
    let health = get(&Fake::populated().shared(), "/v1/cluster/health").await.json();
    for (key, value) in [
        ("status", json!("green")),
        ("reasons", json!([])),
        ("leader", json!(1)),
        ("may_fail", json!(1)),
        ("calls", json!(5)),
        ("slots", json!(6)),
    ] {
        assert_eq!(health[key], value, "{key}");
    }
    assert_eq!(health["members"][2]["id"], 3);
    assert_eq!(health["members"][2]["slots_owned"], 2);
    let dead = Fake { dead: [holdline_model::NodeId(3)].into(), ..Fake::populated() }.shared();
    let health = get(&dead, "/v1/cluster/health").await.json();
    assert_eq!((&health["status"], &health["may_fail"]), (&json!("red"), &json!(0)));
    assert_eq!(health["reasons"][0]["code"], "slots_of_dead_nodes");
    assert_eq!(get(&dead, "/v1/nodes").await.json()["items"][2]["alive"], false);
}

#[tokio::test]
async fn calls_are_filtered_and_paged() {
    let fake = Fake::populated().shared();
    for (query, count) in [
        ("", 5),
        ("?state=any", 6),
        ("?state=inviting", 1),
        ("?state=confirmed", 4),
        ("?state=finished", 1),
        ("?tenant=acme", 3),
        ("?trunk=office", 5),
        ("?trunk=carrier-b", 2),
        ("?trunk=carrier-b&state=any&tenant=default", 3),
        ("?tenant=nobody", 0),
    ] {
        let page = get(&fake, &format!("/v1/calls{query}")).await.json();
        assert_eq!(ids(&page).len(), count, "{query}");
        assert_eq!(page["next"], Value::Null, "{query}");
    }
    let mut all = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = get(&fake, &format!("/v1/calls{query}")).await.json();
        assert!(ids(&page).len() <= 2);
        all.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(all, ids(&get(&fake, "/v1/calls").await.json()));
}

#[tokio::test]
async fn a_call_has_both_legs_owners_and_deadlines() {
    let fake = Fake::populated().shared();
    let call = get(&fake, "/v1/calls/000100c0ffee00000001").await.json();
    assert_eq!(call["phase"], "confirmed");
    assert_eq!(call["owner"], 2);
    assert_eq!(call["caller"]["call_id"], "call-1@office");
    assert_eq!(call["callee"]["call_id"], "hl000100c0ffee00000001c");
    assert_eq!(call["callee"]["dialog"]["local"], "<sip:h@127.0.0.11>;tag=b");
    assert_eq!(call["targets"][1]["current"], true);
    assert_eq!(call["end_by"], "2026-11-23T01:00:03.000Z");
    let owners: Vec<_> = call["owners"].as_array().unwrap().iter().map(|o| &o["node"]).collect();
    assert_eq!(owners, [2, 3, 2]);
    let over = get(&fake, "/v1/calls/000500c0ffee00000005").await.json();
    assert_eq!(over["end"]["by"], "caller");
    assert_eq!(over["end"]["forget_at"], "2026-11-23T00:01:39.000Z");
    assert_eq!(over["owners"].as_array().unwrap().len(), 2, "owners after its end are not its own");
}

#[tokio::test]
async fn malformed_questions_are_problems_with_an_example() {
    let fake = Fake::populated().shared();
    for (path, detail) in [
        ("/v1/calls?state=loud", "state \"loud\""),
        ("/v1/calls?limit=0", "limit 0"),
        ("/v1/calls?limit=1001", "limit 1001"),
        ("/v1/calls?limit=x", "query string"),
        ("/v1/calls?cursor=7", "cursor \"7\""),
        ("/v1/calls?stat=up", "unknown field `stat`"),
        ("/v1/calls?state=up&state=any", "duplicate field `state`"),
        ("/v1/calls/7", "id \"7\""),
        ("/v1/cdrs?from=yesterday", "from \"yesterday\""),
        ("/v1/cdrs?from=2000&to=1000", "from (2000) is not before to (1000)"),
        ("/v1/cdrs?cursor=x", "cursor \"x\""),
    ] {
        let answer = get(&fake, path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.problem().detail.contains(detail), "{path}: {}", answer.body);
    }
    let gone = get(&fake, "/v1/calls/0001000000000000dead").await;
    assert_eq!(gone.status, 404);
    assert!(gone.problem().next_step.contains("/v1/cdrs"));
}

#[tokio::test]
async fn cdrs_are_selected_paged_and_also_lines() {
    let fake = Fake::populated().shared();
    for (query, count) in [
        ("", 3),
        ("?account=acme", 1),
        ("?from=2026-11-23T00:02:00Z", 2),
        ("?to=2026-11-23T00:02:00Z", 1),
        ("?from=1795392120000&to=1795392180000", 1),
    ] {
        let page = get(&fake, &format!("/v1/cdrs{query}")).await.json();
        assert_eq!(ids(&page).len(), count, "{query}");
    }
    let first = get(&fake, "/v1/cdrs?limit=2").await.json();
    assert_eq!(
        (ids(&first), &first["next"]),
        (vec!["4700.0".to_owned(), "4701.0".into()], &json!("4701.0"))
    );
    assert_eq!(first["items"][1]["disposition"], "BUSY");
    assert_eq!(first["items"][1]["answered_at"], Value::Null);
    let rest = get(&fake, "/v1/cdrs?limit=2&cursor=4701.0").await.json();
    assert_eq!((ids(&rest), &rest["next"]), (vec!["4702.0".to_owned()], &Value::Null));

    let lines = Request::builder().uri("/v1/cdrs?limit=2").header("accept", "application/x-ndjson");
    let lines = send(options(&fake), lines.body(Body::empty()).unwrap()).await;
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    assert_eq!(lines.headers["holdline-next-cursor"], "4701.0");
    let records: Vec<Value> =
        lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json!(records), first["items"]);
}
