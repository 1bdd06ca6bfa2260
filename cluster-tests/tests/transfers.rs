//! Transfers between three phones, through nodes that own one call each: what a phone knows of its own dialog
//! leads to the other side of the call, at whichever node.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

const LIMIT: Duration = Duration::from_secs(10);
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n";

/// A phone of few words: it says what it is told to, and hears what it waits for.
struct Phone {
    name: &'static str,
    local: SocketAddr,
    socket: UdpSocket,
}

/// What a phone knows of a call: its From and To in requests of its own, Call-ID and where to.
#[derive(Clone, Debug)]
struct Dialog {
    from: String,
    to: String,
    call_id: String,
    peer: SocketAddr,
}

impl Dialog {
    fn tag(value: &str) -> &str {
        value.rsplit_once("tag=").map_or("", |(_, tag)| tag)
    }
}

fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let mut lines = message.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

fn fields(message: &str, name: &str) -> String {
    let is = |line: &&str| line.split_once(": ").is_some_and(|(key, _)| key == name);
    message.split("\r\n").filter(is).map(|line| format!("{line}\r\n")).collect()
}

impl Phone {
    async fn new(name: &'static str, local: SocketAddr) -> Self {
        Self { name, local, socket: UdpSocket::bind(local).await.unwrap() }
    }

    async fn say(&self, to: SocketAddr, text: &str) {
        self.socket.send_to(text.as_bytes(), to).await.unwrap();
    }

    /// The next message that begins so; others are passed over.
    async fn hear(&self, start: &str) -> (String, SocketAddr) {
        let end = Instant::now() + LIMIT;
        let mut heard = Vec::new();
        loop {
            let mut buffer = vec![0; 65_535];
            let left = end.saturating_duration_since(Instant::now());
            let Ok(received) = timeout(left, self.socket.recv_from(&mut buffer)).await else {
                panic!("{} does not hear {start:?}, but {heard:#?}", self.name);
            };
            let (length, from) = received.unwrap();
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if text.starts_with(start) {
                return (text, from);
            }
            heard.push(text.split("\r\n").next().unwrap_or_default().to_owned());
        }
    }

    async fn answer(&self, request: &str, to: SocketAddr, status: &str, sdp: &str) -> String {
        let mut to_field = field(request, "To").to_owned();
        if !to_field.contains("tag=") {
            to_field.push_str(&format!(";tag={}", self.name));
        }
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "SIP/2.0 {status}\r\n{}From: {}\r\nTo: {to_field}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:{}@{}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
            fields(request, "Via"),
            field(request, "From"),
            field(request, "Call-ID"),
            field(request, "CSeq"),
            self.name,
            self.local,
            sdp.len()
        );
        self.say(to, &text).await;
        to_field
    }

    /// An INVITE; `more` are header fields.
    fn invite(&self, uri: &str, id: &str, more: &str) -> String {
        let Self { name, local, .. } = self;
        format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{name}{id}\r\n\
             From: <sip:{name}@{local}>;tag={name}{id}\r\nTo: <{uri}>\r\nCall-ID: {id}@{local}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:{name}@{local}>\r\nMax-Forwards: 70\r\n{more}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
            SDP.len()
        )
    }

    /// A request within a dialog.
    async fn ask(&self, dialog: &Dialog, method: &str, cseq: u32, more: &str) {
        let Self { name, local, .. } = self;
        let Dialog { from, to, call_id, peer } = dialog;
        let text = format!(
            "{method} sip:{peer} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK{name}{method}{cseq}{}\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{name}@{local}>\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n",
            Dialog::tag(from)
        );
        self.say(*peer, &text).await;
    }
}

/// One phone calls another one; both ends of the call. The callee's INVITE, too.
async fn call(
    (caller, callee): (&Phone, &Phone),
    (uri, via): (&str, SocketAddr),
    id: &str,
    more: &str,
) -> (Dialog, Dialog, String) {
    caller.say(via, &caller.invite(uri, id, more)).await;
    let (invite, peer) = callee.hear("INVITE ").await;
    let local = callee.answer(&invite, peer, "200 OK", SDP).await;
    let (ok, _) = caller.hear("SIP/2.0 200").await;
    let at_caller = Dialog {
        from: field(&ok, "From").to_owned(),
        to: field(&ok, "To").to_owned(),
        call_id: field(&ok, "Call-ID").to_owned(),
        peer: via,
    };
    caller.ask(&at_caller, "ACK", 1, "").await;
    callee.hear("ACK ").await;
    let at_callee = Dialog {
        from: local,
        to: field(&invite, "From").to_owned(),
        call_id: field(&invite, "Call-ID").to_owned(),
        peer,
    };
    (at_caller, at_callee, invite)
}

/// A dialog as the value of a Replaces field in a URI.
fn escaped(dialog: &Dialog) -> String {
    let (to_tag, from_tag) = (Dialog::tag(&dialog.to), Dialog::tag(&dialog.from));
    let name = format!("{};to-tag={to_tag};from-tag={from_tag}", dialog.call_id);
    name.replace('@', "%40").replace(';', "%3B").replace('=', "%3D")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attended_and_blind_transfers_go_through_also_when_an_owner_dies() {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await.unwrap();
    let (first, second) = (cluster.sip(1), cluster.sip(2));
    let site = cluster.site();
    let alice = Phone::new("alice", site.caller()).await;
    let bob = Phone::new("bob", site.callee()).await;
    let carol = Phone::new("carol", site.sipp_callee()).await;
    // Alice talks to bob through one node, and asks carol through another one.
    let (to_bob, at_bob, _) =
        call((&alice, &bob), (&format!("sip:1001@{first}"), first), "1", "").await;
    let (to_carol, at_carol, _) =
        call((&alice, &carol), (&format!("sip:9002@{second}"), second), "2", "").await;
    let escaped = escaped(&to_carol);
    let refer_to = format!("Refer-To: <sip:9002@{first}?Replaces={escaped}>\r\n");
    alice.ask(&to_bob, "REFER", 2, &refer_to).await;
    let (refer, peer) = bob.hear("REFER ").await;
    let secrets = [to_carol.call_id.as_str(), Dialog::tag(&to_carol.from)];
    assert!(!secrets.iter().any(|secret| refer.contains(secret)), "it tells bob too much: {refer}");
    bob.answer(&refer, peer, "202 Accepted", "").await;
    alice.hear("SIP/2.0 202").await;
    // Another node looks the call up that is to be replaced. People take longer to transfer a call.
    cluster.settle().await.unwrap();
    // The node that owns alice's call to carol dies; that call is what bob's INVITE is to replace.
    cluster.kill(2).unwrap();
    let referred =
        field(&refer, "Refer-To").trim_start_matches('<').trim_end_matches('>').to_owned();
    let (uri, name) = referred.split_once("?Replaces=").unwrap();
    let name = name.replace("%40", "@").replace("%3B", ";").replace("%3D", "=");
    let more = format!("Replaces: {name}\r\nRequire: replaces\r\n");
    let (bobs, _, invite) = call((&bob, &carol), (uri, first), "3", &more).await;
    let replaced = field(&invite, "Replaces");
    assert_eq!(
        replaced,
        format!("{};to-tag=carol;from-tag={}", at_carol.call_id, Dialog::tag(&at_carol.to))
    );
    // Carol ends the dialog that is replaced: at the dead node's address, which another one has now.
    // Nobody is there for a moment, so it is repeated, as RFC 3261 section 17.1.2.1 says.
    let mut tries = 0..20;
    loop {
        assert!(tries.next().is_some(), "nobody answers at the address of the node that died");
        carol.ask(&at_carol, "BYE", 1, "").await;
        if timeout(Duration::from_millis(500), carol.hear("SIP/2.0 200")).await.is_ok() {
            break;
        }
    }
    // Whoever owns the call now may not know that she has acknowledged it: then it says the answer again,
    // and her BYE waits for the ACK (section 15).
    let (bye, peer) = loop {
        match alice.hear("").await {
            (text, peer) if text.starts_with("BYE ") => break (text, peer),
            (text, _) if text.starts_with("SIP/2.0 200") => {
                alice.ask(&to_carol, "ACK", 1, "").await;
            }
            (text, _) => panic!("alice hears {text}"),
        }
    };
    alice.answer(&bye, peer, "200 OK", "").await;
    // Alice ends her call to bob, who goes on talking to carol, and then transfers her without asking.
    alice.ask(&to_bob, "BYE", 3, "").await;
    alice.hear("SIP/2.0 200").await;
    let (bye, peer) = bob.hear("BYE ").await;
    bob.answer(&bye, peer, "200 OK", "").await;
    let _known = at_bob;
    bob.ask(&bobs, "REFER", 2, &format!("Refer-To: <sip:9003@{first}>\r\n")).await;
    let (refer, peer) = carol.hear("REFER ").await;
    carol.answer(&refer, peer, "202 Accepted", "").await;
    bob.hear("SIP/2.0 202").await;
    bob.ask(&bobs, "BYE", 3, "").await;
    bob.hear("SIP/2.0 200").await;
    let (bye, peer) = carol.hear("BYE ").await;
    carol.answer(&bye, peer, "200 OK", "").await;
    let cdrs = cluster.wait_cdrs(3, Duration::from_secs(5)).await.unwrap();
    assert_eq!(cdrs.len(), 3);
    assert!(cdrs.iter().all(|cdr| cdr.disposition == "ANSWERED"), "{cdrs:?}");
    cluster.pass().unwrap();
}
