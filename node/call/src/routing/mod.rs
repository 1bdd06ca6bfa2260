//! Routing: whose a call is by its source address, and where it goes by its dialled number.
//!
//! A value made from configuration and never changed; a new configuration is a new `Routing`. It
//! does not read configuration (that is `node`) and does not ask where names lead: [`Names`] knows.
//! It says which trunks serve a number; in which order they are tried for one call is the choice of
//! a [`Selector`], which knows their state.
//!
//! Invariant: every trunk that a route or group names exists, so resolving cannot fail, only find
//! nothing.

mod dialled;
mod error;
mod group;
mod order;
mod policy;
mod route;
mod select;
mod trunk;

use std::collections::HashMap;
use std::net::SocketAddr;

use holdline_model::{Name, Target, Transport, limits};

pub use error::RoutingError;
pub use group::{GroupMember, HashOver, Policy, TrunkGroup, WhenDown};
pub use holdline_model::{Cidr, InvalidCidr};
pub use policy::{Alive, PeerSecret, Proof, Redirect, TrunkCredentials, TrunkPolicy, TrunkSecret};
pub use route::Route;
pub(crate) use select::{Ask, Choice, Selector};
pub(crate) use trunk::Draw;
pub use trunk::{Trunk, TrunkAddress, TrunkProxy};

use crate::Names;
use crate::nonce::Nonces;
use crate::sender::Sender;
use dialled::Dialled;

/// All trunks, groups and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    trunks: Vec<Trunk>,
    /// The configured groups, then those that routes with trunks of their own amount to.
    groups: Vec<ResolvedGroup>,
    /// Longest prefix first.
    routes: Vec<ResolvedRoute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ResolvedRoute {
    prefix: String,
    strip: usize,
    /// Index into `groups`.
    group: usize,
    emergency: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ResolvedGroup {
    policy: Policy,
    when_down: WhenDown,
    /// Members of the same priority, by priority.
    tiers: Vec<Vec<ResolvedMember>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ResolvedMember {
    /// Index into `trunks`.
    trunk: usize,
    weight: u16,
}

impl Routing {
    /// Checks trunks and routes against each other.
    ///
    /// # Errors
    /// The first fault found, naming the trunk or the route.
    pub fn new(trunks: Vec<Trunk>, routes: Vec<Route>) -> Result<Self, RoutingError> {
        Self::with_groups(trunks, Vec::new(), routes)
    }

    /// Checks trunks, groups and routes against each other.
    ///
    /// # Errors
    /// The first fault found, naming the trunk, the group or the route.
    pub fn with_groups(
        trunks: Vec<Trunk>,
        groups: Vec<TrunkGroup>,
        routes: Vec<Route>,
    ) -> Result<Self, RoutingError> {
        let index = check_trunks(&trunks)?;
        check_sources(&trunks)?;
        let mut names: HashMap<Name, usize> = HashMap::with_capacity(groups.len());
        let mut resolved_groups = Vec::with_capacity(groups.len() + routes.len());
        for group in groups {
            let is_taken = index.contains_key(group.name.as_str());
            if names.insert(group.name.clone(), resolved_groups.len()).is_some() || is_taken {
                return Err(RoutingError::DuplicateGroup { group: group.name });
            }
            resolved_groups.push(resolve_group(group, &index)?);
        }
        let mut resolved: Vec<ResolvedRoute> = Vec::with_capacity(routes.len());
        for route in routes {
            if resolved.iter().any(|other| other.prefix == route.prefix) {
                return Err(RoutingError::DuplicateRoute { prefix: route.prefix });
            }
            resolved.push(resolve_route(route, &index, &names, &mut resolved_groups)?);
        }
        resolved.sort_by(|a, b| b.prefix.len().cmp(&a.prefix.len()).then(a.prefix.cmp(&b.prefix)));
        Ok(Self { trunks, groups: resolved_groups, routes: resolved })
    }

    /// The trunks, as configured.
    #[must_use]
    pub fn trunks(&self) -> &[Trunk] {
        &self.trunks
    }

    /// The trunk with this name.
    #[must_use]
    pub fn trunk(&self, name: &Name) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.name == *name)
    }

    /// The trunk that is reached at an address.
    pub(crate) fn at(&self, transport: Transport, address: SocketAddr) -> Option<&Trunk> {
        let mut trunks = self.trunks.iter();
        trunks.find(|trunk| {
            trunk.transport == transport && trunk.address == TrunkAddress::Socket(address)
        })
    }

    /// The trunks that are known by their password alone, wherever their calls come from.
    pub(crate) fn known_by_digest(&self) -> impl Iterator<Item = (&Trunk, &PeerSecret)> {
        let alone = |proof: &Proof| !proof.by_source && proof.by_certificate.is_none();
        let trunks = self.trunks.iter().filter(move |trunk| alone(&trunk.policy.proof));
        trunks.filter_map(|trunk| Some((trunk, trunk.policy.proof.by_digest.as_ref()?)))
    }

    /// The trunk that a sender belongs to: one that its certificate is for before others, and of those
    /// the one with the smallest block around its address.
    #[must_use]
    pub fn source(&self, sender: &Sender, names: &dyn Names) -> Option<&Trunk> {
        let claims =
            self.trunks.iter().filter_map(|trunk| Some((trunk.claims(sender, names)?, trunk)));
        claims.max_by_key(|(claim, _)| *claim).map(|(_, trunk)| trunk)
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

    /// Where a call to a Request-URI may go if nothing is known of the trunks, in the order of the
    /// configuration; empty if no route's prefix matches. Trunks with names are left out. `local`: the
    /// address of ours that it leaves from.
    #[must_use]
    pub fn targets(&self, request_uri: &str, local: SocketAddr) -> Vec<Target> {
        let Some((found, dialled)) = self.find(request_uri) else { return Vec::new() };
        let members = found.group.tiers.iter().flatten();
        let user = dialled.stripped(found.strip);
        let trunks = members.filter_map(|member| self.trunks.get(member.trunk));
        let (mut dice, avoid) = (Nonces::new(0), |_| false);
        let mut draw = Draw { names: &crate::NoNames, avoid: &avoid, dice: &mut dice };
        let targets = trunks.flat_map(|trunk| trunk.targets(&user, local, &mut draw, 1));
        targets.take(limits::MAX_TARGETS).collect()
    }

    /// The route of a Request-URI, and the number taken out of it.
    fn find<'a>(&self, request_uri: &'a str) -> Option<(Found<'_>, Dialled<'a>)> {
        let dialled = Dialled::of(request_uri)?;
        let number = dialled.number();
        let route = self.routes.iter().find(|route| number.starts_with(&route.prefix))?;
        let group = self.groups.get(route.group)?;
        let (index, strip, emergency) = (route.group, route.strip, route.emergency);
        Some((Found { index, group, strip, emergency }, dialled))
    }
}

/// What a route leads to.
#[derive(Clone, Copy, Debug)]
struct Found<'a> {
    /// Of the group, in `groups`.
    index: usize,
    group: &'a ResolvedGroup,
    strip: usize,
    emergency: bool,
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

fn check_trunks(trunks: &[Trunk]) -> Result<HashMap<&str, usize>, RoutingError> {
    let mut index = HashMap::with_capacity(trunks.len());
    for (position, trunk) in trunks.iter().enumerate() {
        if trunk.name.is_empty() {
            return Err(RoutingError::UnnamedTrunk { address: trunk.address.to_string() });
        }
        let proxy = trunk.proxy.as_ref().map(|proxy| &proxy.address);
        for address in [Some(&trunk.address), proxy].into_iter().flatten() {
            if let TrunkAddress::Socket(address) = *address
                && (address.port() == 0 || address.ip().is_unspecified())
            {
                return Err(RoutingError::UnusableAddress { trunk: trunk.name.clone(), address });
            }
        }
        if index.insert(trunk.name.as_str(), position).is_some() {
            return Err(RoutingError::DuplicateTrunk { trunk: trunk.name.clone() });
        }
    }
    Ok(index)
}

/// Two trunks may nest their blocks (the smaller one wins), but not share one, unless certificates tell
/// them apart; nor may they share a certificate that is all they are known by.
fn check_sources(trunks: &[Trunk]) -> Result<(), RoutingError> {
    let mut seen: HashMap<(Option<&str>, Cidr), &Name> = HashMap::new();
    let mut certificates: HashMap<&str, &Name> = HashMap::new();
    for trunk in trunks {
        let domain = trunk.policy.proof.by_certificate.as_deref();
        if !trunk.policy.proof.by_source {
            let Some(domain) = domain else { continue };
            if let Some(first) = certificates.insert(domain, &trunk.name) {
                let (first, second) = (first.clone(), trunk.name.clone());
                let domain = domain.to_owned();
                return Err(RoutingError::SharedCertificate { first, second, domain });
            }
            continue;
        }
        let next = trunk.proxy.as_ref().map_or(&trunk.address, |proxy| &proxy.address);
        let implied = match next {
            TrunkAddress::Socket(address) => Some(Cidr::host(address.ip().to_canonical())),
            // What a name leads to is not known yet.
            TrunkAddress::Name(_) => None,
        };
        let implied = implied.filter(|_| trunk.sources.is_empty());
        for block in trunk.sources.iter().chain(&implied) {
            let Some(first) = seen.insert((domain, *block), &trunk.name) else { continue };
            if *first != trunk.name {
                let (first, second) = (first.clone(), trunk.name.clone());
                return Err(RoutingError::SharedSource { first, second, block: *block });
            }
        }
    }
    Ok(())
}

fn resolve_group(
    group: TrunkGroup,
    index: &HashMap<&str, usize>,
) -> Result<ResolvedGroup, RoutingError> {
    let TrunkGroup { name, policy, mut members, when_down } = group;
    if members.is_empty() {
        return Err(RoutingError::EmptyGroup { group: name });
    }
    if members.len() > TrunkGroup::MAX_MEMBERS {
        let (count, max) = (members.len(), TrunkGroup::MAX_MEMBERS);
        return Err(RoutingError::TooManyMembers { group: name, count, max });
    }
    // Stable: members of the same priority stay in the order in which they were written.
    members.sort_by_key(|member| member.priority);
    let mut tiers: Vec<Vec<ResolvedMember>> = Vec::new();
    let mut priority = None;
    for (position, member) in members.iter().enumerate() {
        let Some(trunk) = index.get(member.trunk.as_str()).copied() else {
            return Err(RoutingError::UnknownMember { group: name, trunk: member.trunk.clone() });
        };
        if members.iter().take(position).any(|other| other.trunk == member.trunk) {
            return Err(RoutingError::DuplicateMember { group: name, trunk: member.trunk.clone() });
        }
        if priority.replace(member.priority) != Some(member.priority) {
            tiers.push(Vec::new());
        }
        if let Some(tier) = tiers.last_mut() {
            tier.push(ResolvedMember { trunk, weight: member.weight.get() });
        }
    }
    Ok(ResolvedGroup { policy, when_down, tiers })
}

fn resolve_route(
    route: Route,
    index: &HashMap<&str, usize>,
    names: &HashMap<Name, usize>,
    groups: &mut Vec<ResolvedGroup>,
) -> Result<ResolvedRoute, RoutingError> {
    let Route { prefix, trunks, group, strip, emergency } = route;
    if prefix.contains(['-', '.', '(', ')']) {
        return Err(RoutingError::SeparatorInPrefix { prefix });
    }
    let group = match group {
        Some(group) if trunks.is_empty() => match names.get(&group) {
            Some(position) => *position,
            None => return Err(RoutingError::UnknownGroup { prefix, group }),
        },
        Some(group) => return Err(RoutingError::TrunksAndGroup { prefix, group }),
        None => {
            groups.push(group_of_route(&prefix, trunks, index)?);
            groups.len().saturating_sub(1)
        }
    };
    Ok(ResolvedRoute { prefix, strip, group, emergency })
}

/// A route with trunks of its own: always the first that is usable.
fn group_of_route(
    prefix: &str,
    trunks: Vec<Name>,
    index: &HashMap<&str, usize>,
) -> Result<ResolvedGroup, RoutingError> {
    let prefix = prefix.to_owned();
    if trunks.is_empty() {
        return Err(RoutingError::NoTrunks { prefix });
    }
    if trunks.len() > limits::MAX_TARGETS {
        let (count, max) = (trunks.len(), limits::MAX_TARGETS);
        return Err(RoutingError::TooManyTrunks { prefix, count, max });
    }
    let mut tier = Vec::with_capacity(trunks.len());
    for trunk in trunks {
        match index.get(trunk.as_str()) {
            Some(position) => tier.push(ResolvedMember { trunk: *position, weight: 1 }),
            None => return Err(RoutingError::UnknownTrunk { prefix, trunk }),
        }
    }
    Ok(ResolvedGroup { policy: Policy::InOrder, when_down: WhenDown::Try, tiers: vec![tier] })
}

#[cfg(test)]
mod tests;
