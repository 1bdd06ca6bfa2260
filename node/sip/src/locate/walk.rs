//! The way from a URI to addresses (RFC 3263 section 4).

use std::net::IpAddr;

use holdline_model::Transport;

use super::{Answer, Asked, Kind, Knowledge, Known, Location, Naptr, Question, Server, Srv};

/// What we can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Means {
    /// Transports, in the order in which we prefer them where it is left to us.
    pub transports: Vec<Transport>,
    /// Whether there is an address of ours to reach IPv4 addresses from.
    pub v4: bool,
    /// The same for IPv6.
    pub v6: bool,
}

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These have to be asked, all at once; never empty.
    Ask(Vec<Question>),
    /// It is found, or will not be.
    Done(Result<Location, LocateError>),
}

/// Why nothing was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// We do not have the transport.
    #[error("{asked} is to be reached over {transport}, for which this node has no listener")]
    NoTransport {
        /// What was looked for.
        asked: String,
        /// The transport.
        transport: Transport,
    },
    /// A `sips:` URI cannot be reached over this transport.
    #[error("{asked} has to be reached securely, which {transport} is not")]
    NotSecure {
        /// What was looked for.
        asked: String,
        /// The transport.
        transport: Transport,
    },
    /// A record says that the service is not offered.
    #[error("{question} says that the service is not offered (its target is a lone dot)")]
    NotOffered {
        /// The record.
        question: String,
    },
    /// There are no such records.
    #[error("{asked}: there is no {}", questions.join(", no "))]
    Nothing {
        /// What was looked for.
        asked: String,
        /// The records that do not exist, in the order in which they were asked for.
        questions: Vec<String>,
    },
    /// There are addresses, but none that we could reach.
    #[error("{asked}: {question} has only addresses of a kind that no listener of this node has")]
    NoFamily {
        /// What was looked for.
        asked: String,
        /// The record.
        question: String,
    },
    /// A name server did not answer, or not with an answer.
    #[error("{asked}: {question} cannot be asked: {reason}")]
    Failed {
        /// What was looked for.
        asked: String,
        /// The record.
        question: String,
        /// What went wrong.
        reason: String,
    },
}

/// Goes on from what is known.
pub fn locate(asked: &Asked, means: &Means, known: &impl Knowledge) -> Step {
    let mut walk =
        Walk { asked, means, known, missing: Vec::new(), nothing: Vec::new(), failed: None };
    let found = walk.find();
    if !walk.missing.is_empty() {
        return Step::Ask(walk.missing);
    }
    Step::Done(match found {
        Ok(groups) if groups.is_empty() => Err(walk.why_not()),
        Ok(groups) => Ok(Location { groups }),
        Err(error) => Err(error),
    })
}

struct Walk<'a, K> {
    asked: &'a Asked,
    means: &'a Means,
    known: &'a K,
    missing: Vec<Question>,
    nothing: Vec<String>,
    failed: Option<LocateError>,
}

type Groups = Vec<Vec<Server>>;

impl<K: Knowledge> Walk<'_, K> {
    fn find(&mut self) -> Result<Groups, LocateError> {
        if let Some(ip) = self.asked.ip() {
            let transport = self.by_rule()?;
            let port = self.asked.port.unwrap_or(transport.default_port());
            return Ok(Location::at(transport, (ip.to_canonical(), port).into()).groups);
        }
        if let Some(port) = self.asked.port {
            let transport = self.by_rule()?;
            return self.single(transport, port);
        }
        if self.asked.transport.is_some() {
            let transport = self.by_rule()?;
            return match self.servers(transport, &srv_name(transport, &self.asked.host))? {
                Some(groups) => Ok(groups),
                None => self.single(transport, transport.default_port()),
            };
        }
        self.by_naptr()
    }

    /// The transport that is named; else UDP, or TLS if it has to be secure (section 4.1).
    fn by_rule(&self) -> Result<Transport, LocateError> {
        let asked = || self.asked.to_string();
        let default = if self.asked.secure { Transport::Tls } else { Transport::Udp };
        let transport = self.asked.transport.unwrap_or(default);
        if self.asked.secure && !transport.is_secure() {
            return Err(LocateError::NotSecure { asked: asked(), transport });
        }
        if self.means.transports.contains(&transport) {
            Ok(transport)
        } else {
            Err(LocateError::NoTransport { asked: asked(), transport })
        }
    }

    /// Section 4.1: the domain says which transports it offers, and which it prefers.
    fn by_naptr(&mut self) -> Result<Groups, LocateError> {
        let question = Question::new(Kind::Naptr, &self.asked.host);
        let offered = match self.answer(&question)? {
            Some(Answer::Naptr(records)) => self.usable(records),
            Some(Answer::Srv(_) | Answer::Host(_)) | None => Vec::new(),
        };
        if !self.missing.is_empty() {
            return Ok(Vec::new());
        }
        if !offered.is_empty() {
            return Ok(self.all_servers(offered)?.unwrap_or_default());
        }
        let host = &self.asked.host;
        let named = self.transports().into_iter().map(|each| (each, srv_name(each, host)));
        match self.all_servers(named.collect())? {
            Some(groups) => Ok(groups),
            None if !self.missing.is_empty() => Ok(Groups::new()),
            None => {
                let transport = self.by_rule()?;
                self.single(transport, transport.default_port())
            }
        }
    }

    /// The servers of several SRV names, one after the other; `None` if none of them exists. A
    /// transport that is not offered leaves the others.
    fn all_servers(
        &mut self,
        names: Vec<(Transport, String)>,
    ) -> Result<Option<Groups>, LocateError> {
        let mut all = None;
        for (transport, name) in names {
            match self.servers(transport, &name) {
                Ok(Some(groups)) => all.get_or_insert_with(Groups::new).extend(groups),
                Ok(None) => {}
                Err(error @ LocateError::NotOffered { .. }) => {
                    all.get_or_insert_with(Groups::new);
                    self.failed.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The NAPTR records that are of use: those of the lowest order among them, by preference (RFC
    /// 3403 section 4.1).
    fn usable(&self, mut records: Vec<Naptr>) -> Vec<(Transport, String)> {
        records.sort_by_key(|record| (record.order, record.preference));
        let mut order = None;
        let mut usable = Vec::new();
        for record in records {
            let Some(transport) = service(&record) else { continue };
            let allowed = !self.asked.secure || transport.is_secure();
            if !allowed || !self.means.transports.contains(&transport) {
                continue;
            }
            if *order.get_or_insert(record.order) != record.order {
                break;
            }
            usable.push((transport, record.replacement));
        }
        usable
    }

    /// The transports that we would use for this, in our own order.
    fn transports(&self) -> Vec<Transport> {
        let dialled = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let ours = self.means.transports.iter().copied();
        ours.filter(|ours| dialled.contains(ours) && (!self.asked.secure || ours.is_secure()))
            .collect()
    }

    /// The servers that SRV records name, by priority; `None` if there are no such records.
    fn servers(&mut self, transport: Transport, name: &str) -> Result<Option<Groups>, LocateError> {
        let question = Question::new(Kind::Srv, name);
        let Some(Answer::Srv(mut records)) = self.answer(&question)? else { return Ok(None) };
        if let [Srv { target, .. }] = records.as_slice()
            && target.is_empty()
        {
            return Err(LocateError::NotOffered { question: question.to_string() });
        }
        records.sort_by(|a, b| {
            let key = |srv: &Srv| (srv.priority, srv.target.clone(), srv.port);
            key(a).cmp(&key(b))
        });
        records.truncate(MAX_SERVERS);
        let mut groups = Groups::new();
        let mut priority = None;
        for Srv { priority: of, weight, port, target } in records {
            if target.is_empty() {
                continue;
            }
            let addresses = self.addresses(&target)?;
            if addresses.is_empty() {
                continue;
            }
            if priority.replace(of) != Some(of) {
                groups.push(Vec::new());
            }
            let server = Server { name: target, transport, port, weight, addresses };
            if let Some(group) = groups.last_mut() {
                group.push(server);
            }
        }
        Ok(Some(groups))
    }

    /// The host itself, at this port.
    fn single(&mut self, transport: Transport, port: u16) -> Result<Groups, LocateError> {
        let addresses = self.addresses(&self.asked.host)?;
        if addresses.is_empty() {
            return Ok(Groups::new());
        }
        let name = self.asked.host.clone();
        Ok(vec![vec![Server { name, transport, port, weight: 0, addresses }]])
    }

    /// The addresses of a host that we can reach, IPv4 first; empty if it has none. One host of
    /// several that cannot be asked for does not keep us from the others.
    fn addresses(&mut self, host: &str) -> Result<Vec<IpAddr>, LocateError> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![ip]);
        }
        let question = Question::new(Kind::Host, host);
        let all = match self.answer(&question) {
            Ok(Some(Answer::Host(all))) => all,
            Ok(Some(Answer::Naptr(_) | Answer::Srv(_)) | None) => return Ok(Vec::new()),
            Err(error) if host == self.asked.host => return Err(error),
            Err(error) => {
                self.failed.get_or_insert(error);
                return Ok(Vec::new());
            }
        };
        let mut usable: Vec<IpAddr> = all.iter().map(IpAddr::to_canonical).collect();
        usable.retain(|ip| if ip.is_ipv4() { self.means.v4 } else { self.means.v6 });
        usable.sort_unstable();
        usable.dedup();
        usable.truncate(MAX_ADDRESSES);
        if usable.is_empty() && !all.is_empty() {
            let (asked, question) = (self.asked.to_string(), question.to_string());
            self.failed.get_or_insert(LocateError::NoFamily { asked, question });
        }
        Ok(usable)
    }

    /// The answer to a question; `None` if there is none, or none yet.
    fn answer(&mut self, question: &Question) -> Result<Option<Answer>, LocateError> {
        match self.known.known(question) {
            Known::Answer(answer) => Ok(Some(answer)),
            Known::Nothing => {
                self.nothing.push(question.to_string());
                Ok(None)
            }
            Known::Failed(reason) => {
                let (asked, question) = (self.asked.to_string(), question.to_string());
                Err(LocateError::Failed { asked, question, reason })
            }
            Known::Unknown => {
                if !self.missing.contains(question) {
                    self.missing.push(question.clone());
                }
                Ok(None)
            }
        }
    }

    fn why_not(self) -> LocateError {
        let (asked, questions) = (self.asked.to_string(), self.nothing);
        self.failed.unwrap_or(LocateError::Nothing { asked, questions })
    }
}

/// What a NAPTR record offers, if it is SIP over a transport that is dialled (RFC 3263 section 4.1).
fn service(record: &Naptr) -> Option<Transport> {
    if !record.flags.eq_ignore_ascii_case("s") {
        return None;
    }
    match record.services.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}

/// Where the SRV records of a domain are, if no NAPTR says otherwise.
fn srv_name(transport: Transport, host: &str) -> String {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        // Nobody registered these; a client opens WebSockets, and we are none.
        Transport::Ws => "_sip._ws",
        Transport::Wss => "_sips._ws",
    };
    format!("{prefix}.{host}")
}

/// SRV records of one name that are looked at.
const MAX_SERVERS: usize = 16;

/// Addresses of one host that are used.
const MAX_ADDRESSES: usize = 8;
