//! Routing: whose a call is by its source address, and where it goes by its dialled number.
//!
//! A value made from configuration and never changed; a new configuration is a new `Routing`. It
//! does not read configuration (that is `node`) and does not resolve names: trunks have addresses.
//!
//! Invariant: every trunk that a route names exists, so resolving cannot fail, only find nothing.

mod dialled;
mod route;
mod trunk;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use holdline_model::{Hop, Name, Target, Transport, limits};

pub use holdline_model::{Cidr, InvalidCidr};
pub use route::Route;
pub use trunk::Trunk;

use dialled::Dialled;

/// All trunks and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    trunks: Vec<Trunk>,
    /// Longest prefix first.
    routes: Vec<ResolvedRoute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ResolvedRoute {
    prefix: String,
    strip: usize,
    /// Indexes into `trunks`, in order of preference.
    trunks: Vec<usize>,
}

/// What is wrong with the trunks and routes of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoutingError {
    /// A trunk's name is empty.
    #[error("a trunk for {address} has an empty name: name it")]
    UnnamedTrunk {
        /// Where its calls would go.
        address: std::net::SocketAddr,
    },
    /// Two trunks have one name.
    #[error("trunk \"{trunk}\" is defined twice: rename one of the two")]
    DuplicateTrunk {
        /// The name.
        trunk: Name,
    },
    /// A trunk's address cannot be sent to.
    #[error("trunk \"{trunk}\": calls cannot be sent to {address}: give an IP address and a port")]
    UnusableAddress {
        /// The trunk.
        trunk: Name,
        /// Its address.
        address: std::net::SocketAddr,
    },
    /// Two trunks claim the same block of source addresses.
    #[error(
        "trunks \"{first}\" and \"{second}\" both claim the source {block}: a source must tell whose a call is"
    )]
    SharedSource {
        /// One trunk.
        first: Name,
        /// The other trunk.
        second: Name,
        /// What both claim.
        block: Cidr,
    },
    /// A route names a trunk that does not exist.
    #[error("route \"{prefix}\" names trunk \"{trunk}\", which is not defined")]
    UnknownTrunk {
        /// The route.
        prefix: String,
        /// The trunk.
        trunk: Name,
    },
    /// A route leads nowhere.
    #[error("route \"{prefix}\" names no trunk")]
    NoTrunks {
        /// The route.
        prefix: String,
    },
    /// A route has more trunks than a call may try.
    #[error("route \"{prefix}\" names {count} trunks; a call tries at most {max}")]
    TooManyTrunks {
        /// The route.
        prefix: String,
        /// How many it names.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// Two routes have one prefix.
    #[error("route \"{prefix}\" is defined twice: put its trunks into one route, in order")]
    DuplicateRoute {
        /// The prefix.
        prefix: String,
    },
    /// A prefix has a character that is removed from dialled numbers before matching.
    #[error(
        "route \"{prefix}\" has a visual separator (one of -.()), which is removed from dialled numbers: leave it out"
    )]
    SeparatorInPrefix {
        /// The prefix.
        prefix: String,
    },
}

impl Routing {
    /// Checks trunks and routes against each other.
    ///
    /// # Errors
    /// The first fault found, naming the trunk or the route.
    pub fn new(trunks: Vec<Trunk>, routes: Vec<Route>) -> Result<Self, RoutingError> {
        let index = check_trunks(&trunks)?;
        check_sources(&trunks)?;
        let mut resolved: Vec<ResolvedRoute> = Vec::with_capacity(routes.len());
        for route in routes {
            if resolved.iter().any(|other| other.prefix == route.prefix) {
                return Err(RoutingError::DuplicateRoute { prefix: route.prefix });
            }
            resolved.push(resolve_route(route, &index)?);
        }
        resolved.sort_by(|a, b| b.prefix.len().cmp(&a.prefix.len()).then(a.prefix.cmp(&b.prefix)));
        Ok(Self { trunks, routes: resolved })
    }

    /// The trunks, as configured.
    #[must_use]
    pub fn trunks(&self) -> &[Trunk] {
        &self.trunks
    }

    /// The trunk that a source address belongs to: the one with the smallest block around it.
    #[must_use]
    pub fn source(&self, address: IpAddr) -> Option<&Trunk> {
        let claims = self.trunks.iter().filter_map(|trunk| Some((trunk.claims(address)?, trunk)));
        claims.max_by_key(|(prefix, _)| *prefix).map(|(_, trunk)| trunk)
    }

    /// The number in a URI, as limits look at it: the user part without visual separators, or the whole
    /// URI in lower case if it has none.
    #[must_use]
    pub fn number(uri: &str) -> String {
        let number = Dialled::of(uri).map(|dialled| dialled.number()).unwrap_or_default();
        let mut number = if number.is_empty() { uri.to_ascii_lowercase() } else { number };
        let mut end = number.len().min(limits::MAX_LIMIT_TEXT);
        while !number.is_char_boundary(end) {
            end -= 1;
        }
        number.truncate(end);
        number
    }

    /// Where a call to a Request-URI may go, in order; empty if no route's prefix matches. `local`:
    /// the address of ours that it leaves from.
    #[must_use]
    pub fn targets(&self, request_uri: &str, local: SocketAddr) -> Vec<Target> {
        let Some(dialled) = Dialled::of(request_uri) else { return Vec::new() };
        let number = dialled.number();
        let Some(route) = self.routes.iter().find(|route| number.starts_with(&route.prefix)) else {
            return Vec::new();
        };
        let user = dialled.stripped(route.strip);
        let trunks = route.trunks.iter().filter_map(|index| self.trunks.get(*index));
        trunks
            .map(|trunk| Target {
                trunk: trunk.name.clone(),
                hop: Hop { transport: trunk.transport, local, peer: trunk.address },
                uri: target_uri(&user, trunk),
                together: false,
                routes: Vec::new(),
            })
            .collect()
    }
}

/// Whether what is dialled is a number rather than a name.
pub(crate) fn is_number(request_uri: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'*' | b'#');
    Dialled::of(request_uri).is_some_and(|dialled| {
        let number = dialled.number();
        let digits = number.strip_prefix('+').unwrap_or(&number);
        !digits.is_empty() && digits.bytes().all(is_digit)
    })
}

fn target_uri(user: &str, trunk: &Trunk) -> String {
    let at = if user.is_empty() { "" } else { "@" };
    match trunk.transport {
        Transport::Udp => format!("sip:{user}{at}{}", trunk.address),
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
            format!("sip:{user}{at}{};transport={}", trunk.address, trunk.transport.param())
        }
    }
}

fn check_trunks(trunks: &[Trunk]) -> Result<HashMap<&str, usize>, RoutingError> {
    let mut index = HashMap::with_capacity(trunks.len());
    for (position, trunk) in trunks.iter().enumerate() {
        if trunk.name.is_empty() {
            return Err(RoutingError::UnnamedTrunk { address: trunk.address });
        }
        if trunk.address.port() == 0 || trunk.address.ip().is_unspecified() {
            let (trunk, address) = (trunk.name.clone(), trunk.address);
            return Err(RoutingError::UnusableAddress { trunk, address });
        }
        if index.insert(trunk.name.as_str(), position).is_some() {
            return Err(RoutingError::DuplicateTrunk { trunk: trunk.name.clone() });
        }
    }
    Ok(index)
}

/// Two trunks may nest their blocks (the smaller one wins), but not share one.
fn check_sources(trunks: &[Trunk]) -> Result<(), RoutingError> {
    let mut seen: HashMap<Cidr, &Name> = HashMap::new();
    for trunk in trunks {
        let implied = [Cidr::host(trunk.address.ip().to_canonical())];
        let sources: &[Cidr] = if trunk.sources.is_empty() { &implied } else { &trunk.sources };
        for block in sources {
            let Some(first) = seen.insert(*block, &trunk.name) else { continue };
            if *first != trunk.name {
                let (first, second) = (first.clone(), trunk.name.clone());
                return Err(RoutingError::SharedSource { first, second, block: *block });
            }
        }
    }
    Ok(())
}

fn resolve_route(
    route: Route,
    index: &HashMap<&str, usize>,
) -> Result<ResolvedRoute, RoutingError> {
    let Route { prefix, trunks, strip } = route;
    if prefix.contains(['-', '.', '(', ')']) {
        return Err(RoutingError::SeparatorInPrefix { prefix });
    }
    if trunks.is_empty() {
        return Err(RoutingError::NoTrunks { prefix });
    }
    if trunks.len() > limits::MAX_TARGETS {
        let (count, max) = (trunks.len(), limits::MAX_TARGETS);
        return Err(RoutingError::TooManyTrunks { prefix, count, max });
    }
    let mut resolved = Vec::with_capacity(trunks.len());
    for trunk in trunks {
        match index.get(trunk.as_str()) {
            Some(position) => resolved.push(*position),
            None => return Err(RoutingError::UnknownTrunk { prefix, trunk }),
        }
    }
    Ok(ResolvedRoute { prefix, strip, trunks: resolved })
}

#[cfg(test)]
mod tests;
