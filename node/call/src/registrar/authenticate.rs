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
    /// They prove nothing.
    Wrong,
    /// The password is right, but the nonce is over, or of another owner.
    Stale(Box<UserRecord>),
    /// The password is right, but the nonce was used with this count by another request.
    Replayed,
    /// The password is right and the nonce is good.
    Proved(Box<UserRecord>, Use),
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
        let Ok(credentials) = credentials else { return Ok(Checked::Wrong) };
        let user = match Aor::new(&credentials.username, question.realm) {
            Ok(aor) => self.directory.user(&aor)?,
            Err(_) => None,
        };
        let nobody = self.key.nobody(&credentials.username, question.realm);
        let ha1: &Ha1 = user.as_ref().map_or(&nobody, |user| &user.ha1);
        let uri = message.request_uri().unwrap_or_default();
        let proved = credentials.prove(ha1, message.method().as_str(), uri);
        let Some(user) = user.filter(|_| proved).map(Box::new) else { return Ok(Checked::Wrong) };
        let nonce = self.key.read(&credentials.nonce, question.realm);
        let ours = |nonce: &Nonce| (nonce.slot, nonce.epoch) == (question.slot, question.epoch);
        let Some(nonce) = nonce.filter(ours) else { return Ok(Checked::Stale(user)) };
        Ok(match self.replays.note(now, &nonce, credentials.nc, print) {
            Use::Stale => Checked::Stale(user),
            Use::Replayed => Checked::Replayed,
            accepted @ (Use::First | Use::Again) => Checked::Proved(user, accepted),
        })
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
