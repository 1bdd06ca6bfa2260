//! New calls, as the node looks at them before it lets them in: whose they are, and how they are
//! refused while it is overloaded. The engine has no opinion on whether it is.

use std::time::Duration;

use holdline_model::{Millis, Name};
use holdline_sip::message::{HeaderName, Method};

use crate::{CallEngine, Input};

/// A call that an input asks for and that this engine does not know yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCall<'a> {
    /// Whose it would be; of a user, whose it says it is: the password is not looked at yet. Empty if
    /// there is no such user.
    pub tenant: Name,
    /// The caller's URI.
    pub from: &'a str,
    /// The dialled URI.
    pub to: &'a str,
}

impl CallEngine {
    /// The new call that an input asks for, if it asks for one: an INVITE outside of a dialog, from
    /// a trunk or with credentials, that neither repeats that of a known call nor one that was
    /// refused lately. An INVITE from elsewhere is at most asked for credentials.
    #[must_use]
    pub fn new_call<'a>(&'a self, input: &'a Input) -> Option<NewCall<'a>> {
        let Input::Sip { hop, message, .. } = input else { return None };
        let is_invite = message.is_request() && *message.method() == Method::Invite;
        if !is_invite || message.to().tag.is_some() {
            return None;
        }
        let tenant = match self.source(*hop) {
            Some(trunk) => trunk.tenant.clone(),
            None if has_credentials(message) => {
                self.registrar.tenant_of(message.from().uri).unwrap_or_default()
            }
            None => return None,
        };
        if self.index.find(message).is_some() || self.refused.find(message).is_some() {
            return None;
        }
        let to = message.request_uri().unwrap_or_default();
        Some(NewCall { tenant, from: message.from().uri, to })
    }

    /// Handles one input as [`CallEngine::handle`] does, but a new call is refused with 503, and a
    /// repetition of its INVITE gets the same answer, whatever is given then.
    pub fn shed(&mut self, now: Millis, input: Input, retry_after: Duration) {
        self.shedding = Some(retry_after);
        self.handle(now, input);
        self.shedding = None;
    }
}

fn has_credentials(message: &holdline_sip::message::Message) -> bool {
    [HeaderName::ProxyAuthorization, HeaderName::Authorization]
        .into_iter()
        .any(|name| message.header(name).is_some())
}
