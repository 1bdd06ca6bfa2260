//! What the dispatcher asks for each datagram from a socket, before it is parsed.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use holdline_guard::{BanScope, Bans, Cause, EmergencyNumbers, Shield, ShieldVerdict, Traffic};
use holdline_model::Millis;
use metrics::counter;

use super::keeper::News;
use super::tops::SourcesGuard;
use super::{Protection, peek};

/// The screen, for one batch of datagrams: time is read and locks are taken once.
pub(crate) struct Screen<'a> {
    protection: &'a Protection,
    now_ns: u64,
    now: Millis,
    bans: Arc<Bans>,
    emergency: Arc<EmergencyNumbers>,
    shield: Option<MutexGuard<'a, Shield>>,
    sources: SourcesGuard<'a>,
}

impl Protection {
    /// The screen for a batch. Hold it across no wait.
    pub(crate) fn screen(&self) -> Screen<'_> {
        Screen {
            protection: self,
            now_ns: self.clock.elapsed_ns(),
            now: self.clock.now(),
            bans: self.bans.load_full(),
            emergency: self.emergency.load_full(),
            shield: self.lock_shield(),
            sources: self.tops.sources(),
        }
    }
}

impl Screen<'_> {
    /// Whether a datagram may go on. One that may not is dropped and counted: nothing is answered,
    /// because a refusal would cost more than it is worth.
    pub(crate) fn passes(&mut self, peer: SocketAddr, bytes: &Bytes) -> bool {
        let source = peer.ip().to_canonical();
        self.sources.observe(self.now_ns, source);
        if self.protection.allow.contains(source) {
            return true;
        }
        match self.bans.find(self.now, source) {
            None => self.limited(source, bytes),
            Some(BanScope::New) if peek::is_exempt(bytes, &self.emergency) => self.exempt(source),
            Some(_) => refused("banned"),
        }
    }

    fn limited(&mut self, source: IpAddr, bytes: &Bytes) -> bool {
        let Some(shield) = &mut self.shield else { return true };
        let (cause, ban) = match shield.datagram(self.now_ns, source, peek::traffic(bytes)) {
            ShieldVerdict::Pass => return true,
            ShieldVerdict::Refuse(cause) => (cause, false),
            ShieldVerdict::Ban(cause) => (cause, true),
        };
        if ban {
            self.protection.tell(News::Offender { source, cause });
        }
        if peek::is_exempt(bytes, &self.emergency) {
            return self.exempt(source);
        }
        refused(cause.as_str())
    }

    /// What is never limited has a ceiling of its own.
    fn exempt(&mut self, source: IpAddr) -> bool {
        let Some(shield) = &mut self.shield else { return true };
        match shield.datagram(self.now_ns, source, Traffic::Exempt) {
            ShieldVerdict::Pass => {
                counter!("holdline_shield_exempted_total").increment(1);
                true
            }
            ShieldVerdict::Refuse(_) | ShieldVerdict::Ban(_) => refused(Cause::Exempt.as_str()),
        }
    }
}

fn refused(reason: &'static str) -> bool {
    counter!("holdline_shield_dropped_total", "reason" => reason).increment(1);
    false
}
