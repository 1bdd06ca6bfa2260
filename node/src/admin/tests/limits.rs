//! Limits and caps by the API, and requests that cost a token of theirs.

use std::sync::LazyLock;

use holdline_limit::LimitTable;
use holdline_model::limit::{Operation, Request as Asked};
use holdline_model::{CallRecord, NodeId};
use serde_json::json;

use super::*;
use crate::admin::fake::{self, START, Tokens};

/// One of everything.
pub(super) static LIMITS: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "class": [
            {"name": "all", "assured": "10/s", "burst": 10},
            {"name": "paying", "parent": "all", "assured": "25%", "burst": 2, "ceiling": "8/s"},
        ],
        "each": [{"name": "per-source", "by": "source", "rate": "1/s", "burst": 2}],
        "cap": [{"name": "lines", "by": "trunk_out", "calls": 480}],
    })
});

/// A call is asked for, and one is up.
pub(super) fn use_them(fake: &Fake) {
    let mut table = fake.limits.lock().unwrap();
    let asked = Asked {
        operation: Operation::Invite,
        pop: "fra",
        tenant: "acme",
        trunk: "office",
        source: [192, 0, 2, 1].into(),
        caller: "100",
        called: "200",
    };
    table.ask(NodeId(1), START, &asked);
    let record: CallRecord = fake::call(1);
    table.call_up(&record);
}

fn caps(table: &LimitTable) -> Vec<(String, u32)> {
    let caps = &table.settings().config.cap;
    caps.iter().map(|cap| (cap.name.to_string(), cap.calls)).collect()
}

#[tokio::test]
async fn caps_are_set_listed_and_removed_and_the_rest_of_the_limits_stays() {
    let fake = Fake::default().shared();
    put(&fake, "/v1/limits", &LIMITS.to_string()).await;
    let set = put(&fake, "/v1/caps/lines", "{\"by\": \"trunk_out\", \"calls\": 500}").await;
    assert_eq!((set.status.as_u16(), &set.json()["version"]), (200, &2.into()), "{}", set.body);
    let new =
        put(&fake, "/v1/caps/acme", "{\"calls\": 30, \"match\": {\"tenant\": [\"acme\"]}}").await;
    assert_eq!(new.json()["items"][1]["calls"], 30);
    assert_eq!(caps(&fake.limits.lock().unwrap()), [("lines".into(), 500), ("acme".into(), 30)]);
    assert_eq!(fake.limits.lock().unwrap().settings().config.class.len(), 2);
    use_them(&fake);
    let list = get(&fake, "/v1/caps").await.json();
    assert_eq!(
        (&list["calls_up"], &list["items"][0]["fullest"][0]["calls"]),
        (&1.into(), &1.into())
    );
    assert_eq!(ask(&fake, Method::DELETE, "/v1/caps/lines").await.status, 204);
    assert_eq!(caps(&fake.limits.lock().unwrap()), [("acme".into(), 30)]);
    let gone = ask(&fake, Method::DELETE, "/v1/caps/lines").await.problem();
    assert!(gone.status == 404 && gone.detail.contains("lines"), "{gone:?}");
}

#[tokio::test]
async fn mistakes_in_caps_are_named_and_change_nothing() {
    let fake = Fake::default().shared();
    put(&fake, "/v1/limits", &LIMITS.to_string()).await;
    for (path, body, status, part) in [
        ("/v1/caps/a", "{}", 400, "missing field `calls`"),
        ("/v1/caps/a", "{\"calls\": -1}", 400, "invalid value"),
        ("/v1/caps/a", "{\"calls\": 1, \"byy\": \"tenant\"}", 400, "unknown field `byy`"),
        ("/v1/caps/all", "{\"calls\": 1}", 422, "\"all\" is given twice"),
        ("/v1/caps/a", "{\"calls\": 1, \"status\": 486}", 422, "486"),
        ("/v1/caps/a?version=7", "{\"calls\": 1}", 409, "version 7"),
        ("/v1/caps/a?wersion=7", "{\"calls\": 1}", 400, "query string"),
    ] {
        let problem = put(&fake, path, body).await.problem();
        assert!(
            problem.status == status && problem.detail.contains(part),
            "{path} {body}: {problem:?}"
        );
    }
    assert_eq!(fake.limits.lock().unwrap().settings().version, 1);
}

/// As many classes as there can be, each with a list of tenants.
fn large() -> String {
    let name = |n: usize| format!("class-{n:04}-with-a-name-as-long-as-they-come-in-practice");
    let tenants =
        |n: usize| -> Vec<String> { (0..20).map(|m| format!("tenant-{n}-{m}")).collect() };
    let root = json!({"name": "all", "assured": "5000/s", "burst": 5_000});
    let child = |n| {
        json!({
            "name": name(n), "parent": "all", "match": {"tenant": tenants(n)},
            "assured": "3/s", "burst": 3, "ceiling": "100/s", "ceiling_burst": 10,
        })
    };
    let classes: Vec<Value> = std::iter::once(root).chain((1..1_024).map(child)).collect();
    json!({ "class": classes }).to_string()
}

#[tokio::test]
async fn the_largest_trees_fit_and_what_is_larger_still_is_413() {
    let fake = Fake::default().shared();
    let body = large();
    assert!(body.len() > 400_000, "{}", body.len());
    let answer = put(&fake, "/v1/limits", &body).await;
    assert_eq!(answer.status, 200, "{}", &answer.body[..200.min(answer.body.len())]);
    let shown = get(&fake, "/v1/limits").await.json();
    assert_eq!(shown["classes"].as_array().unwrap().len(), 1_024);
    let too_large = " ".repeat((2 << 20) + 1);
    let announced = Request::builder().method(Method::PUT).uri("/v1/limits");
    let announced = announced.header("content-length", too_large.len().to_string());
    for request in [
        announced.body(Body::from(too_large.clone())).unwrap(),
        Request::builder()
            .method(Method::PUT)
            .uri("/v1/limits")
            .body(Body::from(too_large))
            .unwrap(),
    ] {
        let problem = send(options(&fake), request).await.problem();
        assert_eq!(problem.status, 413);
        assert!(problem.detail.contains("2097152"), "{problem:?}");
    }
}

#[tokio::test]
async fn a_request_without_a_token_is_429_with_retry_after() {
    let fake = Fake::default().shared();
    fake.tokens.lock().unwrap().push_back(Tokens::Spent);
    let answer = get(&fake, "/v1/nodes").await;
    assert_eq!(answer.headers["retry-after"], "3");
    let problem = answer.problem();
    assert!(problem.status == 429 && problem.detail.contains("\"operators\""), "{problem:?}");
    assert_eq!(get(&fake, "/v1/nodes").await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_being_leased_is_waited_for_but_not_for_ever() {
    let fake = Fake::default().shared();
    fake.tokens.lock().unwrap().extend([Tokens::Asked, Tokens::Asked, Tokens::Here]);
    assert_eq!(get(&fake, "/v1/nodes").await.status, 200);
    assert!(fake.tokens.lock().unwrap().is_empty());
    fake.tokens.lock().unwrap().extend(std::iter::repeat_n(Tokens::Asked, 100));
    let answer = get(&fake, "/v1/nodes").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["retry-after"]),
        (429, &"1".parse().unwrap())
    );
}

#[tokio::test]
async fn what_shows_and_mends_the_limits_costs_nothing() {
    let fake = Fake::default().shared();
    for path in ["/livez", "/metrics", "/v1/limits", "/v1/caps", "/v1/protection"] {
        fake.tokens.lock().unwrap().push_back(Tokens::Spent);
        assert_eq!(get(&fake, path).await.status, 200, "{path}");
    }
    assert_eq!(put(&fake, "/v1/limits", &LIMITS.to_string()).await.status, 200);
    assert_eq!(fake.tokens.lock().unwrap().len(), 5, "none was taken");
}
