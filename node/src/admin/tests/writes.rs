//! What can be changed.

use holdline_model::NodeId;

use super::*;
use crate::admin::fake::LOG_INDEX;

#[tokio::test]
async fn hanging_up_tells_the_owner_once_and_says_when_it_is_over() {
    let fake = Fake::populated().shared();
    let delete = |id: &'static str| ask_delete(&fake, id);
    assert_eq!(delete("000100c0ffee00000001").await.status, 202);
    assert_eq!(delete("000500c0ffee00000005").await.status, 204, "it was over already");
    assert_eq!(delete("0001000000000000dead").await.problem().status, 404);
    let hung_up: Vec<_> = fake.hung_up.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(hung_up, ["000100c0ffee00000001"]);
}

async fn ask_delete(fake: &Arc<Fake>, id: &str) -> Answer {
    ask(fake, Method::DELETE, &format!("/v1/calls/{id}")).await
}

#[tokio::test]
async fn a_node_is_drained_and_undrained() {
    let fake = Fake::populated().shared();
    let drained = ask(&fake, Method::POST, "/v1/nodes/2/drain").await;
    assert_eq!((drained.status.as_u16(), &drained.json()["draining"]), (202, &true.into()));
    assert_eq!(drained.headers["holdline-log-index"], LOG_INDEX.to_string());
    assert_eq!(*fake.draining.lock().unwrap(), [NodeId(2)].into());
    let undrained = ask(&fake, Method::DELETE, "/v1/nodes/2/drain").await;
    assert_eq!((undrained.status.as_u16(), &undrained.json()["draining"]), (202, &false.into()));
    assert!(fake.draining.lock().unwrap().is_empty());
    assert_eq!(ask(&fake, Method::POST, "/v1/nodes/9/drain").await.problem().status, 404);
    assert_eq!(ask(&fake, Method::POST, "/v1/nodes/two/drain").await.problem().status, 400);
}

#[tokio::test]
async fn the_last_node_that_could_take_over_is_not_drained() {
    let fake = Fake { dead: [NodeId(3)].into(), ..Fake::populated() }.shared();
    assert_eq!(ask(&fake, Method::POST, "/v1/nodes/2/drain").await.status, 202);
    let last = ask(&fake, Method::POST, "/v1/nodes/1/drain").await;
    assert_eq!(
        (last.status.as_u16(), last.problem().kind.as_str()),
        (409, "urn:holdline:problem:no-heir")
    );
    assert_eq!(*fake.draining.lock().unwrap(), [NodeId(2)].into());
}

#[tokio::test]
async fn without_a_majority_changes_are_refused_and_reads_go_on() {
    let fake = Fake { no_majority: true, ..Fake::populated() }.shared();
    let refused = ask(&fake, Method::POST, "/v1/nodes/2/drain").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.problem().detail.contains("no leader"), "{}", refused.body);
    assert_eq!(ask_delete(&fake, "000100c0ffee00000001").await.problem().status, 503);
    assert!(fake.hung_up.lock().unwrap().is_empty());
    assert_eq!(get(&fake, "/v1/cluster/health").await.json()["status"], "red");
    assert_eq!(get(&fake, "/v1/calls?consistency=stale").await.status, 200);
}

#[tokio::test]
async fn a_user_is_added_replaced_on_demand_and_removed_without_showing_what_it_proves() {
    let fake = Fake::default().shared();
    let path = "/v1/users/bob@example.com";
    let body = r#"{"password": "correct horse", "tenant": "acme", "max_bindings": 2}"#;
    let answer = super::put(&fake, path, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.headers["holdline-log-index"], "4711");
    for secret in ["horse", "ha1"] {
        assert!(!answer.body.contains(secret), "{}", answer.body);
    }
    let stored = fake.users.lock().unwrap().values().next().unwrap().clone();
    assert_eq!(stored.ha1, holdline_sip::digest::ha1("bob", "example.com", "correct horse"));
    let again = super::put(&fake, path, body).await;
    assert_eq!(again.problem().status, 409);
    let replace = body.replace('}', r#", "replace": true}"#);
    assert_eq!(super::put(&fake, path, &replace).await.status, StatusCode::OK);
    assert_eq!(ask(&fake, Method::DELETE, path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ask(&fake, Method::DELETE, path).await.problem().status, 404);
}

#[tokio::test]
async fn a_user_that_cannot_be_is_refused_without_repeating_the_password() {
    let fake = Fake::default().shared();
    for body in [
        r#"{"password": "too short"}"#,
        r#"{"tenant": "acme"}"#,
        r#"{"password": "correct horse", "ha1_md5": "00"}"#,
        r#"{"ha1_md5": "00", "ha1_sha256": "00"}"#,
        r#"{"password": "correct horse", "secret": 1}"#,
        r#"{"password": "correct horse""#,
    ] {
        let answer = super::put(&fake, "/v1/users/bob@example.com", body).await;
        assert_eq!(answer.problem().status, 400, "{body}");
        assert!(!answer.body.contains("horse"), "{}", answer.body);
    }
    let answer = super::put(&fake, "/v1/users/bob", r#"{"password": "correct horse"}"#).await;
    assert_eq!(answer.problem().status, 400);
    assert!(fake.users.lock().unwrap().is_empty());
}

#[tokio::test]
async fn bindings_are_ended_by_key_or_all() {
    let fake = Fake::populated().shared();
    let path = "/v1/registrations/alice@example.com";
    assert_eq!(ask(&fake, Method::DELETE, path).await.status, StatusCode::NO_CONTENT);
    let key = format!("{path}?key=sip:alice@192.0.2.9");
    assert_eq!(ask(&fake, Method::DELETE, &key).await.status, StatusCode::NO_CONTENT);
    let other = format!("{path}?key=sip:other");
    assert_eq!(ask(&fake, Method::DELETE, &other).await.problem().status, 404);
}

#[tokio::test]
async fn a_trunk_is_disabled_and_enabled() {
    let fake = Fake::populated().shared();
    let listed = get(&fake, "/v1/trunks").await.json();
    assert_eq!(listed["items"][0]["state"], "open");
    assert_eq!(listed["items"][1]["state"], "shut");
    let disabled = ask(&fake, Method::POST, "/v1/trunks/carrier-a/disable").await;
    assert_eq!((disabled.status.as_u16(), &disabled.json()["state"]), (202, &"disabled".into()));
    assert_eq!(disabled.headers["holdline-log-index"], LOG_INDEX.to_string());
    assert_eq!(fake.disabled.lock().unwrap().len(), 1);
    let enabled = ask(&fake, Method::DELETE, "/v1/trunks/carrier-a/disable").await;
    assert_eq!((enabled.status.as_u16(), &enabled.json()["state"]), (202, &"open".into()));
    assert!(fake.disabled.lock().unwrap().is_empty());
    assert_eq!(get(&fake, "/v1/trunks/nobody").await.problem().status, 404);
    assert_eq!(ask(&fake, Method::POST, "/v1/trunks/nobody/disable").await.problem().status, 404);
}

#[tokio::test]
async fn changes_of_members_say_how_many_may_fail_and_why_they_are_refused() {
    let well = Fake::populated().shared();
    let added = ask(&well, Method::POST, "/v1/members?rpc=127.0.0.14:7060&role=witness").await;
    assert_eq!((added.status.as_u16(), added.json()["node"].as_u64()), (201, Some(4)));
    assert_eq!(added.json()["after"]["may_fail"], 1);
    let odd = ask(&well, Method::POST, "/v1/members?rpc=127.0.0.14:7060&role=judge").await;
    assert_eq!(odd.status.as_u16(), 400);
    let unknown = ask(&well, Method::POST, "/v1/members/9/promote").await;
    assert_eq!(unknown.status.as_u16(), 404);
    let one_down = Fake { dead: [holdline_model::NodeId(3)].into(), ..Fake::populated() }.shared();
    let refused = ask(&one_down, Method::POST, "/v1/members/2/demote").await;
    assert_eq!(refused.status.as_u16(), 409);
    let problem = refused.problem();
    assert!(
        problem.detail.contains(
            "of 2 voters 1 are alive, and 2 are needed (now 2 of 3, and 0 more may fail)"
        ),
        "{}",
        problem.detail
    );
    assert!(problem.next_step.contains("bring back members that are down"), "{problem:?}");
    let nobody = Fake { no_majority: true, ..Fake::populated() }.shared();
    let refused = ask(&nobody, Method::DELETE, "/v1/members/2").await;
    assert_eq!(refused.status.as_u16(), 503);
}
