//! Linearizable and stale answers.

use serde_json::json;

use super::*;
use crate::admin::consistency::applies;
use crate::admin::routes::routes;

const READS: [&str; 7] = [
    "/v1/calls",
    "/v1/cdrs?limit=2",
    "/v1/users",
    "/v1/registrations",
    "/v1/limits",
    "/v1/trunks",
    "/v1/bans",
];

fn stale(path: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}consistency=stale")
}

#[tokio::test]
async fn answers_are_linearizable_unless_said_otherwise() {
    let fake = Fake::populated().shared();
    for path in READS {
        let plain = get(&fake, path).await;
        assert_eq!(plain.status, 200, "{path}");
        assert!(!plain.headers.contains_key("holdline-state-age-ms"), "{path}");
        let mark = if path.contains('?') { '&' } else { '?' };
        let named = get(&fake, &format!("{path}{mark}consistency=linearizable")).await;
        assert_eq!((named.status.as_u16(), named.body), (200, plain.body.clone()), "{path}");
        let old = get(&fake, &stale(path)).await;
        assert_eq!(old.headers["holdline-state-age-ms"], "1500", "{path}");
        assert_eq!(old.body, plain.body, "{path}");
    }
    assert_eq!(get(&fake, "/v1/calls?consistency=fresh").await.problem().status, 400);
    let twice = "/v1/calls?consistency=stale&consistency=stale";
    assert_eq!(get(&fake, twice).await.problem().status, 400);
    let limited = get(&fake, "/v1/cdrs?consistency=stale&limit=1&account=acme").await.json();
    assert_eq!(limited["items"].as_array().unwrap().len(), 1, "the others are kept");
}

#[tokio::test]
async fn without_a_majority_only_stale_answers_are_given() {
    let fake = Fake { no_majority: true, ..Fake::populated() }.shared();
    for path in READS {
        let refused = get(&fake, path).await;
        assert_eq!(refused.status, 503, "{path}");
        assert_eq!(refused.headers["retry-after"], "1", "{path}");
        assert!(refused.problem().next_step.contains("consistency=stale"), "{}", refused.body);
        assert_eq!(get(&fake, &stale(path)).await.status, 200, "{path}");
    }
    for path in ["/livez", "/v1/cluster/health", "/v1/nodes"] {
        assert_eq!(get(&fake, path).await.status, 200, "{path} is answered by whoever is asked");
    }
}

#[tokio::test]
async fn every_read_of_replicated_state_has_the_parameter_in_the_document() {
    let document = get(&Fake::populated().shared(), "/v1/openapi.json").await.json();
    for route in routes() {
        let Some(parameters) =
            document["paths"][route.path]["get"].get("parameters").or(Some(&Value::Null))
        else {
            continue;
        };
        let documented = parameters.as_array().is_some_and(|all| {
            all.iter().any(|parameter| parameter["name"] == json!("consistency"))
        });
        let applies = applies(route.path) && route.methods.contains(&"get");
        assert_eq!(documented, applies, "{}", route.path);
    }
}
