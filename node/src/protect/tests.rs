//! The screen and the keeper together, without sockets.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use holdline_cluster::gossip::{Bulletin, Heard};
use holdline_guard::{BanError, BanScope, Rate, ShieldOptions};
use holdline_model::{CallId, Cidr, SlotId, Token};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;

const TRUNK: &str = "192.0.2.0/24";

fn config() -> ProtectionConfig {
    ProtectionConfig {
        shield: Some(ShieldOptions {
            packets: Some(Rate::new(1, 20)),
            transactions: Some(Rate::new(1, 5)),
            auth_failures: Some(Rate::new(1, 3)),
            exempt: Some(Rate::new(1, 50)),
            strangers: None,
            ban_after: Some(10),
            ..ShieldOptions::default()
        }),
        ban_for: Duration::from_secs(60),
        allow: vec![TRUNK.parse().unwrap()],
        overload: None,
        retry_after_s: 2,
    }
}

fn protection() -> (Arc<Protection>, mpsc::Receiver<News>) {
    Protection::new(NodeId(1), Clock::start(), config(), 1, 7)
}

/// A running keeper.
struct Kept {
    protection: Arc<Protection>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

fn keep() -> Kept {
    let (protection, news) = protection();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(keeper::run(Arc::clone(&protection), news, Bulletin::alone(), stop.clone()));
    Kept { protection, tasks, stop }
}

impl Kept {
    async fn add(&self, block: &str, scope: BanScope) -> Result<(), BanError> {
        let (reply, outcome) = oneshot::channel();
        let until = self.protection.clock.now().plus_ms(60_000);
        let block = block.parse().unwrap();
        self.protection.tell(News::Add { block, until, scope, reply });
        outcome.await.unwrap().map(drop)
    }

    async fn banned(&self, address: &str) -> bool {
        let address = address.parse().unwrap();
        for _ in 0..500 {
            if self.protection.bans.load().find(self.protection.clock.now(), address).is_some() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn request(method: &str, uri: &str, to: &str) -> Bytes {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKx\r\n\
         From: <sip:a@b>;tag=f\r\nTo: {to}\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    .into()
}

fn invite() -> Bytes {
    request("INVITE", "sip:+4969@h", "<sip:b@c>")
}

fn bye() -> Bytes {
    let call = CallId { slot: SlotId(3), nonce: 9 };
    request("BYE", "sip:b@c", &format!("<sip:b@c>;tag={}", Token::caller_tag(call)))
}

fn passes(protection: &Protection, peer: &str, bytes: &Bytes) -> bool {
    let peer = SocketAddr::new(peer.parse().unwrap(), 5060);
    protection.screen().passes(peer, bytes)
}

#[tokio::test]
async fn a_banned_source_is_heard_no_more_but_for_calls_that_are_up_and_emergencies() {
    let kept = keep();
    kept.protection.emergency.store(Arc::new(EmergencyNumbers::new(vec!["112".to_owned()])));
    kept.add("198.51.100.0/24", BanScope::New).await.unwrap();
    let passes = |bytes: &Bytes| self::passes(&kept.protection, "198.51.100.7", bytes);
    assert!(!passes(&invite()));
    assert!(!passes(&Bytes::from_static(b"junk")));
    assert!(passes(&bye()));
    assert!(passes(&request("INVITE", "sip:112@h", "<sip:112@h>")));
    assert!(self::passes(&kept.protection, "203.0.113.1", &invite()), "another source");
    kept.add("198.51.100.7", BanScope::All).await.unwrap();
    assert!(!passes(&bye()), "an operator may cut a source off");
    kept.end().await;
}

#[tokio::test]
async fn a_flood_is_dropped_and_banned_and_its_calls_go_on() {
    let kept = keep();
    let passed = (0..100).filter(|_| passes(&kept.protection, "198.51.100.7", &invite())).count();
    assert!((5..=7).contains(&passed), "{passed}");
    assert!(kept.banned("198.51.100.7").await);
    let passed = (0..40).filter(|_| passes(&kept.protection, "198.51.100.7", &bye())).count();
    assert_eq!(passed, 40);
    let list =
        kept.protection.tops.local(tops::Dimension::Sources, kept.protection.clock.elapsed_ns(), 1);
    assert_eq!((list.items[0].key.as_str(), list.items[0].count), ("198.51.100.7", 140));
    kept.end().await;
}

#[tokio::test]
async fn a_trunk_is_neither_limited_nor_banned() {
    let kept = keep();
    assert!((0..1_000).all(|_| passes(&kept.protection, "192.0.2.7", &invite())));
    for _ in 0..100 {
        kept.protection.auth_failed("192.0.2.7".parse().unwrap());
    }
    let refused = kept.add("192.0.0.0/16", BanScope::All).await.unwrap_err();
    let allowed: Cidr = TRUNK.parse().unwrap();
    assert_eq!(refused, BanError::Allowed { block: "192.0.0.0/16".parse().unwrap(), allowed });
    assert_eq!(kept.protection.bans.load().all().count(), 0);
    kept.end().await;
}

#[tokio::test]
async fn guessing_passwords_leads_to_a_ban() {
    let kept = keep();
    for _ in 0..5 {
        kept.protection.auth_failed("198.51.100.9".parse().unwrap());
    }
    assert!(kept.banned("198.51.100.9").await);
    kept.end().await;
}

#[tokio::test]
async fn bans_are_told_heard_and_had_back_after_a_restart() {
    let kept = keep();
    for n in 0..MAX_BANS {
        kept.add(&format!("2001:db8:1:{n:x}::/64"), BanScope::New).await.unwrap();
    }
    let texts = keeper::texts(&kept.protection.bans.load());
    let all: usize = texts.iter().map(|text| text.lines().count()).sum();
    assert_eq!(all, MAX_BANS, "gossip has room for all");
    let topics = (0..).map(|n| format!("bans/{n}")).zip(texts).collect();
    let heard: Heard = [(NodeId(2), topics)].into();
    let (restarted, _news) = protection();
    let mut bans = Bans::clone(&restarted.bans.load());
    assert!(keeper::hear(&restarted, &mut bans, &heard));
    let before: Vec<_> = kept.protection.bans.load().all().copied().collect();
    assert_eq!(bans.all().copied().collect::<Vec<_>>(), before, "the same until the same time");
    assert!(!keeper::hear(&restarted, &mut bans, &heard), "told again, it is no news");
    let heard: Heard = [(NodeId(2), [("bans/0".to_owned(), "nonsense".to_owned())].into())].into();
    assert!(!keeper::hear(&restarted, &mut bans, &heard));
    kept.end().await;
}

#[test]
fn new_calls_are_let_in_at_the_pace_of_the_gate_and_emergencies_always() {
    let (protection, _news) = protection();
    assert!((0..100).all(|_| protection.enter("sip:+4969@h").is_ok()));
    protection.gate.set(Some(1));
    let refused = (0..100).filter(|_| protection.enter("sip:+4969@h").is_err()).count();
    assert!(refused >= 97, "{refused}");
    assert!((0..100).all(|_| protection.enter("urn:service:sos").is_ok()));
}
