//! REGISTER, digest and calls to bindings.

use std::collections::BTreeMap;

use holdline_model::Millis;
use holdline_sip::message::{HeaderName, Message};

use super::registrar_world::*;
use crate::{Authentication, Event, Input, Refusal, Registration};

fn contact_of(answer: &Message) -> Vec<&str> {
    answer.list(HeaderName::Contact)
}

#[test]
fn an_unknown_sender_is_challenged_without_state() {
    let mut world = World::new();
    let mut device = Device::new();
    let text = device.register();
    let answer = world.answer(&text);
    assert_eq!(answer.status(), Some(401));
    let challenges: Vec<_> = answer.header_values(HeaderName::WwwAuthenticate).collect();
    assert_eq!(challenges.len(), 2);
    assert!(String::from_utf8_lossy(challenges[0]).contains("algorithm=SHA-256"));
    assert!(String::from_utf8_lossy(challenges[1]).contains("algorithm=MD5"));
    assert!(!device.challenged(&answer).stale);
    assert_eq!((world.commits, world.contacts()), (0, vec![]));
}

#[test]
fn the_right_password_registers_and_the_200_comes_after_the_commit() {
    let mut world = World::new();
    let mut device = Device::new();
    let text = device.register();
    let challenge = world.answer(&text);
    device.challenged(&challenge);
    world.decide = Decide::Hold;
    let text = device.register();
    assert!(world.receive(&text).is_empty(), "rule one");
    assert!(world.receive(&text).is_empty(), "a retransmission is absorbed");
    assert_eq!(world.held.len(), 1);
    world.decide = Decide::Commit;
    world.decide_held(0);
    let answer = world.sent.pop().unwrap().1;
    assert_eq!(answer.status(), Some(200));
    assert_eq!(contact_of(&answer), ["<sip:alice@203.0.113.5:5062>;expires=600"]);
    assert_eq!(world.contacts(), ["sip:alice@203.0.113.5:5062"]);
    let again = world.answer(&text);
    assert_eq!((again.status(), world.commits), (Some(200), 1), "the same answer, no commit");
}

#[test]
fn a_wrong_password_and_no_such_user_get_the_same_answer() {
    let mut answers = Vec::new();
    for (user, password) in [("alice", "wrong password!"), ("carol", PASSWORD)] {
        let mut world = World::new();
        let mut device = Device { user, password, ..Device::new() };
        let answer = device.sign_in(&mut world);
        assert!(!device.challenged(&answer).stale, "no hint that the name is right");
        assert_eq!(world.commits, 0);
        let wrong = |event: &Event| {
            matches!(event, Event::Authenticated { outcome: Authentication::Wrong, .. })
        };
        assert!(world.events.iter().any(wrong), "for whoever counts failures by source");
        let text = String::from_utf8_lossy(answer.bytes()).replace("carol", "alice");
        let nonce = text.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        answers.push(text.replace(&nonce, "NONCE"));
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_right_password_for_another_users_address_is_403() {
    let mut world = World::new();
    let mut device = Device { user: "bob", ..Device::new() };
    assert_eq!(device.sign_in(&mut world).status(), Some(403));
    assert_eq!(world.commits, 0);
}

#[test]
fn a_refresh_that_the_committed_end_covers_is_not_committed() {
    let mut world = World::new();
    let mut device = Device::new();
    device.sign_in(&mut world);
    assert_eq!(world.commits, 1);
    let mut commits = Vec::new();
    for _ in 0..6 {
        world.now += 90_000;
        let text = device.register();
        let mut answer = world.answer(&text);
        if answer.status() == Some(401) {
            assert!(device.challenged(&answer).stale, "nonces live 100 s");
            let text = device.register();
            answer = world.answer(&text);
        }
        assert_eq!(answer.status(), Some(200));
        assert_eq!(contact_of(&answer), ["<sip:alice@203.0.113.5:5062>;expires=600"]);
        commits.push(world.commits);
        let state = world.state.0.lock().unwrap();
        let until = state.locations[&aor("alice")].bindings[0].until;
        assert!(until >= Millis(world.now + 600_000), "no promise beyond what is committed");
    }
    assert_eq!(commits, [1, 1, 1, 2, 2, 2], "at most one commit every half expiry");
}

#[test]
fn a_changed_contact_is_committed_at_once() {
    let mut world = World::new();
    let mut device = Device::new();
    device.sign_in(&mut world);
    device.fields = "Contact: <sip:alice@203.0.113.5:5062>;q=0.5\r\nExpires: 600\r\n".to_owned();
    let text = device.register();
    let answer = world.answer(&text);
    assert_eq!(contact_of(&answer), ["<sip:alice@203.0.113.5:5062>;expires=600;q=0.500"]);
    assert_eq!(world.commits, 2);
}

#[test]
fn a_query_changes_nothing_and_lists_all() {
    let mut world = World::new();
    let mut device =
        Device::with("Contact: <sip:a@h1>, <sip:b@h2>;expires=120\r\nExpires: 600\r\n");
    device.sign_in(&mut world);
    device.fields = String::new();
    world.now += 60_000;
    let text = device.register();
    let answer = world.answer(&text);
    assert_eq!(contact_of(&answer), ["<sip:a@h1>;expires=600", "<sip:b@h2>;expires=120"]);
    assert_eq!(world.commits, 1);
}

#[test]
fn bindings_end_by_expires_0_by_star_and_by_time() {
    let mut world = World::new();
    let mut device = Device::with("Contact: <sip:a@h1>, <sip:b@h2>\r\nExpires: 600\r\n");
    device.sign_in(&mut world);
    device.fields = "Contact: <sip:a@h1>;expires=0\r\n".to_owned();
    let text = device.register();
    assert_eq!(contact_of(&world.answer(&text)).len(), 1);
    assert_eq!(world.contacts(), ["sip:b@h2"]);
    device.fields = "Contact: *\r\nExpires: 60\r\n".to_owned();
    let text = device.register();
    assert_eq!(world.answer(&text).status(), Some(400));
    device.fields = "Contact: *\r\nExpires: 0\r\n".to_owned();
    let text = device.register();
    let answer = world.answer(&text);
    assert_eq!((answer.status(), contact_of(&answer).len()), (Some(200), 0));
    assert!(world.contacts().is_empty());
}

#[test]
fn too_short_is_423_and_too_long_is_cut() {
    let mut world = World::new();
    let mut device = Device::with("Contact: <sip:a@h1>\r\nExpires: 59\r\n");
    let answer = device.sign_in(&mut world);
    assert_eq!(answer.status(), Some(423));
    assert_eq!(answer.header(HeaderName::MinExpires), Some(&b"60"[..]));
    device.fields = "Contact: <sip:a@h1>\r\nExpires: 999999\r\n".to_owned();
    let text = device.register();
    assert_eq!(contact_of(&world.answer(&text)), ["<sip:a@h1>;expires=3600"]);
}

#[test]
fn an_older_cseq_fails_also_after_a_refresh_without_a_commit() {
    let mut world = World::new();
    let mut device = Device::new();
    device.sign_in(&mut world);
    let mut late = device.clone();
    late.fields = "Contact: *\r\nExpires: 0\r\n".to_owned();
    let late = late.register();
    device.cseq += 1;
    device.nc += 1;
    device.branch += 1;
    let text = device.register();
    assert_eq!(world.answer(&text).status(), Some(200));
    assert_eq!(world.commits, 1, "a refresh");
    assert_eq!(world.answer(&late).status(), Some(500), "it was sent before the refresh");
    assert_eq!(world.contacts().len(), 1);
}

#[test]
fn a_user_has_so_many_bindings_at_most() {
    for replace_oldest in [true, false] {
        let mut world = World::with(|options| options.bounds.replace_oldest = replace_oldest);
        let mut device = Device::with("Contact: <sip:a@h>\r\n");
        device.sign_in(&mut world);
        let mut last = None;
        for name in ["b", "c"] {
            device.fields = format!("Contact: <sip:{name}@h>\r\n");
            let text = device.register();
            last = world.answer(&text).status();
        }
        let (status, contacts) = match replace_oldest {
            true => (200, ["sip:b@h", "sip:c@h"]),
            false => (403, ["sip:a@h", "sip:b@h"]),
        };
        assert_eq!((last, world.contacts()), (Some(status), contacts.map(str::to_owned).to_vec()));
    }
}

#[test]
fn an_instance_with_a_reg_id_keeps_its_binding_when_its_address_changes() {
    let mut world = World::new();
    let instance = ";+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    let mut device = Device::with(&format!("Contact: <sip:a@h1>{instance}\r\n"));
    device.sign_in(&mut world);
    device.fields = format!("Contact: <sip:a@h2>{instance}\r\n");
    let text = device.register();
    let answer = world.answer(&text);
    assert_eq!(contact_of(&answer), [format!("<sip:a@h2>;expires=3600{instance}")]);
    assert_eq!(world.contacts(), ["sip:a@h2"]);
}

#[test]
fn a_nonce_count_is_accepted_once() {
    let mut world = World::new();
    let mut device = Device::new();
    device.sign_in(&mut world);
    let mut other = Device { nc: device.nc - 1, branch: 77, cseq: 50, ..device.clone() };
    let text = other.register();
    let answer = world.answer(&text);
    assert_eq!(answer.status(), Some(401));
    assert!(other.challenged(&answer).stale);
    let replayed = |event: &Event| {
        matches!(event, Event::Authenticated { outcome: Authentication::Replayed, .. })
    };
    assert!(world.events.iter().any(replayed));
    // The very same bytes from elsewhere are a replay, too.
    let mut device = Device::new();
    let text = device.register();
    let challenge = world.answer(&text);
    device.challenged(&challenge);
    let text = device.register();
    let first = world.receive_at(0, PHONE, &text);
    let replay = world.receive_at(0, "203.0.113.66:5060", &text);
    assert_eq!(
        (first[0].status(), replay[0].status()),
        (Some(500), Some(401)),
        "CSeq, then replay"
    );
}

/// The claim: no two owners accept the same count, whatever was committed and whoever has died.
#[test]
fn no_count_is_accepted_by_two_owners() {
    for decide in [Decide::Commit, Decide::CommitInSilence, Decide::Lose] {
        for is_refresh in [false, true] {
            let mut world = World::new();
            let mut device = Device::new();
            if is_refresh {
                device.sign_in(&mut world);
            } else {
                let text = device.register();
                let challenge = world.answer(&text);
                device.challenged(&challenge);
            }
            world.decide = decide;
            let text = device.register();
            let accepted = world.receive_at(0, PHONE, &text);
            assert_eq!(accepted.is_empty(), !is_refresh && decide != Decide::Commit);
            world.decide = Decide::Commit;
            world.take_over();
            let mut thief = Device { nc: device.nc - 1, branch: 66, cseq: 99, ..device.clone() };
            let stolen = thief.register();
            for node in [0, 1] {
                let commits = world.commits;
                let answers = world.receive_at(node, "203.0.113.66:5060", &stolen);
                assert_eq!(answers.len(), 1, "node {node}");
                assert_eq!(answers[0].status(), Some(401), "node {node}");
                assert_eq!(world.commits, commits);
            }
            // The device itself is challenged once, with stale=true, or its lost answer is said again.
            let mut answer = world.answer(&text);
            if answer.status() == Some(401) {
                assert!(device.challenged(&answer).stale, "no user is asked for a password");
                let text = device.register();
                answer = world.answer(&text);
            }
            assert_eq!(answer.status(), Some(200), "{decide:?} {is_refresh}");
            assert_eq!(world.contacts().len(), 1);
        }
    }
}

#[test]
fn the_next_owner_says_the_lost_answer_again() {
    let mut world = World::new();
    let mut device = Device::new();
    let text = device.register();
    let challenge = world.answer(&text);
    device.challenged(&challenge);
    world.decide = Decide::CommitInSilence;
    let text = device.register();
    assert!(world.receive(&text).is_empty());
    world.take_over();
    let answer = world.answer(&text);
    assert_eq!((answer.status(), world.commits), (Some(200), 1), "without another commit");
}

#[test]
fn a_deposed_owner_registers_nobody_and_says_nothing() {
    let mut world = World::new();
    let mut device = Device::new();
    device.sign_in(&mut world);
    device.fields = "Contact: <sip:other@h>\r\n".to_owned();
    let text = device.register();
    world.take_over();
    let answers = world.receive_at(0, PHONE, &text);
    assert!(answers.is_empty(), "it proposed, and was rejected");
    assert_eq!(world.contacts(), ["sip:alice@203.0.113.5:5062"]);
    assert!(world.receive_at(0, PHONE, &text).is_empty(), "it knows now");
}

#[test]
fn other_domains_and_extensions_are_refused() {
    let mut world = World::new();
    let text = Device::new().register();
    let foreign = text.replace("To: <sip:alice@example.com>", "To: <sip:alice@elsewhere.org>");
    assert_eq!(world.answer(&foreign).status(), Some(404));
    let strange = text.replace("Expires: 600", "Require: gruu");
    assert_eq!(world.answer(&strange).status(), Some(420));
}

#[test]
fn the_table_of_nonces_is_not_filled_by_strangers() {
    let mut world = World::new();
    for _ in 0..1_000 {
        let mut device = Device { password: "wrong password!", ..Device::new() };
        device.sign_in(&mut world);
    }
    assert_eq!(world.commits, 0);
    assert!(world.state.0.lock().unwrap().locations.is_empty());
}

#[test]
fn a_users_call_is_challenged_with_407_and_is_its_tenants() {
    let mut world = World::new();
    let fields = "Contact: <sip:alice@203.0.113.5:5062>\r\n";
    let mut device = Device { call_id: "call-1", ..Device::with(fields) };
    let text = device.invite("sip:+4930123@example.com");
    let answer = world.answer(&text);
    assert_eq!(answer.status(), Some(407));
    device.challenged(&answer);
    let text = device.invite("sip:+4930123@example.com");
    let sent = world.receive(&text);
    let summary: Vec<_> = sent.iter().map(|m| (m.status(), m.request_uri())).collect();
    assert_eq!(summary, [(Some(100), None), (None, Some("sip:+4930123@198.51.100.1:5060"))]);
    assert!(sent[1].header(HeaderName::ProxyAuthorization).is_none(), "it ends here");
    let state = world.state.0.lock().unwrap();
    let call = state.calls.values().next().unwrap();
    assert_eq!((call.admission.tenant.as_str(), call.admission.trunk.as_str()), ("acme", "users"));
}

#[test]
fn strangers_and_impostors_do_not_call() {
    let mut world = World::new();
    let fields = "Contact: <sip:x@203.0.113.5:5062>\r\n";
    let mut device = Device::with(fields);
    let text = device.invite("sip:bob@example.com");
    let foreign = text.replace("From: <sip:alice@example.com>", "From: <sip:alice@elsewhere.org>");
    assert_eq!(world.answer(&foreign).status(), Some(403));
    let challenge = world.answer(&text);
    device.challenged(&challenge);
    let text = device.invite("sip:bob@example.com");
    let impostor = text.replace("From: <sip:alice@example.com>", "From: <sip:bob@example.com>");
    assert_eq!(world.answer(&impostor).status(), Some(403), "alice's password, bob's name");
    assert!(world.events.contains(&Event::Refused { reason: Refusal::OtherUser }));
}

#[test]
fn a_call_to_a_user_goes_where_it_is_registered() {
    let mut world = World::new();
    let path = "Path: <sip:192.0.2.77:5070;lr>\r\n";
    let mut device = Device::with(&format!("Contact: <sip:alice@10.0.0.5>\r\n{path}"));
    device.sign_in(&mut world);
    let call = |to: &str, id: &str| {
        format!(
            "INVITE sip:{to}@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK{id}\r\n\
             From: <sip:1@c>;tag=1\r\nTo: <sip:{to}@example.com>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:1@198.51.100.1>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let sent = world.receive_at(0, "198.51.100.1:5060", &call("alice", "c1"));
    assert_eq!(sent[1].request_uri(), Some("sip:alice@10.0.0.5"));
    assert_eq!(sent[1].routes(), ["<sip:192.0.2.77:5070;lr>"]);
    let absent = world.receive_at(0, "198.51.100.1:5060", &call("bob", "c2"));
    assert_eq!(absent[0].status(), Some(480));
    let unknown = world.receive_at(0, "198.51.100.1:5060", &call("nobody", "c3"));
    assert_eq!(unknown[0].status(), Some(404));
}

#[test]
fn the_outcomes_are_told() {
    let mut world = World::new();
    let mut device = Device::new();
    device.sign_in(&mut world);
    let text = device.register();
    world.answer(&text);
    let mut told = BTreeMap::new();
    for event in &world.events {
        if let Event::Registered { outcome } = event {
            *told.entry(outcome.as_str()).or_insert(0) += 1;
        }
    }
    let expected = [(Registration::Committed.as_str(), 1), (Registration::Refreshed.as_str(), 1)];
    assert_eq!(told, BTreeMap::from(expected));
}

/// The leader may answer a proposal before this node has applied it.
#[test]
fn the_200_waits_until_this_node_has_applied_what_is_committed() {
    let mut world = World::new();
    let mut device = Device::new();
    let text = device.register();
    let challenge = world.answer(&text);
    device.challenged(&challenge);
    world.state.1.store(0, std::sync::atomic::Ordering::Relaxed);
    let text = device.register();
    assert!(world.receive(&text).is_empty());
    assert!(world.receive(&text).is_empty(), "a retransmission waits, too");
    world.now += 5;
    world.input(Input::Tick);
    assert!(world.sent.is_empty());
    world.state.1.store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
    world.now += 5;
    world.input(Input::Tick);
    let statuses: Vec<_> = world.sent.iter().map(|(_, message)| message.status()).collect();
    assert_eq!((statuses, world.commits), (vec![Some(200)], 1));
}

/// A refresh is measured by what is applied; what is not might have ended the binding.
#[test]
fn a_refresh_is_committed_while_this_node_is_behind() {
    let mut world = World::new();
    let mut device = Device::new();
    device.sign_in(&mut world);
    world.state.1.store(0, std::sync::atomic::Ordering::Relaxed);
    let text = device.register();
    world.receive(&text);
    assert_eq!(world.commits, 2);
}

/// The outcome of a commit may come while the lease is lost, and nothing may be said then.
#[test]
fn what_was_decided_while_the_lease_was_lost_is_answered_when_it_is_said_again() {
    for (decide, commits) in [(Decide::Commit, 1), (Decide::Lose, 1)] {
        let mut world = World::new();
        let mut device = Device::new();
        let text = device.register();
        let challenge = world.answer(&text);
        device.challenged(&challenge);
        world.decide = Decide::Hold;
        let text = device.register();
        assert!(world.receive(&text).is_empty());
        world.input(Input::Suspended(true));
        world.decide = decide;
        world.decide_held(0);
        assert!(world.sent.is_empty(), "{decide:?}");
        world.input(Input::Suspended(false));
        world.decide = Decide::Commit;
        let answer = world.answer(&text);
        assert_eq!((answer.status(), world.commits), (Some(200), commits), "{decide:?}");
        assert_eq!(world.contacts(), ["sip:alice@203.0.113.5:5062"], "{decide:?}");
    }
}

#[test]
fn a_users_call_is_its_tenants_before_the_password_is_looked_at() {
    let world = World::new();
    let tenant_of = |user: &'static str, credentials: &str| {
        let mut device = Device { user, fields: credentials.to_owned(), ..Device::new() };
        let message = Message::parse(device.invite("sip:+4969@example.com").into()).unwrap();
        let hop = holdline_model::Hop::udp(addr(OURS), addr(PHONE));
        let input = Input::Sip { hop, message, slot: SLOT };
        world.nodes[0].new_call(&input).map(|call| call.tenant.to_string())
    };
    let credentials = "Proxy-Authorization: Digest x=y\r\n";
    assert_eq!(tenant_of("alice", credentials), Some("acme".to_owned()));
    assert_eq!(tenant_of("nobody", credentials), Some(String::new()));
    assert_eq!(tenant_of("alice", ""), None, "who brings none is asked for some");
}
