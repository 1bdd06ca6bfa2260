//! What callers and callees are to do.

use std::net::SocketAddr;
use std::time::Duration;

/// When a step of a script happens. Whatever it says, an order ([`Tell`]) makes it happen at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the step before it.
    After(Duration),
    /// Only when told.
    Told,
}

impl When {
    /// Right after the step before it.
    pub const AT_ONCE: Self = Self::After(Duration::ZERO);

    /// So many milliseconds after the step before it.
    #[must_use]
    pub const fn ms(ms: u64) -> Self {
        Self::After(Duration::from_millis(ms))
    }
}

/// A call to be placed.
#[derive(Clone, Debug)]
pub struct CallerPlan {
    /// The number dialled, unique within the run: it names the call in both ledgers and in the CDR.
    pub number: String,
    /// Where the INVITE goes.
    pub to: SocketAddr,
    /// When the caller sends BYE, from its ACK on.
    pub hang_up: When,
    /// When the caller sends CANCEL, from the first 18x on; never before a provisional answer.
    pub cancel: When,
    /// When the caller ACKs the 2xx.
    pub ack: When,
    /// The INVITE carries no SDP; the ACK does.
    pub late_offer: bool,
    /// Requests within the dialog go there instead of where Route and Contact say.
    pub in_dialog_to: Option<SocketAddr>,
}

impl CallerPlan {
    /// A call that is ACKed at once and hung up when told.
    #[must_use]
    pub fn hold(number: impl Into<String>, to: SocketAddr) -> Self {
        Self {
            number: number.into(),
            to,
            hang_up: When::Told,
            cancel: When::Told,
            ack: When::AT_ONCE,
            late_offer: false,
            in_dialog_to: None,
        }
    }

    /// The same call, hung up so long after its ACK.
    #[must_use]
    pub fn hang_up_after_ms(mut self, ms: u64) -> Self {
        self.hang_up = When::ms(ms);
        self
    }
}

/// What a callee does with a call.
#[derive(Clone, Copy, Debug)]
pub struct CalleeScript {
    /// Whether it answers 100 at once, as it must (RFC 3261 section 17.2.1) unless it answers
    /// otherwise within 200 ms. Without it a callee that does nothing else is as good as dead.
    pub trying: bool,
    /// When it rings, from the INVITE on; `None`: it does not.
    pub ring: Option<When>,
    /// It sends 183 with SDP in place of 180.
    pub early_media: bool,
    /// How it answers, from the ringing on, or from the INVITE on if it does not ring.
    pub last: Last,
    /// When it sends BYE, from the ACK on.
    pub hang_up: When,
}

/// A final answer.
#[derive(Clone, Copy, Debug)]
pub enum Last {
    /// 200 with SDP.
    Answer(When),
    /// A failure with that status.
    Refuse(u16, When),
}

impl CalleeScript {
    /// Rings at once, answers after so many milliseconds, waits for the BYE.
    #[must_use]
    pub const fn answer_after_ms(ms: u64) -> Self {
        Self {
            trying: true,
            ring: Some(When::AT_ONCE),
            early_media: false,
            last: Last::Answer(When::ms(ms)),
            hang_up: When::Told,
        }
    }

    /// Rings at once and answers only when told.
    #[must_use]
    pub const fn ring_only() -> Self {
        Self { last: Last::Answer(When::Told), ..Self::answer_after_ms(0) }
    }

    /// Does nothing until told, except for the 100.
    #[must_use]
    pub const fn wait() -> Self {
        Self { ring: Some(When::Told), ..Self::ring_only() }
    }

    /// Refuses at once with `status`.
    #[must_use]
    pub const fn refuse(status: u16) -> Self {
        Self { ring: None, last: Last::Refuse(status, When::AT_ONCE), ..Self::ring_only() }
    }

    /// Never says a word.
    #[must_use]
    pub const fn silent() -> Self {
        Self { trying: false, ..Self::wait() }
    }
}

/// An order to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// Callee: ring.
    Ring,
    /// Callee: send the final answer of its script.
    Answer,
    /// Caller: ACK the 2xx.
    Ack,
    /// Caller: send CANCEL.
    Cancel,
    /// Either: send BYE.
    HangUp,
}

/// An order to an endpoint.
#[derive(Clone, Debug)]
pub enum Order {
    /// Place a call.
    Place(CallerPlan),
    /// Tell the calls of that number something. A callee obeys also if the INVITE comes later.
    Tell(String, Tell),
    /// From now on, calls to numbers beginning with the text follow the script; the longest wins.
    Script(String, CalleeScript),
}
