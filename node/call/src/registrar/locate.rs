//! Where a call to a user of ours goes: to all its bindings of the highest preference at once, then to
//! those of the next (RFC 3261 section 16.6, by section 10.2.1.2).

use holdline_model::{Binding, Hop, Millis, Target, limits};
use holdline_sip::message::{Address, Uri};

use super::{Registrar, USERS, request};

/// What is known of a Request-URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// It is none of our domains'.
    Foreign,
    /// There is no such user.
    Unknown,
    /// The user is nowhere.
    Absent,
    /// The state cannot be read.
    Unreadable,
    /// These, in order; those of one preference at once.
    Targets(Vec<Target>),
}

impl Registrar {
    /// Finds the bindings of a Request-URI.
    pub(crate) fn locate(&self, now: Millis, uri: &str) -> Located {
        let is_local =
            Uri::parse(uri).is_ok_and(|uri| uri.is_sip() && self.options.is_local(uri.host));
        if !is_local {
            return Located::Foreign;
        }
        let Some(aor) = request::local_aor(uri, &self.options) else { return Located::Unknown };
        match self.directory.location(&aor) {
            Err(_) => Located::Unreadable,
            Ok(Some(known)) if known.live(now).next().is_some() => {
                let at_once = self.options.max_branches.get();
                Located::Targets(targets(known.live(now).cloned().collect(), at_once))
            }
            Ok(_) => match self.directory.user(&aor) {
                Err(_) => Located::Unreadable,
                Ok(None) => Located::Unknown,
                Ok(Some(_)) => Located::Absent,
            },
        }
    }
}

/// `at_once`: so many are tried together at most; when there are more of one preference, the newest come
/// first.
fn targets(mut bindings: Vec<Binding>, at_once: usize) -> Vec<Target> {
    // The newest first among those of one preference; stable otherwise.
    bindings.sort_by(|a, b| b.q.cmp(&a.q).then(b.at.cmp(&a.at)));
    let (mut before, mut count) = (None, 0);
    let target = |binding: Binding| {
        let together = before.replace(binding.q) == Some(binding.q) && count < at_once;
        count = if together { count + 1 } else { 1 };
        Target {
            trunk: USERS.into(),
            hop: hop_to(&binding),
            together,
            uri: binding.contact,
            routes: binding.path,
            fields: Vec::new(),
            redirects: 0,
        }
    };
    bindings.into_iter().map(target).take(limits::MAX_TARGETS).collect()
}

/// The way to a binding: by its Path if it has one; to the address in its Contact if that is where
/// the REGISTER came from; else, since the device is then behind a NAT or has a name for an
/// address, back the way that the REGISTER came.
fn hop_to(binding: &Binding) -> Hop {
    let hop = binding.hop;
    let address = |uri: &str| {
        let uri = Uri::parse(uri).ok()?;
        let port = uri.port.unwrap_or(hop.transport.default_port());
        Some(std::net::SocketAddr::new(uri.host_ip()?, port))
    };
    if let Some(first) = binding.path.first() {
        let route = Address::parse(first.as_bytes()).ok();
        return hop.to(route.and_then(|route| address(route.uri)).unwrap_or(hop.peer));
    }
    if hop.transport.is_reliable() {
        return hop;
    }
    match address(&binding.contact) {
        Some(contact) if contact.ip() == hop.peer.ip() => hop.to(contact),
        Some(_) | None => hop,
    }
}
