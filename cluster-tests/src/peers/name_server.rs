//! A name server of a test's own, over UDP: it knows what the test tells it, and notes what it is
//! asked.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, NAPTR, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

/// A running name server; it ends when it is dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Zone {
    records: BTreeMap<(String, RecordType), Vec<RData>>,
    ttl: u32,
    silent: bool,
    asked: Vec<String>,
}

impl NameServer {
    /// Starts one that knows nothing. Records have a TTL of `ttl_s` seconds.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(address: SocketAddr, ttl_s: u32) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let address = socket.local_addr()?;
        let zone = Arc::new(Mutex::new(Zone { ttl: ttl_s, ..Zone::default() }));
        let serve = serve(socket, Arc::clone(&zone));
        let task = tokio_util::task::TaskTracker::new().spawn(serve);
        Ok(Self { address, zone, _task: AbortOnDropHandle::new(task) })
    }

    /// Where it is asked.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the addresses of a host.
    pub fn host(&self, name: &str, addresses: &[IpAddr]) {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for address in addresses {
            match address {
                IpAddr::V4(ip) => v4.push(RData::A(A(*ip))),
                IpAddr::V6(ip) => v6.push(RData::AAAA(AAAA(*ip))),
            }
        }
        self.set(name, RecordType::A, v4);
        self.set(name, RecordType::AAAA, v6);
    }

    /// Replaces the servers of a service: priority, weight, port, host.
    pub fn srv(&self, name: &str, servers: &[(u16, u16, u16, &str)]) {
        let record = |(priority, weight, port, host): &(u16, u16, u16, &str)| {
            RData::SRV(SRV::new(*priority, *weight, *port, to_name(host)))
        };
        self.set(name, RecordType::SRV, servers.iter().map(record).collect());
    }

    /// Replaces what a domain offers: order, preference, service, replacement.
    pub fn naptr(&self, name: &str, offers: &[(u16, u16, &str, &str)]) {
        let record = |(order, preference, services, replacement): &(u16, u16, &str, &str)| {
            let (flags, services) = (b"s".as_slice().into(), services.as_bytes().into());
            let replacement = to_name(replacement);
            let (order, preference) = (*order, *preference);
            RData::NAPTR(NAPTR::new(
                order,
                preference,
                flags,
                services,
                Box::default(),
                replacement,
            ))
        };
        self.set(name, RecordType::NAPTR, offers.iter().map(record).collect());
    }

    /// Whether it says nothing any more, or says something again.
    pub fn be_silent(&self, silent: bool) {
        lock(&self.zone).silent = silent;
    }

    /// What it was asked so far, such as `SRV _sip._udp.example.com`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        lock(&self.zone).asked.clone()
    }

    fn set(&self, name: &str, kind: RecordType, records: Vec<RData>) {
        lock(&self.zone).records.insert((name.to_ascii_lowercase(), kind), records);
    }
}

async fn serve(socket: UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = vec![0; 4_096];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(query) = buffer.get(..length).and_then(|bytes| Message::from_vec(bytes).ok())
        else {
            continue;
        };
        let answer = lock(&zone).answer(&query).and_then(|answer| answer.to_vec().ok());
        if let Some(answer) = answer {
            // A client that is gone does not matter.
            let _sent = socket.send_to(&answer, peer).await;
        }
    }
}

impl Zone {
    fn answer(&mut self, query: &Message) -> Option<Message> {
        let question = query.queries.first()?;
        let name = question.name().to_ascii().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
        self.asked.push(format!("{} {name}", question.query_type()));
        if self.silent {
            return None;
        }
        let mut answer = Message::response(query.metadata.id, OpCode::Query);
        answer.metadata.recursion_desired = query.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(question.clone());
        let exists = self.records.keys().any(|(known, _)| *known == name);
        let records = self.records.get(&(name, question.query_type()));
        for data in records.into_iter().flatten() {
            let record = Record::from_rdata(question.name().clone(), self.ttl, data.clone());
            answer.add_answer(record);
        }
        if answer.answers.is_empty() {
            let code = if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
            answer.metadata.response_code = code;
            let ttl = i32::try_from(self.ttl).unwrap_or(i32::MAX);
            let soa =
                SOA::new(to_name("ns.test"), to_name("root.test"), 1, ttl, ttl, ttl, self.ttl);
            answer.add_authority(Record::from_rdata(to_name("test"), self.ttl, RData::SOA(soa)));
        }
        Some(answer)
    }
}

fn lock(zone: &Mutex<Zone>) -> MutexGuard<'_, Zone> {
    zone.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An empty text is the root.
fn to_name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).unwrap_or_default()
}
