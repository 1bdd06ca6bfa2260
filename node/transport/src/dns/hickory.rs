//! Name servers, asked by hickory. It keeps no answers: the [`super::Locator`]'s cache does.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as HickoryError, NetError};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use holdline_sip::locate::{Answer, Kind, Naptr, Question, Reply, Srv};

use super::Resolve;

/// Which name servers, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsOptions {
    /// Who is asked; empty: those of the system (`/etc/resolv.conf`).
    pub servers: Vec<SocketAddr>,
    /// How long one answer is waited for.
    pub timeout: Duration,
    /// How often a question is asked again.
    pub attempts: usize,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Duration::from_secs(2), attempts: 1 }
    }
}

/// Why names cannot be asked for.
#[derive(Debug, thiserror::Error)]
#[error("name servers cannot be asked: {reason}; name them in dns.servers")]
pub struct DnsError {
    reason: String,
}

/// Name servers.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

impl Dns {
    /// Gets ready; asks nobody yet. Call it within a tokio runtime.
    ///
    /// # Errors
    /// The system's name servers cannot be found out.
    pub fn new(options: &DnsOptions) -> Result<Self, DnsError> {
        let failed = |error: NetError| DnsError { reason: error.to_string() };
        let provider = TokioRuntimeProvider::default();
        let mut builder = if options.servers.is_empty() {
            TokioResolver::builder(provider).map_err(failed)?
        } else {
            let servers = options.servers.iter().map(|server| {
                let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                for connection in &mut connections {
                    connection.port = server.port();
                }
                NameServerConfig::new(server.ip(), true, connections.into())
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, provider)
        };
        let opts = builder.options_mut();
        opts.cache_size = 0;
        opts.timeout = options.timeout;
        opts.attempts = options.attempts;
        opts.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        opts.try_tcp_on_error = true;
        Ok(Self { resolver: builder.build().map_err(failed)? })
    }

    async fn hosts(&self, name: Name) -> Result<Reply, NetError> {
        let found = self.resolver.lookup_ip(name).await?;
        let records = found.as_lookup().answers();
        let addresses: Vec<IpAddr> = found.iter().collect();
        Ok(reply(records, Answer::Host(addresses.clone()), addresses.is_empty()))
    }

    async fn naptrs(&self, name: Name) -> Result<Reply, NetError> {
        let found = self.resolver.lookup(name, RecordType::NAPTR).await?;
        let all = found.answers().iter().filter_map(|record| match &record.data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                services: text(&naptr.services),
                replacement: plain(&naptr.replacement),
            }),
            _ => None,
        });
        let all: Vec<Naptr> = all.collect();
        let is_empty = all.is_empty();
        Ok(reply(found.answers(), Answer::Naptr(all), is_empty))
    }

    async fn srvs(&self, name: Name) -> Result<Reply, NetError> {
        let found = self.resolver.lookup(name, RecordType::SRV).await?;
        let all = found.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: plain(&srv.target),
            }),
            _ => None,
        });
        let all: Vec<Srv> = all.collect();
        let is_empty = all.is_empty();
        Ok(reply(found.answers(), Answer::Srv(all), is_empty))
    }
}

#[async_trait]
impl Resolve for Dns {
    async fn ask(&self, question: &Question) -> Reply {
        // With a dot at the end no domain of the system's is searched.
        let name = match Name::from_ascii(format!("{}.", question.name)) {
            Ok(name) => name,
            Err(error) => return Reply::Failed { reason: error.to_string() },
        };
        let asked = match question.kind {
            Kind::Host => self.hosts(name).await,
            Kind::Naptr => self.naptrs(name).await,
            Kind::Srv => self.srvs(name).await,
        };
        asked.unwrap_or_else(|error| match error {
            NetError::Dns(HickoryError::NoRecordsFound(none)) => {
                let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
                Reply::Nothing { ttl }
            }
            error => Reply::Failed { reason: error.to_string() },
        })
    }
}

fn reply(records: &[Record], answer: Answer, is_empty: bool) -> Reply {
    if is_empty {
        return Reply::Nothing { ttl: None };
    }
    let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
    Reply::Answer { answer, ttl: Duration::from_secs(ttl.into()) }
}

/// A name in its one form; empty for the root.
fn plain(name: &Name) -> String {
    let name = name.to_ascii();
    name.strip_suffix('.').unwrap_or(&name).to_ascii_lowercase()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
