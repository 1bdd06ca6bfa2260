//! Names, asked of a name server on real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(unreachable_pub, reason = "in its own crate it is public")]
#[path = "../../../cluster-tests/src/peers/name_server.rs"]
mod name_server;

use std::sync::Arc;
use std::time::Duration;

use holdline_model::Transport;
use holdline_sip::locate::{Asked, CacheOptions, Means};
use holdline_transport::dns::{Dns, DnsOptions, Locator, LocatorOptions};
use name_server::NameServer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

async fn server(ttl_s: u32) -> NameServer {
    NameServer::start("127.0.0.1:0".parse().unwrap(), ttl_s).await.unwrap()
}

fn locator(server: &NameServer, cache: CacheOptions) -> Locator {
    let options = DnsOptions {
        servers: vec![server.address()],
        timeout: Duration::from_millis(200),
        attempts: 0,
    };
    let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
    let means = Means { transports, v4: true, v6: true };
    let options = (
        Arc::new(Dns::new(&options).unwrap()),
        LocatorOptions { cache, timeout: Duration::from_secs(1), ..LocatorOptions::default() },
    );
    Locator::new(options.0, means, options.1, TaskTracker::new(), CancellationToken::new())
}

async fn find(locator: &Locator, host: &str) -> Result<Vec<String>, String> {
    let asked = Asked::name(host, None).unwrap();
    let found = locator.find(&asked, Duration::ZERO).await.map_err(|error| error.to_string())?;
    Ok(found.places().map(|p| format!("{} {}", p.transport.param(), p.address)).collect())
}

#[tokio::test]
async fn a_domain_is_followed_from_naptr_to_addresses_and_remembered() {
    let server = server(300).await;
    server.naptr("example.test", &[(10, 10, "SIP+D2T", "_sip._tcp.example.test")]);
    server.srv("_sip._tcp.example.test", &[(2, 0, 5062, "b.test"), (1, 0, 5061, "A.test")]);
    server.host("a.test", &["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]);
    server.host("b.test", &["192.0.2.2".parse().unwrap()]);
    let locator = locator(&server, CacheOptions::default());
    let expected = ["tcp 192.0.2.1:5061", "tcp [2001:db8::1]:5061", "tcp 192.0.2.2:5062"];
    assert_eq!(find(&locator, "Example.test").await.unwrap(), expected);
    let mut asked = server.asked();
    asked.sort();
    assert_eq!(
        asked,
        [
            "A a.test",
            "A b.test",
            "AAAA a.test",
            "AAAA b.test",
            "NAPTR example.test",
            "SRV _sip._tcp.example.test"
        ]
    );
    assert_eq!(find(&locator, "example.test").await.unwrap(), expected);
    assert_eq!(server.asked().len(), asked.len(), "nothing is asked twice");
    let asked = Asked::name("example.test", None).unwrap();
    assert_eq!(locator.last(&asked).unwrap().unwrap().places().count(), 3);
    assert!(locator.is_fresh(&asked, Duration::from_secs(250)));
    assert!(!locator.is_fresh(&asked, Duration::from_secs(301)));
}

#[tokio::test]
async fn what_does_not_exist_is_an_error_that_names_the_records_and_is_remembered() {
    let server = server(300).await;
    let locator = locator(&server, CacheOptions::default());
    let why = find(&locator, "no.test").await.unwrap_err();
    assert_eq!(
        why,
        "no.test: there is no NAPTR no.test, no SRV _sip._udp.no.test, no SRV _sip._tcp.no.test, \
         no SRV _sips._tcp.no.test, no A/AAAA no.test"
    );
    let count = server.asked().len();
    assert_eq!(find(&locator, "no.test").await.unwrap_err(), why);
    assert_eq!(server.asked().len(), count);
}

#[tokio::test]
async fn many_who_ask_at_once_cause_one_question() {
    let server = server(300).await;
    server.host("h.test", &["192.0.2.1".parse().unwrap()]);
    let locator = locator(&server, CacheOptions::default());
    let all = (0..20).map(|_| find(&locator, "h.test:5060"));
    for found in futures::future::join_all(all).await {
        assert_eq!(found.unwrap(), ["udp 192.0.2.1:5060"]);
    }
    assert_eq!(server.asked().len(), 2, "A and AAAA: {:?}", server.asked());
}

#[tokio::test]
async fn what_has_expired_is_used_while_nobody_answers_and_then_is_not() {
    let server = server(0).await;
    server.host("h.test", &["192.0.2.1".parse().unwrap()]);
    let cache = CacheOptions {
        min_ttl: Duration::from_millis(100),
        stale: Duration::from_millis(1_500),
        retry: Duration::from_millis(100),
        ..CacheOptions::default()
    };
    let locator = locator(&server, cache);
    let began = tokio::time::Instant::now();
    find(&locator, "h.test:5060").await.unwrap();
    server.be_silent(true);
    let asked = Asked::name("h.test:5060", None).unwrap();
    let mut stale = 0;
    let why = loop {
        assert!(began.elapsed() < Duration::from_secs(20), "it is used for ever");
        if locator.is_fresh(&asked, Duration::ZERO) {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        }
        match find(&locator, "h.test:5060").await {
            Ok(found) => {
                assert_eq!(found, ["udp 192.0.2.1:5060"]);
                stale += 1;
            }
            Err(why) => break why,
        }
    };
    assert!(stale > 0, "it was never used after its end");
    assert!(began.elapsed() >= Duration::from_millis(1_600));
    assert!(why.starts_with("h.test:5060: A/AAAA h.test cannot be asked: "), "{why}");
    // Where it leads now, since somebody answers again.
    server.host("h.test", &["192.0.2.2".parse().unwrap()]);
    server.be_silent(false);
    loop {
        match find(&locator, "h.test:5060").await {
            Ok(found) => break assert_eq!(found, ["udp 192.0.2.2:5060"]),
            Err(why) => assert!(began.elapsed() < Duration::from_secs(20), "{why}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
