//! A phone that registers: one user, one contact, digest by MD5. Written from RFC 3261 and RFC 7616
//! alone, like the agents; what is called at its contact is an agent's business.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::ua::{Malformed, Message, Start};

/// First pause before a request is repeated (T1); it doubles up to T2.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// How long one request is repeated (64 × T1).
const LIMIT: Duration = Duration::from_secs(32);
/// Challenges that one registration answers.
const CHALLENGES: u32 = 3;
/// Largest datagram.
const DATAGRAM: usize = 65_535;

/// A phone.
#[derive(Debug)]
pub struct Phone {
    socket: UdpSocket,
    user: String,
    domain: String,
    password: String,
    contact: String,
    call_id: String,
    cseq: u32,
    challenge: Option<(String, u32)>,
    /// The Authorization value of the last request that was accepted.
    accepted: Option<String>,
}

/// What came of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The last answer's status.
    pub status: u16,
    /// The contacts in it.
    pub contacts: Vec<String>,
    /// How often it was challenged on the way.
    pub challenges: u32,
    /// Whether a challenge said that only the nonce was at fault.
    pub stale: bool,
    /// How long it took.
    pub took: Duration,
}

/// Why there was no answer.
#[derive(thiserror::Error)]
pub enum PhoneError {
    /// The socket.
    #[error("the phone's socket: {0}")]
    Socket(#[from] io::Error),
    /// Nobody answered within 64 × T1.
    #[error("no answer to a REGISTER of {user} within {LIMIT:?}")]
    Silence {
        /// Whose.
        user: String,
    },
    /// The answer is not SIP.
    #[error("an answer cannot be read: {0}")]
    Malformed(#[from] Malformed),
}

debug_in_words!(PhoneError);

impl Phone {
    /// A phone of `user@domain` at a port of its own on `local`'s address; it is called at `contact`.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn new(
        local: SocketAddr,
        user: &str,
        domain: &str,
        password: &str,
        contact: SocketAddr,
    ) -> Result<Self, PhoneError> {
        let socket = UdpSocket::bind(SocketAddr::new(local.ip(), 0)).await?;
        Ok(Self {
            call_id: format!("{user}-{}", socket.local_addr()?),
            socket,
            user: user.to_owned(),
            domain: domain.to_owned(),
            password: password.to_owned(),
            contact: format!("<sip:{user}@{contact}>"),
            cseq: 0,
            challenge: None,
            accepted: None,
        })
    }

    /// Registers for so many seconds, answering challenges.
    ///
    /// # Errors
    /// If nobody answers, or otherwise than with SIP.
    pub async fn register(
        &mut self,
        to: SocketAddr,
        expires: u32,
    ) -> Result<Registered, PhoneError> {
        let lines = format!("Contact: {}\r\nExpires: {expires}\r\n", self.contact);
        self.send(to, &lines).await
    }

    /// The phone comes back under another contact: a device with this instance-id (RFC 5626 section 4.1).
    pub fn move_to(&mut self, contact: &str, instance: &str) {
        self.contact = format!("<{contact}>;reg-id=1;+sip.instance=\"<{instance}>\"");
    }

    /// Asks what is registered.
    ///
    /// # Errors
    /// As [`Phone::register`].
    pub async fn query(&mut self, to: SocketAddr) -> Result<Registered, PhoneError> {
        self.send(to, "").await
    }

    /// Says again, as a request of its own, what was accepted before: a replay.
    ///
    /// # Errors
    /// As [`Phone::register`].
    pub async fn replay(&mut self, to: SocketAddr) -> Result<u16, PhoneError> {
        let accepted = self.accepted.clone().unwrap_or_default();
        self.cseq += 100;
        let lines = format!(
            "Contact: <sip:thief@192.0.2.66>\r\nExpires: 600\r\nAuthorization: {accepted}\r\n"
        );
        let request = self.request(&lines);
        Ok(self.exchange(to, &request).await?.1)
    }

    async fn send(&mut self, to: SocketAddr, lines: &str) -> Result<Registered, PhoneError> {
        let began = Instant::now();
        let (mut challenges, mut stale) = (0, false);
        loop {
            self.cseq += 1;
            let credentials = self.credentials();
            let field = credentials.as_ref().map(|value| format!("Authorization: {value}\r\n"));
            let request = self.request(&format!("{lines}{}", field.unwrap_or_default()));
            let (answer, status) = self.exchange(to, &request).await?;
            if status == 401 && challenges < CHALLENGES {
                challenges += 1;
                stale |= self.challenged(&answer);
                continue;
            }
            if status == 200 {
                self.accepted = credentials;
            }
            let contacts = answer.list("contact").into_iter().map(str::to_owned).collect();
            return Ok(Registered { status, contacts, challenges, stale, took: began.elapsed() });
        }
    }

    fn request(&self, lines: &str) -> Bytes {
        let Self { user, domain, call_id, cseq, .. } = self;
        let via = self.socket.local_addr().map_or(String::new(), |local| local.to_string());
        format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK{call_id}-{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{domain}>;tag={cseq}\r\nTo: <sip:{user}@{domain}>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
        )
        .into()
    }

    /// Takes in the challenge by MD5; true if only the nonce was at fault.
    fn challenged(&mut self, answer: &Message) -> bool {
        let of_md5 = answer.all("www-authenticate").find(|value| value.contains("algorithm=MD5"));
        let Some(value) = of_md5 else { return false };
        let nonce = value.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
        self.challenge = nonce.map(|nonce| (nonce.to_owned(), 0));
        value.contains("stale=true")
    }

    fn credentials(&mut self) -> Option<String> {
        self.challenge.as_mut()?.1 += 1;
        let Self { user, domain, password, .. } = &self;
        let (nonce, nc) = self.challenge.as_ref()?;
        let ha1 = md5(&format!("{user}:{domain}:{password}"));
        let ha2 = md5(&format!("REGISTER:sip:{domain}"));
        let response = md5(&format!("{ha1}:{nonce}:{nc:08x}:c0ffee:auth:{ha2}"));
        Some(format!(
            "Digest username=\"{user}\", realm=\"{domain}\", nonce=\"{nonce}\", uri=\"sip:{domain}\", \
             response=\"{response}\", algorithm=MD5, cnonce=\"c0ffee\", qop=auth, nc={nc:08x}"
        ))
    }

    /// Repeats a request until its final answer comes (RFC 3261 section 17.1.2).
    async fn exchange(
        &self,
        to: SocketAddr,
        request: &Bytes,
    ) -> Result<(Message, u16), PhoneError> {
        let cseq = format!("CSeq: {} REGISTER", self.cseq);
        let end = Instant::now() + LIMIT;
        let mut pause = T1;
        let mut buffer = vec![0; DATAGRAM];
        while Instant::now() < end {
            self.socket.send_to(request, to).await?;
            let again = Instant::now() + pause;
            while let Ok(received) = timeout_at(again, self.socket.recv_from(&mut buffer)).await {
                let (length, _) = received?;
                let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
                let is_ours = String::from_utf8_lossy(&bytes).contains(&cseq);
                let message = Message::parse(&bytes)?;
                match message.start {
                    Start::Response { status } if is_ours && status >= 200 => {
                        return Ok((message, status));
                    }
                    Start::Response { .. } | Start::Request { .. } => {}
                }
            }
            pause = (pause * 2).min(T2);
        }
        Err(PhoneError::Silence { user: self.user.clone() })
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
