//! The far ends' retransmissions: RFC 3261's, or SIPp's, which are the same ones without limits of
//! their own. Written apart from `holdline_sip::transaction`.

use std::net::SocketAddr;

/// A datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) text: String,
}

/// What a far end wants done, and what it complains about.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) sends: Vec<Datagram>,
    pub(crate) complaints: Vec<String>,
}

impl Wish {
    pub(crate) fn complain(&mut self, who: &str, what: impl Into<String>) {
        self.complaints.push(format!("{who}: {}", what.into()));
    }
}

/// What is sent again until something stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Invite,
    Cancel,
    Bye,
    Success,
    Failure,
    /// A reliable provisional answer.
    Reliable,
    /// Its PRACK.
    Prack,
    /// A request within the dialog, by its number.
    Ask(usize),
    /// An INVITE within the dialog.
    Reinvite(usize),
    /// Its CANCEL.
    CancelAsk(usize),
    /// The final answer to one.
    Reanswer(usize),
}

#[derive(Debug)]
struct Resend {
    what: What,
    datagram: Datagram,
    at: u64,
    wait_ms: u64,
    give_up_at: u64,
}

/// All that one far end sends again.
#[derive(Debug, Default)]
pub(crate) struct Resends {
    all: Vec<Resend>,
}

const T1_MS: u64 = 500;
const T2_MS: u64 = 4_000;

impl Resends {
    /// Sends now and again with doubling waits; an INVITE's grow without a cap.
    pub(crate) fn start(&mut self, now: u64, what: What, datagram: Datagram, wish: &mut Wish) {
        wish.sends.push(datagram.clone());
        let give_up_at = now + 64 * T1_MS;
        let resend = Resend { what, datagram, at: now + T1_MS, wait_ms: 2 * T1_MS, give_up_at };
        self.all.push(resend);
    }

    pub(crate) fn stop(&mut self, what: What) {
        self.all.retain(|resend| resend.what != what);
    }

    /// What is sent again.
    pub(crate) fn of(&self, what: What) -> Option<Datagram> {
        let resend = self.all.iter().find(|resend| resend.what == what)?;
        Some(resend.datagram.clone())
    }

    /// Sends what is due; returns what was given up after 64×T1.
    pub(crate) fn tick(&mut self, now: u64, wish: &mut Wish) -> Vec<What> {
        let mut given_up = Vec::new();
        self.all.retain_mut(|resend| {
            if resend.give_up_at <= now {
                given_up.push(resend.what);
                return false;
            }
            if resend.at <= now {
                wish.sends.push(resend.datagram.clone());
                resend.at = now + resend.wait_ms;
                resend.wait_ms *= 2;
                if !matches!(resend.what, What::Invite | What::Reinvite(_)) {
                    resend.wait_ms = resend.wait_ms.min(T2_MS);
                }
            }
            true
        });
        given_up
    }

    pub(crate) fn next(&self) -> Option<u64> {
        self.all.iter().map(|resend| resend.at.min(resend.give_up_at)).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
