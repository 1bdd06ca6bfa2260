//! A trunk that asks for credentials (RFC 3261 section 22.2): the same call once more, with them.
//!
//! The retry is a target of its own, the same but for the header field that answers the challenge; the
//! `Attempt` that adds it holds that field, so that whoever owns the call resends the same bytes, and no secret
//! is in the log. A challenge is answered once; another one only if it says that nothing but the nonce was
//! wrong (`stale=true`).
//!
//! Requests within the dialog carry credentials without being asked: made of the same challenge, which the
//! target's header field tells, with a count that follows from the CSeq number. A BYE that is challenged
//! all the same is sent once more: as a function of the challenge, which the trunk repeats to whoever sends
//! the BYE.

use holdline_model::{Side, Target, limits};
use holdline_sip::digest::{Answer, Challenge};
use holdline_sip::message::{HeaderName, Message};

use super::{Call, Ctx};
use crate::messages::{self, status_of};
use crate::routing::TrunkCredentials;

/// Challenges that one target may make for a call.
const MAX_CHALLENGES: usize = 3;

/// Whether an answer asks for credentials.
pub(super) const fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}

impl Call {
    /// A target once more with the credentials that it asks for; `None` if there are none, or if it had them.
    pub(super) fn challenged(
        &self,
        ctx: &Ctx<'_>,
        attempt: u16,
        message: &Message,
    ) -> Option<Target> {
        let target = self.record.targets.get(usize::from(attempt))?;
        let credentials = ctx.credentials(&target.trunk)?;
        let challenge = challenge_in(message, credentials)?;
        let known = self.record.targets.iter().filter(|other| {
            (&other.trunk, other.hop, &other.uri) == (&target.trunk, target.hop, &target.uri)
        });
        let before = credentials_in(target).and_then(answered_by);
        let is_new = before
            .as_ref()
            .is_none_or(|before| challenge.stale && challenge.nonce() != before.nonce());
        let count = known.count();
        if !is_new || count > MAX_CHALLENGES || self.record.targets.len() >= limits::MAX_TARGETS {
            return None;
        }
        let asked = Asked { method: "INVITE", uri: &target.uri, nc: 1 };
        let value = self.proof(credentials, &challenge, &asked);
        let mut fields = target.fields.clone();
        fields.retain(|field| !is_credentials(field));
        fields.push(field_for(message, &value));
        Some(Target { fields, together: false, ..target.clone() })
    }

    /// The header field with which a request within the callee's dialog answers the challenge that the
    /// INVITE was answered with. The ACK of the INVITE repeats the INVITE's.
    pub(super) fn credentials_within(
        &self,
        ctx: &Ctx<'_>,
        to: Side,
        method: &str,
        cseq: u32,
    ) -> Option<String> {
        if to == Side::Caller {
            return None;
        }
        let target = self.record.targets.get(usize::from(self.record.attempt))?;
        let field = credentials_in(target)?;
        let challenge = answered_by(field)?;
        let credentials = ctx.credentials(&target.trunk)?;
        let dialog = self.dialog(Side::Callee)?;
        let uri = crate::dialogs::address(dialog).uri;
        let nc = cseq.saturating_sub(messages::invite_cseq(self.record.attempt)).saturating_add(1);
        let value = self.proof(credentials, &challenge, &Asked { method, uri, nc });
        let (name, _) = field.split_once(": ")?;
        Some(format!("{name}: {value}"))
    }

    /// The header field with which the INVITE to a target proves who we are.
    pub(super) fn credentials_of(&self, attempt: u16) -> Option<&str> {
        credentials_in(self.record.targets.get(usize::from(attempt))?)
    }

    /// A BYE of ours was challenged: it is sent once more, with credentials.
    pub(super) fn bye_challenged(&mut self, ctx: &mut Ctx<'_>, side: Side, message: &Message) {
        if !is_challenge(status_of(message)) || self.is_bye_repeated(side) {
            return;
        }
        let trunk = self.record.trunk(side);
        let Some(credentials) = trunk.and_then(|trunk| ctx.credentials(trunk)) else {
            return;
        };
        let challenge = challenge_in(message, credentials);
        let (Some(challenge), Some(dialog)) = (challenge, self.dialog(side)) else {
            return;
        };
        let uri = crate::dialogs::address(dialog).uri;
        let value = self.proof(credentials, &challenge, &Asked { method: "BYE", uri, nc: 1 });
        let field = field_for(message, &value);
        self.repeat_bye(ctx, side, &field);
    }

    fn proof(
        &self,
        credentials: &TrunkCredentials,
        challenge: &Challenge,
        asked: &Asked<'_>,
    ) -> String {
        let ha1 = credentials.ha1(&challenge.realm);
        // The same whoever owns the call.
        let cnonce = format!("{}{:x}", self.record.call, asked.nc);
        let answer = Answer {
            username: &credentials.username,
            ha1: &ha1,
            method: asked.method,
            uri: asked.uri,
            nc: asked.nc,
            cnonce: &cnonce,
        };
        answer.to(challenge)
    }
}

/// What is asked for with credentials.
struct Asked<'a> {
    method: &'a str,
    uri: &'a str,
    nc: u32,
}

fn challenge_in(message: &Message, credentials: &TrunkCredentials) -> Option<Challenge> {
    let name = match status_of(message) {
        407 => HeaderName::ProxyAuthenticate,
        _ => HeaderName::WwwAuthenticate,
    };
    Challenge::best_of(message.header_values(name), |algorithm| credentials.knows(algorithm))
}

/// The header field that answers a challenge.
fn field_for(challenge: &Message, value: &str) -> String {
    let name = if status_of(challenge) == 407 { PROXY_AUTHORIZATION } else { AUTHORIZATION };
    format!("{name}: {value}")
}

fn is_credentials(field: &str) -> bool {
    [AUTHORIZATION, PROXY_AUTHORIZATION]
        .into_iter()
        .any(|name| field.strip_prefix(name).is_some_and(|rest| rest.starts_with(": ")))
}

/// The header field that has a target's credentials.
fn credentials_in(target: &Target) -> Option<&str> {
    target.fields.iter().map(String::as_str).find(|field| is_credentials(field))
}

/// The challenge that credentials answer, read back from them.
fn answered_by(field: &str) -> Option<Challenge> {
    let (_, value) = field.split_once(": ")?;
    Challenge::best(std::iter::once(value.as_bytes()))
}

const AUTHORIZATION: &str = "Authorization";
const PROXY_AUTHORIZATION: &str = "Proxy-Authorization";
