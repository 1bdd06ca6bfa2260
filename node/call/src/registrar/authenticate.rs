//! Who sent a request, by digest (RFC 3261 section 22).
//!
//! A nonce is bound to the slot whose owner made it, and to its epoch: only that owner accepts it, and
//! it remembers which counts were used. So no count is accepted twice, by no two nodes, across no
//! takeover; what a takeover costs is a challenge with `stale=true`, which devices answer by
//! themselves.

use holdline_model::{Aor, Epoch, Ha1, Millis, SlotId, UserRecord};
use holdline_sip::digest::{Credentials, Nonce, Use, challenges, fingerprint};
use holdline_sip::message::{HeaderName, Message};

use super::{Registrar, Unreadable};
use crate::call::Request;

/// In which capacity a request is challenged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question<'a> {
    /// The realm.
    pub(crate) realm: &'a str,
    /// The slot whose owner we are.
    pub(crate) slot: SlotId,
    /// In which epoch.
    pub(crate) epoch: Epoch,
    /// 401 and its header fields, as a registrar; else 407 and its own.
    pub(crate) as_registrar: bool,
}

/// What the credentials of a request are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// There are none for the realm.
    Missing,
    /// They cannot be read.
    Unreadable,
    /// They prove nothing, as far as this node knows the users.
    Unproved,
    /// The password is right, but the nonce is over, or of another owner.
    Stale(Box<UserRecord>),
    /// The password is right, but the nonce was used with this count by another request.
    Replayed,
    /// The password is right and the nonce is good.
    Proved(Box<UserRecord>, Use),
}

/// What credentials are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// They prove nothing.
    Wrong,
    /// They are right, but the nonce is over, or of another owner.
    Stale,
    /// They are right, but the nonce was used with this count by another request.
    Replayed,
    /// They are right and the nonce is good.
    Proved(Use),
}

impl Question<'_> {
    pub(crate) const fn status(&self) -> u16 {
        if self.as_registrar { 401 } else { 407 }
    }

    const fn credentials(&self) -> HeaderName {
        if self.as_registrar { HeaderName::Authorization } else { HeaderName::ProxyAuthorization }
    }

    const fn challenge(&self) -> HeaderName {
        if self.as_registrar { HeaderName::WwwAuthenticate } else { HeaderName::ProxyAuthenticate }
    }
}

/// Tells a request from all others, and a retransmission from a replay: by where it came from, and by
/// all its bytes.
pub(crate) fn print_of(request: &Request) -> u128 {
    let peer = request.hop.peer.to_string();
    fingerprint(&[peer.as_bytes(), request.message.bytes()])
}

impl Registrar {
    /// The header fields of a challenge.
    pub(crate) fn challenge(
        &self,
        now: Millis,
        question: &Question<'_>,
        salt: u64,
        stale: bool,
    ) -> [(HeaderName, String); 2] {
        let Question { realm, slot, epoch, .. } = *question;
        let nonce = self.key.sign(&Nonce { issued: now, slot, epoch, salt }, realm);
        challenges(realm, &nonce, stale).map(|value| (question.challenge(), value))
    }

    /// Checks the credentials of a request. The work is the same whether there is such a user or not.
    pub(crate) fn check(
        &mut self,
        now: Millis,
        question: &Question<'_>,
        request: &Request,
        print: u128,
    ) -> Result<Checked, Unreadable> {
        let message = &request.message;
        let Some(credentials) = credentials_for(message, question) else {
            return Ok(Checked::Missing);
        };
        let Ok(credentials) = credentials else { return Ok(Checked::Unreadable) };
        let user = match Aor::new(&credentials.username, question.realm) {
            Ok(aor) => self.directory.user(&aor)?,
            Err(_) => None,
        };
        let nobody = self.key.nobody(&credentials.username, question.realm);
        let ha1: &Ha1 = user.as_ref().map_or(&nobody, |user| &user.ha1);
        let judged = self.judge(now, question, request, print, (&credentials, ha1));
        let Some(user) = user.map(Box::new) else { return Ok(Checked::Unproved) };
        Ok(match judged {
            Judged::Wrong => Checked::Unproved,
            Judged::Stale => Checked::Stale(user),
            Judged::Replayed => Checked::Replayed,
            Judged::Proved(accepted) => Checked::Proved(user, accepted),
        })
    }

    /// Checks the credentials of a request that a trunk may have sent: of one that has this secret, or, if
    /// there is none by that name, of nobody.
    pub(crate) fn check_peer(
        &mut self,
        now: Millis,
        question: &Question<'_>,
        request: &Request,
        print: u128,
        secret: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Option<Judged> {
        let credentials = credentials_for(&request.message, question)?;
        let Ok(credentials) = credentials else { return Some(Judged::Wrong) };
        let found = secret(&credentials.username);
        let nobody = self.key.nobody(&credentials.username, question.realm);
        let ha1 = found.as_ref().unwrap_or(&nobody);
        let judged = self.judge(now, question, request, print, (&credentials, ha1));
        Some(if found.is_some() { judged } else { Judged::Wrong })
    }

    /// What credentials are worth to somebody with this HA1.
    fn judge(
        &mut self,
        now: Millis,
        question: &Question<'_>,
        request: &Request,
        print: u128,
        (credentials, ha1): (&Credentials, &Ha1),
    ) -> Judged {
        let message = &request.message;
        let uri = message.request_uri().unwrap_or_default();
        if !credentials.prove(ha1, message.method().as_str(), uri) {
            return Judged::Wrong;
        }
        let nonce = self.key.read(&credentials.nonce, question.realm);
        let ours = |nonce: &Nonce| (nonce.slot, nonce.epoch) == (question.slot, question.epoch);
        let Some(nonce) = nonce.filter(ours) else { return Judged::Stale };
        match self.replays.note(now, &nonce, credentials.nc, print) {
            Use::Stale => Judged::Stale,
            Use::Replayed => Judged::Replayed,
            accepted @ (Use::First | Use::Again) => Judged::Proved(accepted),
        }
    }
}

/// The first credentials for the realm, or the first that cannot be read.
fn credentials_for(message: &Message, question: &Question<'_>) -> Option<Result<Credentials, ()>> {
    let mut values = message.header_values(question.credentials());
    values.find_map(|value| match Credentials::parse(value) {
        Ok(credentials) if credentials.realm == question.realm => Some(Ok(credentials)),
        Ok(_) => None,
        Err(_) => Some(Err(())),
    })
}
