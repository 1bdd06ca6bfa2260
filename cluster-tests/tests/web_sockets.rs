//! A client behind a WebSocket (RFC 7118), as a browser would be: it registers, is called, calls, and
//! comes back when its node dies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use holdline_cluster_tests::cluster::{ClusterOptions, WS_PORT};
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::{CalleeScript, CallerPlan, Draft, Message, Method, Order, Start};
use md5::{Digest as _, Md5};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Clients that this process has started.
static STARTS: AtomicU32 = AtomicU32::new(1);

const LIMIT: Duration = Duration::from_secs(20);
const PASSWORD: &str = "correct horse battery";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n";

/// A client with one connection.
struct Client {
    socket: WebSocketStream<TcpStream>,
    user: String,
    domain: String,
    /// What it takes for its host.
    name: String,
    /// Which device it is.
    device: String,
    cseq: u32,
    call: u32,
    /// A client that connects anew is another one, with Call-IDs and branches of its own: its numbers
    /// begin at 1 again, and a registrar refuses one that goes back within a Call-ID.
    start: u32,
}

impl Client {
    async fn connect(to: SocketAddr, user: &str, domain: &str) -> Self {
        Self::connect_as(to, user, domain, (user, &format!("{user}.invalid"))).await
    }

    /// Connects as this device, which takes this for its host.
    async fn connect_as(
        to: SocketAddr,
        user: &str,
        domain: &str,
        (device, name): (&str, &str),
    ) -> Self {
        let end = Instant::now() + LIMIT;
        let stream = loop {
            match TcpStream::connect(to).await {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "{to}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let mut request = format!("ws://{to}/").into_client_request().unwrap();
        let sip = HeaderValue::from_static("sip");
        request.headers_mut().insert("Sec-WebSocket-Protocol", sip);
        let (socket, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
        let (user, domain) = (user.to_owned(), domain.to_owned());
        let (device, name) = (device.to_owned(), name.to_owned());
        let start = STARTS.fetch_add(1, Ordering::Relaxed);
        Self { socket, user, domain, name, device, cseq: 0, call: 0, start }
    }

    async fn send(&mut self, bytes: Bytes) {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        self.socket.send(Frame::text(text)).await.unwrap();
    }

    /// The next message; `None` if the connection ends.
    async fn next(&mut self) -> Option<Message> {
        loop {
            match timeout(LIMIT, self.socket.next()).await.expect("nothing comes") {
                Some(Ok(Frame::Text(text))) => {
                    return Some(Message::parse(&Bytes::from(text.to_string())).unwrap());
                }
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => return None,
            }
        }
    }

    async fn request(&mut self, method: Method) -> Message {
        loop {
            let message = self.next().await.expect("the connection ended");
            if matches!(&message.start, Start::Request { method: is, .. } if *is == method) {
                return message;
            }
        }
    }

    async fn answer(&mut self) -> (u16, Message) {
        loop {
            let message = self.next().await.expect("the connection ended");
            match message.start {
                Start::Response { status } if status >= 200 => return (status, message),
                _ => {}
            }
        }
    }

    fn head(&mut self, method: Method, uri: &str, call: &str, to: &str) -> Draft {
        self.cseq += 1;
        let Self { user, domain, name, cseq, start, .. } = &*self;
        let call = format!("{call}s{start}");
        Draft::request(method, uri)
            .line("Via", &format!("SIP/2.0/WS {name};branch=z9hG4bK{call}{cseq}"))
            .line("Max-Forwards", "70")
            .line("From", &format!("<sip:{user}@{domain}>;tag={user}{call}"))
            .line("To", to)
            .line("Call-ID", &format!("{call}@{name}"))
            .line("CSeq", &format!("{cseq} {method}"))
    }

    fn contact(&self) -> String {
        format!("<sip:{}@{};transport=ws>", self.user, self.name)
    }

    fn credentials(&self, challenge: &Message, method: Method, uri: &str) -> String {
        let name = ["www-authenticate", "proxy-authenticate"];
        let mut values = name.into_iter().flat_map(|name| challenge.all(name));
        let value = values.find(|value| value.contains("algorithm=MD5")).unwrap();
        let nonce = value.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let Self { user, domain, .. } = self;
        let ha1 = md5(&format!("{user}:{domain}:{PASSWORD}"));
        let ha2 = md5(&format!("{method}:{uri}"));
        let response = md5(&format!("{ha1}:{nonce}:00000001:c0ffee:auth:{ha2}"));
        format!(
            "Digest username=\"{user}\", realm=\"{domain}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=MD5, cnonce=\"c0ffee\", qop=auth, nc=00000001"
        )
    }

    async fn register(&mut self) {
        let uri = format!("sip:{}", self.domain);
        let to = format!("<sip:{}@{}>", self.user, self.domain);
        let contact =
            format!("{};+sip.instance=\"<urn:uuid:{}>\";reg-id=1", self.contact(), self.device);
        let mut credentials: Option<String> = None;
        for _ in 0..3 {
            let mut draft = self
                .head(Method::Register, &uri, "reg", &to)
                .line("Contact", &contact)
                .line("Supported", "outbound, path")
                .line("Expires", "600");
            if let Some(value) = &credentials {
                draft = draft.line("Authorization", value);
            }
            self.send(draft.end(None)).await;
            match self.answer().await {
                (200, _) => return,
                (401, challenge) => {
                    credentials = Some(self.credentials(&challenge, Method::Register, &uri));
                }
                (status, _) => panic!("REGISTER was answered with {status}"),
            }
        }
        panic!("three challenges to a REGISTER");
    }

    /// Takes a call and waits for its BYE.
    async fn take_call(&mut self) {
        self.pick_up().await;
        self.hear_bye().await;
    }

    /// Takes a call.
    async fn pick_up(&mut self) {
        let invite = self.request(Method::Invite).await;
        self.send(
            Draft::response(&invite, 180, Some("ws")).line("Contact", &self.contact()).end(None),
        )
        .await;
        let ok = Draft::response(&invite, 200, Some("ws")).line("Contact", &self.contact());
        self.send(ok.end(Some(SDP))).await;
        self.request(Method::Ack).await;
    }

    async fn hear_bye(&mut self) {
        let bye = self.request(Method::Bye).await;
        self.send(Draft::response(&bye, 200, None).end(None)).await;
    }

    /// Calls a number and hangs up.
    async fn call(&mut self, number: &str) {
        self.call += 1;
        let (call, uri) = (format!("call{}", self.call), format!("sip:{number}@{}", self.domain));
        let to = format!("<{uri}>");
        let mut credentials: Option<String> = None;
        let answer = loop {
            let contact = self.contact();
            let mut draft = self.head(Method::Invite, &uri, &call, &to).line("Contact", &contact);
            if let Some(value) = &credentials {
                draft = draft.line("Proxy-Authorization", value);
            }
            let cseq = self.cseq;
            self.send(draft.end(Some(SDP))).await;
            let (status, answer) = self.answer().await;
            if status == 200 {
                break answer;
            }
            assert_eq!((status, credentials.is_none()), (407, true));
            // Of a failure: the same branch and number as the INVITE.
            self.cseq = cseq - 1;
            let to = answer.header("to").unwrap().to_owned();
            let ack = self.head(Method::Ack, &uri, &call, &to);
            self.send(ack.end(None)).await;
            credentials = Some(self.credentials(&answer, Method::Invite, &uri));
        };
        let target = answer.header("contact").unwrap();
        let target = target.trim_start_matches('<').split('>').next().unwrap().to_owned();
        let to = answer.header("to").unwrap().to_owned();
        self.cseq -= 1;
        let ack = self.head(Method::Ack, &target, &call, &to);
        self.send(ack.end(None)).await;
        let bye = self.head(Method::Bye, &target, &call, &to);
        self.send(bye.end(None)).await;
        assert_eq!(self.answer().await.0, 200);
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The trunk `caller` calls the user, who has registered, and whose client takes the call.
async fn called(stage: &Stage, client: &mut Client, user: &str) {
    let plan = CallerPlan::hold(user, stage.cluster.sip(1)).hang_up_after_ms(200);
    stage.caller.order(vec![Order::Place(plan)]).await.unwrap();
    client.take_call().await;
}

fn add_user(stage: &Stage, address: &str) {
    let output = std::process::Command::new(stage.cluster.program())
        .args(["user", "add", address, "--url"])
        .arg(stage.cluster.admin(1).url())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            use std::io::Write as _;
            child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes())?;
            child.wait_with_output()
        });
    assert!(output.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_registers_is_called_calls_and_comes_back_when_its_node_dies() {
    let options =
        ClusterOptions { registrar: true, web_sockets: true, ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let domain = stage.cluster.sip(1).ip().to_string();
    let user = "8001";
    add_user(&stage, &format!("{user}@{domain}"));
    let script = CalleeScript::answer_after_ms(20);
    stage.callee.order(vec![Order::Script("1".into(), script)]).await.unwrap();
    let at = SocketAddr::new(stage.cluster.sip(1).ip(), WS_PORT);
    let mut client = Client::connect(at, user, &domain).await;
    client.register().await;
    called(&stage, &mut client, user).await;
    client.call("1777001").await;

    stage.cluster.kill(1).unwrap();
    assert!(client.next().await.is_none(), "the connection outlived its node");
    let mut client = Client::connect(at, user, &domain).await;
    client.register().await;
    // A binding that was replaced is looked for anew when the INVITE is sent, in what its node knows by then.
    stage.cluster.settle().await.unwrap();
    called(&stage, &mut client, user).await;
    client.call("1777002").await;
    for number in ["1777001", "1777002"] {
        let cdrs = stage.cdrs_of(&[number.to_owned()]).await.unwrap();
        assert!(cdrs.iter().any(|cdr| cdr.number() == number && cdr.disposition == "ANSWERED"));
    }
    stage.cluster.restart(1).unwrap();
    stage.cluster.wait_home(LIMIT).await.unwrap();
    stage.cluster.pass().unwrap();
}

/// Two devices of one user behind one address, both gone and back under other contacts: what belongs to the
/// call of one goes to that one, because it says the same instance-id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_comes_back_under_another_contact_is_found_by_its_call() {
    // One node, whichever, applies what the others have committed as late as can be set.
    let raft = vec![("spare_hold_ms".to_owned(), 90)];
    let options =
        ClusterOptions { registrar: true, web_sockets: true, raft, ..ClusterOptions::default() };
    let stage = Stage::open(&options, 1).await.unwrap();
    let domain = stage.cluster.sip(1).ip().to_string();
    let user = "8001";
    add_user(&stage, &format!("{user}@{domain}"));
    let at = SocketAddr::new(stage.cluster.sip(1).ip(), WS_PORT);
    let back = SocketAddr::new(stage.cluster.sip(2).ip(), WS_PORT);
    wait_raised(&stage).await;
    let mut desk = Client::connect_as(at, user, &domain, ("desk", "desk.invalid")).await;
    desk.register().await;
    let plan = CallerPlan::hold(user, stage.cluster.sip(1));
    stage.caller.order(vec![Order::Place(plan)]).await.unwrap();
    desk.pick_up().await;
    drop(desk);
    let mut hall = Client::connect_as(back, user, &domain, ("hall", "hall.invalid")).await;
    hall.register().await;
    let mut desk = Client::connect_as(back, user, &domain, ("desk", "desk-again.invalid")).await;
    desk.register().await;
    let number = [user.to_owned()];
    let hang_up = async { stage.hang_up_callers(&number).await.unwrap() };
    let (heard, ()) = tokio::join!(timeout(LIMIT, desk.hear_bye()), hang_up);
    heard.expect("the BYE came to the device");
    let cdrs = stage.cdrs_of(&number).await.unwrap();
    assert_eq!(cdrs[0].hangup_by, "caller");
    stage.cluster.pass().unwrap();
}

/// Until the cluster has the format that keeps former contacts.
async fn wait_raised(stage: &Stage) {
    let end = Instant::now() + LIMIT;
    let admin = stage.cluster.any_admin().unwrap();
    while admin.document("/v1/cluster/health").await.unwrap()["format"] != 3 {
        assert!(Instant::now() < end, "the format is not raised");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
