//! Bans, heavy hitters and overload.

use super::*;
use crate::admin::fake::TRUSTED;

#[tokio::test]
async fn a_block_is_banned_listed_and_lifted() {
    let fake = Fake::default().shared();
    let added = ask(&fake, Method::POST, "/v1/bans/10.0.0.0%2F8?for_s=60&scope=all").await;
    assert_eq!(added.status, 201);
    let ban = added.json();
    assert_eq!(
        (&ban["block"], &ban["scope"], &ban["reason"]),
        (&"10.0.0.0/8".into(), &"all".into(), &"operator".into())
    );
    let list = get(&fake, "/v1/bans").await.json();
    assert_eq!(list["items"][0]["block"], "10.0.0.0/8");
    assert_eq!(ask(&fake, Method::DELETE, "/v1/bans/10.0.0.0%2F8").await.status, 204);
    let again = ask(&fake, Method::DELETE, "/v1/bans/10.0.0.0%2F8").await.problem();
    assert_eq!((again.status, again.detail.as_str()), (404, "10.0.0.0/8 is not banned"));
}

#[tokio::test]
async fn a_trusted_peer_is_not_banned_and_both_blocks_are_named() {
    let fake = Fake::default().shared();
    let refused = ask(&fake, Method::POST, "/v1/bans/192.0.0.0%2F16").await.problem();
    assert_eq!(refused.status, 409);
    assert!(refused.detail.contains("192.0.0.0/16") && refused.detail.contains(TRUSTED));
}

#[tokio::test]
async fn mistakes_in_bans_are_named() {
    let fake = Fake::default().shared();
    for (path, part) in [
        ("/v1/bans/carrier", "expected an IP address"),
        ("/v1/bans/10.0.0.1%2F8", "did you mean 10.0.0.0/8?"),
        ("/v1/bans/10.0.0.1?for_s=0", "for_s 0 is out of range"),
        ("/v1/bans/10.0.0.1?scope=some", "scope \"some\""),
        ("/v1/bans/10.0.0.1?for=60", "query string"),
    ] {
        let problem = ask(&fake, Method::POST, path).await.problem();
        assert!(problem.status == 400 && problem.detail.contains(part), "{path}: {problem:?}");
    }
    assert!(fake.banned.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_heaviest_are_shown_by_dimension() {
    let fake = Fake::default().shared();
    let top = get(&fake, "/v1/top/callers?limit=1").await.json();
    assert_eq!((&top["nodes"], &top["items"][0]["count"]), (&3.into(), &90.into()));
    assert_eq!(top["items"][0]["per_second_milli"], 2142);
    assert_eq!(top["items"].as_array().unwrap().len(), 1);
    assert_eq!(get(&fake, "/v1/top/callers?scope=node").await.json()["nodes"], 1);
    assert_eq!(get(&fake, "/v1/top/weather").await.problem().status, 404);
    assert_eq!(get(&fake, "/v1/top/callers?limit=0").await.problem().status, 400);
    assert_eq!(get(&fake, "/v1/top/callers?scope=world").await.problem().status, 400);
}

#[tokio::test]
async fn numbers_are_not_shown_without_the_token() {
    let fake = Fake::default().shared();
    let request = Request::builder().uri("/v1/top/callers").body(Body::empty()).unwrap();
    assert_eq!(send(with_token(&fake), request).await.problem().status, 401);
}
