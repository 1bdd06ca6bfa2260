//! A user of ours whose bindings are the callees, for calls that go to several of them together.

use std::net::SocketAddr;
use std::sync::Arc;

use holdline_call::{Directory, RegistrarOptions, Unreadable};
use holdline_model::{
    Aor, Binding, CallId, CallRecord, Hop, LocationRecord, Millis, NodeId, UserRecord,
};

use super::node::address;

/// The dialled number at the switch's address is the only user.
#[derive(Debug)]
pub(crate) struct Bindings {
    location: LocationRecord,
}

impl Bindings {
    /// Of the callees at these addresses, each with its preference.
    pub(crate) fn new(callees: &[SocketAddr], preferences: &[u16]) -> Arc<Self> {
        let binding = |(index, (callee, q)): (u64, (&SocketAddr, &u16))| Binding {
            key: callee.to_string(),
            contact: format!("sip:device@{callee}"),
            q: *q,
            path: Vec::new(),
            instance: None,
            reg_id: None,
            call_id: format!("register-{index}"),
            cseq: 1,
            hop: Hop::udp(address(NodeId(1)), *callee),
            // The newest comes first.
            at: Millis(1_000 - index),
            granted_s: 3_600,
            until: Millis(u64::MAX),
        };
        let bindings = (0..).zip(callees.iter().zip(preferences)).map(binding).collect();
        let domain = address(NodeId(1)).ip().to_string();
        let aor = Aor::new("+4930123", &domain).expect("constant");
        Arc::new(Self {
            location: LocationRecord { aor, bindings, requests: Vec::new(), former: Vec::new() },
        })
    }

    /// A registrar for that user's domain.
    pub(crate) fn registrar(&self) -> RegistrarOptions {
        let domains = vec![self.location.aor.domain().to_owned()];
        RegistrarOptions { domains, ..RegistrarOptions::default() }
    }
}

impl Directory for Bindings {
    fn applied(&self) -> u64 {
        u64::MAX
    }

    fn user(&self, _aor: &Aor) -> Result<Option<UserRecord>, Unreadable> {
        Ok(None)
    }

    fn call(&self, _call: CallId) -> Result<Option<CallRecord>, Unreadable> {
        Ok(None)
    }

    fn location(&self, aor: &Aor) -> Result<Option<LocationRecord>, Unreadable> {
        Ok((*aor == self.location.aor).then(|| self.location.clone()))
    }
}
